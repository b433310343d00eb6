//! Whether a step has to run, by what is recorded and what its check says. The questions are pure; the runner asks the checks.
//!
//! | recorded | its check | so |
//! |---|---|---|
//! | complete | passes, or there is none | nothing to do |
//! | complete | fails | it runs again |
//! | complete, `always` | is not asked | it runs again |
//! | in progress: its runner was killed | passes | complete, unless facts it publishes are missing, or it is `always` |
//! | in progress | fails, or there is none | it runs again |
//! | failed, pending | is not asked | it runs |
//! | skipped | is not asked | `when` is asked again |

use baton_lock::session::{Fact, Session, StepStatus};

use crate::plan::{Facts, Repeat, Step};

/// What has to be asked before it is known whether a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nothing: it has to run, if it applies.
    None(Reason),
    /// Nothing: it is complete.
    Settled,
    /// Is its effect still there, as it was complete?
    StillThere,
    /// Is its effect there, though its runner was killed?
    ThereAfterAll,
}

/// Why a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// It has not run yet.
    NotYet,
    /// It has run, and what it did counts no longer: it was asked for again, undone, or ran with other facts.
    Again,
    /// It has failed.
    Failed,
    /// It runs in every attempt.
    Always,
    /// Its runner was killed while it ran.
    Killed,
    /// Its check says that its effect is gone.
    EffectGone,
    /// It was skipped, and may apply now.
    Skipped,
}

impl Reason {
    /// As people and programs read it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NotYet => "it has not run yet",
            Self::Again => "it is to run again",
            Self::Failed => "it has failed",
            Self::Always => "it runs every time",
            Self::Killed => "its runner was killed while it ran",
            Self::EffectGone => "its check says that its effect is gone",
            Self::Skipped => "it was skipped, and may apply now",
        }
    }
}

/// What is to be asked about a step.
pub(super) fn question(step: &Step, session: &Session) -> Question {
    let Some(recorded) = session.step(&step.id) else { return Question::None(Reason::NotYet) };
    let has_check = step.check.is_some();
    match recorded.status {
        StepStatus::Pending if recorded.attempts > 0 => Question::None(Reason::Again),
        StepStatus::Pending => Question::None(Reason::NotYet),
        StepStatus::Failed => Question::None(Reason::Failed),
        StepStatus::Skipped => Question::None(Reason::Skipped),
        StepStatus::Complete | StepStatus::InProgress if step.repeat == Repeat::Always => {
            Question::None(Reason::Always)
        }
        StepStatus::Complete if has_check => Question::StillThere,
        StepStatus::Complete => Question::Settled,
        // What it published is recorded with its end: later steps would miss it.
        StepStatus::InProgress if has_check && step.outputs.is_empty() => Question::ThereAfterAll,
        StepStatus::InProgress => Question::None(Reason::Killed),
    }
}

/// The facts that later steps can work with.
pub(super) fn facts(session: &Session) -> Facts {
    session
        .facts()
        .filter_map(|(key, fact)| match fact {
            Fact::Known(value) => Some((key.to_owned(), value.to_owned())),
            Fact::Withheld(_) => None,
        })
        .collect()
}

/// The complete steps behind this one that ran with another value of a fact than it has now: they have to run again.
pub(super) fn outdated<'p>(
    steps: &'p [Step],
    publisher: &Step,
    session: &Session,
    before: &Facts,
    after: &Facts,
) -> Vec<&'p str> {
    let changed = |key: &str| publisher.outputs.contains(key) && before.get(key) != after.get(key);
    let is_complete =
        |step: &&Step| session.step(&step.id).is_some_and(|step| step.status == StepStatus::Complete);
    steps[publisher.position + 1..]
        .iter()
        .filter(is_complete)
        .filter(|step| step.facts_used().any(changed))
        .map(|step| step.id.as_str())
        .collect()
}
