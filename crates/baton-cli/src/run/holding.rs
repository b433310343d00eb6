//! What is done under the lock, in its order: clean up after a dead holder, run the job, look whether the lock is still
//! whole, end the hold.
//!
//! The hold ends cleanly if the job ended by itself, whatever its exit code; uncleanly if a signal ended it or the clean-up
//! failed, so that the next one is told *recovered*; and as if it had never begun if the job could not be started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use baton_lock::{Held, Integrity, Lock, Outcome, escape};
use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::Pid;

use super::closing::Closing;
use super::job::{self, Ended};
use super::report::{Became, Story};
use super::signals::Caught;
use super::spawn::spawn;
use crate::args::RunArgs;
use crate::failure::Failure;
use crate::notice::{self, Notices};
use crate::{exit, json};

/// Does all of it; gives back the exit code.
pub(super) fn run(lock: &Lock, held: Held, args: &RunArgs, story: &mut Story) -> Result<u8, Failure> {
    let notices = Notices::unless(args.waiting.quiet);
    story.held(&held);
    tell(&held, notices);
    let caught = match Caught::now() {
        Ok(caught) => caught,
        Err(error) => return Err(undone(held, trouble("catch signals", &error))),
    };
    // Nothing was started yet: what would have ended us does.
    if let Ok(Some(signal)) = caught.ending() {
        held.undo();
        story.became = Became::Interrupted;
        notices.say(&format!("{signal} came before the job was started, so that it was not run"), None);
        return Ok(exit::of_signal(signal as i32));
    }
    if let (Outcome::Recovered(_), Some(cleanup)) = (held.outcome(), &args.on_recovered) {
        let ended = clean_up(&held, cleanup, args, &caught);
        if !matches!(ended, Ok(Ended::Code(0))) {
            return Ok(recovery_failed(held, ended, story));
        }
        story.recovery = ended.ok();
    }
    if args.exec {
        // The job starts with the signals as we got them.
        drop(caught);
        return Err(replace(held, args));
    }
    run_job(lock, held, args, caught, story)
}

/// Says from whom the lock was recovered, and what it lacks.
pub(crate) fn tell(held: &Held, notices: Notices) {
    let lock = escape::path(held.path());
    match held.outcome() {
        Outcome::Fresh => {}
        Outcome::Recovered(Some(previous)) => notices.say(
            &format!("recovered {lock}: its last holder did not end cleanly: {}", previous.summary()),
            None,
        ),
        Outcome::Recovered(None) => {
            notices.say(&format!("recovered {lock}: its last holder left no readable record"), None);
        }
    }
    if let Some(reason) = held.recordless() {
        notices.say(
            &format!("{lock} is held without a record ({reason}): nobody can be told who holds it, or that a holder died"),
            None,
        );
    }
}

/// Runs the clean-up after a dead holder.
fn clean_up(held: &Held, cleanup: &OsStr, args: &RunArgs, caught: &Caught) -> io::Result<Ended> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(cleanup);
    let job = start(&mut command, held, args)?;
    job::conduct(job, caught)
}

fn recovery_failed(held: Held, ended: io::Result<Ended>, story: &mut Story) -> u8 {
    held.abandon();
    story.became = Became::RecoveryFailed;
    let (how, code) = match &ended {
        Ok(ended) => (how(*ended), code_of(*ended)),
        Err(error) => (format!("can't be run: {error}"), exit::NOT_EXECUTABLE),
    };
    let failure = Failure {
        code,
        message: format!("the clean-up of `--on-recovered` {how}, so the job was not run"),
        hint: Some(
            "put right what it complains of and run this again: the next runner is told *recovered* too"
                .into(),
        ),
    };
    notice::failure(&failure);
    story.recovery = ended.ok();
    story.failure = Some(failure);
    code
}

/// Starts a command that knows about the lock and inherits it, unless it must not.
fn start(command: &mut Command, held: &Held, args: &RunArgs) -> io::Result<Pid> {
    introduce(command, held);
    let inherited = if args.close { Vec::new() } else { held.descriptors() };
    match spawn(command, &inherited) {
        // A script without a `#!` line is the shell's, as when a shell starts it; the standard library does that.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => {}
        started => return started,
    }
    if !args.close {
        held.hand_to(command);
    }
    // Those that are caught here are blocked for that.
    baton_lock::start::with_no_signal_blocked(command);
    Ok(Pid::from_child(&command.spawn()?))
}

