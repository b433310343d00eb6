//! The exit codes of the command, each with its meaning; `docs/errors.md` says what to do about them.
//!
//! Above all they must not hide that nothing ran: busy is 75, never 0 or 1, unless `-E` says otherwise.

use baton_lock::ErrorKind;

/// Everything was done.
pub const DONE: u8 = 0;
/// A step of a plan failed.
pub const STEP_FAILED: u8 = 1;
/// A decision is needed: resume or start afresh, or accept a changed plan.
pub const DECISION_NEEDED: u8 = 3;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
/// A file has the wrong content.
pub const CONTENT: u8 = 65;
/// The filesystem or store can't do what a lock needs.
pub const UNSUPPORTED: u8 = 69;
/// A bug in Baton.
pub const BUG: u8 = 70;
/// A directory or file is unsafe or can't be created.
pub const UNSAFE: u8 = 73;
/// Busy, or timed out; `-E` chooses another.
pub const BUSY: u8 = 75;
/// The job succeeded, but the lock was lost while it ran.
pub const LOST: u8 = 76;
/// The job can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The job's program was not found.
pub const NOT_FOUND: u8 = 127;

/// The code of a job that was ended by a signal: what shells say, 128 and the signal's number.
pub fn of_signal(signal: i32) -> u8 {
    // Signals are below 65 on Linux.
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// The code for what went wrong with a lock.
pub fn of_error(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => USAGE,
        ErrorKind::Content => CONTENT,
        ErrorKind::Unsupported => UNSUPPORTED,
        ErrorKind::Unsafe => UNSAFE,
        ErrorKind::Lost => LOST,
        // A family that this command does not know yet.
        _ => BUG,
    }
}
