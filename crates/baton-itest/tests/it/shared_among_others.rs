//! Readers among those who are not Baton's, or not of this user, or dead at any moment.

use baton_itest::ancestor::{self, Algorithm};
use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::bystander::Bystander;
use baton_itest::footprint::names_in;
use baton_itest::handwritten::{NO_PROCESS, ancestors, put, put_record, set_modified};
use baton_itest::interrupted;
use baton_itest::kernel_locks::{inode, until_bytes_are_waited_for};
use baton_itest::places::temporary;
use baton_itest::puppet::{self, Puppet};
use baton_itest::scene::{Left, SCENES, Scene};
use baton_itest::skip::skip;
use baton_lock::{Attempt, Naming, Outcome, Pruned, Pruning, State};
use rustix::process::Signal;
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const RECORD: Scene = Scene { naming: Naming::Record, left: Left::Nothing };
const FLOCK: Scene = Scene { naming: Naming::Flock, left: Left::Nothing };
const STRANGER: u32 = 65_534;

fn flock_gets_it(path: &Path, how: &str) -> bool {
    Command::new("flock").arg(how).arg(path).arg("true").status().expect("it runs").success()
}

#[test]
fn clients_of_flock_share_with_readers_and_exclude_writers() {
    let place = temporary();
    let path = place.path().join("data");
    put(&path, "the user's");
    let lock = FLOCK.lock(&path);
    let theirs = Bystander::sharing(&path);
    let Ok(Attempt::Held(ours)) = lock.try_lock_shared() else { panic!("not shared") };
    let Ok(Attempt::Held(second)) = lock.try_lock_shared() else { panic!("not shared") };
    assert_eq!(ours.token(), second.token());
    assert!(must_be_busy(&lock).is_shared());
    assert!(flock_gets_it(&path, "-ns") && !flock_gets_it(&path, "-n"));
    ours.release().expect("released");
    drop(theirs);
    assert!(!flock_gets_it(&path, "-n"));
    second.release().expect("released");
    assert!(flock_gets_it(&path, "-n"));
    let held = must_be_fresh(&lock);
    assert!(!flock_gets_it(&path, "-ns"));
    let shared = held.downgrade().expect("shared");
    assert!(flock_gets_it(&path, "-ns") && !flock_gets_it(&path, "-n"));
    shared.release().expect("released");
    assert_eq!(fs::read(&path).expect("there"), b"the user's");
}

/// A share of byte 0 is granted beside others: who waited for that would be awake all the time.
#[test]
fn writer_sleeps_until_the_last_reader_is_gone_whose_guard_was_deleted() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let mut readers: Vec<Puppet> = (0..2).map(|_| Puppet::of("baton", &path)).collect();
    for reader in &mut readers {
        assert!(reader.tell("try-shared")["held"].is_object());
    }
    fs::remove_file(RECORD.guard(&path)).expect("deleted");
    let (mut writer, _) = Puppet::waiting("baton", &path, "lock");
    for mut reader in readers {
        until_bytes_are_waited_for(inode(&path));
        assert!(!writer.is_done());
        reader.tell("release");
    }
    assert!(writer.answer().expect("it lives")["held"].is_object());
}

#[test]
fn reader_finds_clients_of_flock_busy_that_do_not_share() {
    let place = temporary();
    let path = place.path().join("data");
    let _theirs = Bystander::flocking(&path);
    let Ok(Attempt::Busy(seen)) = FLOCK.lock(&path).try_lock_shared() else { panic!("shared") };
    assert_eq!(seen.state, State::ForeignFlock);
}

#[test]
fn readers_of_one_naming_refuse_the_other() {
    for (scene, other) in [(RECORD, FLOCK), (FLOCK, RECORD)] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let Ok(Attempt::Held(held)) = scene.lock(&path).try_lock_shared() else { panic!("not shared") };
        assert!(other.lock(&path).try_lock_shared().is_err());
        assert!(other.lock(&path).try_lock().is_err());
        if scene.naming == Naming::Record {
            // The guard alone says so too.
            fs::remove_file(&path).expect("removed");
            assert!(other.lock(&path).try_lock().is_err());
        }
        held.release().expect("released");
    }
}

/// The first reader is the one whose pid an ancestor's client would have seen end.
#[test]
fn ancestors_clients_find_it_held_until_the_last_reader_is_gone() {
    for algorithm in [Algorithm::Unconditional, Algorithm::InodeChecked] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let mut readers: Vec<Puppet> = (0..2).map(|_| Puppet::of("baton", &path)).collect();
        for reader in &mut readers {
            assert!(reader.tell("try-shared")["held"].is_object());
        }
        readers.remove(0).kill();
        let seen = ancestor::acquire(&path, algorithm).expect("no error");
        assert!(!seen.acquired && !seen.stale, "{seen:?}");
        assert_eq!(seen.holder_pid, Some(1));
        assert_eq!(readers[0].tell("verify"), json!({ "intact": true }));
        assert_eq!(readers[0].tell("release"), json!({}));
        let seen = ancestor::acquire(&path, algorithm).expect("no error");
        ancestor::release(seen.lock.expect("it is free"));
    }
}