/// Tells the command about the lock by its environment.
pub(crate) fn introduce(command: &mut Command, held: &Held) {
    command.env("BATON_LOCK", held.path());
    command.env("BATON_TOKEN", held.token().to_string());
    command.env("BATON_OUTCOME", json::outcome(held.outcome()));
    match held.outcome() {
        Outcome::Recovered(Some(previous)) => command.env("BATON_PREVIOUS", previous.to_json()),
        // An outer lock's must not be taken for this one's.
        Outcome::Recovered(None) | Outcome::Fresh => command.env_remove("BATON_PREVIOUS"),
    };
}

/// Replaces this process by the job; comes back only if that fails.
fn replace(held: Held, args: &RunArgs) -> Failure {
    let mut command = job_command(args);
    introduce(&mut command, &held);
    held.hand_to(&mut command);
    let error = command.exec();
    undone(held, cannot_start(&args.command[0], &error))
}

fn job_command(args: &RunArgs) -> Command {
    let (program, arguments) = args.command.split_first().expect("the command line has a command");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run_job(
    lock: &Lock,
    held: Held,
    args: &RunArgs,
    caught: Caught,
    story: &mut Story,
) -> Result<u8, Failure> {
    let closing = match args.until_closed.then(Closing::new).transpose() {
        Ok(closing) => closing,
        Err(error) => return Err(undone(held, trouble("make a pipe", &error))),
    };
    let job = match start(&mut job_command(args), &held, args) {
        Ok(job) => job,
        Err(error) => {
            story.became = Became::NotStarted;
            return Err(undone(held, cannot_start(&args.command[0], &error)));
        }
    };
    story.became = Became::Ran;
    let ended = match job::conduct(job, &caught) {
        Ok(ended) => ended,
        Err(error) => {
            // It may run on; it has the lock.
            std::mem::forget(held);
            return Err(trouble("wait for the job", &error));
        }
    };
    story.job = Some(ended);
    // From here on signals end this process as usual; what still has the lock then keeps it.
    drop(caught);
    if let Some(closing) = closing {
        closing.wait(lock, Notices::unless(args.waiting.quiet));
    }
    Ok(finish(held, ended, story))
}

/// Ends the hold after the job, says what became of it, and gives back the exit code.
fn finish(held: Held, ended: Ended, story: &mut Story) -> u8 {
    let lock = escape::path(held.path());
    // It is told at the end only: nothing watches the files meanwhile.
    let integrity = held.verify().unwrap_or(Integrity::Intact);
    match &integrity {
        Integrity::Intact => {}
        Integrity::Damaged(what) => {
            notice::warning(&format!("{lock} was damaged while the job ran, and stayed exclusive: {what}"));
        }
        Integrity::Lost(what) => {
            notice::warning(&format!(
                "{lock} was lost while the job ran, so that another one may have run too: {what}"
            ));
        }
    }
    let is_lost = matches!(integrity, Integrity::Lost(_));
    story.integrity = Some(integrity);
    match ended {
        Ended::Code(_) => {
            if let Err(error) = held.release() {
                let failure = Failure::from(error);
                notice::warning(&format!("{}; the next runner is told *recovered*", failure.message));
            }
        }
        Ended::Signal(_) => {
            held.abandon();
            notice::warning(&format!("the job {}; the next runner is told *recovered*", how(ended)));
        }
    }
    if is_lost && ended == Ended::Code(0) { exit::LOST } else { code_of(ended) }
}

fn code_of(ended: Ended) -> u8 {
    match ended {
        Ended::Code(code) => code,
        Ended::Signal(signal) => exit::of_signal(signal),
    }
}

pub(crate) fn how(ended: Ended) -> String {
    match ended {
        Ended::Code(code) => format!("ended with exit code {code}"),
        Ended::Signal(number) => match Signal::try_from(number) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {number}"),
        },
    }
}

/// Ends a hold under which nothing was run.
fn undone(held: Held, failure: Failure) -> Failure {
    held.undo();
    failure
}

fn cannot_start(program: &OsStr, error: &io::Error) -> Failure {
    let program = escape::text(&program.to_string_lossy()).into_owned();
    if error.kind() == io::ErrorKind::NotFound {
        return Failure {
            code: exit::NOT_FOUND,
            message: format!(
                "cannot run `{program}`: it, or the interpreter that its first line names, was not found"
            ),
            hint: Some("correct the name or PATH; a shell's built-ins need `sh -c '…'`".to_owned()),
        };
    }
    Failure {
        code: exit::NOT_EXECUTABLE,
        message: format!("cannot run `{program}`: {error}"),
        hint: Some("is it a program, or a script with a `#!` line, and executable (`chmod +x`)?".to_owned()),
    }
}

fn trouble(what: &str, error: &io::Error) -> Failure {
    Failure { code: exit::BUG, message: format!("cannot {what}: {error}"), hint: None }
}
