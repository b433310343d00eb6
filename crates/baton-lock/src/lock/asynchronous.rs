//! Waiting in a tokio runtime: the same contender, its descriptors watched by the runtime instead of `poll`.
//!
//! Between two sleeps it makes the system calls of an attempt, some 100 µs, without giving way: handed to another thread they could
//! not be called back, and a future that was dropped would take the lock later. As it is, it is either asleep, and leaves nothing when
//! it is dropped, or it holds.

use super::handle::Lock;
use super::held::{Held, Hold};
use super::judge::Claim;
use super::shared::HeldShared;
use super::wait::{Contender, Sleep};
use crate::error::Error;
use crate::sys;

impl Lock {
    /// Acquires the lock in a tokio runtime, waiting for as long as it takes; otherwise as [`lock`](Self::lock).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped gives up its place in the queue at once, never takes the lock later, and leaves neither a thread nor a
    /// child process nor a file behind. So `tokio::time::timeout` and `select!` can be used with it.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// # runtime.block_on(async {
    /// let lock = baton_lock::Lock::open(directory.path().join("deploy.lock"))?;
    /// let held = lock.lock_async().await?;
    /// // … the job …
    /// held.release()?;
    /// # Ok::<(), baton_lock::Error>(())
    /// # })?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lock_async(&self) -> Result<Held, Error> {
        Ok(Held { hold: self.acquire_async(Claim::Exclusive).await? })
    }

    /// Acquires the lock in a tokio runtime, sharing it with others who do; otherwise as [`lock_async`](Self::lock_async) and
    /// [`lock_shared`](Self::lock_shared).
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime whose I/O is enabled.
    pub async fn lock_shared_async(&self) -> Result<HeldShared, Error> {
        Ok(HeldShared { hold: self.acquire_async(Claim::Shared).await? })
    }

    async fn acquire_async(&self, claim: Claim) -> Result<Hold, Error> {
        let mut contender = Contender::new(self.setup(), claim, Sleep::ByDescriptors);
        loop {
            if let Some(hold) = contender.attempt()? {
                return Ok(hold);
            }
            contender.queue_up();
            contender.lie_down()?;
            sys::until_readable(&contender.descriptors()).await.map_err(|source| Error::Io {
                path: self.path().to_owned(),
                action: "wait for",
                source,
            })?;
        }
    }
}
