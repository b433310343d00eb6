//! LOCK as it is typed, with the options that say how it is opened.

use std::ffi::OsStr;
use std::path::PathBuf;

use baton_lock::state_dir::{self, Place};
use baton_lock::{Lock, Naming, Options};

use crate::args::{DirectoriesArgs, KindArgs, LockArgs};
use crate::exit;
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

/// All locks of the directories, or why one of them can't be looked into. Without any, it is that of the locks given by name, which need
/// not exist.
pub fn all_in(args: &DirectoriesArgs) -> Vec<Result<Lock, Failure>> {
    let options = || args.allow_fs.iter().fold(Lock::options(), Options::allow_filesystem);
    let of = |directory: &PathBuf| match options().all_in(directory) {
        Ok(locks) => locks.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error.into())],
    };
    if !args.directories.is_empty() {
        return args.directories.iter().flat_map(of).collect();
    }
    match state_dir::state_directory().map(|state| state.join("locks")) {
        Some(locks) if locks.symlink_metadata().is_ok() => of(&locks),
        Some(_) => Vec::new(),
        None => vec![Err(Failure {
            code: exit::USAGE,
            message: "there is no state directory: BATON_DIR, XDG_STATE_HOME and HOME are all unset"
                .to_owned(),
            hint: Some("set one of them, or name a directory".to_owned()),
        })],
    }
}
