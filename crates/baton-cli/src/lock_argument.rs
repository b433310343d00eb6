//! LOCK as it is typed, with the options that say how it is opened.

use std::ffi::OsStr;
use std::path::PathBuf;

use baton_lock::store::{Intent, Store, StoredLock};
use baton_lock::{Lock, Naming, Options};

use crate::args::{DirectoriesArgs, KindArgs, LockArgs};
use crate::chosen;
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
pub fn to_look_at(args: &LockArgs, store: &dyn Store) -> Result<Box<dyn StoredLock>, Failure> {
    Ok(store.lock(&args.lock, options(&args.kind), Intent::Look)?)
}

/// Names the lock to acquire it; the state directory is created for one that is given by name. `more` sets what only a holder
/// says of itself.
///
/// # Errors
///
/// If LOCK is no name and no path, or the state directory can't be created.
pub fn to_acquire(
    store: &dyn Store,
    lock: &OsStr,
    kind: &KindArgs,
    more: impl FnOnce(Options) -> Options,
) -> Result<Box<dyn StoredLock>, Failure> {
    Ok(store.lock(lock, more(options(kind)), Intent::Acquire)?)
}

/// All locks of the directories, or why one of them can't be looked into. Without any, it is all of the store, whose directory need not
/// exist.
pub fn all_in(args: &DirectoriesArgs, store: &dyn Store) -> Vec<Result<Box<dyn StoredLock>, Failure>> {
    let options = || args.allow_fs.iter().fold(Lock::options(), Options::allow_filesystem);
    if args.directories.is_empty() {
        return match store.locks(options()) {
            Ok(locks) => locks.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error.into())],
        };
    }
    if let Err(failure) = chosen::only_in_directories(store, "DIR") {
        return vec![Err(failure)];
    }
    let boxed = |lock| Ok(Box::new(lock) as Box<dyn StoredLock>);
    let of = |directory: &PathBuf| match options().all_in(directory) {
        Ok(locks) => locks.into_iter().map(boxed).collect(),
        Err(error) => vec![Err(error.into())],
    };
    args.directories.iter().flat_map(of).collect()
}
