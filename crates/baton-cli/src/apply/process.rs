//! One command of a step: in a process group of its own, its output taken, ended in time, told to stop.
//!
//! One thread does all of it, by one `poll`: output, signals (the end of the child among them) and the deadline. The command
//! inherits the lock, so that a runner which is killed is not followed by another one while its step still works.
//!
//! **Ending a group.** Until the group's first process is reaped its id can't be another group's, so it is reaped last: first the
//! signal, then the grace time in which the others may end, then SIGKILL for all. Who has made itself another group is out of reach,
//! and has the lock as long as the runner has not released it.

use std::io::{self, Read as _};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baton_lock::Held;
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};

use crate::run::job::Ended;
use crate::run::signals::{Caught, is_ignored};
use crate::run::stopping;

/// How long a group has to end after it was told to, before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How much is read at a time, in buffers: more than a pipe holds, so that nothing of a command that has ended is missed.
const READS: usize = 16;

/// How often it is looked whether the rest of a group is gone.
const LOOK: Duration = Duration::from_millis(20);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// By itself.
    Ended(Ended),
    /// It took too long, and was ended.
    TimedOut,
    /// The runner was told to stop by that signal, and told it.
    Interrupted(Signal),
}

/// What came of running a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It has ended, or was ended, under the lock.
    Finished(Finish),
    /// The lock was lost meanwhile, and the command was ended for it. How it was lost.
    Lost(String),
}

/// What is to be done while a command runs.
pub(super) trait Watcher {
    /// It has written something.
    fn output(&mut self, bytes: &[u8]);
    /// A second has passed, or the like.
    fn tick(&mut self);
}

/// Runs a command to its end.
///
/// # Errors
///
/// If it can't be started, or waited for.
pub(super) fn run(
    mut command: Command,
    held: &Held,
    caught: &Caught,
    timeout: Option<Duration>,
    watcher: &mut dyn Watcher,
) -> io::Result<Ran> {
    let (output, theirs) = io::pipe()?;
    rustix::fs::fcntl_setfl(&output, rustix::fs::OFlags::NONBLOCK)?;
    command.stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs).process_group(0);
    baton_lock::start::with_no_signal_blocked(&mut command);
    held.hand_to(&mut command);
    if held.lost().is_some() {
        stopping::adopt();
        // It has no part in the hold: it must not go on when nobody is left who keeps that.
        baton_lock::start::killed_with_this_process(&mut command);
    }
    let child = command.spawn()?;
    // It has the write ends of the pipe.
    drop(command);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut group = Group { leader: Pid::from_child(&child), held, lost: None, told: None, kill_at: None };
    let ended = group.watch(&output, caught, deadline, watcher)?;
    drain(&output, watcher);
    Ok(match (group.lost, group.told) {
        (Some(reason), _) => Ran::Lost(reason),
        (None, None) => Ran::Finished(Finish::Ended(ended)),
        (None, Some(Told::TimedOut)) => Ran::Finished(Finish::TimedOut),
        (None, Some(Told::Interrupted(signal))) => Ran::Finished(Finish::Interrupted(signal)),
    })
}

/// Why a group was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    TimedOut,
    Interrupted(Signal),
}

struct Group<'h> {
    leader: Pid,
    held: &'h Held,
    /// How the lock was lost, if it was: the group was told to end then.
    lost: Option<String>,
    told: Option<Told>,
    kill_at: Option<Instant>,
}

