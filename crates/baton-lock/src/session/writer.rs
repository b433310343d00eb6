//! Changing a session: one event, or several together, one whole and durable file.
//!
//! **Fencing.** The file carries the token of who wrote it last. A holder that finds a newer one there has either lost its
//! lock to somebody who got a later token, or has its lock and the counter of tokens was lost (the guard deleted, the clock set
//! back). Its lock tells: not intact, and it is refused; intact, and nobody else can hold it, so it takes a token above the
//! file's and says so, [`Writer::counter_lost`].
//!
//! The file is not read again before each change: it stays open, and a look at its name tells whether it is still the one
//! that was read or written last. If it is not, it is read: by a later holder, refused; otherwise somebody else changed
//! it who should not have, and nothing is overwritten.

use super::document;
use super::error::Error;
use super::event::{Context, Event};
use super::file::not_lost;
use super::machine::next;
use super::model::Session;
use super::shelf::{Replaced, Shelf};
use super::store::{Store, understood};
use crate::clock;
use crate::lock::{Held, Integrity};
use crate::redact::Secrets;

/// Tokens stay below this, so that every JSON reader has them exactly.
const TOKEN_LIMIT: u64 = 1 << 53;

/// The counter of tokens was lost: the session had been written by a newer token than that of its lock's intact holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterLost {
    /// The token of the holder.
    pub held: u64,
    /// The token found in the file.
    pub written: u64,
    /// The token that the holder writes with instead.
    pub taken: u64,
}

/// A session that is open for changes by the holder of its lock.
///
/// # Crash safety
///
/// When [`apply`](Self::apply) returns, the new session is on disk and survives a power cut. Killed at any moment before, the
/// file holds the old session or the new one, whole.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    shelf: Box<dyn Shelf>,
    session: Option<Session>,
    /// The token of the holder whose changes these are.
    held: u64,
    /// The token that is written.
    token: u64,
    counter_lost: Option<CounterLost>,
    secrets: Secrets,
}

impl Writer {
    pub(super) fn open(store: &Store, shelf: Box<dyn Shelf>, held: &Held) -> Result<Self, Error> {
        let mut writer = Self {
            store: store.clone(),
            shelf,
            session: None,
            held: held.token(),
            token: held.token(),
            counter_lost: None,
            secrets: Secrets::default(),
        };
        writer.reload(held)?;
        Ok(writer)
    }

    /// The session as it is on disk; `None` if there is none yet.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The token that is written: the holder's, or a higher one after the counter was lost.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether the counter of tokens was found lost; to be told to the user, once.
    pub fn counter_lost(&self) -> Option<CounterLost> {
        self.counter_lost
    }

    /// Makes all later changes free of these values, whatever they look like.
    pub fn hide(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// Reads the file again.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; what was known before stays known.
    pub fn reload(&mut self, held: &Held) -> Result<(), Error> {
        self.check_holder(held)?;
        let bytes = self.shelf.read()?;
        let read = bytes.as_deref().map(|bytes| understood(bytes, self.store.path())).transpose()?;
        self.take_token(held, read.as_ref().map_or(0, Session::token))?;
        self.shelf.accept();
        self.session = read;
        Ok(())
    }

    /// Refuses a holder of another lock, and one that came before the holder whose changes these are.
    fn check_holder(&mut self, held: &Held) -> Result<(), Error> {
        self.store.check_lock(held)?;
        let token = held.token();
        if token < self.held {
            let path = self.store.path().to_owned();
            return Err(Error::StaleToken { path, held: token, written: self.held });
        }
        if token > self.held {
            (self.held, self.token) = (token, self.token.max(token));
        }
        Ok(())
    }

    /// Refuses a holder whom a later one has followed; gives an intact one whose counter was lost a token above the file's.
    fn take_token(&mut self, held: &Held, written: u64) -> Result<(), Error> {
        let known = self.token;
        if written <= known {
            return Ok(());
        }
        let taken = written.saturating_add(1);
        if held.verify()? != Integrity::Intact || taken >= TOKEN_LIMIT {
            let path = self.store.path().to_owned();
            return Err(Error::StaleToken { path, held: known, written });
        }
        self.token = taken;
        self.counter_lost = Some(CounterLost { held: held.token(), written, taken });
        Ok(())
    }

    /// Records one event: what it makes of the session is on disk when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::Illegal`] if the event can't happen; [`Error::TooLarge`]; [`Error::StaleToken`] and [`Error::LockLost`] if
    /// this holder is no longer the runner; [`Error::ChangedMeanwhile`]; [`Error::File`] for a full disk, a limit, a
    /// directory that can't be written to. The file and [`session`](Self::session) are as they were. Only if the directory
    /// can't be synced (its action says `make durable`) they have changed, and a power cut may take that back.
    pub fn apply(&mut self, held: &Held, event: Event) -> Result<&Session, Error> {
        self.apply_all(held, [event])
    }

    /// Records several events by one write: all of them or none, at the cost of one.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply); also for no event at all where there is no session.
    pub fn apply_all(
        &mut self,
        held: &Held,
        events: impl IntoIterator<Item = Event>,
    ) -> Result<&Session, Error> {
        self.check_holder(held)?;
        let context = Context { at: clock::now(), secrets: &self.secrets };
        let mut changed: Option<Session> = None;
        for mut event in events {
            self.stamp(&mut event);
            changed = Some(next(changed.as_ref().or(self.session.as_ref()), &event, &context)?);
        }
        if let Some(session) = changed {
            self.write(held, session)?;
        }
        self.session.as_ref().ok_or_else(|| super::IllegalTransition::NoSession.into())
    }

    /// An attempt has the token that is written.
    fn stamp(&self, event: &mut Event) {
        if let Event::FreshStart { begin, .. } | Event::AttemptBegun(begin) = event {
            begin.actor.token = self.token;
        }
    }

    fn write(&mut self, held: &Held, mut session: Session) -> Result<(), Error> {
        session.token = self.token;
        session.revision = self.session.as_ref().map_or(0, Session::revision).saturating_add(1);
        let written = document::written(&session);
        let (size, limit) = (written.len(), self.shelf.limit());
        if size > limit {
            return Err(Error::TooLarge { path: self.store.path().to_owned(), size, limit });
        }
        let parts = written.parts();
        let replaced = match self.shelf.replace(held, &parts)? {
            Replaced::Changed => self.explain(held, &parts)?,
            done => done,
        };
        let durable = match replaced {
            Replaced::Done => Ok(()),
            Replaced::NotDurable(error) => Err(error),
            Replaced::Changed => return Err(self.changed_meanwhile()),
        };
        self.session = Some(session);
        durable
    }

    /// What is there is not what was to be replaced.
    fn explain(&mut self, held: &Held, parts: &[&[u8]]) -> Result<Replaced, Error> {
        let Some(found) = self.shelf.read()? else {
            // Somebody deleted it. What it said is known here.
            not_lost(held, self.store.path())?;
            self.shelf.accept();
            return self.shelf.replace(held, parts);
        };
        let found = understood(&found, self.store.path())?;
        if found.token() > self.token && held.verify()? != Integrity::Intact {
            let path = self.store.path().to_owned();
            return Err(Error::StaleToken { path, held: self.token, written: found.token() });
        }
        Err(self.changed_meanwhile())
    }

    fn changed_meanwhile(&self) -> Error {
        Error::ChangedMeanwhile { path: self.store.path().to_owned() }
    }
}
