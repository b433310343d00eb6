//! A contender in a process of its own, with a connection of its own, told what to do line by line.
//!
//! `baton-bench-etcd --worker KIND URL NAME LEASE-IN-SECONDS`, where the kind is `baton-etcd` or `lock-service`.
//!
//! | order | answer |
//! |---|---|
//! | `acquire` | `waiting`, once it has to; then `held` |
//! | `release` | `released` |
//! | `loop SECONDS DIRECTORY` | how often it had the lock within that time |
//! | `hold COUNT` | `held`, once it holds as many locks, all from this process |
//! | `wait COUNT` | `waiting`, once as many places of this process wait for the lock |
//! | `lost` | how many of those locks it has lost |

use std::{
    fs::{self, File},
    io::{BufRead as _, Write as _, stdin, stdout},
    ops::ControlFlow,
    path::Path,
    process::Command,
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use baton_bench::Result;
use baton_etcd::{Credentials, EtcdStore};
use baton_lock::{
    Attempt, Held, Integrity, Lock,
    store::{Intent, Store as _},
};

use crate::service::{self, LockService};

/// Our library.
pub(crate) const BATON: &str = "baton-etcd";
/// etcd's lock service.
pub(crate) const SERVICE: &str = "lock-service";

/// Locks that are taken at the same time when there are many to be taken.
const HANDS: usize = 16;

/// Whose lock it is.
enum Client {
    Baton(EtcdStore),
    Service(LockService),
}

/// What is held through either.
enum Hold {
    Baton(Held),
    Service(service::Held),
}

/// Obeys until its input ends.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [kind, url, name, lease] = arguments else { return Err("a worker wants KIND URL NAME LEASE".into()) };
    let client = Client::open(kind, url, lease.parse()?)?;
    say("ready")?;
    let (mut hold, mut many) = (None, Vec::new());
    for order in stdin().lock().lines() {
        let order = order?;
        let words: Vec<&str> = order.split(' ').collect();
        match words.as_slice() {
            ["acquire"] => {
                hold = Some(client.acquire(name, || say("waiting"))?);
                say("held")?;
            }
            ["release"] => {
                client.release(hold.take().ok_or("nothing is held")?)?;
                say("released")?;
            }
            ["loop", seconds, directory] => {
                let time = Duration::from_secs_f64(seconds.parse()?);
                say(&client.contend(name, time, Path::new(directory))?.to_string())?;
            }
            ["hold", count] => {
                many = client.hold_many(name, count.parse()?)?;
                say("held")?;
            }
            ["wait", count] => client.wait_many(name, count.parse()?)?,
            ["lost"] => say(&lost(&many)?.to_string())?,
            _ => return Err(format!("nobody knows the order `{order}`").into()),
        }
    }
    Ok(())
}

/// Takes a lock, runs a command that does nothing, and gives it back: what `etcdctl lock NAME true` does.
pub(crate) fn once(arguments: &[String]) -> Result<()> {
    let [url, name, lease] = arguments else { return Err("once wants URL NAME LEASE".into()) };
    let client = Client::open(BATON, url, lease.parse()?)?;
    let hold = client.acquire(name, || Ok(()))?;
    let status = Command::new("true").status()?;
    client.release(hold)?;
    if status.success() { Ok(()) } else { Err(format!("true: {status}").into()) }
}

impl Client {
    fn open(kind: &str, url: &str, lease: u64) -> Result<Self> {
        match kind {
            BATON => {
                let lease = Duration::from_secs(lease);
                Ok(Self::Baton(EtcdStore::open(url.parse()?, &Credentials::default(), lease)?))
            }
            SERVICE => {
                let endpoint = url.trim_start_matches("etcd://").split([',', '/']).next().unwrap_or_default();
                Ok(Self::Service(LockService::connect(endpoint, i64::try_from(lease)?)?))
            }
            other => Err(format!("nobody knows a `{other}`").into()),
        }
    }

    fn acquire(&self, name: &str, mut on_busy: impl FnMut() -> Result<()>) -> Result<Hold> {
        match self {
            Self::Baton(store) => {
                let lock = store.lock(name.as_ref(), Lock::options(), Intent::Acquire)?;
                let mut on_busy = |_: &_| match on_busy() {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                };
                match lock.lock_with(None, None, &mut on_busy)? {
                    Attempt::Held(held) => Ok(Hold::Baton(held)),
                    Attempt::Busy(_) => Err("it was given up".into()),
                }
            }
            Self::Service(service) => Ok(Hold::Service(service.acquire(name)?)),
        }
    }

    fn release(&self, hold: Hold) -> Result<()> {
        match (self, hold) {
            (_, Hold::Baton(held)) => Ok(held.release()?),
            (Self::Service(service), Hold::Service(held)) => service.release(held),
            (Self::Baton(_), Hold::Service(_)) => Err("it holds what is not its own".into()),
        }
    }

    /// Counts what was acquired within the time. Two at once would find each other's file.
    fn contend(&self, name: &str, time: Duration, directory: &Path) -> Result<u64> {
        let witness = directory.join(name);
        let deadline = Instant::now() + time;
        let mut count = 0;
        loop {
            let hold = self.acquire(name, || Ok(()))?;
            File::create_new(&witness).map_err(|error| format!("two hold `{name}`: {error}"))?;
            fs::remove_file(&witness)?;
            let is_over = Instant::now() >= deadline;
            self.release(hold)?;
            if is_over {
                return Ok(count);
            }
            count += 1;
        }
    }

    fn hold_many(&self, name: &str, count: usize) -> Result<Vec<Hold>> {
        let names: Vec<String> = (0..count).map(|number| format!("{name}-{number}")).collect();
        let part = count.div_ceil(HANDS).max(1);
        let taken: std::result::Result<Vec<Vec<Hold>>, String> = thread::scope(|scope| {
            let take = |names: &[String]| {
                let holds = names.iter().map(|name| self.acquire(name, || Ok(())));
                holds.collect::<Result<Vec<_>>>().map_err(|error| error.to_string())
            };
            let hands: Vec<_> = names.chunks(part).map(|names| scope.spawn(move || take(names))).collect();
            hands.into_iter().map(|hand| hand.join().map_err(|_| "it panicked".to_owned())?).collect()
        });
        Ok(taken?.into_iter().flatten().collect())
    }

    /// Leaves threads behind that wait for ever, until this process ends.
    fn wait_many(&self, name: &str, count: usize) -> Result<()> {
        let Self::Baton(store) = self else { return Err("only ours waits so".into()) };
        let (tell, told) = channel();
        for number in 0..count {
            let (client, name, tell) = (Self::Baton(store.clone()), name.to_owned(), tell.clone());
            thread::Builder::new().stack_size(256 << 10).spawn(move || {
                if let Err(error) = client.acquire(&name, || Ok(tell.send(Ok(()))?)) {
                    let _ = tell.send(Err(error.to_string()));
                }
            })?;
            // Who arrives reads who is there, so all at once would be the square of them.
            if number >= HANDS {
                told.recv()??;
            }
        }
        for _ in 0..count.min(HANDS) {
            told.recv()??;
        }
        say("waiting")
    }
}

fn lost(holds: &[Hold]) -> Result<usize> {
    let mut count = 0;
    for hold in holds {
        if let Hold::Baton(held) = hold
            && matches!(held.verify()?, Integrity::Lost(_))
        {
            count += 1;
        }
    }
    Ok(count)
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
