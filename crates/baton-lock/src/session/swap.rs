//! Compare and swap: a change that is made only if the session still is what somebody saw.
//!
//! For those who decide on a session that they read without its lock, a person in front of `baton session show` above all.

use super::error::Error;
use super::event::Event;
use super::model::Session;
use super::store::Store;
use crate::diagnosis::Observation;
use crate::lock::{Attempt, Held, Lock};

/// Under what a session is changed.
#[derive(Clone, Copy, Debug)]
pub enum Using<'a> {
    /// The lock that is held already.
    Held(&'a Held),
    /// The lock, which is taken without waiting and given back after.
    Lock(&'a Lock),
}

/// A session as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expected {
    /// Its id.
    pub session_id: String,
    /// Its revision.
    pub revision: u64,
}

impl Expected {
    /// This very session, unchanged.
    pub fn unchanged(session: &Session) -> Self {
        Self { session_id: session.session_id().to_owned(), revision: session.revision() }
    }

    /// Is it?
    pub fn matches(&self, session: &Session) -> bool {
        self.session_id == session.session_id() && self.revision == session.revision()
    }
}

/// How a compare and swap went.
#[derive(Clone, Debug)]
pub enum Swap {
    /// The session was as expected, and is now this.
    Updated(Box<Session>),
    /// The lock is not to be had.
    Busy(Box<Observation>),
    /// The session is not as expected; it was left alone. `None` if there is none.
    Mismatch(Option<Box<Session>>),
}

impl Store {
    /// Applies `events` by one write, if the session is as `expected`. A session that is not there is not as expected.
    ///
    /// # Errors
    ///
    /// As [`Store::open`] and [`Writer::apply_all`](super::Writer::apply_all); [`Error::File`] also for a lock that can't be
    /// asked for.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use baton_lock::Lock;
    /// use baton_lock::session::{Event, Expected, Store, Swap, Using};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Store::named("deploy")?;
    /// let Some(seen) = store.load()? else { return Ok(()) };
    /// let expected = Expected::unchanged(&seen);
    /// let lock = Lock::open(store.lock_path())?;
    /// let using = Using::Lock(&lock);
    /// match store.compare_and_swap(using, |now| expected.matches(now), [Event::step_reset("ship")])? {
    ///     Swap::Updated(session) => assert!(session.step_in_progress().is_none()),
    ///     Swap::Busy(holder) => eprintln!("{}", holder.reason()),
    ///     Swap::Mismatch(_) => eprintln!("somebody was faster"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn compare_and_swap(
        &self,
        using: Using<'_>,
        expected: impl FnOnce(&Session) -> bool,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Swap, Error> {
        match using {
            Using::Held(held) => self.swap(held, expected, events),
            Using::Lock(lock) => match lock.try_lock()? {
                Attempt::Busy(observation) => Ok(Swap::Busy(observation)),
                Attempt::Held(held) => {
                    let swapped = self.swap(&held, expected, events)?;
                    held.release()?;
                    Ok(swapped)
                }
            },
        }
    }

    fn swap(
        &self,
        held: &Held,
        expected: impl FnOnce(&Session) -> bool,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<Swap, Error> {
        let mut writer = self.open(held)?;
        match writer.session() {
            Some(session) if expected(session) => {
                let session = writer.apply_all(held, events)?;
                Ok(Swap::Updated(Box::new(session.clone())))
            }
            other => Ok(Swap::Mismatch(other.cloned().map(Box::new))),
        }
    }
}
