//! What `run` holds: the lock alone, or along with others who share it (`--shared`).
//!
//! A reader leaves nothing half done, so that all its ends are one: it is released.

use std::os::fd::BorrowedFd;
use std::process::Command;

use baton_lock::{Error, Held, HeldShared, Integrity, Outcome};

use crate::json::Got;

/// A lock that is held.
#[derive(Debug)]
pub(super) enum Hold {
    Alone(Held),
    Shared(HeldShared),
}

impl Hold {
    /// What can be said of it.
    pub(super) fn got(&self) -> Got<'_> {
        match self {
            Self::Alone(held) => held.into(),
            Self::Shared(held) => held.into(),
        }
    }

    pub(super) fn outcome(&self) -> &Outcome {
        match self {
            Self::Alone(held) => held.outcome(),
            Self::Shared(held) => held.outcome(),
        }
    }

    /// What can be lost while its job runs is never shared.
    pub(super) fn alone(&self) -> Option<&Held> {
        match self {
            Self::Alone(held) => Some(held),
            Self::Shared(_) => None,
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    pub(super) fn verify(&self) -> Result<Integrity, Error> {
        match self {
            Self::Alone(held) => held.verify(),
            Self::Shared(held) => held.verify(),
        }
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Alone(held) => held.descriptors(),
            Self::Shared(held) => held.descriptors(),
        }
    }

    pub(super) fn hand_to(&self, command: &mut Command) {
        match self {
            Self::Alone(held) => held.hand_to(command),
            Self::Shared(held) => held.hand_to(command),
        }
    }

    pub(super) fn release(self) -> Result<(), Error> {
        match self {
            Self::Alone(held) => held.release(),
            Self::Shared(held) => held.release(),
        }
    }

    /// Uncleanly, if it is held alone.
    pub(super) fn abandon(self) {
        match self {
            Self::Alone(held) => held.abandon(),
            Self::Shared(held) => drop(held),
        }
    }

    /// As if it had never been acquired.
    pub(super) fn undo(self) {
        match self {
            Self::Alone(held) => held.undo(),
            Self::Shared(held) => drop(held),
        }
    }
}
