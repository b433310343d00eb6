//! A contender that uses a lock from crates.io, as its documentation shows.
//!
//! `crate_contender --crate fslock|fd-lock --lock PATH [--hold-us N]`, started by a race.
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    let (path, hold, line) = (options.lock()?, options.hold()?, Line::open()?);
    match options.text("crate")? {
        "fslock" => by_fslock(&path, hold, &line),
        "fd-lock" => by_fd_lock(&path, hold, &line),
        other => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{other}` is none of them"))),
    }
}

fn by_fslock(path: &Path, hold: Duration, line: &Line) -> io::Result<()> {
    while line.is_on()? {
        line.wait()?;
        let mut lock = fslock::LockFile::open(path)?;
        match lock.lock() {
            // It reports a signal, such as one that continues it, as a failure.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        be_inside(hold, line)?;
        lock.unlock()?;
        line.give_up()?;
    }
    Ok(())
}

fn by_fd_lock(path: &Path, hold: Duration, line: &Line) -> io::Result<()> {
    while line.is_on()? {
        line.wait()?;
        let mut lock =
            fd_lock::RwLock::new(File::options().write(true).create(true).truncate(false).open(path)?);
        let guard = match lock.write() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        be_inside(hold, line)?;
        drop(guard);
        line.give_up()?;
    }
    Ok(())
}

fn be_inside(hold: Duration, line: &Line) -> io::Result<()> {
    line.enter()?;
    line.stay(hold)?;
    line.leave()
}
