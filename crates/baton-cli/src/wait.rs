//! `baton wait`: returns when a lock is free, without acquiring it.

use std::time::Instant;

use baton_lock::store::Store;
use baton_lock::{Observation, State};

use crate::args::WaitArgs;
use crate::failure::Failure;
use crate::notice::Notices;
use crate::run::waiting::{self, Limit, Ticker};
use crate::{exit, lock_argument, notice, status};

/// Waits; gives back the exit code.
pub fn wait(args: &WaitArgs, store: &dyn Store) -> u8 {
    match until_free(args, store) {
        Ok(code) => code,
        Err(failure) => {
            notice::failure(&failure);
            failure.code
        }
    }
}

fn until_free(args: &WaitArgs, store: &dyn Store) -> Result<u8, Failure> {
    let lock = lock_argument::to_look_at(&args.lock, store)?;
    let (limit, notices) = (Limit::of(&args.waiting), Notices::unless(args.waiting.quiet));
    let gave_up = |seen: &Observation, after| {
        waiting::tell_busy(seen, after, notices);
        Ok(args.waiting.busy_code.unwrap_or(exit::BUSY))
    };
    let first = lock.observe()?;
    if is_free(&first)? {
        return Ok(exit::DONE);
    }
    if limit == Limit::Now {
        return gave_up(&first, None);
    }
    let started = Instant::now();
    notices.say(&format!("waiting: {}", first.reason()), None);
    let ticker = Ticker::start(notices);
    let last = lock.wait_until_free(limit.deadline(), None);
    ticker.stop();
    let last = last?;
    if is_free(&last)? { Ok(exit::DONE) } else { gave_up(&last, Some(started.elapsed())) }
}

/// Is it free? What can't be a lock at all is nothing to wait for.
fn is_free(seen: &Observation) -> Result<bool, Failure> {
    match &seen.state {
        State::Unsafe { reason } | State::NotALockFile { reason } => {
            let (code, hint) = (status::code(&seen.state), Some(seen.advice()));
            Err(Failure { code, message: reason.clone(), hint })
        }
        _ => Ok(seen.is_obtainable()),
    }
}