impl Group<'_> {
    fn watch(
        &mut self,
        output: &io::PipeReader,
        caught: &Caught,
        deadline: Option<Instant>,
        watcher: &mut dyn Watcher,
    ) -> io::Result<Ended> {
        let mut is_open = true;
        loop {
            self.listen(caught)?;
            self.look_at_the_lock();
            if self.told.is_none() && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.end(Told::TimedOut, Signal::SIGTERM);
            }
            if self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.signal(Signal::SIGKILL);
                self.kill_at = None;
            }
            if self.leader_has_ended()? {
                return self.bury(caught);
            }
            let until = [deadline.filter(|_| self.told.is_none()), self.kill_at].into_iter().flatten().min();
            let lost = self.held.lost().filter(|_| self.lost.is_none());
            wait(is_open.then_some(output), caught, lost, until)?;
            is_open = is_open && drain(output, watcher);
            watcher.tick();
        }
    }

    /// Ends the group before another one can own the lock; see [`stopping`].
    fn look_at_the_lock(&mut self) {
        if let (None, Some(reason)) = (&self.lost, stopping::loss(self.held)) {
            self.lost = Some(reason);
            let kill_at = stopping::kill_at(self.held);
            self.kill_at = Some(self.kill_at.map_or(kill_at, |at| at.min(kill_at)));
            self.signal(Signal::SIGTERM);
        }
    }

    /// What the runner is told is told to the group; who is told twice to stop is killed.
    fn listen(&mut self, caught: &Caught) -> io::Result<()> {
        while let Some(arrived) = caught.next()? {
            match (arrived.signal, self.told) {
                (Signal::SIGCHLD | Signal::SIGCONT, _) => {}
                // What the caller ignores (`nohup`) arrives all the same, being blocked.
                (signal, _) if is_ignored(signal) => {}
                (Signal::SIGINT, Some(Told::Interrupted(_))) => self.kill_now(),
                (signal @ (Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT), None) => {
                    self.end(Told::Interrupted(signal), signal);
                }
                // It is being ended for its time already; whoever stops it now does not want another try.
                (
                    signal @ (Signal::SIGINT | Signal::SIGTERM | Signal::SIGHUP | Signal::SIGQUIT),
                    Some(Told::TimedOut),
                ) => {
                    self.told = Some(Told::Interrupted(signal));
                    self.signal(signal);
                }
                (signal, _) => self.signal(signal),
            }
        }
        Ok(())
    }

    fn kill_now(&mut self) {
        self.signal(Signal::SIGKILL);
        self.kill_at = Some(Instant::now());
    }

    fn end(&mut self, why: Told, signal: Signal) {
        self.told = Some(why);
        self.kill_at = Instant::now().checked_add(GRACE);
        self.signal(signal);
    }

    /// To all of the group, whose first process is not reaped.
    fn signal(&self, signal: Signal) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
            // Fails only if nobody of the group is left to be told.
            let _ = rustix::process::kill_process_group(self.leader, signal);
        }
    }

    /// It stays a zombie, so that its id stays the group's.
    fn leader_has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(rustix::process::waitid(WaitId::Pid(self.leader), options)?.is_some())
    }

    /// Sees to it that nothing of a group goes on that was told to end, and reaps its first process.
    fn bury(&mut self, caught: &Caught) -> io::Result<Ended> {
        if self.told.is_some() || self.lost.is_some() {
            let is_time_left = |kill_at: Option<Instant>| kill_at.is_some_and(|at| Instant::now() < at);
            while is_time_left(self.kill_at) && has_others(self.leader) {
                caught.wait_for(LOOK)?;
                self.listen(caught)?;
            }
            self.signal(Signal::SIGKILL);
        }
        let status = rustix::process::waitpid(Some(self.leader), WaitOptions::empty())?;
        if self.lost.is_some() {
            // Who has left the group too.
            stopping::kill_all(caught)?;
        }
        Ok(status.and_then(|(_, status)| Ended::of(status)).unwrap_or(Ended::Code(u8::MAX)))
    }
}

/// Sleeps until there is something to read, a signal, the lock is lost, the time is over, or a second has passed.
fn wait(
    output: Option<&io::PipeReader>,
    caught: &Caught,
    lost: Option<BorrowedFd<'_>>,
    until: Option<Instant>,
) -> io::Result<()> {
    let second = Duration::from_secs(1);
    let left = until.map_or(second, |until| until.saturating_duration_since(Instant::now()).min(second));
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    let mut all = vec![PollFd::new(caught, PollFlags::IN)];
    all.extend(output.map(|output| PollFd::new(output, PollFlags::IN)));
    all.extend(lost.as_ref().map(|lost| PollFd::new(lost, PollFlags::IN)));
    match poll(&mut all, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads what is there. `false`: nobody can write any more.
///
/// Not all at once: one who writes without end must not keep us from the clock and from signals.
fn drain(mut output: &io::PipeReader, watcher: &mut dyn Watcher) -> bool {
    let mut buffer = [0; 16 * 1024];
    for _ in 0..READS {
        match output.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => watcher.output(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Is anybody in the group but its first process, and alive? Asked of `/proc`.
fn has_others(leader: Pid) -> bool {
    let group = leader.as_raw_nonzero().get();
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| pid != group)
        .any(|pid| is_alive_in(pid, group))
}

fn is_alive_in(pid: i32, group: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // Behind the program's name, which may hold anything: state, parent, group.
    let Some((_, fields)) = stat.rsplit_once(") ") else { return false };
    let fields: Vec<&str> = fields.split(' ').take(3).collect();
    matches!(fields[..], [state, _, number] if state != "Z" && number.parse() == Ok(group))
}
