//! One who is stopped at any of its system calls while it acquires, and goes on when somebody has deleted one of the two files and
//! another one has been there: never two holders, nobody stuck, tokens grow, deaths are told.
//!
//! History: an exhaustive search through the protocol found what goes wrong without the looks at the guard's name (steps 3 and
//! 7) and without the undo of a failed step 7: tokens that fall, one that is stuck at its own lock, a false *recovered* or *fresh*.
//! In flock naming the undo left a record that replaced a released one as if its holder had died.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold};
use baton_itest::bystander::Bystander;
use baton_itest::interrupted::{self, Call};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, SCENES, Scene};
use baton_itest::skip::skip;
use baton_lock::{Attempt, Held, Integrity, Naming, Outcome, State};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The calls of one who acquires the lock in that scene.
fn calls_of(scene: Scene) -> Vec<Call> {
    let place = temporary();
    let path = place.path().join("a.lock");
    scene.set(&path);
    interrupted::rehearse(&scene.puppet(&path), place.path(), &["try"])
}

/// Somebody who was told to try, and has stopped after that call.
fn stopped_after(call: &Call, scene: Scene, path: &Path) -> Puppet {
    let directory = path.parent().expect("a directory");
    let mut puppet = Puppet::start(call.stopping(&scene.puppet(path), directory));
    puppet.order("try");
    puppet.stopped();
    puppet
}

/// Which of the two files is deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deleted {
    Guard,
    Record,
}

impl Deleted {
    fn delete(self, scene: Scene, path: &Path) {
        let file = match self {
            Self::Guard => scene.guard(path),
            Self::Record => scene.record(path),
        };
        // It need not be there yet.
        let _ = fs::remove_file(file);
    }
}

/// What the holders of one lock said, in their order.
#[derive(Debug, Default)]
struct Holders(Vec<(u64, Option<u32>)>);

impl Holders {
    fn add(&mut self, held: &Held) {
        let previous = match held.outcome() {
            Outcome::Fresh => None,
            Outcome::Recovered(previous) => previous.as_ref().map(|record| record.pid),
        };
        self.0.push((held.token(), previous));
    }

    fn add_answer(&mut self, answer: &Value) {
        let held = &answer["held"];
        let previous = held["previous"]["pid"].as_u64().and_then(|pid| pid.try_into().ok());
        self.0.push((held["token"].as_u64().expect("it is held"), previous));
    }

    /// Tokens grew, and the first one, and nobody else, was told of the one who was dead before.
    fn must_be_in_order(&self, dead: Option<u32>, is_told: bool, what: &str) {
        let Self(said) = self;
        assert!(said.is_sorted_by(|(one, _), (next, _)| one < next), "tokens fell: {said:?}, {what}");
        if is_told {
            let previous: Vec<_> = said.iter().map(|(_, previous)| *previous).collect();
            let mut expected = vec![None; said.len()];
            expected[0] = dead;
            assert_eq!(previous, expected, "{what}");
        }
    }
}

fn one_stop(scene: Scene, call: &Call, deleted: Deleted) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (dead, lock, what) =
        (scene.set(&path), scene.lock(&path), format!("{scene:?}, {call:?}, {deleted:?}"));
    let mut first = stopped_after(call, scene, &path);
    deleted.delete(scene, &path);
    let mut holders = Holders::default();
    let second = match lock.try_lock().expect("no error") {
        Attempt::Held(held) => Some(held),
        Attempt::Busy(_) => None,
    };
    first.resume();
    let answer = first.answer().expect("it goes on");
    assert!(answer["error"].is_null(), "{answer}, {what}");
    if let Some(second) = second {
        assert!(answer["busy"].is_object(), "two hold it: {answer}, {what}");
        assert_eq!(second.verify().expect("told"), Integrity::Intact, "{what}");
        holders.add(&second);
        second.release().expect("released");
        holders.add_answer(&first.tell("try"));
    } else {
        assert!(answer["held"].is_object(), "nobody holds it, and it is stuck: {answer}, {what}");
        holders.add_answer(&answer);
    }
    let verified = first.tell("verify");
    assert_eq!(verified, json!({ "intact": true }), "held by one lock of the two: {what}");
    first.tell("release");
    let last = must_hold(&lock);
    holders.add(&last);
    last.release().expect("released");
    holders.must_be_in_order(dead, deleted == Deleted::Guard, &what);
}

