//! The measurements as Markdown for people and JSON for programs. No row is left out because it is lost.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::sample::{Judged, Measurement};

/// First the budgets, then every measurement with all of its sides.
pub(crate) fn as_markdown(measurements: &[Measurement], machine: &str) -> String {
    let mut text = format!(
        "{machine}\n\n### Budgets\n\n| what | ours | against | on | ours | theirs | figure | budget | |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for measurement in measurements {
        for kept in measurement.kept() {
            text.push_str(&budget_row(measurement, &kept));
        }
    }
    for measurement in measurements {
        text.push_str(&table(measurement));
    }
    text
}

fn budget_row(measurement: &Measurement, kept: &Judged<'_>) -> String {
    let Judged { budget, ours, theirs, figure, is_met } = kept;
    let part = if (budget.part - 0.5).abs() < 1e-9 {
        String::new()
    } else {
        format!(" (p{:.0})", budget.part * 100.0)
    };
    let sign = if measurement.unit.more_is_better() { "≥" } else { "≤" };
    format!(
        "| {}{part} | {} | {} | {} | {} | {} | {} | {sign} {} | {} |\n",
        measurement.what,
        budget.ours,
        budget.against.as_deref().unwrap_or("—"),
        measurement.filesystem,
        number(*ours),
        theirs.map_or("—".to_owned(), number),
        format_args!("{figure:.2}"),
        number(budget.limit),
        if *is_met { "kept" } else { "**missed**" },
    )
}

fn table(measurement: &Measurement) -> String {
    let Measurement { what, filesystem, unit, sides, .. } = measurement;
    let mut text = format!("\n### {what}, on {filesystem} ({})\n\n", unit.name());
    let first = sides.first().map_or(f64::NAN, crate::sample::Side::median);
    let is_single = sides.iter().all(|side| side.samples.len() == 1);
    text.push_str(if is_single {
        "| | | to the first |\n|---|---|---|\n"
    } else {
        "| | median | quartiles | p99 | samples | to the first |\n|---|---|---|---|---|---|\n"
    });
    for side in sides {
        let ratio = side.median() / first;
        let spread = format!(
            "{} – {} | {} | {} | ",
            number(side.at(0.25)),
            number(side.at(0.75)),
            number(side.at(0.99)),
            side.samples.len()
        );
        let spread = if is_single { "" } else { &spread };
        // Writing to a string can't fail.
        let _ = writeln!(text, "| {} | {} | {spread}{ratio:.2} |", side.name, number(side.median()));
    }
    text
}

/// Three figures that mean something; without samples there is none, since nothing came within the time that was given to it.
fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "not in time".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn as_json(measurements: &[Measurement], machine: &str) -> Value {
    let measurements: Vec<Value> = measurements.iter().map(Measurement::as_json).collect();
    json!({ "schema": 1, "machine": machine, "measurements": measurements })
}
