//! `baton` as the first process of a container (pid 1), whom the kernel spares every signal that it does not catch.
//!
//! While it waited, `docker stop` would do nothing for ten seconds and then kill everything. So there, and only there, what
//! ends any other process is caught, and ends this one. While a job runs these signals are the job's: they are blocked then,
//! and read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::exit;
use crate::run::signals::ENDING;

/// Lets signals end this process as they end any other, if it is the first one.
///
/// # Errors
///
/// If they can't be caught.
pub fn heed_signals() -> io::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    for signal in ENDING {
        let (signal, is_ending) = (signal as i32, Arc::new(AtomicBool::new(true)));
        signal_hook::flag::register_conditional_shutdown(signal, exit::of_signal(signal).into(), is_ending)?;
    }
    Ok(())
}
