//! Writing the history: one line, one `write`, always at the end.
//!
//! It is written under the job's lock, so that there is one writer. A writer that was killed in the middle of a line, or met a
//! full disk, leaves a line cut off; the next one ends it first, so that only that one is lost.
//!
//! It is not synced: a power cut may take the last lines, which reports then lack. The session, which decides, is.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use baton_lock::state_dir;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::plain_file;

/// How large the file grows, in bytes, before it becomes the older part and a new one is begun: some 100,000 events.
pub const MAX_SIZE: u64 = 16 << 20;

/// The history of one job, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    rotated: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    /// Does the file end in the middle of a line?
    is_cut: bool,
}

impl Journal {
    /// Opens the history of the job `name`, and creates it if there is none: 0600 in a 0700 directory.
    ///
    /// Whoever opens it holds the job's lock.
    ///
    /// # Errors
    ///
    /// If `name` is none; if what has the file's name is no regular file (a link, a FIFO: it is not opened); if it can't be
    /// created.
    pub fn open(state: &Path, name: &str) -> io::Result<Self> {
        Self::limited(state, name, MAX_SIZE)
    }

    fn limited(state: &Path, name: &str, limit: u64) -> io::Result<Self> {
        state_dir::check_name(name).map_err(io::Error::other)?;
        let directory = super::directory(state);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let path = directory.join(super::file_name(name, false));
        let rotated = directory.join(super::file_name(name, true));
        let (file, size, is_cut) = open(&path)?;
        Ok(Self { path, rotated, file, size, limit, is_cut })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line: an [`Entry`](super::Entry), or the same as a JSON object.
    ///
    /// # Errors
    ///
    /// If it can't be written whole; later ones may be written all the same.
    pub fn append(&mut self, entry: &impl Serialize) -> io::Result<()> {
        let line = serde_json::to_string(entry)?;
        if self.size > 0 && self.size + line.len() as u64 + 2 > self.limit {
            self.rotate()?;
        }
        let bytes = format!("{}{line}\n", if self.is_cut { "\n" } else { "" }).into_bytes();
        let written = self.file.write(&bytes)?;
        self.size += written as u64;
        self.is_cut = written < bytes.len() && (written > 0 || self.is_cut);
        if written < bytes.len() { Err(io::ErrorKind::WriteZero.into()) } else { Ok(()) }
    }

    /// The file becomes the older part, in place of the one before.
    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.rotated)?;
        (self.file, self.size, self.is_cut) = open(&self.path)?;
        Ok(())
    }
}

/// Opens the file to add to it; with its size, and whether it ends in the middle of a line.
fn open(path: &Path) -> io::Result<(File, u64, bool)> {
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    let mut file = plain_file::open_as(path, flags, Mode::RUSR | Mode::WUSR)?;
    let size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.seek(SeekFrom::Start(size - 1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, size, last != [b'\n']))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::history::{Entry, Event, History};

    fn undone(step: &str) -> Entry {
        Entry::now(1, Event::StepUndone { step: step.to_owned() })
    }

    #[test]
    fn what_is_appended_is_read_in_order() {
        let state = tempfile::tempdir().expect("a directory");
        for step in ["a", "b"] {
            let mut journal = Journal::open(&state.path().join("new"), "deploy").expect("opened");
            journal.append(&undone(step)).expect("written");
            journal.append(&serde_json::to_value(undone(step)).expect("JSON")).expect("written");
        }
        let history = History::load(&state.path().join("new"), "deploy").expect("read");
        assert_eq!((history.entries.len(), history.unreadable), (4, 0));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let directory = state.path().join("new/history");
        assert_eq!((mode(&directory), mode(&directory.join("deploy.jsonl"))), (0o700, 0o600));
    }

    #[test]
    fn line_cut_off_by_a_crash_spoils_no_other() {
        let state = tempfile::tempdir().expect("a directory");
        let mut journal = Journal::open(state.path(), "deploy").expect("opened");
        journal.append(&undone("a")).expect("written");
        let mut whole = fs::read(journal.path()).expect("read");
        whole.extend_from_slice(br#"{"schema":1,"at":"2026"#);
        fs::write(journal.path(), &whole).expect("written");
        let mut journal = Journal::open(state.path(), "deploy").expect("opened");
        journal.append(&undone("b")).expect("written");
        let history = History::load(state.path(), "deploy").expect("read");
        assert_eq!((history.entries.len(), history.unreadable), (2, 1));
    }

    #[test]
    fn full_file_becomes_the_older_part_and_is_still_read() {
        let state = tempfile::tempdir().expect("a directory");
        let line = serde_json::to_string(&undone("a")).expect("JSON").len() as u64;
        let mut journal = Journal::limited(state.path(), "deploy", 2 * (line + 2)).expect("opened");
        for step in ["a", "b", "c", "d", "e"] {
            journal.append(&undone(step)).expect("written");
        }
        let history = History::load(state.path(), "deploy").expect("read");
        let steps: Vec<_> = history
            .entries
            .iter()
            .map(|entry| match &entry.event {
                Event::StepUndone { step } => step.as_str(),
                _ => "another event",
            })
            .collect();
        assert_eq!(steps, ["c", "d", "e"], "two parts of two lines at most");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_opened() {
        let state = tempfile::tempdir().expect("a directory");
        let directory = state.path().join("history");
        fs::create_dir(&directory).expect("made");
        let target = state.path().join("precious");
        fs::write(&target, "x").expect("written");
        symlink(&target, directory.join("link.jsonl")).expect("linked");
        plain_file::tests::make_fifo(&directory.join("fifo.jsonl"));
        for name in ["link", "fifo", "../x"] {
            assert!(Journal::open(state.path(), name).is_err(), "{name}");
        }
        assert_eq!(fs::read(&target).expect("read"), b"x");
    }
}
