//! `baton session log`: what a step printed in one attempt.
//!
//! Logs are `ATTEMPT-STEP.log` in the directory of the session's name. They were redacted when they were written. Whatever
//! lies there under such a name and is no regular file is refused, and neither followed nor opened.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use baton_lock::session::Session;
use baton_lock::store::Store;
use baton_lock::{escape, state_dir};

use super::place::Place;
use crate::args::SessionLogArgs;
use crate::failure::Failure;
use crate::harmless;
use crate::{exit, plain_file};

const ENDING: &str = ".log";

/// A log by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Log {
    pub(super) attempt: u64,
    pub(super) step: String,
    pub(super) path: PathBuf,
}

/// Prints a log, or where it is.
pub(super) fn log(args: &SessionLogArgs, store: &dyn Store) -> Result<u8, Failure> {
    let place = Place::of(&args.name, store)?;
    let log = choose(&place, args.step.as_deref(), args.attempt)?;
    // Also where only the path is asked for: what can't be read is no answer.
    let file = plain_file::open(&log.path).map_err(|error| unreadable(&log.path, &error))?;
    let mut out = io::stdout().lock();
    let printed = match (args.path, out.is_terminal()) {
        (true, true) => writeln!(out, "{}", escape::text(&log.path.to_string_lossy())),
        (true, false) => out.write_all(log.path.as_os_str().as_bytes()).and_then(|()| writeln!(out)),
        (false, true) => harmless::copy(file, &mut out),
        (false, false) => io::copy(&mut { file }, &mut out).map(drop),
    };
    match printed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure {
            code: exit::UNSAFE,
            message: format!("cannot print {}: {error}", escape::path(&log.path)),
            hint: None,
        }),
        _ => Ok(exit::DONE),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure {
        code: exit::UNSAFE,
        message: format!("cannot read the log {}: {error}", escape::path(path)),
        hint: Some("logs are regular files that `baton apply` writes; look what it is".to_owned()),
    }
}

/// The log that is meant.
pub(super) fn choose(place: &Place, step: Option<&str>, attempt: Option<u64>) -> Result<Log, Failure> {
    if let Some(step) = step {
        state_dir::check_name(step).map_err(|reason| Failure {
            code: exit::USAGE,
            message: format!("`{}` is not the id of a step: {reason}", escape::text(step)),
            hint: Some(format!("`baton session show {}` lists the steps", place.name())),
        })?;
    }
    let logs = all(&place.logs())?;
    let session = if step.is_some() { place.store.load().ok().flatten() } else { Some(place.load()?) };
    let meant: Vec<&Log> =
        logs.iter().filter(|log| attempt.is_none_or(|attempt| log.attempt == attempt)).collect();
    let last_of = |id: &str| meant.iter().rfind(|log| log.step == id).copied();
    let chosen = match (step, &session) {
        (Some(step), _) => last_of(step),
        (None, Some(session)) => {
            telling(session).into_iter().find_map(last_of).or_else(|| last_in_plan(session, &meant))
        }
        (None, None) => None,
    };
    chosen.cloned().ok_or_else(|| none(place, &logs, step, attempt))
}

/// The steps whose logs say why the session stands as it does.
fn telling(session: &Session) -> Vec<&str> {
    let failed = session.failure().map(|failure| failure.step.as_str());
    let running = session.step_in_progress().map(|step| step.id.as_str());
    failed.into_iter().chain(running).collect()
}

/// In the last attempt that has logs, that of the step that comes last.
fn last_in_plan<'a>(session: &Session, logs: &[&'a Log]) -> Option<&'a Log> {
    let attempt = logs.iter().map(|log| log.attempt).max()?;
    let position = |log: &&&Log| session.steps().position(|step| step.id == log.step);
    logs.iter().filter(|log| log.attempt == attempt).max_by_key(position).copied()
}

fn none(place: &Place, logs: &[Log], step: Option<&str>, attempt: Option<u64>) -> Failure {
    let of_step = step.map(|step| format!(" of step `{}`", escape::text(step))).unwrap_or_default();
    let of_attempt = attempt.map(|attempt| format!(" in attempt {attempt}")).unwrap_or_default();
    let mut there: Vec<String> = logs
        .iter()
        .filter(|log| step.is_none_or(|step| log.step == step))
        .map(|log| format!("{} in {}", log.step, log.attempt))
        .rev()
        .take(5)
        .collect();
    if there.is_empty() {
        there.push("none".to_owned());
    }
    Failure {
        code: exit::CONTENT,
        message: format!("there is no log{of_step}{of_attempt} of session `{}`", place.name()),
        hint: Some(format!("the last logs there are, by step and attempt: {}", there.join(", "))),
    }
}

/// All logs in a directory, by attempt and step.
pub(super) fn all(directory: &Path) -> Result<Vec<Log>, Failure> {
    match fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(directory, &error)),
        Ok(there) if !there.is_dir() => {
            return Err(unreadable(directory, &io::Error::other("it is not a directory")));
        }
        Ok(_) => {}
    }
    let entries = fs::read_dir(directory).map_err(|error| unreadable(directory, &error))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut logs: Vec<Log> = names.filter_map(|name| by_name(directory, &name)).collect();
    logs.sort();
    Ok(logs)
}

fn by_name(directory: &Path, name: &str) -> Option<Log> {
    let (attempt, step) = name.strip_suffix(ENDING)?.split_once('-')?;
    state_dir::check_name(step).ok()?;
    Some(Log { attempt: attempt.parse().ok()?, step: step.to_owned(), path: directory.join(name) })
}
