//! A file that changes only as a whole, and durably: readers and crashes find all of the old content or all of the new.
//!
//! The new content is written under a private name in the same directory, synced, and given the file's name in one step;
//! then the directory is synced. A crash anywhere leaves the file as it was or as it was to be, and perhaps the private
//! file, which a sweep removes. A write that fails, or that the disk has no room for, removes it at once.
//!
//! **Who may replace it** is the caller's business: a lock. But a caller may have lost its lock without knowing, and one
//! that looks first and renames then could destroy what its successor wrote in between. So all who replace exclude each
//! other while they do: lock the file that has the name (`flock`), write the new one, look whether the name still means
//! what was read, rename. Whoever finds it locked for too long goes on only if its own lock is intact:
//!
//! 1. P1 lost its lock, P2 has it. P1 locks the file, finds it as it knows it, and is stopped.
//! 2. P2 finds the file locked, and then its own lock intact. It goes on without.
//! 3. P1 is woken up. The one step that it has left is the rename, which destroys what P2 wrote.
//!
//! That takes a stop at this very instruction by a process that lost its lock. Nothing else does.
//!
//! | what | module |
//! |---|---|
//! | the directory, reading, what is refused unread | `file` |
//! | giving it new content | `replace` |
//! | private names, and what crashed writers left | `sweep` |
//!
//! Elsewhere: what the content means ([`crate::session`]), who may write it ([`crate::Held`]).
//!
//! # Platform notes
//!
//! A disk that lies about `fsync` voids *durable*, not *whole*.

mod file;
mod replace;
mod sweep;

pub(crate) use file::{AtomicFile, Current, Kind};
pub(crate) use replace::{Insist, Replacement};
pub(crate) use sweep::{OwnNames, PrivateNames};
