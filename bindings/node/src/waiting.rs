//! Waiting and looking, on a thread of its own for each waiter, so that the event loop goes on and libuv's four threads stay free.
//!
//! The thread sleeps in the kernel until it has the lock, its time is over, or it is given up. Then it settles a promise, which is the
//! one thing that keeps the process alive meanwhile.
//!
//! Nobody may be left to take what was waited for: the environment ended (a worker was terminated), or the signal was aborted just
//! then. [`Undelivered`] undoes such a hold, so that the next one is told what this one would have been told.
//!
//! W waits … environment ends: [`Waiter`] is dropped, W is given up, and finds no promise.
//! W has the lock … environment ends … W settles: no promise any more, `Undelivered` is dropped.
//! W settles … environment ends before the promise is resolved: napi drops the resolver, and with it `Undelivered`.

use std::thread;

use baton_lock::{Attempt, Cancel, Error, Lock};
use napi::Env;
use napi::bindgen_prelude::Object;
use napi_derive::napi;

use crate::attempt::{self, Look, Patience};
use crate::failure;
use crate::options::{self, Directory, LockOptions};

/// One who waits; dropped, the wait is given up.
#[napi]
#[derive(Debug)]
pub struct Waiter {
    /// `None` once the wait is over: its descriptor is not to wait for a garbage collection.
    cancel: Option<Cancel>,
}

#[napi]
impl Waiter {
    /// One that has not been given up.
    ///
    /// # Errors
    ///
    /// If there is no descriptor to be had.
    #[napi(constructor)]
    pub fn new() -> napi::Result<Self> {
        let cancel = Cancel::new().map_err(|error| failure::of_lock(&error))?;
        Ok(Self { cancel: Some(cancel) })
    }

    /// Gives the wait up, if it is not over.
    #[napi]
    pub fn cancel(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel.cancel();
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Acquires a lock away from the event loop. `patience` is for how long to wait, in milliseconds: without it for as long as it takes.
/// The promise is of a hold, or of who has the lock, as JSON.
///
/// # Errors
///
/// If there is no thread to be had. Whatever else fails rejects the promise.
#[napi]
pub fn lock<'env>(
    env: &'env Env,
    lock: String,
    options: Option<LockOptions>,
    patience: Option<f64>,
    waiter: &Waiter,
) -> napi::Result<Object<'env>> {
    let cancel = waiter.cancel.clone().ok_or_else(|| failure::misuse("the wait is over"))?;
    let (deferred, promise) = env.create_deferred()?;
    let wait = move || {
        let attempt =
            options::open(&lock, options, Directory::Made).map(|lock| wait(&lock, patience, &cancel));
        match attempt {
            Ok(attempt) => {
                let undelivered = Undelivered(Some(attempt));
                deferred.resolve(move |_| undelivered.deliver());
            }
            Err(error) => deferred.reject(error),
        }
    };
    spawn(wait)?;
    Ok(promise)
}

/// What state a lock is in, as the promise of JSON: the processes of a large machine take a while to be looked at.
///
/// # Errors
///
/// If there is no thread to be had. Whatever else fails rejects the promise.
#[napi]
pub fn status(env: &Env, lock: String, options: Option<LockOptions>) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    spawn(move || match attempt::observe(&lock, options, Look::Thorough) {
        Ok(seen) => deferred.resolve(move |_| Ok(seen)),
        Err(error) => deferred.reject(error),
    })?;
    Ok(promise)
}

fn spawn(work: impl FnOnce() + Send + 'static) -> napi::Result<()> {
    let spawned = thread::Builder::new().name("baton-wait".to_owned()).spawn(work);
    spawned.map(drop).map_err(|error| failure::of_system("cannot start a thread for the lock", &error))
}

fn wait(lock: &Lock, patience: Option<f64>, cancel: &Cancel) -> Result<Attempt, Error> {
    match patience.map_or(Patience::Endless, Patience::of) {
        Patience::None => lock.try_lock(),
        Patience::Until(deadline) => lock.lock_cancellable(Some(deadline), cancel),
        Patience::Endless => lock.lock_cancellable(None, cancel),
    }
}

/// What a waiter got, until somebody takes it.
struct Undelivered(Option<Result<Attempt, Error>>);

impl Undelivered {
    fn deliver(mut self) -> napi::Result<attempt::Answer> {
        let attempt = self.0.take().ok_or_else(|| failure::misuse("delivered twice"))?;
        attempt::answer(attempt)
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(Ok(Attempt::Held(held))) = self.0.take() {
            held.undo();
        }
    }
}
