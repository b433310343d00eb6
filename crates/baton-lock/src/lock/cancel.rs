//! Giving up a wait from outside: from another thread, or an event loop.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::sys::{self, Handle};

/// Ends waits for a lock that are under way, and all that begin after it; once and for all.
///
/// It can be cloned and sent to other threads; all clones are one. A wait looks at it by a descriptor, so that nobody polls.
///
/// # Examples
///
/// ```
/// use baton_lock::{Attempt, Cancel, Lock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let lock = Lock::open(directory.path().join("deploy.lock"))?;
/// let held = lock.lock()?;
/// let cancel = Cancel::new()?;
/// let waiter = std::thread::spawn({
///     let (lock, cancel) = (Lock::open(lock.path())?, cancel.clone());
///     move || lock.lock_cancellable(None, &cancel)
/// });
/// cancel.cancel();
/// assert!(matches!(waiter.join().expect("no panic")?, Attempt::Busy(_)));
/// # drop(held);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cancel {
    event: Arc<Handle>,
}

impl Cancel {
    /// One that has not happened yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is no descriptor to be had.
    pub fn new() -> Result<Self, Error> {
        let event =
            sys::event().map_err(|errno| Error::io("get a descriptor for", Path::new("a wait"), errno))?;
        Ok(Self { event: Arc::new(event) })
    }

    /// One that happens when something else does: as soon as the descriptor is readable, and for as long as it is.
    ///
    /// A `signalfd`, say, so that a signal ends the wait; then [`cancel`](Self::cancel) is not to be used.
    pub fn when_readable(descriptor: OwnedFd) -> Self {
        Self { event: Arc::new(descriptor) }
    }

    /// Ends the waits. May be called from a signal handler: it makes one system call, and neither allocates nor locks anything.
    pub fn cancel(&self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::set_event(&self.event);
    }

    /// Has it happened?
    pub fn is_cancelled(&self) -> bool {
        sys::is_ready(&[self.event.as_fd()], Some(std::time::Duration::ZERO)).unwrap_or(false)
    }
}

impl AsFd for Cancel {
    /// Readable once it has happened.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
