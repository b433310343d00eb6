//! Other pid and mount namespaces, and filesystems that are mounted anew: a Baton holder is known by its kernel locks, wherever it
//! runs, and by nothing that means something else elsewhere.
//!
//! History: in a container pids start at 1, so that a record's pid was somebody else's, or the reader's own (4921); and a device
//! number that was written down is another one after the next mount.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_recover};
use baton_itest::handwritten::{self, NO_PROCESS, put_record, with};
use baton_itest::places::{on_remountable_overlay, temporary};
use baton_itest::puppet::{self, Puppet, in_namespaces, namespaces_are_possible};
use baton_itest::scene::{Left, Scene};
use baton_itest::skip::skip;
use baton_lock::{AncestorState, Lock, Naming, State};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

fn new_lock(scene: Scene) -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = scene.lock(&path);
    (place, path, lock)
}

/// A puppet that is the first process of a new pid namespace, as in a container.
fn inside(client: &str, path: &Path) -> Puppet {
    Puppet::start(in_namespaces(&puppet::command(client, path)))
}

fn own_pid_namespace() -> String {
    fs::read_link("/proc/self/ns/pid").expect("readable").to_str().expect("text").to_owned()
}

/// Skips the test where there can be no namespaces.
macro_rules! need_namespaces {
    () => {
        if let Err(reason) = namespaces_are_possible() {
            return skip(&reason);
        }
    };
}

#[test]
fn holder_in_another_pid_namespace_is_held_while_it_lives_and_recovered_when_it_is_killed() {
    need_namespaces!();
    for (client, scene) in BOTH {
        let (_place, path, lock) = new_lock(scene);
        let mut holder = inside(client, &path);
        let record = holder.tell("try")["held"]["record"].clone();
        // Here the pid is another process's, which lives.
        assert_eq!(record["pid"], 1);
        assert_ne!(record["baton"]["pidNamespace"], json!(own_pid_namespace()));
        for seen in [*must_be_busy(&lock), lock.observe().expect("seen")] {
            assert_eq!(seen.state, State::Held);
            assert_eq!(seen.record.expect("its record").pid, 1);
        }
        let seen = lock.observe().expect("seen");
        assert!(seen.reason().contains("now in the hands of"), "{}", seen.reason());
        holder.kill_inside();
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous.expect("its record").pid, 1);
        held.release().expect("released");
    }
}

#[test]
fn contender_in_another_pid_namespace_finds_a_holder_outside_held_and_then_dead() {
    need_namespaces!();
    for (client, scene) in BOTH {
        let (_place, path, lock) = new_lock(scene);
        let (holder, _) = Puppet::holding(client, &path);
        let mut contender = inside(client, &path);
        let answer = contender.tell("try");
        assert_eq!(
            (&answer["busy"]["state"], &answer["busy"]["record"]["pid"]),
            (&json!("held"), &json!(holder.pid()))
        );
        assert_eq!(contender.tell("observe")["state"], "held");
        contender.order("lock");
        assert!(contender.answer().expect("it lives")["waiting"].is_object());
        let pid = holder.pid();
        holder.kill();
        let answer = contender.answer().expect("it lives");
        assert_eq!(
            (&answer["held"]["outcome"], &answer["held"]["previous"]["pid"]),
            (&json!("recovered"), &json!(pid))
        );
        contender.tell("release");
        must_be_fresh(&lock).release().expect("released");
        contender.kill_inside();
    }
}

/// A container that restarts: both are pid 1 of a pid namespace, in a mount namespace, that the other one has never seen.
#[test]
fn killed_holder_is_recovered_at_once_by_one_with_its_own_pid_in_new_namespaces() {
    need_namespaces!();
    for (client, scene) in BOTH {
        let (_place, path, lock) = new_lock(scene);
        let mut last_token = 0;
        for turn in 0..3 {
            let mut holder = inside(client, &path);
            let held = holder.tell("try")["held"].clone();
            let previous = if turn == 0 { Value::Null } else { json!(1) };
            assert_eq!((&held["record"]["pid"], &held["previous"]["pid"]), (&json!(1), &previous));
            let token = held["token"].as_u64().expect("a number");
            assert!(token > last_token);
            last_token = token;
            holder.kill_inside();
        }
        must_recover(&lock).0.release().expect("released");
    }
}

#[test]
fn ancestors_record_with_another_pid_namespace_is_left_to_those_who_can_judge_it() {
    need_namespaces!();
    let (_place, path, lock) = new_lock(BOTH[0].1);
    let here = json!({ "pidNamespaceIdentity": own_pid_namespace() });
    put_record(&path, &with(handwritten::ancestors(NO_PROCESS), here));
    let mut contender = inside("baton", &path);
    let seen = contender.tell("try")["busy"].clone();
    assert_eq!(seen["state"], "ancestor_other_pid_namespace");
    assert_eq!(contender.tell("observe")["state"], "ancestor_other_pid_namespace");
    must_recover(&lock).0.release().expect("released");
    assert_eq!(contender.tell("try")["held"]["outcome"], "fresh");
    contender.kill_inside();
}

#[test]
fn ancestors_client_in_another_pid_namespace_is_busy_with_and_without_its_identity() {
    need_namespaces!();
    let (_place, path, lock) = new_lock(BOTH[0].1);
    let mut holder = inside("v1", &path);
    assert_eq!(holder.tell("try")["acquired"], true);
    let written: Value = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    assert_eq!(written["pid"], 1);
    // The first process here lives as well, and started before: nothing says that it is another one.
    assert_eq!(must_be_busy(&lock).state, State::Ancestor(AncestorState::Alive));
    // Were it one that is none here, or that started later, it would still have the file open.
    for members in [json!({ "pid": NO_PROCESS }), json!({ "startedAt": "1971-01-01T00:00:00.000Z" })] {
        // In place, so that it stays the file that its holder has open.
        fs::write(&path, format!("{:#}", with(written.clone(), members))).expect("written");
        assert_eq!(must_be_busy(&lock).state, State::OpenElsewhere);
    }
    let elsewhere = json!({ "pidNamespaceIdentity": "pid:[1]" });
    fs::write(&path, format!("{:#}", with(written, elsewhere))).expect("written");
    assert_eq!(must_be_busy(&lock).state, State::Ancestor(AncestorState::OtherPidNamespace));
    holder.tell("release");
    must_be_fresh(&lock).release().expect("released");
    holder.kill_inside();
}

#[test]
fn killed_holder_is_recovered_at_once_when_its_overlay_is_mounted_anew() {
    for (client, scene) in BOTH {
        let shown = on_remountable_overlay(|overlay| {
            let path = overlay.root().join("a.lock");
            let (holder, said) = Puppet::holding(client, &path);
            let (pid, before) = (holder.pid(), overlay.device());
            holder.kill();
            overlay.remount();
            assert_ne!(overlay.device(), before, "this has to be another device to show anything");
            let lock = scene.lock(&path);
            assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
            let (held, previous) = must_recover(&lock);
            assert_eq!(previous.expect("its record").pid, pid);
            assert!(Some(held.token()) > said["held"]["token"].as_u64());
            held.release().expect("released");
            drop(lock);
            overlay.remount();
            must_be_fresh(&scene.lock(&path)).release().expect("released");
        });
        shown.unwrap_or_else(|reason| skip(&reason));
    }
}
