//! Who has the lock besides the value that acquired it: nobody, unless it is handed over.
//!
//! A kernel lock belongs to an open file description, of which every forked child has a copy: history is full of daemons that kept a
//! lock because they were started by its holder. What a fork alone does is in the library's own tests (`forked`), since it takes
//! `unsafe`.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_recover};
use baton_itest::heir::Heir;
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Naming, Observation, State};
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

#[test]
fn program_that_is_started_while_the_lock_is_held_does_not_keep_it() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        let child = Heir::without_the_lock(&mut holder);
        let pid = holder.pid();
        holder.kill();
        let (held, previous) = must_recover(&scene.lock(&path));
        assert_eq!(previous.expect("its record").pid, pid);
        held.release().expect("released");
        child.end();
    }
}

fn pids(seen: &Observation) -> Vec<u32> {
    seen.processes.iter().map(|process| process.pid).collect()
}

#[test]
fn program_that_the_lock_is_handed_to_keeps_it_until_it_ends() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut holder, _) = Puppet::holding(client, &path);
        let [heir, other] = [(); 2].map(|()| Heir::of(&mut holder));
        let plain = Heir::without_the_lock(&mut holder);
        let pid = holder.pid();
        holder.kill();
        for heir in [heir, other] {
            let seen = must_be_busy(&lock);
            assert_eq!((seen.state, seen.record.expect("its record").pid), (State::Held, pid));
            let seen = lock.observe().expect("seen");
            assert!(seen.reason().contains("now in the hands of"), "{}", seen.reason());
            // Who has it is found too where one first asks for the process that the record names.
            assert_eq!(pids(&lock.observe_holder(&must_be_busy(&lock)).expect("seen")), pids(&seen));
            heir.end();
        }
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous.expect("its record").pid, pid);
        held.release().expect("released");
        plain.end();
    }
}

#[test]
fn holder_that_its_record_names_is_asked_alone_for_a_busy_answer() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut holder, _) = Puppet::holding(client, &path);
        let heir = Heir::of(&mut holder);
        let busy = must_be_busy(&lock);
        assert_eq!(pids(&lock.observe_holder(&busy).expect("seen")), [holder.pid()]);
        assert_eq!(
            pids(&lock.observe().expect("seen")).len(),
            2,
            "whoever observes finds the other one, too"
        );
        heir.end();
    }
}

#[test]
fn release_and_abandonment_count_for_all_who_inherited_the_lock() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut holder, _) = Puppet::holding(client, &path);
        let heir = Heir::of(&mut holder);
        assert_eq!(holder.tell("release"), json!({}));
        must_be_fresh(&lock).release().expect("released");
        heir.end();

        holder.tell("try");
        let heir = Heir::of(&mut holder);
        holder.tell("abandon");
        must_recover(&lock).0.release().expect("released");
        heir.end();
    }
}

/// What `hand_to` prepares is that one command alone.
#[test]
fn other_commands_of_the_same_holder_inherit_nothing() {
    for (_, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let held = must_be_fresh(&lock);
        let lines_of_locks = |command: &mut Command| {
            command
                .args(["-c", "cat /proc/self/fdinfo/* 2>/dev/null | grep -c ^lock:"])
                .stderr(Stdio::null());
            let output = command.output().expect("it starts");
            String::from_utf8(output.stdout).expect("a number").trim().to_owned()
        };
        let (mut heir, mut other) = (Command::new("sh"), Command::new("sh"));
        held.hand_to(&mut heir);
        assert_eq!((lines_of_locks(&mut heir), lines_of_locks(&mut other)), ("2".into(), "0".into()));
        held.release().expect("released");
    }
}

#[test]
fn two_values_for_one_lock_exclude_each_other_in_one_process() {
    for (_, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (one, other) = (scene.lock(&path), scene.lock(&path));
        let held = must_be_fresh(&one);
        for lock in [&one, &other] {
            let seen = must_be_busy(lock);
            assert_eq!((seen.state, seen.record.expect("its record").pid), (State::Held, std::process::id()));
        }
        held.release().expect("released");
        must_be_fresh(&other).release().expect("released");
    }
}

#[test]
fn threads_of_one_process_exclude_each_other_with_one_value_or_one_each() {
    const THREADS: u32 = 4;
    const ROUNDS: u32 = 50;
    for (_, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let shared = scene.lock(&path);
        let (inside, entered) = (AtomicU32::new(0), AtomicU32::new(0));
        let contend = |lock: &baton_lock::Lock| {
            for _ in 0..ROUNDS {
                let held = lock.lock().expect("acquired");
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are inside");
                entered.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
                held.release().expect("released");
            }
        };
        thread::scope(|scope| {
            for number in 0..THREADS {
                let (contend, shared, own) = (&contend, &shared, scene.lock(&path));
                scope.spawn(move || contend(if number % 2 == 0 { shared } else { &own }));
            }
        });
        assert_eq!(entered.load(Ordering::SeqCst), THREADS * ROUNDS);
    }
}
