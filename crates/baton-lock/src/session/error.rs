//! Everything that can go wrong with a session, each with the file concerned and the way out.
//!
//! None of it changes the file.

use std::path::{Path, PathBuf};

use super::document::{Fault, VERSION};
use super::event::IllegalTransition;
use crate::error::ErrorKind;
use crate::escape;

/// What went wrong with a session; its file is as it was.
///
/// The text is a lowercase fragment that names the file; the cause, where there is one, is the source, and
/// [`hint`](Error::hint) says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or its directory is unsafe, or a system call failed.
    #[error(transparent)]
    File(#[from] crate::Error),
    /// The file was written by a newer version of Baton.
    #[error(
        "session {} has version {version}, newer than the {VERSION} that this version of baton knows",
        escape::path(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The file can't be understood.
    #[error("session {} is corrupt{}: {}", escape::path(path), place_text(*place), escape::text(reason))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where, if it is at one place: byte (from 0), line and column (from 1, in bytes).
        place: Option<(usize, usize, usize)>,
        /// What is wrong.
        reason: String,
    },
    /// The file is none of Baton's sessions.
    #[error("{} is not a session: {reason}", escape::path(path))]
    NotASession {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: &'static str,
    },
    /// The session would be larger than it may be.
    #[error("session {} would have {size} bytes, more than the {limit} that it may have", escape::path(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// In bytes.
        size: usize,
        /// What it may have, in bytes.
        limit: usize,
    },
    /// The lock was lost and its next holder has written: whoever asks is no longer the runner.
    #[error(
        "session {} was written by token {written}, newer than token {held} of this holder, which has lost its lock",
        escape::path(path)
    )]
    StaleToken {
        /// The file.
        path: PathBuf,
        /// The token of this holder.
        held: u64,
        /// The token in the file.
        written: u64,
    },
    /// The lock was lost, and the session can't be shown to be nobody else's.
    #[error("the lock of session {} was lost: {reason}", escape::path(path))]
    LockLost {
        /// The file.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// The lock that is held is not the one of this session.
    #[error(
        "session {} is changed under lock {}, not {}",
        escape::path(path),
        escape::path(expected),
        escape::path(held)
    )]
    OtherLock {
        /// The session.
        path: PathBuf,
        /// Its lock.
        expected: PathBuf,
        /// The lock that is held.
        held: PathBuf,
    },
    /// Somebody has changed the file who does not hold the lock, or another writer of this holder has.
    #[error("session {} was changed by somebody else meanwhile", escape::path(path))]
    ChangedMeanwhile {
        /// The file.
        path: PathBuf,
    },
    /// The event can't happen to the session.
    #[error("the state of the session doesn't allow this")]
    Illegal(#[from] IllegalTransition),
    /// The text names no session.
    #[error("`{}` is not the name of a session: {reason}", escape::text(name))]
    InvalidName {
        /// The text.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

fn place_text(place: Option<(usize, usize, usize)>) -> String {
    place.map_or_else(String::new, |(offset, line, column)| {
        format!(" at byte {offset}, line {line}, column {column}")
    })
}

impl Error {
    pub(super) fn of_fault(fault: Fault, path: &Path) -> Self {
        let path = path.to_owned();
        match fault {
            Fault::Newer { version } => Self::Newer { path, version },
            Fault::Foreign { reason } => Self::NotASession { path, reason },
            Fault::Corrupt { place, reason } => {
                let place = place.map(|place| (place.offset, place.line, place.column));
                Self::Corrupt { path, place, reason }
            }
        }
    }

    /// Which family the error belongs to.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Newer { .. } | Self::Corrupt { .. } | Self::NotASession { .. } => ErrorKind::Content,
            Self::TooLarge { .. } | Self::ChangedMeanwhile { .. } => ErrorKind::Unsafe,
            Self::StaleToken { .. } | Self::LockLost { .. } => ErrorKind::Lost,
            Self::OtherLock { .. } | Self::Illegal(_) | Self::InvalidName { .. } => ErrorKind::Usage,
        }
    }

    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File(error) => return error.hint(),
            Self::Newer { .. } => {
                "it was left alone; use the version of baton that wrote it, or a newer one, or start afresh, which \
                 keeps it under another name"
            }
            Self::Corrupt { .. } => {
                "it was left alone; correct it by hand or put a copy back, or start afresh, which keeps it under \
                 another name"
            }
            Self::NotASession { .. } => "it was left alone; move it away, or choose another name for the job",
            Self::TooLarge { .. } => {
                "the session is as it was; publish shorter facts (the path of a file instead of its content), or \
                 split the plan"
            }
            Self::StaleToken { .. } | Self::LockLost { .. } => {
                "stop this runner: another one may be carrying the job on; `baton status` says who"
            }
            Self::ChangedMeanwhile { .. } => {
                "the file was left alone; only the holder of the lock may change it: find out what else does"
            }
            Self::OtherLock { .. } | Self::Illegal(_) => return None,
            Self::InvalidName { .. } => "a name has 1 to 100 of A-Z a-z 0-9 . _ - and no leading dot",
        };
        Some(hint.to_owned())
    }
}
