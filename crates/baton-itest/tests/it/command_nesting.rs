//! A job that asks for the lock that it runs under: waiting for itself would never end, so it is told at once, however many programs
//! are in between.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, next, run, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// The words of `baton run OPTIONS LOCK -- echo ran`, behind some others.
fn asking(before: &[&str], options: &str, lock: &Path) -> Vec<OsString> {
    let inner = run(options, lock, ["echo", "ran"]);
    let before = before.iter().map(OsString::from);
    before.chain(words_of(&inner).map(ToOwned::to_owned)).collect()
}

const BETWEEN: [&[&str]; 4] = [
    &[],
    &["sh", "-c", r#""$@"; exit $?"#, "sh"],
    &["setsid", "--wait"],
    &["env", "-i", "sh", "-c", r#"(setsid "$@"); exit $?"#, "sh"],
];

#[test]
fn job_that_asks_for_its_own_lock_is_told_at_once_instead_of_waiting() {
    for outer in ["", "--close", "--exec", "--flock", "--until-closed"] {
        let flag = if outer == "--flock" { outer } else { "" };
        for (between, limit) in BETWEEN.iter().zip(["", "-w 1h", "-n", "-w 0"]) {
            let (_place, lock) = new_lock();
            let job = asking(between, &format!("{flag} {limit}"), &lock);
            let Ended { code, out, err, .. } = ended(run(outer, &lock, job));
            assert_eq!((code, out.as_str()), (Some(75), ""), "{outer} {between:?} {limit}: {err}");
            assert!(err.contains("waiting for it would never end"), "{err}");
            assert!(err.contains("\nhint: ") && !err.contains("baton: waiting"), "{err}");
        }
    }
}

#[test]
fn lock_is_found_two_levels_up_through_a_job_under_another_lock() {
    let (place, first) = new_lock();
    let second = place.path().join("b.lock");
    let innermost = asking(&[], "-w 1h", &first);
    let middle = run("", &second, innermost);
    let Ended { code, out, err, .. } = ended(run("", &first, words_of(&middle)));
    assert_eq!((code, out.as_str()), (Some(75), ""), "{err}");
    assert!(err.contains("waiting for it would never end") && err.contains("a.lock"), "{err}");
    assert!(next(&second).is_fresh());
}

#[test]
fn two_different_locks_nest() {
    let (place, first) = new_lock();
    let second = place.path().join("b.lock");
    let Ended { code, out, err, .. } = ended(run("", &first, asking(&[], "-n", &second)));
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "ran\n", ""));
    assert_eq!(names_in(place.path()), ["a.lock.guard", "b.lock.guard"]);
}

/// Then it is the job itself that keeps the lock.
#[test]
fn job_whose_wrapper_was_killed_and_that_asks_again_is_told() {
    let (_place, lock) = new_lock();
    let job = asking(&["sh", "-c", r#"echo in; read -r _; "$@"; echo $?"#, "sh"], "-w 1h", &lock);
    let mut holder = Running::holding(run("", &lock, job));
    holder.kill();
    holder.tell("go on");
    assert_eq!(holder.says(), "75");
    holder.close_input();
    assert_eq!(next(&lock).outcome, "recovered");
}

/// Somebody in the process table above is no holder because of that.
#[test]
fn job_that_asks_for_a_lock_which_a_stranger_holds_waits() {
    let (place, lock) = new_lock();
    let other = place.path().join("b.lock");
    let stranger = Running::holding(run("", &other, OBEDIENT));
    let mut outer = Running::start(run("", &lock, asking(&[], "", &other)));
    let notice = outer.notices();
    assert!(notice.starts_with("baton: waiting: "), "{notice}");
    stranger.end();
    assert_eq!(outer.says(), "ran");
    assert_eq!(outer.end().code, Some(0));
}

#[test]
fn busy_code_that_was_asked_for_is_given_for_the_own_lock_too() {
    let (_place, lock) = new_lock();
    assert_eq!(ended(run("", &lock, asking(&[], "-E 9", &lock))).code, Some(9));
    let quiet = ended(run("", &lock, asking(&[], "-q", &lock)));
    assert_eq!((quiet.code, quiet.err.as_str()), (Some(75), ""));
}

/// A daemon that an earlier job left behind has descriptors of the lock, but no lock any more.
#[test]
fn daemon_of_a_job_that_has_ended_can_ask_for_the_lock_again() {
    let (place, lock) = new_lock();
    let mut order = Fifo::new(place.path().join("order"));
    let answer = Fifo::new(place.path().join("answer"));
    let script = r#"go=$1; answer=$2; shift 2; read -r _ <"$go"; "$@" >"$answer" 2>&1; echo $? >"$answer""#;
    let mut daemon = Command::new("setsid");
    daemon.args(["sh", "-c", script, "sh"]).args([order.path(), answer.path()]);
    daemon.args(asking(&[], "-w 1h", &lock));
    let leaving = ["sh", "-c", r#""$@" >/dev/null 2>&1 &"#, "sh"].map(OsString::from);
    let job = leaving.into_iter().chain(words_of(&daemon).map(ToOwned::to_owned));
    assert_eq!(ended(run("", &lock, job)).code, Some(0));
    order.let_go();
    let mut answers = answer.written();
    assert_eq!([answers.line(), answers.line()].map(Option::unwrap_or_default), ["ran", "0"]);
}
