//! The `baton` command as users start it, and what they see of it: exit code, standard output, standard error.
//!
//! Each one that is started leads a process group of its own, so that a test can send a signal to `baton` alone or to it and
//! its job, as a terminal does, and so that nothing is left of them when the value goes, a panic included. It is reaped only
//! then: until then its id, by which it is signalled, can't be anybody else's. Jobs end with their input, which the test
//! has, so that they end with the test too.

use crate::programs;
use crate::stream::{PATIENCE, Stream, await_end, await_stop};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Instant;

/// A job that says `in`, and ends with the exit code that it is told; with 0 at the end of its input.
pub const OBEDIENT: [&str; 3] = ["sh", "-c", "echo in; read -r code; exit ${code:-0}"];

/// What the environment of whoever runs the tests may have, and `baton` takes notice of.
const TAKEN_NOTICE_OF: [&str; 14] = [
    "BATON_LOCK",
    "BATON_LOCKS",
    "BATON_TOKEN",
    "BATON_OUTCOME",
    "BATON_SHARED",
    "BATON_PREVIOUS",
    "BATON_DIR",
    "BATON_STORE",
    "XDG_STATE_HOME",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "RUST_BACKTRACE",
    "CI",
];

/// `baton` without arguments, and without anything in its environment that it takes notice of.
pub fn baton() -> Command {
    without_notice(Command::new(programs::baton()))
}

/// A command without anything in its environment that `baton`, which it starts, takes notice of.
#[must_use]
pub fn without_notice(mut command: Command) -> Command {
    for name in TAKEN_NOTICE_OF {
        command.env_remove(name);
    }
    // The suite's own, and none of the job's.
    command.env_remove("BATON_SKIP_LOG");
    command
}

/// `baton run OPTIONS LOCK -- JOB…`; the options are separated by blanks.
pub fn run<S: AsRef<OsStr>>(
    options: &str,
    lock: impl AsRef<OsStr>,
    job: impl IntoIterator<Item = S>,
) -> Command {
    run_with(options.split_ascii_whitespace(), lock, job)
}

/// As [`run`], for options with blanks in them.
pub fn run_with<O: AsRef<OsStr>, S: AsRef<OsStr>>(
    options: impl IntoIterator<Item = O>,
    lock: impl AsRef<OsStr>,
    job: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = baton();
    command.arg("run").args(options).arg(lock).arg("--").args(job);
    command
}

/// `baton VERB OPTIONS LOCK`; verb and options are separated by blanks.
pub fn look(verb: &str, lock: impl AsRef<OsStr>) -> Command {
    let mut command = baton();
    command.args(verb.split_ascii_whitespace()).arg(lock);
    command
}

/// A command's program and arguments, for a program that starts it.
pub fn words_of(command: &Command) -> impl Iterator<Item = &OsStr> {
    std::iter::once(command.get_program()).chain(command.get_args())
}

/// What `baton status --json` says of a lock.
///
/// # Panics
///
/// When that is not JSON.
#[track_caller]
pub fn status(lock: &Path) -> Value {
    seen("", lock)
}

/// What `baton status --json OPTIONS` says of a lock.
///
/// # Panics
///
/// When that is not JSON.
#[track_caller]
pub fn seen(options: &str, lock: &Path) -> Value {
    let said = ended(look(&format!("status --json {options}"), lock)).out;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("not JSON ({error}): {said}"))
}

/// How the next one gets a lock that is free or about to be: what its job finds in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// `fresh` or `recovered`.
    pub outcome: String,
    /// Its token.
    pub token: u64,
    /// The record of the holder that died.
    pub previous: Option<Value>,
    /// What `baton` said.
    pub err: String,
}

impl Next {
    /// Did it get the lock from nobody?
    pub fn is_fresh(&self) -> bool {
        self.outcome == "fresh" && self.previous.is_none()
    }

    /// The process whose record was handed over; `None` if the lock was got fresh.
    pub fn recovered_from(&self) -> Option<u32> {
        let pid = self.previous.as_ref()?["pid"].as_u64()?;
        u32::try_from(pid).ok().filter(|_| self.outcome == "recovered")
    }
}

/// Acquires the lock as the next one, waiting for it if need be, and releases it cleanly.
///
/// # Panics
///
/// When that is not possible.
#[track_caller]
pub fn next(lock: &Path) -> Next {
    next_by("", lock)
}

/// As [`next`], with options.
///
/// # Panics
///
/// When that is not possible.
#[track_caller]
pub fn next_by(options: &str, lock: &Path) -> Next {
    let script = r#"echo "$BATON_OUTCOME $BATON_TOKEN"; printf %s "${BATON_PREVIOUS-}""#;
    let Ended { code, out, err, .. } = ended(run(options, lock, ["sh", "-c", script]));
    assert_eq!(code, Some(0), "{err}");
    let (first, previous) = out.split_once('\n').expect("two lines");
    let (outcome, token) = first.split_once(' ').expect("two words");
    Next {
        outcome: outcome.to_owned(),
        token: token.parse().expect("a number"),
        previous: (!previous.is_empty()).then(|| serde_json::from_str(previous).expect("JSON")),
        err,
    }
}

/// How a process ended, and what it said after what was asked for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, otherwise.
    pub signal: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// Runs a command to its end, with an empty input.
///
/// # Panics
///
/// When it can't be started or does not end in time.
#[track_caller]
pub fn ended(command: Command) -> Ended {
    Running::start(command).end()
}

