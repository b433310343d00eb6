//! Runs the torture and prints its table, as Markdown; what is going on goes to standard error.
//!
//! `torture --seconds N [--seed S] [--fs KIND,…] [--only NAME] [--foreign DIRECTORY]`: so many seconds in all, a seed from the clock, all
//! filesystems, contestants whose name contains NAME, those from elsewhere installed in that directory. `cargo xtask torture` builds
//! and starts it. It exits with 1 if a row of Baton's has anything that a lock must not have.
//!
//! Nothing outlives it: it dies with who started it, and, as root, is the first process of a pid namespace, with which all that is
//! left of contenders dies.
#![forbid(unsafe_code)]

use baton_itest::contender::Options;
use baton_itest::puppet::{in_namespaces, namespaces_are_possible};
use baton_itest::torture::{Foreign, Ground, Limit, Row, Trial, table, trials};
use rustix::process::{Signal, WaitOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> io::Result<ExitCode> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getpid().as_raw_pid() != 1 && namespaces_are_possible().is_ok() {
        let mut command = Command::new(std::env::current_exe()?);
        return Err(in_namespaces(command.args(std::env::args_os().skip(1))).exec());
    }
    let options = Options::from_command_line()?;
    let seed = options.number("seed", fastrand::u64(..))?;
    let trials = chosen(&options)?;
    let count = u32::try_from(trials.len()).map_err(io::Error::other)?;
    let duration = Duration::from_secs(options.number("seconds", 60)?) / count.max(1);
    eprintln!("{count} trials of {duration:.1?}, seed {seed}");
    let foreign = options.text("foreign").ok().map(|directory| Foreign {
        node: format!("{directory}/node").into(),
        python: format!("{directory}/python/bin/python").into(),
    });
    let mut rows = Vec::new();
    for trial in trials {
        eprintln!("{}, {}, {}", trial.contestant.name, trial.ground, trial.ordeal);
        let report = trial.run(Limit { duration, acquisitions: u64::MAX }, seed, foreign.as_ref());
        rows.push(Row { trial, report });
        reap_orphans();
    }
    println!("{}", table(&rows));
    Ok(if rows.iter().any(Row::is_defeat) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(options: &Options) -> io::Result<Vec<Trial>> {
    let grounds = match options.text("fs") {
        Ok(names) => names.split(',').map(ground).collect::<io::Result<Vec<_>>>()?,
        Err(_) => Ground::ALL.to_vec(),
    };
    let only = options.text("only").unwrap_or("");
    Ok(trials(&grounds).into_iter().filter(|trial| trial.contestant.name.contains(only)).collect())
}

fn ground(name: &str) -> io::Result<Ground> {
    let unknown =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("`{name}` is none of the filesystems"));
    Ground::named(name).ok_or_else(unknown)
}

/// The first process of a pid namespace is given all whose parent was killed. Its own children are all reaped by now.
fn reap_orphans() {
    while matches!(rustix::process::wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}
