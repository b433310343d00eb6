//! What a session says: itself, its attempts, its steps, its failure.
//!
//! A [`Session`] can't be changed; [`next`](super::next) makes another of it, so that no state exists which the machine
//! does not allow. Members of the JSON that are not known here, at every level, are kept and written again.
//!
//! Times are texts as [`crate::clock`] spells them: what a file says of a time is shown, never calculated with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::blocks::Blocks;
use super::event::PlannedStep;
use super::facts::{Fact, Facts};
use super::pieces::Piece;
use super::steps::Steps;

/// Members of the JSON that this version does not know.
pub(super) type Unknown = Map<String, Value>;

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was begun and has not ended, whether or not somebody runs it now.
    InProgress,
    /// All its steps are complete or skipped.
    Complete,
    /// Its last step failed or was interrupted.
    Failed,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It has not run, or has to run again.
    Pending,
    /// It was started, and its end was not recorded: it runs, or its runner died.
    InProgress,
    /// It ended well.
    Complete,
    /// It failed or was interrupted.
    Failed,
    /// It was found not to apply.
    Skipped,
}

impl Status {
    /// As the file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

impl StepStatus {
    /// As the file spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Step {
    /// Its name in the plan.
    pub id: String,
    /// How it stands.
    pub status: StepStatus,
    /// When it was last started.
    pub started_at: Option<String>,
    /// When it ended well.
    pub completed_at: Option<String>,
    /// How often it was started.
    #[serde(default)]
    pub attempts: u64,
    /// The digest of its definition in the plan, as of the last attempt.
    pub digest: Option<String>,
    /// What whoever runs the plan wants to know of that definition later, to say in words what has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<serde_json::Value>,
    /// Why it failed: redacted, at most 240 characters.
    pub error: Option<String>,
    /// The facts that it published.
    #[serde(default)]
    pub facts: Vec<String>,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

impl Step {
    /// A step that has not run.
    pub(super) fn pending(planned: &PlannedStep) -> Self {
        Self {
            id: planned.id.clone(),
            status: StepStatus::Pending,
            started_at: None,
            completed_at: None,
            attempts: 0,
            digest: planned.digest.clone(),
            definition: planned.definition.clone(),
            error: None,
            facts: Vec::new(),
            unknown: Unknown::new(),
        }
    }

    /// Is there nothing left to do for it?
    pub fn is_finished(&self) -> bool {
        matches!(self.status, StepStatus::Complete | StepStatus::Skipped)
    }
}

/// What an attempt was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To carry the job on to its end.
    #[default]
    Apply,
    /// To run steps again that were asked for by name, even of a complete session.
    Rerun,
    /// To undo what was done.
    Undo,
}

impl Purpose {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::Apply
    }
}

/// How the lock was got for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// From nobody, or from a holder that ended cleanly.
    Fresh,
    /// From a holder that died.
    Recovered,
}

/// How an attempt ended, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It did what it was begun for.
    Complete,
    /// A step failed, or something else did.
    Failed,
    /// It was told to stop.
    Interrupted,
}

/// One run of the job, from its lock's acquisition to its release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Attempt {
    /// Its number; it goes on over fresh starts, so that logs of different attempts never have the same name.
    pub number: u64,
    /// When it was begun.
    pub started_at: String,
    /// When it said that it ended; `None` as long as it runs, and for one that crashed.
    pub ended_at: Option<String>,
    /// Its process id, in its own pid namespace.
    pub pid: u32,
    /// Its host.
    pub host: Option<String>,
    /// Its user.
    pub user: Option<String>,
    /// The fencing token of its lock.
    pub token: u64,
    /// How it got the lock.
    pub outcome: AttemptOutcome,
    /// How it ended; `None` as long as it runs, and for one that crashed.
    pub end: Option<End>,
    /// What it was for.
    #[serde(default, skip_serializing_if = "Purpose::is_default")]
    pub purpose: Purpose,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// By itself.
    #[default]
    Error,
    /// By a signal to its runner or an order to stop.
    Interrupted,
}

