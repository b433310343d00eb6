//! A contender that uses the library in every way in which it can be asked: tries, waits, waits until a deadline, by chance.
//!
//! `baton_contender --lock PATH --naming record|flock --story untold|exact [--readers N] [--sharing PERCENT] [--allow-fs TYPE] [--hold-us N] [--poll-ms N]`,
//! started by a race. One hold in 16 ends uncleanly, as after a job that failed. One process in N, none by default, only observes
//! for its life, as `baton status` does, and sees to it that no token is smaller than one that it has seen before. What each holder
//! leaves for the next one to check, token and end, is in `baton_itest::ledger`. So many of a hundred holds are shared, and where there are
//! such, every fourth other one becomes one before it ends.
#![forbid(unsafe_code)]

use baton_itest::board::Own;
use baton_itest::contender::{Line, Options};
use baton_itest::ledger::{Got, Ledger, Story};
use baton_lock::{Attempt, Error, Held, HeldShared, Lock, Naming, Outcome, State};
use std::time::{Duration, Instant};
use std::{io, thread};

/// How long one that waits until a deadline waits: longer than it takes to look again, shorter than most races for the lock.
const PATIENCE: Duration = Duration::from_millis(40);

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (hold, poll, story) = (options.hold()?, options.poll()?, Story::named(options.text("story")?)?);
    let naming = match options.text("naming")? {
        "flock" => Naming::Flock,
        _ => Naming::Record,
    };
    let (readers, sharing) = (options.number("readers", 0)?, options.number("sharing", 0)?);
    let mut lock = Lock::options().naming(naming);
    if let Ok(kind) = options.text("allow-fs") {
        lock = lock.allow_filesystem(kind);
    }
    let lock = lock.open(options.lock()?).map_err(io::Error::other)?;
    let line = Line::open()?;
    if readers > 0 && fastrand::u64(..readers) == 0 {
        return observe(&lock, &line, story, poll);
    }
    while line.is_on()? {
        line.wait()?;
        let is_held = if fastrand::u64(..100) < sharing {
            let shared = share(&lock).map_err(io::Error::other)?;
            shared.map(|held| share_it(&line, held, story, hold)).transpose()?
        } else {
            let held = acquire(&lock).map_err(io::Error::other)?;
            held.map(|held| hold_it(&line, held, story, hold, sharing > 0)).transpose()?
        };
        if is_held.is_none() {
            line.give_up()?;
            thread::sleep(poll);
        }
    }
    Ok(())
}

fn got(outcome: &Outcome) -> Got {
    match outcome {
        Outcome::Fresh => Got::Fresh,
        Outcome::Recovered(previous) => Got::Recovered(previous.as_ref().and_then(|record| record.token())),
    }
}

fn share_it(line: &Line, held: HeldShared, story: Story, hold: Duration) -> io::Result<()> {
    line.enter_beside()?;
    Ledger::look(line, story, held.token(), got(held.outcome()))?;
    line.stay(hold)?;
    line.leave()?;
    held.release().map_err(io::Error::other)?;
    line.give_up()
}

fn hold_it(line: &Line, held: Held, story: Story, hold: Duration, may_share: bool) -> io::Result<()> {
    line.enter()?;
    let ledger = Ledger::begin(line, story, held.token(), got(held.outcome()))?;
    line.stay(hold)?;
    if may_share && fastrand::u8(..4) == 0 {
        ledger.done()?;
        line.share()?;
        let shared = held.downgrade().map_err(io::Error::other)?;
        line.stay(hold)?;
        line.leave()?;
        shared.release().map_err(io::Error::other)?;
        line.left()
    } else if fastrand::u8(..16) == 0 {
        line.leave()?;
        held.abandon();
        line.give_up()
    } else {
        ledger.done()?;
        line.leave()?;
        held.release().map_err(io::Error::other)?;
        line.left()
    }
}

fn acquire(lock: &Lock) -> Result<Option<Held>, Error> {
    let attempt = match fastrand::u8(..3) {
        0 => lock.try_lock()?,
        1 => lock.lock_until(Instant::now() + PATIENCE)?,
        _ => return lock.lock().map(Some),
    };
    Ok(match attempt {
        Attempt::Held(held) => Some(held),
        Attempt::Busy(_) => None,
    })
}

fn share(lock: &Lock) -> Result<Option<HeldShared>, Error> {
    let attempt = match fastrand::u8(..3) {
        0 => lock.try_lock_shared()?,
        1 => lock.lock_shared_until(Instant::now() + PATIENCE)?,
        _ => return lock.lock_shared().map(Some),
    };
    Ok(match attempt {
        Attempt::Held(held) => Some(held),
        Attempt::Busy(_) => None,
    })
}

fn observe(lock: &Lock, line: &Line, story: Story, pause: Duration) -> io::Result<()> {
    let mut last = 0;
    while line.is_on()? {
        let seen = lock.observe().map_err(io::Error::other)?;
        let token = seen.record.filter(|_| seen.state == State::Held).and_then(|record| record.token());
        // Where records are removed, one can be seen that stands for nobody any more.
        if token.is_some_and(|token| token < last) && story == Story::Exact {
            line.complain(Own::Fallen, &format!("observed token {token:?} after {last}"))?;
        }
        last = token.unwrap_or(last).max(last);
        thread::sleep(pause);
    }
    Ok(())
}
