//! Every way in which a hold ends, and what the next one is told of it.
//!
//! History: in flock naming each record replaces a released one, and what had replaced anything stayed as it was when the hold was
//! undone: after a command that was not found the next one was told *recovered*.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use baton_itest::scene::{Left, SCENES, Scene};
use baton_lock::{Held, Naming};
use std::panic::{AssertUnwindSafe, catch_unwind};

const BOTH: [Scene; 2] = [
    Scene { naming: Naming::Record, left: Left::Nothing },
    Scene { naming: Naming::Flock, left: Left::Nothing },
];

fn panic_while_holding(held: Held) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _held = held;
        panic!("the job failed, as it is meant to here");
    }));
    assert!(unwound.is_err());
}

#[test]
fn released_or_dropped_lock_is_got_fresh() {
    let ends: [fn(Held); 2] = [|held| held.release().expect("released"), drop];
    for (scene, end) in BOTH.into_iter().flat_map(|scene| ends.map(|end| (scene, end))) {
        let place = temporary();
        let lock = scene.lock(&place.path().join("a.lock"));
        for _ in 0..3 {
            end(must_be_fresh(&lock));
        }
    }
}

#[test]
fn abandoned_lock_and_that_of_a_panic_are_recovered() {
    for (scene, end) in
        BOTH.into_iter().flat_map(|scene| [Held::abandon, panic_while_holding].map(|end| (scene, end)))
    {
        let place = temporary();
        let lock = scene.lock(&place.path().join("a.lock"));
        let held = must_be_fresh(&lock);
        let record = held.record().clone();
        end(held);
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous, Some(record));
        held.release().expect("released");
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn forgotten_lock_is_held_until_the_process_ends() {
    for scene in BOTH {
        let place = temporary();
        let lock = scene.lock(&place.path().join("a.lock"));
        std::mem::forget(must_hold(&lock));
        must_be_busy(&lock);
    }
}

#[test]
fn undone_acquisition_is_no_death_and_an_unrepaired_death_stays_told() {
    for scene in SCENES {
        let place = temporary();
        let path = place.path().join("a.lock");
        let dead = scene.set(&path);
        let lock = scene.lock(&path);
        match scene.left {
            Left::Nothing | Left::Released => {
                let held = must_be_fresh(&lock);
                let token = held.token();
                held.undo();
                let next = must_be_fresh(&lock);
                assert!(next.token() > token);
                next.release().expect("released");
            }
            Left::Dead | Left::DeadAncestor => {
                let (held, previous) = must_recover(&lock);
                assert_eq!(previous.map(|record| record.pid), dead);
                held.undo();
                must_recover(&lock).0.release().expect("released");
                must_be_fresh(&lock).release().expect("released");
            }
        }
        assert!(names_in(place.path()).len() < 3, "{scene:?}");
    }
}
