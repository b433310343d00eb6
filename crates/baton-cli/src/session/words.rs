//! How times, numbers and texts from files are said.

use std::time::{Duration, SystemTime};

use baton_lock::session::{AttemptOutcome, Purpose, Session, Status, StepStatus};
use baton_lock::{clock, escape, redact};

use crate::harmless;

/// The longest path that Linux knows, in bytes.
const MAX_PATH: usize = 4096;

/// A number with its noun.
pub(super) fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// How many steps are complete or skipped.
pub(super) fn done(session: &Session) -> usize {
    session.steps().filter(|step| step.is_finished()).count()
}

pub(super) fn status(status: Status) -> &'static str {
    match status {
        Status::InProgress => "in progress",
        Status::Complete => "complete",
        Status::Failed => "failed",
    }
}

pub(super) fn step_status(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending => "pending",
        StepStatus::InProgress => "in progress",
        StepStatus::Complete => "complete",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
    }
}

pub(super) fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Fresh => "fresh",
        AttemptOutcome::Recovered => "recovered",
    }
}

pub(super) fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Apply => "apply",
        Purpose::Rerun => "rerun",
        Purpose::Undo => "undo",
    }
}

/// Where somebody is, in brackets: ` (user on host)`; escaped.
pub(super) fn place(user: Option<&str>, host: Option<&str>) -> String {
    match (user.map(shown), host.map(shown)) {
        (Some(user), Some(host)) => format!(" ({user} on {host})"),
        (Some(user), None) => format!(" ({user})"),
        (None, Some(host)) => format!(" (on {host})"),
        (None, None) => String::new(),
    }
}

/// A time from a file, as milliseconds since 1970; `None` if it is none.
pub(super) fn moment(text: &str) -> Option<i64> {
    let time = clock::parse(text)?;
    let milliseconds = |time: Duration| i64::try_from(time.as_millis()).ok();
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => milliseconds(after),
        Err(before) => milliseconds(before.duration()).map(|time| -time),
    }
}

/// A time from a file with how long ago it was; escaped.
pub(super) fn time_ago(text: &str) -> String {
    match clock::parse(text) {
        Some(time) => format!("{} ({} ago)", shown(text), clock::spell(clock::since(time))),
        None => shown(text),
    }
}

/// A length of time, as finely as it says something.
pub(super) fn spell(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..10_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => clock::spell(Duration::from_millis(milliseconds)),
    }
}

/// A text from a file, as long as any that we write there may be, escaped; without the colours that a message may have from
/// what a step printed.
pub(super) fn shown(text: &str) -> String {
    escape::text(&harmless::without_sequences(&cut(text, redact::MAX_TEXT_CHARS))).into_owned()
}

/// A path or a value from a file, as long as any path may be, escaped.
pub(super) fn path(text: &str) -> String {
    escape::text(&cut(text, MAX_PATH)).into_owned()
}

/// At most so many characters of a text.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Lines of cells, each column as wide as its widest cell; the last one as it comes.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_told_finely() {
        assert_eq!(
            [0, 40, 1_250, 9_999, 10_000, 125_000].map(spell),
            ["0 ms", "40 ms", "1.2 s", "9.9 s", "10 s", "2 min 5 s"]
        );
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3)), ("äö…".to_owned(), "äöü".to_owned()));
    }

    #[test]
    fn moments_before_1970_and_nonsense_are_no_panic() {
        assert_eq!(moment("1970-01-01T00:00:00.500Z"), Some(500));
        assert_eq!(moment("1969-12-31T23:59:59.500Z"), Some(-500));
        assert_eq!(moment("soon"), None);
    }

    #[test]
    fn columns_are_aligned_and_lines_end_without_blanks() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["ccc".to_owned(), String::new()]];
        assert_eq!(table(&rows), ["a    b", "ccc"]);
    }
}
