//! What a program that runs under a lock starts with, apart from the lock itself.
//!
//! Whoever holds a lock for a job reads signals instead of dying of them, and for that blocks them. A program inherits what
//! is blocked, and the standard library leaves it so: such a job could be ended by nobody, neither by SIGTERM nor by Ctrl-C.

use std::process::Command;

use crate::sys;

/// Lets the program that `command` starts begin with no signal blocked, whatever the thread that starts it has blocked.
///
/// What is ignored stays ignored, as `nohup` wants it.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// let mut job = Command::new("true");
/// baton_lock::start::with_no_signal_blocked(&mut job);
/// assert!(job.status()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn with_no_signal_blocked(command: &mut Command) {
    sys::unblock_signals_at_exec(command);
}

/// Has the kernel kill the program that `command` starts as soon as the thread that starts it has ended, by SIGKILL too.
///
/// For a job that has no part in its lock ([`Holding::descriptors`](crate::store::Holding::descriptors)), so that it doesn't go on when
/// nobody is left to keep the lock. It is meant for the thread that waits for the job to its end.
///
/// # What is not guaranteed
///
/// What the program has started is not killed, nor a program that runs with other privileges than it was started with (set-user-ID):
/// the kernel forgets it there.
///
/// # Examples
///
/// ```
/// use std::process::Command;
/// let mut job = Command::new("true");
/// baton_lock::start::killed_with_this_process(&mut job);
/// assert!(job.status()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn killed_with_this_process(command: &mut Command) {
    sys::kill_with_parent_at_exec(command);
}

/// Does this process ignore the signal of that number? One that it catches is not ignored.
///
/// # Examples
///
/// ```
/// assert!(!baton_lock::start::is_ignored(9), "SIGKILL can't be");
/// ```
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    sys::is_ignored(signal)
}
