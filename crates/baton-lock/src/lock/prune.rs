//! Pruning: removes what free locks leave in a directory, without a token falling or two ever holding.
//!
//! What stays of a lock that is free is its guard, or in flock naming its record, marked as released. Either is removed while the
//! guard is locked and nobody holds the record, that is while the lock can't be acquired, and after the directory's floor was
//! raised to its token ([`super::floor`]).
//!
//! Nobody who acquires is misled by a name that goes away, because it looks at the names again once it has the lock:
//!
//! 1. A opens the guard G and waits for its lock. P (who prunes) has it, removes G's name, unlocks G.
//! 2. A has G locked, which has no name any more: it starts over (step 3), and creates a guard, or finds that of another.
//! 3. C came after P's removal, created a guard G2, and holds. A locks G2, or waits for it: they exclude each other.
//!
//! A name is looked at and then removed: whoever puts another file there in between loses it. If that is a guard that a holder
//! has locked (somebody deleted G in that moment, and C made G2), C still excludes everybody by its record, and is told *damaged*.
//!
//! Left-over records stay: they tell the next one who died (I3). A guard that is empty is not known to be Baton's, and stays (I6);
//! the guard of flock naming is the user's.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::floor;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::{self, Claim, Verdict};
use super::naming::Naming;
use super::queue::Queue;
use super::token;
use crate::error::Error;
use crate::sys::{self, Errno};

/// Whether pruning is only tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// What can be removed is removed.
    Real,
    /// Nothing is changed. What is free and old enough is locked for a moment all the same.
    DryRun,
}

/// What came of one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pruned {
    /// Its files were removed, or would be.
    Removed {
        /// Its last token; tokens go on above it.
        token: u64,
    },
    /// There is nothing of it, by now.
    Nothing,
    /// They stay.
    Kept(Kept),
}

/// Why a lock's files stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// Somebody has it, or is just trying to.
    InUse,
    /// Its last holder did not end cleanly, which the next one has to be told.
    LeftOver,
    /// It was used since.
    Young,
    /// Its guard knows no token, so that it may be anybody's empty file.
    Unknown,
    /// Neither root nor the directory's owner asks: others would not believe what stands in for the guard.
    NotTheOwner,
}

/// Prunes one lock, if it has not been used for `unused`.
pub(crate) fn prune(setup: &Setup, unused: Duration, pruning: Pruning) -> Result<Pruned, Error> {
    let directory = setup.directory()?;
    let Some(guard) = Guard::open(&directory, &setup.names, setup.naming)? else {
        return Ok(Pruned::Nothing);
    };
    if !floor::may_be_raised(&directory)? {
        return Ok(Pruned::Kept(Kept::NotTheOwner));
    }
    if setup.naming == Naming::Record && !is_old(guard.stat.modified, unused) {
        return Ok(Pruned::Kept(Kept::Young));
    }
    if !guard.try_lock(&directory, &setup.names, Claim::Exclusive)? {
        return Ok(Pruned::Kept(Kept::InUse));
    }
    let pruned = prune_locked(setup, &directory, &guard, unused, pruning);
    guard.unlock();
    pruned
}

fn is_old(modified: Duration, unused: Duration) -> bool {
    // From the future: not old.
    sys::real_time().checked_sub(modified).is_some_and(|age| age >= unused)
}

/// The guard being locked.
fn prune_locked(
    setup: &Setup,
    directory: &Arc<Directory>,
    guard: &Guard,
    unused: Duration,
    pruning: Pruning,
) -> Result<Pruned, Error> {
    if !directory.means(&setup.names.guard, &guard.handle, guard.id)? {
        return Ok(Pruned::Kept(Kept::InUse));
    }
    let verdict = match setup.naming {
        Naming::Record => judge::judge(directory, &setup.names.record, setup.rules())?,
        Naming::Flock => judge::judge_beside(directory, &setup.names.record, setup.rules(), &guard.stat)?,
    };
    match (verdict, setup.naming) {
        // What readers left who were killed tells of nobody.
        (Verdict::Departed(record), Naming::Record) if record.tells_of_nobody() => {
            let pruned = prune_guard(setup, directory, guard, unused, pruning)?;
            let seen = directory.look(&setup.names.record)?;
            if pruning == Pruning::Real && seen.is_some_and(|seen| record.is(&seen)) {
                Queue::clear(directory, &setup.names.readers, &guard.stat);
                unlink(directory, &setup.names.record)?;
            }
            Ok(pruned)
        }
        (Verdict::Absent, Naming::Record) => prune_guard(setup, directory, guard, unused, pruning),
        (Verdict::Absent, Naming::Flock) => Ok(Pruned::Nothing),
        // Byte 1 of it is ours until the verdict goes.
        (Verdict::Departed(record), Naming::Flock) if record.tells_of_nobody() => {
            let Some(seen) = directory.look(&setup.names.record)? else { return Ok(Pruned::Nothing) };
            if !record.is(&seen) {
                return Ok(Pruned::Kept(Kept::InUse));
            }
            if !is_old(seen.modified, unused) {
                return Ok(Pruned::Kept(Kept::Young));
            }
            let token = record.record.as_deref().map_or(0, token::of);
            remove(directory, &setup.names.record, token, pruning)
        }
        (Verdict::Departed(_), _) => Ok(Pruned::Kept(Kept::LeftOver)),
        (Verdict::Busy(..) | Verdict::Changed | Verdict::Group(..) | Verdict::OutOfReach { .. }, _) => {
            Ok(Pruned::Kept(Kept::InUse))
        }
    }
}

/// A guard whose record is gone, or tells of nobody.
fn prune_guard(
    setup: &Setup,
    directory: &Directory,
    guard: &Guard,
    unused: Duration,
    pruning: Pruning,
) -> Result<Pruned, Error> {
    let stat = sys::stat(&guard.handle)
        .map_err(|errno| Error::io("look at the guard", &directory.path_of(&setup.names.guard), errno))?;
    let last = token::stored(guard, directory, &setup.names)?;
    match (is_old(stat.modified, unused), last) {
        (false, _) => Ok(Pruned::Kept(Kept::Young)),
        (true, 0) => Ok(Pruned::Kept(Kept::Unknown)),
        (true, token) => remove(directory, &setup.names.guard, token, pruning),
    }
}

/// The floor first.
fn remove(directory: &Directory, name: &OsStr, token: u64, pruning: Pruning) -> Result<Pruned, Error> {
    if pruning == Pruning::Real {
        floor::raise(directory, token)?;
        unlink(directory, name)?;
    }
    Ok(Pruned::Removed { token })
}

fn unlink(directory: &Directory, name: &OsStr) -> Result<(), Error> {
    match sys::unlink(&directory.handle, name) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::io("remove", &directory.path_of(name), errno)),
    }
}