#[test]
fn dead_ancestors_record_is_given_back_by_the_last_reader_as_it_was() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let mut record = ancestors(NO_PROCESS);
    record["hostIdentity"] = json!(fs::read_to_string("/etc/machine-id").unwrap_or_default().trim());
    put_record(&path, &record);
    let lock = RECORD.lock(&path);
    let Ok(Attempt::Held(held)) = lock.try_lock_shared() else { panic!("not shared") };
    let Outcome::Recovered(Some(previous)) = held.outcome() else { panic!("{:?}", held.outcome()) };
    assert_eq!(previous.pid, NO_PROCESS);
    held.release().expect("released");
    let now: serde_json::Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    assert_eq!(now, record);
    assert_eq!(must_recover(&lock).1.expect("readable").pid, NO_PROCESS);
}

#[test]
fn what_killed_readers_leave_is_pruned_with_the_guard() {
    for scene in [RECORD, FLOCK] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let mut reader = Puppet::start(scene.puppet(&path));
        assert!(reader.tell("try-shared")["held"].is_object());
        assert!(matches!(lock.prune(Duration::ZERO, Pruning::Real), Ok(Pruned::Kept(_))), "it is in use");
        reader.kill();
        for file in [scene.guard(&path), scene.record(&path)] {
            set_modified(&file, SystemTime::now() - Duration::from_hours(1));
        }
        let pruned = lock.prune(Duration::from_mins(1), Pruning::Real);
        assert!(matches!(pruned, Ok(Pruned::Removed { .. })), "{pruned:?}");
        assert!(!scene.record(&path).exists());
    }
}

/// The record of the first one's group is not the second one's to write.
#[test]
fn readers_of_different_users_share_in_flock_naming() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can be another user");
    }
    let place = temporary();
    fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).expect("set");
    let path = place.path().join("data");
    put(&path, "for all");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
    let lock = FLOCK.lock(&path);
    let Ok(Attempt::Held(ours)) = lock.try_lock_shared() else { panic!("not shared") };
    let mut command = puppet::command("flock-naming", &path);
    command.args(["--uid", &STRANGER.to_string()]);
    let mut stranger = Puppet::start(command);
    let said = stranger.tell("try-shared");
    assert_eq!(said["held"]["token"], json!(ours.token()), "{said}");
    ours.release().expect("released");
    assert!(must_be_busy(&lock).is_shared());
    assert_eq!(stranger.tell("release"), json!({}));
    must_be_fresh(&lock).release().expect("released");
    chown(&path, Some(0), None).expect("root's");
}

/// Kills a reader before one of its calls; looks whether another reader and a writer get the lock, and are told of the first death and of
/// no other.
fn one_death(scene: Scene, call: &interrupted::Call) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (first, lock) = (scene.set(&path), scene.lock(&path));
    let mut victim = Puppet::start(call.killing(&scene.puppet(&path), place.path()));
    victim.tell_and_see("try-shared");
    assert_eq!(victim.tell_and_see("release"), None, "it survived: {scene:?}, {call:?}");
    assert_eq!(victim.ended().signal(), Some(Signal::KILL.as_raw()), "{scene:?}, {call:?}");
    let Ok(Attempt::Held(reader)) = lock.try_lock_shared() else { panic!("{scene:?}, {call:?}: not shared") };
    let told = |outcome: &Outcome| match outcome {
        Outcome::Fresh => None,
        Outcome::Recovered(previous) => Some(previous.as_ref().expect("readable").pid),
    };
    assert_eq!(told(reader.outcome()), first, "{scene:?}, {call:?}");
    let token = reader.token();
    reader.release().expect("released");
    let writer = must_hold(&lock);
    assert_eq!(told(writer.outcome()), first, "{scene:?}, {call:?}");
    assert!(writer.token() > token, "{scene:?}, {call:?}");
    writer.abandon();
    must_recover(&lock).0.release().expect("released");
    let left: &[&str] = match scene.naming {
        Naming::Flock => &["a.lock", "a.lock.holder"],
        _ => &["a.lock.guard"],
    };
    assert_eq!(names_in(place.path()), left, "{scene:?}, {call:?}");
}

#[test]
fn reader_who_dies_at_any_call_leaves_the_lock_and_the_story_to_the_next_ones() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    for scene in SCENES {
        let place = temporary();
        let path = place.path().join("a.lock");
        scene.set(&path);
        let calls = interrupted::rehearse(&scene.puppet(&path), place.path(), &["try-shared", "release"]);
        assert!(calls.len() > 12, "sharing and releasing takes more calls than {calls:?}");
        for call in &calls {
            one_death(scene, call);
        }
    }
}
