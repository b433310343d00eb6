//! Waiting: said at once, with whom for; woken when the holder ends; and `baton wait`, which waits without taking anything.
//!
//! A command that hangs without a word gets killed, and its lock file removed by hand.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, look, next, run, run_with};
use baton_itest::footprint::{Watch, names_in};
use baton_itest::handwritten::put;
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::skip::skip;
use baton_itest::terminal::{INTERRUPT, Terminal};
use std::path::PathBuf;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

const LIMITS: [&str; 3] = ["", "-w 1h", "-w 99999999999999"];

#[test]
fn waiter_says_whom_for_in_one_line_and_gets_the_lock_when_the_holder_ends() {
    for limit in LIMITS {
        let (_place, lock) = new_lock();
        let holder = Running::holding(run_with(["--purpose", "release 4.2"], &lock, OBEDIENT));
        let mut waiter = Running::start(run(limit, &lock, ["echo", "ran"]));
        let notice = waiter.notices();
        let who = format!("is held by pid {} (", holder.pid());
        for part in ["baton: waiting: `", &who, " since 20", "sh -c", "purpose: release 4.2, token "] {
            assert!(notice.contains(part), "{part:?} in {notice}");
        }
        assert_eq!(holder.end_with(3).code, Some(3));
        let Ended { code, out, err, .. } = waiter.end();
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "ran\n", ""), "nothing but that line");
    }
}

#[test]
fn wait_returns_once_the_holder_ends_and_takes_nothing() {
    for limit in LIMITS {
        let (place, lock) = new_lock();
        let holder = Running::holding(run("", &lock, OBEDIENT));
        let waiter = Running::waiting(look(&format!("wait {limit}"), &lock));
        holder.end();
        let Ended { code, out, err, .. } = waiter.end();
        assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    }
}

#[test]
fn wait_returns_when_the_holder_dies_and_leaves_the_story_to_the_next_one() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let waiter = Running::waiting(look("wait", &lock));
    holder.kill_all();
    assert_eq!(waiter.end().code, Some(0));
    for options in ["", "-n", "-w 0", "-w 1h"] {
        let Ended { code, err, .. } = ended(look(&format!("wait {options}"), &lock));
        assert_eq!((code, err.as_str()), (Some(0), ""), "left over is nothing to wait for");
    }
    assert_eq!(next(&lock).recovered_from(), Some(holder.pid()));
}

/// A job whose wrapper was killed is not to be found by the wrapper's pid.
#[test]
fn wait_waits_for_the_job_of_a_killed_wrapper() {
    let (_place, lock) = new_lock();
    let mut holder = Running::holding(run("", &lock, OBEDIENT));
    holder.kill();
    assert_eq!(ended(look("wait -n", &lock)).code, Some(75));
    let waiter = Running::waiting(look("wait", &lock));
    holder.close_input();
    assert_eq!(waiter.end().code, Some(0));
}

#[test]
fn wait_that_times_out_gives_75_or_what_was_asked_for() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    for (options, code) in [("-n", 75), ("-w 0", 75), ("-w 30ms", 75), ("-w 30ms -E 9", 9), ("-n -E 0", 0)] {
        let Ended { code: actual, out, err, .. } = ended(look(&format!("wait {options}"), &lock));
        assert_eq!((actual, out.as_str()), (Some(code), ""), "{options}");
        assert!(err.contains(&format!("is held by pid {} (", holder.pid())), "{err}");
        let quiet = ended(look(&format!("wait -q {options}"), &lock));
        assert_eq!((quiet.code, quiet.err.as_str()), (Some(code), ""), "{options}");
    }
}

