//! What is done under the lock, in its order: clean up after a dead holder, run the job, look whether the lock is still
//! whole, end the hold.
//!
//! The hold ends cleanly if the job ended by itself, whatever its exit code; uncleanly if a signal ended it or the clean-up
//! failed, so that the next one is told *recovered*; and as if it had never begun if the job could not be started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use baton_lock::{Integrity, Outcome, escape};
use nix::sys::signal::Signal;
use rustix::io::Errno;
use rustix::process::Pid;

use super::closing::Closing;
use super::hold::Hold;
use super::job::{self, Ended};
use super::report::{Became, Story};
use super::several::Holds;
use super::signals::Caught;
use super::spawn::spawn;
use super::stopping::{self, Stopper};
use crate::args::RunArgs;
use crate::failure::Failure;
use crate::json::Got;
use crate::notice::{self, Notices};
use crate::{exit, json};

/// Does all of it; gives back the exit code.
pub(super) fn run(holds: Holds, args: &RunArgs, story: &mut Story) -> Result<u8, Failure> {
    let notices = Notices::unless(args.waiting.quiet);
    story.held(&holds);
    holds.held.iter().for_each(|held| tell(held.got(), notices));
    let caught = match Caught::now() {
        Ok(caught) => caught,
        Err(error) => return Err(undone(holds, trouble("catch signals", &error))),
    };
    // Nothing was started yet: what would have ended us does.
    if let Ok(Some(signal)) = caught.ending() {
        holds.each(Hold::undo);
        story.became = Became::Interrupted;
        return Ok(interrupted(signal, notices));
    }
    if let (Outcome::Recovered(_), Some(cleanup)) = (holds.first().outcome(), &args.on_recovered) {
        let ended = clean_up(&holds, cleanup, args, &caught);
        if !matches!(ended, Ok(Ended::Code(0))) {
            return Ok(recovery_failed(holds, ended, story));
        }
        story.recovery = ended.ok();
    }
    if args.exec {
        // The job starts with the signals as we got them.
        drop(caught);
        return Err(replace(holds, args));
    }
    run_job(holds, args, caught, story)
}

/// Says that a signal came before the job was started, and how that ends.
pub(super) fn interrupted(signal: Signal, notices: Notices) -> u8 {
    notices.say(&format!("{signal} came before the job was started, so that it was not run"), None);
    exit::of_signal(signal as i32)
}

/// Says from whom the lock was recovered, and what it lacks.
pub(crate) fn tell<'a>(got: impl Into<Got<'a>>, notices: Notices) {
    let got = got.into();
    let lock = escape::path(got.path);
    match got.outcome {
        Outcome::Fresh => {}
        Outcome::Recovered(Some(previous)) => notices.say(
            &format!("recovered {lock}: its last holder did not end cleanly: {}", previous.summary()),
            None,
        ),
        Outcome::Recovered(None) => {
            notices.say(&format!("recovered {lock}: its last holder left no readable record"), None);
        }
    }
    if let Some(reason) = got.recordless {
        notices.say(
            &format!("{lock} is held without a record ({reason}): nobody can be told who holds it, or that a holder died"),
            None,
        );
    }
}

/// Runs the clean-up after a dead holder.
fn clean_up(holds: &Holds, cleanup: &OsStr, args: &RunArgs, caught: &Caught) -> io::Result<Ended> {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(cleanup);
    let mut stopper = Stopper::of(holds.held.iter().filter_map(Hold::alone));
    let job = start(&mut command, holds, args)?;
    job::conduct(job, caught, stopper.as_mut())
}

fn recovery_failed(holds: Holds, ended: io::Result<Ended>, story: &mut Story) -> u8 {
    // Then it did not fail of itself.
    let is_lost = holds.held.iter().filter_map(Hold::alone).any(|held| stopping::loss(held).is_some());
    // Those that were got from nobody are as they were.
    holds.each(|held| if *held.outcome() == Outcome::Fresh { held.undo() } else { held.abandon() });
    story.became = Became::RecoveryFailed;
    let (how, code) = match &ended {
        Ok(ended) => (how(*ended), code_of(*ended)),
        Err(error) => (format!("can't be run: {error}"), exit::NOT_EXECUTABLE),
    };
    let code = if is_lost { exit::LOST } else { code };
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
fn start(command: &mut Command, holds: &Holds, args: &RunArgs) -> io::Result<Pid> {
    introduce_all(command, holds);
    if holds.held.iter().filter_map(Hold::alone).any(|held| held.lost().is_some()) {
        // It has no part in the hold: it must not go on when nobody is left who keeps that.
        baton_lock::start::killed_with_this_process(command);
        baton_lock::start::with_no_signal_blocked(command);
        return Ok(Pid::from_child(&command.spawn()?));
    }
    let inherited =
        if args.close { Vec::new() } else { holds.held.iter().flat_map(Hold::descriptors).collect() };
    match spawn(command, &inherited) {
        // A script without a `#!` line is the shell's, as when a shell starts it; the standard library does that.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOEXEC) => {}
        started => return started,
    }
    if !args.close {
        holds.held.iter().for_each(|held| held.hand_to(command));
    }
    // Those that are caught here are blocked for that.
    baton_lock::start::with_no_signal_blocked(command);
    Ok(Pid::from_child(&command.spawn()?))
}

/// Tells the command about the locks: about one of them as if it were the only one, and about all of them, if there are more.
fn introduce_all(command: &mut Command, holds: &Holds) {
    introduce(command, holds.first().got());
    if holds.held.len() > 1 {
        let all: Vec<_> = holds.held.iter().map(|held| json::held(held.got())).collect();
        command.env("BATON_LOCKS", serde_json::Value::from(all).to_string());
    } else {
        command.env_remove("BATON_LOCKS");
    }
}

/// Tells the command about the lock by its environment.
pub(crate) fn introduce<'a>(command: &mut Command, got: impl Into<Got<'a>>) {
    let got = got.into();
    command.env("BATON_LOCK", got.path);
    command.env("BATON_TOKEN", got.token.to_string());
    command.env("BATON_OUTCOME", json::outcome(got.outcome));
    if got.is_shared {
        command.env("BATON_SHARED", "1");
    } else {
        command.env_remove("BATON_SHARED");
    }
    match got.outcome {
        Outcome::Recovered(Some(previous)) => command.env("BATON_PREVIOUS", previous.to_json()),
        // An outer lock's must not be taken for this one's.
        Outcome::Recovered(None) | Outcome::Fresh => command.env_remove("BATON_PREVIOUS"),
    };
}

