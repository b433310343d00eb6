//! `baton prune`: removes what locks leave behind that were free for long.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::store::{Store, StoredLock};
use baton_lock::{Kept, Naming, Pruned, Pruning, escape};
use serde_json::{Value, json};

use crate::args::PruneArgs;
use crate::failure::Failure;
use crate::{chosen, exit, json, lock_argument, notice};

/// A lock and what came of it.
type Done = (Box<dyn StoredLock>, Pruned);

/// Prunes; gives back the exit code. One that can't be pruned is no reason to leave the others.
pub fn prune(args: &PruneArgs, store: &dyn Store) -> u8 {
    if let Err(failure) =
        chosen::only_in_directories(store, "pruning, which a store with leases does by itself,")
    {
        return failure.tell(args.json);
    }
    let pruning = if args.dry_run { Pruning::DryRun } else { Pruning::Real };
    let (mut done, mut failures): (Vec<Done>, Vec<Failure>) = (Vec::new(), Vec::new());
    for lock in lock_argument::all_in(&args.directories, store) {
        let pruned = lock.and_then(|lock| {
            let pruned = lock.prune(args.older_than, pruning)?;
            Ok((lock, pruned))
        });
        match pruned {
            Ok(one) => done.push(one),
            Err(failure) => failures.push(failure),
        }
    }
    let text = if args.json { as_json(&done, &failures) } else { as_text(&done, pruning) };
    // Nobody may be reading any more.
    let _ = io::stdout().write_all(text.as_bytes());
    failures.iter().for_each(notice::failure);
    failures.last().map_or(exit::DONE, |failure| failure.code)
}

/// What came of it, in one word; the words are stable.
fn word(pruned: Pruned) -> &'static str {
    match pruned {
        Pruned::Removed { .. } => "removed",
        Pruned::Nothing => "nothing",
        Pruned::Kept(Kept::InUse) => "in_use",
        Pruned::Kept(Kept::LeftOver) => "left_over",
        Pruned::Kept(Kept::Young) => "young",
        Pruned::Kept(Kept::NotTheOwner) => "not_the_owner",
        // And whatever a later library may know.
        _ => "unknown",
    }
}

fn as_json(done: &[Done], failures: &[Failure]) -> String {
    let locks: Vec<Value> = done
        .iter()
        .map(|(lock, pruned)| {
            let token = match pruned {
                Pruned::Removed { token } => Some(token),
                _ => None,
            };
            json!({
                "lock": lock.path().to_string_lossy(),
                "naming": lock.naming().map(Naming::name),
                "result": word(*pruned),
                "token": token,
            })
        })
        .collect();
    let errors: Vec<Value> =
        failures.iter().map(|failure| json!({ "message": failure.message, "hint": failure.hint })).collect();
    json::text(&json!({ "schema": json::SCHEMA, "locks": locks, "errors": errors }))
}

fn as_text(done: &[Done], pruning: Pruning) -> String {
    let did = match pruning {
        Pruning::Real => "removed",
        Pruning::DryRun => "would remove",
    };
    let mut text = String::new();
    for (lock, pruned) in done {
        let path = escape::path(lock.path());
        // Writing to a string can't fail.
        let _ = match pruned {
            Pruned::Removed { .. } => writeln!(text, "{did}: {path}"),
            Pruned::Kept(Kept::NotTheOwner) => {
                writeln!(text, "kept: {path}: only root and the owner of the directory may prune there")
            }
            Pruned::Kept(Kept::LeftOver) => {
                writeln!(
                    text,
                    "kept: {path}: its last holder did not end cleanly, which the next one has to be told"
                )
            }
            _ => Ok(()),
        };
    }
    let count = done.iter().filter(|(_, pruned)| matches!(pruned, Pruned::Removed { .. })).count();
    let _ = writeln!(text, "{did} {count} of {}", done.len());
    text
}
