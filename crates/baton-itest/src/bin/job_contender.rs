//! The job of a command that acquires a lock around it: `baton run`, `flock`. It is the one who is inside, whatever becomes of the command.
//!
//! `job_contender [--story untold|exact] [--hold-us N]`, started by a race. Where the command tells it a token, it keeps the ledger.
//! One in 16 dies by its own hand, so that the command sees a job that was killed: a driver that killed it by its process id might
//! hit somebody else, whom the command has started meanwhile.
#![forbid(unsafe_code)]

use baton_itest::contender::{Line, Options};
use baton_itest::ledger::{Got, Ledger, Story};
use rustix::process::Signal;
use std::sync::Arc;
use std::{env, io};

fn main() -> io::Result<()> {
    // A stopped job whose wrapper is killed, and which has nobody of its session above it then, is sent a SIGHUP by the kernel.
    signal_hook::flag::register(Signal::HUP.as_raw(), Arc::default())?;
    let options = Options::from_command_line()?;
    let hold = options.hold()?;
    let line = Line::of_job()?;
    line.enter()?;
    let ledger = match env::var("BATON_TOKEN") {
        Ok(token) => {
            let story = Story::named(options.text("story")?)?;
            let token = token.parse().map_err(io::Error::other)?;
            Some(Ledger::begin(&line, story, token, got()?)?)
        }
        Err(_) => None,
    };
    line.stay(hold)?;
    if fastrand::u8(..16) == 0 {
        line.leave()?;
        rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)?;
    }
    if let Some(ledger) = ledger {
        ledger.done()?;
    }
    line.leave()
}

fn got() -> io::Result<Got> {
    if env::var("BATON_OUTCOME").is_ok_and(|outcome| outcome == "fresh") {
        return Ok(Got::Fresh);
    }
    let Ok(previous) = env::var("BATON_PREVIOUS") else { return Ok(Got::Recovered(None)) };
    let previous: serde_json::Value = serde_json::from_str(&previous)?;
    Ok(Got::Recovered(previous["baton"]["token"].as_u64()))
}
