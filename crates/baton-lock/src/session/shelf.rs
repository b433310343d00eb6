//! What keeps the bytes of a session, so that what they mean is the same wherever that is.
//!
//! Reading needs no lock. Changing takes the lock's holder, and replaces what the holder has read or written last, and nothing else;
//! what of that is made sure by whom differs. In a directory the file stays open and its name is looked at. A store that knows
//! transactions compares, in the one that writes, the holder's own key too: there a holder that has lost the lock can't write,
//! whatever it believes.

use std::fmt::Debug;
use std::path::PathBuf;

use super::error::Error;
use crate::lock::Held;

/// Where the bytes of one session are kept.
pub trait Keeper: Debug + Send + Sync {
    /// Reads them; `None` if there are none.
    ///
    /// # Errors
    ///
    /// If they can't be read or are refused unread. Never is that answered by `None`.
    fn read(&self) -> Result<Option<Vec<u8>>, Error>;

    /// Is anything there, readable or not?
    ///
    /// # Errors
    ///
    /// If that can't be told.
    fn is_there(&self) -> Result<bool, Error>;

    /// Opens them for changes by the holder of the session's lock, who has been made sure of.
    ///
    /// # Errors
    ///
    /// If nothing could be written there.
    fn open(&self, held: &Held) -> Result<Box<dyn Shelf>, Error>;

    /// Gives the session, whatever it is, another name, which is returned; `None` if there is none. Durable.
    ///
    /// # Errors
    ///
    /// If it can't be done; [`Error::LockLost`] if `held` is not known to be exclusive any more.
    fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, Error>;

    /// Removes the session, whatever it is; `false` if there is none. Durable.
    ///
    /// # Errors
    ///
    /// As [`set_aside`](Self::set_aside).
    fn remove(&self, held: &Held) -> Result<bool, Error>;
}

/// The bytes of one session, open for changes.
pub trait Shelf: Debug + Send + Sync {
    /// Reads what is there now; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// As [`Keeper::read`].
    fn read(&mut self) -> Result<Option<Vec<u8>>, Error>;

    /// Makes what was read last, nothing included, the one that the next [`replace`](Self::replace) is to replace.
    fn accept(&mut self);

    /// Writes in place of what was accepted or written last, if that is still what is there. The bytes are those of the parts, one behind
    /// the other; how they are divided means nothing.
    ///
    /// # Errors
    ///
    /// If nothing could be written; [`Error::LockLost`] if `held` is known to be lost.
    fn replace(&mut self, held: &Held, parts: &[&[u8]]) -> Result<Replaced, Error>;

    /// The most bytes that can be kept there.
    fn limit(&self) -> usize;
}

/// How replacing went.
#[derive(Debug)]
pub enum Replaced {
    /// The new bytes are there and survive a power cut.
    Done,
    /// They are there; a power cut may take that back. Why.
    NotDurable(Error),
    /// Something else is there than what was to be replaced. It was left alone.
    Changed,
}
