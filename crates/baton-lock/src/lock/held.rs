//! Holding: proof of ownership, what it can say of itself, and every way in which it ends.
//!
//! The record is removed only at a clean end. After a panic, a failed recovery or a job that was killed it stays,
//! unlocked, and the next holder is told *recovered* (I3).
//!
//! Both locks belong to open file descriptions, which forked children share: so both are given back by an explicit
//! unlock, which counts for every copy, and never by closing alone. For the same reason a [`Held`] that finds itself in
//! another process than the one that acquired it only closes its copies: unlocking there would end its parent's hold.

use std::any::Any;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::group;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::Claim;
use super::naming::Naming;
use super::publish::{Born, Found};
use super::ticket::Ticket;
use crate::error::Error;
use crate::escape;
use crate::record::Record;
use crate::store::{End, Holding};
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
    pub(super) hold: Hold,
}

/// A hold of either kind, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    /// `None` once it has ended.
    holding: Option<Box<dyn Holding>>,
    pub(super) outcome: Outcome,
    pub(super) token: u64,
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
    /// What one who shares the lock has besides.
    pub(crate) share: Option<Share>,
    /// The place in the queue that it had, and has left: closed last of all.
    pub(crate) place: Option<Ticket>,
}

/// What one who shares the lock has besides.
#[derive(Debug)]
pub(crate) struct Share {
    /// The record that all of them have together.
    pub(crate) group: Record,
    /// By which this one is listed; why not, if it is not.
    pub(crate) listed: Result<Ticket, Error>,
}

impl Held {
    /// A hold that a store has just given to this process.
    pub fn new(holding: impl Holding, outcome: Outcome, token: u64) -> Self {
        Self { hold: Hold::new(holding, outcome, token) }
    }

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
        self.hold.holding().record()
    }

    /// Why there is no record, if there is none. Only in flock naming, where none can be written: then there is one kernel
    /// lock instead of two, nobody is told *recovered*, and the token rests on the clock alone.
    pub fn recordless(&self) -> Option<&str> {
        self.hold.holding().recordless()
    }

    /// The lock's well-known path, absolute; in a store that is no directory its URL and the name.
    pub fn path(&self) -> &Path {
        self.hold.holding().path()
    }

    /// Which of the lock's two files has that path; `None` in a store where there are no files.
    pub fn naming(&self) -> Option<Naming> {
        self.hold.holding().naming()
    }

    /// The hold as its store keeps it, for that store; `None` if another one does.
    pub fn kept_as<T: Holding>(&self) -> Option<&T> {
        let holding: &dyn Any = self.hold.holding();
        holding.downcast_ref()
    }

    /// Looks whether this still is the hold that it was: in a directory, whether the names still mean the files that are locked.
    ///
    /// There it costs three `stat` calls. A file that is found replaced was replaced; one found in place may be replaced the next
    /// moment.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a name can't be looked at, so that it can't be told.
    pub fn verify(&self) -> Result<Integrity, Error> {
        self.hold.holding().verify()
    }

    /// A descriptor that becomes readable as soon as the hold is lost, where it can be lost while the holder lives: see
    /// [`Holding::lost`].
    pub fn lost(&self) -> Option<BorrowedFd<'_>> {
        self.hold.holding().lost()
    }

    /// How long after now nobody else can hold the lock, where it can be lost: see [`Holding::time_left`].
    pub fn time_left(&self) -> Option<Duration> {
        self.hold.holding().time_left()
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
        self.hold.holding().descriptors()
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

impl Hold {
    pub(super) fn new(holding: impl Holding, outcome: Outcome, token: u64) -> Self {
        Self { holding: Some(Box::new(holding)), outcome, token, owner: sys::process_id() }
    }

    pub(super) fn holding(&self) -> &dyn Holding {
        &**self.holding.as_ref().expect("it is taken out only by what consumes or drops this value")
    }

    /// What is kept in files, for the change from one kind to the other.
    pub(super) fn parts_mut(&mut self) -> Option<&mut Parts> {
        let holding: &mut dyn Any = &mut **self.holding.as_mut()?;
        holding.downcast_mut()
    }

    pub(super) fn hand_to(&self, command: &mut Command) {
        let descriptors = self.holding().descriptors().iter().map(AsRawFd::as_raw_fd).collect();
        sys::hand_over_at_exec(command, descriptors);
    }

    pub(super) fn end(&mut self, end: End) -> Result<(), Error> {
        let Some(holding) = self.holding.take() else { return Ok(()) };
        if sys::process_id() != self.owner {
            return Ok(());
        }
        holding.end(end)
    }
}

impl Holding for Parts {
    fn path(&self) -> &Path {
        &self.setup.path
    }

    fn naming(&self) -> Option<Naming> {
        Some(self.setup.naming)
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn recordless(&self) -> Option<&str> {
        self.recordless.as_deref()
    }

    fn verify(&self) -> Result<Integrity, Error> {
        let names = &self.setup.names;
        if !self.directory.is_still_named() {
            let path = &self.setup.parent;
            return Ok(Integrity::Lost(format!(
                "the directory {} was moved or replaced",
                escape::path(path)
            )));
        }
        let guard = self.directory.means(&names.guard, &self.guard.handle, self.guard.id)?;
        let means_record =
            |(born, _): &(Born, Found)| self.directory.means(&names.record, &born.handle, born.id);
        let record = self.published.as_ref().map(means_record).transpose()?;
        let gone = |name| format!("{} was removed or replaced", escape::path(&self.directory.path_of(name)));
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

    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let record = self.published.as_ref().map(|(born, _)| born.handle.as_fd());
        let listed = self.share.as_ref().and_then(|share| share.listed.as_ref().ok()).map(AsFd::as_fd);
        [self.guard.handle.as_fd()].into_iter().chain(record).chain(listed).collect()
    }

    fn end(mut self: Box<Self>, end: End) -> Result<(), Error> {
        let ended = match self.share.take() {
            None => self.end_record(end),
            // It has done nothing that could be half done: all its ends are alike. It is listed until it has left.
            Some(share) => self.leave(&share),
        };
        self.guard.unlock();
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
