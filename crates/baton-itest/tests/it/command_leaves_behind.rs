//! What a job leaves behind: a daemon, which by default has no part in the lock once the job has ended, and with `--until-closed` keeps
//! it; and `--close`, with which nothing of the lock ever reaches the job.
//!
//! `flock(1)` keeps a lock for as long as any daemon that the command started lives, which has surprised many.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, next, run, run_with, seen, status};
use baton_itest::fifo::Fifo;
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// Leaves a daemon behind that ends when it can read from the FIFO `$0`, and says its process id.
const LEAVING: &str = r#"setsid sh -c 'read -r _ <"$0"' "$0" >/dev/null 2>&1 & echo $!; exit 5"#;

/// The same, but the daemon first closes everything that it inherited, and says so by the FIFO `$1`.
const LEAVING_CLOSED: &str = r#"
    setsid bash -c '
        for fd in /proc/$$/fd/*; do fd=${fd##*/}; test "$fd" -gt 2 && eval "exec $fd>&-"; done
        echo closed >"$1"; read -r _ <"$0"
    ' "$0" "$1" >/dev/null 2>&1 & echo $!; exit 5"#;

fn is_alive(pid: u64) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn lock_is_free_when_the_job_ends_though_it_left_a_daemon_behind() {
    for options in ["", "--flock"] {
        let (place, lock) = new_lock();
        let mut fifo = Fifo::new(place.path().join("fifo"));
        let job = ["sh", "-c", LEAVING, fifo.path().to_str().expect("text")];
        let Ended { code, out, err, .. } = ended(run(options, &lock, job));
        assert_eq!((code, err.as_str()), (Some(5), ""));
        let daemon = out.trim_end().parse().expect("a process id");
        let after = seen(options, &lock);
        assert_eq!(after["state"], "free", "{after}");
        assert_eq!(after["processes"].as_array().map(Vec::len), Some(0), "{after}");
        assert_eq!(ended(run(&format!("-n {options}"), &lock, ["true"])).code, Some(0));
        assert!(is_alive(daemon), "and it lives");
        fifo.let_go();
    }
}

#[test]
fn with_until_closed_the_lock_is_held_until_the_daemon_ends() {
    let (place, lock) = new_lock();
    let mut fifo = Fifo::new(place.path().join("fifo"));
    let job = ["sh", "-c", LEAVING, fifo.path().to_str().expect("text")];
    let mut running = Running::start(run("--until-closed", &lock, job));
    let daemon = running.says();
    let notice = running.notices();
    assert!(notice.contains("the job has ended; ") && notice.contains(" stays held until "), "{notice}");
    assert!(notice.contains(&format!("pid {daemon} (")), "{notice}");
    assert_eq!(status(&lock)["state"], "held");
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    fifo.let_go();
    assert_eq!(running.ends().code, Some(5), "the job's own");
    assert!(next(&lock).is_fresh());
}

#[test]
fn with_until_closed_a_job_that_leaves_nothing_behind_ends_the_hold_without_a_word() {
    let (_place, lock) = new_lock();
    let Ended { code, err, .. } = ended(run("--until-closed", &lock, ["sh", "-c", "exit 4"]));
    assert_eq!((code, err.as_str()), (Some(4), ""));
    assert!(next(&lock).is_fresh());
}

#[test]
fn daemon_that_closes_what_it_inherited_counts_as_gone() {
    let (place, lock) = new_lock();
    let mut fifo = Fifo::new(place.path().join("fifo"));
    let closed = Fifo::new(place.path().join("closed"));
    let paths = [fifo.path(), closed.path()].map(|path| path.to_str().expect("text"));
    let job = ["sh", "-c", LEAVING_CLOSED, paths[0], paths[1]];
    let Ended { code, out, err, .. } = ended(run("--until-closed", &lock, job));
    assert_eq!(code, Some(5), "{err}");
    assert!(is_alive(out.trim_end().parse().expect("a process id")));
    assert_eq!(closed.written().line().as_deref(), Some("closed"));
    assert!(next(&lock).is_fresh());
    fifo.let_go();
}

#[test]
fn termination_while_only_a_daemon_is_left_ends_baton_and_leaves_the_lock_to_the_daemon() {
    let (place, lock) = new_lock();
    let mut fifo = Fifo::new(place.path().join("fifo"));
    let job = ["sh", "-c", LEAVING, fifo.path().to_str().expect("text")];
    let mut running = Running::start(run("--until-closed", &lock, job));
    let daemon = running.says();
    assert!(running.notices().contains("stays held"));
    let pid = running.pid();
    running.send(Signal::SIGTERM);
    assert_eq!(running.ends().signal, Some(15));
    let Ended { code, err, .. } = ended(run("-n", &lock, ["true"]));
    assert_eq!(code, Some(75));
    assert!(err.contains(&format!("now in the hands of pid {daemon} (")), "{err}");
    fifo.let_go();
    assert_eq!(next(&lock).recovered_from(), Some(pid));
}

/// Says to which files its descriptors lead, then `in`.
const LISTING: &str = "ls -l /proc/$$/fd; echo in; read -r _";

/// Starts the listing job; with what it said before `in`.
fn listing(options: &str, lock: &Path) -> (Running, String) {
    let mut running = Running::start(run(options, lock, ["sh", "-c", LISTING]));
    let mut listed = String::new();
    loop {
        let line = running.says();
        if line == "in" {
            return (running, listed);
        }
        assert!(!line.is_empty(), "the job says `in`");
        listed.push_str(&line);
        listed.push('\n');
    }
}

#[test]
fn job_inherits_the_two_files_of_the_lock_and_with_close_nothing() {
    for (options, files) in [
        ("", vec!["a.lock", "a.lock.guard"]),
        ("--flock", vec!["a.lock", "a.lock.holder"]),
        ("--close", vec![]),
        ("--close --flock", vec![]),
    ] {
        let (place, lock) = new_lock();
        let report = place.path().join("report");
        let (running, listed) = listing(&format!("{options} --report {}", report.display()), &lock);
        let place = place.path().to_str().expect("text");
        let mut inherited: Vec<&str> = listed
            .lines()
            .filter_map(|line| line.split_once(" -> ")?.1.strip_prefix(place)?.strip_prefix('/'))
            .collect();
        inherited.sort_unstable();
        assert_eq!(inherited, files, "{options}: {listed}");
        running.end();
    }
}

#[test]
fn with_close_the_lock_ends_with_baton_though_the_job_lives() {
    let (place, lock) = new_lock();
    let mut holder = Running::holding(run("--close", &lock, OBEDIENT));
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    holder.kill();
    let Ended { code, out, .. } = ended(run("-n", &lock, ["sh", "-c", "echo $BATON_OUTCOME"]));
    assert_eq!((code, out.as_str()), (Some(0), "recovered\n"));
    holder.tell("0");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn with_close_the_clean_up_inherits_nothing_either() {
    let (_place, lock) = new_lock();
    ended(run("", &lock, ["sh", "-c", "kill -9 $$"]));
    let options = ["--close", "--on-recovered", "ls -l /proc/$$/fd"];
    let out = ended(run_with(options, &lock, ["true"])).out;
    assert!(out.contains(" -> ") && !out.contains("a.lock"), "{out}");
}
