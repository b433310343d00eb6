//! `baton list`: the locks of directories, a line each, without disturbing anybody.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::store::{Store, StoredLock};
use baton_lock::{Observation, Record, State, clock, escape};
use serde_json::{Value, json};

use crate::args::ListArgs;
use crate::failure::Failure;
use crate::{exit, json, lock_argument, notice};

/// Prints them; gives back the exit code. One that can't be looked at is no reason not to print the others.
pub fn list(args: &ListArgs, store: &dyn Store) -> u8 {
    let (mut seen, mut failures) = (Vec::new(), Vec::new());
    for lock in lock_argument::all_in(&args.directories, store) {
        match lock.and_then(|lock| look(&*lock)) {
            Ok(observation) => seen.push(observation),
            Err(failure) => failures.push(failure),
        }
    }
    let text = if args.json { as_json(&seen, &failures) } else { as_text(&seen) };
    // Nobody may be reading any more.
    let _ = io::stdout().write_all(text.as_bytes());
    if seen.is_empty() && failures.is_empty() && !args.json {
        notice::hint("there are no locks here; `baton run LOCK -- CMD…` makes one");
    }
    failures.iter().for_each(notice::failure);
    failures.last().map_or(exit::DONE, |failure| failure.code)
}

/// Only for one that is not free all processes are looked through.
fn look(lock: &dyn StoredLock) -> Result<Observation, Failure> {
    let seen = lock.glance()?;
    Ok(if seen.state == State::Free { seen } else { lock.observe()? })
}

fn as_json(seen: &[Observation], failures: &[Failure]) -> String {
    let locks: Vec<Value> = seen.iter().map(json::observation).collect();
    let errors: Vec<Value> =
        failures.iter().map(|failure| json!({ "message": failure.message, "hint": failure.hint })).collect();
    json::text(&json!({ "schema": json::SCHEMA, "locks": locks, "errors": errors }))
}

const COLUMNS: usize = 6;
const TITLES: [&str; COLUMNS] = ["LOCK", "STATE", "FOR", "TOKEN", "HOLDER", "PURPOSE"];

fn as_text(seen: &[Observation]) -> String {
    if seen.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; COLUMNS]> =
        std::iter::once(TITLES.map(str::to_owned)).chain(seen.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn row(seen: &Observation) -> [String; COLUMNS] {
    let record = seen.record.as_ref();
    let baton = record.and_then(|record| record.baton.as_ref());
    let dash = || "-".to_owned();
    let flag = if seen.naming == baton_lock::Naming::Flock { " (--flock)" } else { "" };
    [
        format!("{}{flag}", escape::text(&seen.path.to_string_lossy())),
        seen.state.name().to_owned(),
        record.and_then(Record::started).map_or_else(dash, |started| clock::spell(clock::since(started))),
        record.and_then(Record::token).map_or_else(dash, |token| token.to_string()),
        holder(seen).unwrap_or_else(dash),
        baton
            .and_then(|baton| baton.purpose.as_deref())
            .map_or_else(dash, |purpose| escape::text(purpose).into_owned()),
    ]
}

/// Who shares it; whom the record names; else a process that has it.
fn holder(seen: &Observation) -> Option<String> {
    if seen.is_shared() {
        return Some(match seen.readers.as_slice() {
            [] => "readers".to_owned(),
            [one] => format!("1 reader: pid {}", one.pid),
            [first, ..] => format!("{} readers: pid {}, …", seen.readers.len(), first.pid),
        });
    }
    let named = seen.record.as_ref().map(|record| {
        let user = record.baton.as_ref().and_then(|baton| baton.user.as_deref());
        let user = user.map(|user| format!(" ({})", escape::text(user))).unwrap_or_default();
        format!("pid {}{user}", record.pid)
    });
    named.or_else(|| {
        let process = seen.processes.first()?;
        Some(format!("pid {} ({})", process.pid, escape::text(&process.user)))
    })
}
