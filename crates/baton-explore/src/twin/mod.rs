//! The twins of the library's `sys/linux.rs`, `sys/lookout.rs` and `sys/pidfd.rs`: the same functions, each one call on the simulated kernel.

#[expect(clippy::unnecessary_wraps, reason = "they have the signatures of the real ones")]
pub(crate) mod linux;
pub(crate) mod lookout;
pub(crate) mod pidfd;
