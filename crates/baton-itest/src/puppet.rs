//! Real processes that do one thing with a lock per line they are told, and answer each by one line of JSON.
//!
//! A test that needs a holder in another process tells it to hold, and knows from the answer that it does: nobody sleeps,
//! nobody polls. A puppet is killed through its own handle only, and with the value at the latest, a panic included.
//! The program is `lock_puppet`, whose header lists what it understands.
//!
//! What a puppet starts outlives it, which is what it is for: an [`crate::heir::Heir`] is known by a descriptor, since its id could be
//! another's by the time it is ended.

use crate::programs::helper;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// How long an answer is waited for before it is looked again whether its puppet has stopped.
const A_MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// How long a puppet may take for what it does not wait for anybody with; for a test that would hang otherwise.
const LIMIT: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// A running puppet.
#[derive(Debug)]
pub struct Puppet {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Returns the command of a puppet that contends as `client` (`baton`, `flock-naming`, `v0`, `v1`) for the lock at `path`.
pub fn command(client: &str, path: &Path) -> Command {
    let mut command = Command::new(helper("lock_puppet"));
    command.args(["--client", client, "--lock"]).arg(path);
    command
}

/// Returns the command of that puppet in a pid namespace and a mount namespace of its own, with a `/proc` of its own: it is the
/// first process there. It is killed by [`Puppet::kill_inside`].
pub fn in_namespaces(puppet: &Command) -> Command {
    let mut command = Command::new(helper("in_namespaces"));
    command.arg(puppet.get_program()).args(puppet.get_args());
    command
}

/// Looks whether a process can be given namespaces of its own here.
///
/// # Errors
///
/// The reason why not.
pub fn namespaces_are_possible() -> Result<(), String> {
    match in_namespaces(&Command::new("true")).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("no namespaces: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("no namespaces: {error}")),
    }
}

/// Waits until one of them has an answer that is not read yet; says which.
///
/// # Panics
///
/// When none has one.
#[track_caller]
pub fn first_to_answer(puppets: &[Puppet]) -> usize {
    let puppets: Vec<_> = puppets.iter().collect();
    first_to_answer_within(&puppets, LIMIT).expect("one answers")
}

/// The same, unless none of them has one before the time is over.
///
/// # Panics
///
/// When that can't be waited for.
#[track_caller]
pub fn first_to_answer_within(puppets: &[&Puppet], time: Timespec) -> Option<usize> {
    if let Some(first) = puppets.iter().position(|puppet| !puppet.answers.buffer().is_empty()) {
        return Some(first);
    }
    let mut polled: Vec<_> =
        puppets.iter().map(|puppet| PollFd::new(puppet.answers.get_ref(), PollFlags::IN)).collect();
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&time))).expect("polled");
    polled.iter().position(|polled| !polled.revents().is_empty())
}