/// What stopped the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Failure {
    /// The step that failed.
    pub step: String,
    /// Why: redacted, at most 240 characters.
    pub message: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// By itself or from outside.
    #[serde(rename = "interrupted", default, with = "interrupted", skip_serializing_if = "Cause::is_error")]
    pub cause: Cause,
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

impl Cause {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_error(&self) -> bool {
        *self == Self::Error
    }
}

/// A [`Cause`] as the file has it: `"interrupted": true`, or nothing.
mod interrupted {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Cause;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(*cause == Cause::Interrupted)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cause, D::Error> {
        let interrupted = bool::deserialize(deserializer)?;
        Ok(if interrupted { Cause::Interrupted } else { Cause::Error })
    }
}

/// The state of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub(super) token: u64,
    pub(super) revision: u64,
    pub(super) origin: Arc<Origin>,
    pub(super) status: Status,
    pub(super) updated_at: String,
    pub(super) attempts: Blocks<Attempt>,
    pub(super) failure: Option<Failure>,
    pub(super) facts: Piece<Facts>,
    pub(super) steps: Steps,
}

/// What stays as it is until the next fresh start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) plan: String,
    pub(super) started_at: String,
    /// Of the `baton` object.
    pub(super) unknown_of_baton: Unknown,
    pub(super) unknown: Unknown,
}

impl Session {
    /// `<milliseconds since 1970>-<random>`: another for each fresh start.
    pub fn session_id(&self) -> &str {
        &self.origin.id
    }

    /// How often it was written; grows with each change, over fresh starts too.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The fencing token of who wrote it last.
    pub fn token(&self) -> u64 {
        self.token
    }

    /// The name of the job, of its lock and of its plan.
    pub fn name(&self) -> &str {
        &self.origin.name
    }

    /// The plan's absolute path.
    pub fn plan(&self) -> &str {
        &self.origin.plan
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status
    }

    /// When it was started afresh.
    pub fn started_at(&self) -> &str {
        &self.origin.started_at
    }

    /// When it was last changed.
    pub fn updated_at(&self) -> &str {
        &self.updated_at
    }

    /// What stopped it, if it failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Its runs, in order; the oldest of more than 500 are forgotten.
    pub fn attempts(&self) -> impl DoubleEndedIterator<Item = &Attempt> + ExactSizeIterator {
        self.attempts.iter().map(Arc::as_ref)
    }

    /// The attempt that has not said that it ended: it runs, or it crashed. Who holds the lock is in `attempt.token`.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        self.attempts().next_back().filter(|attempt| attempt.end.is_none())
    }

    /// Was its last attempt to undo it, and did that not come to its end? Then a part of what is complete may be taken back.
    pub fn is_half_undone(&self) -> bool {
        let last = self.attempts().next_back();
        last.is_some_and(|last| last.purpose == Purpose::Undo && last.end != Some(End::Complete))
    }

    /// Its steps, in the plan's order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> + ExactSizeIterator {
        self.steps.list().iter().map(Arc::as_ref)
    }

    /// One step.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.position(id).map(|at| &**self.steps.get(at))
    }

    /// The step that was started and whose end was not recorded.
    pub fn step_in_progress(&self) -> Option<&Step> {
        self.steps.in_progress()
    }

    /// The first step that is neither complete nor skipped: where to carry on.
    pub fn first_unfinished(&self) -> Option<&Step> {
        self.steps().find(|step| !step.is_finished())
    }

    /// A published fact.
    pub fn fact(&self, key: &str) -> Option<Fact<'_>> {
        self.facts.get().fact(key)
    }

    /// All published facts, in the order in which they were published first.
    pub fn facts(&self) -> impl Iterator<Item = (&str, Fact<'_>)> {
        self.facts.get().iter()
    }
}
