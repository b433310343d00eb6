//! The measurements as Markdown for people and JSON for programs. No row is left out because it is lost.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::sample::{Budget, Judged, Measurement};

/// First the budgets, then every measurement with all of its sides.
pub fn as_markdown(measurements: &[Measurement], machine: &str) -> String {
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
    let (part, sign) = (part(budget), sign(measurement));
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

/// The budgets once more, one row each, with a column for each filesystem: for the README.
pub fn summary(measurements: &[Measurement], machine: &str) -> String {
    let mut filesystems: Vec<&str> = Vec::new();
    let mut rows: Vec<(String, Vec<(&str, String)>)> = Vec::new();
    for measurement in measurements {
        let filesystem = measurement.filesystem.as_str();
        if !filesystems.contains(&filesystem) {
            filesystems.push(filesystem);
        }
        for kept in measurement.kept() {
            let figure = format!("{:.2}", kept.figure);
            let cell = (filesystem, if kept.is_met { figure } else { format!("**{figure}**") });
            let row = summary_row(measurement, &kept);
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((row, vec![cell])),
            }
        }
    }
    let mut text = format!("{machine} In bold: missed.\n\n| what | against | budget |");
    for name in &filesystems {
        // Writing to a string can't fail.
        let _ = write!(text, " {name} |");
    }
    let _ = writeln!(text, "\n|---|---|---|{}", "---|".repeat(filesystems.len()));
    for (row, cells) in rows {
        text.push_str(&row);
        for name in &filesystems {
            let cell = cells.iter().find(|(at, _)| at == name).map_or("", |(_, figure)| figure);
            let _ = write!(text, " {cell} |");
        }
        text.push('\n');
    }
    text
}

/// What does not depend on the filesystem.
fn summary_row(measurement: &Measurement, kept: &Judged<'_>) -> String {
    let Judged { budget, .. } = kept;
    let (against, unit) = match &budget.against {
        Some(against) => (against.as_str(), String::new()),
        None => ("—", format!(" {}", measurement.unit.name())),
    };
    let Measurement { what, .. } = measurement;
    let (part, sign) = (part(budget), sign(measurement));
    format!("| {what}{part}: {} | {against} | {sign} {}{unit} |", budget.ours, number(budget.limit))
}

fn part(budget: &Budget) -> String {
    if (budget.part - 0.5).abs() < 1e-9 { String::new() } else { format!(" (p{:.0})", budget.part * 100.0) }
}

fn sign(measurement: &Measurement) -> &'static str {
    if measurement.unit.more_is_better() { "≥" } else { "≤" }
}

/// One measurement with all of its sides.
pub fn table(measurement: &Measurement) -> String {
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

/// For programs.
pub fn as_json(measurements: &[Measurement], machine: &str) -> Value {
    let measurements: Vec<Value> = measurements.iter().map(Measurement::as_json).collect();
    json!({ "schema": 1, "machine": machine, "measurements": measurements })
}
