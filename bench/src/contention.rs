//! A lock that several want: handed from one to the next, after a release and after a SIGKILL, and by many.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::contender::{Contender, Kind};
use crate::peers::{BATON, FLOCK, Result, SAME_CALLS};
use crate::worker;
use baton_bench::place::Place;
use baton_bench::sample::{Budget, Floor, Measurement, Side, Unit};

/// How long a waiter is given to get from its order into the kernel, where it waits.
const SETTLING: Duration = Duration::from_millis(2);

/// How long a holder that was killed may be a zombie, so that its being reaped takes no processor from the waiter. Some take a zombie for alive:
/// those ask again after some ten times that.
const ZOMBIE: Duration = Duration::from_millis(1);

/// How a hold ends that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Release,
    Kill,
}

/// From a release, and from a SIGKILL of the holder, to the waiter holding.
///
/// A contender that polls may take its whole pause, or wait for a file to age, or for ever: all of its rounds together, and each one, get
/// `patience`.
pub(crate) fn hand_offs(
    place: &Place,
    rounds: usize,
    patience: Duration,
    kinds: &[Kind],
) -> Result<Vec<Measurement>> {
    let measured = |what: &str, end, budgets| -> Result<Measurement> {
        let directory = place.directory()?;
        // In turn, so that a machine whose speed drifts moves all of them.
        let mut samples = vec![Vec::new(); kinds.len()];
        let mut time_left = vec![patience; kinds.len()];
        for _ in 0..rounds {
            for (at, kind) in kinds.iter().enumerate() {
                if time_left[at].is_zero() {
                    continue;
                }
                let started = Instant::now();
                samples[at].extend(hand_off(
                    kind,
                    &directory.path().join(format!("{at}.lock")),
                    end,
                    patience,
                )?);
                time_left[at] = time_left[at].saturating_sub(started.elapsed());
            }
        }
        let sides =
            kinds.iter().zip(samples).map(|(kind, samples)| Side::new(kind.name(), samples)).collect();
        Ok(Measurement {
            what: what.to_owned(),
            filesystem: place.filesystem.clone(),
            unit: Unit::Microseconds,
            sides,
            budgets,
        })
    };
    Ok(vec![
        measured("hand-off to one waiter", End::Release, vec![budget(0.5, 1.3), budget(0.99, 1.3)])?,
        measured("from SIGKILL of the holder to the waiter holding", End::Kill, vec![budget(0.5, 1.3)])?,
    ])
}

/// One hand-off, in microseconds; `None` if it does not come to pass.
fn hand_off(kind: &Kind, path: &Path, end: End, patience: Duration) -> Result<Option<f64>> {
    let (mut holder, mut waiter) = (Contender::start(kind, path)?, Contender::start(kind, path)?);
    // The waiter is there before it is told to wait.
    waiter.cycle(0)?;
    holder.order("acquire")?;
    holder.time_of("held")?;
    waiter.order("acquire")?;
    thread::sleep(SETTLING);
    // Until the waiter says that it holds, nobody runs but these two.
    let killed = worker::now();
    match end {
        End::Release => holder.order("release")?,
        End::Kill => {
            holder.kill()?;
            if !waiter.answers_within(ZOMBIE)? {
                holder.reap()?;
            }
        }
    }
    if !waiter.answers_within(patience)? {
        return Ok(None);
    }
    let held = waiter.time_of("held")?;
    let ended = match end {
        End::Release => holder.time_of("released")?,
        End::Kill => killed,
    };
    waiter.order("release")?;
    waiter.time_of("released")?;
    // A difference of some seconds at most.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds, of which microseconds are shown")]
    let taken = (held - ended) as f64 / 1e3;
    Ok(Some(taken))
}

/// How often the lock goes from one to another, and is had at all, by that many contenders: in some runs of that time.
pub(crate) fn throughput(
    place: &Place,
    numbers: &[usize],
    (runs, time): (usize, Duration),
    kinds: &[Kind],
) -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    for &number in numbers {
        let directory = place.directory()?;
        let mut counts = vec![Vec::new(); kinds.len()];
        let mut changes = counts.clone();
        // In turn, so that a machine whose speed drifts moves all of them.
        for _ in 0..runs {
            for (at, kind) in kinds.iter().enumerate() {
                let path = directory.path().join(format!("{at}.lock"));
                let (count, change) = contend(kind, &path, number, time)?;
                counts[at].push(count);
                changes[at].push(change);
            }
        }
        let measurement = |what: &str, samples: Vec<Vec<f64>>, budgets| Measurement {
            what: format!("{what}, {number} contenders"),
            filesystem: place.filesystem.clone(),
            unit: Unit::PerSecond,
            sides: kinds.iter().zip(samples).map(|(kind, samples)| Side::new(kind.name(), samples)).collect(),
            budgets,
        };
        let budgets = if number == 16 { vec![budget(0.5, 0.8)] } else { Vec::new() };
        measurements.push(measurement("hand-offs", changes, budgets));
        measurements.push(measurement("acquisitions", counts, Vec::new()));
    }
    Ok(measurements)
}

fn budget(part: f64, limit: f64) -> Budget {
    let (against, floor) = (Some(FLOCK.to_owned()), Some(Floor::of(SAME_CALLS)));
    Budget { ours: BATON.to_owned(), against, part, limit, floor }
}

/// Acquisitions and changes of the owner, per second.
#[expect(clippy::cast_precision_loss, reason = "counts of some millions at most")]
fn contend(kind: &Kind, path: &Path, number: usize, time: Duration) -> Result<(f64, f64)> {
    let mut contenders = (0..number).map(|_| Contender::start(kind, path)).collect::<Result<Vec<_>>>()?;
    // All are there before the first one begins.
    for contender in &mut contenders {
        contender.cycle(0)?;
    }
    for contender in &mut contenders {
        contender.order(&format!("loop {}", time.as_secs_f64()))?;
    }
    let (mut count, mut changes) = (0, 0);
    for contender in &mut contenders {
        let answer = contender.answer()?;
        let (had, changed) = answer.split_once(' ').ok_or_else(|| format!("not two numbers: `{answer}`"))?;
        count += had.parse::<u64>()?;
        changes += changed.parse::<u64>()?;
    }
    Ok((count as f64 / time.as_secs_f64(), changes as f64 / time.as_secs_f64()))
}
