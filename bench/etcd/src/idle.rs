//! What locks cost that are held, and waiters that wait, while nothing happens: renewals, memory, processor time.
//!
//! All locks of one row are held by one process, each with a lease and renewals of its own, as many processes would have them.

use std::{
    thread,
    time::{Duration, Instant},
};

use baton_bench::Result;

use crate::{
    metrics::{self, Metrics},
    process::{ETCDCTL, Process, Starter, memory, processor_time},
    table::{Table, number},
};

/// How many leases have run out.
const EXPIRED: &str = "etcd_debugging_server_lease_expired_total";

/// The leases, in seconds, and how long they are looked at.
pub(crate) type Idle = (u64, Duration);

/// What was measured of so many locks that are held.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) locks: usize,
    pub(crate) lost: usize,
    /// Processor time of etcd for one request, in seconds.
    pub(crate) request: f64,
    /// Memory of etcd for one lock, in KiB.
    pub(crate) memory: f64,
}

/// How both processes are at one moment.
struct Look {
    at: Instant,
    metrics: Metrics,
    server: Duration,
    client: Duration,
}

/// What went on between two looks, in a second.
struct Rates {
    renewals: f64,
    reads: f64,
    /// Parts of a processor.
    server: f64,
    client: f64,
}

impl Look {
    fn at(start: &Starter, client: u32) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            metrics: Metrics::of(start.endpoint())?,
            server: processor_time(start.server)?,
            client: processor_time(client)?,
        })
    }

    fn until(&self, later: &Self) -> Rates {
        let time = (later.at - self.at).as_secs_f64();
        let requests = later.metrics.requests_since(&self.metrics);
        let rate = |method: &str| requests.get(method).unwrap_or(&0.0) / time;
        let part = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / time;
        Rates {
            renewals: rate("LeaseKeepAlive"),
            reads: rate("Range"),
            server: part(self.server, later.server),
            client: part(self.client, later.client),
        }
    }
}

/// As many locks held by one process of ours, and how long they outlive its SIGKILL; also what the largest row in which none was
/// lost comes to for each.
pub(crate) fn held(start: &Starter, numbers: &[usize], (lease, window): Idle) -> Result<(Table, Cost)> {
    let mut cost = Cost::default();
    let mut table = Table::new(
        format!("locks held at the same time, leases of {lease} s, for {} s", window.as_secs()),
        &[
            "locks",
            "taken in s",
            "renewals/s",
            "reads/s",
            "etcd, % of one processor",
            "etcd's memory for each, KiB",
            "holder, % of one processor",
            "holder's memory for each, KiB",
            "lost",
            "free after SIGKILL, s",
        ],
    );
    for count in numbers {
        let (row, costs) = hold(start, *count, (lease, window))?;
        table.rows.push(row);
        // Who has lost its lock renews it no more, and costs nothing: such a row says nothing of one.
        if costs.lost == 0 {
            cost = costs;
        }
    }
    Ok((table, cost))
}

fn hold(start: &Starter, count: usize, (lease, window): Idle) -> Result<(Vec<String>, Cost)> {
    let endpoint = start.endpoint();
    let mut holder = start.worker(&format!("many-{count}"), lease)?;
    let (server, client) = (memory(start.server)?, memory(holder.id())?);
    let began = Instant::now();
    holder.tell(&format!("hold {count}"))?;
    holder.expect("held")?;
    let taken = began.elapsed();
    let before = Look::at(start, holder.id())?;
    thread::sleep(window);
    let after = Look::at(start, holder.id())?;
    let rates = before.until(&after);
    let each = |before: f64, after: f64| (after - before) / as_number(count);
    let server = each(server, memory(start.server)?);
    let client = each(client, memory(holder.id())?);
    holder.tell("lost")?;
    let lost = holder.line()?;
    let all = after.metrics.value(EXPIRED)? + as_number(count) - lost.parse::<f64>()?;
    holder.kill()?;
    let killed = Instant::now();
    metrics::await_value(endpoint, EXPIRED, |expired| expired >= all)?;
    let lost: usize = lost.parse()?;
    let cost =
        Cost { locks: count, lost, request: rates.server / (rates.renewals + rates.reads), memory: server };
    let row = vec![
        count.to_string(),
        number(taken.as_secs_f64()),
        number(rates.renewals),
        number(rates.reads),
        number(rates.server * 100.0),
        number(server),
        number(rates.client * 100.0),
        number(client),
        lost.to_string(),
        number(killed.elapsed().as_secs_f64()),
    ];
    Ok((row, cost))
}

