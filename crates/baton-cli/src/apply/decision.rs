//! What a runner may do with the session that it finds, given what it was asked for. Pure: nothing is read, asked or run here.
//!
//! The one rule that everything else serves: what was begun and not finished is neither carried on nor thrown away unasked. A choice
//! that failed would be made again (the ancestor resumed a failed session by itself, with the bad answer baked in), and one
//! that half succeeded would be repeated.

use baton_lock::session::{PlanChange, Session, Status, StepStatus};

/// What the command line asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing in particular: `baton apply PLAN`.
    #[default]
    Plain,
    /// `--resume`.
    Resume,
    /// `--fresh`.
    Fresh,
    /// `--from STEP`.
    From(String),
    /// `--only STEP`.
    Only(String),
}

/// Whether changes of finished steps are accepted: `--accept-changes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// They are not.
    Refused,
    /// They are.
    Accepted,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start from nothing.
    Fresh,
    /// Carry on.
    Resume,
    /// Carry on after these steps are to be run again.
    Rerun(Vec<String>),
    /// Run one step again, and nothing else.
    Only(String),
    /// Somebody has to choose: there is an unfinished session.
    Choose,
    /// The session is complete, and was asked to be resumed.
    AlreadyComplete,
    /// It can't be done, and why.
    Refused(Refusal),
}

/// Why it can't be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is nothing to resume.
    NoSession,
    /// The session is that of another plan file.
    OtherPlan {
        /// That file.
        recorded: String,
    },
    /// What is finished has changed in the plan.
    Changed(Vec<PlanChange>),
    /// `--from` a step before which not all is finished.
    Unfinished {
        /// The first such step.
        step: String,
    },
}

/// What is found on disk, and in the plan.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The session, if there is one.
    pub session: Option<&'a Session>,
    /// The plan's path.
    pub plan: &'a str,
    /// The ids of its steps, in order.
    pub steps: &'a [String],
    /// What the plan changes of what is finished.
    pub changes: &'a [PlanChange],
}

/// Decides.
pub fn decide(asked: &Asked, changes: Changes, found: Found<'_>) -> Decision {
    let Some(session) = found.session else { return without_session(asked, found) };
    if session.plan() != found.plan {
        return Decision::Refused(Refusal::OtherPlan { recorded: session.plan().to_owned() });
    }
    let decision = match (asked, session.status()) {
        (Asked::Fresh, _) | (Asked::Plain, Status::Complete) => return Decision::Fresh,
        (Asked::Resume, Status::Complete) => return Decision::AlreadyComplete,
        (Asked::Resume, _) => Decision::Resume,
        // Nothing was done that could be lost or repeated.
        (Asked::Plain, _) if is_untouched(session) => return Decision::Fresh,
        (Asked::Plain, _) => return Decision::Choose,
        (Asked::From(step), _) => from(step, session, found.steps),
        (Asked::Only(step), _) => Decision::Only(step.clone()),
    };
    if changes == Changes::Refused && !found.changes.is_empty() {
        return Decision::Refused(Refusal::Changed(found.changes.to_vec()));
    }
    decision
}

fn without_session(asked: &Asked, found: Found<'_>) -> Decision {
    match asked {
        Asked::Plain | Asked::Fresh => Decision::Fresh,
        Asked::Resume => Decision::Refused(Refusal::NoSession),
        Asked::From(step) if found.steps.first() == Some(step) => Decision::Fresh,
        Asked::From(_) => {
            let step = found.steps.first().cloned().unwrap_or_default();
            Decision::Refused(Refusal::Unfinished { step })
        }
        Asked::Only(step) => Decision::Only(step.clone()),
    }
}

fn is_untouched(session: &Session) -> bool {
    let is_untouched = |status| matches!(status, StepStatus::Pending | StepStatus::Skipped);
    session.failure().is_none() && session.steps().all(|step| is_untouched(step.status))
}

