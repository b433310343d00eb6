//! Waiting: for whoever holds the lock, until it is freed or a deadline has passed, and getting it in whichever way it was freed.
//!
//! A waiter says that it has found the lock busy before it goes on waiting, and the kernel lists those that are blocked at the guard:
//! so each test knows that somebody waits before it frees the lock.

use baton_itest::answers::{must_be_fresh, must_hold, must_recover};
use baton_itest::bystander::Bystander;
use baton_itest::handwritten::{make_old, put};
use baton_itest::kernel_locks::{inode, until_waiting};
use baton_itest::places::temporary;
use baton_itest::puppet::{Puppet, first_to_answer};
use baton_itest::scene::{Left, Scene};
use baton_lock::{Attempt, Lock, Naming};
use serde_json::{Value, json};
use std::any::Any;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const WAITERS: usize = 8;
/// A deadline that no test reaches.
const LATER: &str = "lock-until 60000";
/// One that each test reaches that uses it.
const SOON: Duration = Duration::from_millis(60);

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

fn token(answer: &Value) -> u64 {
    answer["held"]["token"].as_u64().unwrap_or_else(|| panic!("not held: {answer}"))
}

#[test]
fn of_eight_waiters_one_recovers_from_the_killed_holder_and_the_others_get_it_fresh_one_at_a_time() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, said) = Puppet::holding(client, &path);
        let mut waiters: Vec<Puppet> =
            (0..WAITERS).map(|_| Puppet::waiting(client, &path, "lock").0).collect();
        let guard = inode(&scene.guard(&path));
        until_waiting(guard, WAITERS);
        holder.kill();
        let mut last_token = token(&said);
        for turn in 1..=WAITERS {
            let mut next = waiters.swap_remove(first_to_answer(&waiters));
            let answer = next.answer().expect("it lives");
            let (outcome, previous) = match turn {
                1 => ("recovered", &said["held"]["record"]),
                _ => ("fresh", &Value::Null),
            };
            let held = &answer["held"];
            assert_eq!((&held["outcome"], &held["previous"]), (&json!(outcome), previous), "turn {turn}");
            assert!(token(&answer) > last_token, "turn {turn}");
            last_token = token(&answer);
            // All the others are blocked: nobody else has got it, or died of it.
            until_waiting(guard, WAITERS - turn);
            assert_eq!(next.tell("release"), json!({}));
        }
    }
}

/// History: waiting for a lock that only the record keeps, since somebody has deleted the guard, is not waiting for the guard.
#[test]
fn waiters_at_a_deleted_guard_and_those_at_the_new_one_all_get_it_one_at_a_time() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, said) = Puppet::holding(client, &path);
        let mut waiters: Vec<Puppet> = (0..3).map(|_| Puppet::waiting(client, &path, "lock").0).collect();
        until_waiting(inode(&scene.guard(&path)), 3);
        fs::remove_file(scene.guard(&path)).expect("deleted");
        waiters.extend((0..3).map(|_| Puppet::waiting(client, &path, "lock").0));
        assert_eq!(holder.tell("release"), json!({}));
        let mut last_token = token(&said);
        while !waiters.is_empty() {
            let mut next = waiters.swap_remove(first_to_answer(&waiters));
            let answer = next.answer().expect("it lives");
            assert_eq!(answer["held"]["outcome"], "fresh");
            assert!(token(&answer) > last_token);
            last_token = token(&answer);
            assert_eq!(next.tell("release"), json!({}), "nobody else has touched what it holds");
        }
    }
}

/// What keeps a lock busy for as long as the value lives.
type Keeper = fn(&Path) -> Box<dyn Any>;

fn keepers() -> Vec<(Naming, Keeper)> {
    vec![
        (Naming::Record, |path| Box::new(Puppet::holding("baton", path))),
        (Naming::Record, |path| Box::new(Puppet::holding("v0", path))),
        (Naming::Record, |path| Box::new(Puppet::holding("v1", path))),
        (Naming::Record, |path| Box::new(must_hold(&Lock::open(path).expect("a path")))),
        (Naming::Record, |path| Box::new(Bystander::flocking(path))),
        (Naming::Record, |path| {
            put(path, "");
            make_old(path);
            Box::new(Bystander::having_open(path))
        }),
        // Just created, perhaps about to be written.
        (Naming::Record, |path| {
            put(path, "");
            Box::new(())
        }),
        (Naming::Flock, |path| Box::new(Puppet::holding("flock-naming", path))),
        (Naming::Flock, |path| Box::new(Bystander::flocking(path))),
    ]
}

