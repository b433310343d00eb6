//! `baton status`: who holds a lock, since when, and the way forward, without disturbing anybody.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::store::Store;
use baton_lock::{Lease, Observation, State, clock};
use serde_json::json;

use crate::args::StatusArgs;
use crate::failure::Failure;
use crate::{exit, json, lock_argument};

/// Prints the state of a lock; gives back the exit code.
pub fn status(args: &StatusArgs, store: &dyn Store) -> u8 {
    match look(args, store) {
        Ok(seen) => {
            let text = if args.json { as_json(&seen) } else { as_text(&seen) };
            // Nobody may be reading any more (`| head -1`): the exit code still tells.
            let _ = io::stdout().write_all(text.as_bytes());
            code(&seen.state)
        }
        Err(failure) => failure.tell(args.json),
    }
}

fn look(args: &StatusArgs, store: &dyn Store) -> Result<Observation, Failure> {
    Ok(lock_argument::to_look_at(&args.lock, store)?.observe()?)
}

/// The exit code for a state.
pub fn code(state: &State) -> u8 {
    match state {
        State::Free | State::LeftOver => exit::DONE,
        State::Unsafe { .. } => exit::UNSAFE,
        State::NotALockFile { .. } => exit::CONTENT,
        // Held, or it can't be told.
        _ => exit::BUSY,
    }
}

fn as_json(seen: &Observation) -> String {
    let mut value = json!({ "schema": json::SCHEMA });
    if let (Some(value), serde_json::Value::Object(members)) =
        (value.as_object_mut(), json::observation(seen))
    {
        value.extend(members);
    }
    json::text(&value)
}

fn as_text(seen: &Observation) -> String {
    let mut text = format!("{}\n", seen.reason());
    for reader in &seen.readers {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  shares it: {}", reader.summary());
    }
    for process in &seen.processes {
        let _ = writeln!(text, "  has it: {}", process.summary());
    }
    for (place, waiter) in seen.queue.iter().enumerate() {
        let _ = writeln!(text, "  waits as number {}: {}", place + 1, waiter.summary());
    }
    if let Some(Lease { granted, left }) = seen.lease {
        let (granted, left) = (clock::spell(granted), clock::spell(left));
        let _ = writeln!(text, "  lease: {granted}, of which {left} are left unless it is heard of");
    }
    let _ = writeln!(text, "hint: {}", seen.advice());
    text
}
