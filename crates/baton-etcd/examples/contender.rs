//! A process that contends for a lock in an etcd store and does what it is told, for the tests: one order a line on
//! standard input, one line of answer each.
//!
//! `contender URL NAME LEASE-IN-SECONDS`
//!
//! | told | answers |
//! |---|---|
//! | `try`, `lock` | `held TOKEN fresh`, `held TOKEN recovered TOKEN-OF-THE-DEAD`, `busy STATE` |
//! | `lock-within SECONDS` | the same |
//! | `lock-cancelled` | the same; the wait is cancelled as soon as it is told that it waits |
//! | `verify` | `intact`, `lost: WHY` |
//! | `await-loss` | `lost: WHY`, as soon as the descriptor says so |
//! | `status` | `STATE TOKEN NUMBER-OF-WAITERS` |
//! | `list` | the names of all locks |
//! | `break TOKEN` | `ended`, `already ended`, `other token` |
//! | `open` | `open` |
//! | `write TEXT`, `set-aside`, `remove` | `written`, `done` |
//! | `write-large BYTES` | the same, with as many bytes of text |
//! | `read` | `TEXT TOKEN`, `none` |
//! | `release`, `abandon`, `undo` | `released` |
//! | `doctor` | what does not work or is limited |
//!
//! | `run COUNT` | for ever: `held TOKEN`, writes that many times, `released` or `lost: WHY` |
//!
//! or to any of these `error: WHY`.

use std::{
    error::Error,
    io::{self, BufRead as _, Write as _},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use baton_etcd::{Credentials, EtcdStore};
use baton_lock::{
    Attempt, Broken, Cancel, Ending, Held, Integrity, Lock, Outcome, Record, doctor,
    session::{self, Actor, Begin, End, Event, PlannedStep, Writer},
    store::{Intent, Store as _, StoredLock},
};
use rustix::event::{PollFd, PollFlags, poll};

type Answer = Result<String, Box<dyn Error>>;

struct Contender {
    store: EtcdStore,
    lock: Box<dyn StoredLock>,
    session: session::Store,
    held: Option<Held>,
    writer: Option<Writer>,
}

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
    let lease = Duration::from_secs(lease.parse()?);
    let store = EtcdStore::open(url.parse()?, &Credentials::from_environment()?, lease)?;
    let lock = store.lock(name.as_ref(), Lock::options(), Intent::Acquire)?;
    let session = store.session(name)?;
    let mut contender = Contender { store, lock, session, held: None, writer: None };
    for order in io::stdin().lock().lines() {
        let order = order?;
        let (verb, argument) = order.split_once(' ').unwrap_or((&order, ""));
        let answer = contender.obey(verb, argument).unwrap_or_else(|error| format!("error: {error}"));
        say(&answer)?;
    }
    Ok(())
}

