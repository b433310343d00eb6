//! One of the two files is deleted by hand while the lock is held: still exclusive, whoever dies and whoever inherits it; its holder
//! is told *damaged*. Both are: *lost*, and nothing is claimed.
//!
//! History: advice to `rm -f` the lock (the ancestor's failure 9), and the exhaustive search that found: with the guard alone locked,
//! one deletion, and the kill of a wrapper whose job lives on, make two holders in 13 steps; with the record alone, one deletion does.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::footprint::Footprint;
use baton_itest::handwritten::put;
use baton_itest::heir::Heir;
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Integrity, Lock, Naming, State};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;
use tempfile::TempDir;

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

/// A lock that a puppet holds.
struct HeldLock {
    _place: TempDir,
    path: PathBuf,
    guard: PathBuf,
    record: PathBuf,
    lock: Lock,
    holder: Puppet,
    token: u64,
}

fn held(client: &str, scene: Scene) -> HeldLock {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (holder, said) = Puppet::holding(client, &path);
    HeldLock {
        guard: scene.guard(&path),
        record: scene.record(&path),
        lock: scene.lock(&path),
        token: said["held"]["token"].as_u64().expect("a number"),
        _place: place,
        path,
        holder,
    }
}

/// The holder's answer that one of the two is gone, and which.
#[track_caller]
fn assert_damaged(answer: &Value, name: &str) {
    let reason = answer["damaged"].as_str().unwrap_or_else(|| panic!("not damaged: {answer}"));
    assert!(reason.contains(&format!("{name}` was removed or replaced")), "{reason}");
}

/// What those find who come while the record alone is there, or the guard alone.
fn without_record(naming: Naming) -> State {
    match naming {
        Naming::Flock => State::ForeignFlock,
        _ => State::Acquiring,
    }
}

#[test]
fn lock_whose_guard_is_deleted_stays_held_and_is_damaged() {
    for (client, scene) in BOTH {
        let mut it = held(client, scene);
        fs::remove_file(&it.guard).expect("deleted");
        let waits = |it: &HeldLock| match it.lock.lock_until(Instant::now()).expect("asked") {
            baton_lock::Attempt::Busy(seen) => seen,
            baton_lock::Attempt::Held(held) => panic!("it has two holders: {held:?}"),
        };
        // Who only tries is answered by the record, and creates nothing where that is the whole answer.
        assert_eq!(must_be_busy(&it.lock).record.expect("its record").pid, it.holder.pid());
        assert_eq!(it.guard.exists(), scene.naming == Naming::Flock);
        // Who would wait has created it anew; the next one finds that one.
        for seen in [waits(&it), must_be_busy(&it.lock), waits(&it)] {
            assert_eq!(seen.state, State::Held);
            assert_eq!(seen.record.expect("its record").pid, it.holder.pid());
            assert!(it.guard.exists());
            assert_eq!(it.lock.observe().expect("seen").state, State::Held);
        }
        assert_damaged(&it.holder.tell("verify"), &it.guard.file_name().expect("a name").to_string_lossy());
        assert_eq!(it.holder.tell("release"), json!({}));
        let next = must_be_fresh(&it.lock);
        assert!(next.token() > it.token);
        assert_eq!(next.verify().expect("told"), Integrity::Intact);
        next.release().expect("released");
    }
}

#[test]
fn lock_whose_record_is_deleted_stays_held_and_is_damaged() {
    for (client, scene) in BOTH {
        let mut it = held(client, scene);
        fs::remove_file(&it.record).expect("deleted");
        for _ in 0..2 {
            assert_eq!(must_be_busy(&it.lock).state, without_record(scene.naming));
        }
        assert_damaged(&it.holder.tell("verify"), &it.record.file_name().expect("a name").to_string_lossy());
        assert_eq!(it.holder.tell("release"), json!({}));
        let next = must_be_fresh(&it.lock);
        assert!(next.token() > it.token);
        next.release().expect("released");
    }
}

#[test]
fn lock_whose_files_are_both_deleted_is_lost() {
    for (client, scene) in BOTH {
        let mut it = held(client, scene);
        fs::remove_file(&it.guard).expect("deleted");
        fs::remove_file(&it.record).expect("deleted");
        let answer = it.holder.tell("verify");
        assert!(answer["lost"].as_str().is_some_and(|reason| reason.contains("a.lock")), "{answer}");
        let next = must_hold(&it.lock);
        assert!(next.token() > it.token, "at least the token tells");
        // The one who lost it leaves the next one's files alone.
        assert_eq!(it.holder.tell("release"), json!({}));
        assert_eq!(next.verify().expect("told"), Integrity::Intact);
        next.release().expect("released");
    }
}

/// An editor, or a version control system, saves a file by putting another one in its place.
#[test]
fn locked_file_that_is_replaced_by_its_editor_stays_locked_and_is_not_touched() {
    let (client, scene) = BOTH[1];
    let mut it = held(client, scene);
    put(&it.path, "#!/bin/sh\nmake deploy\n");
    let before = Footprint::of(&it.path);
    assert_eq!(must_be_busy(&it.lock).state, State::Held);
    assert_damaged(&it.holder.tell("verify"), "a.lock");
    it.holder.tell("release");
    must_be_fresh(&it.lock).release().expect("released");
    assert_eq!(Footprint::of(&it.path), before);
}

#[test]
fn killed_holder_whose_guard_was_deleted_is_recovered_at_once() {
    for (client, scene) in BOTH {
        let it = held(client, scene);
        fs::remove_file(&it.guard).expect("deleted");
        let pid = it.holder.pid();
        it.holder.kill();
        let (next, previous) = must_recover(&it.lock);
        assert_eq!(previous.expect("its record").pid, pid);
        assert!(next.token() > it.token);
        next.release().expect("released");
    }
}

/// The 13 steps: the guard deleted, the wrapper killed, its job alive.
#[test]
fn heir_keeps_the_lock_by_its_record_when_the_guard_is_deleted_and_the_wrapper_killed() {
    for (client, scene) in BOTH {
        let mut it = held(client, scene);
        let heir = Heir::of(&mut it.holder);
        fs::remove_file(&it.guard).expect("deleted");
        let pid = it.holder.pid();
        it.holder.kill();
        for _ in 0..2 {
            let seen = must_be_busy(&it.lock);
            assert_eq!((seen.state, seen.record.expect("its record").pid), (State::Held, pid));
        }
        heir.end();
        let (next, previous) = must_recover(&it.lock);
        assert_eq!(previous.expect("its record").pid, pid);
        assert!(next.token() > it.token);
        next.release().expect("released");
    }
}

#[test]
fn heir_keeps_the_lock_by_its_guard_when_the_record_is_deleted_and_the_wrapper_killed() {
    for (client, scene) in BOTH {
        let mut it = held(client, scene);
        let heir = Heir::of(&mut it.holder);
        fs::remove_file(&it.record).expect("deleted");
        it.holder.kill();
        for _ in 0..2 {
            assert_eq!(must_be_busy(&it.lock).state, without_record(scene.naming));
        }
        heir.end();
        let next = must_be_fresh(&it.lock);
        assert!(next.token() > it.token, "whoever deleted the record took the story with it, not the order");
        next.release().expect("released");
    }
}
