//! The decision, put to whoever can make it, and said in words where nobody can.
//!
//! What is decided is [`decision`]'s; here are the events that begin the attempt, the questions on a terminal, and the messages
//! that name step, time, reason and the commands to choose from.

use std::fmt::Write as _;

use baton_lock::session::{
    Actor, Begin, Cause, Event, PlanChange, PlannedStep, Purpose, Session, StepStatus,
};
use baton_lock::{Held, escape};

use super::decision::{self, Asked, Changes, Decision, Found, Refusal};
use crate::ask;
use crate::exit;
use crate::failure::Failure;
use crate::notice;
use crate::plan::{Fingerprint, Plan};

/// What is to be done with the session.
pub(super) enum Chosen {
    /// Nothing, with this exit code.
    Over(u8),
    /// This is to be recorded; then run all steps, or one only.
    Events(Vec<Event>, Option<String>),
}

/// The begin of an attempt.
pub(super) struct Beginning<'a> {
    pub(super) plan: &'a Plan,
    pub(super) held: &'a Held,
    pub(super) changes: Changes,
}

impl Beginning<'_> {
    /// What the attempt is begun with.
    pub(super) fn begin(&self) -> Begin {
        let path = self.plan.path.to_string_lossy();
        let begin = Begin::new(&self.plan.name, path, planned(self.plan), Actor::of(self.held));
        match self.changes {
            Changes::Refused => begin,
            Changes::Accepted => begin.accepting_changes(),
        }
    }

    /// Decides, and asks where that is possible.
    pub(super) fn choose(
        &self,
        session: Option<&Session>,
        asked: &Asked,
        yes: bool,
    ) -> Result<Chosen, Failure> {
        let steps: Vec<String> = self.plan.steps.iter().map(|step| step.id.clone()).collect();
        let path = self.plan.path.to_string_lossy();
        let changed = session.map(|session| session.plan_changes(&planned(self.plan))).unwrap_or_default();
        let found = Found { session, plan: &path, steps: &steps, changes: &changed };
        match (decision::decide(asked, self.changes, found), session) {
            (Decision::Choose, Some(session)) => match self.put_to_the_user(session)? {
                Some(asked) => self.events(decision::decide(&asked, self.changes, found), Some(session)),
                None => Ok(Chosen::Over(exit::DECISION_NEEDED)),
            },
            (Decision::Fresh, Some(session)) if *asked == Asked::Fresh && !yes && !is_confirmed(session) => {
                Ok(Chosen::Over(exit::DECISION_NEEDED))
            }
            (decision, session) => self.events(decision, session),
        }
    }

    fn events(&self, decision: Decision, session: Option<&Session>) -> Result<Chosen, Failure> {
        let rerun = |ids: Vec<String>| {
            let first = Event::AttemptBegun(self.begin().with_purpose(Purpose::Rerun));
            [first].into_iter().chain(ids.into_iter().map(Event::step_reset)).collect()
        };
        Ok(match (decision, session) {
            (Decision::Fresh, _) => Chosen::Events(vec![Event::fresh_start(self.begin())?], None),
            (Decision::Only(id), None) => Chosen::Events(vec![Event::fresh_start(self.begin())?], Some(id)),
            (Decision::Only(id), Some(_)) => Chosen::Events(rerun(vec![id.clone()]), Some(id)),
            (Decision::Rerun(ids), _) => Chosen::Events(rerun(ids), None),
            (Decision::Resume, _) => Chosen::Events(vec![Event::AttemptBegun(self.begin())], None),
            (Decision::AlreadyComplete, _) => {
                notice::line(&format!("`{}` is complete: there is nothing to resume", self.plan.name));
                Chosen::Over(exit::DONE)
            }
            (Decision::Choose, _) => Chosen::Over(exit::DECISION_NEEDED),
            (Decision::Refused(refusal), session) => return Err(refused(self.plan, &refusal, session)),
        })
    }

    /// On a terminal asks; elsewhere it is a failure that names the commands.
    fn put_to_the_user(&self, session: &Session) -> Result<Option<Asked>, Failure> {
        let (story, plan) = (how_it_stands(session), shown(self.plan));
        let undo = format!("`baton undo {plan}` takes back the rest");
        if !ask::is_possible() {
            return Err(Failure {
                code: exit::DECISION_NEEDED,
                message: format!("`{}` is not finished: {story}", self.plan.name),
                hint: Some(format!(
                    "{}`baton apply --resume {plan}` carries on there, `baton apply --fresh {plan}` starts from the first \
                     step, `baton apply --dry-run --resume {plan}` shows what would run",
                    if session.is_half_undone() { undo + ", " } else { String::new() }
                )),
            });
        }
        notice::line(&format!("`{}` is not finished: {story}", self.plan.name));
        if session.is_half_undone() {
            notice::hint(&undo);
        }
        loop {
            let answer = ask::ask("Carry on there (r), start from the first step (f), or do nothing (c)?");
            match answer.as_deref() {
                Some("r" | "resume") => return Ok(Some(Asked::Resume)),
                // Whoever answers this was asked just now, and is not asked again.
                Some("f" | "fresh") => return Ok(Some(Asked::Fresh)),
                Some("c" | "cancel") | None => return Ok(None),
                Some(_) => {}
            }
        }
    }
}

