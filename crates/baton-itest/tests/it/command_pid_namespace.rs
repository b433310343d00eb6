//! A holder in another pid namespace, as in a container: its pid means nobody, or somebody else, outside; the kernel's locks mean the
//! same everywhere.

use baton_itest::command::{
    Ended, OBEDIENT, Running, ended, look, next, run, status, without_notice, words_of,
};
use baton_itest::places::temporary;
use baton_itest::programs::helper;
use baton_itest::skip::skip;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// A command as the first process of a pid namespace of its own, which ends with `unshare`.
fn isolated(command: &Command) -> Command {
    let mut unshare = without_notice(Command::new("unshare"));
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).args(words_of(command));
    unshare
}

/// Can there be one here?
fn is_possible() -> bool {
    let Ended { code, err, .. } = ended(isolated(&Command::new("true")));
    if code != Some(0) {
        skip(&format!("no pid namespace: {}", err.trim()));
    }
    code == Some(0)
}

#[track_caller]
fn must_be_held(lock: &Path, by: u32) {
    let seen = status(lock);
    assert_eq!((&seen["state"], &seen["record"]["pid"]), (&"held".into(), &by.into()), "{seen:#}");
    assert_eq!(ended(run("-n", lock, ["true"])).code, Some(75));
}

#[test]
fn holder_in_another_pid_namespace_is_held_seen_from_outside_and_recovered_when_killed() {
    if !is_possible() {
        return;
    }
    let (_place, lock) = new_lock();
    let holder = Running::holding(isolated(&run("", &lock, OBEDIENT)));
    // There it is the first process, here pid 1 is somebody else, and alive.
    must_be_held(&lock, 1);
    let Ended { out, .. } = ended(look("status", &lock));
    assert!(out.contains("now in the hands of pid "), "who it is here is told: {out}");
    holder.kill_all();
    assert_eq!(next(&lock).recovered_from(), Some(1));
    assert!(next(&lock).is_fresh());
}

#[test]
fn holder_outside_is_held_seen_from_another_pid_namespace() {
    if !is_possible() {
        return;
    }
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let Ended { code, out, .. } = ended(isolated(&look("status", &lock)));
    assert_eq!(code, Some(75), "{out}");
    assert!(out.contains(&format!("is held by pid {} (", holder.pid())), "{out}");
    let Ended { code, err, .. } = ended(isolated(&run("-n", &lock, ["true"])));
    assert_eq!(code, Some(75), "{err}");
    holder.kill_all();
    let get = isolated(&run("", &lock, ["sh", "-c", "echo $BATON_OUTCOME $$"]));
    assert_eq!(ended(get).out, "recovered 2\n");
    assert!(next(&lock).is_fresh());
}

/// Two containers: in both the holder is pid 1, and neither sees the other's processes.
#[test]
fn holders_in_two_pid_namespaces_exclude_each_other() {
    if !is_possible() {
        return;
    }
    let (_place, lock) = new_lock();
    let first = Running::holding(isolated(&run("", &lock, OBEDIENT)));
    let Ended { code, err, .. } = ended(isolated(&run("-n", &lock, ["true"])));
    assert_eq!(code, Some(75), "{err}");
    assert!(!err.contains("would never end"), "pid 1 there is not pid 1 here: {err}");
    let second = Running::waiting(isolated(&run("", &lock, ["echo", "ran"])));
    let idler = Running::waiting(isolated(&look("wait", &lock)));
    assert_eq!(first.end().code, Some(0));
    assert_eq!(second.end().out, "ran\n");
    assert_eq!(idler.end().code, Some(0));
}

/// The process that `unshare` started, as it is known here.
fn child_of(pid: u32) -> Pid {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it lives");
    Pid::from_raw(children.trim().parse().expect("one child"))
}

/// History: the kernel spares the first process of a namespace every signal that it does not catch, so that in a container a `baton`
/// that waited was deaf to everything but SIGKILL.
#[test]
fn signal_ends_a_waiter_that_is_the_first_process_of_a_container() {
    if !is_possible() {
        return;
    }
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    for command in [run("", &lock, ["true"]), run("-w 1h", &lock, ["true"]), look("wait", &lock)] {
        let waiter = Running::waiting(isolated(&command));
        kill(child_of(waiter.pid()), Signal::SIGTERM).expect("sent");
        assert_eq!(waiter.ends().code, Some(143));
    }
    assert_eq!(holder.end().code, Some(0));
    assert!(next(&lock).is_fresh());
}

#[test]
fn signal_for_the_first_process_of_a_container_still_reaches_the_job() {
    if !is_possible() {
        return;
    }
    let (_place, lock) = new_lock();
    let mut running = Running::start(isolated(&run("", &lock, [helper("signal_teller")])));
    assert!(running.says().starts_with("in "));
    kill(child_of(running.pid()), Signal::SIGTERM).expect("sent");
    assert_eq!(running.says(), "TERM 1");
    assert_eq!(running.ends().code, Some(7), "the job's own");
    assert!(next(&lock).is_fresh());
}