impl Puppet {
    /// Starts a puppet.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the puppet starts");
        let orders = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, orders, answers }
    }

    /// Starts one without further options.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub fn of(client: &str, path: &Path) -> Self {
        Self::start(command(client, path))
    }

    /// Starts one that holds the lock; gives back what it said when it got it.
    ///
    /// # Panics
    ///
    /// When it does not get the lock.
    pub fn holding(client: &str, path: &Path) -> (Self, Value) {
        let mut puppet = Self::of(client, path);
        let answer = puppet.tell("try");
        let is_held = answer["held"].is_object() || answer["acquired"] == true;
        assert!(is_held, "{client} does not get the lock: {answer}");
        (puppet, answer)
    }

    /// Starts one that waits for the lock, and has found it busy; gives back what it saw.
    ///
    /// # Panics
    ///
    /// When it gets the lock instead.
    #[track_caller]
    pub fn waiting(client: &str, path: &Path, order: &str) -> (Self, Value) {
        let mut puppet = Self::of(client, path);
        let answer = puppet.tell(order);
        assert!(answer["waiting"].is_object(), "{client} does not wait: {answer}");
        (puppet, answer["waiting"].clone())
    }

    /// Tells it to do something, and returns what it answers.
    ///
    /// # Panics
    ///
    /// When it dies of it, or does not answer.
    #[track_caller]
    pub fn tell(&mut self, order: &str) -> Value {
        self.tell_and_see(order).unwrap_or_else(|| panic!("the puppet died of `{order}`"))
    }

    /// Tells it to do something that it may die of: then there is no answer.
    ///
    /// # Panics
    ///
    /// When its answer is not JSON, or does not come.
    #[track_caller]
    pub fn tell_and_see(&mut self, order: &str) -> Option<Value> {
        self.order(order);
        self.answer()
    }

    /// Tells it to do something without waiting for the answer, so that several puppets do it at the same time.
    pub fn order(&mut self, order: &str) {
        // One that is dead does not answer either, which is what is looked at.
        let _ = writeln!(self.orders, "{order}");
    }

    /// Waits for the answer to an order; none comes from a puppet that died.
    ///
    /// # Panics
    ///
    /// When it is not JSON, or nothing comes for very long.
    #[track_caller]
    pub fn answer(&mut self) -> Option<Value> {
        assert!(self.has_answered(LIMIT), "the puppet does not answer: it is stuck");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("answers are text");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("an answer is JSON"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, and waits until nothing is left of it.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Kills it without waiting for its end.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn begin_to_kill(&self) {
        kill_process(Pid::from_child(&self.child), Signal::KILL).expect("it is not reaped yet");
    }

    /// Stops it, and waits until it has stopped.
    ///
    /// # Panics
    ///
    /// When it answers instead.
    #[track_caller]
    pub fn stop(&self) {
        self.begin_to_stop();
        self.stopped();
    }

    /// Stops it without waiting until it has stopped.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn begin_to_stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).expect("it is not reaped yet");
    }

    /// Kills it, and waits until it is a zombie, which it stays until the value goes.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn kill_unreaped(&mut self) {
        self.child.kill().expect("killed");
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), ended).expect("it ends");
    }

    /// Kills the process that the started program runs in its turn, such as one in namespaces of its own, and waits until
    /// nothing is left of either: the program has to end when that process does, and not before.
    ///
    /// # Panics
    ///
    /// When it runs none, or more than one.
    pub fn kill_inside(mut self) {
        let inside = self.only_child();
        kill_process(inside, Signal::KILL).expect("it is waited for by nobody but its parent");
        self.child.wait().expect("reaped");
    }

    fn only_child(&self) -> Pid {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("readable");
        let [child] = children.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("its children are: {children}")
        };
        child.parse().ok().and_then(Pid::from_raw).expect("a process id")
    }

    /// Waits until a signal has stopped it.
    ///
    /// # Panics
    ///
    /// When it ends or answers instead.
    #[track_caller]
    pub fn stopped(&self) {
        let any =
            WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        loop {
            let status = rustix::process::waitid(WaitId::Pid(Pid::from_child(&self.child)), any);
            if let Some(status) = status.expect("it is not reaped yet") {
                assert!(status.stopped(), "it did not stop: {status:?}");
                return;
            }
            assert!(!self.has_answered(A_MOMENT), "it did not stop, but answered");
        }
    }

    /// Has it an answer that is not read yet?
    pub fn is_done(&self) -> bool {
        self.has_answered(Timespec { tv_sec: 0, tv_nsec: 0 })
    }

    fn has_answered(&self, timeout: Timespec) -> bool {
        if !self.answers.buffer().is_empty() {
            return true;
        }
        let mut polled = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        rustix::io::retry_on_intr(|| rustix::event::poll(&mut polled, Some(&timeout))).expect("polled") > 0
    }

    /// Lets it go on after it was stopped.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn resume(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("it is not reaped yet");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// When that can't be waited for.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("reaped")
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        // Both fail only for one that has been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
