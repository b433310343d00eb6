//! `baton run -s`: jobs beside each other, each told that it is, and what `status`, `list`, `break` and those who wait say of them.

use baton_itest::bystander::Bystander;
use baton_itest::command::{Ended, OBEDIENT, Running, baton, ended, look, next, run, seen, status};
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

fn reader(options: &str, lock: &Path) -> Running {
    Running::holding(run(&format!("-s {options}"), lock, OBEDIENT))
}

fn pids(readers: &Value) -> Vec<u64> {
    readers.as_array().expect("a list").iter().filter_map(|reader| reader["pid"].as_u64()).collect()
}

#[test]
fn jobs_that_share_it_run_beside_each_other_and_are_all_told_of() {
    for options in ["", "--flock"] {
        let (_place, lock) = new_lock();
        let (one, two) = (reader(options, &lock), reader(options, &lock));
        let all = [one.pid(), two.pid()].map(u64::from);
        let seen = seen(options, &lock);
        assert_eq!((&seen["state"], &seen["shared"]), (&"held".into(), &true.into()));
        assert_eq!(pids(&seen["readers"]), all);
        let said = ended(look(&format!("status {options}"), &lock)).out;
        let refused = ended(run(&format!("-n {options}"), &lock, ["true"]));
        assert_eq!(refused.code, Some(75));
        for pid in all {
            assert!(said.contains(&format!("shares it: pid {pid} ")), "{said}");
            assert!(refused.err.contains(&format!("pid {pid} ")), "{}", refused.err);
        }
        assert!(!said.contains("pid 1 "), "{said}");
        let listed = ended(look("list", lock.parent().expect("in a directory"))).out;
        assert!(listed.contains(&format!("2 readers: pid {}, …", all[0])), "{listed}");
        let third = ended(run(
            &format!("-sn {options}"),
            &lock,
            ["sh", "-c", "echo $BATON_SHARED $BATON_OUTCOME $BATON_TOKEN"],
        ));
        assert_eq!(third.out, format!("1 fresh {}\n", seen["record"]["baton"]["token"]));
        one.end_with(0);
        two.end_with(7);
        assert_eq!(status_of(options, &lock), "free");
    }
}

fn status_of(options: &str, lock: &Path) -> String {
    seen(options, lock)["state"].as_str().expect("a word").to_owned()
}

#[test]
fn job_that_does_not_share_it_is_not_told_that_it_does() {
    let (_place, lock) = new_lock();
    let mut command = run("", &lock, ["sh", "-c", "echo ${BATON_SHARED-none}"]);
    command.env("BATON_SHARED", "1");
    assert_eq!(ended(command).out, "none\n");
}

#[test]
fn who_waits_for_readers_is_told_of_all_of_them_and_comes_next() {
    let (_place, lock) = new_lock();
    let (one, two) = (reader("", &lock), reader("", &lock));
    let mut writer = Running::start(run("", &lock, OBEDIENT));
    let notice = writer.notices();
    assert!(
        notice.starts_with("baton: waiting: ") && notice.contains("is shared by 2 readers: "),
        "{notice}"
    );
    let late = ended(run("-sn", &lock, ["true"]));
    assert_eq!(late.code, Some(75), "{}", late.err);
    let mut behind = Running::waiting(run("-s", &lock, OBEDIENT));
    one.end_with(0);
    two.end_with(0);
    assert_eq!(writer.says(), "in");
    writer.end_with(0);
    assert_eq!(behind.says(), "in");
    behind.end_with(0);
}

#[test]
fn break_ends_all_readers_and_nobody_is_told_of_a_death() {
    let (_place, lock) = new_lock();
    let (one, two) = (reader("", &lock), reader("", &lock));
    let token = status(&lock)["record"]["baton"]["token"].to_string();
    let mut command = baton();
    command.env("BATON_DIR", lock.with_file_name("state"));
    command.args(["break", "--json", "--token", &token]).arg(&lock);
    let Ended { code, out, .. } = ended(command);
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &said["result"]), (Some(0), &"ended".into()), "{out}");
    for reader in [&one, &two] {
        assert!(pids(&said["signalled"]).contains(&reader.pid().into()), "{out}");
    }
    assert_eq!((one.ends().code, two.ends().code), (Some(143), Some(143)));
    assert!(next(&lock).is_fresh());
}

