//! Files of the lock deleted or replaced while a job runs: one of the two, and it stays exclusive and the job's end says so; both, or
//! the directory, and it is lost, which no success may hide.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, look, next, run, status};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A lock in a directory of its own, which can be moved away.
fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let directory = place.path().join("d");
    fs::create_dir(&directory).expect("made");
    (place, directory.join("a.lock"))
}

fn guard_of(lock: &Path) -> PathBuf {
    lock.with_file_name("a.lock.guard")
}

#[track_caller]
fn must_be_busy(lock: &Path) {
    for options in ["-n", "-w 30ms"] {
        let Ended { code, err, .. } = ended(run(options, lock, ["echo", "ran"]));
        assert_eq!(code, Some(75), "{options}: {err}");
    }
}

#[test]
fn one_file_deleted_leaves_the_lock_exclusive_and_is_told_at_the_end() {
    for code in [0, 3] {
        for which in [|lock: &Path| lock.to_owned(), guard_of as fn(&Path) -> PathBuf] {
            let (_place, lock) = new_lock();
            let holder = Running::holding(run("", &lock, OBEDIENT));
            let file = which(&lock);
            fs::remove_file(&file).expect("removed");
            must_be_busy(&lock);
            assert_eq!(ended(look("status", &lock)).code, Some(75));
            let Ended { code: actual, err, .. } = holder.end_with(code);
            assert_eq!(actual, Some(i32::from(code)), "the job's own");
            let told = err.contains("warning: ") && err.contains("was damaged while the job ran");
            assert!(told && err.contains(file.to_str().expect("text")), "{err}");
            assert!(next(&lock).is_fresh());
            assert_eq!(names_in(lock.parent().expect("a directory")), ["a.lock.guard"]);
        }
    }
}

#[test]
fn waiter_of_a_lock_whose_guard_is_deleted_still_waits_for_the_job() {
    for options in ["", "-w 1h"] {
        let (_place, lock) = new_lock();
        let holder = Running::holding(run("", &lock, OBEDIENT));
        let early = Running::waiting(run(options, &lock, ["echo", "ran"]));
        fs::remove_file(guard_of(&lock)).expect("removed");
        let late = Running::waiting(run(options, &lock, ["echo", "ran"]));
        must_be_busy(&lock);
        assert_eq!(holder.end().code, Some(0));
        for waiter in [early, late] {
            assert_eq!(waiter.end().out, "ran\n");
        }
    }
}

/// With one lock alone this would be two holders: the new guard is nobody's, and the pid in the record is dead.
#[test]
fn guard_deleted_and_wrapper_killed_leaves_the_lock_with_the_job() {
    let (_place, lock) = new_lock();
    let mut holder = Running::holding(run("", &lock, OBEDIENT));
    fs::remove_file(guard_of(&lock)).expect("removed");
    holder.kill();
    must_be_busy(&lock);
    assert_eq!(status(&lock)["state"], "held");
    holder.close_input();
    assert_eq!(next(&lock).recovered_from(), Some(holder.pid()));
}

#[test]
fn record_deleted_and_wrapper_killed_leaves_the_lock_with_the_job() {
    let (_place, lock) = new_lock();
    let mut holder = Running::holding(run("", &lock, OBEDIENT));
    fs::remove_file(&lock).expect("removed");
    holder.kill();
    must_be_busy(&lock);
    holder.close_input();
    assert!(next(&lock).is_fresh(), "who deletes the record deletes the story");
}

fn delete_both(lock: &Path) {
    fs::remove_file(guard_of(lock)).expect("removed");
    fs::remove_file(lock).expect("removed");
}

fn move_directory_away(lock: &Path) {
    let directory = lock.parent().expect("a directory");
    fs::rename(directory, directory.with_file_name("away")).expect("moved");
    fs::create_dir(directory).expect("made");
}

#[test]
fn lock_that_is_lost_gives_76_unless_the_job_failed_itself() {
    for lose in [delete_both, move_directory_away] {
        for (code, expected) in [(0, 76), (3, 3), (75, 75)] {
            let (_place, lock) = new_lock();
            let holder = Running::holding(run("", &lock, OBEDIENT));
            lose(&lock);
            let Ended { code, err, .. } = holder.end_with(code);
            assert_eq!(code, Some(expected), "{err}");
            assert!(err.contains("was lost while the job ran"), "{err}");
        }
    }
}

/// The next holder's record has the name by then.
#[test]
fn holder_that_has_lost_its_lock_leaves_the_next_ones_alone() {
    let (_place, lock) = new_lock();
    let lost = Running::holding(run("", &lock, OBEDIENT));
    delete_both(&lock);
    let second = Running::holding(run("", &lock, OBEDIENT));
    assert_eq!(lost.end().code, Some(76));
    must_be_busy(&lock);
    assert_eq!(status(&lock)["record"]["pid"], second.pid());
    let Ended { code, err, .. } = second.end();
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(next(&lock).is_fresh());
}

#[test]
fn quiet_does_not_silence_what_endangers_the_result() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("-q", &lock, OBEDIENT));
    delete_both(&lock);
    let Ended { code, err, .. } = holder.end();
    assert_eq!(code, Some(76));
    assert!(err.contains("warning: "), "{err}");
}
