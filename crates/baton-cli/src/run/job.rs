//! The job: started, conducted through signals and stops, and how it ended.
//!
//! It stays in the process group of `baton`, so that the terminal treats both as one: Ctrl-C reaches it, and Ctrl-Z stops
//! both. A job that stops itself alone (some full-screen programs do) would leave the shell waiting for `baton`; so in the
//! foreground of a terminal `baton` stops along with it.
//!
//! In a pid namespace of its own `baton` may be of a session and a process group whose leaders it can't see: their ids are 0 then.

use std::io;

use nix::sys::signal::Signal;
use nix::unistd::{Pid as AnyPid, getpgid, getpgrp, getsid, tcgetpgrp};
use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::signals::{self, Arrived, Caught};
use super::stopping::Stopper;

/// What the kernel calls a process group of another pid namespace.
const NOT_TO_BE_SEEN: AnyPid = AnyPid::from_raw(0);

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with that exit code.
    Code(u8),
    /// By a signal.
    Signal(i32),
}

impl Ended {
    pub(crate) fn of(status: WaitStatus) -> Option<Self> {
        let code = status.exit_status().and_then(|code| u8::try_from(code).ok()).map(Self::Code);
        code.or_else(|| status.terminating_signal().map(Self::Signal))
    }
}

/// Passes signals on to the job until it has ended.
///
/// # Errors
///
/// If it can't be waited for.
pub(super) fn conduct(pid: Pid, caught: &Caught, mut stopper: Option<&mut Stopper<'_>>) -> io::Result<Ended> {
    // Who stops it adopts what it leaves behind, and reaps that too.
    let whom = if stopper.is_some() { None } else { Some(pid) };
    // What arrived while it was being started may have missed it, whoever sent it.
    pass_on(pid, caught, |_| true)?;
    loop {
        // It is reaped nowhere else.
        while let Some((who, status)) =
            rustix::process::waitpid(whom, WaitOptions::NOHANG | WaitOptions::UNTRACED)?
        {
            match Ended::of(status) {
                _ if who != pid => {}
                Some(ended) => {
                    stopper
                        .filter(|stopper| stopper.is_stopping())
                        .map_or(Ok(()), |stopper| stopper.bury(caught))?;
                    return Ok(ended);
                }
                None => stop_along(status),
            }
        }
        match &mut stopper {
            None => caught.wait()?,
            Some(stopper) => {
                stopper.look();
                stopper.wait(caught)?;
            }
        }
        pass_on(pid, caught, |arrived| is_for_us_alone(arrived, pid))?;
    }
}

fn pass_on(job: Pid, caught: &Caught, is_meant: impl Fn(Arrived) -> bool) -> io::Result<()> {
    while let Some(arrived) = caught.next()? {
        if arrived.signal != Signal::SIGCHLD && is_meant(arrived) {
            signals::pass_on(arrived.signal, job);
        }
    }
    Ok(())
}

/// Has the signal missed the job?
fn is_for_us_alone(arrived: Arrived, job: Pid) -> bool {
    match arrived.signal {
        // `fg` continues the group; one more does no harm to a job that runs.
        Signal::SIGCONT => true,
        // A terminal that hangs up tells its session's leader only, whose end would tell the rest.
        Signal::SIGHUP if getsid(None) == Ok(AnyPid::this()) => true,
        _ => arrived.is_sent || has_left_our_group(job),
    }
}

/// Has the job made itself a process group of its own, as `timeout` and `setsid` do?
fn has_left_our_group(job: Pid) -> bool {
    let job = AnyPid::from_raw(job.as_raw_nonzero().get());
    getpgid(Some(job)).is_ok_and(|group| group != getpgrp())
}

/// Stops this process along with a job that was stopped by job control.
fn stop_along(status: WaitStatus) {
    let by_job_control = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].map(|signal| signal as i32);
    let is_ours = status.stopping_signal().is_some_and(|signal| by_job_control.contains(&signal));
    if is_ours && is_in_foreground() {
        // Ends with the SIGCONT of the shell's `fg`, which is passed on to the job.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
}

/// Does a terminal's shell wait for us?
fn is_in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    let own = getpgrp();
    own != NOT_TO_BE_SEEN && tcgetpgrp(&terminal).is_ok_and(|group| group == own)
}
