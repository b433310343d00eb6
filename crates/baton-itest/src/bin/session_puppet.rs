//! A holder of a session that does one thing per line it reads, and answers each by one line of JSON.
//!
//! `session_puppet --state DIR --name NAME [--uid N]`. It understands `hold`, `open`, `fresh` (steps `a` to `d`), `begin`, `start STEP`,
//! `complete STEP BYTES` (with a fact of so many), `fail STEP`, `finish` and `release`. At the end of its input it ends,
//! releasing; who wants it dead kills it.
#![forbid(unsafe_code)]

use baton_itest::contender::Options;
use baton_lock::session::{Actor, Begin, Cause, Error, Event, PlannedStep, Session, Store, Writer};
use baton_lock::{Attempt, Held, Lock};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::error::Error as _;
use std::io::{self, BufRead};
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let options = Options::from_command_line()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Ok(id) = options.text("uid") {
        let id: u32 = id.parse().map_err(io::Error::other)?;
        nix::unistd::setgroups(&[])?;
        nix::unistd::setresgid(id.into(), id.into(), id.into())?;
        nix::unistd::setresuid(id.into(), id.into(), id.into())?;
    }
    let state = PathBuf::from(options.text("state")?);
    std::fs::create_dir_all(state.join("locks"))?;
    let store = Store::in_directory(state, options.text("name")?).map_err(io::Error::other)?;
    let mut puppet = Puppet { store, held: None, writer: None };
    for line in io::stdin().lock().lines() {
        println!("{}", puppet.obey(&line?)?);
    }
    Ok(())
}

struct Puppet {
    store: Store,
    held: Option<Held>,
    writer: Option<Writer>,
}

impl Puppet {
    fn obey(&mut self, order: &str) -> io::Result<Value> {
        let words: Vec<&str> = order.split(' ').collect();
        match words[..] {
            ["hold"] => {
                let lock = Lock::open(self.store.lock_path()).map_err(io::Error::other)?;
                let Attempt::Held(held) = lock.try_lock().map_err(io::Error::other)? else {
                    return Ok(json!({ "busy": true }));
                };
                let answer = json!({ "held": held.token() });
                self.held = Some(held);
                Ok(answer)
            }
            ["open"] => {
                let held = self.held.as_ref().ok_or(io::ErrorKind::NotConnected)?;
                match self.store.open(held) {
                    Ok(writer) => {
                        let revision = writer.session().map_or(0, Session::revision);
                        self.writer = Some(writer);
                        Ok(json!({ "revision": revision }))
                    }
                    Err(error) => Ok(error_json(&error)),
                }
            }
            ["release"] => {
                let held = self.held.take().ok_or(io::ErrorKind::NotConnected)?;
                held.release().map_err(io::Error::other)?;
                Ok(json!({}))
            }
            _ => self.apply(&words),
        }
    }

    fn apply(&mut self, words: &[&str]) -> io::Result<Value> {
        let (Some(held), Some(writer)) = (&self.held, &mut self.writer) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let steps = ["a", "b", "c", "d"].map(PlannedStep::new).to_vec();
        let begin = || Begin::new(self.store.name(), "/srv/plan.toml", steps, Actor::of(held));
        let event = match *words {
            ["fresh"] => Event::fresh_start(begin()).map_err(io::Error::other)?,
            ["begin"] => Event::AttemptBegun(begin()),
            ["start", step] => Event::step_started(step),
            ["complete", step, bytes] => {
                let bytes: usize = bytes.parse().map_err(io::Error::other)?;
                Event::step_completed(step, [(format!("fact-{step}"), "x ".repeat(bytes / 2))])
            }
            ["fail", step] => Event::step_failed(step, "no", Cause::Error),
            ["finish"] => Event::SessionCompleted,
            _ => return Err(io::Error::other(format!("`{}` is no order", words.join(" ")))),
        };
        Ok(match writer.apply(held, event) {
            Ok(session) => json!({ "revision": session.revision() }),
            Err(error) => error_json(&error),
        })
    }
}

fn error_json(error: &Error) -> Value {
    let cause = error.source().map(ToString::to_string);
    let kind = format!("{:?}", error.kind());
    json!({ "error": { "text": error.to_string(), "kind": kind, "cause": cause, "hint": error.hint() } })
}
