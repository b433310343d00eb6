//! Answers as JSON, with the members that the command's JSON has. `lib/index.d.cts` describes them.

use baton_lock::{Integrity, Observation, Process, Record, clock};
use serde_json::{Value, json};

pub(crate) fn observation(seen: &Observation) -> String {
    let told = json!({
        "lock": seen.path.to_string_lossy(),
        "naming": seen.naming.name(),
        "state": seen.state.name(),
        "obtainable": seen.is_obtainable(),
        "reason": seen.reason(),
        "advice": seen.advice(),
        "record": seen.record.as_ref().map(record),
        "processes": seen.processes.iter().map(process).collect::<Vec<_>>(),
        "queue": seen.queue.iter().map(record).collect::<Vec<_>>(),
    });
    told.to_string()
}

fn record(record: &Record) -> Value {
    // What was written as JSON can be read as JSON.
    serde_json::from_str(&record.to_json()).unwrap_or_default()
}

fn process(process: &Process) -> Value {
    json!({
        "pid": process.pid,
        "user": process.user,
        "command": process.command,
        "startedAt": process.started.map(clock::format),
    })
}

pub(crate) fn integrity(integrity: &Integrity) -> String {
    let (state, reason) = match integrity {
        Integrity::Intact => ("intact", None),
        Integrity::Damaged(reason) => ("damaged", Some(reason)),
        Integrity::Lost(reason) => ("lost", Some(reason)),
    };
    json!({ "state": state, "reason": reason }).to_string()
}
