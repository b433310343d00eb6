//! What the session adds to the history, and what it knows better.

use std::collections::HashSet;

use baton_lock::session::{Cause, Session, Step, StepStatus};

use super::{Run, Span, What};
use crate::session::words;

/// Takes the session's own attempts out of those that the history tells of, and adds those that it doesn't.
pub(super) fn take_own(session: &Session, told: &mut Vec<Run>) -> Vec<Run> {
    let numbers: HashSet<u64> = session.attempts().map(|attempt| attempt.number).collect();
    let oldest = numbers.iter().copied().min().unwrap_or(0);
    let mut own: Vec<Run> = Vec::new();
    let mut others = Vec::new();
    for run in told.drain(..) {
        // The session remembers its last attempts only; the history begins in the middle of some.
        let is_own = match &run.session {
            Some(id) => id == session.session_id() && (numbers.contains(&run.number) || run.number < oldest),
            None => false,
        };
        if is_own { own.push(run) } else { others.push(run) }
    }
    for attempt in session.attempts() {
        let at = own.iter().rposition(|run| run.number == attempt.number);
        let mut run = match at {
            Some(at) => own.remove(at),
            None => headless(&mut others, attempt.number),
        };
        run.actor = Some(attempt.into());
        run.begun = Some(attempt.started_at.clone());
        if let Some(end) = attempt.end {
            (run.end, run.ended) = (end.into(), attempt.ended_at.clone().or(run.ended));
        }
        own.push(run);
    }
    own.sort_by_key(|run| run.number);
    *told = others;
    own
}

/// The attempt of that number whose begin the history lacks; or a new one.
fn headless(others: &mut Vec<Run>, number: u64) -> Run {
    match others.iter().rposition(|run| run.number == number && run.session.is_none()) {
        Some(at) => others.remove(at),
        None => Run::unheard_of(number),
    }
}

/// Adds what the session says of steps of which the history says nothing.
pub(super) fn add_steps(session: &Session, runs: &mut [Run]) {
    let spans = runs.iter().flat_map(|run| &run.spans);
    let told: HashSet<String> = spans.map(|span| span.step.clone()).collect();
    for span in session.steps().filter(|step| !told.contains(&step.id)).filter_map(|step| span(session, step))
    {
        let at = runs.iter().rposition(|run| began_before(run, &span)).or(runs.len().checked_sub(1));
        if let Some(at) = at {
            runs[at].spans.push(span);
        }
    }
}

fn began_before(run: &Run, span: &Span) -> bool {
    let moment = |text: &Option<String>| text.as_deref().and_then(words::moment);
    matches!((moment(&run.begun), moment(&span.from)), (Some(run), Some(span)) if run <= span)
}

fn span(session: &Session, step: &Step) -> Option<Span> {
    let from = Some(step.started_at.clone()?);
    let failure = session.failure().filter(|failure| failure.step == step.id);
    let (what, to) = match step.status {
        StepStatus::Complete => (What::Done, step.completed_at.clone()),
        StepStatus::InProgress => (What::Open, None),
        StepStatus::Failed => {
            let interrupted = failure.is_some_and(|failure| failure.cause == Cause::Interrupted);
            let what = if interrupted { What::Interrupted } else { What::Failed };
            (what, failure.map(|failure| failure.recorded_at.clone()))
        }
        StepStatus::Pending | StepStatus::Skipped => return None,
    };
    Some(Span { step: step.id.clone(), from, to, what, message: step.error.clone(), number: 1 })
}
