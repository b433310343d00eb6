//! One attempt, from the plan file to the end of the lock: the order in which everything happens.
//!
//! 1. The plan is read whole; nothing is waited for or asked about a plan that is wrong.
//! 2. The lock is acquired.
//! 3. The session is read, now that nobody else changes it, and it is decided what to do with it.
//! 4. The attempt is recorded, then the steps run.
//! 5. The lock is given back. Whatever went wrong is in the session, so that this is a clean end; only a runner that was killed
//!    leaves its record behind.

use std::ffi::OsStr;
use std::time::Instant;

use baton_lock::session::{self, Event, Purpose, Writer};
use baton_lock::store::{Intent, Store};
use baton_lock::{Held, Integrity, Lock, escape};

use super::choice::{self, Beginning, Chosen};
use super::decision::{Asked, Changes};
use super::runner::{Came, Runner};
use super::tell::Teller;
use super::undoing;
use crate::args::{ApplyArgs, TellingArgs, UndoArgs, WaitingArgs};
use crate::ask;
use crate::exit;
use crate::failure::Failure;
use crate::notice::{self, Notices};
use crate::plan::Plan;
use crate::run::holding;
use crate::run::signals::Caught;
use crate::run::waiting::{self, Answer, Limit};

/// `baton apply`.
pub(super) fn apply(args: &ApplyArgs, place: &dyn Store) -> Result<u8, Failure> {
    let plan = Plan::load(&args.plan)?;
    let asked = asked(args, &plan)?;
    let store = place.session(&plan.name)?;
    under_lock(&plan, place, &args.waiting, |held| {
        let changes = if args.accept_changes { Changes::Accepted } else { Changes::Refused };
        let begin = Beginning { plan: &plan, held, changes };
        let chosen = open(&store, held, &asked).and_then(|writer| {
            let chosen = begin.choose(writer.session(), &asked, args.yes)?;
            Ok((writer, chosen))
        });
        match chosen {
            Err(failure) => Ok(Outcome::Untouched(Err(failure))),
            Ok((_, Chosen::Over(code))) => Ok(Outcome::Untouched(Ok(code))),
            Ok((writer, Chosen::Events(events, only))) => {
                let mut runner = runner(place, &plan, held, writer, &args.telling, &args.waiting)?;
                runner.begin(events)?;
                Ok(Outcome::Done(code_of(runner.run(only.as_deref())?)))
            }
        }
    })
}

/// `baton undo`.
pub(super) fn undo(args: &UndoArgs, place: &dyn Store) -> Result<u8, Failure> {
    let plan = Plan::load(&args.plan)?;
    let store = place.session(&plan.name)?;
    under_lock(&plan, place, &args.waiting, |held| {
        let found = store.open(held).map_err(Failure::from).and_then(|writer| {
            let todo = undoing::todo(&plan, writer.session())?;
            Ok((writer, todo))
        });
        let (writer, todo) = match found {
            Ok(found) => found,
            Err(failure) => return Ok(Outcome::Untouched(Err(failure))),
        };
        let Some(todo) = todo else {
            notice::line(&format!("nothing of `{}` is done, so that there is nothing to undo", plan.name));
            return Ok(Outcome::Untouched(Ok(exit::DONE)));
        };
        if !confirmed_undo(&todo, args.yes) {
            return Ok(Outcome::Untouched(Err(Failure {
                code: exit::DECISION_NEEDED,
                message: format!("to undo `{}` has to be confirmed: {}", plan.name, todo.join(", ")),
                hint: Some(format!("`baton undo --yes {}` does it", choice::shown(&plan))),
            })));
        }
        let begin = Beginning { plan: &plan, held, changes: Changes::Accepted };
        let mut runner = runner(place, &plan, held, writer, &args.telling, &args.waiting)?;
        runner.begin(vec![Event::AttemptBegun(begin.begin().with_purpose(Purpose::Undo))])?;
        Ok(Outcome::Done(code_of(undoing::run(&mut runner, &todo)?)))
    })
}

fn runner<'a>(
    place: &dyn Store,
    plan: &'a Plan,
    held: &'a Held,
    writer: Writer,
    telling: &TellingArgs,
    waiting: &WaitingArgs,
) -> Result<Runner<'a>, Failure> {
    let caught = Caught::now().map_err(|error| Failure {
        code: exit::BUG,
        message: format!("cannot catch signals: {error}"),
        hint: None,
    })?;
    let teller = Teller::open(place, plan, telling, Notices::unless(waiting.quiet));
    Ok(Runner::new(place, plan, held, caught, writer, teller))
}