/// A running `baton`, or a running program that is about to become one.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Stream,
    errors: Stream,
    is_reaped: bool,
}

impl Running {
    /// Starts a command, in a process group of its own.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take();
        let output = Stream::new(child.stdout.take().expect("piped"));
        let errors = Stream::new(child.stderr.take().expect("piped"));
        Self { child, input, output, errors, is_reaped: false }
    }

    /// Starts one whose job says `in`, and waits until it does.
    ///
    /// # Panics
    ///
    /// When it does not come so far.
    #[track_caller]
    pub fn holding(command: Command) -> Self {
        let mut running = Self::start(command);
        let said = running.says();
        assert_eq!(said, "in", "{}", if said.is_empty() { running.errors.rest() } else { String::new() });
        running
    }

    /// Starts one that has to wait, and waits until it says so.
    ///
    /// # Panics
    ///
    /// When it does not wait.
    #[track_caller]
    pub fn waiting(command: Command) -> Self {
        let mut running = Self::start(command);
        let notice = running.notices();
        assert!(notice.starts_with("baton: waiting: "), "{notice:?}");
        running
    }

    /// Its process id, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line on its standard output; empty at its end.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    #[track_caller]
    pub fn says(&mut self) -> String {
        self.output.line().unwrap_or_default()
    }

    /// The next line on its standard error; empty at its end.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    #[track_caller]
    pub fn notices(&mut self) -> String {
        self.errors.line().unwrap_or_default()
    }

    /// Writes a line to its input.
    ///
    /// # Panics
    ///
    /// When nobody reads it any more.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("not closed yet");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Closes the reading ends of what it writes to.
    ///
    /// # Panics
    ///
    /// When there is no descriptor to spare.
    #[track_caller]
    pub fn stop_listening(&mut self) {
        self.output = Stream::of_nothing();
        self.errors = Stream::of_nothing();
    }

    /// Sends a signal to `baton` alone.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn send(&self, signal: Signal) {
        signal::kill(self.id(), signal).expect("sent");
    }

    /// Sends a signal to `baton`, its job, and what that has started.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn send_to_all(&self, signal: Signal) {
        signal::killpg(self.id(), signal).expect("sent");
    }

    /// Kills `baton` alone, and waits until it is dead. Its job lives on.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn kill(&self) {
        self.send(Signal::SIGKILL);
        await_end(&self.child);
    }

    /// Kills `baton` and its job at once, and waits until both are dead: a reader that is killed may still take what is written
    /// to it.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn kill_all(&self) {
        self.send_to_all(Signal::SIGKILL);
        await_end(&self.child);
        await_empty(&[self.id().as_raw()]);
    }

    /// The process ids of its children, which don't change while they are not reaped.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid()).into_iter().filter_map(|child| u32::try_from(child).ok()).collect()
    }

    /// Kills `baton` and everything in the process groups of its children at once, and waits until all of them are dead. `baton` is
    /// stopped for that, so that it starts nobody meanwhile.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn kill_with_groups(&self) {
        self.send(Signal::SIGSTOP);
        await_stop(self.pid());
        let groups = children_of(self.pid());
        for &group in &groups {
            // One that has no group of its own yet is in ours; whoever is gone need not be killed.
            let _ = signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        self.kill_all();
        await_empty(&groups);
    }

    /// Tells the job its exit code, and waits until all has ended.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn end_with(mut self, code: u8) -> Ended {
        self.tell(&code.to_string());
        self.end()
    }

    /// Closes its input, and waits until it has ended and nobody can say anything any more.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        self.close_input();
        self.ends()
    }

    /// Waits until it has ended by itself or by a signal, its input still open, and nobody can say anything any more.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn ends(mut self) -> Ended {
        await_end(&self.child);
        let (out, err) = (self.output.rest(), self.errors.rest());
        // It has ended: this does not wait.
        let status = self.child.wait().expect("reaped");
        self.is_reaped = true;
        Ended { code: status.code(), signal: status.signal(), out, err }
    }

    fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }
}

/// The children of a process that starts none now, since it is stopped: none of them is reaped, and so no id is another's.
fn children_of(pid: u32) -> Vec<i32> {
    let parent = i32::try_from(pid).expect("a process id");
    processes().filter(|process| process.parent == parent).map(|process| process.id).collect()
}

/// Waits until nobody in these process groups, which were killed, is alive.
#[track_caller]
fn await_empty(groups: &[i32]) {
    let start = Instant::now();
    while let Some(process) =
        processes().find(|process| groups.contains(&process.group) && !process.has_ended())
    {
        assert!(start.elapsed() < PATIENCE, "process {} was killed and does not end", process.id);
        thread::yield_now();
    }
}

/// Says of each of these process groups whether somebody in it is alive.
pub fn is_any_alive(groups: &[i32]) -> Vec<bool> {
    let alive: Vec<i32> =
        processes().filter(|process| !process.has_ended()).map(|process| process.group).collect();
    groups.iter().map(|group| alive.contains(group)).collect()
}

/// What `/proc` says of a process.
struct Process {
    id: i32,
    state: String,
    parent: i32,
    group: i32,
}

impl Process {
    fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "Z" | "X")
    }
}

/// The processes that are there while this is read.
fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("readable");
    entries.filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let mut next = || fields.next();
        Some(Process {
            id,
            state: next()?.to_owned(),
            parent: next()?.parse().ok()?,
            group: next()?.parse().ok()?,
        })
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // Both fail only where nobody is left.
        let _ = signal::killpg(self.id(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
