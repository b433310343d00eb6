//! The place itself: which locks and sessions there are, and how they are named.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use super::lock::StoredLock;
use crate::doctor::Check;
use crate::error::Error;
use crate::lock::Options;
use crate::session;

/// What a lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To acquire it: what it needs may be created.
    Acquire,
    /// To look at it: nothing is created.
    Look,
}

/// A place where locks and sessions are kept.
pub trait Store: Debug + Send + Sync {
    /// Its URL, as `--store` takes it and without a password; `None` for a directory.
    fn url(&self) -> Option<&str>;

    /// The directory of this machine where a runner keeps what it alone needs, such as logs; one of its own for each store, since
    /// two may have sessions of the same name. `None` if none is known. It may not be there yet.
    fn state(&self) -> Option<PathBuf>;

    /// The lock that a text means there.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if it means none; [`Error::Store`] for options of which the store knows nothing
    /// ([`Options::only_for_files`]).
    fn lock(&self, name: &OsStr, options: Options, intent: Intent) -> Result<Box<dyn StoredLock>, Error>;

    /// All locks there, in the order of their names.
    ///
    /// # Errors
    ///
    /// If that can't be told.
    fn locks(&self, options: Options) -> Result<Vec<Box<dyn StoredLock>>, Error>;

    /// The session of this name, which is changed under the lock of the same name.
    ///
    /// # Errors
    ///
    /// [`session::Error::InvalidName`].
    fn session(&self, name: &str) -> Result<session::Store, session::Error>;

    /// All sessions there, sorted by name.
    ///
    /// # Errors
    ///
    /// If that can't be told.
    fn sessions(&self) -> Result<Vec<session::Store>, session::Error>;

    /// Tries out whether a lock can be had there. `None` for a directory, which is examined by [`doctor::examine`] with a second
    /// process; an error if not even that can be tried.
    ///
    /// [`doctor::examine`]: crate::doctor::examine
    fn examine(&self) -> Option<Result<Vec<Check>, Error>> {
        None
    }

    /// For how long a hold lasts of itself when its holder is not heard of any more; `None`: for as long as it lives.
    fn lease(&self) -> Option<Duration> {
        None
    }
}
