//! The twin of `sys/lookout.rs`: none can be started. Who is explored waits in the call itself, or not at all.

use super::linux::{Errno, Handle, Range};
use crate::sim::Result;
use crate::sim::fd::{AsFd, BorrowedFd};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Flock,
    SharedFlock,
    NoFlock,
    NoRange(Range),
    NoShareOf(Range),
}

/// A child that waits for a lock.
#[derive(Debug)]
pub(crate) struct Lookout(Handle);

impl Lookout {
    pub(crate) fn start(_file: &Handle, _awaited: Awaited) -> Result<Self> {
        Err(Errno::NOSYS)
    }

    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.0.as_fd(), self.0.as_fd()]
    }
}
