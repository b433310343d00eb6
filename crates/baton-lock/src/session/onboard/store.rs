//! The ancestor's file: where it is, and who may change it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::document::{self, Fault, MAX_SIZE};
use super::super::error::Error;
use super::super::file::{KIND, is_missing};
use super::super::store::is_same_path;
use super::super::swap::Using;
use super::document::{Session, is_version};
use super::names::Names;
use crate::atomic_file::{AtomicFile, Current, Insist, Replacement};
use crate::clock;
use crate::diagnosis::Observation;
use crate::durable_directory;
use crate::lock::{Attempt, Held, Integrity};
use crate::sys::Access;

const SESSION: &str = "onboard-session.json";
const LOCK: &str = "onboard.lock";

/// The directory of the ancestor's files: `.nemoclaw` in the home directory, which is `/tmp` where none is known; and in it
/// `gateways/PORT` for a gateway at another port than the default.
pub fn directory(home: Option<&OsStr>, port: Option<u16>) -> PathBuf {
    let home = home.filter(|home| !home.is_empty()).unwrap_or(OsStr::new("/tmp"));
    let directory = Path::new(home).join(".nemoclaw");
    match port {
        Some(port) => directory.join("gateways").join(port.to_string()),
        None => directory,
    }
}

/// The place of the ancestor's session; nothing is opened or created until it is read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    path: PathBuf,
    lock: PathBuf,
}

/// How a change went.
#[derive(Clone, Debug)]
pub enum Change {
    /// The session is now this.
    Updated(Box<Session>),
    /// The lock is not to be had.
    Busy(Box<Observation>),
    /// The session is not as expected; it was left alone. `None` if there is none.
    Mismatch(Option<Box<Session>>),
    /// There is no session any more.
    Cleared,
}

/// The session as it was read, and its file.
type Read = Option<(Session, Current)>;

impl Store {
    /// The session in a directory.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it is given relative to a working directory that is gone.
    pub fn in_directory(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let directory = std::path::absolute(&directory).map_err(|source| crate::Error::Io {
            path: directory.as_ref().to_owned(),
            action: "find out the working directory for",
            source,
        })?;
        Ok(Self { path: directory.join(SESSION), lock: directory.join(LOCK) })
    }

    /// The file's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock under which it is changed; to be opened with [`Malformed::AgesOut`](crate::Malformed::AgesOut), which is the
    /// ancestor's own rule.
    pub fn lock_path(&self) -> &Path {
        &self.lock
    }

    /// Reads the session without holding its lock; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] for a version above 1; [`Error::Corrupt`]; [`Error::NotASession`]; [`Error::File`] for a file that
    /// can't be read or is refused unread. The ancestor answers all of these as if there was no session; a binding
    /// that has to do so should say why.
    pub fn load(&self) -> Result<Option<Session>, Error> {
        match AtomicFile::open(&self.path, KIND, Names) {
            Err(error) if is_missing(&error) => Ok(None),
            file => Ok(read(&file?, Access::Read)?.map(|(session, _)| session)),
        }
    }

