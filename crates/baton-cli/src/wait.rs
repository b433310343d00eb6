//! `baton wait`: returns when a lock is free, without acquiring it.

use std::time::{Duration, Instant};

use baton_lock::{Lock, Observation, State};

use crate::args::WaitArgs;
use crate::failure::Failure;
use crate::notice::Notices;
use crate::run::waiting::{self, Limit, Ticker};
use crate::{exit, lock_argument, notice, status};

/// How often the lock is looked at.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits; gives back the exit code.
pub fn wait(args: &WaitArgs) -> u8 {
    match until_free(args) {
        Ok(code) => code,
        Err(failure) => {
            notice::failure(&failure);
            failure.code
        }
    }
}

fn until_free(args: &WaitArgs) -> Result<u8, Failure> {
    let lock = lock_argument::to_look_at(&args.lock)?;
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
    let last = watch(&lock, limit);
    ticker.stop();
    let last = last?;
    if is_free(&last)? { Ok(exit::DONE) } else { gave_up(&last, Some(started.elapsed())) }
}

/// Looks again and again, until there is nothing to be waited for or the time is over.
fn watch(lock: &Lock, limit: Limit) -> Result<Observation, Failure> {
    loop {
        let left = limit.left();
        std::thread::sleep(left.map_or(PAUSE, |left| left.min(PAUSE)));
        let is_last = left.is_some_and(|left| left.is_zero());
        // The glance is cheap, and may miss a holder that only its open files betray.
        if is_last || is_free(&lock.glance()?)? {
            let seen = lock.observe()?;
            if is_last || is_free(&seen)? {
                return Ok(seen);
            }
        }
    }
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
