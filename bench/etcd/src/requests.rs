//! What the server is asked for one acquisition, counted by itself, and whether that grows with the number of those who wait.
//!
//! The leases are so long that no renewal falls into it. Each contender connects, arrives, waits for those before it, holds, and leaves; nobody comes twice.

use std::{collections::BTreeMap, thread, time::Duration};

use baton_bench::Result;
use nix::sys::signal::Signal;

use crate::{
    metrics::{self, Metrics},
    process::{ETCDCTL, LIBRARY, LOCK_SERVICE, Process, Starter, finish},
    table::{Table, number},
};

const LEASE: u64 = 600;

/// Requests of etcd's interface, in the order of their columns.
const METHODS: [&str; 7] =
    ["LeaseGrant", "Txn", "Range", "Watch", "DeleteRange", "LeaseKeepAlive", "LeaseRevoke"];

/// What it has sent to its clients, in bytes.
const SENT: &str = "etcd_network_client_grpc_sent_bytes_total";

/// etcd writes to its file every tenth of a second.
const WRITTEN: Duration = Duration::from_millis(500);

/// With these numbers of contenders, who all come before the first one lets go.
pub(crate) fn among_contenders(start: &Starter, numbers: &[usize]) -> Result<Table> {
    let mut head = vec!["", "contenders", "all"];
    head.extend(METHODS);
    head.extend(["other", "KiB sent by etcd"]);
    let mut table = Table::new("requests for each acquisition, counted by etcd", &head);
    for contenders in numbers {
        for (name, queue) in [(LIBRARY, ours as Queue), (ETCDCTL, theirs)] {
            let before = Metrics::of(start.endpoint())?;
            queue(start, *contenders)?;
            let after = Metrics::of(start.endpoint())?;
            let sent = after.value(SENT)? - before.value(SENT)?;
            table.rows.push(row(name, *contenders, after.requests_since(&before), sent / 1024.0));
        }
    }
    Ok(table)
}

/// As many come, and then go one after the other.
type Queue = fn(&Starter, usize) -> Result<()>;

fn row(name: &str, contenders: usize, mut requests: BTreeMap<String, f64>, sent: f64) -> Vec<String> {
    let each = |count: f64| number(count / f64::from(u32::try_from(contenders).unwrap_or(u32::MAX)));
    let mut row = vec![name.to_owned(), contenders.to_string(), each(requests.values().sum())];
    row.extend(METHODS.map(|method| each(requests.remove(method).unwrap_or_default())));
    row.extend([each(requests.values().sum()), each(sent)]);
    row
}

fn ours(start: &Starter, contenders: usize) -> Result<()> {
    let mut queue = Vec::new();
    for number in 0..contenders {
        let mut contender = start.worker(&format!("queue-{contenders}"), LEASE)?;
        contender.tell("acquire")?;
        contender.expect(if number == 0 { "held" } else { "waiting" })?;
        queue.push(contender);
    }
    for (number, mut contender) in queue.into_iter().enumerate() {
        if number > 0 {
            contender.expect("held")?;
        }
        contender.tell("release")?;
        contender.expect("released")?;
    }
    Ok(())
}

fn theirs(start: &Starter, contenders: usize) -> Result<()> {
    let endpoint = start.endpoint();
    let mut keys = metrics::keys(endpoint)?;
    let mut queue = Vec::new();
    for _ in 0..contenders {
        queue.push(Process::start(&start.etcdctl(&format!("queue-{contenders}-etcdctl"), LEASE, &[]))?);
        keys += 1.0;
        metrics::await_keys(endpoint, keys)?;
    }
    for mut contender in queue {
        contender.line()?;
        contender.signal(Signal::SIGINT)?;
        contender.wait()?;
    }
    Ok(())
}

/// How much its file grows by each acquisition, until it is compacted; nobody else writes meanwhile. Also the figure for ours alone.
pub(crate) fn history(start: &Starter, time: Duration, processes: usize) -> Result<(Table, f64)> {
    let mut table =
        Table::new("history that one acquisition leaves in etcd, until it is compacted", &["", "bytes"]);
    let directory = tempfile::tempdir()?;
    let mut ours = f64::NAN;
    for (name, mut worker) in
        [(LIBRARY, start.worker("history", LEASE)?), (LOCK_SERVICE, start.service("history-service", LEASE)?)]
    {
        let before = in_use(start)?;
        worker.tell(&format!("loop {} {}", time.as_secs_f64(), directory.path().display()))?;
        // The last one does not count there, but has been.
        let count = worker.line()?.parse::<f64>()? + 1.0;
        let each = (in_use(start)? - before) / count;
        if name == LIBRARY {
            ours = each;
        }
        table.rows.push(vec![name.to_owned(), number(each)]);
    }
    let before = in_use(start)?;
    for _ in 0..processes {
        finish(&mut start.etcdctl("history-etcdctl", LEASE, &["true"]))?;
    }
    let count = f64::from(u32::try_from(processes)?);
    table.rows.push(vec![ETCDCTL.to_owned(), number((in_use(start)? - before) / count)]);
    Ok((table, ours))
}

/// Bytes of the file that are in use, all that was done before being written.
fn in_use(start: &Starter) -> Result<f64> {
    thread::sleep(WRITTEN);
    Metrics::of(start.endpoint())?.value("etcd_mvcc_db_total_size_in_use_in_bytes")
}