    /// Saves a session, whatever was there, unless it is one that can't be read here; `updatedAt` is now.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn save(&self, using: Using<'_>, session: Session) -> Result<Change, Error> {
        self.change::<Error>(using, |_| Ok(session))
    }

    /// Changes the session; one that is not there is created first. Never answers [`Change::Mismatch`].
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), and the file is left alone; [`Error::OtherLock`]; [`Error::LockLost`];
    /// [`Error::ChangedMeanwhile`]; [`Error::TooLarge`].
    ///
    /// # Crash safety
    ///
    /// Killed at any moment, the file holds the old session or the new one, whole.
    pub fn update(&self, using: Using<'_>, change: impl FnOnce(Session) -> Session) -> Result<Change, Error> {
        self.try_update(using, |session| Ok(change(session)))
    }

    /// The same for a change that may fail: then the file is left alone, and a lock that was taken for it is given back.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), and whatever the change fails with.
    pub fn try_update<E: From<Error>>(
        &self,
        using: Using<'_>,
        change: impl FnOnce(Session) -> Result<Session, E>,
    ) -> Result<Change, E> {
        self.change(using, |found| change(found.map_or_else(|| Session::create("{}"), Ok)?))
    }

    /// Changes the session if it is as expected. One that is not there is not.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn compare_and_swap(
        &self,
        using: Using<'_>,
        expected: impl FnOnce(&Session) -> bool,
        change: impl FnOnce(Session) -> Session,
    ) -> Result<Change, Error> {
        self.try_compare_and_swap(using, |session| Ok(expected(session)), |session| Ok(change(session)))
    }

    /// The same for an expectation and a change that may fail: then the file is left alone, and a lock that was taken for it is given
    /// back.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), and whatever these fail with.
    pub fn try_compare_and_swap<E: From<Error>>(
        &self,
        using: Using<'_>,
        expected: impl FnOnce(&Session) -> Result<bool, E>,
        change: impl FnOnce(Session) -> Result<Session, E>,
    ) -> Result<Change, E> {
        self.locked(using, |held| {
            let file = self.open()?;
            let Some((session, current)) = read(&file, Access::ReadWrite)? else {
                return Ok(Change::Mismatch(None));
            };
            if !expected(&session)? {
                return Ok(Change::Mismatch(Some(Box::new(session))));
            }
            Ok(self.write(held, &file, change(session)?, Some(&current))?)
        })
    }

    /// Removes the session's file, whatever it is.
    ///
    /// # Errors
    ///
    /// [`Error::OtherLock`]; [`Error::LockLost`]; [`Error::File`].
    pub fn clear(&self, using: Using<'_>) -> Result<Change, Error> {
        self.locked(using, |held| {
            self.not_lost(held)?;
            match AtomicFile::open(&self.path, KIND, Names) {
                Err(error) if is_missing(&error) => {}
                file => {
                    file?.remove()?;
                }
            }
            Ok::<_, Error>(Change::Cleared)
        })
    }

    /// Moves the file, whatever it is, to another name beside it, and returns that; `None` if there was none.
    ///
    /// # Errors
    ///
    /// As [`clear`](Self::clear).
    pub fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, Error> {
        self.check_lock(held)?;
        self.not_lost(held)?;
        let time = clock::format(clock::now()).replace(':', "");
        let aside = self.path.with_file_name(format!("{SESSION}.{time}.kept"));
        let file = match AtomicFile::open(&self.path, KIND, Names) {
            Err(error) if is_missing(&error) => return Ok(None),
            file => file?,
        };
        Ok(file.set_aside(aside.file_name().unwrap_or_default())?.then_some(aside))
    }

    fn change<E: From<Error>>(
        &self,
        using: Using<'_>,
        change: impl FnOnce(Option<Session>) -> Result<Session, E>,
    ) -> Result<Change, E> {
        self.locked(using, |held| {
            let file = self.open()?;
            let (session, current) = read(&file, Access::ReadWrite)?.unzip();
            Ok(self.write(held, &file, change(session)?, current.as_ref())?)
        })
    }

    fn locked<E: From<Error>>(
        &self,
        using: Using<'_>,
        act: impl FnOnce(&Held) -> Result<Change, E>,
    ) -> Result<Change, E> {
        match using {
            Using::Held(held) => {
                self.check_lock(held)?;
                act(held)
            }
            Using::Lock(lock) => match lock.try_lock().map_err(Error::from)? {
                Attempt::Busy(observation) => Ok(Change::Busy(observation)),
                Attempt::Held(held) => {
                    self.check_lock(&held)?;
                    let changed = act(&held)?;
                    held.release().map_err(Error::from)?;
                    Ok(changed)
                }
            },
        }
    }

    /// Opens the directory, made 0700 if there is none, and removes what crashed writers left.
    fn open(&self) -> Result<AtomicFile<Names>, Error> {
        self.path.parent().map_or(Ok(()), durable_directory::make)?;
        let file = AtomicFile::open(&self.path, KIND, Names)?;
        file.sweep();
        Ok(file)
    }

    fn write(
        &self,
        held: &Held,
        file: &AtomicFile<Names>,
        session: Session,
        current: Option<&Current>,
    ) -> Result<Change, Error> {
        self.not_lost(held)?;
        let session = session.saved(clock::now());
        let json = session.to_json();
        if json.len() > MAX_SIZE {
            return Err(Error::TooLarge { path: self.path.clone(), size: json.len(), limit: MAX_SIZE });
        }
        let parts = [json.as_bytes()];
        let replaced = match file.replace(&parts, current, Insist::Lock)? {
            Replacement::InUse => file.replace(&parts, current, Insist::No)?,
            replaced => replaced,
        };
        match replaced {
            Replacement::Done(_) => Ok(Change::Updated(Box::new(session))),
            Replacement::NotDurable(_, errno) => {
                Err(crate::Error::io("make durable", &self.path, errno).into())
            }
            Replacement::Changed | Replacement::InUse => {
                Err(Error::ChangedMeanwhile { path: self.path.clone() })
            }
        }
    }

    fn check_lock(&self, held: &Held) -> Result<(), Error> {
        if is_same_path(held.path(), &self.lock) {
            return Ok(());
        }
        let (path, expected) = (self.path.clone(), self.lock.clone());
        Err(Error::OtherLock { path, expected, held: held.path().to_owned() })
    }

    fn not_lost(&self, held: &Held) -> Result<(), Error> {
        match held.verify()? {
            Integrity::Lost(reason) => Err(Error::LockLost { path: self.path.clone(), reason }),
            Integrity::Intact | Integrity::Damaged(_) => Ok(()),
        }
    }
}

fn read(file: &AtomicFile<Names>, access: Access) -> Result<Read, Error> {
    let Some((current, bytes)) = file.read(access)? else { return Ok(None) };
    let data = parse(&bytes).map_err(|fault| Error::of_fault(fault, file.path()))?;
    Ok(Some((Session::of(&data)?, current)))
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    let value = serde_json::from_slice(bytes).map_err(|error| document::corrupt(bytes, &error))?;
    let Value::Object(data) = value else { return Err(Fault::Foreign { reason: "it is no JSON object" }) };
    if data.contains_key("baton") && !data.contains_key("version") {
        return Err(Fault::Foreign { reason: "it is a session of Baton's own" });
    }
    if is_version(&data) {
        return Ok(data);
    }
    match data.get("version").and_then(Value::as_u64) {
        Some(version) if version > super::document::VERSION => Err(Fault::Newer { version }),
        _ => Err(Fault::Foreign { reason: "its `version` is not 1" }),
    }
}