/// It has the guard as the readers do, which is no reason to end it with them.
#[test]
fn break_leaves_alone_who_shares_the_file_by_flock() {
    let (_place, lock) = new_lock();
    let theirs = Bystander::sharing(&lock);
    let ours = reader("--flock", &lock);
    let token = seen("--flock", &lock)["record"]["baton"]["token"].to_string();
    let mut command = baton();
    command.env("BATON_DIR", lock.with_file_name("state"));
    command.args(["break", "--flock", "--json", "--token", &token]).arg(&lock);
    let Ended { code, out, .. } = ended(command);
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &said["result"]), (Some(75), &"still_held".into()), "{out}");
    assert!(pids(&said["signalled"]).contains(&ours.pid().into()), "{out}");
    assert!(out.contains("is locked with flock by"), "{out}");
    assert_eq!(ours.ends().code, Some(143));
    assert_eq!(status_of("--flock", &lock), "foreign_flock");
    theirs.end();
    assert_eq!(status_of("--flock", &lock), "free");
}

#[test]
fn readers_killed_with_their_jobs_leave_nothing_that_lasts() {
    let (place, lock) = new_lock();
    for reader in [reader("", &lock), reader("", &lock)] {
        reader.kill_all();
        reader.ends();
    }
    assert_eq!(status_of("", &lock), "free");
    assert!(next(&lock).is_fresh());
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn reader_whose_wrapper_is_killed_shares_it_until_its_job_ends() {
    let (_place, lock) = new_lock();
    let mut reader = Running::holding(run("-s", &lock, OBEDIENT));
    reader.kill();
    assert_eq!(pids(&status(&lock)["readers"]), [u64::from(reader.pid())]);
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75));
    let mut writer = Running::waiting(run("", &lock, OBEDIENT));
    reader.close_input();
    assert_eq!(writer.says(), "in");
    writer.end_with(0);
}

#[test]
fn job_that_was_killed_while_it_shared_the_lock_is_nobodys_death() {
    let (_place, lock) = new_lock();
    let killed = ended(run("-s", &lock, ["sh", "-c", "kill -9 $$"]));
    assert_eq!(killed.code, Some(137));
    assert!(!killed.err.contains("recovered"), "{}", killed.err);
    assert!(next(&lock).is_fresh());
}

#[test]
fn death_of_a_writer_is_told_to_a_reader_and_to_the_next_writer() {
    let (_place, lock) = new_lock();
    let dead = Running::holding(run("", &lock, OBEDIENT));
    let pid = dead.pid();
    dead.kill_all();
    dead.ends();
    let told = ended(run("-s", &lock, ["sh", "-c", "echo $BATON_OUTCOME"]));
    assert_eq!(told.out, "recovered\n");
    assert!(told.err.contains(&format!("pid {pid} ")), "{}", told.err);
    assert_eq!(next(&lock).recovered_from(), Some(pid));
}

#[test]
fn lock_that_is_shared_by_a_process_above_is_not_waited_for() {
    let (_place, lock) = new_lock();
    let inner = |how: &str| {
        let mut words = vec!["sh".to_owned(), "-c".to_owned()];
        words.push(format!(r#""$0" run {how} "$1" -- true"#));
        words.push(baton().get_program().to_string_lossy().into_owned());
        words.push(lock.to_string_lossy().into_owned());
        words
    };
    let refused = ended(run("-s", &lock, inner("")));
    assert_eq!(refused.code, Some(75));
    assert!(refused.err.contains("waiting for it would never end"), "{}", refused.err);
    assert_eq!(ended(run("", &lock, inner("-s"))).code, Some(75));
    assert_eq!(ended(run("-s", &lock, inner("-s"))).code, Some(0));
}

#[test]
fn several_locks_are_shared_together() {
    let (place, lock) = new_lock();
    let other = place.path().join("b.lock");
    let both = |options: &str, job: [&str; 3]| {
        let mut command = baton();
        command.arg("run").args(options.split_ascii_whitespace()).arg(&lock).arg(&other).arg("--").args(job);
        command
    };
    let (one, two) = (Running::holding(both("-s", OBEDIENT)), Running::holding(both("--shared", OBEDIENT)));
    assert_eq!(ended(both("-n", OBEDIENT)).code, Some(75));
    one.end_with(0);
    two.end_with(0);
    assert_eq!(ended(both("-n", OBEDIENT)).code, Some(0));
}