/// As many places of one process that wait for one lock.
pub(crate) fn waiting(start: &Starter, numbers: &[usize], (lease, window): Idle) -> Result<Table> {
    let mut table = Table::new(
        format!("waiters for one lock, leases of {lease} s, for {} s", window.as_secs()),
        &[
            "waiters",
            "watches",
            "renewals/s",
            "reads/s",
            "etcd, % of one processor",
            "etcd's memory for each, KiB",
            "waiters, % of one processor",
        ],
    );
    for count in numbers {
        table.rows.push(wait(start, *count, (lease, window))?);
    }
    Ok(table)
}

fn wait(start: &Starter, count: usize, (lease, window): Idle) -> Result<Vec<String>> {
    const WATCHES: &str = "etcd_debugging_mvcc_watcher_total";
    let endpoint = start.endpoint();
    let name = format!("crowd-{count}");
    let mut holder = start.worker(&name, lease)?;
    holder.tell("acquire")?;
    holder.expect("held")?;
    let mut crowd = start.worker(&name, lease)?;
    let server = memory(start.server)?;
    crowd.tell(&format!("wait {count}"))?;
    crowd.expect("waiting")?;
    metrics::await_value(endpoint, WATCHES, |watches| watches >= as_number(count))?;
    let before = Look::at(start, crowd.id())?;
    thread::sleep(window);
    let after = Look::at(start, crowd.id())?;
    let rates = before.until(&after);
    let server = (memory(start.server)? - server) / as_number(count);
    let row = [
        after.metrics.value(WATCHES)?,
        rates.renewals,
        rates.reads,
        rates.server * 100.0,
        server,
        rates.client * 100.0,
    ];
    crowd.kill()?;
    metrics::await_value(endpoint, WATCHES, |watches| watches < 1.0)?;
    Ok([count.to_string()].into_iter().chain(row.map(number)).collect())
}

/// One process that waits for a lock, with nothing else in it, and what it asks of etcd.
pub(crate) fn one_waiter(start: &Starter, (lease, window): Idle) -> Result<Table> {
    let mut table = Table::new(
        format!("a holder and a waiter, each a process, leases of {lease} s, for {} s", window.as_secs()),
        &["", "memory of the waiter, MiB", "renewals/s of both", "reads/s of both"],
    );
    let ours = {
        let (mut holder, mut waiter) = (start.worker("two", lease)?, start.worker("two", lease)?);
        holder.tell("acquire")?;
        holder.expect("held")?;
        waiter.tell("acquire")?;
        waiter.expect("waiting")?;
        of_two(start, "baton-etcd", &holder, &waiter, window)?
    };
    let (holder, waiter) = start.etcdctl_pair("two-etcdctl", lease)?;
    let theirs = of_two(start, ETCDCTL, &holder, &waiter, window)?;
    table.rows.extend([ours, theirs]);
    Ok(table)
}

fn of_two(
    start: &Starter,
    name: &str,
    holder: &Process,
    waiter: &Process,
    window: Duration,
) -> Result<Vec<String>> {
    let before = Look::at(start, holder.id())?;
    thread::sleep(window);
    let rates = before.until(&Look::at(start, holder.id())?);
    let memory = memory(waiter.id())? / 1024.0;
    Ok(vec![name.to_owned(), number(memory), number(rates.renewals), number(rates.reads)])
}

fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
