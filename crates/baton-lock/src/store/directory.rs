//! The state directory as a store: locks are files in `locks`, sessions in `sessions`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::lock::StoredLock;
use super::place::{Intent, Store};
use crate::error::{Error, ErrorKind};
use crate::lock::Options;
use crate::session;
use crate::state_dir::{self, Place};

/// The user's state directory, or another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    state: Option<PathBuf>,
}

impl Directory {
    /// The one that the environment says; see [`state_dir`].
    pub fn of_user() -> Self {
        Self { state: state_dir::state_directory() }
    }

    /// This one.
    pub fn at(state: impl Into<PathBuf>) -> Self {
        Self { state: Some(state.into()) }
    }
}

impl Store for Directory {
    fn url(&self) -> Option<&str> {
        None
    }

    fn state(&self) -> Option<PathBuf> {
        self.state.clone()
    }

    fn lock(&self, name: &OsStr, options: Options, intent: Intent) -> Result<Box<dyn StoredLock>, Error> {
        let place = Place::parse_in(self.state.as_deref(), name)?;
        if intent == Intent::Acquire {
            place.prepare()?;
        }
        Ok(Box::new(options.open(place.path())?))
    }

    fn locks(&self, options: Options) -> Result<Vec<Box<dyn StoredLock>>, Error> {
        let locks = self.state.as_ref().ok_or_else(unknown)?.join("locks");
        if locks.symlink_metadata().is_err() {
            return Ok(Vec::new());
        }
        let found = options.all_in(locks)?.into_iter();
        Ok(found.map(|lock| Box::new(lock) as Box<dyn StoredLock>).collect())
    }

    fn session(&self, name: &str) -> Result<session::Store, session::Error> {
        match &self.state {
            Some(state) => session::Store::in_directory(state, name),
            None => session::Store::named(name),
        }
    }

    fn sessions(&self) -> Result<Vec<session::Store>, session::Error> {
        self.state.as_ref().map_or_else(|| Ok(Vec::new()), session::Store::list)
    }
}

fn unknown() -> Error {
    Error::Store {
        kind: ErrorKind::Usage,
        message: "there is no state directory: BATON_DIR, XDG_STATE_HOME and HOME are all unset".to_owned(),
        hint: Some("set one of them, or name a directory".to_owned()),
        source: None,
    }
}
