//! `--report FILE`: what happened, as JSON, since a job's own exit code can look like ours.
//!
//! The file is opened before anything is done, so that a path that can't be written is told before the job runs, and written
//! when all is over. A pipe or `/dev/fd/3` will do.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_lock::store::StoredLock;
use baton_lock::{Integrity, Naming, Observation};
use serde_json::{Map, Value, json};

use super::job::Ended;
use super::several::Holds;
use crate::failure::Failure;
use crate::{exit, json};

/// Where the report goes, if one is asked for.
#[derive(Debug)]
pub(super) struct Report(Option<(PathBuf, File)>);

impl Report {
    /// Opens the file.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        match File::options().write(true).create(true).truncate(false).open(path) {
            Ok(file) => Ok(Self(Some((path.to_owned(), file)))),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Writes what happened.
    pub(super) fn write(self, story: &Story, code: u8) -> Result<(), Failure> {
        let Some((path, mut file)) = self.0 else { return Ok(()) };
        write(&mut file, &story.json(code)).map_err(|error| failed(&path, &error))
    }
}

fn write(file: &mut File, report: &Value) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(json::text(report).as_bytes())
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure {
        code: exit::UNSAFE,
        message: format!("cannot write the report {}: {error}", baton_lock::escape::path(path)),
        hint: Some("choose another path for `--report`".to_owned()),
    }
}

/// What became of a run, in one word; the words are stable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Became {
    /// The job ran and ended, whatever its exit code.
    Ran,
    /// Somebody else had the lock.
    Busy,
    /// It was waited for in vain.
    TimedOut,
    /// A process above this one holds it.
    HeldByOwnAncestor,
    /// The clean-up after a dead holder failed, so that the job did not run.
    RecoveryFailed,
    /// The job could not be executed.
    NotStarted,
    /// A signal came before the job was started.
    Interrupted,
    /// Something else went wrong.
    #[default]
    Error,
}

impl Became {
    fn name(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Busy => "busy",
            Self::TimedOut => "timed_out",
            Self::HeldByOwnAncestor => "held_by_own_ancestor",
            Self::RecoveryFailed => "recovery_failed",
            Self::NotStarted => "not_started",
            Self::Interrupted => "interrupted",
            Self::Error => "error",
        }
    }
}

/// What happened, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) became: Became,
    /// Of the locks, if somebody asked for a report: most runs have none, and are over before this is made.
    lock: Option<Map<String, Value>>,
    holder: Option<Value>,
    pub(super) waited: Duration,
    pub(super) recovery: Option<Ended>,
    pub(super) job: Option<Ended>,
    pub(super) integrity: Option<Integrity>,
    pub(super) failure: Option<Failure>,
}

impl Story {
    /// One for that report.
    pub(super) fn of(report: &Report) -> Self {
        Self { lock: report.0.as_ref().map(|_| Map::new()), ..Self::default() }
    }

    /// Notes which locks it is about.
    pub(super) fn about(&mut self, locks: &[Box<dyn StoredLock>]) {
        let Some(told) = &mut self.lock else { return };
        let about = |lock: &dyn StoredLock| json!({ "lock": lock.path().to_string_lossy(), "naming": lock.naming().map(Naming::name) });
        told.extend(members(about(&*locks[0])));
        if locks.len() > 1 {
            told.insert("locks".into(), locks.iter().map(|lock| about(&**lock)).collect());
        }
    }

    /// Notes how they were got.
    pub(super) fn held(&mut self, holds: &Holds) {
        let Some(told) = &mut self.lock else { return };
        told.extend(members(json::held(holds.first().got())));
        if holds.held.len() > 1 {
            told.insert("locks".into(), holds.held.iter().map(|held| json::held(held.got())).collect());
        }
    }

    /// Notes who was in the way.
    pub(super) fn holder(&mut self, seen: &Observation) {
        self.holder = self.lock.is_some().then(|| json::observation(seen));
    }

    fn json(&self, code: u8) -> Value {
        let mut report = json!({ "schema": json::SCHEMA, "result": self.became.name(), "exitCode": code });
        let milliseconds = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        let rest = json!({
            "waitedMs": milliseconds,
            "holder": self.holder,
            "recovery": self.recovery.map(ended),
            "job": self.job.map(ended),
            "integrity": self.integrity.as_ref().map(integrity),
            "error": self.failure.as_ref().map(|failure| json!({ "message": failure.message, "hint": failure.hint })),
        });
        let members = report.as_object_mut().into_iter();
        let rest = rest.as_object().cloned().unwrap_or_default();
        let lock = self.lock.clone().unwrap_or_default();
        members.for_each(|report| report.extend(lock.clone().into_iter().chain(rest.clone())));
        report
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn ended(ended: Ended) -> Value {
    match ended {
        Ended::Code(code) => json!({ "exitCode": code, "signal": null }),
        Ended::Signal(signal) => json!({ "exitCode": null, "signal": signal }),
    }
}

fn integrity(integrity: &Integrity) -> Value {
    let (state, reason) = match integrity {
        Integrity::Intact => ("intact", None),
        Integrity::Damaged(reason) => ("damaged", Some(reason)),
        Integrity::Lost(reason) => ("lost", Some(reason)),
    };
    json!({ "state": state, "reason": reason })
}
