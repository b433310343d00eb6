//! A contender that is trivially right: the kernel's lock on a file that is never removed, by `std::fs::File::lock`.
//!
//! `flock_contender --lock PATH [--hold-us N]`, with the line to the oracle as standard input. It imitates nobody; it shows
//! that the harness lets a right lock pass, kills included.
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use std::fs::File;
use std::{io, thread};

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (path, hold) = (options.lock()?, options.hold()?);
    let line = Line::open()?;
    loop {
        let file = File::options().write(true).create(true).truncate(false).open(&path)?;
        file.lock()?;
        line.enter()?;
        thread::sleep(hold);
        line.leave()?;
        file.unlock()?;
    }
}