fn confirmed_undo(todo: &[String], yes: bool) -> bool {
    yes || (ask::is_possible() && {
        notice::line(&format!("to be undone, the last one first: {}", todo.join(", ")));
        ask::is_confirmed("Undo?")
    })
}

fn code_of(came: Came) -> u8 {
    match came {
        Came::Complete => exit::DONE,
        Came::Failed => exit::STEP_FAILED,
        Came::Interrupted(signal) => exit::of_signal(signal as i32),
    }
}

/// What became of an attempt.
enum Outcome {
    /// Nothing was changed: the next one is told what this one was.
    Untouched(Result<u8, Failure>),
    Done(u8),
}

/// Acquires the plan's lock, and gives it back at the end.
fn under_lock(
    plan: &Plan,
    place: &dyn Store,
    waiting: &WaitingArgs,
    work: impl FnOnce(&Held) -> Result<Outcome, Failure>,
) -> Result<u8, Failure> {
    let options = plan.description.iter().fold(Lock::options(), baton_lock::Options::purpose);
    let lock = place.lock(OsStr::new(&plan.name), options, Intent::Acquire)?;
    let notices = Notices::unless(waiting.quiet);
    let started = Instant::now();
    let busy = Ok(waiting.busy_code.unwrap_or(exit::BUSY));
    match waiting::acquire(&*lock, Limit::of(waiting), notices)? {
        Answer::Held(held) => {
            holding::tell(&held, notices);
            let result = work(&held);
            end(held, result)
        }
        Answer::Busy(seen) => {
            waiting::tell_busy(&seen, None, notices);
            busy
        }
        Answer::TimedOut(seen) => {
            waiting::tell_busy(&seen, Some(started.elapsed()), notices);
            busy
        }
        Answer::HeldByOwnAncestor(seen, pid) => {
            waiting::tell_deadlock(&seen, pid, notices);
            busy
        }
    }
}

/// Gives the lock back, and says whether it was whole.
fn end(held: Held, result: Result<Outcome, Failure>) -> Result<u8, Failure> {
    let lock = escape::path(held.path());
    let integrity = held.verify();
    match &integrity {
        Ok(Integrity::Damaged(what)) => {
            notice::warning(&format!("{lock} was damaged meanwhile, and stayed exclusive: {what}"));
        }
        Ok(Integrity::Lost(what)) => {
            notice::warning(&format!(
                "{lock} was lost meanwhile, so that another one may have run too: {what}"
            ));
        }
        Ok(Integrity::Intact) | Err(_) => {}
    }
    match result {
        Ok(Outcome::Untouched(result)) => {
            held.undo();
            result
        }
        Ok(Outcome::Done(code)) => {
            release(held);
            let is_lost = matches!(integrity, Ok(Integrity::Lost(_)));
            Ok(if is_lost && code == exit::DONE { exit::LOST } else { code })
        }
        Err(failure) => {
            // What could not be recorded is not known to the next one but by this.
            held.abandon();
            Err(failure)
        }
    }
}

fn release(held: Held) {
    if let Err(error) = held.release() {
        notice::warning(&format!("{}; the next runner is told *recovered*", Failure::from(error).message));
    }
}

pub(super) fn asked(args: &ApplyArgs, plan: &Plan) -> Result<Asked, Failure> {
    let known = |step: &String| match plan.step(step) {
        Some(_) => Ok(step.clone()),
        None => Err(unknown_step(step, plan)),
    };
    Ok(match (&args.from, &args.only) {
        (Some(step), _) => Asked::From(known(step)?),
        (_, Some(step)) => Asked::Only(known(step)?),
        _ if args.resume => Asked::Resume,
        _ if args.fresh => Asked::Fresh,
        _ => Asked::Plain,
    })
}

fn unknown_step(step: &str, plan: &Plan) -> Failure {
    let meant = crate::plan::did_you_mean(step, plan.steps.iter().map(|step| step.id.as_str()));
    Failure {
        code: exit::USAGE,
        message: format!("the plan has no step `{}`{meant}", escape::text(step)),
        hint: Some("`baton apply --dry-run PLAN` lists the steps".to_owned()),
    }
}

/// Opens the session; one that can't be read is moved aside for a fresh start, and never else.
fn open(store: &session::Store, held: &Held, asked: &Asked) -> Result<Writer, Failure> {
    use session::Error::{Corrupt, Newer, NotASession};
    match store.open(held) {
        Err(Corrupt { .. } | Newer { .. } | NotASession { .. }) if *asked == Asked::Fresh => {
            if let Some(kept) = store.set_aside(held)? {
                notice::warning(&format!("the session that was there is kept as {}", escape::path(&kept)));
            }
            Ok(store.open(held)?)
        }
        opened => Ok(opened?),
    }
}
