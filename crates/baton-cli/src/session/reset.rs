//! `baton session reset`: sets a session aside, under its lock, so that the next `baton apply` begins at the first step.
//!
//! Nothing is deleted. The logs go with the session: a new session counts its attempts from 1, and would write into the old
//! ones. The history stays, since it tells sessions apart.
//!
//! The question is asked with the lock held, so that what is shown is what is set aside. Whoever says no leaves the lock as it
//! was found: a runner that died is still told to the next one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use baton_lock::store::{Intent, Store};
use baton_lock::{Held, Lock, escape};
use rustix::fs::{CWD, RenameFlags};

use super::place::Place;
use super::words;
use crate::apply::log::sweep_outputs;
use crate::args::SessionResetArgs;
use crate::ask;
use crate::exit;
use crate::failure::Failure;
use crate::notice::{self, Notices};
use crate::run::waiting::{self, Answer, Limit};

/// Sets it aside; gives back the exit code.
pub(super) fn reset(args: &SessionResetArgs, store: &dyn Store) -> Result<u8, Failure> {
    let place = Place::of(&args.name, store)?;
    let notices = Notices::unless(args.waiting.quiet);
    if !place.store.is_there()? && !is_there(&place.logs()) {
        notices.say(&format!("there is no session `{}`: nothing to set aside", place.name()), None);
        return Ok(exit::DONE);
    }
    if !args.yes && !ask::is_possible() {
        return Err(unconfirmed(&place, "that has to be confirmed, and nobody is there to be asked"));
    }
    let held = match acquire(args, store, notices)? {
        Ok(held) => held,
        Err(code) => return Ok(code),
    };
    if !args.yes && !is_confirmed(&describe(&place)) {
        held.undo();
        return Err(unconfirmed(&place, "not confirmed, so that nothing was changed"));
    }
    let done = set_aside(&place, &held, notices);
    held.release()?;
    done.map(|()| exit::DONE)
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn unconfirmed(place: &Place, why: &str) -> Failure {
    Failure {
        code: exit::DECISION_NEEDED,
        message: format!("session `{}` is to be set aside: {why}", place.name()),
        hint: Some(format!(
            "`baton session reset --yes {0}` does it; `baton session show {0}` says what it is",
            place.name()
        )),
    }
}

/// The lock, or the exit code if it is busy.
fn acquire(
    args: &SessionResetArgs,
    store: &dyn Store,
    notices: Notices,
) -> Result<Result<Held, u8>, Failure> {
    let options = Lock::options().purpose("to reset the session");
    let lock = store.lock(args.name.as_ref(), options, Intent::Acquire)?;
    let started = Instant::now();
    let busy_code = args.waiting.busy_code.unwrap_or(exit::BUSY);
    Ok(match waiting::acquire(&*lock, Limit::of(&args.waiting), notices)? {
        Answer::Held(held) => Ok(held),
        Answer::Busy(seen) => {
            waiting::tell_busy(&seen, None, notices);
            Err(busy_code)
        }
        Answer::TimedOut(seen) => {
            waiting::tell_busy(&seen, Some(started.elapsed()), notices);
            Err(busy_code)
        }
        Answer::HeldByOwnAncestor(seen, pid) => {
            waiting::tell_deadlock(&seen, pid, notices);
            Err(busy_code)
        }
    })
}

/// What is about to be set aside.
fn describe(place: &Place) -> String {
    match place.load() {
        Ok(session) => format!(
            "session `{}` is {}, {} of {} done",
            place.name(),
            words::status(session.status()),
            words::done(&session),
            words::counted(session.steps().len(), "step"),
        ),
        Err(failure) => failure.message,
    }
}

fn is_confirmed(what: &str) -> bool {
    notice::line(what);
    ask::is_confirmed("Set it aside, so that the next apply starts from the first step?")
}

/// Gives session and logs other names, and says which.
pub(super) fn set_aside(place: &Place, held: &Held, notices: Notices) -> Result<(), Failure> {
    let session = place.store.set_aside(held)?;
    let logs = set_logs_aside(place, session.as_deref())?;
    for (what, path) in [("session", session), ("logs", logs)] {
        if let Some(path) = path {
            notices.say(
                &format!("the {what} of `{}` {} now {}", place.name(), is(what), escape::path(&path)),
                None,
            );
        }
    }
    if let Some(told) = place.store.load()? {
        // Nobody but the holder of the lock may have written it.
        notice::warning(&format!(
            "session `{}` is there again: somebody wrote it without the lock",
            told.name()
        ));
    }
    Ok(())
}

fn is(what: &str) -> &'static str {
    if what == "logs" { "are" } else { "is" }
}

/// The logs get the ending that the session got.
fn set_logs_aside(place: &Place, session: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    let logs = place.logs();
    if !is_there(&logs) {
        return Ok(None);
    }
    // What is set aside is kept for good.
    sweep_outputs(&logs);
    let own_ending = || {
        let time = baton_lock::clock::format(std::time::SystemTime::now()).replace(':', "");
        format!("{time}.kept")
    };
    let ending = session
        .and_then(|session| session.file_name()?.to_str()?.strip_prefix(&format!("{}.json.", place.name())))
        .map_or_else(own_ending, str::to_owned);
    let aside = logs.with_file_name(format!("{}.{ending}", place.name()));
    rustix::fs::renameat_with(CWD, &logs, CWD, &aside, RenameFlags::NOREPLACE).map_err(|errno| Failure {
        code: exit::UNSAFE,
        message: format!("cannot rename the logs {}: {}", escape::path(&logs), std::io::Error::from(errno)),
        hint: Some(
            "move them away: the next session numbers its attempts from 1, and would write into them"
                .to_owned(),
        ),
    })?;
    Ok(Some(aside))
}
