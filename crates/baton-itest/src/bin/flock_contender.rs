//! A contender that is trivially right: the kernel's lock on a file that is never removed, by `std::fs::File::lock`.
//!
//! `flock_contender --lock PATH [--hold-us N]`, started by a race. It imitates nobody; it shows
//! that the harness lets a right lock pass, kills included.
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use std::fs::File;
use std::io;

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (path, hold) = (options.lock()?, options.hold()?);
    let line = Line::open()?;
    while line.is_on()? {
        line.wait()?;
        let file = File::options().write(true).create(true).truncate(false).open(&path)?;
        file.lock()?;
        line.enter()?;
        line.stay(hold)?;
        line.leave()?;
        file.unlock()?;
        line.give_up()?;
    }
    Ok(())
}
