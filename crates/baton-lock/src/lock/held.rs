//! Holding: proof of ownership, what it can say of itself, and every way in which it ends.
//!
//! The record is removed only at a clean end. After a panic, a failed recovery or a job that was killed it stays,
//! unlocked, and the next holder is told *recovered* (I3).
//!
//! Both locks belong to open file descriptions, which forked children share: so both are given back by an explicit
//! unlock, which counts for every copy, and never by closing alone. For the same reason a [`Held`] that finds itself in
//! another process than the one that acquired it only closes its copies: unlocking there would end its parent's hold.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::directory::Directory;
use super::group;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::Claim;
use super::naming::Naming;
use super::publish::{Born, Found};
use super::queue::Ticket;
use crate::error::Error;
use crate::escape;
use crate::record::Record;
use crate::sys;

/// How the lock was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From nobody, or from a holder that ended cleanly.
    Fresh,
    /// From a holder that died or ended uncleanly, with its record; `None` if it left no readable one. What it was doing
    /// may be half done.
    Recovered(Option<Box<Record>>),
}

/// Whether a holder still owns what it acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// It does.
    Intact,
    /// One of the two files was removed or replaced: still exclusive among Baton's processes. The text says which.
    Damaged(String),
    /// Nothing is left that would keep another one out. The text says why.
    Lost(String),
}

/// A lock that is held: proof of ownership.
///
/// # Guarantees
///
/// While this value lives in the process that got it, no other process of Baton's holds the same lock, whatever is killed
/// and whichever *one* of its two files somebody deletes. If the process dies, the kernel ends the hold at once, and the
/// next holder is told *recovered*.
///
/// # What is not guaranteed
///
/// Somebody who deletes both files, or moves the whole directory away, ends the exclusion; [`verify`](Self::verify) tells.
/// An ancestor's client that cleans up at the same moment can delete a record; Baton's processes still exclude each other.
///
/// # Resource leaking
///
/// Dropped without [`release`](Self::release) it is released as well as possible, errors unseen; during a panic it ends
/// uncleanly instead. Dropped in a forked child it only closes the child's descriptors. `std::mem::forget` keeps the lock
/// until the process ends. The descriptors are close-on-exec: other programs inherit them only by
/// [`hand_to`](Self::hand_to).
#[must_use = "the lock is released as soon as this value is dropped"]
#[derive(Debug)]
pub struct Held {
    pub(crate) hold: Hold,
}

impl Held {
    /// Whether the last holder ended cleanly.
    pub fn outcome(&self) -> &Outcome {
        &self.hold.outcome
    }

    /// The fencing token: larger than that of every earlier holder, at least the wall clock in microseconds since 1970, and
    /// below 2^53.
    pub fn token(&self) -> u64 {
        self.hold.token
    }

    /// The record by which this holder is known to others.
    pub fn record(&self) -> &Record {
        &self.hold.parts().record
    }

    /// Why there is no record, if there is none. Only in flock naming, where none can be written: then there is one kernel
    /// lock instead of two, nobody is told *recovered*, and the token rests on the clock alone.
    pub fn recordless(&self) -> Option<&str> {
        self.hold.parts().recordless.as_deref()
    }

    /// The lock's well-known path, absolute.
    pub fn path(&self) -> &Path {
        &self.hold.parts().setup.path
    }

    /// Which of the lock's two files has that path.
    pub fn naming(&self) -> Naming {
        self.hold.parts().setup.naming
    }

    /// Looks whether the names still mean the files that are locked.
    ///
    /// Costs three `stat` calls. A file that is found replaced was replaced; one found in place may be replaced the next
    /// moment.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a name can't be looked at, so that it can't be told.
    pub fn verify(&self) -> Result<Integrity, Error> {
        self.hold.verify()
    }

    /// Lets a program that `command` starts inherit the lock: it is then held until both this value has ended and every
    /// process that inherited it is gone, or until it is released here, which counts for all of them.
    ///
    /// This value has to live until the command is started. Programs started by other commands still inherit nothing.
    pub fn hand_to(&self, command: &mut Command) {
        self.hold.hand_to(command);
    }

    /// The descriptors that have the kernel locks, for a child that is started by other means than [`Command`]: whoever inherits them
    /// holds the lock along, as with [`hand_to`](Self::hand_to).
    ///
    /// They are closed by the hold's end, and none of them may be unlocked or closed before.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.hold.descriptors()
    }

    /// Ends the hold cleanly: the record is removed and both locks are given back, also for processes that inherited them.
    ///
    /// In a forked child this only closes the child's copies.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the record can't be removed, or in flock naming marked as released. The locks are given back all the
    /// same; the next holder is told *recovered*.
    pub fn release(mut self) -> Result<(), Error> {
        self.hold.end(End::Clean)
    }

    /// Ends the hold uncleanly: the locks are given back, and the record stays, so that the next holder is told
    /// *recovered*. For a job that was killed or a recovery that failed.
    pub fn abandon(mut self) {
        // An unclean end writes nothing, so that nothing can fail.
        let _ = self.hold.end(End::Unclean);
    }

    /// Ends the hold as if it had never been acquired, for a job that could not be started: the next holder is told what this
    /// one was told, *recovered* with the same record included.
    pub fn undo(mut self) {
        // As well as possible; a record of ours that stays tells the next one *recovered*, which errs on the safe side.
        let _ = self.hold.end(End::Undone);
    }
}

