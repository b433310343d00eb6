//! How many acquisitions there are in a second with 1 to 64 contenders: all for one lock, or each for one of its own.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use baton_bench::{
    Result,
    sample::{Measurement, Side, Unit},
};

use crate::process::{ETCDCTL, LIBRARY, LOCK_SERVICE, PROCESS, Process, Starter, finish};

/// Renewals are part of it, as they are in life.
const LEASE: u64 = 10;

/// What the title of a plot over the number of contenders has before it.
pub(crate) const ONE_LOCK: &str = "acquisitions of one lock, ";
/// The same for a lock each.
pub(crate) const OWN_LOCKS: &str = "acquisitions, each of its own lock, ";

/// All for one lock, for that time in each of some rounds.
pub(crate) fn one_lock(
    start: &Starter,
    contenders: usize,
    (rounds, time): (usize, Duration),
) -> Result<Measurement> {
    let name = format!("one-{contenders}");
    let mut library = started(contenders, |_| start.worker(&name, LEASE))?;
    let mut service = started(contenders, |_| start.service(&format!("{name}-service"), LEASE))?;
    let directory = tempfile::tempdir()?;
    let mut samples: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        samples[0].push(in_processes(&mut library, time, directory.path())?);
        samples[1].push(in_processes(&mut service, time, directory.path())?);
        samples[2].push(again_and_again(contenders, time, || {
            finish(&mut start.once(&format!("{name}-once"), LEASE)?)
        })?);
        samples[3].push(again_and_again(contenders, time, || {
            finish(&mut start.etcdctl(&format!("{name}-etcdctl"), LEASE, &["true"]))
        })?);
    }
    Ok(measurement(start, ONE_LOCK, contenders, &[LIBRARY, LOCK_SERVICE, PROCESS, ETCDCTL], samples.into()))
}

/// Each for a lock of its own: what the cluster as a whole gets done.
pub(crate) fn own_locks(
    start: &Starter,
    contenders: usize,
    (rounds, time): (usize, Duration),
) -> Result<Measurement> {
    let mut library = started(contenders, |number| start.worker(&format!("own-{number}"), LEASE))?;
    let mut service = started(contenders, |number| start.service(&format!("own-service-{number}"), LEASE))?;
    let directory = tempfile::tempdir()?;
    let mut samples: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        samples[0].push(in_processes(&mut library, time, directory.path())?);
        samples[1].push(in_processes(&mut service, time, directory.path())?);
    }
    Ok(measurement(start, OWN_LOCKS, contenders, &[LIBRARY, LOCK_SERVICE], samples.into()))
}

fn measurement(
    start: &Starter,
    what: &str,
    contenders: usize,
    names: &[&str],
    samples: Vec<Vec<f64>>,
) -> Measurement {
    Measurement {
        what: format!("{what}{contenders} contenders"),
        filesystem: start.place(),
        unit: Unit::PerSecond,
        sides: names.iter().zip(samples).map(|(name, samples)| Side::new(*name, samples)).collect(),
        budgets: Vec::new(),
    }
}

fn started(count: usize, one: impl Fn(usize) -> Result<Process>) -> Result<Vec<Process>> {
    (0..count).map(one).collect()
}

fn in_processes(processes: &mut [Process], time: Duration, directory: &Path) -> Result<f64> {
    for process in &mut *processes {
        process.tell(&format!("loop {} {}", time.as_secs_f64(), directory.display()))?;
    }
    let mut count = 0.0;
    for process in processes {
        count += process.line()?.parse::<f64>()?;
    }
    Ok(count / time.as_secs_f64())
}

/// A new process for each acquisition, as many at a time; what ends after the time does not count.
fn again_and_again(contenders: usize, time: Duration, work: impl Fn() -> Result<()> + Sync) -> Result<f64> {
    let deadline = Instant::now() + time;
    let until = || -> std::result::Result<u32, String> {
        let mut count = 0;
        while Instant::now() < deadline {
            work().map_err(|error| error.to_string())?;
            count += u32::from(Instant::now() < deadline);
        }
        Ok(count)
    };
    let counted: std::result::Result<u32, String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..contenders).map(|_| scope.spawn(until)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?).sum()
    });
    Ok(f64::from(counted?) / time.as_secs_f64())
}
