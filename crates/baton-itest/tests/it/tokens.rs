//! Tokens grow (I4), whichever one of these is lost: the guard, the record, the clock.
//!
//! History: a lock whose counter lives in one file starts again when that is deleted or emptied by a power cut, and one that is made
//! of the clock alone falls when the clock is set back. A clock set back is played here by a token from the future.

use baton_itest::answers::{must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::handwritten::{put, put_record};
use baton_itest::places::temporary;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Error, Lock, Naming};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const RECORD: Scene = Scene { naming: Naming::Record, left: Left::Nothing };
const FLOCK: Scene = Scene { naming: Naming::Flock, left: Left::Nothing };
const YEAR: Duration = Duration::from_hours(24 * 365);

fn new_lock(scene: Scene) -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = scene.lock(&path);
    (place, path, lock)
}

/// The token of one who holds it and ends cleanly.
fn next_token(lock: &Lock) -> u64 {
    let held = must_hold(lock);
    let token = held.token();
    held.release().expect("released");
    token
}

/// The clock, that far ahead, as tokens have it.
fn ahead(time: Duration) -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") + time;
    u64::try_from(time.as_micros()).expect("it fits")
}

fn guard_with(token: u64) -> String {
    format!("baton guard, last token {token:020}\n")
}

fn set_token_in(record: &Path, token: u64) {
    let mut content: Value = serde_json::from_slice(&fs::read(record).expect("there")).expect("JSON");
    content["baton"]["token"] = json!(token);
    put_record(record, &content);
}

#[test]
fn token_is_at_least_the_clock_and_grows_with_each_acquisition() {
    for scene in [RECORD, FLOCK] {
        let (_place, _, lock) = new_lock(scene);
        let mut last = ahead(Duration::ZERO) - 1;
        for _ in 0..100 {
            let token = next_token(&lock);
            assert!(token > last);
            last = token;
        }
        assert!(last <= ahead(Duration::ZERO), "the clock is enough where nothing is lost");
    }
}

#[test]
fn token_grows_when_the_guard_is_deleted_or_emptied_between_two_acquisitions() {
    let losses: [fn(&Path); 4] = [
        |guard| fs::remove_file(guard).expect("deleted"),
        // What a power cut leaves of a file that was just written.
        |guard| put(guard, ""),
        |guard| put(guard, [0; 45]),
        |guard| put(guard, &guard_with(1)[..30]),
    ];
    for lose in losses {
        let (_place, path, lock) = new_lock(RECORD);
        let token = next_token(&lock);
        lose(&RECORD.guard(&path));
        let held = must_be_fresh(&lock);
        assert!(held.token() > token);
        let stored = fs::read_to_string(RECORD.guard(&path)).expect("readable");
        assert_eq!(stored, guard_with(held.token()));
        held.release().expect("released");
    }
}

#[test]
fn token_grows_when_the_clock_is_set_back() {
    let (_place, path, lock) = new_lock(RECORD);
    let future = ahead(YEAR);
    put(&RECORD.guard(&path), guard_with(future));
    assert_eq!([next_token(&lock), next_token(&lock)], [future + 1, future + 2]);
}

/// Of the guard and the clock, that is; the dead holder's record has it still.
#[test]
fn token_grows_when_two_are_lost_but_a_dead_record_is_there() {
    for lose in [|guard: &Path| fs::remove_file(guard).expect("deleted"), |guard: &Path| put(guard, "")] {
        let (_place, path, lock) = new_lock(RECORD);
        must_be_fresh(&lock).abandon();
        let future = ahead(YEAR);
        set_token_in(&path, future);
        lose(&RECORD.guard(&path));
        let (held, _) = must_recover(&lock);
        assert_eq!(held.token(), future + 1);
        held.release().expect("released");
        assert_eq!(next_token(&lock), future + 2, "the guard knows it by now");
    }
}

/// There the guard is the user's, and says nothing: the record keeps the token.
#[test]
fn token_of_flock_naming_grows_through_the_released_record() {
    let (_place, path, lock) = new_lock(FLOCK);
    next_token(&lock);
    let future = ahead(YEAR);
    set_token_in(&FLOCK.record(&path), future);
    assert_eq!([next_token(&lock), next_token(&lock)], [future + 1, future + 2]);
    fs::remove_file(&path).expect("the guard may go, too");
    assert_eq!(next_token(&lock), future + 3);
}

#[test]
fn token_of_flock_naming_grows_when_the_record_is_deleted() {
    let (_place, path, lock) = new_lock(FLOCK);
    let token = next_token(&lock);
    fs::remove_file(FLOCK.record(&path)).expect("deleted");
    assert!(next_token(&lock) > token);
}

/// A number that no token can have is no guard's, and after the last one the lock is refused, not given with a token that is no larger.
#[test]
fn token_never_leaves_the_numbers_that_every_reader_has_exactly() {
    let (_place, path, lock) = new_lock(RECORD);
    let guard = RECORD.guard(&path);
    put(&guard, guard_with(1 << 53));
    assert!(matches!(must_be_refused(&lock), Error::NotALockFile { .. }));
    put(&guard, guard_with((1 << 53) - 2));
    assert_eq!(next_token(&lock), (1 << 53) - 1);
    assert!(matches!(must_be_refused(&lock), Error::NotALockFile { .. }));
}
