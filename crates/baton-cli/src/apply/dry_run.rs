//! `--dry-run`: what would run and why, without a lock, and without running anything: not even checks, which are commands too.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::escape;
use baton_lock::session::Session;
use baton_lock::store::Store;

use super::attempt;
use super::choice::{self, how_it_stands};
use super::decision::{self, Asked, Changes, Decision, Found};
use super::step::{self, Question};
use crate::args::ApplyArgs;
use crate::exit;
use crate::failure::Failure;
use crate::plan::{Plan, Step};

/// Prints it.
pub(super) fn show(args: &ApplyArgs, place: &dyn Store) -> Result<u8, Failure> {
    let plan = Plan::load(&args.plan)?;
    let asked = attempt::asked(args, &plan)?;
    let session = place.session(&plan.name)?.load()?;
    let changes = if args.accept_changes { Changes::Accepted } else { Changes::Refused };
    let (code, text) = text(&plan, session.as_ref(), &asked, changes);
    // Nobody may be reading any more.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(code)
}

fn text(plan: &Plan, session: Option<&Session>, asked: &Asked, changes: Changes) -> (u8, String) {
    let steps: Vec<String> = plan.steps.iter().map(|step| step.id.clone()).collect();
    let changed = session.map(|session| session.plan_changes(&choice::planned(plan))).unwrap_or_default();
    let path = plan.path.to_string_lossy();
    let found = Found { session, plan: &path, steps: &steps, changes: &changed };
    let decision = decision::decide(asked, changes, found);
    let stands = session.map(how_it_stands).unwrap_or_default();
    let (code, head) = match &decision {
        Decision::Fresh => (exit::DONE, "would start from the first step".to_owned()),
        Decision::Resume => (exit::DONE, format!("would carry on: {stands}")),
        Decision::Rerun(_) | Decision::Only(_) => {
            (exit::DONE, "would run again what was asked for".to_owned())
        }
        Decision::AlreadyComplete => (exit::DONE, "is complete: nothing would run".to_owned()),
        Decision::Choose => {
            (exit::DECISION_NEEDED, format!("is not finished: {stands}; with `--resume` this would run"))
        }
        Decision::Refused(refusal) => {
            let failure = choice::refused(plan, refusal, session);
            (failure.code, format!("would be refused: {}; otherwise this would run", failure.message))
        }
    };
    let mut text = format!("`{}` {head}\n", plan.name);
    let secrets = plan.secrets();
    for step in &plan.steps {
        let (mark, why) = would(step, session, &decision);
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {mark:<5} {:<20} {why}", escape::text(&step.id));
        if mark != "keep" {
            let _ = writeln!(text, "        {:<20} {}", "", escape::text(&step.run.redacted(&secrets)));
        }
    }
    (code, text)
}

fn would(step: &Step, session: Option<&Session>, decision: &Decision) -> (&'static str, String) {
    let when = if step.when.is_some() { ", if its `when` says so" } else { "" };
    let asked_for = |ids: &[String]| ids.contains(&step.id);
    match (decision, session) {
        (Decision::Fresh, _) | (_, None) => ("run", format!("it has not run yet{when}")),
        (Decision::AlreadyComplete, _) => ("keep", "it is complete".to_owned()),
        (Decision::Rerun(ids), _) if asked_for(ids) => ("run", format!("it was asked for{when}")),
        (Decision::Only(id), _) if *id == step.id => ("run", format!("it was asked for{when}")),
        (Decision::Only(_), _) => ("keep", "it was not asked for".to_owned()),
        (_, Some(session)) => match step::question(step, session) {
            Question::None(reason) => ("run", format!("{}{when}", reason.as_str())),
            Question::Settled => ("keep", "it is complete".to_owned()),
            Question::StillThere => ("check", "it is complete; it runs again if its check fails".to_owned()),
            Question::ThereAfterAll => {
                ("check", "its runner was killed while it ran; it runs again if its check fails".to_owned())
            }
        },
    }
}
