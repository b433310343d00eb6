//! What machines read: observations and records as JSON.
//!
//! Every output has `"schema": 1`; members are only ever added under that number. Texts from records are as they are on disk:
//! JSON escapes them, and whoever shows them has to escape them again.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use baton_lock::{
    Address, Held, HeldShared, Lease, Naming, Observation, Outcome, Process, Record, clock, escape,
};
use serde_json::{Value, json};

use crate::failure::Failure;

/// The version of the members; a change of their meaning would be another.
pub const SCHEMA: u32 = 1;

/// A value as it is printed, with a line feed at its end. It may end on a terminal: what that could take for a command, or
/// would not show, is escaped; to whoever reads JSON it means the same.
///
/// # Examples
///
/// ```
/// let text = baton_cli::json::text(&serde_json::json!("a\u{9b}31m \u{202e}é"));
/// assert_eq!(text, "\"a\\u009b31m \\u202eé\"\n");
/// ```
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    for character in format!("{value:#}").chars() {
        // Line feeds are between the tokens: within strings they are escaped already.
        if character != '\n' && escape::is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string can't fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text.push('\n');
    text
}

/// What went wrong, in place of an answer.
pub fn failure(failure: &Failure) -> Value {
    json!({ "schema": SCHEMA, "error": failure.message, "hint": failure.hint })
}

/// An observation, without the schema's number.
pub fn observation(seen: &Observation) -> Value {
    let processes: Vec<Value> = seen.processes.iter().map(process).collect();
    let mut value = json!({
        "lock": seen.path.to_string_lossy(),
        "naming": seen.address.is_none().then(|| seen.naming.name()),
        "state": seen.state.name(),
        "obtainable": seen.is_obtainable(),
        "reason": seen.reason(),
        "advice": seen.advice(),
        "record": seen.record.as_ref().map(record),
        "processes": processes,
        "queue": seen.queue.iter().map(record).collect::<Vec<_>>(),
        "shared": seen.is_shared(),
        "readers": seen.readers.iter().map(record).collect::<Vec<_>>(),
        "place": seen.place.map(|place| json!({ "number": place.number, "of": place.of })),
        "queueless": seen.queueless,
    });
    if let (Some(Address { store, .. }), Some(members)) = (&seen.address, value.as_object_mut()) {
        members.insert("store".into(), store.as_str().into());
        members.insert("lease".into(), seen.lease.map(lease).into());
    }
    value
}

fn lease(lease: Lease) -> Value {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({ "grantedMs": milliseconds(lease.granted), "leftMs": milliseconds(lease.left) })
}

/// A process that has a lock.
pub fn process(process: &Process) -> Value {
    json!({
        "pid": process.pid,
        "user": process.user,
        "command": process.command,
        "startedAt": process.started.map(clock::format),
    })
}

/// A record, with the members that it has on disk.
pub fn record(record: &Record) -> Value {
    // What was written as JSON can be read as JSON.
    serde_json::from_str(&record.to_json()).unwrap_or_default()
}

/// What can be said of a lock that is held, and of how it was got.
#[derive(Clone, Copy, Debug)]
pub struct Got<'a> {
    /// Its place.
    pub path: &'a Path,
    /// Which of its two files has that path, where there are files.
    pub naming: Option<Naming>,
    /// How it was got.
    pub outcome: &'a Outcome,
    /// The fencing token.
    pub token: u64,
    /// Why there is no record, if there is none.
    pub recordless: Option<&'a str>,
    /// Do others share it?
    pub is_shared: bool,
}

impl<'a> From<&'a Held> for Got<'a> {
    fn from(held: &'a Held) -> Self {
        Self {
            path: held.path(),
            naming: held.naming(),
            outcome: held.outcome(),
            token: held.token(),
            recordless: held.recordless(),
            is_shared: false,
        }
    }
}

impl<'a> From<&'a HeldShared> for Got<'a> {
    fn from(held: &'a HeldShared) -> Self {
        Self {
            path: held.path(),
            naming: held.naming(),
            outcome: held.outcome(),
            token: held.token(),
            recordless: held.recordless(),
            is_shared: true,
        }
    }
}

/// A lock that is held, and how it was got.
pub fn held(got: Got<'_>) -> Value {
    let previous = match got.outcome {
        Outcome::Recovered(previous) => previous.as_deref().map(record),
        Outcome::Fresh => None,
    };
    json!({
        "lock": got.path.to_string_lossy(),
        "naming": got.naming.map(Naming::name),
        "shared": got.is_shared,
        "outcome": outcome(got.outcome),
        "token": got.token,
        "previous": previous,
        "recordless": got.recordless,
    })
}

/// `fresh` or `recovered`.
pub fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Fresh => "fresh",
        Outcome::Recovered(_) => "recovered",
    }
}
