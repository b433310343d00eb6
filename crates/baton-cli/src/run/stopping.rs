//! Stopping a job whose lock was lost while it runs.
//!
//! A lock in a directory can't be lost to another one while its job lives, since the job has a part in it, and its job is never stopped.
//! One with a lease can: when it can't be renewed in time, its holder is told so *before* another one can own it. What is left until
//! then is for the job to end: it is told to (SIGTERM), and killed after
//! the grace time, or when the time is over in which nobody else can hold the lock, whichever comes first.
//!
//! It is not the job's first process alone that must not go on. This process adopts what its descendants leave behind (a
//! "subreaper"), so that all of them are found below it, whatever group or session they have made themselves:
//!
//! 1. P is found in the list of processes, below this one. A descriptor of the process P is opened.
//! 2. P ends; its id is given to Q, somebody else's.
//! 3. It is looked again whose child the id is. If it is neither this process's nor that of one that was found, nothing is signalled.
//! 4. It is, for Q is a child of another descendant: the signal goes through the descriptor to P, which has ended, so to nobody.
//!    Q is found in the next round, as itself.
//!
//! That ends, because a round kills all that it finds, and what is dead starts nothing; it is given up after a time for what can't be
//! killed, and told.
//!
//! If this process itself is killed, nobody stops the job but the kernel: it kills the job's first process (see
//! [`baton_lock::start::killed_with_this_process`]). What that one has started goes on, which only the resource's own look at
//! the token can keep out.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use baton_lock::{Held, Integrity, escape};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};

use super::signals::Caught;
use crate::notice;

/// How long a job may take to end at most after it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked whether what was killed is gone.
const LOOK: Duration = Duration::from_millis(20);

/// How long that is done: what is in an uninterruptible call ends when that ends.
const AFTER_KILL: Duration = Duration::from_secs(10);

/// Who stops a job when a lock of it is lost.
#[derive(Debug)]
pub(crate) struct Stopper<'h> {
    held: Vec<&'h Held>,
    state: State,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// The job was told to end, and is killed then.
    Told(Instant),
    Killed,
}

impl<'h> Stopper<'h> {
    /// One for these holds; `None` if none of them can be lost while its job runs.
    pub(crate) fn of(held: impl Iterator<Item = &'h Held>) -> Option<Self> {
        let held: Vec<_> = held.filter(|held| held.lost().is_some()).collect();
        (!held.is_empty()).then(|| {
            adopt();
            Self { held, state: State::Whole }
        })
    }

    /// Was the job told to end?
    pub(crate) fn is_stopping(&self) -> bool {
        self.state != State::Whole
    }

    /// Tells the job to end if a lock was lost, and kills it when it is time.
    pub(crate) fn look(&mut self) {
        match self.state {
            State::Whole => {
                if let Some((held, reason)) = self.lost() {
                    let lock = escape::path(held.path());
                    notice::warning(&format!("{lock} is lost: {reason}; the job is told to end"));
                    self.state = State::Told(kill_at(held));
                    signal_all(Signal::TERM);
                }
            }
            State::Told(kill_at) if Instant::now() >= kill_at => {
                self.state = State::Killed;
                signal_all(Signal::KILL);
            }
            State::Told(_) | State::Killed => {}
        }
    }

    fn lost(&self) -> Option<(&'h Held, String)> {
        self.held.iter().find_map(|&held| Some((held, loss(held)?)))
    }

