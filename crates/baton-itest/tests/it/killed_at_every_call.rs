//! A holder that is killed at any of its system calls, from its first to its last: the next one gets the lock at once, and is told
//! what has happened.
//!
//! This is the table of crash points in `docs/protocol.md`, gone through call by call. Which calls there are is not written down here
//! but rehearsed, so that a new one is not forgotten.
//!
//! The same of a waiter, who is handed the lock by a holder that releases it or is killed: its ticket becomes its record.

use baton_itest::answers::{must_hold, must_recover};
use baton_itest::footprint::names_in;
use baton_itest::interrupted::{self, Call};
use baton_itest::kernel_locks::{inode, until_waiting_or};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, SCENES, Scene};
use baton_itest::skip::skip;
use baton_lock::{Held, Naming, Outcome};
use rustix::process::Signal;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;

/// What the next one has to be told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// Nobody died.
    Fresh,
    /// The one who was dead before has not been replaced.
    FirstDeath,
    /// The one who was killed had become the holder.
    ThisDeath,
}

/// By the calls that were made before the kill: a holder is who has given its record its name, until that is taken back.
fn told_after(scene: Scene, path: &Path, made: &[Call]) -> Told {
    let record = scene.record(path);
    let record = record.file_name().and_then(|name| name.to_str()).expect("a name");
    let namings = made.iter().filter(|call| call.gives_name(record)).count();
    let removals = made.iter().filter(|call| call.removes(&format!("{record}\""))).count();
    let displaced_is_removed = made.iter().any(|call| call.removes(".a.lock."));
    match (namings, removals, scene.left) {
        (0, _, Left::Dead | Left::DeadAncestor) => Told::FirstDeath,
        // It is still there under a temporary name. Its owner could live, for all the next one knows: judged again.
        (1, 0, Left::DeadAncestor) if !displaced_is_removed => Told::FirstDeath,
        (1, 0, _) => Told::ThisDeath,
        // Never named; or removed in default naming, named a second time, as released, in flock naming.
        (0 | 2, ..) | (_, 1, _) => Told::Fresh,
        _ => panic!("{made:?}"),
    }
}

fn token_of(answer: Option<&serde_json::Value>) -> u64 {
    answer.and_then(|answer| answer["held"]["token"].as_u64()).unwrap_or(0)
}

fn told(held: &Held, first: Option<u32>, victim: u32) -> Told {
    match held.outcome() {
        Outcome::Fresh => Told::Fresh,
        Outcome::Recovered(previous) => match previous.as_ref().expect("a readable record").pid {
            pid if pid == victim => Told::ThisDeath,
            pid if Some(pid) == first => Told::FirstDeath,
            pid => panic!("nobody knows pid {pid}"),
        },
    }
}

/// Kills a puppet before one of its calls, and perhaps deletes the guard after that; looks at what the next one finds, and that nothing is left after one that recovers.
fn one_death(scene: Scene, calls: &[Call], nth: usize, guard_is_deleted: bool) {
    let (place, call) = (temporary(), &calls[nth]);
    let path = place.path().join("a.lock");
    let (first, lock) = (scene.set(&path), scene.lock(&path));
    let mut victim = Puppet::start(call.killing(&scene.puppet(&path), place.path()));
    let pid = victim.pid();
    let acquired = victim.tell_and_see("try");
    assert_eq!(victim.tell_and_see("release"), None, "it survived: {scene:?}, {call:?}");
    assert_eq!(victim.ended().signal(), Some(Signal::KILL.as_raw()), "{scene:?}, {call:?}");
    if guard_is_deleted {
        // There is none yet at the first calls of all.
        let _ = fs::remove_file(scene.guard(&path));
    }
    let held = must_hold(&lock);
    assert_eq!(told(&held, first, pid), told_after(scene, &path, &calls[..nth]), "{scene:?}, {call:?}");
    assert!(held.token() > token_of(acquired.as_ref()), "{scene:?}, {call:?}");
    held.abandon();
    must_recover(&lock).0.release().expect("released");
    let left: &[&str] = match scene.naming {
        Naming::Flock => &["a.lock", "a.lock.holder"],
        _ => &["a.lock.guard"],
    };
    assert_eq!(names_in(place.path()), left, "{scene:?}, {call:?}");
}

