//! Looking disturbs nobody (I7): whoever observes a lock, however often, neither makes it busy for anybody nor changes anything.
//!
//! History: a judge that takes the lock it asks for makes a free lock look held to the next one, and `status` in a loop makes
//! `try_lock` fail now and then. And a record of the ancestor's counts as in use by whoever has it open, which an observer has.

use baton_itest::answers::{must_be_busy, must_hold};
use baton_itest::footprint::{Watch, all_in};
use baton_itest::handwritten::{self, NO_PROCESS, make_old, put, put_record};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, SCENES, Scene};
use baton_lock::{Held, Lock, Naming, Outcome, State};
use serde_json::json;
use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::Duration;

const OBSERVATIONS: u32 = 30;
const RECORD: Scene = Scene { naming: Naming::Record, left: Left::Nothing };
const FLOCK: Scene = Scene { naming: Naming::Flock, left: Left::Nothing };

/// Lets two processes observe, and meanwhile acquires the lock again and again, each time after `prepare`; ends each hold by `end`.
fn is_never_busy(scene: Scene, prepare: impl Fn(&Path), end: fn(Held)) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock: Lock = scene.lock(&path);
    let client = if scene.naming == Naming::Flock { "flock-naming" } else { "baton" };
    let mut observers = [(); 2].map(|()| Puppet::of(client, &path));
    for observer in &mut observers {
        observer.order(&format!("observe-times {OBSERVATIONS}"));
    }
    let mut rounds = 0;
    while !observers.iter().all(Puppet::is_done) {
        prepare(&path);
        end(must_hold(&lock));
        rounds += 1;
    }
    assert!(rounds > 5, "only {rounds} acquisitions while it was observed");
    for observer in &mut observers {
        let seen = observer.answer().expect("it lives");
        assert!(seen["error"].is_null(), "{seen}");
    }
}

fn release(held: Held) {
    held.release().expect("released");
}

#[test]
fn only_contender_is_never_refused_because_somebody_observes() {
    for scene in [RECORD, FLOCK] {
        is_never_busy(scene, |_| {}, release);
        is_never_busy(scene, |_| {}, Held::abandon);
    }
}

/// What decides there is whether any process has the file open.
#[test]
fn left_over_record_that_no_kernel_lock_speaks_for_is_recovered_though_somebody_observes() {
    is_never_busy(RECORD, |path| put_record(path, &handwritten::ancestors(NO_PROCESS)), release);
    let empty = |path: &Path| {
        put(path, "");
        make_old(path);
    };
    is_never_busy(RECORD, empty, release);
}

/// History: on a busy machine an observer that was not scheduled for ten milliseconds while it read made a free lock busy.
#[test]
fn reader_that_takes_its_time_does_not_make_a_left_over_record_busy() {
    let place = temporary();
    let path = place.path().join("a.lock");
    put_record(&path, &handwritten::ancestors(NO_PROCESS));
    let reader = File::open(&path).expect("opened");
    let held = thread::scope(|scope| {
        scope.spawn(|| {
            // The judge takes an exclusive one before it asks who has the file open.
            while reader.try_lock_shared().is_ok() {
                reader.unlock().expect("unlocked");
                // Its own lock is not to be in the way.
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(60));
            drop(reader);
        });
        must_hold(&Lock::open(&path).expect("opened"))
    });
    assert!(matches!(held.outcome(), Outcome::Recovered(Some(_))), "{:?}", held.outcome());
    release(held);
}

#[test]
fn writer_that_stays_makes_a_left_over_record_busy() {
    let place = temporary();
    let path = place.path().join("a.lock");
    put_record(&path, &handwritten::ancestors(NO_PROCESS));
    let _writer = File::options().append(true).open(&path).expect("opened");
    assert_eq!(must_be_busy(&Lock::open(&path).expect("opened")).state, State::OpenElsewhere);
}

#[test]
fn held_lock_is_never_seen_as_anything_else() {
    for (client, scene) in [("baton", RECORD), ("flock-naming", FLOCK)] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let held = must_hold(&scene.lock(&path));
        let seen = Puppet::of(client, &path).tell("observe-times 50");
        assert_eq!(seen, json!({ "held": 50 }));
        release(held);
    }
}

#[test]
fn observing_changes_nothing_whatever_is_there() {
    for scene in SCENES {
        let place = temporary();
        let path = place.path().join("a.lock");
        scene.set(&path);
        let lock = scene.lock(&path);
        let (before, changes) = (all_in(place.path()), Watch::of_changes(place.path()));
        let expected = match scene.left {
            Left::Nothing | Left::Released => State::Free,
            Left::Dead | Left::DeadAncestor => State::LeftOver,
        };
        for _ in 0..3 {
            assert_eq!(lock.observe().expect("seen").state, expected, "{scene:?}");
        }
        assert_eq!((changes.noted(), all_in(place.path())), (vec![], before), "{scene:?}");
    }
}
