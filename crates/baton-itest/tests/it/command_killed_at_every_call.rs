//! The command itself, killed before each of its system calls, from the first that touches the lock to its exit: what the next one finds.
//!
//! `killed_at_every_call` does so with the library, and `session_survives` with a session's writer; here are the programs that people run,
//! with their jobs, which live on, the clean-up of `--on-recovered`, and the steps of `apply` with their saves. Which calls there are is
//! rehearsed, so that a new one is not forgotten.

use baton_itest::command::{Ended, Next, Running, ended, look, next, run, run_with, status};
use baton_itest::interrupted::{self, Call};
use baton_itest::job::Job;
use baton_itest::places::temporary;
use baton_itest::scene::{Left, Scene};
use baton_itest::skip::skip;
use baton_lock::Naming;
use baton_lock::session::{Session, Status, StepStatus, Store};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All by which a file is opened, locked, changed, named or synced, a process started, and the last one. Not those by which it waits:
/// how often it does depends on how fast others are, and they change nothing.
const CALLS: [&str; 20] = [
    "openat",
    "mkdir",
    "fchmod",
    "flock",
    "fcntl",
    "pwrite64",
    "write",
    "fsync",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "signalfd4",
    "socketpair",
    "clone",
    "clone3",
    "vfork",
    "recvfrom",
    "close",
    "exit_group",
];