/// Replaces this process by the job; comes back only if that fails.
fn replace(holds: Holds, args: &RunArgs) -> Failure {
    let mut command = job_command(args);
    introduce_all(&mut command, &holds);
    holds.held.iter().for_each(|held| held.hand_to(&mut command));
    let error = command.exec();
    undone(holds, cannot_start(&args.command[0], &error))
}

fn job_command(args: &RunArgs) -> Command {
    let (program, arguments) = args.command.split_first().expect("the command line has a command");
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn run_job(holds: Holds, args: &RunArgs, caught: Caught, story: &mut Story) -> Result<u8, Failure> {
    let closing = match args.until_closed.then(Closing::new).transpose() {
        Ok(closing) => closing,
        Err(error) => return Err(undone(holds, trouble("make a pipe", &error))),
    };
    let mut stopper = Stopper::of(holds.held.iter().filter_map(Hold::alone));
    let job = match start(&mut job_command(args), &holds, args) {
        Ok(job) => job,
        Err(error) => {
            story.became = Became::NotStarted;
            return Err(undone(holds, cannot_start(&args.command[0], &error)));
        }
    };
    story.became = Became::Ran;
    let ended = match job::conduct(job, &caught, stopper.as_mut()) {
        Ok(ended) => ended,
        Err(error) => {
            // It may run on; it has the locks.
            std::mem::forget(holds);
            return Err(trouble("wait for the job", &error));
        }
    };
    story.job = Some(ended);
    let is_stopped = stopper.is_some_and(|stopper| stopper.is_stopping());
    // From here on signals end this process as usual; what still has the lock then keeps it.
    drop(caught);
    if let Some(closing) = closing {
        closing.wait(&holds.locks, Notices::unless(args.waiting.quiet));
    }
    Ok(finish(holds, ended, is_stopped, story))
}

/// Ends the holds after the job, says what became of them, and gives back the exit code.
fn finish(holds: Holds, ended: Ended, is_stopped: bool, story: &mut Story) -> u8 {
    // It is told at the end only: nothing watches the files meanwhile.
    let integrities: Vec<_> =
        holds.held.iter().map(|held| held.verify().unwrap_or(Integrity::Intact)).collect();
    if !is_stopped {
        holds.held.iter().zip(&integrities).for_each(|(held, integrity)| tell_integrity(held, integrity));
    }
    let is_lost = |integrity: &Integrity| matches!(integrity, Integrity::Lost(_));
    let is_any_lost = integrities.iter().any(is_lost);
    story.integrity = integrities.into_iter().max_by_key(badness);
    // Of what a reader was doing nobody is told.
    let next = if holds.first().is_shared() { "" } else { "; the next runner is told *recovered*" };
    match ended {
        // In the middle of its work, whatever it has made of that.
        _ if is_stopped => {
            holds.each(Hold::abandon);
            return exit::LOST;
        }
        Ended::Code(_) => holds.each(|held| {
            if let Err(error) = held.release() {
                let failure = Failure::from(error);
                notice::warning(&format!("{}{next}", failure.message));
            }
        }),
        Ended::Signal(_) => {
            holds.each(Hold::abandon);
            notice::warning(&format!("the job {}{next}", how(ended)));
        }
    }
    if is_any_lost && ended == Ended::Code(0) { exit::LOST } else { code_of(ended) }
}

fn badness(integrity: &Integrity) -> u8 {
    match integrity {
        Integrity::Intact => 0,
        Integrity::Damaged(_) => 1,
        Integrity::Lost(_) => 2,
    }
}

fn tell_integrity(held: &Hold, integrity: &Integrity) {
    let lock = escape::path(held.got().path);
    match integrity {
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

/// Ends holds under which nothing was run.
fn undone(holds: Holds, failure: Failure) -> Failure {
    holds.each(Hold::undo);
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

pub(super) fn trouble(what: &str, error: &io::Error) -> Failure {
    Failure { code: exit::BUG, message: format!("cannot {what}: {error}"), hint: None }
}
