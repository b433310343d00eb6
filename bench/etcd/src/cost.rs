//! What one acquisition costs: with nobody else there, and when it is handed over.

use std::time::Instant;

use baton_bench::{
    Result,
    sample::{Measurement, Side, Timed, Unit, in_turn},
};
use nix::sys::signal::Signal;

use crate::process::{ETCDCTL, LIBRARY, LOCK_SERVICE, PROCESS, Process, Starter, finish};

/// So long that nothing here is due to a renewal.
const LEASE: u64 = 60;

/// Acquire and release, nobody else there.
pub(crate) fn alone(start: &Starter, rounds: usize) -> Result<Measurement> {
    let mut library = start.worker("alone", LEASE)?;
    let mut service = start.service("alone-service", LEASE)?;
    let mut sides: Vec<Timed<'_>> = vec![
        (LIBRARY.to_owned(), Box::new(move || cycle(&mut library))),
        (LOCK_SERVICE.to_owned(), Box::new(move || cycle(&mut service))),
        (PROCESS.to_owned(), Box::new(|| finish(&mut start.once("alone-once", LEASE)?))),
        (ETCDCTL.to_owned(), Box::new(|| finish(&mut start.etcdctl("alone-etcdctl", LEASE, &["true"])))),
    ];
    let sides = in_turn(rounds, &mut sides)?;
    Ok(Measurement {
        what: "acquire + release".to_owned(),
        filesystem: start.place(),
        unit: Unit::Milliseconds,
        sides: sides.into_iter().map(in_milliseconds).collect(),
        budgets: Vec::new(),
    })
}

fn cycle(worker: &mut Process) -> Result<()> {
    worker.tell("acquire")?;
    worker.expect("held")?;
    worker.tell("release")?;
    worker.expect("released")
}

fn in_milliseconds(side: Side) -> Side {
    Side::new(side.name, side.samples.into_iter().map(|micros| micros / 1e3).collect())
}

/// From telling the holder to let go until its waiter says that it holds.
pub(crate) fn hand_over(start: &Starter, rounds: usize) -> Result<Measurement> {
    let mut library = Pair { one: start.worker("pair", LEASE)?, other: start.worker("pair", LEASE)? };
    library.one.tell("acquire")?;
    library.one.expect("held")?;
    let mut samples = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        samples[0].push(library.hand_over()?);
        samples[1].push(by_etcdctl(start, &format!("pair-{round}"))?);
    }
    let [ours, theirs] = samples;
    Ok(Measurement {
        what: "hand-off to one waiter".to_owned(),
        filesystem: start.place(),
        unit: Unit::Milliseconds,
        sides: vec![Side::new(LIBRARY, ours), Side::new(ETCDCTL, theirs)],
        budgets: Vec::new(),
    })
}

/// The first one holds.
struct Pair {
    one: Process,
    other: Process,
}

impl Pair {
    /// In milliseconds; both have changed their places then.
    fn hand_over(&mut self) -> Result<f64> {
        self.other.tell("acquire")?;
        self.other.expect("waiting")?;
        let started = Instant::now();
        self.one.tell("release")?;
        self.other.expect("held")?;
        let taken = started.elapsed();
        self.one.expect("released")?;
        std::mem::swap(&mut self.one, &mut self.other);
        Ok(taken.as_secs_f64() * 1e3)
    }
}

fn by_etcdctl(start: &Starter, name: &str) -> Result<f64> {
    let (mut holder, mut waiter) = start.etcdctl_pair(name, LEASE)?;
    let started = Instant::now();
    holder.signal(Signal::SIGINT)?;
    waiter.line()?;
    let taken = started.elapsed();
    waiter.signal(Signal::SIGINT)?;
    holder.wait()?;
    waiter.wait()?;
    Ok(taken.as_secs_f64() * 1e3)
}