#[test]
fn wait_until_a_deadline_ends_busy_not_before_it_whoever_holds_the_lock() {
    for (naming, keep) in keepers() {
        let place = temporary();
        let path = place.path().join("a.lock");
        let keeper = keep(&path);
        let client = if naming == Naming::Flock { "flock-naming" } else { "baton" };
        // Before it is told, and so before the deadline less the time to wait.
        let began = Instant::now();
        let (mut waiter, waiting) =
            Puppet::waiting(client, &path, &format!("lock-until {}", SOON.as_millis()));
        let answer = waiter.answer().expect("it lives");
        assert!(began.elapsed() >= SOON, "{answer}");
        assert_eq!(answer["busy"]["state"], waiting["state"], "{answer}");
        drop(keeper);
    }
}

#[test]
fn deadline_that_has_passed_is_a_try() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let attempt = scene.lock(&path).lock_until(Instant::now()).expect("no error");
        let Attempt::Held(held) = attempt else { panic!("not held: {attempt:?}") };
        let (mut waiter, _) = Puppet::waiting(client, &path, "lock-until 0");
        assert_eq!(waiter.answer().expect("it lives")["busy"]["state"], "held");
        held.release().expect("released");
    }
}

#[test]
fn waiter_gets_the_lock_of_a_holder_that_releases_or_is_killed() {
    for (client, order) in
        [("baton", "lock"), ("baton", LATER), ("flock-naming", "lock"), ("flock-naming", LATER)]
    {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        let (mut waiter, seen) = Puppet::waiting(client, &path, order);
        assert_eq!(seen["record"]["pid"], holder.pid());
        holder.tell("release");
        assert_eq!(waiter.answer().expect("it lives")["held"]["outcome"], "fresh");

        let (mut second, _) = Puppet::waiting(client, &path, order);
        let pid = waiter.pid();
        waiter.kill();
        assert_eq!(second.answer().expect("it lives")["held"]["previous"]["pid"], pid);
    }
}

#[test]
fn waiter_gets_the_lock_of_an_ancestors_client_that_releases_or_is_killed() {
    for (client, order) in [("v0", "lock"), ("v0", LATER), ("v1", "lock"), ("v1", LATER)] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        let (mut waiter, seen) = Puppet::waiting("baton", &path, order);
        assert_eq!(
            (&seen["state"], &seen["record"]["pid"]),
            (&json!("ancestor_alive"), &json!(holder.pid()))
        );
        holder.tell("release");
        assert_eq!(waiter.answer().expect("it lives")["held"]["outcome"], "fresh");
        waiter.tell("release");

        let (holder, _) = Puppet::holding(client, &path);
        let (mut waiter, _) = Puppet::waiting("baton", &path, order);
        let pid = holder.pid();
        holder.kill();
        assert_eq!(waiter.answer().expect("it lives")["held"]["previous"]["pid"], pid);
    }
}

#[test]
fn waiter_gets_the_lock_of_a_foreign_program_that_ends() {
    for order in ["lock", LATER] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let program = Bystander::flocking(&path);
        let (mut waiter, seen) = Puppet::waiting("flock-naming", &path, order);
        assert_eq!(seen["state"], "foreign_flock");
        program.end();
        assert_eq!(waiter.answer().expect("it lives")["held"]["outcome"], "fresh");
    }
}

#[test]
fn killed_waiter_leaves_nothing_in_anybodys_way() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        let (waiter, _) = Puppet::waiting(client, &path, "lock");
        let guard = inode(&scene.guard(&path));
        until_waiting(guard, 1);
        waiter.kill();
        until_waiting(guard, 0);
        holder.tell("release");
        must_be_fresh(&scene.lock(&path)).release().expect("released");
    }
}

#[test]
fn waiting_for_oneself_or_a_process_above_is_seen_and_for_anybody_else_is_not() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        assert_eq!(lock.held_by_own_ancestor(), None);
        let held = must_be_fresh(&lock);
        assert_eq!(lock.held_by_own_ancestor(), Some(std::process::id()));
        let mut below = Puppet::of(client, &path);
        assert_eq!(below.tell("own-ancestor")["holder"], std::process::id());
        held.release().expect("released");
        assert_eq!(below.tell("own-ancestor")["holder"], Value::Null);

        below.tell("try");
        assert_eq!(below.tell("own-ancestor")["holder"], below.pid());
        assert_eq!(lock.held_by_own_ancestor(), None, "a child of ours");
        assert_eq!(Puppet::of(client, &path).tell("own-ancestor")["holder"], Value::Null, "a sibling");
        below.kill();
        assert_eq!(lock.held_by_own_ancestor(), None);
        must_recover(&lock).0.release().expect("released");
    }
}
