//! What is where on the time line. Pure.
//!
//! Attempts may be seconds long and days apart, so that one scale for all of it would show nothing. So each attempt has a **band**
//! of its own, in order, the time between them is left out, and only within a band is time to scale. A long attempt has a
//! wider band, but the shortest is wide enough to be seen. Positions are percents of the width.
//!
//! Clocks can be set back and lines can be missing: whatever the times say, no mark leaves its band.

use std::collections::HashMap;

use crate::session::story::{Run, RunEnd, Span, What};
use crate::session::words;

/// The most attempts that are drawn: more would be too narrow to be told apart.
pub(super) const MAX_BANDS: usize = 12;
/// The most steps that are drawn.
pub(super) const MAX_ROWS: usize = 500;
/// The most marks of one step that are drawn: more would be one bar.
const MAX_MARKS: usize = 100;

/// Between two bands, in percent.
const GAP: f64 = 1.2;
/// The narrowest band, in percent.
const MIN_BAND: f64 = 5.0;
/// The narrowest mark, in percent of its band, and of the whole.
const MIN_MARK: f64 = 0.6;
/// What a band is longer than what is known, where nobody knows when its last step ended: in parts of the known. Enough for a
/// mark that can be made out in the narrowest band.
const OPEN_END: f64 = 0.6;

/// The time line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) bands: Vec<Band>,
    pub(super) rows: Vec<Row>,
    /// How many attempts before these are not drawn.
    pub(super) hidden_bands: usize,
    /// How many steps after these are not drawn.
    pub(super) hidden_rows: usize,
}

/// An attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Band {
    pub(super) number: u64,
    pub(super) left: f64,
    pub(super) width: f64,
    /// In milliseconds, as far as it is known.
    pub(super) took: u64,
    pub(super) end: RunEnd,
}

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) step: String,
    pub(super) marks: Vec<Mark>,
}

/// What happened to a step once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    pub(super) attempt: u64,
    pub(super) left: f64,
    pub(super) width: f64,
    pub(super) what: What,
    /// In milliseconds, if it took time and both ends are known.
    pub(super) took: Option<u64>,
}

impl Layout {
    /// Lays out the attempts of a session with these steps; `now` is in milliseconds since 1970.
    pub(super) fn of<'a>(mut steps: Vec<&'a str>, runs: &'a [Run], now: i64) -> Self {
        let hidden_bands = runs.len().saturating_sub(MAX_BANDS);
        let runs = &runs[hidden_bands..];
        let times: Vec<Times> = runs.iter().map(|run| Times::of(run, now)).collect();
        let bands = bands(runs, &times);
        // Steps that the plan has no more come last.
        for span in runs.iter().flat_map(|run| &run.spans) {
            if steps.len() <= MAX_ROWS && !steps.contains(&span.step.as_str()) {
                steps.push(&span.step);
            }
        }
        let hidden_rows = steps.len().saturating_sub(MAX_ROWS);
        steps.truncate(MAX_ROWS);
        let mut rows: Vec<Row> =
            steps.iter().map(|step| Row { step: (*step).to_owned(), marks: Vec::new() }).collect();
        let at: HashMap<&str, usize> = steps.iter().enumerate().map(|(at, step)| (*step, at)).collect();
        for ((run, times), band) in runs.iter().zip(&times).zip(&bands) {
            for span in &run.spans {
                let Some(row) = at.get(span.step.as_str()).map(|&at| &mut rows[at]) else { continue };
                if row.marks.len() < MAX_MARKS {
                    row.marks.push(mark(span, times, band));
                }
            }
        }
        Self { bands, rows, hidden_bands, hidden_rows }
    }
}

/// From when to when a band is, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Times {
    from: i64,
    /// When the last thing happened that is known.
    known: i64,
    to: i64,
}

impl Times {
    fn of(run: &Run, now: i64) -> Self {
        let spans = run.spans.iter().flat_map(|span| [&span.from, &span.to]);
        let known = || [&run.begun, &run.ended].into_iter().chain(spans.clone());
        let moments = || known().filter_map(|text| words::moment(text.as_deref()?));
        let first = run.begun.as_deref().and_then(words::moment).or_else(|| moments().min()).unwrap_or(now);
        let last = moments().max().unwrap_or(first).max(first);
        let last = if run.end == RunEnd::Running { last.max(now) } else { last };
        let is_open = run.spans.iter().any(|span| matches!(span.what, What::Killed | What::Open));
        let more = if is_open { open_end(last - first) } else { 0 };
        Self { from: first, known: last, to: last.saturating_add(more) }
    }

    fn length(self) -> f64 {
        milliseconds(self.to.saturating_sub(self.from))
    }
}

/// Exact up to 285,000 years.
#[expect(clippy::cast_precision_loss, reason = "a picture is not that precise")]
fn milliseconds(time: i64) -> f64 {
    time.max(0) as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a part of what was an i64")]
fn open_end(known: i64) -> i64 {
    (milliseconds(known) * OPEN_END).max(1.0) as i64
}

fn bands(runs: &[Run], times: &[Times]) -> Vec<Band> {
    let count = f64::from(u8::try_from(runs.len()).unwrap_or(u8::MAX));
    let spare = 100.0 - GAP * (count - 1.0) - MIN_BAND * count;
    let total: f64 = times.iter().map(|times| times.length()).sum();
    let mut left = 0.0;
    let mut bands = Vec::with_capacity(runs.len());
    for (run, times) in runs.iter().zip(times) {
        let share = if total > 0.0 { times.length() / total } else { 1.0 / count };
        let width = MIN_BAND + spare * share;
        let took = u64::try_from(times.known.saturating_sub(times.from)).unwrap_or(0);
        bands.push(Band { number: run.number, left, width, took, end: run.end });
        left += width + GAP;
    }
    bands
}

fn mark(span: &Span, times: &Times, band: &Band) -> Mark {
    let moment = |text: &Option<String>| text.as_deref().and_then(words::moment);
    let (from, to) = (moment(&span.from), moment(&span.to));
    let part = |at: i64| {
        let length = times.length();
        let part = if length > 0.0 { milliseconds(at.saturating_sub(times.from)) / length } else { 0.0 };
        part.min(1.0)
    };
    let begin = part(from.or(to).unwrap_or(times.from));
    let end = match span.what {
        What::Killed | What::Open | What::Running => 1.0,
        _ => part(to.unwrap_or(times.known)).max(begin),
    };
    let narrowest = MIN_MARK.min(band.width);
    let width = ((end - begin) * band.width).max(narrowest);
    // What is too short to be seen at the end of a band begins earlier.
    let left = (band.left + begin * band.width).min(band.left + band.width - width);
    Mark { attempt: band.number, left, width, what: span.what, took: span.took() }
}
