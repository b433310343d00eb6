//! `baton apply` and `baton undo`: the steps of a plan, under its lock, from where the last runner fell.
//!
//! | question | module |
//! |---|---|
//! | what may be done with the session that is there | [`decision`], put into words by `choice` |
//! | lock, session, decision, steps, in this order | `attempt` |
//! | what would run | `dry_run` |
//! | does this step have to run, and how it went | `runner`, `step` |
//! | taking back | `undoing` |
//! | one command: its group, its time, its output | `process` |
//! | its log | `log` |
//! | what people and programs see of all that | `tell` |
//!
//! A step is recorded as started before it runs and as ended after, each durably; the lock is inherited by each command. So
//! whatever is killed when, the next runner finds either the old state or the new one, and nobody works beside it.

mod attempt;
mod choice;
pub mod decision;
mod dry_run;
pub(crate) mod log;
mod process;
mod runner;
mod step;
mod tell;
mod undoing;

use baton_lock::store::Store;

use crate::args::{ApplyArgs, UndoArgs};
use crate::failure::Failure;
use crate::notice;

/// Runs a plan; gives back the exit code.
pub fn apply(args: &ApplyArgs, store: &dyn Store) -> u8 {
    told(if args.dry_run { dry_run::show(args, store) } else { attempt::apply(args, store) })
}

/// Undoes a plan; gives back the exit code.
pub fn undo(args: &UndoArgs, store: &dyn Store) -> u8 {
    told(attempt::undo(args, store))
}

fn told(result: Result<u8, Failure>) -> u8 {
    result.unwrap_or_else(|failure| {
        notice::failure(&failure);
        failure.code
    })
}
