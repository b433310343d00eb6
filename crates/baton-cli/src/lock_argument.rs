//! LOCK as it is typed, with the options that say how it is opened.

use std::ffi::OsStr;

use baton_lock::state_dir::Place;
use baton_lock::{Lock, Naming, Options};

use crate::args::{KindArgs, LockArgs};
use crate::failure::Failure;

/// Options as the command line has them.
fn options(args: &KindArgs) -> Options {
    let naming = if args.flock { Naming::Flock } else { Naming::Record };
    args.allow_fs.iter().fold(Lock::options().naming(naming), Options::allow_filesystem)
}

/// Names the lock to look at it; nothing is created.
///
/// # Errors
///
/// If LOCK is no name and no path.
pub fn to_look_at(args: &LockArgs) -> Result<Lock, Failure> {
    let place = Place::parse(&args.lock)?;
    Ok(options(&args.kind).open(place.path())?)
}

/// Names the lock to acquire it; the state directory is created for one that is given by name. `more` sets what only a holder
/// says of itself.
///
/// # Errors
///
/// If LOCK is no name and no path, or the state directory can't be created.
pub fn to_acquire(
    lock: &OsStr,
    kind: &KindArgs,
    more: impl FnOnce(Options) -> Options,
) -> Result<Lock, Failure> {
    let place = Place::parse(lock)?;
    place.prepare()?;
    Ok(more(options(kind)).open(place.path())?)
}
