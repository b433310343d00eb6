//! `baton undo`: the `undo` commands of what was done, in reverse.
//!
//! A step that failed or was killed in the middle may have done a part: its `undo` runs too, which therefore has to bear that
//! there is nothing to take back. Each one is recorded when it is done, so that an undo that was killed goes on where it was.

use baton_lock::escape;
use baton_lock::session::{End, Event, Session, StepStatus};

use super::runner::{Came, FaultCause, Runner};
use super::step;
use crate::exit;
use crate::failure::Failure;
use crate::plan::Plan;

/// The steps to be undone, the last one first; `None` if nothing is done.
pub(super) fn todo(plan: &Plan, session: Option<&Session>) -> Result<Option<Vec<String>>, Failure> {
    let Some(session) = session else { return Ok(None) };
    if session.plan() != plan.path.to_string_lossy() {
        return Err(Failure {
            code: exit::CONTENT,
            message: format!(
                "the session of `{}` was begun with the plan `{}`",
                plan.name,
                escape::text(session.plan())
            ),
            hint: Some("undo it with that plan, which knows how".to_owned()),
        });
    }
    let was_done = |status| !matches!(status, StepStatus::Pending | StepStatus::Skipped);
    let done: Vec<&str> =
        session.steps().filter(|step| was_done(step.status)).map(|step| step.id.as_str()).collect();
    if let Some(unknown) = done.iter().find(|id| plan.step(id).is_none()) {
        return Err(Failure {
            code: exit::DECISION_NEEDED,
            message: format!(
                "step `{}` was done and is no longer in the plan, so that nobody knows how to undo it",
                escape::text(unknown)
            ),
            hint: Some("put it back into the plan".to_owned()),
        });
    }
    let todo: Vec<String> = done.into_iter().rev().map(str::to_owned).collect();
    Ok((!todo.is_empty()).then_some(todo))
}

/// Undoes these steps; stops at the first that can't be.
pub(super) fn run(runner: &mut Runner<'_>, todo: &[String]) -> Result<Came, Failure> {
    for id in todo {
        if let Some(signal) = runner.told_to_stop() {
            return runner.interrupted(signal);
        }
        let Some(step) = runner.plan().step(id) else { continue };
        let facts = step::facts(runner.session()?);
        match runner.undo(step, &facts)? {
            Ok(()) => {
                runner.record([Event::step_reset(id)])?;
                runner.teller.undone(step);
            }
            Err(fault) => {
                return match fault.cause {
                    FaultCause::Interrupted(signal) => runner.interrupted(signal),
                    FaultCause::Error(_) | FaultCause::Timeout => runner.ended(End::Failed, Came::Failed),
                };
            }
        }
    }
    runner.ended(End::Complete, Came::Complete)
}
