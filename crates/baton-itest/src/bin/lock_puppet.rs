//! A client of a lock that does one thing per line it reads, and answers each by one line of JSON.
//!
//! `lock_puppet --client baton|flock-naming|v0|v1 --lock PATH [--purpose TEXT] [--uid N] [--umask OCTAL] [--file-size N]`, where
//! `v0` and `v1` are the ancestor's clients. It understands `try`, `release`, and of Baton's also:
//!
//! - `lock`, `lock-until MS`: waits; where the lock is found busy it says so by a line of its own, `{"waiting": …}`, before it
//!   goes on waiting, and says the outcome by another;
//! - `try-shared`, `lock-shared`, `lock-shared-until MS`: the same along with others who share it; `downgrade`: from the one to the other;
//! - `abandon`, `observe`, `verify`, `own-ancestor`;
//! - `observe-times N`: observes that often, without a pause, and counts what it saw;
//! - `spawn-plain`, `spawn-heir`: starts a process that does nothing for a minute, the latter with the lock handed over to it.
//!
//! At the end of its input it ends, releasing; who wants it dead kills it. The user, the umask and the limit for the
//! size of a file are set before anything else is done.
#![forbid(unsafe_code)]

use baton_itest::ancestor::{self, Algorithm, AncestorLock};
use baton_itest::contender::Options;
use baton_lock::{Attempt, Error, Held, HeldShared, Integrity, Lock, Naming, Observation, Outcome, Record};
use nix::unistd::{Gid, Uid};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, Signal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    become_what_is_asked_for(&options)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    match options.text("client")? {
        "baton" => obey(&mut Batons::new(&options, Naming::Record)?),
        "flock-naming" => obey(&mut Batons::new(&options, Naming::Flock)?),
        version => obey(&mut Ancestors { path: options.lock()?, algorithm: version.parse()?, held: None }),
    }
}

fn become_what_is_asked_for(options: &Options) -> io::Result<()> {
    let number = |name| options.text(name).ok().map(|text| text.parse::<u32>().map_err(io::Error::other));
    if let Some(limit) = number("file-size").transpose()? {
        let limit = Some(u64::from(limit));
        rustix::process::setrlimit(Resource::Fsize, Rlimit { current: limit, maximum: limit })?;
    }
    if let Ok(mask) = options.text("umask") {
        let mask = u32::from_str_radix(mask, 8).map_err(io::Error::other)?;
        rustix::process::umask(Mode::from_raw_mode(mask));
    }
    if let Some(id) = number("uid").transpose()? {
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        nix::unistd::setgroups(&[])?;
        nix::unistd::setresgid(group, group, group)?;
        nix::unistd::setresuid(user, user, user)?;
    }
    Ok(())
}

/// What can be told to do something with a lock.
trait Client {
    fn obey(&mut self, order: &str) -> Value;
}

fn obey(client: &mut impl Client) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        println!("{}", client.obey(&line?));
    }
    Ok(())
}

struct Batons {
    lock: Lock,
    held: Option<Held>,
    shared: Option<HeldShared>,
    /// Never waited for: whoever has started this program looks after them.
    spawned: Vec<Child>,
}

impl Batons {
    fn new(options: &Options, naming: Naming) -> io::Result<Self> {
        let mut how = Lock::options().naming(naming);
        if let Ok(purpose) = options.text("purpose") {
            how = how.purpose(purpose);
        }
        if let Ok(kind) = options.text("allow-fs") {
            how = how.allow_filesystem(kind);
        }
        let lock = how.open(options.lock()?).map_err(io::Error::other)?;
        Ok(Self { lock, held: None, shared: None, spawned: Vec::new() })
    }

