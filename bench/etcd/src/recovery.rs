//! How long after the SIGKILL of a holder its waiter holds, in times of its lease.
//!
//! A lease runs from its last renewal, so the answer depends on when after a renewal the holder dies. Each pair's holder is killed at
//! another moment, spread evenly over one lease. All pairs wait at the same time, each for a lock of its own.

use std::{
    thread,
    time::{Duration, Instant},
};

use baton_bench::{
    Result,
    sample::{Measurement, Side, Unit},
};

use crate::process::{ETCDCTL, Process, Starter};

/// A holder, its waiter, and the seconds of their leases.
struct Pair {
    side: usize,
    lease: u64,
    holder: Process,
    waiter: Process,
    /// When the holder is killed, in parts of the lease.
    phase: f64,
}

/// With these leases, in seconds, and as many pairs for each of both sides.
pub(crate) fn measure(start: &Starter, leases: &[u64], pairs: u32) -> Result<Measurement> {
    let names: Vec<String> = leases
        .iter()
        .flat_map(|lease| [format!("baton-etcd, {lease} s"), format!("{ETCDCTL}, {lease} s")])
        .collect();
    let mut waiting = Vec::new();
    for (at, lease) in leases.iter().enumerate() {
        for number in 0..pairs {
            // All lose a whole lease first, so that those that are killed first were renewed too.
            let phase = 1.0 + f64::from(number) / f64::from(pairs);
            let (holder, waiter) = ours(start, &format!("killed-{lease}-{number}"), *lease)?;
            waiting.push(Pair { side: 2 * at, lease: *lease, holder, waiter, phase });
            let (holder, waiter) = start.etcdctl_pair(&format!("killed-etcdctl-{lease}-{number}"), *lease)?;
            waiting.push(Pair { side: 2 * at + 1, lease: *lease, holder, waiter, phase });
        }
    }
    let mut samples = vec![Vec::new(); names.len()];
    for (side, time) in recover(waiting)? {
        samples[side].push(time);
    }
    Ok(Measurement {
        what: "from SIGKILL of the holder until its waiter holds".to_owned(),
        filesystem: start.place(),
        unit: Unit::Leases,
        sides: names.into_iter().zip(samples).map(|(name, samples)| Side::new(name, samples)).collect(),
        budgets: Vec::new(),
    })
}

fn ours(start: &Starter, name: &str, lease: u64) -> Result<(Process, Process)> {
    let (mut holder, mut waiter) = (start.worker(name, lease)?, start.worker(name, lease)?);
    holder.tell("acquire")?;
    holder.expect("held")?;
    waiter.tell("acquire")?;
    waiter.expect("waiting")?;
    Ok((holder, waiter))
}

/// The side of each pair and what it took.
fn recover(pairs: Vec<Pair>) -> Result<Vec<(usize, f64)>> {
    let began = Instant::now();
    let threads: Vec<_> = pairs
        .into_iter()
        .map(|mut pair| {
            thread::spawn(move || {
                let lease = Duration::from_secs(pair.lease);
                thread::sleep(lease.mul_f64(pair.phase).saturating_sub(began.elapsed()));
                let killed = Instant::now();
                let recovered = pair.holder.kill().and_then(|()| pair.waiter.line());
                let taken = killed.elapsed().as_secs_f64() / lease.as_secs_f64();
                recovered.map(|_| (pair.side, taken)).map_err(|error| error.to_string())
            })
        })
        .collect();
    let joined =
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?);
    Ok(joined.collect::<std::result::Result<_, String>>()?)
}
