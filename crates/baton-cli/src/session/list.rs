//! `baton session list`: all sessions of the state directory, a line each.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use baton_lock::session::{Session, Step};
use baton_lock::store::Store;
use serde_json::{Value, json};

use super::place::Place;
use super::runner::Runner;
use super::words;
use crate::args::SessionListArgs;
use crate::failure::Failure;
use crate::{exit, json, notice};

/// The most characters of a message in a line.
const MESSAGE: usize = 60;

/// A session, or why it can't be read, and who runs it.
struct Row {
    place: Place,
    session: Result<Session, Failure>,
    runner: Runner,
}

/// Prints all of them. One that can't be read is no reason not to print the others.
pub(super) fn list(args: &SessionListArgs, store: &dyn Store) -> Result<u8, Failure> {
    let rows: Vec<Row> = Place::all(store)?.into_iter().filter_map(row).collect();
    let text = if args.json { as_json(&rows) } else { as_text(&rows) };
    // Nobody may be reading any more.
    let _ = io::stdout().write_all(text.as_bytes());
    if rows.is_empty() && !args.json {
        notice::hint("there are no sessions; `baton apply PLAN` begins one");
    }
    let mut code = exit::DONE;
    for failure in rows.iter().filter_map(|row| row.session.as_ref().err()) {
        notice::failure(failure);
        code = failure.code;
    }
    Ok(code)
}

/// `None`: it has gone meanwhile.
fn row(place: Place) -> Option<Row> {
    let session = place.store.load().map_err(Failure::from).transpose()?;
    let runner = Runner::of(&place);
    Some(Row { place, session, runner })
}

/// The step that failed, is under way, or was finished last.
fn last_step(session: &Session) -> Option<&Step> {
    let failed = session.failure().and_then(|failure| session.step(&failure.step));
    let finished = || session.steps().rev().find(|step| step.completed_at.is_some());
    failed.or_else(|| session.step_in_progress()).or_else(finished)
}

fn as_text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["NAME", "STATUS", "STEPS", "CHANGED", "LAST STEP", "RUN BY"].map(str::to_owned).to_vec();
    let cells: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    words::table(&cells).iter().fold(String::new(), |mut text, line| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{line}");
        text
    })
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let name = self.place.name().to_owned();
        let runner = match &self.runner {
            Runner::Somebody(seen) => match &seen.record {
                Some(record) => format!("pid {}", record.pid),
                None => "somebody".to_owned(),
            },
            Runner::Nobody => "nobody".to_owned(),
            Runner::Unknown(_) => "it can't be told".to_owned(),
        };
        let Ok(session) = &self.session else {
            let unknown = || "?".to_owned();
            return vec![name, "unreadable".to_owned(), unknown(), unknown(), unknown(), runner];
        };
        let last = last_step(session).map_or_else(String::new, |step| {
            let id = words::shown(&step.id);
            let failure = session.failure().filter(|failure| failure.step == step.id);
            let message = failure.map(|failure| words::cut(&failure.message, MESSAGE));
            message.map_or(id.clone(), |message| format!("{id}: {}", words::shown(&message)))
        });
        vec![
            name,
            words::status(session.status()).to_owned(),
            format!("{} of {}", words::done(session), session.steps().len()),
            words::shown(session.updated_at()),
            last,
            runner,
        ]
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "name": self.place.name(),
            "file": self.place.store.path().to_string_lossy(),
            "isRunning": self.runner.is_running(),
            "runner": self.runner.to_json(),
        });
        let more = match &self.session {
            Ok(session) => json!({
                "status": session.status().as_str(),
                "stepsDone": words::done(session),
                "steps": session.steps().len(),
                "lastStep": last_step(session).map(|step| &step.id),
                "failure": session.failure(),
                "startedAt": session.started_at(),
                "updatedAt": session.updated_at(),
                "plan": session.plan(),
            }),
            Err(failure) => json!({ "status": "unreadable", "error": failure.message, "hint": failure.hint }),
        };
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
}

fn as_json(rows: &[Row]) -> String {
    let sessions: Vec<Value> = rows.iter().map(Row::json).collect();
    json::text(&json!({ "schema": json::SCHEMA, "sessions": sessions }))
}
