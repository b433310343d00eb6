//! What every place has in common where locks and sessions can be kept: a directory of this machine, or a store that many share.
//!
//! The interface is drawn from what they share. A lock is contended for in an order, held with a token, a record and an outcome, looked
//! at, waited for, and broken; a session is read, and written only by who holds its lock. What makes it exclusive is each
//! store's own affair, and differs:
//!
//! | | a directory | a store with leases |
//! |---|---|---|
//! | a holder is gone when | the kernel has dropped its locks | its lease has run out |
//! | so a holder that lives | can't lose the lock to another one | can, and is told before ([`Holding::lost`]) |
//! | the job has a part in the hold | yes, it inherits descriptors | no |
//! | a stale write is refused | by the token, in the session | by the store, in the transaction that writes |
//!
//! Nothing is levelled down to what both can do: what only one can do has an answer that says so ([`StoredLock::prune`],
//! [`Holding::descriptors`], [`Holding::lost`]).
//!
//! | what | module |
//! |---|---|
//! | what a hold is made of | `holding` |
//! | a lock before it is held | `lock` |
//! | the place itself | `place` |
//! | the one that is a directory | `directory` |

mod directory;
mod holding;
mod lock;
mod place;

pub use directory::Directory;
pub use holding::{End, Holding};
pub(crate) use lock::no_sharing;
pub use lock::{OnBusy, StoredLock};
pub use place::{Intent, Store};