    fn acquire(&mut self) -> Value {
        let attempt = self.lock.try_lock();
        self.answer(attempt)
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Value {
        let attempt = self.lock.lock_with(deadline, |holder| {
            println!("{}", json!({ "waiting": observation_json(holder) }));
            ControlFlow::Continue(())
        });
        self.answer(attempt)
    }

    fn answer(&mut self, attempt: Result<Attempt, Error>) -> Value {
        match attempt {
            Ok(Attempt::Held(held)) => {
                let answer = held_json(&held);
                self.held = Some(held);
                answer
            }
            Ok(Attempt::Busy(holder)) => json!({ "busy": observation_json(&holder) }),
            Err(error) => error_json(&error),
        }
    }

    fn wait_shared(&mut self, deadline: Option<Instant>) -> Value {
        let attempt = self.lock.lock_shared_with(deadline, |holder| {
            println!("{}", json!({ "waiting": observation_json(holder) }));
            ControlFlow::Continue(())
        });
        self.answer_shared(attempt)
    }

    fn answer_shared(&mut self, attempt: Result<Attempt<HeldShared>, Error>) -> Value {
        match attempt {
            Ok(Attempt::Held(held)) => self.keep_shared(held),
            Ok(Attempt::Busy(holder)) => json!({ "busy": observation_json(&holder) }),
            Err(error) => error_json(&error),
        }
    }

    fn keep_shared(&mut self, held: HeldShared) -> Value {
        let answer =
            got_json(held.outcome(), held.token(), held.record(), held.recordless(), held.unlisted());
        self.shared = Some(held);
        answer
    }

    fn downgrade(&mut self, held: Held) -> Value {
        match held.downgrade() {
            Ok(held) => self.keep_shared(held),
            Err(failed) => {
                self.held = Some(failed.held);
                error_json(&failed.error)
            }
        }
    }

    /// What it does while it shares the lock.
    fn obey_sharing(&mut self, order: &str, held: HeldShared) -> Value {
        let answer = match order {
            "release" => {
                return held.release().map_or_else(|error| error_json(&error), |()| json!({}));
            }
            "observe" => {
                self.lock.observe().map_or_else(|error| error_json(&error), |seen| observation_json(&seen))
            }
            "verify" => held.verify().map_or_else(|error| error_json(&error), |state| verified_json(&state)),
            "own-ancestor" => json!({ "holder": self.lock.held_by_own_ancestor() }),
            "spawn-heir" => self.spawn(Some(&|command| held.hand_to(command))),
            other => panic!("`{other}` can't be done now"),
        };
        self.shared = Some(held);
        answer
    }

    fn observe_often(&self, times: u32) -> Value {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..times {
            match self.lock.observe() {
                Ok(seen) => *counts.entry(seen.state.name()).or_default() += 1,
                Err(error) => return error_json(&error),
            }
        }
        json!(counts)
    }

    fn spawn(&mut self, hand_over: Option<&dyn Fn(&mut Command)>) -> Value {
        let mut command = Command::new("sh");
        command.args(["-c", "echo; exec sleep 60"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(hand_over) = hand_over {
            hand_over(&mut command);
        }
        let mut child = command.spawn().expect("`sh` starts");
        // Started is not enough: a child has copies of all descriptors for some moments after that, handed over or not.
        let said = child.stdout.as_mut().expect("piped").read(&mut [0]).expect("it speaks");
        assert_eq!(said, 1, "it runs");
        let answer = json!({ "spawned": child.id() });
        self.spawned.push(child);
        answer
    }
}

impl Client for Batons {
    fn obey(&mut self, order: &str) -> Value {
        if let Some(limit) = order.strip_prefix("lock-until ") {
            let limit = Duration::from_millis(limit.parse().expect("a number of milliseconds"));
            return self.wait(Some(Instant::now() + limit));
        }
        if let Some(limit) = order.strip_prefix("lock-shared-until ") {
            let limit = Duration::from_millis(limit.parse().expect("a number of milliseconds"));
            return self.wait_shared(Some(Instant::now() + limit));
        }
        if let Some(held) = self.shared.take() {
            return self.obey_sharing(order, held);
        }
        if let Some(times) = order.strip_prefix("observe-times ") {
            return self.observe_often(times.parse().expect("a number"));
        }
        match (order, self.held.take()) {
            ("try", None) => self.acquire(),
            ("lock", None) => self.wait(None),
            ("try-shared", None) => {
                let attempt = self.lock.try_lock_shared();
                self.answer_shared(attempt)
            }
            ("lock-shared", None) => self.wait_shared(None),
            ("downgrade", Some(held)) => self.downgrade(held),
            ("own-ancestor", held) => {
                self.held = held;
                json!({ "holder": self.lock.held_by_own_ancestor() })
            }
            ("spawn-plain", held) => {
                self.held = held;
                self.spawn(None)
            }
            ("spawn-heir", Some(held)) => {
                let answer = self.spawn(Some(&|command| held.hand_to(command)));
                self.held = Some(held);
                answer
            }
            ("observe", held) => {
                self.held = held;
                self.lock.observe().map_or_else(|error| error_json(&error), |seen| observation_json(&seen))
            }
            ("verify", Some(held)) => {
                let answer =
                    held.verify().map_or_else(|error| error_json(&error), |state| verified_json(&state));
                self.held = Some(held);
                answer
            }
            ("release", Some(held)) => held.release().map_or_else(|error| error_json(&error), |()| json!({})),
            ("abandon", Some(held)) => {
                held.abandon();
                json!({})
            }
            (order, _) => panic!("`{order}` can't be done now"),
        }
    }
}

fn held_json(held: &Held) -> Value {
    got_json(held.outcome(), held.token(), held.record(), held.recordless(), None)
}

fn got_json(
    outcome: &Outcome,
    token: u64,
    record: &Record,
    recordless: Option<&str>,
    unlisted: Option<&Error>,
) -> Value {
    let (outcome, previous) = match outcome {
        Outcome::Fresh => ("fresh", None),
        Outcome::Recovered(previous) => ("recovered", previous.as_deref()),
    };
    let previous = previous.map(record_json);
    json!({ "held": {
        "outcome": outcome, "previous": previous, "token": token, "record": record_json(record), "recordless": recordless,
        "unlisted": unlisted.map(ToString::to_string),
    } })
}

fn record_json(record: &Record) -> Value {
    serde_json::from_str(&record.to_json()).expect("a record is JSON")
}

fn observation_json(seen: &Observation) -> Value {
    let record = seen.record.as_ref().map(record_json);
    let readers: Vec<u32> = seen.readers.iter().map(|reader| reader.pid).collect();
    json!({
        "state": seen.state.name(), "reason": seen.reason(), "advice": seen.advice(), "record": record,
        "shared": seen.is_shared(), "readers": readers,
    })
}

fn verified_json(state: &Integrity) -> Value {
    match state {
        Integrity::Intact => json!({ "intact": true }),
        Integrity::Damaged(reason) => json!({ "damaged": reason }),
        Integrity::Lost(reason) => json!({ "lost": reason }),
    }
}

fn error_json(error: &Error) -> Value {
    let cause = error.source().map(ToString::to_string);
    json!({ "error": { "text": error.to_string(), "kind": format!("{:?}", error.kind()), "cause": cause } })
}

struct Ancestors {
    path: PathBuf,
    algorithm: Algorithm,
    held: Option<AncestorLock>,
}

impl Client for Ancestors {
    fn obey(&mut self, order: &str) -> Value {
        match (order, self.held.take()) {
            ("try", None) => match ancestor::acquire(&self.path, self.algorithm) {
                Ok(answer) => {
                    self.held = answer.lock;
                    json!({
                        "acquired": answer.acquired, "stale": answer.stale, "holderPid": answer.holder_pid,
                        "holderStartedAt": answer.holder_started_at, "holderCommand": answer.holder_command,
                    })
                }
                Err(error) => json!({ "error": { "text": error.to_string() } }),
            },
            ("release", Some(held)) => {
                ancestor::release(held);
                json!({})
            }
            (order, _) => panic!("`{order}` can't be done now"),
        }
    }
}
