//! A contender that imitates the ancestor's clients: takes the lock by its algorithm, tells the oracle, holds, releases as shipped.
//!
//! `ancestor_contender --algorithm v0|v1 --lock PATH [--hold-us N] [--poll-ms N]`, started by a race.
//! Where the ancestor's command gives up this one sleeps and asks again, as its users do by hand. The algorithm, and how it
//! loses exclusion, is in `baton_itest::ancestor`.
#![forbid(unsafe_code)]

use baton_itest::ancestor::{Algorithm, acquire, release};
use baton_itest::contender::{Line, Options};
use std::{io, thread};

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (path, hold, poll) = (options.lock()?, options.hold()?, options.poll()?);
    let algorithm: Algorithm = options.text("algorithm")?.parse()?;
    let line = Line::open()?;
    line.wait()?;
    while line.is_on()? {
        let Some(lock) = acquire(&path, algorithm)?.lock else {
            thread::sleep(poll);
            continue;
        };
        line.enter()?;
        line.stay(hold)?;
        line.leave()?;
        release(lock);
        line.wait()?;
    }
    Ok(())
}
