//! The twin of `sys/pidfd.rs`: not simulated, as nothing that breaks a lock is explored.

use std::time::Duration;

use super::linux::{Errno, Handle};
use crate::sim::Result;

pub(crate) const KILL: i32 = 9;
pub(crate) const CONTINUE: i32 = 18;

pub(crate) fn open(_pid: u32) -> Result<Handle> {
    Err(Errno::NOSYS)
}

pub(crate) fn send(_process: &Handle, _signal: i32) -> Result<()> {
    Err(Errno::NOSYS)
}

pub(crate) fn has_ended(_process: &Handle) -> Result<bool> {
    Err(Errno::NOSYS)
}

pub(crate) fn wait(_processes: &[&Handle], _most: Duration) {}