fn stop_at_every_call(naming: Naming) {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    for scene in SCENES.into_iter().filter(|scene| scene.naming == naming) {
        let calls = calls_of(scene);
        assert!(calls.len() > 5, "acquiring takes more calls than {calls:?}");
        for call in &calls {
            one_stop(scene, call, Deleted::Guard);
            one_stop(scene, call, Deleted::Record);
        }
    }
}

#[test]
fn who_is_stopped_at_any_call_while_a_file_is_deleted_neither_joins_another_holder_nor_blocks_one() {
    stop_at_every_call(Naming::Record);
}

#[test]
fn who_is_stopped_at_any_call_in_flock_naming_while_a_file_is_deleted_neither_joins_nor_blocks() {
    stop_at_every_call(Naming::Flock);
}

/// History: of two who judge one departed record, on two guards, the slower one exchanges the faster one's record against its own for a
/// moment, before it sees what it has got. Should that one be released just then, it is given back as if its holder had died.
#[test]
fn departed_record_that_somebody_is_about_to_replace_is_left_to_that_one() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    for scene in SCENES.into_iter().filter(|scene| matches!(scene.left, Left::Dead | Left::DeadAncestor)) {
        let calls = calls_of(scene);
        // The record's, not that of a guard which has to be created first.
        let written = calls.iter().rfind(|call| call.is("fchmod")).expect("it is written");
        let place = temporary();
        let path = place.path().join("a.lock");
        let dead = scene.set(&path);
        let mut first = stopped_after(written, scene, &path);
        Deleted::Guard.delete(scene, &path);
        let lock = scene.lock(&path);
        let expected = if scene.naming == Naming::Flock { State::ForeignFlock } else { State::Acquiring };
        assert_eq!(must_be_busy(&lock).state, expected, "{scene:?}");
        first.resume();
        let answer = first.answer().expect("it goes on");
        assert_eq!(answer["held"]["previous"]["pid"], json!(dead), "{scene:?}: {answer}");
        first.tell("release");
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn who_is_stopped_at_any_call_never_holds_beside_one_of_the_other_naming() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    let [record, flock] = [Naming::Record, Naming::Flock].map(|naming| Scene { naming, left: Left::Nothing });
    for (scene, other) in [(record, flock), (flock, record)] {
        for call in &calls_of(scene) {
            let place = temporary();
            let path = place.path().join("a.lock");
            let mut first = stopped_after(call, scene, &path);
            // Refused, busy or held: it depends on how far the first one has come.
            let second = other.lock(&path).try_lock();
            first.resume();
            let answer = first.answer().expect("it goes on");
            let holders =
                usize::from(matches!(second, Ok(Attempt::Held(_)))) + usize::from(answer["held"].is_object());
            assert_eq!(holders, 1, "{scene:?}, {call:?}: {answer}, {second:?}");
        }
    }
}

/// History: each record of flock naming replaces a released one, and was left as it was when step 7 failed: the next one was told of
/// a death that had not been.
#[test]
fn acquisition_that_is_taken_back_is_no_death_to_the_next_one() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    let scene = Scene { naming: Naming::Flock, left: Left::Released };
    let calls = calls_of(scene);
    let published = calls.iter().find(|call| call.gives_name("a.lock.holder")).expect("it is published");
    let place = temporary();
    let path = place.path().join("a.lock");
    scene.set(&path);
    let mut refused = stopped_after(published, scene, &path);
    // Somebody of the other naming, or who looks like it: step 7 refuses the path.
    let other = Bystander::flocking(&place.path().join("a.lock.guard"));
    refused.resume();
    let answer = refused.answer().expect("it goes on");
    let text = answer["error"]["text"].as_str().expect("refused");
    assert!(text.contains("other naming"), "{text}");
    other.end();
    must_be_fresh(&scene.lock(&path)).release().expect("released");
}
