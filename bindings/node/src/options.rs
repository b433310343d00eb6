//! Which lock is meant.

use baton_lock::state_dir::Place;
use baton_lock::{Lock, Malformed, Naming};
use napi_derive::napi;

use crate::failure;

/// What a lock depends on besides its path.
#[napi(object)]
#[derive(Debug, Default)]
pub struct LockOptions {
    /// Why it is acquired.
    pub purpose: Option<String>,
    /// The command that runs under it; the process's own command line unless given.
    pub command: Option<Vec<String>>,
    /// The same as a text, which is not quoted.
    pub command_text: Option<String>,
    /// Flock naming.
    pub flock: Option<bool>,
    /// Filesystems to be accepted though they are not known to be local.
    pub allow_filesystems: Option<Vec<String>>,
    /// The ancestor's rule for malformed files.
    pub ages_out: Option<bool>,
}

/// What is done about the directory of a lock given by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// It is created, because the lock is to be had.
    Made,
    /// It is left as it is, because the lock is looked at.
    Left,
}

/// Opens a lock as the command does: by path if there is a `/`, else by name in the state directory.
pub(crate) fn open(lock: &str, options: Option<LockOptions>, directory: Directory) -> napi::Result<Lock> {
    let place = Place::parse(lock.as_ref()).map_err(|error| failure::of_lock(&error))?;
    if directory == Directory::Made {
        place.prepare().map_err(|error| failure::of_lock(&error))?;
    }
    let given = options.unwrap_or_default();
    let mut options = Lock::options();
    if let Some(purpose) = given.purpose {
        options = options.purpose(purpose);
    }
    if let Some(command) = given.command {
        options = options.command(&command);
    }
    if let Some(text) = given.command_text {
        options = options.command_text(text);
    }
    if given.flock == Some(true) {
        options = options.naming(Naming::Flock);
    }
    if given.ages_out == Some(true) {
        options = options.malformed(Malformed::AgesOut);
    }
    for kind in given.allow_filesystems.unwrap_or_default() {
        options = options.allow_filesystem(kind);
    }
    options.open(place.path()).map_err(|error| failure::of_lock(&error))
}
