//! The two namings do not exclude each other, so that meeting the other one on a path is refused, from either side, at any moment.
//!
//! Each side creates its own first and looks for the other's then, and again at the end: of two that start at the same time at least
//! one sees the other, perhaps both do, and never do both hold.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_be_refused, must_hold};
use baton_itest::bystander::Bystander;
use baton_itest::footprint::{all_in, names_in};
use baton_itest::handwritten::{NO_PROCESS, ancestors, make_old, put, put_record};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Error, ErrorKind, Lock, Naming};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const ROUNDS: usize = 300;

fn both_locks() -> (TempDir, PathBuf, Lock, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let [record, flock] =
        [Naming::Record, Naming::Flock].map(|naming| Scene { naming, left: Left::Nothing }.lock(&path));
    (place, path, record, flock)
}

/// Is refused because of that file of the other naming, and changes nothing in the directory.
#[track_caller]
fn must_meet_the_other(lock: &Lock, directory: &Path, file: &str) {
    let before = all_in(directory);
    let error = must_be_refused(lock);
    let is_named = matches!(&error, Error::OtherNaming { path, .. } if *path == directory.join(file));
    assert!(is_named, "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Content);
    assert!(error.hint().is_some_and(|hint| hint.contains("agree on one naming")), "{:?}", error.hint());
    assert_eq!(all_in(directory), before);
}

#[test]
fn held_lock_of_default_naming_is_refused_to_flock_naming() {
    let (place, path, record, flock) = both_locks();
    let (mut holder, _) = Puppet::holding("baton", &path);
    must_meet_the_other(&flock, place.path(), "a.lock");
    assert!(matches!(flock.observe(), Err(Error::OtherNaming { .. })));
    assert_eq!(holder.tell("verify"), json!({ "intact": true }));
    holder.tell("release");
    must_be_fresh(&record).release().expect("released");
}

#[test]
fn held_lock_of_flock_naming_is_refused_to_default_naming() {
    let (place, path, record, flock) = both_locks();
    let (mut holder, _) = Puppet::holding("flock-naming", &path);
    must_meet_the_other(&record, place.path(), "a.lock.holder");
    assert!(matches!(record.observe(), Err(Error::OtherNaming { .. })));
    assert_eq!(holder.tell("verify"), json!({ "intact": true }));
    holder.tell("release");
    must_be_fresh(&flock).release().expect("released");
}

/// The guard alone, without its record: being acquired, or its record deleted.
#[test]
fn locked_guard_of_default_naming_is_refused_to_flock_naming() {
    let (place, path, _, flock) = both_locks();
    let (holder, _) = Puppet::holding("baton", &path);
    fs::remove_file(&path).expect("deleted");
    must_meet_the_other(&flock, place.path(), "a.lock.guard");
    holder.kill();
    must_be_fresh(&flock).release().expect("a guard that nobody has locked counts for nothing");
}

#[test]
fn dead_and_released_records_of_the_other_naming_are_refused() {
    let (place, _, record, flock) = both_locks();
    must_hold(&record).abandon();
    must_meet_the_other(&flock, place.path(), "a.lock");
    must_hold(&record).release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    for end in
        [|lock: &Lock| must_hold(lock).abandon(), |lock: &Lock| must_hold(lock).release().expect("released")]
    {
        end(&flock);
        must_meet_the_other(&record, place.path(), "a.lock.holder");
    }
}

#[test]
fn companion_that_is_no_lock_counts_for_nothing() {
    for content in ["", "#!/bin/sh\n", "{}"] {
        let (_place, path, record, _) = both_locks();
        put(&path.with_file_name("a.lock.holder"), content);
        must_be_fresh(&record).release().expect("released");
        let (_place, path, _, flock) = both_locks();
        put(&path.with_file_name("a.lock.guard"), content);
        put(&path, content);
        must_be_fresh(&flock).release().expect("released");
    }
}

/// An ancestor's client may hold it: with `flock` it would never notice.
#[test]
fn ancestors_lock_file_is_one_of_the_other_naming() {
    let (place, path, record, flock) = both_locks();
    put_record(&path.with_file_name("a.lock.holder"), &ancestors(NO_PROCESS));
    must_be_fresh(&record).release().expect("as a holder's name it counts for nothing");
    put_record(&path, &ancestors(NO_PROCESS));
    must_meet_the_other(&flock, place.path(), "a.lock");
}

/// A directory cannot be a record, so that flock naming is the only one for it.
#[test]
fn other_kinds_of_companion_are_not_disturbed() {
    let (_place, path, record, _) = both_locks();
    fs::create_dir(path.with_file_name("a.lock.holder")).expect("made");
    must_be_fresh(&record).release().expect("released");
    let (_place, path, _, flock) = both_locks();
    fs::create_dir(path.with_file_name("a.lock.guard")).expect("made");
    must_be_fresh(&flock).release().expect("released");
}

/// What an ancestor's client has left at the path, and a program that uses `flock` has locked.
#[test]
fn file_that_flock_naming_has_locked_is_busy_to_default_naming() {
    let (_place, path, record, _) = both_locks();
    put_record(&path, &ancestors(NO_PROCESS));
    make_old(&path);
    let program = Bystander::flocking(&path);
    assert_eq!(must_be_busy(&record).state.name(), "foreign_flock");
    program.end();
}

/// What one who tried has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    Held,
    Refused,
    Busy,
}

fn tried(answer: &Value) -> Tried {
    match answer {
        answer if answer["held"].is_object() => Tried::Held,
        answer if answer["busy"].is_object() => Tried::Busy,
        answer if answer["error"]["kind"] == "Content" => Tried::Refused,
        other => panic!("{other}"),
    }
}

#[test]
fn of_two_that_start_at_the_same_time_in_different_namings_never_do_both_hold() {
    // As nobody has left it; and with a file that was there before, which one would recover and the other lock.
    for is_there in [false, true] {
        let (place, path, _, _) = both_locks();
        let mut puppets = [Puppet::of("baton", &path), Puppet::of("flock-naming", &path)];
        let mut holds = [0, 0];
        for round in 0..ROUNDS {
            if is_there {
                put(&path, "");
                make_old(&path);
            }
            for puppet in &mut puppets {
                puppet.order("try");
            }
            let answers = puppets.each_mut().map(|puppet| puppet.answer().expect("it lives"));
            let came_to = answers.each_ref().map(tried);
            assert_ne!(came_to, [Tried::Held, Tried::Held], "round {round}: {answers:?}");
            for ((puppet, came_to), holds) in puppets.iter_mut().zip(came_to).zip(&mut holds) {
                if came_to == Tried::Held {
                    *holds += 1;
                    assert_eq!(
                        puppet.tell("verify"),
                        json!({ "intact": true }),
                        "round {round}: {answers:?}"
                    );
                    puppet.tell("release");
                }
            }
            for name in names_in(place.path()) {
                fs::remove_file(place.path().join(name)).expect("removed");
            }
        }
        eprintln!("{ROUNDS} rounds, {is_there}: {holds:?} holds");
        assert!(holds.iter().sum::<usize>() > 0, "nobody ever held it, so that this has shown nothing");
    }
}
