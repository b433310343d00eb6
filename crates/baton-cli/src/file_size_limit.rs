//! A limit for the size of files (`ulimit -f`): a write beyond it is an error like any other, with the file's name and the way out.
//!
//! The kernel answers such a write by a signal, SIGXFSZ, and only then, if that does not kill, by an error. A runner that dies of the
//! log of a step leaves the job as if somebody had killed it. So the signal is caught and nothing done about it. What is executed
//! gets its usual effect back; where the caller ignores it, it stays ignored, for the job too.

use std::io;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::run::signals::is_ignored;

/// Lets writes beyond the limit fail instead of killing this process.
///
/// # Errors
///
/// If the signal can't be caught.
pub fn heed() -> io::Result<()> {
    if !is_ignored(Signal::SIGXFSZ) {
        signal_hook::flag::register(Signal::SIGXFSZ as i32, Arc::default())?;
    }
    Ok(())
}
