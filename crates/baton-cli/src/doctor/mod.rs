//! `baton doctor`: tries out whether a lock can be had in a directory or store, and says what is in the way.

mod store;

use std::env;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use baton_lock::doctor::{self, Check, Examination, Outcome};
use baton_lock::escape;
use baton_lock::store::Store;
use serde_json::{Value, json};

use crate::args::DoctorArgs;
use crate::failure::Failure;
use crate::{chosen, exit, json};
use store::Tried;

/// Examines the directory; gives back the exit code.
pub fn doctor(args: &DoctorArgs, store: &dyn Store) -> u8 {
    if let (true, Some(directory)) = (args.second_process, &args.directory) {
        return if doctor::be_second(directory) { exit::DONE } else { exit::UNSAFE };
    }
    if let Some(tried) = store.examine() {
        return tell(args, store, tried.map_err(Failure::from));
    }
    match examine(args, store) {
        Ok(examination) => {
            let text = if args.json { as_json(&examination) } else { as_text(&examination) };
            // Nobody may be reading any more: the exit code still tells.
            let _ = io::stdout().write_all(text.as_bytes());
            if examination.is_fit() { exit::DONE } else { exit::UNSUPPORTED }
        }
        Err(failure) => failure.tell(args.json),
    }
}

/// Tells what was found out about a store that is no directory.
fn tell(args: &DoctorArgs, store: &dyn Store, tried: Result<Vec<Check>, Failure>) -> u8 {
    let what_is_for_directories = args.directory.is_some() || !args.allow_fs.is_empty();
    let asked = if what_is_for_directories { chosen::only_in_directories(store, "DIR") } else { Ok(()) };
    match asked.and(tried) {
        Ok(checks) => {
            let tried = Tried { url: store.url().unwrap_or_default().to_owned(), checks };
            let text = if args.json { tried.as_json() } else { tried.as_text() };
            // Nobody may be reading any more.
            let _ = io::stdout().write_all(text.as_bytes());
            tried.code()
        }
        Err(failure) => failure.tell(args.json),
    }
}

fn examine(args: &DoctorArgs, store: &dyn Store) -> Result<Examination, Failure> {
    let directory = match &args.directory {
        Some(directory) => directory.clone(),
        None => default_directory(store)?,
    };
    let program = env::current_exe().map_err(|error| Failure {
        code: exit::BUG,
        message: format!("cannot find out where this program is, to start it as the second process: {error}"),
        hint: None,
    })?;
    let mut second = Command::new(program);
    second.args(["doctor", "--second-process"]);
    Ok(doctor::examine(&directory, &args.allow_fs, second)?)
}

/// That of the locks given by name, or what is there of its path: it is created only by who needs it.
fn default_directory(store: &dyn Store) -> Result<PathBuf, Failure> {
    let locks = store.state().map(|state| state.join("locks"));
    let there = locks.as_ref().and_then(|locks| locks.ancestors().find(|path| path.is_dir()));
    there.map(Path::to_owned).ok_or_else(|| Failure {
        code: exit::USAGE,
        message: "there is no state directory: BATON_DIR, XDG_STATE_HOME and HOME are all unset".to_owned(),
        hint: Some("set one of them, or name a directory".to_owned()),
    })
}

fn verdict(seen: &Examination) -> String {
    let (path, kind) = (escape::path(&seen.directory), &seen.filesystem);
    match (seen.works(), seen.is_accepted) {
        (true, true) => format!("a lock can be had in {path}"),
        (true, false) => {
            format!(
                "a lock would work in {path}, but whether other hosts are kept out is not known of {kind}"
            )
        }
        (false, _) => format!("no lock can be had in {path}: its filesystem lacks what failed above"),
    }
}

fn way_out(seen: &Examination) -> Option<String> {
    match (seen.works(), seen.is_accepted) {
        (true, true) => None,
        (true, false) => Some(format!(
            "choose a directory on a local disk; or, if every contender runs on this one machine, `--allow-fs {}`",
            seen.filesystem
        )),
        (false, _) => Some("choose a directory on another filesystem, such as ext4 or tmpfs".to_owned()),
    }
}

fn as_text(seen: &Examination) -> String {
    let mut text = format!("filesystem: {}\n{}", seen.filesystem, lines(&seen.checks));
    // Writing to a string can't fail.
    let _ = writeln!(text, "{}", verdict(seen));
    if let Some(hint) = way_out(seen) {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// A line for each check.
fn lines(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let (word, more) = words(check);
        let cost = check.cost.map(|cost| format!(" ({})", spell(cost))).unwrap_or_default();
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{word:<8} {}{cost}{}",
            check.what,
            more.map(|more| format!(": {more}")).unwrap_or_default()
        );
    }
    text
}

/// The outcome in one word, and what there is to say of it; the words are stable.
fn words(check: &Check) -> (&'static str, Option<&str>) {
    match &check.outcome {
        Outcome::Works => ("works", None),
        Outcome::Limited(more) => ("limited", Some(more)),
        Outcome::Fails(more) => ("fails", Some(more)),
        // And whatever a later library may know.
        _ => ("unknown", None),
    }
}

/// A cost with its unit, three digits of it.
fn spell(cost: Duration) -> String {
    let micros = cost.as_secs_f64() * 1e6;
    match micros {
        _ if micros < 100.0 => format!("{micros:.1} µs"),
        _ if micros < 1000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.1} ms", micros / 1e3),
    }
}

fn check(check: &Check) -> Value {
    let (word, more) = words(check);
    json!({
        "what": check.what,
        "outcome": word,
        "reason": more,
        "costNs": check.cost.map(|cost| u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX)),
    })
}

fn as_json(seen: &Examination) -> String {
    let checks: Vec<Value> = seen.checks.iter().map(check).collect();
    json::text(&json!({
        "schema": json::SCHEMA,
        "directory": seen.directory.to_string_lossy(),
        "filesystem": seen.filesystem,
        "isAccepted": seen.is_accepted,
        "works": seen.works(),
        "isFit": seen.is_fit(),
        "verdict": verdict(seen),
        "hint": way_out(seen),
        "checks": checks,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_have_a_unit_that_fits() {
        let spelt = |nanos| spell(Duration::from_nanos(nanos));
        assert_eq!([740, 12_340, 345_600, 2_500_000].map(spelt), ["0.7 µs", "12.3 µs", "346 µs", "2.5 ms"]);
    }
}
