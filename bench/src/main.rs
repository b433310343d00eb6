//! Benchmarks: all sides of every row in one run, in turn, so that a machine whose speed drifts moves all of them.
//!
//! `cargo xtask bench` builds this, installs whom it is measured against, and runs it. Speed is never a test: a shared machine is noisy, and
//! a figure is only ever a ratio of two that were measured side by side.
#![forbid(unsafe_code)]

mod command;
mod contender;
mod contention;
mod peers;
mod same_calls;
mod transitions;
mod uncontended;
mod worker;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_bench::place::Place;
use baton_bench::{
    plot, report,
    sample::{Measurement, Unit},
};
use contender::Kind;
use peers::Result;

const USAGE: &str = "baton-bench [--short] [--only TEXT] [--peers DIRECTORY] [--out DIRECTORY]

Measures, prints the tables as Markdown, and writes bench.json, bench.md, summary.md and plots to the --out DIRECTORY.
  --short              a few rounds of each: shows that all of it works, not how fast it is
  --only TEXT          only groups of measurements with that in their name: uncontended, hand-off, throughput, transitions, command, waiting
  --peers DIRECTORY    where clients in other languages are installed (`cargo xtask bench` does)";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Asked {
    is_short: bool,
    only: String,
    peers: Option<PathBuf>,
    out: Option<PathBuf>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [option, name, path] = words.as_slice()
        && option == worker::OPTION
    {
        return worker::run(name, Path::new(path));
    }
    let asked = read(words)?;
    let measurements = measure(&asked)?;
    let markdown = report::as_markdown(&measurements, &machine(asked.is_short));
    println!("{markdown}");
    if let Some(out) = &asked.out {
        fs::create_dir_all(out)?;
        fs::write(out.join("bench.md"), &markdown)?;
        fs::write(out.join("summary.md"), report::summary(&measurements, &machine(asked.is_short)))?;
        let json = report::as_json(&measurements, &machine(asked.is_short));
        fs::write(out.join("bench.json"), format!("{json:#}\n"))?;
        plot_all(&measurements, out)?;
    }
    Ok(())
}

fn read(words: Vec<String>) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
        match word.as_str() {
            "--short" => asked.is_short = true,
            "--only" => asked.only = value()?,
            "--peers" => asked.peers = Some(value()?.into()),
            "--out" => asked.out = Some(value()?.into()),
            other => return Err(format!("`{other}` is not known\n{USAGE}").into()),
        }
    }
    Ok(asked)
}

fn measure(asked: &Asked) -> Result<Vec<Measurement>> {
    let often = |many, few| if asked.is_short { few } else { many };
    let (scripts, all) = (Kind::scripts(asked.peers.as_deref()), Kind::all(asked.peers.as_deref()));
    let in_rust: Vec<Kind> = Kind::all(None);
    let patience = Duration::from_secs(if asked.is_short { 2 } else { 12 });
    let (runs, time, numbers): (_, _, &[usize]) =
        if asked.is_short { (2, 50, &[2, 16]) } else { (5, 400, &[2, 4, 8, 16, 32, 64]) };
    let runs = (runs, Duration::from_millis(time));
    let is_asked = |group: &str| group.contains(&asked.only);
    let mut measurements = Vec::new();
    for place in Place::all() {
        if is_asked("uncontended") {
            measurements.extend(uncontended::measurements(&place, often(2000, 20), &scripts)?);
        }
        if is_asked("hand-off") {
            measurements.extend(contention::hand_offs(&place, often(200, 2), patience, &all)?);
        }
        if is_asked("throughput") {
            measurements.extend(contention::throughput(&place, numbers, runs, &in_rust)?);
        }
        if is_asked("transitions") {
            let steps = transitions::steps(asked.is_short);
            measurements.extend(transitions::measurements(&place, often(200, 3), steps)?);
        }
        if is_asked("command") {
            measurements.push(command::start_up(&place, often(400, 5))?);
        }
    }
    if let (Some(place), true) = (Place::all().first(), is_asked("waiting")) {
        measurements
            .extend(command::waiting(place, Duration::from_secs(if asked.is_short { 1 } else { 60 }))?);
    }
    Ok(measurements)
}

/// What the figures are of.
fn machine(is_short: bool) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = kernel.split('-').next().unwrap_or_default().trim();
    let note =
        if is_short { " A short run: it shows that everything works, not how fast it is." } else { "" };
    format!("{processors} processors, Linux {version}; medians of sides that were measured in turn.{note}")
}

/// One picture of bars for each measurement that has a field to show, and lines for what was measured with several numbers of contenders.
fn plot_all(measurements: &[Measurement], out: &Path) -> Result<()> {
    const BARS: [&str; 4] = ["acquire + release", "hand-off to one", "from SIGKILL", "a command around"];
    for measurement in measurements {
        let Some(at) = BARS.iter().position(|start| measurement.what.starts_with(start)) else { continue };
        let name = ["acquire", "hand-off", "recovery", "command"][at];
        plot::bars(measurement, &out.join(format!("{name}-{}.svg", measurement.filesystem)))?;
    }
    for place in Place::all() {
        let points: Vec<(usize, &Measurement)> = measurements
            .iter()
            .filter(|measurement| measurement.filesystem == place.filesystem)
            .filter_map(|measurement| Some((contenders(&measurement.what)?, measurement)))
            .collect();
        if points.len() > 1 {
            let title = format!("hand-offs from one contender to another, on {}", place.filesystem);
            let file = out.join(format!("contenders-{}.svg", place.filesystem));
            plot::lines(&title, Unit::PerSecond, &points, &file)?;
        }
    }
    Ok(())
}

fn contenders(what: &str) -> Option<usize> {
    what.strip_prefix("hand-offs, ")?.strip_suffix(" contenders")?.parse().ok()
}
