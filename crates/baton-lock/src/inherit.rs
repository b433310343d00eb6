//! What a program that is started gets from its starter besides the lock ([`crate::Held::hand_to`]): so far, its signal mask.
//!
//! A mask is inherited through fork and exec, and the standard library leaves it as it is. A starter that blocks signals to
//! read them from a descriptor would start programs that can't be interrupted: a `sleep` that ignores Ctrl-C.

use std::process::Command;

use crate::sys;

/// Lets the program that `command` starts begin with these signals unblocked, by their numbers; others stay as they are.
pub fn unblock_signals(command: &mut Command, signals: impl IntoIterator<Item = i32>) {
    sys::unblock_at_exec(command, signals.into_iter().collect());
}
