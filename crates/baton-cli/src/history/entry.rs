//! One line of the history: what happened, in which attempt, and when.
//!
//! The members are what `docs/session.md` lists. Only ever are members and events added while `schema` is 1; a reader
//! ignores members that it doesn't know and skips lines whose event it doesn't know.

use std::time::SystemTime;

use baton_lock::clock;
use baton_lock::session::{AttemptOutcome, Purpose};
use serde::{Deserialize, Serialize};

use crate::json::SCHEMA;

/// A line of the history, and an object of `baton apply --json`.
///
/// # Examples
///
/// ```
/// use baton_cli::history::{Entry, Event};
/// let entry = Entry::now(3, Event::StepUndone { step: "build".into() });
/// let line = serde_json::to_string(&entry).expect("JSON");
/// assert!(line.ends_with(r#""attempt":3,"event":"step_undone","step":"build"}"#), "{line}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the members: 1.
    pub schema: u32,
    /// When: ISO-8601, UTC, milliseconds.
    pub at: String,
    /// The number of the attempt, as in the session.
    pub attempt: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// Something that happens now.
    pub fn now(attempt: u64, event: Event) -> Self {
        Self { schema: SCHEMA, at: clock::format(SystemTime::now()), attempt, event }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Event {
    /// A runner has the lock and begins.
    AttemptBegun {
        /// What for: `apply`, `rerun`, `undo`.
        purpose: Purpose,
        /// How it got the lock: `fresh`, or `recovered` from a runner that died.
        outcome: AttemptOutcome,
        /// The fencing token of its lock.
        token: u64,
        /// The runner's process id, in its own pid namespace.
        pid: u32,
        /// Its host, if known.
        host: Option<String>,
        /// Its user, if known.
        user: Option<String>,
        /// The plan's absolute path.
        plan: String,
        /// The id of the session; another one means that the job was started afresh.
        session: String,
        /// The ids of the plan's steps, in order.
        steps: Vec<String>,
    },
    /// A step is about to run.
    StepStarted {
        /// Its id.
        step: String,
        /// Which try in this attempt, from 1.
        #[serde(rename = "try")]
        number: u32,
        /// Why it runs, for people.
        reason: String,
    },
    /// A step ended well.
    StepCompleted {
        /// Its id.
        step: String,
        /// How that is known.
        how: How,
        /// How long it took, in milliseconds; 0 if it did not run.
        duration_ms: u64,
    },
    /// A step failed; another `step_started` of the same attempt may follow.
    StepFailed {
        /// Its id.
        step: String,
        /// Why: redacted, at most 240 characters.
        message: String,
        /// From inside or outside.
        cause: FailureCause,
        /// The exit code of its command, if it had one.
        exit_code: Option<i32>,
        /// The signal that ended its command, if one did.
        signal: Option<i32>,
        /// Which try in this attempt, from 1.
        #[serde(rename = "try")]
        number: u32,
    },
    /// A step was found not to apply.
    StepSkipped {
        /// Its id.
        step: String,
        /// Why, for people.
        reason: String,
    },
    /// What a step did was taken back.
    StepUndone {
        /// Its id.
        step: String,
    },
    /// The runner ends, in its own words. One that is killed never says so.
    AttemptEnded {
        /// How.
        end: Ended,
        /// The exit code of `baton`.
        exit_code: u8,
    },
}

/// How it is known that a step is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Its command ran and ended well.
    Ran,
    /// Its check found its effect, though it was never seen to end.
    Check,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// By itself.
    Error,
    /// Its time was over.
    Timeout,
    /// Its runner was told to stop.
    Interrupted,
}

/// How an attempt ended.
pub type Ended = baton_lock::session::End;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Each event as the specification spells it.
    fn lines() -> [Value; 7] {
        let line = |rest: Value| {
            let mut line = json!({ "schema": 1, "at": "2026-01-31T09:30:00.000Z", "attempt": 2 });
            line.as_object_mut().expect("one").extend(rest.as_object().expect("one").clone());
            line
        };
        [
            line(
                json!({ "event": "attempt_begun", "purpose": "rerun", "outcome": "recovered", "token": 9, "pid": 7,
                "host": "h", "user": null, "plan": "/p.toml", "session": "1-a", "steps": ["a", "b"] }),
            ),
            line(json!({ "event": "step_started", "step": "a", "try": 1, "reason": "it has not run" })),
            line(json!({ "event": "step_completed", "step": "a", "how": "check", "durationMs": 5 })),
            line(
                json!({ "event": "step_failed", "step": "a", "message": "m", "cause": "timeout", "exitCode": null,
                "signal": 9, "try": 2 }),
            ),
            line(json!({ "event": "step_skipped", "step": "a", "reason": "r" })),
            line(json!({ "event": "step_undone", "step": "a" })),
            line(json!({ "event": "attempt_ended", "end": "interrupted", "exitCode": 130 })),
        ]
    }

    #[test]
    fn every_event_is_read_and_written_as_specified() {
        for line in lines() {
            let entry: Entry = serde_json::from_value(line.clone()).expect("an entry");
            assert_eq!(serde_json::to_value(&entry).expect("JSON"), line);
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_unknown_events_refused() {
        let mut line = lines()[5].clone();
        line["more"] = json!([1]);
        assert!(serde_json::from_value::<Entry>(line.clone()).is_ok());
        line["event"] = "step_pondered".into();
        assert!(serde_json::from_value::<Entry>(line).is_err());
    }
}
