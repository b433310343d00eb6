//! Processes by descriptor: one that was opened for a process means that process for ever, however often its id is given away.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{Errno, Handle, Result, retry};

/// The signal that nobody can ignore.
pub(crate) const KILL: i32 = Signal::KILL.as_raw();
/// The signal that wakes a stopped process.
pub(crate) const CONTINUE: i32 = Signal::CONT.as_raw();

/// Opens a process by its id: readable once that has ended. `Errno::SRCH` where there is none, or it is a thread's.
pub(crate) fn open(pid: u32) -> Result<Handle> {
    let pid = i32::try_from(pid).ok().filter(|&pid| pid > 0).and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        // A thread that is no process of its own: EINVAL until Linux 6.9, ENOENT since.
        Err(Errno::INVAL | Errno::NOENT) => Err(Errno::SRCH),
        answer => answer,
    }
}

/// Sends a signal by its number to the process, or to nobody if that has been reaped (`Errno::SRCH`).
pub(crate) fn send(process: &Handle, signal: i32) -> Result<()> {
    let signal = Signal::from_named_raw(signal).ok_or(Errno::INVAL)?;
    rustix::process::pidfd_send_signal(process, signal)
}

/// Has the process ended, reaped or not?
pub(crate) fn has_ended(process: &Handle) -> Result<bool> {
    retry(|| await_one(&[process], Duration::ZERO))
}

/// Waits until one of them has ended, for that long at most, or until a signal comes.
pub(crate) fn wait(processes: &[&Handle], most: Duration) {
    // Whoever waits looks for itself what has become of them.
    let _ = await_one(processes, most);
}

fn await_one(processes: &[&Handle], most: Duration) -> Result<bool> {
    let mut polled: Vec<_> = processes.iter().map(|process| PollFd::new(*process, PollFlags::IN)).collect();
    // A time that does not fit is as good as none.
    let most = Timespec::try_from(most).ok();
    Ok(rustix::event::poll(&mut polled, most.as_ref())? > 0)
}