/// All from that step on run again; all before it must be finished.
fn from(step: &str, session: &Session, steps: &[String]) -> Decision {
    let at = steps.iter().position(|id| id == step).unwrap_or(0);
    let is_finished = |id: &&String| session.step(id).is_some_and(baton_lock::session::Step::is_finished);
    match steps[..at].iter().find(|id| !is_finished(id)) {
        Some(step) => Decision::Refused(Refusal::Unfinished { step: step.clone() }),
        None => Decision::Rerun(steps[at..].to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use baton_lock::redact::Secrets;
    use baton_lock::session::{Actor, AttemptOutcome, Begin, Cause, Context, Event, PlannedStep, next};

    use super::*;

    const PLAN: &str = "/p.toml";

    fn begin() -> Begin {
        let steps = ["a", "b", "c"].map(PlannedStep::new).to_vec();
        Begin::new("p", PLAN, steps, Actor::new(7, 1, AttemptOutcome::Fresh))
    }

    fn after(events: &[Event]) -> Session {
        let secrets = Secrets::default();
        let context = Context { at: SystemTime::UNIX_EPOCH, secrets: &secrets };
        let first = Event::FreshStart { session_id: "1-a".into(), begin: begin() };
        let mut session = next(None, &first, &context).expect("legal");
        for event in events {
            session = next(Some(&session), event, &context).expect("legal");
        }
        session
    }

    fn done(step: &str) -> [Event; 2] {
        [Event::step_started(step), Event::step_completed(step, [] as [(String, String); 0])]
    }

    fn untouched() -> Session {
        after(&[])
    }

    fn crashed() -> Session {
        after(&[done("a").to_vec(), vec![Event::step_started("b")]].concat())
    }

    fn failed() -> Session {
        after(&[Event::step_started("a"), Event::step_failed("a", "no", Cause::Error)])
    }

    fn complete() -> Session {
        after(
            &[done("a"), done("b"), done("c")]
                .concat()
                .into_iter()
                .chain([Event::SessionCompleted])
                .collect::<Vec<_>>(),
        )
    }

    fn decided(asked: &Asked, session: Option<&Session>) -> Decision {
        let steps = ["a", "b", "c"].map(String::from);
        decide(asked, Changes::Refused, Found { session, plan: PLAN, steps: &steps, changes: &[] })
    }

    #[test]
    fn unfinished_session_is_neither_resumed_nor_restarted_unasked() {
        for session in [crashed(), failed()] {
            assert_eq!(decided(&Asked::Plain, Some(&session)), Decision::Choose);
            assert_eq!(decided(&Asked::Resume, Some(&session)), Decision::Resume);
            assert_eq!(decided(&Asked::Fresh, Some(&session)), Decision::Fresh);
        }
    }

    #[test]
    fn where_nothing_was_done_or_all_there_is_nothing_to_choose() {
        assert_eq!(decided(&Asked::Plain, None), Decision::Fresh);
        assert_eq!(decided(&Asked::Plain, Some(&untouched())), Decision::Fresh);
        assert_eq!(decided(&Asked::Plain, Some(&complete())), Decision::Fresh);
        assert_eq!(decided(&Asked::Resume, Some(&complete())), Decision::AlreadyComplete);
        assert_eq!(decided(&Asked::Resume, None), Decision::Refused(Refusal::NoSession));
    }

    #[test]
    fn from_a_step_needs_all_before_it_finished() {
        let from = |step: &str, session| decided(&Asked::From(step.into()), session);
        let session = crashed();
        assert_eq!(from("b", Some(&session)), Decision::Rerun(vec!["b".into(), "c".into()]));
        assert_eq!(from("c", Some(&session)), Decision::Refused(Refusal::Unfinished { step: "b".into() }));
        assert_eq!(from("a", None), Decision::Fresh);
        assert_eq!(from("b", None), Decision::Refused(Refusal::Unfinished { step: "a".into() }));
        assert_eq!(from("c", Some(&complete())), Decision::Rerun(vec!["c".into()]));
    }

    #[test]
    fn session_of_another_plan_file_is_refused_whatever_is_asked() {
        let session = crashed();
        for asked in [Asked::Plain, Asked::Resume, Asked::Fresh, Asked::Only("a".into())] {
            let found = Found { session: Some(&session), plan: "/other.toml", steps: &[], changes: &[] };
            let refused = Decision::Refused(Refusal::OtherPlan { recorded: PLAN.into() });
            assert_eq!(decide(&asked, Changes::Accepted, found), refused);
        }
    }

    #[test]
    fn changed_finished_step_is_refused_unless_accepted_or_started_afresh() {
        let session = crashed();
        let steps = ["a", "b", "c"].map(String::from);
        let changes = [PlanChange::Altered { step: "a".into() }];
        let found = Found { session: Some(&session), plan: PLAN, steps: &steps, changes: &changes };
        let refused = Decision::Refused(Refusal::Changed(changes.to_vec()));
        assert_eq!(decide(&Asked::Resume, Changes::Refused, found), refused);
        assert_eq!(decide(&Asked::Only("b".into()), Changes::Refused, found), refused);
        assert_eq!(decide(&Asked::Resume, Changes::Accepted, found), Decision::Resume);
        assert_eq!(decide(&Asked::Fresh, Changes::Refused, found), Decision::Fresh);
    }
}