#[test]
fn wait_for_what_is_free_returns_at_once_and_touches_nothing() {
    let (place, lock) = new_lock();
    next(&lock);
    let changes = Watch::of_changes(place.path());
    for options in ["", "-n", "-w 1h", "--flock"] {
        assert_eq!(ended(look(&format!("wait {options}"), &lock)).code, Some(0), "{options}");
        assert_eq!(ended(look(&format!("wait {options}"), place.path().join("none"))).code, Some(0));
    }
    assert_eq!(changes.noted(), []);
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

/// A file that somebody puts there meanwhile ends the wait with what it is.
#[test]
fn wait_for_what_becomes_something_else_ends_with_an_error() {
    let (_place, lock) = new_lock();
    put(&lock, "");
    let waiter = Running::waiting(look("wait", &lock));
    put(&lock, "#!/bin/sh\n");
    let Ended { code, err, .. } = waiter.ends();
    assert_eq!(code, Some(65));
    assert!(err.contains("is not a lock file"), "{err}");
}

#[test]
fn ancestors_client_is_waited_for_too() {
    let (_place, lock) = new_lock();
    let (mut ancestor, _) = Puppet::holding("v1", &lock);
    let said = format!("is held by pid {}", ancestor.pid());
    let mut runner = Running::start(run("", &lock, ["echo", "ran"]));
    let mut waiter = Running::start(look("wait", &lock));
    for waiting in [&mut runner, &mut waiter] {
        let notice = waiting.notices();
        assert!(notice.contains(&said), "{notice}");
    }
    ancestor.tell("release");
    assert_eq!(runner.end().out, "ran\n");
    assert_eq!(waiter.end().code, Some(0));
}

#[test]
fn quiet_waiter_says_nothing_and_still_waits() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let loud = Running::waiting(run("", &lock, ["true"]));
    let quiet = Running::start(run("-q", &lock, ["echo", "ran"]));
    holder.kill_all();
    assert_eq!(loud.end().code, Some(0));
    let Ended { code, out, err, .. } = quiet.end();
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "ran\n", ""));
}

/// A terminal shows how long it takes already, once a second, and clears that line for what the job shows.
#[test]
fn terminal_shows_how_long_it_has_waited_and_clears_it() {
    for verb in ["run", "wait"] {
        let (_place, lock) = new_lock();
        let holder = Running::holding(run("", &lock, OBEDIENT));
        let command = if verb == "run" { run("", &lock, ["echo", "ran"]) } else { look("wait", &lock) };
        let mut terminal = match Terminal::running(&command) {
            Ok(terminal) => terminal,
            Err(reason) => return skip(&reason),
        };
        terminal.shows(&format!("waiting: `{}` is held by pid {} (", lock.display(), holder.pid()));
        terminal.shows("\r\n");
        terminal.shows("\rwaiting for 1 s\x1b[K");
        holder.end();
        let rest = terminal.rest();
        let (cleared, shown) = rest.rsplit_once("\r\x1b[K").expect("cleared");
        assert!(!cleared.contains('\n'), "one line, overwritten: {rest:?}");
        assert_eq!(shown, if verb == "run" { "ran\r\n" } else { "" });
    }
}

#[test]
fn terminal_of_a_quiet_waiter_stays_empty() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let mut terminal = match Terminal::running(&run("-q -w 1100ms -E 9", &lock, ["true"])) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    assert_eq!(terminal.rest(), "");
    holder.end();
}

fn failing_in_colour(environment: &[(&str, &str)]) -> Result<String, String> {
    let (_place, lock) = new_lock();
    let mut command = run("", &lock, ["no-such-program"]);
    command.envs(environment.iter().copied());
    Ok(Terminal::running(&command)?.rest())
}

#[test]
fn colour_is_for_terminals_and_not_where_it_is_unwanted() {
    let shown = match failing_in_colour(&[]) {
        Ok(shown) => shown,
        Err(reason) => return skip(&reason),
    };
    assert!(shown.contains("\x1b[") && shown.contains("error:"), "{shown:?}");
    for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let shown = failing_in_colour(&[unwanted]).expect("there was one before");
        assert!(!shown.contains('\x1b') && shown.contains("error:"), "{unwanted:?}: {shown:?}");
    }
    let (_place, lock) = new_lock();
    let Ended { err, .. } = ended(run("", &lock, ["no-such-program"]));
    assert!(!err.contains('\x1b') && err.contains("error:"), "off a terminal: {err:?}");
}

/// A person sees who holds it, and types Ctrl-C.
#[test]
fn interrupt_typed_while_it_waits_ends_it_and_leaves_the_holder_alone() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let mut shell = match Terminal::with_shell() {
        Ok(shell) => shell,
        Err(reason) => return skip(&reason),
    };
    shell.types_command(&run("", &lock, ["true"]));
    shell.shows("waiting: ");
    shell.types(INTERRUPT);
    shell.shows("$ ");
    shell.types("echo code $?\n");
    shell.shows("code 130\r\n");
    assert_eq!(holder.end().code, Some(0));
    assert!(next(&lock).is_fresh());
}
