//! A contender that uses the library in every way in which it can be asked: tries, waits, waits until a deadline, by chance.
//!
//! `baton_contender --lock PATH --naming record|flock --story untold|deaths|exact [--ledger PATH] [--hold-us N] [--poll-ms N]`,
//! with the line to the oracle as standard input. One hold in 16 ends uncleanly, as after a job that failed. What each holder
//! leaves for the next one to check, token and end, is in `baton_itest::ledger`; who finds it wrong ends with an error,
//! which ends the race.
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use baton_itest::ledger::{Ledger, Story};
use baton_lock::{Attempt, Error, Held, Lock, Naming, Outcome};
use std::path::PathBuf;
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
    let lock = Lock::options().naming(naming).open(options.lock()?).map_err(io::Error::other)?;
    let ledger = PathBuf::from(options.text("ledger")?);
    let line = Line::open()?;
    loop {
        let Some(held) = acquire(&lock).map_err(io::Error::other)? else {
            thread::sleep(poll);
            continue;
        };
        line.enter()?;
        let is_recovered = *held.outcome() != Outcome::Fresh;
        let ledger = Ledger::begin(&ledger, story, held.token(), is_recovered)?;
        thread::sleep(hold);
        if fastrand::u8(..16) == 0 {
            line.leave()?;
            held.abandon();
        } else {
            ledger.done()?;
            line.leave()?;

            held.release().map_err(io::Error::other)?;
        }
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