/// Hands the lock on, to a waiter that waits in the kernel's queue, or has died on its way there.
fn hand_on(mut holder: Puppet, guard: &Path, is_killed: bool, is_dead: impl Fn() -> bool) {
    until_waiting_or(inode(guard), 1, is_dead);
    if is_killed { holder.kill() } else { drop(holder.tell("release")) }
}

/// Kills a waiter before one of its calls; looks at what the next one finds, and that nothing is left after one that recovers.
fn one_waiters_death(scene: Scene, calls: &[Call], nth: usize, is_killed: bool) {
    let (place, call) = (temporary(), &calls[nth]);
    let path = place.path().join("a.lock");
    let (holder, held_before) = scene.holding(&path);
    let first = is_killed.then(|| holder.pid());
    let mut victim = Puppet::start(call.killing(&scene.puppet(&path), place.path()));
    let pid = victim.pid();
    drop(victim.tell_and_see("lock"));
    hand_on(holder, &scene.guard(&path), is_killed, || victim.is_done());
    let acquired = victim.answer();
    assert_eq!(victim.tell_and_see("release"), None, "it survived: {scene:?}, {call:?}");
    assert_eq!(victim.ended().signal(), Some(Signal::KILL.as_raw()), "{scene:?}, {call:?}");
    let held = must_hold(&scene.lock(&path));
    let before = Scene { left: if is_killed { Left::Dead } else { Left::Released }, ..scene };
    assert_eq!(told(&held, first, pid), told_after(before, &path, &calls[..nth]), "{scene:?}, {call:?}");
    assert!(
        held.token() > token_of(acquired.as_ref()).max(token_of(Some(&held_before))),
        "{scene:?}, {call:?}"
    );
    held.abandon();
    must_recover(&scene.lock(&path)).0.release().expect("released");
    let left: &[&str] = match scene.naming {
        Naming::Flock => &["a.lock", "a.lock.holder"],
        _ => &["a.lock.guard"],
    };
    assert_eq!(names_in(place.path()), left, "{scene:?}, {call:?}");
}

#[test]
fn waiter_that_dies_at_any_call_leaves_the_lock_to_the_next_one_and_the_story_with_it() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    let scenes = [Naming::Record, Naming::Flock].map(|naming| Scene { naming, left: Left::Nothing });
    for (scene, is_killed) in scenes.into_iter().flat_map(|scene| [(scene, false), (scene, true)]) {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, guard) = (scene.holding(&path).0, scene.guard(&path));
        let calls = thread::scope(|scope| {
            scope.spawn(|| hand_on(holder, &guard, is_killed, || false));
            interrupted::rehearse(&scene.puppet(&path), place.path(), &["lock", "release"])
        });
        let record = scene.record(&path);
        let record = record.file_name().and_then(|name| name.to_str()).expect("a name");
        let becomes = if is_killed || scene.naming == Naming::Flock {
            format!(".{record}.")
        } else {
            format!("{record}\"")
        };
        assert!(
            calls.iter().any(|call| call.moves("a.lock.queue", &becomes)),
            "a ticket becomes the record in {calls:?}"
        );
        for nth in 0..calls.len() {
            one_waiters_death(scene, &calls, nth, is_killed);
        }
    }
}

fn die_at_every_call(naming: Naming) {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    for scene in SCENES.into_iter().filter(|scene| scene.naming == naming) {
        let place = temporary();
        let path = place.path().join("a.lock");
        scene.set(&path);
        let calls = interrupted::rehearse(&scene.puppet(&path), place.path(), &["try", "release"]);
        assert!(calls.len() > 8, "acquiring and releasing takes more calls than {calls:?}");
        for nth in 0..calls.len() {
            one_death(scene, &calls, nth, false);
            one_death(scene, &calls, nth, true);
        }
    }
}

#[test]
fn who_dies_at_any_call_leaves_the_lock_to_the_next_one_and_the_story_with_it() {
    die_at_every_call(Naming::Record);
}

#[test]
fn who_dies_at_any_call_in_flock_naming_leaves_the_lock_to_the_next_one_and_the_story_with_it() {
    die_at_every_call(Naming::Flock);
}
