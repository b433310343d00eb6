//! `baton run` killed while its job lives, and together with it: the lock is held for as long as the job runs, and not a moment
//! longer, and the next one is told.
//!
//! A wrapper's pid says nothing about its job. What excludes is what the job has inherited.

use baton_itest::command::{
    Ended, OBEDIENT, Running, ended, look, next, next_by, run, run_with, seen, status,
};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// A job that says its process id, and ends with its input.
const NUMBERED: [&str; 3] = ["sh", "-c", "echo $$; read -r _; exit 0"];

/// Starts a numbered job; with its process id.
#[track_caller]
fn numbered(options: &str, lock: &Path) -> (Running, u64) {
    let mut running = Running::start(run(options, lock, NUMBERED));
    let job = running.says().parse().expect("a process id");
    (running, job)
}

fn pids(seen: &Value) -> Vec<u64> {
    let processes = seen["processes"].as_array().expect("a list");
    processes.iter().filter_map(|process| process["pid"].as_u64()).collect()
}

#[test]
fn job_whose_wrapper_is_killed_keeps_the_lock_until_it_ends() {
    for options in ["", "--until-closed", "--flock"] {
        let (_place, lock) = new_lock();
        let (mut holder, job) = numbered(options, &lock);
        let flag = if options == "--flock" { "--flock" } else { "" };
        let before = seen(flag, &lock);
        assert_eq!((before["state"].as_str(), pids(&before).len()), (Some("held"), 2), "{before}");
        holder.kill();
        let seen = seen(flag, &lock);
        assert_eq!((seen["state"].as_str(), pids(&seen)), (Some("held"), vec![job]), "{seen}");
        assert_eq!(seen["record"]["pid"], holder.pid());
        let Ended { code, err, .. } = ended(run(&format!("-n {flag}"), &lock, ["true"]));
        assert_eq!(code, Some(75));
        assert!(err.contains(&format!("; now in the hands of pid {job} (")), "{err}");
        let mut waiter = Running::start(run(flag, &lock, ["sh", "-c", "echo $BATON_OUTCOME"]));
        assert!(waiter.notices().contains(&format!("now in the hands of pid {job} (")));
        holder.close_input();
        assert_eq!(waiter.end().out, "recovered\n", "{options}");
        assert!(next_by(flag, &lock).is_fresh());
    }
}

#[test]
fn next_one_gets_the_record_of_the_wrapper_that_was_killed() {
    let (_place, lock) = new_lock();
    let (mut holder, _) = numbered("", &lock);
    holder.kill();
    holder.close_input();
    assert_eq!(next(&lock).recovered_from(), Some(holder.pid()));
}

#[test]
fn lock_of_a_job_that_is_killed_along_with_its_wrapper_is_recovered_at_once() {
    for options in ["", "--close", "--until-closed", "--exec"] {
        let (place, lock) = new_lock();
        let holder = Running::holding(run(options, &lock, OBEDIENT));
        holder.kill_all();
        assert_eq!(next(&lock).recovered_from(), Some(holder.pid()), "{options}");
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    }
}

/// Each waiter's job fails if it meets another one inside.
#[test]
fn waiters_of_a_killed_holder_get_the_lock_one_at_a_time_and_the_first_is_told() {
    let (place, lock) = new_lock();
    let inside = place.path().join("inside");
    let script = r#"mkdir "$0" || exit 1; echo "$BATON_TOKEN $BATON_OUTCOME"; rmdir "$0""#;
    let job = ["sh", "-c", script, inside.to_str().expect("text")];
    let holder = Running::holding(run("", &lock, OBEDIENT));
    // Those with a deadline wait otherwise than those without.
    let waiters: Vec<Running> =
        (0..8).map(|n| Running::waiting(run(["", "-w 1h"][n % 2], &lock, job))).collect();
    holder.kill_all();
    let mut got: Vec<(u64, String)> = Vec::new();
    for waiter in waiters {
        let Ended { code, out, err, .. } = waiter.end();
        assert_eq!(code, Some(0), "{err}");
        let (token, outcome) = out.trim_end().split_once(' ').expect("two words");
        got.push((token.parse().expect("a number"), outcome.to_owned()));
    }
    got.sort();
    got.dedup_by_key(|(token, _)| *token);
    let outcomes: Vec<&str> = got.iter().map(|(_, outcome)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["recovered", "fresh", "fresh", "fresh", "fresh", "fresh", "fresh", "fresh"]);
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn waiter_that_is_killed_leaves_no_trace() {
    let (place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    for options in ["", "-w 1h"] {
        Running::waiting(run(options, &lock, ["true"])).kill();
    }
    let mut second = Running::waiting(run("", &lock, OBEDIENT));
    assert_eq!(holder.end().code, Some(0));
    assert_eq!(second.says(), "in");
    assert_eq!(names_in(place.path()), ["a.lock", "a.lock.guard"]);
    assert_eq!(second.end().code, Some(0));
    assert!(next(&lock).is_fresh());
}

#[test]
fn with_exec_the_job_is_the_holder_itself() {
    let (_place, lock) = new_lock();
    let (holder, job) = numbered("--exec", &lock);
    assert_eq!(job, u64::from(holder.pid()));
    let seen = status(&lock);
    assert_eq!((seen["state"].as_str(), pids(&seen)), (Some("held"), vec![job]), "{seen}");
    assert_eq!(seen["record"]["baton"]["exec"], true);
    assert!(seen["record"]["command"].as_str().is_some_and(|command| command.starts_with("sh -c ")));
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    assert_eq!(holder.end().code, Some(0));
    let said = "it ran with --exec, so that its end can't be told from a crash";
    let Ended { code, out, .. } = ended(look("status", &lock));
    assert!(code == Some(0) && out.contains(said), "{out}");
    let next = next(&lock);
    assert_eq!(next.outcome, "recovered");
    assert!(next.err.contains(said), "{}", next.err);
}

#[test]
fn job_that_cannot_be_executed_with_exec_leaves_nothing_behind() {
    let (place, lock) = new_lock();
    for (program, code) in [("no-such-program", 127), ("/", 126)] {
        let Ended { code: actual, err, .. } = ended(run("--exec", &lock, [program]));
        assert_eq!(actual, Some(code), "{err}");
        assert!(err.contains("\nhint: "), "{err}");
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
        assert!(next(&lock).is_fresh());
    }
    Running::holding(run("", &lock, OBEDIENT)).kill_all();
    assert_eq!(ended(run("--exec", &lock, ["no-such-program"])).code, Some(127));
    assert_eq!(next(&lock).outcome, "recovered", "the death is still to be told");
}

#[test]
fn with_exec_the_clean_up_still_comes_first() {
    let (_place, lock) = new_lock();
    Running::holding(run("", &lock, OBEDIENT)).kill_all();
    let options = ["--exec", "--on-recovered", "echo clean-up; exit 3"];
    let failed = ended(run_with(options, &lock, ["echo", "job"]));
    assert_eq!((failed.code, failed.out.as_str()), (Some(3), "clean-up\n"));
    let done = ended(run_with(["--exec", "--on-recovered", "echo clean-up"], &lock, ["echo", "job"]));
    assert_eq!((done.code, done.out.as_str()), (Some(0), "clean-up\njob\n"));
}
