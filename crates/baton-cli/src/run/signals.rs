//! Signals while a job runs: what is sent to `baton` is meant for the job.
//!
//! They are blocked and read from a descriptor (`signalfd`), so that no handler is installed and what the caller ignores
//! stays ignored (`nohup`). The job is started with none blocked.
//!
//! A key of the terminal (Ctrl-C) signals the whole foreground process group, the job included, and that is not passed on,
//! unless the job has left the group; what a process sent to `baton` alone is. The kernel says which it was. What arrives
//! while the job is being started may or may not have reached it: passed on, since one too many is better than one too
//! few.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Pid;

/// Meant for the job.
const PASSED_ON: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
];

/// Those that end a process which has not asked for them.
pub(crate) const ENDING: [Signal; 6] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2];

/// Signals that are caught for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Caught {
    source: SignalFd,
    before: SigSet,
}

/// A signal that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// A process sent it to us; else the kernel did, to the whole process group.
    pub(crate) is_sent: bool,
}

impl Caught {
    /// Catches from now on.
    ///
    /// # Errors
    ///
    /// If there is no descriptor to be had.
    pub(crate) fn now() -> io::Result<Self> {
        // Where a caller ignores the ends of children, nobody could learn how the job ended; a handler undoes that.
        signal_hook::flag::register(Signal::SIGCHLD as i32, std::sync::Arc::default())?;
        let mut set = SigSet::empty();
        for signal in PASSED_ON.into_iter().chain([Signal::SIGCHLD]) {
            set.add(signal);
        }
        let before = SigSet::thread_get_mask()?;
        set.thread_block()?;
        let source = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { source, before })
    }

    /// Catches those that end this process, and no others.
    ///
    /// # Errors
    ///
    /// If there is no descriptor to be had.
    pub(crate) fn ending_ones() -> io::Result<Self> {
        let mut set = SigSet::empty();
        ENDING.into_iter().filter(|signal| !is_ignored(*signal)).for_each(|signal| set.add(signal));
        let before = SigSet::thread_get_mask()?;
        set.thread_block()?;
        let source = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { source, before })
    }

    /// What is readable once a signal has arrived.
    ///
    /// # Errors
    ///
    /// If there is no descriptor to be had.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.source.as_fd().try_clone_to_owned()
    }

    /// The next signal, if one has arrived.
    pub(crate) fn next(&self) -> io::Result<Option<Arrived>> {
        let Some(info) = self.source.read_signal()? else { return Ok(None) };
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        // Codes above zero are the kernel's own.
        let arrived = |signal| Arrived { signal, is_sent: info.ssi_code <= 0 };
        Ok(Signal::try_from(number).ok().map(arrived))
    }

    /// The signal that would have ended this process by now, if one has arrived.
    pub(crate) fn ending(&self) -> io::Result<Option<Signal>> {
        while let Some(arrived) = self.next()? {
            if ENDING.contains(&arrived.signal) && !is_ignored(arrived.signal) {
                return Ok(Some(arrived.signal));
            }
        }
        Ok(None)
    }

    /// Sleeps until a signal arrives.
    pub(crate) fn wait(&self) -> io::Result<()> {
        let source = self.source.as_fd();
        Ok(rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&source, PollFlags::IN)], None)).map(drop)?)
    }
}

impl Caught {
    /// Sleeps until a signal arrives, or the time is over.
    pub(crate) fn wait_for(&self, time: Duration) -> io::Result<()> {
        let time = rustix::event::Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.source, PollFlags::IN)], Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Caught {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        // What has arrived and was not read takes its usual effect now.
        let _ = self.before.thread_set_mask();
    }
}

/// Does this process ignore the signal, when it does not catch it? One that is blocked arrives all the same.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    baton_lock::start::is_ignored(signal as i32)
}

/// Passes a signal on to a process that is ours and not reaped yet, so that its id can't be another's.
pub(crate) fn pass_on(signal: Signal, job: Pid) {
    if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
        // A job of another user (set-user-ID) can't be signalled; there is nobody to tell who could do anything about it.
        let _ = rustix::process::kill_process(job, signal);
    }
}
