//! Sharing: what is held along with others, and every way to get it.
//!
//! Readers hold the lock beside each other, and no writer holds it then ([`super::group`]). A reader has nothing to put right and leaves
//! nothing half done, so that all its ends are alike.
//!
//! A writer becomes a reader without letting go (`downgrade`). Its own record is exchanged for one of a group, which is shared from before it has
//! its name; then the guard is shared instead of locked:
//!
//! 1. W publishes the group's record over its own: byte 0 of what has the name was locked exclusively, is shared now, and was never free.
//!    Nobody can join yet, since W has the guard exclusively.
//! 2. W converts its lock on the guard. Linux does that in one step, though it promises less: should X get the guard in between, it finds byte
//!    0 locked, and gives it back. W waits for that, which ends, because whoever comes finds the same.

use std::any::Any;
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use super::cancel::Cancel;
use super::handle::{Lock, Setup, limit, once};
use super::held::{Held, Hold, Integrity, Outcome, Parts, Share};
use super::judge::Claim;
use super::naming::Naming;
use super::publish::{Found, Publication};
use super::sharing;
use super::wait::{self, Attempt, Limit, OnBusy};
use crate::diagnosis::Observation;
use crate::error::Error;
use crate::record::Record;
use crate::store::{End, no_sharing};

/// A lock that is held along with others who share it: no writer holds it meanwhile.
///
/// # Guarantees
///
/// While this value lives in the process that got it, nobody holds the same lock exclusively ([`Held`](crate::Held)), whatever is killed and
/// whichever *one* of its two files somebody deletes. All who share it at the same time have the same token.
///
/// # What is not guaranteed
///
/// As of [`Held`](crate::Held). Whoever writes under it has nobody to keep the others from doing the same.
///
/// # Resource leaking
///
/// Dropped without [`release`](Self::release) it is released as well as possible, errors unseen. Dropped in a forked child it only closes
/// the child's descriptors.
#[must_use = "the lock is released as soon as this value is dropped"]
#[derive(Debug)]
pub struct HeldShared {
    pub(super) hold: Hold,
}

/// A lock that could not be made a shared one; it is held exclusively as before.
#[derive(Debug)]
pub struct NotDowngraded {
    /// The lock.
    pub held: Held,
    /// Why not.
    pub error: Error,
}

impl std::fmt::Display for NotDowngraded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the lock can't be shared, and is held exclusively as before")
    }
}

impl std::error::Error for NotDowngraded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl HeldShared {
    /// Whether the last writer ended cleanly. If not, all who share the lock are told so, and the next writer is told it again: what that one
    /// was doing may be half done, and no reader puts it right.
    pub fn outcome(&self) -> &Outcome {
        &self.hold.outcome
    }

    /// The fencing token, the same for all who share the lock at the same time: larger than that of every earlier writer.
    pub fn token(&self) -> u64 {
        self.hold.token
    }

    /// The record by which this holder is known to others.
    pub fn record(&self) -> &Record {
        self.hold.holding().record()
    }

    /// As [`Held::recordless`](crate::Held::recordless).
    pub fn recordless(&self) -> Option<&str> {
        self.hold.holding().recordless()
    }

    /// Why others don't see this one among the holders, if they don't: it could not be put into the list of those who share the lock.
    pub fn unlisted(&self) -> Option<&Error> {
        let holding: &dyn Any = self.hold.holding();
        holding.downcast_ref::<Parts>()?.share.as_ref()?.listed.as_ref().err()
    }

    /// The lock's well-known path, absolute.
    pub fn path(&self) -> &Path {
        self.hold.holding().path()
    }

    /// Which of the lock's two files has that path, where there are files.
    pub fn naming(&self) -> Option<Naming> {
        self.hold.holding().naming()
    }

    /// As [`Held::verify`](crate::Held::verify).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a name can't be looked at, so that it can't be told.
    pub fn verify(&self) -> Result<Integrity, Error> {
        self.hold.holding().verify()
    }

    /// As [`Held::hand_to`](crate::Held::hand_to).
    pub fn hand_to(&self, command: &mut Command) {
        self.hold.hand_to(command);
    }

    /// As [`Held::descriptors`](crate::Held::descriptors).
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.hold.holding().descriptors()
    }

    /// Ends the hold, also for processes that inherited it; who is the last of those who share the lock removes the record.
    ///
    /// In a forked child this only closes the child's copies.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if this is the last one, and can't remove the record. The lock is given back all the same, and nobody is told
    /// *recovered* for it.
    pub fn release(mut self) -> Result<(), Error> {
        self.hold.end(End::Clean)
    }
}

