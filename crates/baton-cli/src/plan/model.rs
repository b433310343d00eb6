//! A plan and its steps, as the runner uses them: everything checked, defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::declared::Declared;
use super::template::Template;

/// The longest pause between two tries, unless the plan asks for a longer one to begin with: doubled on, a pause soon
/// lasts for days.
const MAX_PAUSE: Duration = Duration::from_hours(1);

/// A plan file that was read and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The file: absolute, symlinks resolved, so that one file has one path.
    pub path: PathBuf,
    /// What lock and session are called.
    pub name: String,
    /// What the plan is for.
    pub description: Option<String>,
    /// The steps in their order; at least one, each with an id of its own.
    pub steps: Vec<Step>,
}

/// One command of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Its name in the session, in messages and in the names of its logs.
    pub id: String,
    /// Its place in the plan, from 0.
    pub position: usize,
    /// The line of the plan on which it begins, from 1.
    pub line: usize,
    /// What it is for.
    pub description: Option<String>,
    /// What is run.
    pub run: Command,
    /// Whether its effect is still there, if it succeeds.
    pub check: Option<Command>,
    /// Whether the step applies at all, if it succeeds; without one it does.
    pub when: Option<Command>,
    /// What takes its effect back.
    pub undo: Option<Command>,
    /// Whether it is run again though it is complete.
    pub repeat: Repeat,
    /// How long one try may take; `None` is as long as it wants.
    pub timeout: Option<Duration>,
    /// How often it is tried again after a failure.
    pub retries: u32,
    /// How long it is waited before it is first tried again; see [`Step::pause`].
    pub backoff: Duration,
    /// Where its commands run, below [`directory`](Step::directory) unless absolute.
    pub cwd: Template,
    /// The directory of the plan file.
    pub directory: PathBuf,
    /// The variables that its commands get beside those inherited.
    pub env: BTreeMap<String, Template>,
    /// The variables, inherited or of `env`, whose values never reach disk or terminal.
    pub secrets: BTreeSet<String>,
    /// The facts that it may publish.
    pub outputs: BTreeSet<String>,
    pub(super) declared: Arc<Declared>,
}

/// Whether a complete step is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It is complete until its check fails.
    Once,
    /// It is run in every attempt (`always = true`).
    Always,
}

impl Plan {
    /// The step with this id.
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}

impl Step {
    /// How long to wait before the given retry, from 1: the backoff, doubled each time, an hour at most unless the
    /// backoff itself is longer.
    pub fn pause(&self, retry: u32) -> Duration {
        let factor = 2_u32.saturating_pow(retry.saturating_sub(1));
        self.backoff.saturating_mul(factor).min(self.backoff.max(MAX_PAUSE))
    }
}
