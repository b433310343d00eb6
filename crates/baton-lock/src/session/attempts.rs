//! The begin and the end of attempts, and of the session itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::event::{Begin, IllegalTransition, PlanChanges, PlannedStep};
use super::facts::Facts;
use super::machine::forget;
use super::model::{Attempt, End, Origin, Purpose, Session, Status, Step, StepStatus, Unknown};
use super::pieces::Piece;
use crate::state_dir;

/// The attempts that a session remembers: enough for a person to read, so few (some 150 KB) that a job which is run
/// again every minute for ever never reaches the limit for the file's size by them.
const REMEMBERED: usize = 500;

/// A session from nothing. Numbers that name files or order writes go on from the previous one.
pub(super) fn fresh(
    previous: Option<&Session>,
    session_id: &str,
    begin: &Begin,
    now: &str,
) -> Result<Session, IllegalTransition> {
    check(&begin.steps)?;
    if let Some(previous) = previous {
        same_name(previous, begin)?;
        not_under_way(previous, begin)?;
    }
    let number = previous.map_or(1, next_number);
    let steps = begin.steps.iter().map(|step| Arc::new(Step::pending(step)));
    let origin = Origin {
        id: session_id.to_owned(),
        name: begin.name.clone(),
        plan: begin.plan.clone(),
        started_at: now.to_owned(),
        unknown_of_baton: Unknown::new(),
        unknown: Unknown::new(),
    };
    Ok(Session {
        token: previous.map_or(0, |previous| previous.token),
        revision: previous.map_or(0, |previous| previous.revision),
        origin: Arc::new(origin),
        status: Status::InProgress,
        updated_at: now.to_owned(),
        attempts: std::iter::once(Arc::new(attempt(number, begin, now))).collect(),
        failure: None,
        facts: Piece::new(Facts::default()),
        steps: steps.collect(),
    })
}

/// A further attempt.
pub(super) fn begun(session: &Session, begin: &Begin, now: &str) -> Result<Session, IllegalTransition> {
    check(&begin.steps)?;
    same_name(session, begin)?;
    if session.plan() != begin.plan {
        let (recorded, given) = (session.plan().to_owned(), begin.plan.clone());
        return Err(IllegalTransition::OtherPlan { recorded, given });
    }
    if session.status == Status::Complete && begin.purpose == Purpose::Apply {
        return Err(IllegalTransition::SessionComplete);
    }
    not_under_way(session, begin)?;
    if begin.changes == PlanChanges::Refused {
        let changes = session.plan_changes(&begin.steps);
        if !changes.is_empty() {
            return Err(IllegalTransition::PlanChanged { changes });
        }
    }
    let mut next = session.clone();
    follow(&mut next, &begin.steps);
    next.status = Status::InProgress;
    next.failure = None;
    let new = Arc::new(attempt(next_number(session), begin, now));
    let forgotten = (session.attempts.len() + 1).saturating_sub(REMEMBERED);
    next.attempts = session.attempts.iter().cloned().chain([new]).skip(forgotten).collect();
    Ok(next)
}

/// The end of the attempt that is under way.
pub(super) fn ended(session: &Session, end: End, now: &str) -> Result<Session, IllegalTransition> {
    let open = session.open_attempt().ok_or(IllegalTransition::NoAttempt)?;
    let ended = Attempt { ended_at: Some(now.to_owned()), end: Some(end), ..open.clone() };
    let mut next = session.clone();
    next.attempts.set(session.attempts.len() - 1, ended);
    Ok(next)
}

fn attempt(number: u64, begin: &Begin, now: &str) -> Attempt {
    let actor = &begin.actor;
    Attempt {
        number,
        started_at: now.to_owned(),
        ended_at: None,
        pid: actor.pid,
        host: actor.host.clone(),
        user: actor.user.clone(),
        token: actor.token,
        outcome: actor.outcome,
        end: None,
        purpose: begin.purpose,
        unknown: Unknown::new(),
    }
}

fn next_number(session: &Session) -> u64 {
    session.attempts().next_back().map_or(1, |last| last.number.saturating_add(1))
}

/// Makes the steps those of the plan, in its order; what is known of them stays.
fn follow(next: &mut Session, plan: &[PlannedStep]) {
    let mut known: HashMap<String, Arc<Step>> =
        next.steps.list().iter().map(|step| (step.id.clone(), Arc::clone(step))).collect();
    next.steps = plan.iter().map(|planned| followed(planned, known.remove(&planned.id))).collect();
    let forgotten: Vec<String> = known.into_values().flat_map(|step| step.facts.clone()).collect();
    forget(next, &forgotten);
}

fn followed(planned: &PlannedStep, known: Option<Arc<Step>>) -> Arc<Step> {
    match known {
        None => Arc::new(Step::pending(planned)),
        Some(step) if step.digest == planned.digest => step,
        Some(step) => {
            let (digest, definition) = (planned.digest.clone(), planned.definition.clone());
            Arc::new(Step { digest, definition, ..Step::clone(&step) })
        }
    }
}

fn same_name(session: &Session, begin: &Begin) -> Result<(), IllegalTransition> {
    if session.name() == begin.name {
        return Ok(());
    }
    Err(IllegalTransition::OtherName { recorded: session.name().to_owned(), given: begin.name.clone() })
}

/// An open attempt of another token crashed; one of the same is still going on.
fn not_under_way(session: &Session, begin: &Begin) -> Result<(), IllegalTransition> {
    match session.open_attempt() {
        Some(open) if open.token == begin.actor.token => {
            Err(IllegalTransition::AttemptUnderWay { number: open.number })
        }
        _ => Ok(()),
    }
}

/// Refuses steps that could not be told apart, or whose names can't name a file.
fn check(steps: &[PlannedStep]) -> Result<(), IllegalTransition> {
    let mut seen = std::collections::HashSet::with_capacity(steps.len());
    for PlannedStep { id, .. } in steps {
        let invalid = |reason| IllegalTransition::InvalidStep { step: id.clone(), reason };
        state_dir::check_name(id).map_err(invalid)?;
        if !seen.insert(id.as_str()) {
            return Err(invalid("another step has the same name"));
        }
    }
    Ok(())
}

/// Whether a session that was read can be what the machine makes; the text says what is wrong.
pub(super) fn check_read(session: &Session) -> Result<(), String> {
    let mut seen = std::collections::HashSet::with_capacity(session.steps().len());
    if let Some(twice) = session.steps().find(|step| !seen.insert(step.id.as_str())) {
        return Err(format!("it has two steps `{}`", twice.id));
    }
    let running: Vec<&str> = session
        .steps()
        .filter(|step| step.status == StepStatus::InProgress)
        .map(|step| step.id.as_str())
        .collect();
    match running[..] {
        [one, other, ..] => Err(format!("two of its steps are in progress: `{one}` and `{other}`")),
        _ => Ok(()),
    }
}
