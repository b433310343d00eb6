//! Samples of two sides, taken in turn, and what they come to.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// One row of the table: what was measured, on what, and both sides.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) against: &'static str,
    pub(crate) filesystem: String,
    /// The ratio of medians that is aimed at, at most.
    pub(crate) budget: f64,
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

impl Row {
    /// Measures both sides in turn.
    pub(crate) fn measure<E>(
        what: &'static str,
        against: &'static str,
        filesystem: &str,
        budget: f64,
        rounds: usize,
        mut ours: impl FnMut() -> Result<(), E>,
        mut theirs: impl FnMut() -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut row = Self {
            what,
            against,
            filesystem: filesystem.to_owned(),
            budget,
            ours: Vec::with_capacity(rounds),
            theirs: Vec::with_capacity(rounds),
        };
        // The first rounds warm caches and are not counted.
        for round in 0..=(rounds + rounds / 10) {
            let [one, other] = [timed(&mut ours)?, timed(&mut theirs)?];
            if round > rounds / 10 {
                row.ours.push(one);
                row.theirs.push(other);
            }
        }
        row.ours.sort_unstable();
        row.theirs.sort_unstable();
        Ok(row)
    }

    fn ratio(&self) -> f64 {
        at(&self.ours, 0.5).as_secs_f64() / at(&self.theirs, 0.5).as_secs_f64()
    }
}

fn timed<E>(work: &mut impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// The sample below which that part of all lies.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place in a list of some hundred samples"
)]
fn at(sorted: &[Duration], part: f64) -> Duration {
    let place = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

fn micros(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e6)
}

/// A Markdown table, the rows that miss their budget included and marked.
pub(crate) fn as_table(rows: &[Row], rounds: usize) -> String {
    let mut table = format!(
        "Medians of {rounds} rounds, both sides in turn; µs, in parentheses the quartiles.\n\n\
         | what | against | on | ours | theirs | ratio | budget |\n|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let side = |samples: &[Duration]| {
            let [low, median, high] = [0.25, 0.5, 0.75].map(|part| micros(at(samples, part)));
            format!("{median} ({low}–{high})")
        };
        let ratio = row.ratio();
        let miss = if ratio > row.budget { " **missed**" } else { "" };
        // Writing to a string can't fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {ratio:.2} | {:.1}{miss} |",
            row.what,
            row.against,
            row.filesystem,
            side(&row.ours),
            side(&row.theirs),
            row.budget
        );
    }
    table
}

/// The same for programs, with the quartiles in microseconds.
pub(crate) fn as_json(rows: &[Row], rounds: usize) -> Value {
    let side = |samples: &[Duration]| [0.25, 0.5, 0.75].map(|part| at(samples, part).as_secs_f64() * 1e6);
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "what": row.what, "against": row.against, "filesystem": row.filesystem, "budget": row.budget,
                "ratio": row.ratio(), "oursMicros": side(&row.ours), "theirsMicros": side(&row.theirs),
            })
        })
        .collect();
    json!({ "schema": 1, "rounds": rounds, "rows": rows })
}
