//! What to type next, given how a session stands.

use baton_lock::session::{Session, Status};
use baton_lock::{escape, redact};

use super::runner::Runner;
use super::words;

/// A command and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// As a shell takes it; escaped.
    pub(super) command: String,
    /// What it does, as the end of a sentence that begins with the command.
    pub(super) does: String,
}

impl Next {
    pub(super) fn of(session: &Session, runner: &Runner, store: Option<&str>) -> Self {
        let next = |words: &[&str], does: &str| {
            let store = store.map(|url| ["--store", url]);
            let words: Vec<&str> =
                ["baton"].iter().chain(store.iter().flatten()).chain(words).copied().collect();
            Self { command: quoted(&words), does: does.to_owned() }
        };
        if matches!(runner, Runner::Somebody(_)) {
            return next(&["wait", session.name()], "returns when it has ended");
        }
        if session.status() == Status::Complete {
            return next(&["apply", session.plan()], "does the whole job again");
        }
        if session.is_half_undone() {
            return next(&["undo", session.plan()], "takes back the rest");
        }
        let does = match session.first_unfinished() {
            Some(step) => format!("carries on at step `{}`", words::shown(&step.id)),
            None => "completes it".to_owned(),
        };
        next(&["apply", "--resume", session.plan()], &does)
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    escape::text(&redact::command(&words)).into_owned()
}
