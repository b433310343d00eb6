//! The state machine: from a session and an event to the next session, or the reason why not. Pure.
//!
//! | event | from | to |
//! |---|---|---|
//! | step started | pending, failed, in progress (its runner died) | in progress; the session is in progress, without failure |
//! | step completed | in progress | complete, facts published; no failure |
//! | step failed | in progress | failed; the session failed |
//! | step skipped | pending, in progress | skipped |
//! | step reset | any | pending, its facts forgotten |
//! | session completed | all steps complete or skipped | the session complete, the attempt ended |
//!
//! All but the reset need an attempt under way. Nothing but a fresh start, or an attempt that says so explicitly, opens a
//! complete session again; a late report of a failure does not. At most one step is in progress: a plan's steps run one
//! after the other, so that a second one could only mean that the record of the first one's end is missing.

use super::attempts;
use super::event::{Context, Event, IllegalTransition};
use super::facts;
use super::model::{Cause, End, Failure, Session, Status, Step, StepStatus};
use super::pieces::Piece;
use crate::clock;

/// What becomes of a session by an event.
///
/// `session` is `None` if there is none yet. Revision and token are those of the session before: who stores the new one
/// sets them.
///
/// # Errors
///
/// [`IllegalTransition`] if the event can't happen to this session, which then stays as it is.
pub fn next(
    session: Option<&Session>,
    event: &Event,
    context: &Context<'_>,
) -> Result<Session, IllegalTransition> {
    let now = clock::format(context.at);
    let mut next = match (session, event) {
        (previous, Event::FreshStart { session_id, begin }) => {
            attempts::fresh(previous, session_id, begin, &now)?
        }
        (None, _) => return Err(IllegalTransition::NoSession),
        (Some(session), Event::AttemptBegun(begin)) => attempts::begun(session, begin, &now)?,
        (Some(session), Event::StepStarted { step }) => started(session, step, &now)?,
        (Some(session), Event::StepCompleted { step, facts }) => {
            completed(session, step, facts, &now, context)?
        }
        (Some(session), Event::StepFailed { step, message, cause }) => {
            failed(session, step, message, *cause, &now, context)?
        }
        (Some(session), Event::StepSkipped { step }) => skipped(session, step)?,
        (Some(session), Event::StepReset { step }) => reset(session, step)?,
        (Some(session), Event::AttemptEnded { end }) => attempts::ended(session, *end, &now)?,
        (Some(session), Event::SessionCompleted) => session_completed(session, &now)?,
    };
    next.updated_at = now;
    Ok(next)
}

fn under_way(session: &Session) -> Result<(), IllegalTransition> {
    if session.status == Status::Complete {
        return Err(IllegalTransition::SessionComplete);
    }
    session.open_attempt().map(drop).ok_or(IllegalTransition::NoAttempt)
}

/// The step, if it may become `what` from its present status.
fn find<'s>(
    session: &'s Session,
    id: &str,
    what: &'static str,
    allowed: &[StepStatus],
) -> Result<(usize, &'s Step), IllegalTransition> {
    let at =
        session.steps.position(id).ok_or_else(|| IllegalTransition::UnknownStep { step: id.to_owned() })?;
    let step = session.steps.get(at);
    if !allowed.contains(&step.status) {
        return Err(IllegalTransition::WrongStatus { step: id.to_owned(), status: step.status, what });
    }
    Ok((at, step))
}

fn with_step(session: &Session, at: usize, step: Step) -> Session {
    let mut next = session.clone();
    next.steps.set(at, step);
    next
}

fn started(session: &Session, id: &str, now: &str) -> Result<Session, IllegalTransition> {
    under_way(session)?;
    let from = [StepStatus::Pending, StepStatus::Failed, StepStatus::InProgress];
    let (at, step) = find(session, id, "started", &from)?;
    if let Some(running) = session.step_in_progress().filter(|running| running.id != id) {
        let (step, running) = (id.to_owned(), running.id.clone());
        return Err(IllegalTransition::OtherStepInProgress { step, running });
    }
    let step = Step {
        status: StepStatus::InProgress,
        started_at: Some(now.to_owned()),
        completed_at: None,
        attempts: step.attempts.saturating_add(1),
        error: None,
        ..Step::clone(step)
    };
    let mut next = with_step(session, at, step);
    next.status = Status::InProgress;
    next.failure = None;
    Ok(next)
}

