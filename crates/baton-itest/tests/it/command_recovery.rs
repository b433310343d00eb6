//! `--on-recovered`: a clean-up after a holder that died, under the lock, before the job; and as long as it fails nobody works on what
//! is half done, and nobody forgets it.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, look, next, run, run_with};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A lock whose last holder died.
fn left_over() -> (TempDir, PathBuf, u32) {
    let place = temporary();
    let lock = place.path().join("a.lock");
    let holder = Running::holding(run("", &lock, OBEDIENT));
    holder.kill_all();
    // What is left of the job may have the lock for a moment longer.
    assert_eq!(ended(look("wait", &lock)).code, Some(0));
    let pid = holder.pid();
    (place, lock, pid)
}

fn cleaning(cleanup: &str, lock: &Path) -> Ended {
    ended(run_with(["--on-recovered", cleanup], lock, ["echo", "job"]))
}

#[test]
fn clean_up_runs_before_the_job_and_only_after_a_death() {
    let (_place, lock, _) = left_over();
    let cleanup = "echo clean-up $BATON_OUTCOME";
    let Ended { code, out, .. } = cleaning(cleanup, &lock);
    assert_eq!((code, out.as_str()), (Some(0), "clean-up recovered\njob\n"));
    let Ended { code, out, err, .. } = cleaning(cleanup, &lock);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "job\n", ""));
}

#[test]
fn clean_up_and_job_both_get_the_dead_holders_record() {
    let (_place, lock, pid) = left_over();
    let print = r#"printf '%s\n' "$BATON_PREVIOUS" | tr -d '\n'; echo"#;
    let Ended { out, .. } = ended(run_with(["--on-recovered", print], &lock, ["sh", "-c", print]));
    let records: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), 2, "{out}");
    assert!(records.iter().all(|record| record["pid"] == pid), "{out}");
}

#[test]
fn clean_up_runs_under_the_lock() {
    let (_place, lock, _) = left_over();
    let command = run_with(["--on-recovered", "echo in; read -r _"], &lock, ["echo", "job"]);
    let mut running = Running::holding(command);
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    running.tell("go on");
    assert_eq!(running.end().out, "job\n");
}

/// Its wrapper killed, a clean-up goes on like a job, and so does the exclusion.
#[test]
fn clean_up_whose_wrapper_is_killed_keeps_the_lock() {
    let (_place, lock, _) = left_over();
    let command = run_with(["--on-recovered", "echo in; read -r _"], &lock, ["echo", "job"]);
    let mut running = Running::holding(command);
    running.kill();
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    running.close_input();
    assert_eq!(next(&lock).recovered_from(), Some(running.pid()));
}

#[test]
fn clean_up_that_fails_keeps_the_job_from_running_and_the_next_one_is_told_again() {
    let cases = [("exit 3", 3), ("kill -9 $$", 137), ("no-such-program", 127), ("exit 75", 75), ("(", 2)];
    for (cleanup, code) in cases {
        let (place, lock, _) = left_over();
        for _ in 0..2 {
            let Ended { code: actual, out, err, .. } = cleaning(cleanup, &lock);
            assert_eq!((actual, out.as_str()), (Some(code), ""), "{cleanup}: {err}");
            assert!(err.contains("`--on-recovered`") && err.contains("so the job was not run"), "{err}");
            assert!(err.contains("\nhint: "), "{err}");
            assert_eq!(names_in(place.path()), ["a.lock", "a.lock.guard"]);
        }
        let Ended { code, out, .. } = cleaning("echo clean-up", &lock);
        assert_eq!((code, out.as_str()), (Some(0), "clean-up\njob\n"), "{cleanup}");
        assert!(next(&lock).is_fresh());
    }
}

/// Somebody who sees that the clean-up hangs.
#[test]
fn clean_up_that_is_interrupted_has_failed() {
    let (_place, lock, _) = left_over();
    let command = run_with(["--on-recovered", "echo in; read -r _"], &lock, ["echo", "job"]);
    let running = Running::holding(command);
    running.send(Signal::SIGTERM);
    let Ended { code, out, .. } = running.ends();
    assert_eq!((code, out.as_str()), (Some(143), ""));
    assert_eq!(next(&lock).outcome, "recovered");
}

/// The record of a job that never got so far would hide whom to clean up after.
#[test]
fn clean_up_that_failed_hands_on_a_record_to_the_next_one() {
    let (_place, lock, _) = left_over();
    cleaning("exit 1", &lock);
    let record: Value = serde_json::from_slice(&fs::read(&lock).expect("left over")).expect("JSON");
    assert_eq!(record["command"], "echo job");
    assert_eq!(next(&lock).previous, Some(record));
}
