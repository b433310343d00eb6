//! A contender that does one thing wrong, so that each count of the harness is seen to count.
//!
//! `broken_contender --fault NAME --lock PATH [--hold-us N]`, started by a race. It takes a kernel lock on a file, as
//! `flock_contender`, and a token from the clock, and then:
//!
//! | fault | what it does | what has to be counted |
//! |---|---|---|
//! | `none` | nothing wrong | nothing |
//! | `enters` | comes in without the lock, one time in 8 | overlaps |
//! | `forgets` | says that it got the lock fresh, whatever the last one came to | wrong outcomes |
//! | `invents` | says that its predecessor died, whatever it came to | wrong outcomes |
//! | `repeats` | takes a token that the clock had a second ago | fallen tokens |
//! | `sleeps` | waits for somebody to wake it, one time in 64; nobody does | not woken |
//! | `keeps` | goes out without a release, and is not to be had any more, one time in 64 | stuck |
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use baton_itest::ledger::{Got, Ledger, Story};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{io, thread};

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (path, hold, fault) = (options.lock()?, options.hold()?, options.text("fault")?);
    let line = Line::open()?;
    while line.is_on()? {
        hold_once(&path, hold, fault, &line)?;
    }
    Ok(())
}

fn hold_once(path: &Path, hold: Duration, fault: &str, line: &Line) -> io::Result<()> {
    line.wait()?;
    if fault == "sleeps" && fastrand::u8(..64) == 0 {
        sleep_for_ever();
    }
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    if fault != "enters" || fastrand::u8(..8) > 0 {
        file.lock()?;
    }
    line.enter()?;
    let got = if fault == "invents" { Got::Recovered(None) } else { Got::Fresh };
    let story = if matches!(fault, "forgets" | "invents") { Story::Exact } else { Story::Untold };
    let ledger = Ledger::begin(line, story, token(fault)?, got)?;
    line.stay(hold)?;
    ledger.done()?;
    line.leave()?;
    if fault == "keeps" && fastrand::u8(..64) == 0 {
        sleep_for_ever();
    }
    file.unlock()?;
    line.left()
}

fn token(fault: &str) -> io::Result<u64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
    let is_repeated = fault == "repeats" && fastrand::bool();
    let time = if is_repeated { now.as_nanos() - 1_000_000_000 } else { now.as_nanos() };
    u64::try_from(time).map_err(io::Error::other)
}

/// Until it is killed.
fn sleep_for_ever() {
    loop {
        thread::park();
    }
}
