//! What can happen to a session, and why it may not.

use std::time::SystemTime;

use super::changes::{self, PlanChange};
use super::error;
use super::model::{AttemptOutcome, Cause, End, Purpose, StepStatus};
use crate::escape;
use crate::lock::{Held, Outcome};
use crate::redact::Secrets;
use crate::sys;

/// Something that happened, to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The job starts from nothing, whatever was before: all steps pending, no facts. Also the first event ever.
    FreshStart {
        /// The new session's id; [`Event::fresh_start`] makes one.
        session_id: String,
        /// The attempt that starts it.
        begin: Begin,
    },
    /// A runner has the lock and carries the job on.
    AttemptBegun(Begin),
    /// A step is about to run.
    StepStarted {
        /// Which.
        step: String,
    },
    /// A step ended well, or its effect was found to be there after a crash.
    StepCompleted {
        /// Which.
        step: String,
        /// What it published, in order; a later one of the same key counts.
        facts: Vec<(String, String)>,
    },
    /// A step failed or was interrupted.
    StepFailed {
        /// Which.
        step: String,
        /// Why, as raw text: it is redacted and cut on its way into the session.
        message: String,
        /// By itself or from outside.
        cause: Cause,
    },
    /// A step was found not to apply.
    StepSkipped {
        /// Which.
        step: String,
    },
    /// A step has to run again: its effect is gone, it was undone, or somebody wants it.
    StepReset {
        /// Which.
        step: String,
    },
    /// The attempt is over; the session stays as it is.
    AttemptEnded {
        /// In which way.
        end: End,
    },
    /// All steps are complete or skipped: the attempt and the session are complete.
    SessionCompleted,
}

impl Event {
    /// [`Event::FreshStart`] with a new session id.
    ///
    /// # Errors
    ///
    /// [`Error::File`](super::Error::File) if the system has no random numbers.
    pub fn fresh_start(begin: Begin) -> Result<Self, error::Error> {
        Ok(Self::FreshStart { session_id: new_session_id()?, begin })
    }

    /// [`Event::StepStarted`].
    pub fn step_started(step: impl Into<String>) -> Self {
        Self::StepStarted { step: step.into() }
    }

    /// [`Event::StepCompleted`].
    pub fn step_completed<K: Into<String>, V: Into<String>>(
        step: impl Into<String>,
        facts: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let facts = facts.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self::StepCompleted { step: step.into(), facts }
    }

    /// [`Event::StepFailed`].
    pub fn step_failed(step: impl Into<String>, message: impl Into<String>, cause: Cause) -> Self {
        Self::StepFailed { step: step.into(), message: message.into(), cause }
    }

    /// [`Event::StepSkipped`].
    pub fn step_skipped(step: impl Into<String>) -> Self {
        Self::StepSkipped { step: step.into() }
    }

    /// [`Event::StepReset`].
    pub fn step_reset(step: impl Into<String>) -> Self {
        Self::StepReset { step: step.into() }
    }
}

/// `<milliseconds since 1970>-<random>`.
pub(super) fn new_session_id() -> Result<String, error::Error> {
    let random = sys::random().map_err(|errno| {
        crate::Error::io("get a random number for", std::path::Path::new("a session id"), errno)
    })?;
    Ok(format!("{}-{random:016x}", sys::real_time().as_millis()))
}

/// The begin of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Begin {
    /// The name of the job.
    pub name: String,
    /// The plan's absolute path.
    pub plan: String,
    /// The plan's steps, in order.
    pub steps: Vec<PlannedStep>,
    /// Who begins.
    pub actor: Actor,
    /// What for.
    pub purpose: Purpose,
    /// What to do if finished steps are not in the plan as they were.
    pub changes: PlanChanges,
}

impl Begin {
    /// The begin of an attempt to carry the job on, which is refused if the plan changed what is finished.
    pub fn new(
        name: impl Into<String>,
        plan: impl Into<String>,
        steps: Vec<PlannedStep>,
        actor: Actor,
    ) -> Self {
        let (name, plan) = (name.into(), plan.into());
        Self { name, plan, steps, actor, purpose: Purpose::Apply, changes: PlanChanges::Refused }
    }

    /// The same for another purpose.
    #[must_use = "the begin itself is not changed"]
    pub fn with_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// The same, whatever the plan changed: a finished step counts as finished in its new form, one that the plan has no
    /// more is forgotten with its facts.
    #[must_use = "the begin itself is not changed"]
    pub fn accepting_changes(mut self) -> Self {
        self.changes = PlanChanges::Accepted;
        self
    }
}

/// What to do if finished steps are not in the plan as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanChanges {
    /// The attempt is refused with the difference.
    Refused,
    /// They count as finished all the same.
    Accepted,
}

