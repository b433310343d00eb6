//! Reading the history, whatever became of the file.
//!
//! A line that is no entry is skipped and counted: it was cut off by a crash, comes from a newer version, or somebody wrote
//! into the file. Nothing of it is an error, since nothing is decided by it.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use baton_lock::{escape, state_dir};

use super::{Entry, MAX_SIZE};
use crate::json::SCHEMA;
use crate::plain_file;

/// The most of one part that is read, in bytes; of a longer one, the end. Ours are smaller.
const READ_AT_MOST: u64 = 2 * MAX_SIZE;

/// What is known of a job's attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// What happened, in the order in which it was written.
    pub entries: Vec<Entry>,
    /// How many lines could not be read: cut off, or no entries at all.
    pub unreadable: usize,
    /// How many lines a newer version wrote.
    pub newer: usize,
}

/// A history could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the history {}", escape::path(path))]
pub struct ReadError {
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl History {
    /// Reads the history of the job `name`, the older part first; a missing one is empty.
    ///
    /// # Errors
    ///
    /// If a part is there and can't be read, or is no regular file; it is not opened then.
    pub fn load(state: &Path, name: &str) -> Result<Self, ReadError> {
        let mut history = Self::default();
        for rotated in [true, false] {
            let path = super::directory(state).join(super::file_name(name, rotated));
            let bytes = state_dir::check_name(name)
                .map_err(io::Error::other)
                .and_then(|()| read(&path))
                .map_err(|source| ReadError { path, source })?;
            history.add(&bytes);
        }
        Ok(history)
    }

    /// Reads lines.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut history = Self::default();
        history.add(bytes);
        history
    }

    fn add(&mut self, bytes: &[u8]) {
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Entry>(line) {
                Ok(entry) if entry.schema == SCHEMA => self.entries.push(entry),
                _ if is_newer(line) => self.newer += 1,
                _ => self.unreadable += 1,
            }
        }
    }
}

/// Is it an object whose `schema` is greater than ours? Then its members can mean anything.
fn is_newer(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Probe {
        schema: u64,
    }
    serde_json::from_slice::<Probe>(line).is_ok_and(|probe| probe.schema > u64::from(SCHEMA))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = match plain_file::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(READ_AT_MOST)))?;
    let mut bytes = Vec::new();
    file.take(READ_AT_MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_history_is_empty() {
        let state = tempfile::tempdir().expect("a directory");
        assert_eq!(History::load(state.path(), "deploy").expect("no error"), History::default());
    }

    #[test]
    fn lines_that_are_no_entries_are_skipped_and_counted() {
        let good = r#"{"schema":1,"at":"t","attempt":1,"event":"step_undone","step":"a"}"#;
        let newer = r#"{"schema":2,"when":5}"#;
        let garbage = "\0\0\0\n\x1b[2J\n[1]\n{}\n{\"schema\":1,\"event\":\"step_pondered\"}";
        let text = format!("{good}\n\n{newer}\n{garbage}\n{good}\n{}", &good[..30]);
        let history = History::parse(text.as_bytes());
        assert_eq!((history.entries.len(), history.newer, history.unreadable), (2, 1, 6));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            History::parse(&bytes);
        }
    }
}
