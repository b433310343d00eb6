//! A contender in a process of its own, told what to do line by line. Those in other languages (`peers/`) obey the same orders.
//!
//! | order | answer |
//! |---|---|
//! | `acquire` | `held NANOS`, once it has the lock |
//! | `release` | `released NANOS`, the time just before it gave it back, told after that: who listens is not woken in between |
//! | `cycle N` | how long each of N acquisitions with its release took, in nanoseconds |
//! | `loop SECONDS` | how often it had the lock in that time, and how often somebody else had had it before |
//!
//! Times are of the monotonic clock, which all processes share.

use std::fs::File;
use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::peers::{self, Result};

/// The option by which this program becomes one: `baton-bench --worker NAME PATH`.
pub(crate) const OPTION: &str = "--worker";

/// Where the one who had the lock last writes itself.
pub(crate) fn owner_file(path: &Path) -> PathBuf {
    path.with_extension("owner")
}

/// Obeys until its input ends.
pub(crate) fn run(name: &str, path: &Path) -> Result<()> {
    let mut client = peers::client(name, path)?;
    // The first look at the clock finds out where the kernel has it.
    now();
    let mut orders = stdin().lock().lines();
    while let Some(order) = orders.next() {
        let order = order?;
        match order.split_once(' ') {
            None if order == "acquire" => {
                let mut released = 0;
                client(&mut || {
                    say(&format!("held {}", now()))?;
                    // The next order is `release`; at the end of the input all ends.
                    let _ = orders.next();
                    released = now();
                    Ok(())
                })?;
                say(&format!("released {released}"))?;
            }
            Some(("cycle", times)) => {
                let times: usize = times.parse()?;
                let mut taken = Vec::with_capacity(times);
                for _ in 0..times {
                    let started = Instant::now();
                    client(&mut || Ok(()))?;
                    taken.push(started.elapsed().as_nanos().to_string());
                }
                say(&taken.join(" "))?;
            }
            Some(("loop", seconds)) => {
                let (count, changes) = contend(&mut client, path, Duration::from_secs_f64(seconds.parse()?))?;
                say(&format!("{count} {changes}"))?;
            }
            _ => return Err(format!("nobody knows the order `{order}`").into()),
        }
    }
    Ok(())
}

fn contend(client: &mut peers::Client, path: &Path, time: Duration) -> Result<(u64, u64)> {
    let owner = File::options().read(true).write(true).create(true).truncate(false).open(owner_file(path))?;
    let myself = u64::from(std::process::id()).to_ne_bytes();
    let (mut count, mut changes) = (0, 0);
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        client(&mut || {
            let mut last = [0; 8];
            let length = owner.read_at(&mut last, 0)?;
            count += 1;
            if length > 0 && last != myself {
                changes += 1;
            }
            Ok(owner.write_all_at(&myself, 0)?)
        })?;
    }
    Ok((count, changes))
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn now() -> i128 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
