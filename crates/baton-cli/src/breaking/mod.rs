//! `baton break`: ends the holder that a token names, and says what came of it.
//!
//! What is done to whom is decided by the library; here it is told, and noted in the audit.

mod audit;

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::store::{Store, StoredLock};
use baton_lock::{Broken, Ending, Naming, Observation, Process, Record};
use serde_json::{Value, json};

use crate::args::BreakArgs;
use crate::failure::Failure;
use crate::{exit, json, lock_argument, notice, status};

/// Ends the holder; gives back the exit code.
pub fn break_holder(args: &BreakArgs, store: &dyn Store) -> u8 {
    let told = attempt(args, store).unwrap_or_else(Told::of_failure);
    if args.json {
        // Nobody may be reading any more: the exit code still tells.
        let _ = io::stdout().write_all(json::text(&told.json).as_bytes());
    }
    match &told.failure {
        None if args.json => {}
        None => {
            let _ = io::stdout().write_all(told.text.as_bytes());
        }
        Some(failure) => notice::failure(failure),
    }
    told.code
}

/// What came of it, for everybody.
struct Told {
    code: u8,
    text: String,
    failure: Option<Failure>,
    json: Value,
}

impl Told {
    fn of_failure(failure: Failure) -> Self {
        let json = json::failure(&failure);
        Self { code: failure.code, text: String::new(), failure: Some(failure), json }
    }
}

fn attempt(args: &BreakArgs, store: &dyn Store) -> Result<Told, Failure> {
    let lock = lock_argument::to_look_at(&args.lock, store)?;
    let ending = Ending { signal: args.signal as i32, grace: args.grace };
    let state = store.state();
    let audit = audit::Line {
        state: state.as_deref(),
        lock: lock.path(),
        token: args.token,
        signal: args.signal,
        grace: args.grace,
    };
    let mut is_begun = false;
    let broken = lock.break_holder(args.token, ending, &mut |processes| {
        is_begun = true;
        audit.write("begun", processes);
    });
    let broken = match broken {
        Ok(broken) => broken,
        Err(error) => {
            if is_begun {
                audit.write("unknown", &[]);
            }
            return Err(error.into());
        }
    };
    if is_begun {
        audit.write(word(&broken), signalled(&broken));
    }
    Ok(tell(&*lock, args.token, &broken))
}

/// What came of it, in one word; the words are stable.
fn word(broken: &Broken) -> &'static str {
    match broken {
        Broken::AlreadyEnded(_) => "already_ended",
        Broken::Ended { .. } => "ended",
        Broken::OtherToken(_) => "other_token",
        Broken::Nameless(_) => "nameless",
        Broken::Refused { .. } => "refused",
        // And whatever a later library may know.
        _ => "still_held",
    }
}

fn signalled(broken: &Broken) -> &[Process] {
    match broken {
        Broken::Ended { processes, .. } | Broken::StillHeld { processes, .. } => processes,
        _ => &[],
    }
}

fn tell(lock: &dyn StoredLock, token: u64, broken: &Broken) -> Told {
    let (code, text, failure) = in_words(lock, token, broken);
    let processes: Vec<Value> = signalled(broken).iter().map(json::process).collect();
    let (is_killed, next) = match broken {
        Broken::Ended { is_killed, next, .. } => (*is_killed, next.as_deref()),
        _ => (false, None),
    };
    let json = json!({
        "schema": json::SCHEMA,
        "lock": lock.path().to_string_lossy(),
        "naming": lock.naming().map(Naming::name),
        "token": token,
        "result": word(broken),
        "exitCode": code,
        "signalled": processes,
        "killed": is_killed,
        "next": next.map(json::record),
        "error": failure.as_ref().map(|failure| json!({ "message": failure.message, "hint": failure.hint })),
    });
    Told { code, text, failure, json }
}

fn in_words(lock: &dyn StoredLock, token: u64, broken: &Broken) -> (u8, String, Option<Failure>) {
    let path = baton_lock::escape::path(lock.path());
    let failed =
        |code, message, hint| (code, String::new(), Some(Failure { code, message, hint: Some(hint) }));
    match broken {
        Broken::AlreadyEnded(seen) => (exit::DONE, format!("nobody was ended: {}\n", seen.reason()), None),
        Broken::Ended { processes, is_killed, next } => {
            (exit::DONE, ended(&path, processes, *is_killed, next.as_deref()), None)
        }
        Broken::OtherToken(seen) => failed(
            exit::CONTENT,
            format!("the holder with token {token} is gone, nobody was ended: {}", seen.reason()),
            seen.advice(),
        ),
        Broken::Nameless(seen) => failed(
            nameless_code(seen),
            format!("no holder with a token is known, nobody was ended: {}", seen.reason()),
            seen.advice(),
        ),
        Broken::Refused { seen, reason, hint } => failed(
            exit::BUSY,
            format!("the holder was not ended: {reason}; {}", seen.reason()),
            (*hint).to_owned(),
        ),
        Broken::StillHeld { processes, seen } => failed(
            exit::BUSY,
            format!("{} signalled, and it is still not free: {}", count(processes), seen.reason()),
            format!("look again with `baton status`; {}", seen.advice()),
        ),
        _ => failed(
            exit::BUG,
            "the lock is in a state that this command does not know".to_owned(),
            String::new(),
        ),
    }
}

/// As `status` has it, for a lock that can't be had.
fn nameless_code(seen: &Observation) -> u8 {
    match status::code(&seen.state) {
        exit::DONE => exit::BUSY,
        code => code,
    }
}

fn count(processes: &[Process]) -> String {
    match processes.len() {
        1 => "1 process was".to_owned(),
        number => format!("{number} processes were"),
    }
}

fn ended(path: &str, processes: &[Process], is_killed: bool, next: Option<&Record>) -> String {
    let mut text = String::new();
    for process in processes {
        // Writing to a string can't fail.
        let _ = writeln!(text, "ended: {}", process.summary());
    }
    if is_killed {
        text.push_str("by SIGKILL: the first signal was not enough\n");
    }
    let _ = match next {
        None => writeln!(text, "{path} is free"),
        Some(next) => writeln!(text, "{path} is held by the next one: {}", next.summary()),
    };
    text
}
