//! What the verbs say of jobs that were really begun, held and dropped in a state directory of their own; and of what a hostile
//! hand wrote there.

pub(super) mod hostile;
mod verbs;

use std::fs;
use std::path::PathBuf;

use baton_lock::session::{Actor, Begin, Cause, End, Event, PlannedStep, Writer};
use baton_lock::{Attempt, Held, Lock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::place::Place;
use super::show::Shown;
use crate::history::Journal;

/// A job `deploy` in a state directory of its own.
pub(super) struct Job {
    state: TempDir,
    pub(super) place: Place,
    running: Option<(Held, Writer)>,
}

impl Job {
    pub(super) fn new() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        fs::create_dir(state.path().join("locks")).expect("made");
        let place = Place::in_directory(state.path(), "deploy");
        Self { state, place, running: None }
    }

    pub(super) fn hold(&self) -> Held {
        let lock = Lock::open(self.place.store.lock_path()).expect("a path");
        match lock.try_lock().expect("no error") {
            Attempt::Held(held) => held,
            Attempt::Busy(seen) => panic!("{}", seen.reason()),
        }
    }

    /// Begins an attempt, the first one with these steps.
    pub(super) fn begun(&mut self, steps: &[&str]) -> &mut Self {
        let held = self.hold();
        let mut writer = self.place.store.open(&held).expect("opened");
        let steps = steps.iter().map(|id| PlannedStep::new(*id)).collect();
        let begin = Begin::new("deploy", "/srv/deploy.toml", steps, Actor::of(&held));
        let is_new = writer.session().is_none();
        let event =
            if is_new { Event::fresh_start(begin).expect("random") } else { Event::AttemptBegun(begin) };
        writer.apply(&held, event).expect("written");
        self.running = Some((held, writer));
        self
    }

    pub(super) fn then(&mut self, event: Event) -> &mut Self {
        let (held, writer) = self.running.as_mut().expect("begun");
        writer.apply(held, event).expect("written");
        self
    }

    pub(super) fn does(&mut self, step: &str) -> &mut Self {
        self.then(Event::step_started(step)).then(Event::step_completed(step, [("version", "1.2")]))
    }

    pub(super) fn fails(&mut self, step: &str, message: &str) -> &mut Self {
        self.then(Event::step_started(step)).then(Event::step_failed(step, message, Cause::Error));
        self.then(Event::AttemptEnded { end: End::Failed }).let_go()
    }

    pub(super) fn let_go(&mut self) -> &mut Self {
        let (held, _) = self.running.take().expect("begun");
        held.release().expect("released");
        self
    }

    pub(super) fn dies(&mut self) -> &mut Self {
        let (held, _) = self.running.take().expect("begun");
        held.abandon();
        self
    }

    pub(super) fn shown(&self) -> Shown {
        Shown::of(&self.place).expect("shown")
    }

    /// Adds a line to the history, of this session if the line says so.
    pub(super) fn tells(&self, second: u64, attempt: u64, event: &str, more: Value) -> &Self {
        let mut line = json!({ "schema": 1, "at": at(second), "attempt": attempt, "event": event });
        let Value::Object(more) = more else { panic!("members") };
        line.as_object_mut().expect("members").extend(more);
        Journal::open(self.state.path(), "deploy").expect("opened").append(&line).expect("written");
        self
    }

    /// The begin of an attempt of this session, in the history.
    pub(super) fn tells_begin(&self, second: u64, attempt: u64) -> &Self {
        let session = self.place.load().expect("one");
        self.tells(
            second,
            attempt,
            "attempt_begun",
            json!({ "purpose": "apply", "outcome": "fresh", "token": attempt, "pid": 7, "host": "h", "user": "u",
                "plan": "/srv/deploy.toml", "session": session.session_id(), "steps": ["a", "b"] }),
        )
    }

    pub(super) fn write_log(&self, attempt: u64, step: &str, content: &str) -> PathBuf {
        fs::create_dir_all(self.place.logs()).expect("made");
        let path = self.place.logs().join(format!("{attempt}-{step}.log"));
        fs::write(&path, content).expect("written");
        path
    }
}

/// A moment, in seconds from a fixed one.
pub(super) fn at(second: u64) -> String {
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_769_853_600 + second);
    baton_lock::clock::format(time)
}
