//! The twins of the library's `sys/linux.rs`, `sys/lookout.rs` and `sys/pidfd.rs`: the same functions, each one call on the simulated kernel.

pub(crate) mod linux;
pub(crate) mod lookout;
pub(crate) mod pidfd;
