//! A process that contends for a lock in an etcd store and does what it is told, for the tests: one word a line on
//! standard input, one line of answer each.
//!
//! `contender URL NAME LEASE-IN-SECONDS`
//!
//! | told | answers |
//! |---|---|
//! | `try`, `lock` | `held TOKEN fresh`, `held TOKEN recovered TOKEN-OF-THE-DEAD`, `busy STATE` |
//! | `verify` | `intact`, `lost: WHY` |
//! | `await-loss` | `lost: WHY`, as soon as the descriptor says so |
//! | `status` | `STATE TOKEN NUMBER-OF-WAITERS` |
//! | `break TOKEN` | `ended`, `already ended`, `other token` |
//! | `release`, `abandon` | `released`, `error: WHY` |

use std::{
    error::Error,
    io::{self, BufRead as _, Write as _},
    ops::ControlFlow,
    time::Duration,
};

use baton_etcd::{Credentials, EtcdStore};
use baton_lock::{Attempt, Broken, Ending, Held, Integrity, Lock, Outcome, Record, store::StoredLock};
use rustix::event::{PollFd, PollFlags, poll};

fn main() {
    if let Err(error) = serve() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, lease] = arguments.as_slice() else {
        return Err("usage: contender URL NAME LEASE".into());
    };
    let store = EtcdStore::open(
        url.parse()?,
        &Credentials::from_environment()?,
        Duration::from_secs(lease.parse()?),
    )?;
    let lock = store.lock(name, Lock::options())?;
    let mut held = None;
    for order in io::stdin().lock().lines() {
        let answer = obey(&order?, &lock, &mut held).unwrap_or_else(|error| format!("error: {error}"));
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

fn obey(order: &str, lock: &impl StoredLock, held: &mut Option<Held>) -> Result<String, Box<dyn Error>> {
    let attempt = match order {
        "try" => lock.try_lock()?,
        "lock" => lock.lock_with(None, None, &mut |_| ControlFlow::Continue(()))?,
        "status" => return status(lock),
        _ if order.starts_with("break ") => return break_holder(&order["break ".len()..], lock),
        _ => return with_hold(order, held.take().ok_or("nothing is held")?, held),
    };
    Ok(match attempt {
        Attempt::Busy(seen) => format!("busy {}", seen.state.name()),
        Attempt::Held(got) => {
            let outcome = match got.outcome() {
                Outcome::Fresh => "fresh".to_owned(),
                Outcome::Recovered(dead) => {
                    let token = dead.as_ref().and_then(|record| record.token());
                    format!("recovered {}", token.unwrap_or(0))
                }
            };
            let answer = format!("held {} {outcome}", got.token());
            *held = Some(got);
            answer
        }
    })
}

/// `STATE TOKEN WAITERS`.
fn status(lock: &impl StoredLock) -> Result<String, Box<dyn Error>> {
    let seen = lock.observe()?;
    let token = seen.record.as_ref().and_then(Record::token).unwrap_or(0);
    Ok(format!("{} {token} {}", seen.state.name(), seen.queue.len()))
}

fn break_holder(token: &str, lock: &impl StoredLock) -> Result<String, Box<dyn Error>> {
    let ending = Ending { signal: 15, grace: Duration::ZERO };
    Ok(match lock.break_holder(token.parse()?, ending, &mut |_| {})? {
        Broken::Ended { .. } => "ended".to_owned(),
        Broken::AlreadyEnded(_) => "already ended".to_owned(),
        Broken::OtherToken(_) => "other token".to_owned(),
        other => format!("{other:?}"),
    })
}

fn with_hold(order: &str, hold: Held, held: &mut Option<Held>) -> Result<String, Box<dyn Error>> {
    let verdict = |hold: &Held| -> Result<String, Box<dyn Error>> {
        Ok(match hold.verify()? {
            Integrity::Lost(why) => format!("lost: {why}"),
            Integrity::Intact | Integrity::Damaged(_) => "intact".to_owned(),
        })
    };
    match order {
        "release" => hold.release()?,
        "abandon" => hold.abandon(),
        "verify" => return verdict(held.insert(hold)),
        "await-loss" => {
            let hold = held.insert(hold);
            let descriptor = hold.lost().ok_or("it can't be lost")?;
            poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None)?;
            return verdict(hold);
        }
        other => return Err(format!("what is `{other}`?").into()),
    }
    Ok("released".to_owned())
}