/// Why it can't be done, and what can.
pub(super) fn refused(plan: &Plan, refusal: &Refusal, session: Option<&Session>) -> Failure {
    let (name, path) = (&plan.name, shown(plan));
    let (code, message, hint) = match refusal {
        Refusal::NoSession => (
            exit::DECISION_NEEDED,
            format!("there is no session of `{name}` to resume"),
            format!("`baton apply {path}` starts one"),
        ),
        Refusal::OtherPlan { recorded } => (
            exit::CONTENT,
            format!(
                "the session of `{name}` was begun with the plan `{}`, not with `{path}`",
                escape::text(recorded),
            ),
            format!(
                "give one of the two plans another name; if the file was moved, `baton session reset {name}` \
                 forgets what was done"
            ),
        ),
        Refusal::Changed(changes) => (
            exit::DECISION_NEEDED,
            format!("the plan has changed what is finished: {}", in_words(plan, changes, session)),
            "`--accept-changes` counts it as finished all the same, `--fresh` starts from the first step, `--from STEP` \
             with `--accept-changes` runs again from there"
                .to_owned(),
        ),
        Refusal::Unfinished { step } => (
            exit::DECISION_NEEDED,
            format!("step `{step}` comes before and is not finished"),
            format!("`baton apply --resume {path}` runs it first"),
        ),
    };
    Failure { code, message, hint: Some(hint) }
}

/// The differences, with what a step was and is where that was kept.
fn in_words(plan: &Plan, changes: &[PlanChange], session: Option<&Session>) -> String {
    let words = |change: &PlanChange| match change {
        PlanChange::Altered { step } => altered(plan, step, session).unwrap_or_else(|| change.to_string()),
        other => other.to_string(),
    };
    changes.iter().map(words).collect::<Vec<_>>().join("; ")
}

fn altered(plan: &Plan, step: &str, session: Option<&Session>) -> Option<String> {
    let recorded = session?.step(step)?.definition.clone()?;
    let fingerprint: Fingerprint = serde_json::from_value(recorded).ok()?;
    let changes = plan.changes_since([(step, &fingerprint)]);
    let words: Vec<String> =
        changes.iter().map(|change| escape::text(&change.to_string()).into_owned()).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// The plan's steps as the session knows them.
pub(super) fn planned(plan: &Plan) -> Vec<PlannedStep> {
    let secrets = plan.secrets();
    plan.steps
        .iter()
        .map(|step| {
            let fingerprint = step.fingerprint(&secrets);
            let planned = PlannedStep::with_digest(&step.id, &fingerprint.digest);
            // What can't be spelled as JSON is not there to be compared: then the digest alone tells.
            serde_json::to_value(&fingerprint)
                .map_or(planned.clone(), |definition| planned.remembering(definition))
        })
        .collect()
}

/// Where and why a session stopped, in one line.
pub(super) fn how_it_stands(session: &Session) -> String {
    let done = session.steps().filter(|step| step.is_finished()).count();
    let mut text = format!("{done} of {} steps are done", session.steps().len());
    if session.is_half_undone() {
        text.push_str("; it was being undone, which has not come to its end");
    }
    // Writing to a string can't fail.
    if let Some(failure) = session.failure() {
        let how = if failure.cause == Cause::Interrupted { "was interrupted" } else { "failed" };
        let (step, message) = (escape::text(&failure.step), escape::text(&failure.message));
        let _ = write!(text, "; step `{step}` {how} at {}: {message}", failure.recorded_at);
    } else if let Some(step) = session.step_in_progress() {
        let since = step.started_at.as_deref().unwrap_or("an unknown time");
        let _ = write!(
            text,
            "; the runner was killed while step `{}` ran, begun at {since}",
            escape::text(&step.id)
        );
    } else if let Some(step) = session.first_unfinished() {
        let what = if step.status == StepStatus::Failed { "failed" } else { "is the next" };
        let _ = write!(
            text,
            "; step `{}` {what}; it stopped at {}",
            escape::text(&step.id),
            session.updated_at()
        );
    }
    text
}

/// On a terminal, what is thrown away is asked about; elsewhere `--fresh` is explicit enough.
fn is_confirmed(session: &Session) -> bool {
    let done = session.steps().filter(|step| step.is_finished()).count();
    let is_finished = session.first_unfinished().is_none();
    done == 0
        || is_finished
        || !ask::is_possible()
        || ask::is_confirmed(&format!("{}. Start from the first step all the same?", how_it_stands(session)))
}

/// The plan's path as a shell takes it.
pub(super) fn shown(plan: &Plan) -> String {
    escape::shell(&plan.path)
}
