//! What a lock on etcd costs, beside `etcdctl lock` and etcd's own lock service, all sides in one run and in turn; and what one cluster
//! bears.
//!
//! `cargo xtask bench-etcd` builds this and runs it. Each cluster is a real one, started for it on the loopback: one member, and three.
#![forbid(unsafe_code)]

mod beyond;
mod contention;
mod cost;
mod idle;
mod metrics;
mod process;
mod recovery;
mod requests;
mod service;
mod table;
mod worker;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use baton_bench::{
    Result,
    place::Place,
    plot, report,
    sample::{Measurement, Unit},
};
use baton_itest::etcd::{self, Cluster};
use serde_json::{Value, json};

use idle::Idle;
use process::{ONE_MEMBER, Starter};
use table::Table;

const USAGE: &str = "baton-bench-etcd [--short] [--out DIRECTORY]

Measures, prints the tables as Markdown, and writes bench-etcd.json, bench-etcd.md and plots to the --out DIRECTORY.
  --short    a few rounds of each: shows that all of it works, not how fast it is";

/// What the command line asks for.
#[derive(Debug, Default)]
struct Asked {
    is_short: bool,
    out: Option<PathBuf>,
}

/// How much is measured.
struct Extent {
    rounds: usize,
    /// Rounds over all sides, and the time of one, for what is counted per second.
    throughput: (usize, Duration),
    contenders: &'static [usize],
    /// On the larger cluster.
    fewer_contenders: &'static [usize],
    leases: &'static [u64],
    pairs: u32,
    queues: &'static [usize],
    held: &'static [usize],
    waiting: &'static [usize],
    idle: Idle,
}

const WHOLE: Extent = Extent {
    rounds: 60,
    throughput: (3, Duration::from_millis(1500)),
    contenders: &[1, 2, 4, 8, 16, 32, 64],
    fewer_contenders: &[1, 8, 64],
    leases: &[2, 10],
    pairs: 12,
    queues: &[1, 4, 16, 64],
    held: &[100, 1000, 5000],
    waiting: &[100, 1000],
    idle: (10, Duration::from_secs(10)),
};

const SHORT: Extent = Extent {
    rounds: 2,
    throughput: (1, Duration::from_millis(200)),
    contenders: &[1, 4],
    fewer_contenders: &[4],
    leases: &[2],
    pairs: 1,
    queues: &[1, 4],
    held: &[20],
    waiting: &[20],
    idle: (2, Duration::from_secs(1)),
};

/// All that came of a run.
#[derive(Default)]
struct Figures {
    measurements: Vec<Measurement>,
    tables: Vec<Table>,
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((option, rest)) if option == "--worker" => return worker::run(rest),
        Some((option, rest)) if option == "--once" => return worker::once(rest),
        _ => {}
    }
    let asked = read(words)?;
    if !etcd::is_there() {
        return Err("without etcd there is nothing to measure".into());
    }
    let extent = if asked.is_short { SHORT } else { WHOLE };
    let mut figures = Figures::default();
    // What was measured before something fails is not lost.
    let done = [1, 3].into_iter().try_for_each(|members| figures.measure(members, &extent));
    let machine = machine(asked.is_short);
    let markdown = figures.as_markdown(&machine);
    println!("{markdown}");
    if let Some(out) = &asked.out {
        fs::create_dir_all(out)?;
        fs::write(out.join("bench-etcd.md"), &markdown)?;
        fs::write(out.join("bench-etcd.json"), format!("{:#}\n", figures.as_json(&machine)))?;
        figures.plot(out)?;
    }
    done
}

fn read(words: Vec<String>) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--short" => asked.is_short = true,
            "--out" => asked.out = Some(words.next().ok_or("`--out` needs a directory")?.into()),
            other => return Err(format!("`{other}` is not known\n{USAGE}").into()),
        }
    }
    Ok(asked)
}

impl Figures {
    fn measure(&mut self, members: usize, extent: &Extent) -> Result<()> {
        let cluster = Cluster::start(members, &[]);
        let start = &Starter::new(&cluster, members);
        self.measurements.push(cost::alone(start, extent.rounds)?);
        self.measurements.push(cost::hand_over(start, extent.rounds)?);
        let contenders = if members == 1 { extent.contenders } else { extent.fewer_contenders };
        for contenders in contenders {
            self.measurements.push(contention::one_lock(start, *contenders, extent.throughput)?);
        }
        for contenders in contenders {
            self.measurements.push(contention::own_locks(start, *contenders, extent.throughput)?);
        }
        if members == 1 {
            self.tables.push(requests::among_contenders(start, extent.queues)?);
            let (history, bytes) = requests::history(start, extent.throughput.1, extent.rounds)?;
            self.tables.push(history);
            self.measurements.push(recovery::measure(start, extent.leases, extent.pairs)?);
            self.tables.push(idle::one_waiter(start, extent.idle)?);
            let (held, cost) = idle::held(start, extent.held, extent.idle)?;
            self.tables.push(held);
            self.tables.push(idle::waiting(start, extent.waiting, extent.idle)?);
            self.tables.extend([beyond::places(cost), beyond::history(bytes)]);
        }
        Ok(())
    }

    fn as_markdown(&self, machine: &str) -> String {
        let measured = self.measurements.iter().map(report::table);
        let counted = self.tables.iter().map(Table::as_markdown);
        let parts: String = measured.chain(counted).collect();
        format!("{machine}\n{parts}")
    }

    fn as_json(&self, machine: &str) -> Value {
        let mut json = report::as_json(&self.measurements, machine);
        json["tables"] = json!(self.tables.iter().map(Table::as_json).collect::<Vec<_>>());
        json
    }

    fn plot(&self, out: &Path) -> Result<()> {
        for (what, file) in [(contention::ONE_LOCK, "one-lock"), (contention::OWN_LOCKS, "own-locks")] {
            let of_one: Vec<&Measurement> =
                self.measurements.iter().filter(|measurement| measurement.filesystem == ONE_MEMBER).collect();
            let points: Vec<(usize, &Measurement)> = of_one
                .into_iter()
                .filter_map(|measurement| Some((contenders(what, &measurement.what)?, measurement)))
                .collect();
            let title = format!("{}, {ONE_MEMBER}", what.trim_end_matches(", "));
            plot::lines(&title, Unit::PerSecond, &points, &out.join(format!("etcd-{file}.svg")))?;
        }
        Ok(())
    }
}

fn contenders(what: &str, title: &str) -> Option<usize> {
    title.strip_prefix(what)?.strip_suffix(" contenders")?.parse().ok()
}

/// What the figures are of.
fn machine(is_short: bool) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = kernel.split('-').next().unwrap_or_default().trim();
    let disk = Place::at(&std::env::temp_dir()).map_or_else(String::new, |place| place.filesystem);
    let note =
        if is_short { " A short run: it shows that everything works, not how fast it is." } else { "" };
    format!(
        "{processors} processors, shared by the servers and their clients; Linux {version}; etcd's data on {disk}; medians of sides \
         that were measured in turn.{note}"
    )
}
