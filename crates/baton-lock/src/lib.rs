//! One runner at a time, never a stale lock, and the next one is told how the last one ended.
//!
//! A [`Lock`] is named by a path. Acquiring it yields [`Held`], which says whether it was got *fresh* or *recovered* from a
//! holder that died, with that holder's record and a fencing token that only grows; or the reason why it is busy, with who
//! holds it. Whether a holder lives is never guessed: it keeps two kernel locks on two files, either of which suffices, and
//! the kernel drops them when it dies. The record file only says who it is.
//!
//! The protocol with its steps, invariants and limits is specified in `docs/protocol.md`; the modules cite its numbers.
//!
//! # Platform notes
//!
//! Linux. What a port needs is listed in `docs/platforms.md`; elsewhere the crate does not compile.
#![deny(unsafe_code)]

mod atomic_file;
pub mod clock;
mod diagnosis;
pub mod doctor;
mod durable_directory;
mod error;
pub mod escape;
mod filesystem;
mod identity;
mod lock;
mod processes;
mod record;
pub mod redact;
pub mod session;
pub mod start;
pub mod state_dir;
pub mod store;
mod sys;

pub use diagnosis::{Address, AncestorState, Lease, Observation, Place, State};
pub use error::{Error, ErrorKind};
pub use lock::{
    Attempt, Broken, Cancel, Ending, Held, HeldShared, Identity, Integrity, Kept, Lock, Malformed, Naming,
    NotDowngraded, Options, Outcome, Pruned, Pruning,
};
pub use processes::Process;
pub use record::{Details, Record};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