fn completed(
    session: &Session,
    id: &str,
    published: &[(String, String)],
    now: &str,
    context: &Context<'_>,
) -> Result<Session, IllegalTransition> {
    under_way(session)?;
    let (at, step) = find(session, id, "completed", &[StepStatus::InProgress])?;
    for (key, _) in published {
        facts::check_key(key)?;
    }
    let mut step = Step {
        status: StepStatus::Complete,
        completed_at: Some(now.to_owned()),
        error: None,
        facts: Vec::new(),
        ..Step::clone(step)
    };
    for (key, _) in published {
        if !step.facts.contains(key) {
            step.facts.push(key.clone());
        }
    }
    let mut next = with_step(session, at, step);
    next.failure = None;
    if !published.is_empty() {
        publish(&mut next, at, published, context);
    }
    Ok(next)
}

/// Publishes facts of the step at `at`. A fact that another step published before is this one's from now on.
fn publish(next: &mut Session, at: usize, published: &[(String, String)], context: &Context<'_>) {
    let mut all = next.facts.get().clone();
    // A step's facts are among all of them, so that new ones are nobody's.
    let are_new = published.iter().all(|(key, _)| all.fact(key).is_none());
    for (key, value) in published {
        all.publish(key, value, context.secrets);
    }
    next.facts = Piece::new(all);
    if are_new {
        return;
    }
    let is_published = |key: &String| published.iter().any(|(published, _)| published == key);
    for other in (0..next.steps.list().len()).filter(|other| *other != at) {
        if next.steps.get(other).facts.iter().any(is_published) {
            let mut step = Step::clone(next.steps.get(other));
            step.facts.retain(|key| !is_published(key));
            next.steps.set(other, step);
        }
    }
}

fn failed(
    session: &Session,
    id: &str,
    message: &str,
    cause: Cause,
    now: &str,
    context: &Context<'_>,
) -> Result<Session, IllegalTransition> {
    under_way(session)?;
    let (at, step) = find(session, id, "failed", &[StepStatus::InProgress])?;
    let message = context.secrets.failure(message);
    let step = Step {
        status: StepStatus::Failed,
        completed_at: None,
        error: Some(message.clone()),
        ..Step::clone(step)
    };
    let mut next = with_step(session, at, step);
    next.status = Status::Failed;
    next.failure = Some(Failure {
        step: id.to_owned(),
        message,
        recorded_at: now.to_owned(),
        cause,
        unknown: serde_json::Map::new(),
    });
    Ok(next)
}

fn skipped(session: &Session, id: &str) -> Result<Session, IllegalTransition> {
    under_way(session)?;
    let (at, step) = find(session, id, "skipped", &[StepStatus::Pending, StepStatus::InProgress])?;
    let step = Step {
        status: StepStatus::Skipped,
        started_at: None,
        completed_at: None,
        error: None,
        ..Step::clone(step)
    };
    Ok(with_step(session, at, step))
}

fn reset(session: &Session, id: &str) -> Result<Session, IllegalTransition> {
    if session.status == Status::Complete {
        return Err(IllegalTransition::SessionComplete);
    }
    let at =
        session.steps.position(id).ok_or_else(|| IllegalTransition::UnknownStep { step: id.to_owned() })?;
    let step = session.steps.get(at);
    let forgotten = step.facts.clone();
    let step = Step {
        status: StepStatus::Pending,
        started_at: None,
        completed_at: None,
        error: None,
        facts: Vec::new(),
        ..Step::clone(step)
    };
    let mut next = with_step(session, at, step);
    forget(&mut next, &forgotten);
    // A failure is told as long as the step that failed says so itself.
    if next.failure.as_ref().is_some_and(|failure| failure.step == id) {
        next.failure = None;
        next.status = Status::InProgress;
    }
    Ok(next)
}

pub(super) fn forget(next: &mut Session, keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    let mut facts = next.facts.get().clone();
    for key in keys {
        facts.forget(key);
    }
    next.facts = Piece::new(facts);
}

fn session_completed(session: &Session, now: &str) -> Result<Session, IllegalTransition> {
    under_way(session)?;
    if let Some(step) = session.first_unfinished() {
        return Err(IllegalTransition::Unfinished { step: step.id.clone(), status: step.status });
    }
    let mut next = attempts::ended(session, End::Complete, now)?;
    next.status = Status::Complete;
    next.failure = None;
    Ok(next)
}
