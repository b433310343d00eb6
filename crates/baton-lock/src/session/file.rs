//! The bytes of a session in a file of the state directory.

use std::path::{Path, PathBuf};

use super::document::MAX_SIZE;
use super::error::Error;
use super::shelf::{Keeper, Replaced, Shelf};
use crate::atomic_file::{AtomicFile, Current, Insist, Kind, OwnNames, Replacement};
use crate::clock;
use crate::durable_directory;
use crate::lock::{Held, Integrity};
use crate::sys::Access;

pub(super) const KIND: Kind = Kind { noun: "a session", limit: MAX_SIZE, limit_text: "the 4194304" };

/// The file of one session.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
}

impl Keeper for File {
    fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        match AtomicFile::open(&self.path, KIND, OwnNames) {
            Ok(file) => Ok(file.read(Access::Read)?.map(|(_, bytes)| bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn is_there(&self) -> Result<bool, Error> {
        Ok(self.path.symlink_metadata().is_ok())
    }

    fn open(&self, _held: &Held) -> Result<Box<dyn Shelf>, Error> {
        self.prepare()?;
        let file = AtomicFile::open(&self.path, KIND, OwnNames)?;
        file.sweep();
        Ok(Box::new(Open { file, seen: None, current: None }))
    }

    fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, Error> {
        not_lost(held, &self.path)?;
        let file = match AtomicFile::open(&self.path, KIND, OwnNames) {
            Err(error) if is_missing(&error) => return Ok(None),
            file => file?,
        };
        // Not ending in `.json`, so that it is no session.
        let time = clock::format(clock::now()).replace(':', "");
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{time}.kept"));
        Ok(file.set_aside(&name)?.then(|| self.path.with_file_name(&name)))
    }

    fn remove(&self, held: &Held) -> Result<bool, Error> {
        not_lost(held, &self.path)?;
        match AtomicFile::open(&self.path, KIND, OwnNames) {
            Err(error) if is_missing(&error) => Ok(false),
            file => Ok(file?.remove()?),
        }
    }
}

impl File {
    /// Its directory's name has to survive a power cut like what is in it.
    fn prepare(&self) -> Result<(), Error> {
        Ok(self.path.parent().map_or(Ok(()), durable_directory::make)?)
    }
}

/// The file, open for changes. It stays open, so that its inode number is not given to another.
#[derive(Debug)]
struct Open {
    file: AtomicFile<OwnNames>,
    seen: Option<Current>,
    current: Option<Current>,
}

impl Shelf for Open {
    fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let read = self.file.read(Access::ReadWrite)?;
        let (seen, bytes) = read.unzip();
        self.seen = seen;
        Ok(bytes)
    }

    fn accept(&mut self) {
        self.current = self.seen.take();
    }

    fn replace(&mut self, held: &Held, parts: &[&[u8]]) -> Result<Replaced, Error> {
        let path = self.file.path();
        let mut done = self.file.replace(parts, self.current.as_ref(), Insist::Lock)?;
        if matches!(done, Replacement::InUse) {
            // Whoever has it locked: another holder there can't be, if the lock is not lost.
            not_lost(held, path)?;
            done = self.file.replace(parts, self.current.as_ref(), Insist::No)?;
        }
        match done {
            Replacement::Done(current) => {
                self.current = Some(current);
                Ok(Replaced::Done)
            }
            Replacement::NotDurable(current, errno) => {
                self.current = Some(current);
                Ok(Replaced::NotDurable(crate::Error::io("make durable", path, errno).into()))
            }
            Replacement::Changed if !self.file.is_directory_still_named() => Err(directory_moved(path)),
            Replacement::Changed => Ok(Replaced::Changed),
            Replacement::InUse => Err(Error::ChangedMeanwhile { path: path.to_owned() }),
        }
    }

    fn limit(&self) -> usize {
        MAX_SIZE
    }
}

fn directory_moved(path: &Path) -> Error {
    crate::Error::Unsafe {
        path: path.parent().unwrap_or(path).to_owned(),
        reason: "the directory was moved or replaced while the session was open".to_owned(),
        hint: "put it back, or run the job again with what is there now",
    }
    .into()
}

/// Refuses a holder of whom it is not known that it alone holds.
pub(super) fn not_lost(held: &Held, path: &Path) -> Result<(), Error> {
    match held.verify()? {
        Integrity::Lost(reason) => Err(Error::LockLost { path: path.to_owned(), reason }),
        Integrity::Intact | Integrity::Damaged(_) => Ok(()),
    }
}

/// Is it only that the directory isn't there?
pub(super) fn is_missing(error: &crate::Error) -> bool {
    matches!(error, crate::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}
