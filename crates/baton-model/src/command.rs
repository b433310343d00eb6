//! The command line: what there is to check, one check with its traces, and our own protocol at any size.

use std::process::ExitCode;
use std::time::Instant;

use baton_model::catalogue::{self, Case, Expected, cases};
use baton_model::check::{Broken, Extent, Report, check};
use baton_model::variant::{Clock, Deletes, Naming, Setting};
use clap::Parser;

/// Checks the model of Baton's lock protocol.
#[derive(Debug, Parser)]
#[command(name = "baton-model")]
pub(crate) enum Command {
    /// List what there is to check, and what has to come out.
    List,
    /// Check, and print what does not hold as a trace.
    Check {
        /// Names from the list.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Check the protocol as it is, at any size.
    Explore {
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
        contenders: u8,
        #[arg(long, default_value_t = 2)]
        crashes: u8,
        #[arg(long, default_value_t = 2)]
        deletions: u8,
        /// In flock naming, where only the record is deleted.
        #[arg(long)]
        flock: bool,
        /// With a clock that was set back, where only the record is deleted.
        #[arg(long)]
        clock_set_back: bool,
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

pub(crate) fn parse() -> Command {
    Command::parse()
}

pub(crate) fn run(command: Command) -> ExitCode {
    match command {
        Command::List => {
            for case in cases() {
                println!("{:24} {}", case.name, case.about);
            }
            ExitCode::SUCCESS
        }
        Command::Check { names } => {
            // All are checked, whatever comes out of the first.
            let as_expected = names.iter().filter(|name| check_named(name)).count();
            let is_fine = as_expected == names.len();
            if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::Explore { contenders, crashes, deletions, flock, clock_set_back, threads } => {
            let setting = Setting {
                contenders: contenders.into(),
                crashes,
                deletions,
                deletes: if flock || clock_set_back { Deletes::Record } else { Deletes::OneOfBoth },
                naming: if flock { Naming::Flock } else { Naming::Default },
                clock: if clock_set_back { Clock::SetBack } else { Clock::Advances },
                ..Setting::OURS
            };
            let report = tell(|| check(setting, Extent::Everything, threads));
            if report.broken.is_empty() && report.unseen.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn check_named(name: &str) -> bool {
    let Some(case) = catalogue::find(name) else {
        eprintln!("baton-model: no check is called `{name}`; `list` lists them");
        return false;
    };
    println!("{}: {}", case.name, case.about);
    let report = tell(|| case.check());
    let is_as_expected = is_as_expected(case, &report);
    println!("{}\n", if is_as_expected { "As expected." } else { "NOT as expected." });
    is_as_expected
}

fn tell(check: impl Fn() -> Report) -> Report {
    let start = Instant::now();
    let report = check();
    println!("{} states in {:.1?}", report.states, start.elapsed());
    for Broken { property, steps, trace } in &report.broken {
        println!("\nBROKEN: {property}, in {steps} steps\n{trace}");
    }
    report.unseen.iter().for_each(|name| println!("not seen: {name}"));
    report
}

/// Only what is broken, not in how many states: that is the tests' business.
fn is_as_expected(case: &Case, report: &Report) -> bool {
    let is_broken = |name: &str| report.broken.iter().any(|broken| broken.property == name);
    match case.expected {
        Expected::Holds { .. } => report.broken.is_empty() && report.unseen.is_empty(),
        Expected::BreaksOnly { broken, .. } => {
            broken.len() == report.broken.len() && broken.iter().all(|(name, _)| is_broken(name))
        }
        Expected::Breaks { property, .. } => is_broken(property),
    }
}