/// A lock that is held, in whichever way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    /// `None` once it has ended.
    parts: Option<Box<Parts>>,
    pub(crate) outcome: Outcome,
    pub(crate) token: u64,
    /// The process that acquired it.
    owner: u32,
}

/// What a holder has open and locked.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) setup: Arc<Setup>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) guard: Guard,
    /// With what it replaced.
    pub(crate) published: Option<(Born, Found)>,
    pub(crate) recordless: Option<String>,
    pub(crate) record: Record,
    /// Whether others share it.
    pub(crate) share: Option<Share>,
}

/// What one who shares the lock has besides.
#[derive(Debug)]
pub(crate) struct Share {
    /// The record that all of them have together.
    pub(crate) group: Record,
    /// By which this one is listed; why not, if it is not.
    pub(crate) listed: Result<Ticket, Error>,
}

/// How a hold ends. For one who shares the lock all are the same: it has done nothing that could be half done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Clean,
    Unclean,
    /// As if it had never been acquired.
    Undone,
}

impl Hold {
    pub(crate) fn new(parts: Parts, outcome: Outcome, token: u64) -> Self {
        Self { parts: Some(Box::new(parts)), outcome, token, owner: sys::process_id() }
    }

    pub(crate) fn parts(&self) -> &Parts {
        self.parts.as_ref().expect("parts are taken out only by what consumes or drops this value")
    }

    pub(crate) fn parts_mut(&mut self) -> &mut Parts {
        self.parts.as_mut().expect("parts are taken out only by what consumes or drops this value")
    }

    /// Looks whether the names still mean the files that are locked.
    pub(crate) fn verify(&self) -> Result<Integrity, Error> {
        let parts = self.parts();
        let names = &parts.setup.names;
        if !parts.directory.is_still_named() {
            let path = &parts.setup.parent;
            return Ok(Integrity::Lost(format!(
                "the directory {} was moved or replaced",
                escape::path(path)
            )));
        }
        let guard = parts.directory.means(&names.guard, &parts.guard.handle, parts.guard.id)?;
        let means_record =
            |(born, _): &(Born, Found)| parts.directory.means(&names.record, &born.handle, born.id);
        let record = parts.published.as_ref().map(means_record).transpose()?;
        let gone = |name| format!("{} was removed or replaced", escape::path(&parts.directory.path_of(name)));
        Ok(match (guard, record) {
            (true, Some(true) | None) => Integrity::Intact,
            (true, Some(false)) => Integrity::Damaged(gone(&names.record)),
            (false, Some(true)) => Integrity::Damaged(gone(&names.guard)),
            (false, Some(false)) => {
                Integrity::Lost(format!("{}, and {}", gone(&names.guard), gone(&names.record)))
            }
            (false, None) => Integrity::Lost(gone(&names.guard)),
        })
    }

    /// The descriptors that have the kernel locks.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let parts = self.parts();
        let record = parts.published.as_ref().map(|(born, _)| born.handle.as_fd());
        let listed = parts.share.as_ref().and_then(|share| share.listed.as_ref().ok()).map(AsFd::as_fd);
        [parts.guard.handle.as_fd()].into_iter().chain(record).chain(listed).collect()
    }

    pub(crate) fn hand_to(&self, command: &mut Command) {
        let descriptors = self.descriptors().iter().map(AsRawFd::as_raw_fd).collect();
        sys::hand_over_at_exec(command, descriptors);
    }

    pub(crate) fn end(&mut self, end: End) -> Result<(), Error> {
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        if sys::process_id() != self.owner {
            return Ok(());
        }
        let ended = match parts.share.take() {
            None => parts.end_record(end),
            Some(share) => parts.leave(&share),
        };
        parts.guard.unlock();
        ended
    }
}

impl Parts {
    /// Ends the record's part: what becomes of the file, then its lock.
    fn end_record(&self, end: End) -> Result<(), Error> {
        let Some((born, found)) = &self.published else { return Ok(()) };
        let desk = self.setup.desk(&self.directory, &self.guard);
        let ended = match (end, self.setup.naming) {
            (End::Unclean, _) => Ok(()),
            (End::Undone, _) => {
                desk.put_back(born, found, &self.record);
                Ok(())
            }
            (End::Clean, Naming::Record) => desk.try_remove_own(born),
            // The record keeps the token, so it stays, marked as released.
            (End::Clean, Naming::Flock) => {
                desk.put_in_place(born, &Found::Nothing, &self.record, Claim::Exclusive)
            }
        };
        born.unlock();
        ended
    }

    /// Ends one who shares the lock. Its place in the list goes last: while that is locked it is counted among the holders.
    fn leave(&self, share: &Share) -> Result<(), Error> {
        let Some((born, _)) = &self.published else { return Ok(()) };
        group::leave(&self.setup.desk(&self.directory, &self.guard), born, &share.group)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let end = if std::thread::panicking() { End::Unclean } else { End::Clean };
        // Nobody is there to be told; `release` tells.
        let _ = self.end(end);
    }
}
