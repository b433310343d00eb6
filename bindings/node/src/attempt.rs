//! Trying and looking, on the caller's own thread.

use std::time::{Duration, Instant};

use baton_lock::{Attempt, Lock};
use napi::bindgen_prelude::Either;
use napi_derive::napi;

use crate::hold::NativeHold;
use crate::options::{self, Directory, LockOptions};
use crate::{failure, json};

/// A hold, or who has the lock, as JSON.
pub(crate) type Answer = Either<NativeHold, String>;

/// Acquires a lock on the caller's thread. `patience` is for how long to wait, in milliseconds: without it for as long as it takes.
///
/// # Errors
///
/// If the lock can't be had whoever holds it.
#[napi]
pub fn lock_sync(lock: String, options: Option<LockOptions>, patience: Option<f64>) -> napi::Result<Answer> {
    let lock = options::open(&lock, options, Directory::Made)?;
    answer(acquire(&lock, patience))
}

/// What state a lock is in, as JSON. Disturbs nobody.
///
/// # Errors
///
/// If it can't be looked at.
#[napi]
pub fn status_sync(lock: String, options: Option<LockOptions>) -> napi::Result<String> {
    observe(&lock, options, Look::Thorough)
}

/// The same without a look at the processes, which is cheaper.
///
/// # Errors
///
/// As [`status_sync`].
#[napi]
pub fn glance_sync(lock: String, options: Option<LockOptions>) -> napi::Result<String> {
    observe(&lock, options, Look::Brief)
}

/// How much of the machine is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Brief,
    Thorough,
}

pub(crate) fn observe(lock: &str, options: Option<LockOptions>, look: Look) -> napi::Result<String> {
    let lock = options::open(lock, options, Directory::Left)?;
    let seen = match look {
        Look::Brief => lock.glance(),
        Look::Thorough => lock.observe(),
    };
    seen.map(|seen| json::observation(&seen)).map_err(|error| failure::of_lock(&error))
}

fn acquire(lock: &Lock, patience: Option<f64>) -> Result<Attempt, baton_lock::Error> {
    match patience.map(Patience::of) {
        Some(Patience::None) => lock.try_lock(),
        Some(Patience::Until(deadline)) => lock.lock_until(deadline),
        Some(Patience::Endless) | None => lock.lock().map(Attempt::Held),
    }
}

pub(crate) fn answer(attempt: Result<Attempt, baton_lock::Error>) -> napi::Result<Answer> {
    match attempt {
        Ok(Attempt::Held(held)) => Ok(Either::A(NativeHold::new(held))),
        Ok(Attempt::Busy(seen)) => Ok(Either::B(json::observation(&seen))),
        Err(error) => Err(failure::of_lock(&error)),
    }
}

/// For how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// From milliseconds; more than a clock can count is endless.
    pub(crate) fn of(milliseconds: f64) -> Self {
        if milliseconds <= 0.0 {
            return Self::None;
        }
        let patience = Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        deadline.map_or(Self::Endless, Self::Until)
    }
}