/// A step as the plan has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// Its name: 1 to 100 of `A-Z a-z 0-9 . _ -`, no leading dot.
    pub id: String,
    /// A digest of its definition; `None` if nobody is to compare it.
    pub digest: Option<String>,
    /// What is to be remembered of the definition; no secrets, since it is written as it is.
    pub definition: Option<serde_json::Value>,
}

impl PlannedStep {
    /// A step whose definition nobody compares.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), digest: None, definition: None }
    }

    /// A step that counts as changed when its digest is another.
    pub fn with_digest(id: impl Into<String>, digest: impl Into<String>) -> Self {
        Self { id: id.into(), digest: Some(digest.into()), definition: None }
    }

    /// The same, with what is to be remembered of its definition.
    #[must_use = "the step itself is not changed"]
    pub fn remembering(mut self, definition: serde_json::Value) -> Self {
        self.definition = Some(definition);
        self
    }
}

/// Who makes an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Actor {
    /// The process id, in its own pid namespace.
    pub pid: u32,
    /// The host.
    pub host: Option<String>,
    /// The user.
    pub user: Option<String>,
    /// The fencing token.
    pub token: u64,
    /// How the lock was got.
    pub outcome: AttemptOutcome,
}

impl Actor {
    /// Somebody of whom no more is known.
    pub fn new(pid: u32, token: u64, outcome: AttemptOutcome) -> Self {
        Self { pid, host: None, user: None, token, outcome }
    }

    /// The holder of a lock.
    pub fn of(held: &Held) -> Self {
        let record = held.record();
        let details = record.baton.as_ref();
        Self {
            pid: record.pid,
            host: details.and_then(|details| details.host.clone()),
            user: details.and_then(|details| details.user.clone()),
            token: held.token(),
            outcome: match held.outcome() {
                Outcome::Fresh => AttemptOutcome::Fresh,
                Outcome::Recovered(_) => AttemptOutcome::Recovered,
            },
        }
    }
}

/// What [`next`](super::next) needs to know besides session and event, so that it asks nobody.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The present moment.
    pub at: SystemTime,
    /// What must not be written, whatever it looks like.
    pub secrets: &'a Secrets,
}

/// Why an event can't happen to a session; the session is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IllegalTransition {
    /// There is no session yet: only a fresh start makes one.
    #[error("there is no session yet")]
    NoSession,
    /// No attempt is under way to which the event could belong.
    #[error("no attempt is under way")]
    NoAttempt,
    /// The same holder has begun an attempt already and not ended it.
    #[error("attempt {number} of this holder is under way")]
    AttemptUnderWay {
        /// Its number.
        number: u64,
    },
    /// The session is complete, and only a fresh start or an explicit purpose opens it again.
    #[error("the session is complete")]
    SessionComplete,
    /// The session has no step of this name.
    #[error("there is no step `{}`", escape::text(step))]
    UnknownStep {
        /// The name.
        step: String,
    },
    /// The step's status doesn't allow it.
    #[error("step `{}` can't be {what}: it is {}", escape::text(step), status.as_str())]
    WrongStatus {
        /// The step.
        step: String,
        /// How it stands.
        status: StepStatus,
        /// What it was to become.
        what: &'static str,
    },
    /// Another step was started, and its end was not recorded.
    #[error(
        "step `{}` can't be started: step `{}` is in progress",
        escape::text(step),
        escape::text(running)
    )]
    OtherStepInProgress {
        /// The step that was to be started.
        step: String,
        /// The one that is in progress.
        running: String,
    },
    /// The session can't be complete with a step that is not.
    #[error("the session can't be complete: step `{}` is {}", escape::text(step), status.as_str())]
    Unfinished {
        /// The first such step.
        step: String,
        /// How it stands.
        status: StepStatus,
    },
    /// The session is of a job of another name.
    #[error("the session is that of `{}`, not of `{}`", escape::text(recorded), escape::text(given))]
    OtherName {
        /// The session's.
        recorded: String,
        /// The attempt's.
        given: String,
    },
    /// The session was begun with a plan at another path.
    #[error(
        "the session was begun with the plan `{}`, not `{}`",
        escape::text(recorded),
        escape::text(given)
    )]
    OtherPlan {
        /// The session's.
        recorded: String,
        /// The attempt's.
        given: String,
    },
    /// The plan changed what is finished.
    #[error("the plan has changed what is finished: {}", changes::listed(changes))]
    PlanChanged {
        /// What changed.
        changes: Vec<PlanChange>,
    },
    /// The plan's steps can't be those of a session.
    #[error("step `{}` can't be in a session: {reason}", escape::text(step))]
    InvalidStep {
        /// The step.
        step: String,
        /// Why.
        reason: &'static str,
    },
    /// A fact can't be told apart from others by its key.
    #[error("`{}` can't be the key of a fact: {reason}", escape::text(key))]
    InvalidFact {
        /// The key.
        key: String,
        /// Why.
        reason: &'static str,
    },
}