macro_rules! need_strace {
    () => {
        if let Err(reason) = interrupted::is_possible() {
            return skip(&reason);
        }
    };
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

/// A lock in a directory of its own, and the file to which jobs write.
struct Stage {
    directory: PathBuf,
    first: Option<u32>,
}

impl Stage {
    fn set(directory: PathBuf, left: Left) -> Self {
        fs::create_dir(&directory).expect("made");
        let first = Scene { naming: Naming::Record, left }.set(&directory.join("a.lock"));
        Self { directory, first }
    }

    fn lock(&self) -> PathBuf {
        self.directory.join("a.lock")
    }

    fn written(&self) -> PathBuf {
        self.directory.join("written")
    }

    /// A job or a clean-up that writes this word.
    fn writing(&self, word: &str) -> String {
        format!("echo {word} >> '{}'", self.written().display())
    }

    fn run(&self) -> Command {
        run("-q", self.lock(), ["sh", "-c", &self.writing("job")])
    }

    fn run_after_clean_up(&self) -> Command {
        let options = ["-q".to_owned(), "--on-recovered".to_owned(), self.writing("clean-up")];
        run_with(options, self.lock(), ["sh", "-c", &self.writing("job")])
    }
}

/// The calls by which it becomes the holder and ceases to be it, by their places in the list.
fn hold(calls: &[Call]) -> (usize, usize) {
    let place =
        |is_meant: &dyn Fn(&Call) -> bool| calls.iter().position(is_meant).expect("it makes that call");
    (place(&|call| call.gives_name("a.lock")), place(&|call| call.removes("a.lock\"")))
}

/// Kills it before that call, and waits until its job, too, has ended; its process id.
fn killed_before(call: &Call, command: &Command) -> u32 {
    let running = Running::start(call.killing_command(command));
    let pid = running.pid();
    let Ended { code, signal, err, .. } = running.end();
    assert_eq!((code, signal), (None, Some(Signal::SIGKILL as i32)), "it survived {call:?}: {err}");
    pid
}

/// Goes through all calls of a `run`, and looks each time whom the next one recovers from, and what was written.
fn sweep(left: Left, command: fn(&Stage) -> Command, check: impl Fn(&Stage, &Next, &[String], &str)) {
    let place = temporary();
    let rehearsal = Stage::set(place.path().join("rehearsal"), left);
    let calls = interrupted::rehearse_all(&command(&rehearsal), &rehearsal.directory, &CALLS);
    let (named, removed) = hold(&calls);
    assert!(named > 5 && removed > named + 2 && calls.len() > removed + 3, "{named}, {removed}: {calls:#?}");
    for (nth, call) in calls.iter().enumerate() {
        let stage = Stage::set(place.path().join(nth.to_string()), left);
        let pid = killed_before(call, &command(&stage));
        let what = format!("killed before {call:?}, the {nth}th of {}", calls.len());
        assert_eq!(status(&stage.lock())["obtainable"], true, "{what}");
        let (next, written) = (next(&stage.lock()), lines(&stage.written()));
        let expected = match nth {
            _ if nth <= named => stage.first,
            _ if nth <= removed => Some(pid),
            _ => None,
        };
        assert_eq!(next.recovered_from(), expected, "{what}");
        assert_eq!(next.is_fresh(), expected.is_none(), "{what}");
        check(&stage, &next, &written, &what);
    }
}

#[test]
fn run_killed_before_any_call_leaves_the_lock_to_the_next_one_who_is_told() {
    need_strace!();
    for left in [Left::Nothing, Left::Dead] {
        sweep(left, Stage::run, |_, next, written, what| {
            assert!(written.len() <= 1, "{what}: {written:?}");
            // Released cleanly is only what has run.
            assert!(written.len() == 1 || next.previous.is_some() || left == Left::Nothing, "{what}");
        });
    }
}

#[test]
fn run_killed_before_any_call_is_told_of_until_a_clean_up_and_the_job_have_come_to_their_end() {
    need_strace!();
    sweep(Left::Dead, Stage::run_after_clean_up, |_, next, written, what| {
        let is_in_order = match written {
            [] => true,
            [first] => first == "clean-up",
            [first, second] => first == "clean-up" && second == "job",
            _ => false,
        };
        assert!(is_in_order, "{what}: {written:?}");
        // Until the job has run under it the death stays told.
        assert!(written.len() == 2 || next.previous.is_some(), "{what}: {written:?}");
    });
}

const STEPS: &str = r#"
[[step]]
id = "one"
run = "echo one >> \"$WRITTEN\"; echo port=80 >> \"$BATON_OUTPUT\""
outputs = ["port"]

[[step]]
id = "two"
run = ["sh", "-c", "echo two-$1 >> \"$WRITTEN\"", "sh", "${facts.port}"]
"#;

fn job() -> Job {
    let job = Job::of(STEPS);
    fs::create_dir(job.state()).expect("made");
    job
}

fn apply(job: &Job, options: &str) -> Command {
    let mut command = job.apply(options);
    command.env("WRITTEN", job.path("written"));
    command
}

fn session(job: &Job) -> Option<Session> {
    Store::in_directory(job.state(), "job").expect("a name").load().expect("whole at any moment")
}

fn finished(session: &Session) -> Vec<&str> {
    let steps = session.steps().filter(|step| step.status == StepStatus::Complete);
    steps.map(|step| step.id.as_str()).collect()
}

#[test]
fn apply_killed_before_any_call_is_resumed_where_it_was_and_runs_nothing_again_that_was_recorded_as_complete()
{
    need_strace!();
    let rehearsal = job();
    let calls = interrupted::rehearse_all(&apply(&rehearsal, ""), &rehearsal.state(), &CALLS);
    assert!(calls.len() > 100 && calls.iter().filter(|call| call.is("fsync")).count() > 5, "{}", calls.len());
    // After a `close` there is what was there before it.
    for call in calls.iter().filter(|call| !call.is("close")) {
        let what = format!("killed before {call:?}, of {}", calls.len());
        let job = job();
        killed_before(call, &apply(&job, ""));
        // The step that it had started has the lock until it ends.
        let lock = job.state().join("locks/job");
        assert_eq!(ended(look("wait", &lock)).code, Some(0), "{what}");
        let found = session(&job);
        let (before, complete) = (lines(&job.path("written")), found.as_ref().map_or(vec![], finished));
        // Where the whole job was recorded as complete, nothing is left to be carried on.
        if found.as_ref().is_none_or(|found| found.status() != Status::Complete) {
            let options = if found.is_some() { "--resume" } else { "" };
            let Ended { code, err, .. } = ended(apply(&job, options));
            assert_eq!(code, Some(0), "{what}: {err}");
        }
        let after = session(&job).expect("there is one now");
        assert_eq!((after.status(), finished(&after)), (Status::Complete, vec!["one", "two"]), "{what}");
        let again = &lines(&job.path("written"))[before.len()..];
        let expected: Vec<&str> = ["one", "two-80"].into_iter().skip(complete.len()).collect();
        assert_eq!(again, expected, "{what}: {before:?}, {complete:?}");
        assert_eq!(status(&lock)["obtainable"], true, "{what}");
    }
}
