//! What the tests are started with, and those whom they start must not inherit.
//!
//! A script's background job ignores SIGINT and SIGQUIT, `nohup` SIGHUP, and so would everything that is started from it: a job that is
//! to end by such a signal would go on.

use nix::sys::signal::Signal;
use std::fs;
use std::sync::Once;

const UNDONE: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCHLD,
    Signal::SIGCONT,
];

/// Sees to it that what this process starts from now on ignores no signal because the tests' caller does. This process itself
/// still does not end by one.
///
/// # Panics
///
/// When no handler can be installed.
pub fn undo_ignored_signals() {
    static UNDO: Once = Once::new();
    UNDO.call_once(|| {
        let ignored = ignored();
        for signal in UNDONE.into_iter().filter(|&signal| ignored & (1 << (signal as i32 - 1)) != 0) {
            // The handler does nothing that anybody looks at. A program that is started has the default instead.
            signal_hook::flag::register(signal as i32, std::sync::Arc::default()).expect("a handler");
        }
    });
}

fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("its line");
    u64::from_str_radix(mask.trim(), 16).expect("a mask")
}
