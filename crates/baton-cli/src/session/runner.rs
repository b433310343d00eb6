//! Who runs a job now: asked of its lock, disturbing nobody.
//!
//! The session alone can't tell a runner from one that was killed; the lock can.

use baton_lock::session::Attempt;
use baton_lock::{Observation, State};
use serde_json::{Value, json};

use super::place::Place;
use crate::failure::Failure;
use crate::json;

/// Who has the lock of a job.
#[derive(Clone, Debug)]
pub(super) enum Runner {
    Nobody,
    Somebody(Box<Observation>),
    /// It can't be told; why.
    Unknown(String),
}

impl Runner {
    /// Looks at the lock of a session.
    pub(super) fn of(place: &Place) -> Self {
        match place.lock.observe() {
            Ok(seen) => Self::as_seen(seen),
            Err(error) => Self::Unknown(Failure::from(error).message),
        }
    }

    fn as_seen(seen: Observation) -> Self {
        match seen.state {
            State::Free | State::LeftOver => Self::Nobody,
            State::Unsafe { reason } | State::NotALockFile { reason } => Self::Unknown(reason),
            _ => Self::Somebody(Box::new(seen)),
        }
    }

    /// Is it this very attempt? Somebody else may have the lock and not have begun one, as `reset` does. After a loss of the
    /// counter of tokens, an attempt has a higher one than its lock.
    pub(super) fn is(&self, attempt: &Attempt) -> bool {
        let Self::Somebody(seen) = self else { return false };
        seen.record.as_ref().is_none_or(|record| match record.token() {
            Some(token) if token < attempt.token => record.pid == attempt.pid,
            token => token == Some(attempt.token),
        })
    }

    /// Who it is, in one line; escaped.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::Unknown(why) => format!("it can't be told: {why}"),
            Self::Somebody(seen) => {
                let record = seen.record.as_ref().map(baton_lock::Record::summary);
                let process = || seen.processes.first().map(baton_lock::Process::summary);
                record.or_else(process).unwrap_or_else(|| seen.reason())
            }
        }
    }

    /// `null` if it can't be told.
    pub(super) fn is_running(&self) -> Value {
        match self {
            Self::Nobody => false.into(),
            Self::Somebody(_) => true.into(),
            Self::Unknown(_) => Value::Null,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Nobody => Value::Null,
            Self::Somebody(seen) => json::observation(seen),
            Self::Unknown(why) => json!({ "reason": why }),
        }
    }
}
