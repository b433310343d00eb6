//! What the library is expected to answer, one verb per answer; anything else fails the test with what was answered.

use baton_lock::{Attempt, Error, Held, Lock, Observation, Outcome, Record};

/// Acquires the lock, however it is got.
///
/// # Panics
///
/// When it is not to be had.
#[track_caller]
pub fn must_hold(lock: &Lock) -> Held {
    match lock.try_lock() {
        Ok(Attempt::Held(held)) => held,
        other => panic!("not held: {}", describe(other)),
    }
}

/// Acquires the lock from nobody.
///
/// # Panics
///
/// When it is not to be had, or recovered.
#[track_caller]
pub fn must_be_fresh(lock: &Lock) -> Held {
    let held = must_hold(lock);
    assert_eq!(*held.outcome(), Outcome::Fresh);
    held
}

/// Acquires the lock from a holder that did not end cleanly; with its record, where it left a readable one.
///
/// # Panics
///
/// When it is not to be had, or fresh.
#[track_caller]
pub fn must_recover(lock: &Lock) -> (Held, Option<Record>) {
    let held = must_hold(lock);
    let Outcome::Recovered(previous) = held.outcome() else { panic!("got it fresh") };
    let previous = previous.as_deref().cloned();
    (held, previous)
}

/// Finds the lock busy.
///
/// # Panics
///
/// When it is not.
#[track_caller]
pub fn must_be_busy(lock: &Lock) -> Box<Observation> {
    match lock.try_lock() {
        Ok(Attempt::Busy(holder)) => holder,
        other => panic!("not busy: {}", describe(other)),
    }
}

/// Is refused.
///
/// # Panics
///
/// When the lock is held or busy.
#[track_caller]
pub fn must_be_refused(lock: &Lock) -> Error {
    match lock.try_lock() {
        Err(error) => error,
        other => panic!("not refused: {}", describe(other)),
    }
}

fn describe(answer: Result<Attempt, Error>) -> String {
    match answer {
        Ok(Attempt::Held(held)) => format!("held with token {}, {:?}", held.token(), held.outcome()),
        Ok(Attempt::Busy(seen)) => format!("{:?}: {}", seen.state, seen.reason()),
        Err(error) => format!("{error:?}"),
    }
}
