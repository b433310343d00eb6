//! A lock before it is held: what can be asked of it, wherever it is kept.

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::diagnosis::Observation;
use crate::error::{Error, ErrorKind};
use crate::escape;
use crate::lock::{Attempt, Broken, Cancel, Ending, HeldShared, Identity, Lock, Naming, Pruned, Pruning};
use crate::processes::Process;

/// What is called once, when a lock is found busy; whether it is given up then.
pub type OnBusy<'a> = &'a mut dyn FnMut(&Observation) -> ControlFlow<()>;

/// A lock of some store; not held, only known.
pub trait StoredLock: Debug + Send + Sync {
    /// The lock's place: a path, or the URL of the store and the name, written as one.
    fn path(&self) -> &Path;

    /// As [`Lock::try_lock`].
    ///
    /// # Errors
    ///
    /// Whatever makes it impossible to tell who holds it, or to hold it.
    fn try_lock(&self) -> Result<Attempt, Error>;

    /// As [`Lock::lock_cancellable_with`], where `cancel` may be missing.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    fn lock_with(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
        on_busy: OnBusy<'_>,
    ) -> Result<Attempt, Error>;

    /// As [`Lock::try_lock_shared`].
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock); also where locks can't be shared.
    fn try_lock_shared(&self) -> Result<Attempt<HeldShared>, Error> {
        Err(no_sharing(self.path()))
    }

    /// As [`Lock::lock_shared_cancellable_with`], where `cancel` may be missing.
    ///
    /// # Errors
    ///
    /// As [`try_lock_shared`](Self::try_lock_shared).
    fn lock_shared_with(
        &self,
        _deadline: Option<Instant>,
        _cancel: Option<&Cancel>,
        _on_busy: OnBusy<'_>,
    ) -> Result<Attempt<HeldShared>, Error> {
        Err(no_sharing(self.path()))
    }

    /// Says what state the lock is in, disturbing nobody.
    ///
    /// # Errors
    ///
    /// If that can't be told.
    fn observe(&self) -> Result<Observation, Error>;

    /// As [`Lock::wait_until_free`].
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    fn wait_until_free(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Observation, Error>;

    /// Ends the hold that has this token, and no other. `before` is told which processes, before the first signal; it is not called if
    /// nothing is done.
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    fn break_holder(
        &self,
        token: u64,
        ending: Ending,
        before: &mut dyn FnMut(&[Process]),
    ) -> Result<Broken, Error>;

    /// As [`Lock::identity`].
    ///
    /// # Errors
    ///
    /// If it can't be found out.
    fn identity(&self) -> Result<Identity, Error>;

    /// The pid of this process or of the nearest process above it that holds this lock: waiting for it would never end.
    fn held_by_own_ancestor(&self) -> Option<u32>;

    /// As [`Lock::prune`].
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock); also where nothing is ever left to be pruned.
    fn prune(&self, unused: Duration, pruning: Pruning) -> Result<Pruned, Error>;

    /// The same with less effort, cheap enough to be repeated for many; see [`Lock::glance`].
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    fn glance(&self) -> Result<Observation, Error> {
        self.observe()
    }

    /// Looks again at a lock that was found busy, to say whose it is, with as little effort as that takes; see [`Lock::observe_holder`].
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    fn observe_holder(&self, _seen: &Observation) -> Result<Observation, Error> {
        self.observe()
    }

    /// Which of the lock's two files has its path; `None` where there are no files.
    fn naming(&self) -> Option<Naming> {
        None
    }
}

/// In a store where readers and writers are not told apart.
pub(crate) fn no_sharing(path: &Path) -> Error {
    Error::Store {
        kind: ErrorKind::Unsupported,
        message: format!("{} is kept where locks can't be shared", escape::path(path)),
        hint: Some("share a lock that is kept in files".to_owned()),
        source: None,
    }
}

impl StoredLock for Lock {
    fn path(&self) -> &Path {
        self.path()
    }

    fn try_lock(&self) -> Result<Attempt, Error> {
        self.try_lock()
    }

    fn lock_with(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
        on_busy: OnBusy<'_>,
    ) -> Result<Attempt, Error> {
        match cancel {
            None => self.lock_with(deadline, on_busy),
            Some(cancel) => self.lock_cancellable_with(deadline, cancel, on_busy),
        }
    }

    fn try_lock_shared(&self) -> Result<Attempt<HeldShared>, Error> {
        self.try_lock_shared()
    }

    fn lock_shared_with(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
        on_busy: OnBusy<'_>,
    ) -> Result<Attempt<HeldShared>, Error> {
        match cancel {
            None => self.lock_shared_with(deadline, on_busy),
            Some(cancel) => self.lock_shared_cancellable_with(deadline, cancel, on_busy),
        }
    }

    fn observe(&self) -> Result<Observation, Error> {
        self.observe()
    }

    fn observe_holder(&self, seen: &Observation) -> Result<Observation, Error> {
        self.observe_holder(seen)
    }

    fn wait_until_free(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Observation, Error> {
        self.wait_until_free(deadline, cancel)
    }

    fn break_holder(
        &self,
        token: u64,
        ending: Ending,
        before: &mut dyn FnMut(&[Process]),
    ) -> Result<Broken, Error> {
        self.break_holder(token, ending, before)
    }

    fn identity(&self) -> Result<Identity, Error> {
        self.identity()
    }

    fn held_by_own_ancestor(&self) -> Option<u32> {
        self.held_by_own_ancestor()
    }

    fn prune(&self, unused: Duration, pruning: Pruning) -> Result<Pruned, Error> {
        self.prune(unused, pruning)
    }

    fn glance(&self) -> Result<Observation, Error> {
        self.glance()
    }

    fn naming(&self) -> Option<Naming> {
        Some(self.naming())
    }
}
