//! The history of a job: what happened, event by event, over all its attempts, in `history/NAME.jsonl` of the state directory.
//!
//! The session says how each step stands; how it came there is only here. One JSON object a line, added by the holder of the
//! job's lock, so that no two write at a time. Lost or cut off it costs a report some lines, and nothing else: no decision
//! rests on it, and so it is not synced.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A larger file than this, in bytes, is moved to `NAME.jsonl.1`, in place of the one there, before it is written to.
const LARGEST: u64 = 16 << 20;

/// A history that is written.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

/// Where the history of a job is.
pub fn path(state: &Path, name: &str) -> PathBuf {
    state.join("history").join(format!("{name}.jsonl"))
}

impl Journal {
    /// Opens it for more, 0600 in a 0700 directory. What a crash has cut off is ended, so that the next line is one of its own.
    ///
    /// # Errors
    ///
    /// If it can't be created or read, or is no regular file.
    pub fn open(state: &Path, name: &str) -> io::Result<Self> {
        let path = path(state, name);
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        if fs::symlink_metadata(&path).is_ok_and(|seen| seen.is_file() && seen.len() > LARGEST) {
            fs::rename(&path, path.with_extension("jsonl.1"))?;
        }
        // Neither a link is followed nor a FIFO waited at.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let mut file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags)
            .open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other(format!("`{}` is not a regular file", path.display())));
        }
        if !ends_with_line_feed(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Self { file })
    }

    /// Adds one event, in one write.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn append(&mut self, event: &Value) -> io::Result<()> {
        self.file.write_all(format!("{event}\n").as_bytes())
    }
}

fn ends_with_line_feed(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_that_a_crash_cut_off_does_not_spoil_the_next() {
        let state = tempfile::tempdir().expect("a directory");
        Journal::open(state.path(), "a")
            .and_then(|mut journal| journal.append(&json!({ "n": 1 })))
            .expect("written");
        let path = path(state.path(), "a");
        let whole = fs::read(&path).expect("there");
        fs::write(&path, [&whole[..], br#"{"n": 2, "cut"#].concat()).expect("written");
        Journal::open(state.path(), "a")
            .and_then(|mut journal| journal.append(&json!({ "n": 3 })))
            .expect("written");
        let text = fs::read_to_string(&path).expect("there");
        assert_eq!(text.lines().collect::<Vec<_>>(), [r#"{"n":1}"#, r#"{"n": 2, "cut"#, r#"{"n":3}"#]);
    }

    #[test]
    fn link_in_its_place_is_not_followed() {
        let state = tempfile::tempdir().expect("a directory");
        let path = path(state.path(), "a");
        fs::create_dir(state.path().join("history")).expect("made");
        std::os::unix::fs::symlink(state.path().join("elsewhere"), &path).expect("linked");
        assert!(Journal::open(state.path(), "a").is_err());
        assert!(!state.path().join("elsewhere").exists());
    }
}
