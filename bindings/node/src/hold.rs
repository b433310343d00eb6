//! A lock that is held, and the ways in which that ends.
//!
//! JavaScript keeps every hold reachable until it is released, so that no garbage collection ever ends one. If this value is
//! dropped with its lock all the same, its environment was torn down in the middle of the work: a worker was terminated, say. Then
//! the end is unclean, and the next holder is told *recovered*.
//!
//! A change of a session runs JavaScript while it holds the lock, and that may release it: the change has a share in it until it is
//! done, and whoever has the last one ends it.

use std::rc::Rc;

use baton_lock::{Held, Outcome};
use napi_derive::napi;

use crate::{failure, json};

/// A lock that is held, or was.
#[napi]
#[derive(Debug)]
pub struct NativeHold {
    held: Option<Rc<Held>>,
}

impl NativeHold {
    pub(crate) fn new(held: Held) -> Self {
        Self { held: Some(Rc::new(held)) }
    }

    /// A share in the lock.
    pub(crate) fn share(&self) -> napi::Result<Rc<Held>> {
        self.held().map(Rc::clone)
    }

    fn held(&self) -> napi::Result<&Rc<Held>> {
        self.held.as_ref().ok_or_else(|| failure::misuse("the lock was released already"))
    }

    fn take(&mut self) -> napi::Result<Rc<Held>> {
        self.held.take().ok_or_else(|| failure::misuse("the lock was released already"))
    }

    /// Takes what nobody else has a share in.
    fn take_alone(&mut self) -> napi::Result<Held> {
        Rc::try_unwrap(self.take()?).map_err(|shared| {
            self.held = Some(shared);
            failure::misuse("the lock is in use by a change of its session")
        })
    }
}

#[napi]
impl NativeHold {
    /// The fencing token, which is below 2^53.
    #[napi]
    pub fn token(&self) -> napi::Result<i64> {
        i64::try_from(self.held()?.token())
            .map_err(|_| failure::misuse("the token is no number in JavaScript"))
    }

    /// Was it got from a holder that did not end cleanly?
    #[napi]
    pub fn is_recovered(&self) -> napi::Result<bool> {
        Ok(matches!(self.held()?.outcome(), Outcome::Recovered(_)))
    }

    /// The record of that holder, as JSON.
    #[napi]
    pub fn previous(&self) -> napi::Result<Option<String>> {
        Ok(match self.held()?.outcome() {
            Outcome::Recovered(Some(record)) => Some(record.to_json()),
            Outcome::Recovered(None) | Outcome::Fresh => None,
        })
    }

    /// The record by which others know this holder, as JSON.
    #[napi]
    pub fn record(&self) -> napi::Result<String> {
        Ok(self.held()?.record().to_json())
    }

    /// The lock's absolute path.
    #[napi]
    pub fn path(&self) -> napi::Result<String> {
        Ok(self.held()?.path().to_string_lossy().into_owned())
    }

    /// Whether its files are still what was locked, as JSON.
    #[napi]
    pub fn verify(&self) -> napi::Result<String> {
        let integrity = self.held()?.verify().map_err(|error| failure::of_lock(&error))?;
        Ok(json::integrity(&integrity))
    }

    /// Ends the hold cleanly; if somebody has a share in it, once that is dropped.
    #[napi]
    pub fn release(&mut self) -> napi::Result<()> {
        let Some(held) = Rc::into_inner(self.take()?) else { return Ok(()) };
        held.release().map_err(|error| failure::of_lock(&error))
    }

    /// Ends it uncleanly: the next holder is told *recovered*.
    #[napi]
    pub fn abandon(&mut self) -> napi::Result<()> {
        self.take_alone()?.abandon();
        Ok(())
    }

    /// Ends it as if it had never been.
    #[napi]
    pub fn undo(&mut self) -> napi::Result<()> {
        self.take_alone()?.undo();
        Ok(())
    }
}

impl Drop for NativeHold {
    fn drop(&mut self) {
        if let Some(held) = self.held.take().and_then(Rc::into_inner) {
            held.abandon();
        }
    }
}
