//! `baton run`: a command under a lock, by exactly one process at a time.
//!
//! | module | what |
//! |---|---|
//! | `waiting` | asking for the lock, and saying whom for |
//! | `several` | asking for more than one |
//! | `signals`, `job` | the job while it runs |
//! | `holding` | what is done under the lock, in its order, and how the hold ends |
//! | `stopping` | what becomes of a job whose lock is lost |
//! | `hold` | what is held: the lock alone, or shared |
//! | `closing` | waiting for what the job left behind |
//! | `report` | what happened, for programs |

mod closing;
mod hold;
pub(crate) mod holding;
pub(crate) mod job;
mod report;
mod several;
pub(crate) mod signals;
mod spawn;
pub(crate) mod stopping;
pub mod waiting;

use std::ffi::OsString;
use std::time::Instant;

use baton_lock::Observation;
use baton_lock::store::Store;

use crate::args::RunArgs;
use crate::failure::Failure;
use crate::notice::Notices;
use crate::{exit, lock_argument, notice};
use report::{Became, Report, Story};
use several::{Claim, Several};
use waiting::{Answer, Limit, Look};

/// Runs the command; gives back the exit code.
pub fn run(args: &RunArgs, store: &dyn Store) -> u8 {
    let report = match Report::open(args.report.as_deref()) {
        Ok(report) => report,
        Err(failure) => return told(&failure),
    };
    let mut story = Story::of(&report);
    let code = perform(args, store, &mut story).unwrap_or_else(|failure| {
        let code = told(&failure);
        story.failure = Some(failure);
        code
    });
    if let Err(failure) = report.write(&story, code) {
        // The job's end is worth more than the report of it.
        told(&failure);
    }
    code
}

fn told(failure: &Failure) -> u8 {
    notice::failure(failure);
    failure.code
}

/// Refuses what takes a job that has a part in its lock, where it has none.
fn refuse_without_a_part_in_the_hold(args: &RunArgs, store: &dyn Store) -> Result<(), Failure> {
    let option = [(args.exec, "--exec"), (args.until_closed, "--until-closed")];
    let asked = option.into_iter().find(|(is_asked, _)| *is_asked);
    match asked.filter(|_| store.lease().is_some()) {
        None => Ok(()),
        Some((_, option)) => Err(Failure {
            code: exit::USAGE,
            message: format!("`{option}` takes a job that has a part in its lock, which a lease has not"),
            hint: Some("leave it out, or use a lock in a directory".to_owned()),
        }),
    }
}

fn perform(args: &RunArgs, store: &dyn Store, story: &mut Story) -> Result<u8, Failure> {
    refuse_without_a_part_in_the_hold(args, store)?;
    let argv: Vec<String> = args.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let open = |lock: &OsString| {
        lock_argument::to_acquire(store, lock, &args.kind, |options| {
            let options = options.command(&argv).ends_by_exec(args.exec);
            args.purpose.iter().fold(options, baton_lock::Options::purpose)
        })
    };
    let locks = args.locks.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    story.about(&locks);
    let notices = Notices::unless(args.waiting.quiet);
    let look = if args.report.is_some() { Look::Everybody } else { Look::Holder };
    let started = Instant::now();
    let claim = if args.shared { Claim::Shared } else { Claim::Alone };
    let answer = several::acquire(locks, claim, Limit::of(&args.waiting), notices, look)?;
    story.waited = started.elapsed();
    let busy_code = args.waiting.busy_code.unwrap_or(exit::BUSY);
    let mut busy = |became, seen: &Observation| {
        story.became = became;
        story.holder(seen);
        busy_code
    };
    match answer {
        Several::Held(holds) => holding::run(holds, args, story),
        Several::Interrupted(signal) => {
            story.became = Became::Interrupted;
            Ok(holding::interrupted(signal, notices))
        }
        Several::Not(Answer::Busy(seen)) => {
            waiting::tell_busy(&seen, None, notices);
            Ok(busy(Became::Busy, &seen))
        }
        Several::Not(Answer::TimedOut(seen)) => {
            let code = busy(Became::TimedOut, &seen);
            waiting::tell_busy(&seen, Some(story.waited), notices);
            Ok(code)
        }
        Several::Not(Answer::HeldByOwnAncestor(seen, pid)) => {
            waiting::tell_deadlock(&seen, pid, notices);
            Ok(busy(Became::HeldByOwnAncestor, &seen))
        }
        Several::Not(Answer::Held(_)) => unreachable!("what is held is among the holds"),
    }
}
