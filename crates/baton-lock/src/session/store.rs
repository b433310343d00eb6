//! Where a session is, and reading it.
//!
//! A session has a name, which is that of its lock too. In the state directory they are `sessions/NAME.json` and
//! `locks/NAME`. Reading needs no lock: the file is whole at any moment, and what was read may be old the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document;
#[cfg(doc)]
use super::document::MAX_SIZE;
use super::error::Error;
use super::file::File;
use super::model::Session;
use super::shelf::Keeper;
use super::writer::Writer;
use crate::lock::Held;
use crate::state_dir;
use crate::sys;

const ENDING: &str = ".json";

/// The place of one session; nothing is opened or created until it is read or written.
#[derive(Clone, Debug)]
pub struct Store {
    name: String,
    path: PathBuf,
    lock: PathBuf,
    keeper: Arc<dyn Keeper>,
}

/// Two are the same if they are called the same and at the same place.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.path, &self.lock) == (&other.name, &other.path, &other.lock)
    }
}

impl Eq for Store {}

impl Store {
    /// The session of this name in the user's state directory; see [`state_dir`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if it is none, or if no state directory is known because neither `BATON_DIR` nor
    /// `XDG_STATE_HOME` nor `HOME` is set.
    pub fn named(name: &str) -> Result<Self, Error> {
        let state = state_dir::state_directory().ok_or_else(|| Error::InvalidName {
            name: name.to_owned(),
            reason: "BATON_DIR, XDG_STATE_HOME and HOME are all unset, so there is no place for names",
        })?;
        Self::in_directory(state, name)
    }

    /// The session of this name in another state directory.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`]; or [`Error::File`] if the directory is given relative to a working directory that is gone.
    pub fn in_directory(state: impl AsRef<Path>, name: &str) -> Result<Self, Error> {
        state_dir::check_name(name).map_err(|reason| Error::InvalidName { name: name.to_owned(), reason })?;
        let state = std::path::absolute(&state).map_err(|source| crate::Error::Io {
            path: state.as_ref().to_owned(),
            action: "find out the working directory for",
            source,
        })?;
        let path = state.join("sessions").join(format!("{name}{ENDING}"));
        let keeper = Arc::new(File { path: path.clone() });
        Ok(Self { name: name.to_owned(), path, lock: state.join("locks").join(name), keeper })
    }

    /// A session that is kept elsewhere than in a file: at `path`, in words or as a URL, and changed under the lock at `lock`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`].
    pub fn kept(name: &str, path: PathBuf, lock: PathBuf, keeper: Arc<dyn Keeper>) -> Result<Self, Error> {
        state_dir::check_name(name).map_err(|reason| Error::InvalidName { name: name.to_owned(), reason })?;
        Ok(Self { name: name.to_owned(), path, lock, keeper })
    }

    /// The same session, changed under another lock.
    #[must_use = "the store itself is not changed"]
    pub fn under_lock(mut self, lock: impl Into<PathBuf>) -> Self {
        self.lock = lock.into();
        self
    }

    /// The sessions in a state directory, sorted by name. Temporaries and what was set aside are none.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the directory can't be read. One that is missing has none.
    pub fn list(state: impl AsRef<Path>) -> Result<Vec<Self>, Error> {
        let sessions = state.as_ref().join("sessions");
        let names = match sys::names_in_path(&sessions) {
            Ok(names) => names,
            Err(sys::Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(crate::Error::io("list the sessions in", &sessions, errno).into()),
        };
        let mut found: Vec<Self> = names
            .iter()
            .filter_map(|name| Self::in_directory(&state, name.to_str()?.strip_suffix(ENDING)?).ok())
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The session's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's absolute path; in a store that is no directory its URL and the session's place there.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock under which the session is changed.
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// Reads the session without holding its lock, for showing it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`], [`Error::Corrupt`], [`Error::NotASession`]; [`Error::File`] for a file that can't be read or is
    /// refused unread: a link, a FIFO, a directory, another user's, one with a second name or more than [`MAX_SIZE`] bytes.
    /// Never is any of these answered by `None`.
    pub fn load(&self) -> Result<Option<Session>, Error> {
        Ok(self.load_with_bytes()?.map(|(session, _)| session))
    }

    /// The same with the bytes that say it, which may have members that this version doesn't know.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with_bytes(&self) -> Result<Option<(Session, Vec<u8>)>, Error> {
        let Some(bytes) = self.keeper.read()? else { return Ok(None) };
        Ok(Some((understood(&bytes, &self.path)?, bytes)))
    }

    /// Is anything there, a session or not?
    ///
    /// # Errors
    ///
    /// If that can't be told.
    pub fn is_there(&self) -> Result<bool, Error> {
        self.keeper.is_there()
    }

    /// Opens the session for changes: makes its directory (0700) if there is none, removes what crashed writers left, reads.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`Error::OtherLock`] if `held` is not the session's lock; [`Error::StaleToken`] if a newer
    /// holder has written and `held` is not intact.
    pub fn open(&self, held: &Held) -> Result<Writer, Error> {
        self.check_lock(held)?;
        Writer::open(self, self.keeper.open(held)?, held)
    }

    /// Moves the file, whatever it is, to another name beside it, for a fresh start where it is corrupt, newer or foreign;
    /// returns that name, or `None` if there was no file. Durable.
    ///
    /// # Errors
    ///
    /// [`Error::OtherLock`]; [`Error::LockLost`] if `held` is not known to be exclusive any more; [`Error::File`].
    pub fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, Error> {
        self.check_lock(held)?;
        self.keeper.set_aside(held)
    }

    /// Removes the session's file, whatever it is; `false` if there is none. Durable.
    ///
    /// # Errors
    ///
    /// As [`set_aside`](Self::set_aside).
    pub fn remove(&self, held: &Held) -> Result<bool, Error> {
        self.check_lock(held)?;
        self.keeper.remove(held)
    }

    pub(super) fn check_lock(&self, held: &Held) -> Result<(), Error> {
        if is_same_path(held.path(), &self.lock) {
            return Ok(());
        }
        let (path, expected) = (self.path.clone(), self.lock.clone());
        Err(Error::OtherLock { path, expected, held: held.path().to_owned() })
    }
}

/// Spelled alike, or the same name in the same directory.
pub(super) fn is_same_path(one: &Path, other: &Path) -> bool {
    if one == other {
        return true;
    }
    let (Some(one_parent), Some(other_parent)) = (one.parent(), other.parent()) else { return false };
    let same_directory = || match (sys::stat_path(one_parent), sys::stat_path(other_parent)) {
        (Ok(one), Ok(other)) => one.id == other.id,
        _ => false,
    };
    one.file_name() == other.file_name() && same_directory()
}

/// What the bytes mean.
pub(super) fn understood(bytes: &[u8], path: &Path) -> Result<Session, Error> {
    document::parse(bytes).map_err(|fault| Error::of_fault(fault, path))
}
