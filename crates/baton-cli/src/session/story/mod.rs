//! What became of each attempt, put together from the session and the history.
//!
//! Neither knows all of it. The session has the last 500 attempts and how each step stands; the history has every try, but it is
//! not synced and may lack anything. So the session is believed where both speak, and the history fills in the rest.
//!
//! Nobody writes down a crash. An attempt that never said that it ended, and that does not run now, **crashed**; the step that
//! it had started and not ended **was running when its runner was killed**.
//!
//! | question | module |
//! |---|---|
//! | what the history says | `told` |
//! | what the session adds | `recorded` |

mod recorded;
#[cfg(test)]
mod tests;
mod told;

use std::collections::{HashMap, HashSet};

use baton_lock::session::{Attempt, AttemptOutcome, End, Purpose, Session, Step, StepStatus};

use super::runner::Runner;
use super::words;
use crate::history::History;

/// The attempts of a session, and those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    /// Of this session, in order.
    pub(super) runs: Vec<Run>,
    /// Of sessions before a fresh start, in order.
    pub(super) earlier: Vec<Run>,
    /// How long each complete step took, in milliseconds.
    took: HashMap<String, u64>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) number: u64,
    /// `None` where the history begins in the middle of it.
    pub(super) actor: Option<Actor>,
    pub(super) begun: Option<String>,
    /// When it said that it ended.
    pub(super) ended: Option<String>,
    pub(super) end: RunEnd,
    pub(super) exit_code: Option<u8>,
    pub(super) spans: Vec<Span>,
    /// The id of its session, if the history says it.
    pub(super) session: Option<String>,
}

/// Who ran an attempt, and how it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    pub(super) purpose: Purpose,
    pub(super) outcome: AttemptOutcome,
    pub(super) token: u64,
    pub(super) pid: u32,
    pub(super) host: Option<String>,
    pub(super) user: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    Complete,
    Failed,
    Interrupted,
    /// It never said.
    Crashed,
    /// It has not ended yet.
    Running,
    /// It never said, and whether it runs can't be told.
    Unknown,
}

/// What happened to a step in an attempt, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) step: String,
    /// When it was started; `None` for what takes no time.
    pub(super) from: Option<String>,
    /// When it ended; `None` if nobody wrote it down.
    pub(super) to: Option<String>,
    pub(super) what: What,
    /// Why it failed, or was skipped.
    pub(super) message: Option<String>,
    /// Which try in its attempt.
    pub(super) number: u32,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Done,
    /// Its check found its effect.
    Found,
    Failed,
    TimedOut,
    Interrupted,
    Skipped,
    Undone,
    /// It was started, and nobody wrote down how it ended.
    Open,
    /// Its runner was killed meanwhile.
    Killed,
    /// It still runs.
    Running,
}

impl Story {
    pub(super) fn of(session: &Session, history: &History, runner: &Runner) -> Self {
        let mut earlier = told::runs(&history.entries);
        let mut runs = recorded::take_own(session, &mut earlier);
        recorded::add_steps(session, &mut runs);
        let running =
            session.open_attempt().filter(|attempt| runner.is(attempt)).map(|attempt| attempt.number);
        let is_told = !matches!(runner, Runner::Unknown(_));
        let last = runs.last().map(|run| run.number);
        for run in &mut runs {
            run.settle(|number| match () {
                () if running == Some(number) => RunEnd::Running,
                () if !is_told && last == Some(number) => RunEnd::Unknown,
                () => RunEnd::Crashed,
            });
        }
        for run in &mut earlier {
            run.settle(|_| RunEnd::Crashed);
        }
        let took = took(session, &runs);
        Self { runs, earlier, took }
    }

    /// How long a complete step took, in milliseconds; `None` also where nobody saw it end.
    pub(super) fn took(&self, step: &str) -> Option<u64> {
        self.took.get(step).copied()
    }
}

/// How long the complete steps took, the last time that they were done.
fn took(session: &Session, runs: &[Run]) -> HashMap<String, u64> {
    let complete = |step: &&Step| step.status == StepStatus::Complete;
    let complete: HashSet<&str> = session.steps().filter(complete).map(|step| step.id.as_str()).collect();
    let mut took = HashMap::new();
    for span in runs.iter().flat_map(|run| &run.spans).filter(|span| complete.contains(span.step.as_str())) {
        match (span.what, span.took()) {
            (What::Done, Some(time)) => drop(took.insert(span.step.clone(), time)),
            (What::Done | What::Found, _) => drop(took.remove(&span.step)),
            _ => {}
        }
    }
    took
}

impl Span {
    /// How long it took, in milliseconds, if both ends are known. A clock that was set back makes no time, not a negative one.
    pub(super) fn took(&self) -> Option<u64> {
        let (from, to) = (words::moment(self.from.as_deref()?)?, words::moment(self.to.as_deref()?)?);
        Some(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
    }
}

impl Run {
    /// Decides how it ended if it did not say, and what that means for the steps that it had started.
    fn settle(&mut self, otherwise: impl Fn(u64) -> RunEnd) {
        if self.end == RunEnd::Unknown {
            self.end = otherwise(self.number);
        }
        let open = match self.end {
            RunEnd::Crashed => What::Killed,
            RunEnd::Running => What::Running,
            _ => What::Open,
        };
        for span in self.spans.iter_mut().filter(|span| span.what == What::Open) {
            span.what = open;
        }
    }

    /// The step that was running when the runner was killed.
    pub(super) fn killed(&self) -> Option<&Span> {
        self.spans.iter().rfind(|span| span.what == What::Killed)
    }
}

impl From<&Attempt> for Actor {
    fn from(attempt: &Attempt) -> Self {
        Self {
            purpose: attempt.purpose,
            outcome: attempt.outcome,
            token: attempt.token,
            pid: attempt.pid,
            host: attempt.host.clone(),
            user: attempt.user.clone(),
        }
    }
}

impl From<End> for RunEnd {
    fn from(end: End) -> Self {
        match end {
            End::Complete => Self::Complete,
            End::Failed => Self::Failed,
            End::Interrupted => Self::Interrupted,
        }
    }
}

impl RunEnd {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Crashed => "crashed",
            Self::Running => "running",
            Self::Unknown => "not known",
        }
    }

    /// For programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            known => known.words(),
        }
    }
}

impl What {
    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Found => "found done by its check",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Undone => "undone",
            Self::Open => "end not recorded",
            Self::Killed => "was running when its runner was killed",
            Self::Running => "running",
        }
    }

    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Interrupted | Self::Killed)
    }
}
