//! Reading the history, whatever became of the file.
//!
//! A line that is no entry is skipped and counted: it was cut off by a crash, comes from a newer version, or somebody wrote
//! into the file. Nothing of it is an error, since nothing is decided by it.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use baton_lock::{escape, state_dir};
use serde_json::Value;

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
        Ok(Self::parse(&content(state, name)?))
    }

    /// Reads the lines as JSON objects, with all their members and whatever their schema; and how many lines are none.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn documents(state: &Path, name: &str) -> Result<(Vec<Value>, usize), ReadError> {
        let bytes = content(state, name)?;
        let (mut documents, mut unreadable) = (Vec::new(), 0);
        for line in lines(&bytes) {
            match serde_json::from_slice::<Value>(line) {
                Ok(document) if document.is_object() => documents.push(document),
                _ => unreadable += 1,
            }
        }
        Ok((documents, unreadable))
    }

    /// Reads lines.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut history = Self::default();
        for line in lines(bytes) {
            match serde_json::from_slice::<Entry>(line) {
                Ok(entry) if entry.schema == SCHEMA => history.entries.push(entry),
                _ if is_newer(line) => history.newer += 1,
                _ => history.unreadable += 1,
            }
        }
        history
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// Both parts, the older one first.
fn content(state: &Path, name: &str) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    for rotated in [true, false] {
        let path = super::directory(state).join(super::file_name(name, rotated));
        let part = state_dir::check_name(name).map_err(io::Error::other).and_then(|()| read(&path));
        bytes.extend(part.map_err(|source| ReadError { path, source })?);
        // A part that was cut off spoils none of the next one's lines.
        bytes.push(b'\n');
    }
    Ok(bytes)
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
