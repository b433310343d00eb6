//! A lock that is given up before anything was done under it leaves the next one exactly what it found itself.
//!
//! History: what replaced a dead holder's record stayed behind after an undo, so that the next one was told *recovered* from a process
//! that had never held, and nobody learned any more who had died. In flock naming, where every record replaces one that is marked
//! released, each undo told the next one *recovered* although nobody had died at all.

use baton_itest::answers::{must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::handwritten::{self, NO_PROCESS, make_old, put, put_record};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_lock::{Error, Lock, Naming, State};
use std::fs::File;
use std::path::Path;

const NAMINGS: [Naming; 2] = [Naming::Record, Naming::Flock];

fn lock_in(directory: &Path, naming: Naming) -> Lock {
    Lock::options().naming(naming).open(directory.join("a.lock")).expect("a path")
}

fn client(naming: Naming) -> &'static str {
    match naming {
        Naming::Flock => "flock-naming",
        _ => "baton",
    }
}

#[test]
fn undone_after_a_clean_end_the_next_one_is_fresh_with_a_larger_token() {
    for naming in NAMINGS {
        let place = temporary();
        let lock = lock_in(place.path(), naming);
        must_be_fresh(&lock).release().expect("released");
        for _ in 0..3 {
            let held = must_be_fresh(&lock);
            let token = held.token();
            held.undo();
            assert_eq!(lock.observe().expect("seen").state, State::Free, "{naming:?}");
            assert!(must_be_fresh(&lock).token() > token, "{naming:?}");
        }
    }
}

#[test]
fn undone_after_a_death_the_next_one_gets_the_record_of_who_died() {
    for naming in NAMINGS {
        let place = temporary();
        let lock = lock_in(place.path(), naming);
        let (holder, _) = Puppet::holding(client(naming), lock.path());
        let pid = holder.pid();
        holder.kill();
        let mut last = 0;
        for _ in 0..3 {
            let (held, previous) = must_recover(&lock);
            assert_eq!(previous.expect("readable").pid, pid, "{naming:?}");
            assert!(held.token() > last, "{naming:?}");
            last = held.token();
            held.undo();
            let seen = lock.observe().expect("seen");
            assert_eq!((seen.state, seen.record.map(|record| record.pid)), (State::LeftOver, Some(pid)));
        }
    }
}

#[test]
fn undone_after_the_death_of_an_ancestors_client_its_record_is_as_it_was() {
    let place = temporary();
    let lock = lock_in(place.path(), Naming::Record);
    let record =
        handwritten::with(handwritten::ancestors(NO_PROCESS), serde_json::json!({ "later": [1, 2] }));
    put_record(lock.path(), &record);
    let before = std::fs::read(lock.path()).expect("there");
    must_recover(&lock).0.undo();
    assert_eq!(std::fs::read(lock.path()).expect("there"), before, "members that nobody knows included");
}

#[test]
fn undone_after_an_unreadable_record_the_next_one_is_recovered_from_nobody_knows_whom() {
    let place = temporary();
    let lock = lock_in(place.path(), Naming::Record);
    put(lock.path(), "{\"pid\": 12");
    make_old(lock.path());
    for _ in 0..3 {
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous, None);
        held.undo();
        assert_eq!(lock.observe().expect("seen").record, None, "nor is anybody named to those who look");
    }
    must_recover(&lock).0.release().expect("released");
    must_be_fresh(&lock).release().expect("released");
}

/// The refusal comes in step 7 at the latest; what steps 5 and 6 did is taken back.
#[test]
fn attempt_that_is_refused_because_of_the_other_naming_tells_nobody_that_somebody_died() {
    let place = temporary();
    let lock = lock_in(place.path(), Naming::Flock);
    must_be_fresh(&lock).release().expect("released");
    let other = File::create(place.path().join("a.lock.guard")).expect("created");
    other.lock().expect("locked");
    assert!(matches!(must_be_refused(&lock), Error::OtherNaming { .. }));
    other.unlock().expect("unlocked");
    must_be_fresh(&lock).release().expect("released");
}

#[test]
fn value_whose_directory_was_deleted_and_made_anew_works_again() {
    let place = temporary();
    let directory = place.path().join("state");
    std::fs::create_dir(&directory).expect("made");
    let lock = lock_in(&directory, Naming::Record);
    must_hold(&lock).release().expect("released");
    std::fs::remove_dir_all(&directory).expect("removed");
    std::fs::create_dir(&directory).expect("made");
    must_be_fresh(&lock).release().expect("released");
}

#[test]
fn value_whose_directory_was_moved_away_with_a_holder_in_it_finds_the_new_one_free() {
    let place = temporary();
    let [named, away] = ["state", "away"].map(|name| place.path().join(name));
    std::fs::create_dir(&named).expect("made");
    let lock = lock_in(&named, Naming::Record);
    must_hold(&lock).release().expect("released");
    let (_holder, _) = Puppet::holding("baton", lock.path());
    std::fs::rename(&named, &away).expect("moved");
    std::fs::create_dir(&named).expect("made");
    must_be_fresh(&lock).release().expect("released");
}