impl Contender {
    fn obey(&mut self, verb: &str, argument: &str) -> Answer {
        match verb {
            "try" => {
                let attempt = self.lock.try_lock()?;
                Ok(self.got(attempt))
            }
            "lock" => self.wait(None),
            "lock-within" => self.wait(Some(Instant::now() + Duration::from_secs(argument.parse()?))),
            "lock-cancelled" => {
                let cancel = Cancel::new()?;
                let mut when_busy = |_: &_| {
                    cancel.cancel();
                    ControlFlow::Continue(())
                };
                let attempt = self.lock.lock_with(None, Some(&cancel), &mut when_busy)?;
                Ok(self.got(attempt))
            }
            "run" => self.run(argument.parse()?),
            "status" => self.status(),
            "list" => self.list(),
            "break" => self.break_holder(argument.parse()?),
            "read" => self.read(),
            "doctor" => self.doctor(),
            "release" | "abandon" | "undo" => self.end(verb),
            "verify" => verdict(self.held()?),
            "await-loss" => {
                let descriptor = self.held()?.lost().ok_or("it can't be lost")?;
                poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], None)?;
                verdict(self.held()?)
            }
            "open" => {
                self.writer = Some(self.session.open(self.held()?)?);
                Ok("open".to_owned())
            }
            "write" => self.write(argument),
            "write-large" => self.write(&"x".repeat(argument.parse()?)),
            "set-aside" => {
                self.session.set_aside(self.held()?)?;
                Ok("done".to_owned())
            }
            "remove" => {
                self.session.remove(self.held()?)?;
                Ok("done".to_owned())
            }
            other => Err(format!("what is `{other}`?").into()),
        }
    }

    fn held(&self) -> Result<&Held, &'static str> {
        self.held.as_ref().ok_or("nothing is held")
    }

    fn end(&mut self, how: &str) -> Answer {
        let held = self.held.take().ok_or("nothing is held")?;
        match how {
            "release" => held.release()?,
            "undo" => held.undo(),
            _ => held.abandon(),
        }
        Ok("released".to_owned())
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Answer {
        let attempt = self.lock.lock_with(deadline, None, &mut |_| ControlFlow::Continue(()))?;
        Ok(self.got(attempt))
    }

    fn run(&mut self, count: usize) -> Answer {
        let own = std::process::id();
        loop {
            self.wait(None)?;
            say(&format!("held {}", self.held()?.token()))?;
            let mut written = || -> Answer {
                self.writer = Some(self.session.open(self.held()?)?);
                (0..count)
                    .map(|number| self.write(&format!("{own}-{number}")))
                    .collect::<Result<Vec<_>, _>>()?;
                self.end("release")
            };
            let told = written().unwrap_or_else(|error| format!("lost: {error}"));
            self.held = None;
            say(&told)?;
        }
    }

    fn got(&mut self, attempt: Attempt) -> String {
        let got = match attempt {
            Attempt::Busy(seen) => return format!("busy {}", seen.state.name()),
            Attempt::Held(got) => got,
        };
        let outcome = match got.outcome() {
            Outcome::Fresh => "fresh".to_owned(),
            Outcome::Recovered(dead) => {
                let token = dead.as_deref().and_then(Record::token);
                format!("recovered {}", token.unwrap_or(0))
            }
        };
        let answer = format!("held {} {outcome}", got.token());
        self.held = Some(got);
        answer
    }

    fn status(&self) -> Answer {
        let seen = self.lock.observe()?;
        let token = seen.record.as_ref().and_then(Record::token).unwrap_or(0);
        Ok(format!("{} {token} {}", seen.state.name(), seen.queue.len()))
    }

    fn list(&self) -> Answer {
        let locks = self.store.locks(Lock::options())?;
        let name =
            |lock: &dyn StoredLock| lock.path().file_name().map(|name| name.to_string_lossy().into_owned());
        let names: Vec<String> = locks.iter().filter_map(|lock| name(&**lock)).collect();
        Ok(names.join(" "))
    }

    fn break_holder(&self, token: u64) -> Answer {
        let ending = Ending { signal: 15, grace: Duration::ZERO };
        Ok(match self.lock.break_holder(token, ending, &mut |_| {})? {
            Broken::Ended { .. } => "ended".to_owned(),
            Broken::AlreadyEnded(_) => "already ended".to_owned(),
            Broken::OtherToken(_) => "other token".to_owned(),
            other => format!("{other:?}"),
        })
    }

    /// Writes a session in which the text stands where the plan's path does.
    fn write(&mut self, text: &str) -> Answer {
        let held = self.held.as_ref().ok_or("nothing is held")?;
        let writer = self.writer.as_mut().ok_or("it is not open")?;
        let begin = Begin::new("job", text, vec![PlannedStep::new("step")], Actor::of(held));
        writer.apply_all(held, [Event::fresh_start(begin)?, Event::AttemptEnded { end: End::Complete }])?;
        Ok("written".to_owned())
    }

    fn read(&self) -> Answer {
        let read = self.session.load()?;
        Ok(read.map_or("none".to_owned(), |session| format!("{} {}", session.plan(), session.token())))
    }

    fn doctor(&self) -> Answer {
        let checks = self.store.examine().ok_or("it examines nothing")??;
        let bad = checks.iter().filter(|check| check.outcome != doctor::Outcome::Works);
        Ok(bad.map(|check| format!("{}: {:?}", check.what, check.outcome)).collect::<Vec<_>>().join("; "))
    }
}

fn say(line: &str) -> io::Result<()> {
    println!("{line}");
    io::stdout().flush()
}

fn verdict(held: &Held) -> Answer {
    Ok(match held.verify()? {
        Integrity::Lost(why) => format!("lost: {why}"),
        Integrity::Intact | Integrity::Damaged(_) => "intact".to_owned(),
    })
}