    /// Sleeps until a signal arrives, a lock is lost, or there is something to do.
    pub(crate) fn wait(&self, caught: &Caught) -> io::Result<()> {
        let lost: Vec<_> = self.held.iter().filter_map(|held| held.lost()).collect();
        let mut watched = vec![PollFd::new(caught, PollFlags::IN)];
        let until = match self.state {
            // What is lost stays readable; it was seen.
            State::Whole => {
                watched.extend(lost.iter().map(|lost| PollFd::new(lost, PollFlags::IN)));
                None
            }
            State::Told(kill_at) => Some(kill_at.saturating_duration_since(Instant::now())),
            State::Killed => Some(LOOK),
        };
        let until = until.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        match poll(&mut watched, until.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until nothing is left of a job that was told to end, its first process having ended.
    pub(crate) fn bury(&mut self, caught: &Caught) -> io::Result<()> {
        while self.state != State::Killed && left() > 0 {
            drop_signals(caught)?;
            self.wait(caught)?;
            self.look();
        }
        kill_all(caught)
    }
}

/// Lets all that a descendant leaves behind come to this process.
pub(crate) fn adopt() {
    // Where that is refused, those are not found who leave their parents; the job is.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// How a lock was lost that can be lost while its job lives, if it was.
pub(crate) fn loss(held: &Held) -> Option<String> {
    held.lost()?;
    match held.verify() {
        Ok(Integrity::Lost(reason)) => Some(reason),
        _ => None,
    }
}

/// When a job is killed that is told to end now.
pub(crate) fn kill_at(held: &Held) -> Instant {
    Instant::now() + held.time_left().map_or(GRACE, |left| left.min(GRACE))
}

/// Kills everything below this process, and waits until it is gone.
pub(crate) fn kill_all(caught: &Caught) -> io::Result<()> {
    let give_up = Instant::now() + AFTER_KILL;
    while left() > 0 {
        signal_all(Signal::KILL);
        if Instant::now() >= give_up {
            let left = left();
            notice::warning(&format!("{left} processes of the job can't be killed and run on"));
            return Ok(());
        }
        drop_signals(caught)?;
        caught.wait_for(LOOK)?;
    }
    Ok(())
}

/// How many are left, those that have ended being reaped, which they are nowhere else.
fn left() -> usize {
    while let Ok(Some(_)) = waitpid(None, WaitOptions::NOHANG) {}
    descendants().len()
}

/// Signals for a job that was told to end come too late; one that is read is out of the way of the next sleep.
fn drop_signals(caught: &Caught) -> io::Result<()> {
    while caught.next()?.is_some() {}
    Ok(())
}

/// Sends it to everything below this process.
fn signal_all(signal: Signal) {
    let all = descendants();
    let own = rustix::process::getpid();
    for &pid in &all {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let now = listed(Path::new(&format!("/proc/{pid}")));
        if now.is_some_and(|(_, parent, _)| parent == own || all.contains(&parent)) {
            // It may have ended, or be another user's.
            let _ = pidfd_send_signal(process, signal);
        }
    }
}

/// Everything below this process that has not ended.
fn descendants() -> HashSet<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let all = entries.filter_map(|entry| listed(&entry.path()));
    below(rustix::process::getpid(), &all.collect::<Vec<_>>())
}

/// A process, its parent, and whether it runs.
type Listed = (Pid, Pid, bool);

/// What a directory of `/proc` says, if it is a process's.
fn listed(directory: &Path) -> Option<Listed> {
    let pid: i32 = directory.file_name()?.to_str()?.parse().ok()?;
    parse(pid, &std::fs::read_to_string(directory.join("stat")).ok()?)
}

/// The program's name, in brackets, may have blanks and brackets itself.
fn parse(pid: i32, stat: &str) -> Option<Listed> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let has_ended = matches!(fields.next()?, "Z" | "X");
    Some((Pid::from_raw(pid)?, Pid::from_raw(fields.next()?.parse().ok()?)?, !has_ended))
}

fn below(top: Pid, all: &[Listed]) -> HashSet<Pid> {
    let mut children: HashMap<Pid, Vec<(Pid, bool)>> = HashMap::new();
    for &(pid, parent, runs) in all {
        children.entry(parent).or_default().push((pid, runs));
    }
    let (mut found, mut open) = (HashSet::new(), vec![top]);
    // Ends because each process is taken out once.
    while let Some(next) = open.pop() {
        for (pid, runs) in children.remove(&next).unwrap_or_default() {
            open.push(pid);
            if runs {
                found.insert(pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32, state: &str) -> Listed {
        parse(pid, &format!("{pid} (a) b ({pid}) {state} {parent} 1 2 3")).expect("a process")
    }

    #[test]
    fn everything_below_is_found_and_nothing_beside() {
        let all = [
            process(9, 5, "S"),
            process(5, 4, "Z"),
            process(4, 2, "R"),
            process(3, 1, "S"),
            process(2, 1, "S"),
            process(6, 3, "S"),
        ];
        let pid = |pid| Pid::from_raw(pid).expect("a pid");
        // 5 has ended and is not reaped; what it started has not.
        assert_eq!(below(pid(2), &all), HashSet::from([pid(4), pid(9)]));
        assert!(below(pid(9), &all).is_empty());
    }
}