impl Held {
    /// Makes it a shared lock, without letting go: nobody holds it exclusively in between, and those who share it are let in.
    ///
    /// The token stays. A record of who died before is not kept for the next writer: it is taken for put right.
    ///
    /// # Errors
    ///
    /// With the lock as it was, if the record can't be written, or is somebody else's by now.
    ///
    /// # Examples
    ///
    /// ```
    /// use baton_lock::{Attempt, Lock};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// let lock = Lock::open(directory.path().join("index.lock"))?;
    /// let writer = lock.lock()?;
    /// // … what only one may do …
    /// let reader = writer.downgrade()?;
    /// assert!(matches!(lock.try_lock()?, Attempt::Busy(_)));
    /// let another = lock.lock_shared()?;
    /// assert_eq!(reader.token(), another.token());
    /// # Ok(())
    /// # }
    /// ```
    pub fn downgrade(mut self) -> Result<HeldShared, NotDowngraded> {
        match self.hold.share() {
            Ok(()) => Ok(HeldShared { hold: self.hold }),
            Err(error) => Err(NotDowngraded { held: self, error }),
        }
    }
}

impl Hold {
    /// From the one kind to the other, in the order of the module's header.
    fn share(&mut self) -> Result<(), Error> {
        let path = self.holding().path().to_owned();
        let Some(parts) = self.parts_mut() else { return Err(no_sharing(&path)) };
        let (setup, record) = (Arc::clone(&parts.setup), parts.record.clone());
        let group = record.of_group(None);
        let desk = setup.desk(&parts.directory, &parts.guard);
        if let Some((born, found)) = &mut parts.published {
            let Publication::Done(shared) =
                desk.publish_over_own(group.to_json().as_bytes(), born, Claim::Shared)?
            else {
                return Err(Error::Unstable { path: setup.path.clone() });
            };
            std::mem::replace(born, shared).unlock();
            *found = Found::Nothing;
        }
        if let Err(error) = share_guard(&setup, parts) {
            // As it was, as well as possible. It is not let go in any case: the guard is locked by us, or byte 0 is.
            if let Some((born, _)) = &mut parts.published
                && let Ok(Publication::Done(own)) =
                    desk.publish_over_own(record.to_json().as_bytes(), born, Claim::Exclusive)
            {
                std::mem::replace(born, own).unlock();
            }
            return Err(error);
        }
        parts.record = record.shared();
        let listed = sharing::list(&setup, &parts.directory, &parts.guard, &parts.record);
        parts.share = Some(Share { group, listed });
        Ok(())
    }
}

fn share_guard(setup: &Setup, parts: &Parts) -> Result<(), Error> {
    let Parts { guard, directory, .. } = parts;
    if guard.try_lock(directory, &setup.names, Claim::Shared)? {
        return Ok(());
    }
    guard.lock(directory, &setup.names, Claim::Shared)
}

impl Lock {
    fn acquire_shared(
        &self,
        limit: Limit,
        cancel: Option<&Cancel>,
        on_busy: Option<OnBusy<'_>>,
    ) -> Result<Attempt<HeldShared>, Error> {
        let attempt = wait::acquire(self.setup(), Claim::Shared, limit, cancel, on_busy)?;
        Ok(attempt.map(|hold| HeldShared { hold }))
    }

    /// Tries to acquire the lock along with others who share it; otherwise as [`try_lock`](Self::try_lock). While a writer waits for it,
    /// the answer is busy, though readers hold it.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn try_lock_shared(&self) -> Result<Attempt<HeldShared>, Error> {
        self.acquire_shared(Limit::Now, None, None)
    }

    /// Acquires the lock along with others who share it, waiting for as long as it takes; otherwise as [`lock`](Self::lock).
    ///
    /// # Order
    ///
    /// Nobody who shares the lock overtakes a writer that waits: who comes after it waits until it has had the lock. When a writer releases,
    /// all who want to share the lock come in up to the next writer that waits.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_shared(&self) -> Result<HeldShared, Error> {
        loop {
            match self.acquire_shared(Limit::Never, None, None)? {
                Attempt::Held(held) => return Ok(held),
                // Only a caller that breaks off gets this answer without a limit.
                Attempt::Busy(_) => {}
            }
        }
    }

    /// As [`lock_shared`](Self::lock_shared), waiting until `deadline` at the latest.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_shared_until(&self, deadline: Instant) -> Result<Attempt<HeldShared>, Error> {
        self.acquire_shared(Limit::At(deadline), None, None)
    }

    /// As [`lock_with`](Self::lock_with), along with others who share the lock.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_shared_with(
        &self,
        deadline: Option<Instant>,
        on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
    ) -> Result<Attempt<HeldShared>, Error> {
        self.acquire_shared(limit(deadline), None, Some(&mut once(on_busy)))
    }

    /// As [`lock_cancellable`](Self::lock_cancellable), along with others who share the lock.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_shared_cancellable(
        &self,
        deadline: Option<Instant>,
        cancel: &Cancel,
    ) -> Result<Attempt<HeldShared>, Error> {
        self.acquire_shared(limit(deadline), Some(cancel), None)
    }

    /// As [`lock_cancellable_with`](Self::lock_cancellable_with), along with others who share the lock.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_shared_cancellable_with(
        &self,
        deadline: Option<Instant>,
        cancel: &Cancel,
        on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
    ) -> Result<Attempt<HeldShared>, Error> {
        self.acquire_shared(limit(deadline), Some(cancel), Some(&mut once(on_busy)))
    }
}
