//! What a session becomes when something happens to it. Pure but for the clock's reading, which is given.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::super::model::Cause;
use super::document::{STEPS, Session};
use super::failure;
use super::updates::Updates;
use crate::{clock, redact};

impl Session {
    /// A step is about to run. An unknown step's name changes nothing, here as below.
    #[must_use = "the session itself is not changed"]
    pub fn step_started(mut self, step: &str, at: SystemTime) -> Self {
        let now = clock::format(at);
        let Some(record) = self.record(step) else { return self };
        set(record, [("status", "in_progress".into()), ("startedAt", now.into())]);
        set(record, [("completedAt", Value::Null), ("error", Value::Null)]);
        self.set([
            ("lastStepStarted", step.into()),
            ("failure", Value::Null),
            ("status", "in_progress".into()),
        ]);
        self
    }

    /// A step ended well; updates are applied.
    #[must_use = "the session itself is not changed"]
    pub fn step_complete(mut self, step: &str, updates: &Updates, at: SystemTime) -> Self {
        let now = clock::format(at);
        let Some(record) = self.record(step) else { return self };
        set(record, [("status", "complete".into()), ("completedAt", now.into()), ("error", Value::Null)]);
        self.set([("lastCompletedStep", step.into()), ("failure", Value::Null)]);
        updates.apply(&mut self);
        self
    }

    /// A step failed: its message is redacted and cut, and the session failed. One that is complete stays so.
    #[must_use = "the session itself is not changed"]
    pub fn step_failed(mut self, step: &str, message: Option<&str>, cause: Cause, at: SystemTime) -> Self {
        if self.text("status") == Some("complete") {
            return self;
        }
        let message: Value = message.map(redact::failure).into();
        let Some(record) = self.record(step) else { return self };
        set(record, [("status", "failed".into()), ("completedAt", Value::Null), ("error", message.clone())]);
        let mut told = Map::from_iter([("step".to_owned(), step.into()), ("message".to_owned(), message)]);
        if cause == Cause::Interrupted {
            told.insert("interrupted".to_owned(), true.into());
        }
        let failure = failure::sanitized(Some(&Value::Object(told)), &clock::format(at));
        self.set([("failure", failure), ("status", "failed".into())]);
        self
    }

    /// A step does not apply; only one that is pending or in progress.
    #[must_use = "the session itself is not changed"]
    pub fn step_skipped(mut self, step: &str) -> Self {
        if !matches!(self.step_status(step), Some("pending" | "in_progress")) {
            return self;
        }
        let Some(record) = self.record(step) else { return self };
        set(record, [("status", "skipped".into()), ("startedAt", Value::Null)]);
        set(record, [("completedAt", Value::Null), ("error", Value::Null)]);
        self
    }

    /// All is done; updates are applied.
    #[must_use = "the session itself is not changed"]
    pub fn completed(mut self, updates: &Updates) -> Self {
        self.set([("status", "complete".into()), ("resumable", false.into()), ("failure", Value::Null)]);
        updates.apply(&mut self);
        self
    }

    /// With the time of a save.
    pub(super) fn saved(mut self, at: SystemTime) -> Self {
        self.set([("updatedAt", clock::format(at).into())]);
        self
    }

    fn record(&mut self, step: &str) -> Option<&mut Map<String, Value>> {
        let known = STEPS.contains(&step).then_some(step)?;
        self.0.get_mut("steps")?.get_mut(known)?.as_object_mut()
    }

    fn set<const N: usize>(&mut self, members: [(&str, Value); N]) {
        set(&mut self.0, members);
    }
}

/// Sets members, which keep their places.
fn set<const N: usize>(object: &mut Map<String, Value>, members: [(&str, Value); N]) {
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
}
