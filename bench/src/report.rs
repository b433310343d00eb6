//! The measurements as Markdown for people and JSON for programs. No row is left out because it is lost; where nobody could win it, the
//! row says so, with what was measured of the floor.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::sample::{Budget, Judged, Measurement, Verdict};

const ABOUT_FLOORS: &str = "The floor is a side that makes only the system calls without which the work of the row can't be done, and in \
                            brackets its figure. Where\nthat is beyond the budget too, nobody can keep it.";

/// The same for the summary.
const LEGEND: &str = "In bold: missed. In brackets: the floor, by the system calls alone without which it can't be done; \
                      where\nthat is beyond the budget too, nobody can keep it.";

const HEAD: &str = "| what | ours | against | on | ours | theirs | figure | floor | budget | |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n";

/// First the budgets, then every measurement with all of its sides.
pub fn as_markdown(measurements: &[Measurement], machine: &str) -> String {
    let mut text = format!("{machine}\n\n### Budgets\n\n{ABOUT_FLOORS}\n\n{HEAD}");
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
    let Judged { budget, ours, theirs, figure, verdict, floor } = kept;
    let (part, sign) = (part(budget), sign(measurement));
    let floor = floor.map(|floor| format!("{} ({:.2})", number(floor.ours), floor.figure));
    format!(
        "| {}{part} | {} | {} | {} | {} | {} | {} | {} | {sign} {} | {} |\n",
        measurement.what,
        budget.ours,
        budget.against.as_deref().unwrap_or("—"),
        measurement.filesystem,
        number(*ours),
        theirs.map_or("—".to_owned(), number),
        format_args!("{figure:.2}"),
        floor.as_deref().unwrap_or("—"),
        number(budget.limit),
        match verdict {
            Verdict::Kept => "kept",
            Verdict::Missed => "**missed**",
            Verdict::OutOfReach => "**missed**: the floor is beyond it too",
        },
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
            let cell = (filesystem, summary_cell(&kept));
            let row = summary_row(measurement, &kept);
            match rows.iter_mut().find(|(known, _)| *known == row) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((row, vec![cell])),
            }
        }
    }
    let mut text = format!("{machine}\n{LEGEND}\n\n| what | against | budget |");
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

fn summary_cell(kept: &Judged<'_>) -> String {
    let figure = match kept.verdict {
        Verdict::Kept => format!("{:.2}", kept.figure),
        Verdict::Missed | Verdict::OutOfReach => format!("**{:.2}**", kept.figure),
    };
    match kept.floor {
        Some(floor) => format!("{figure} ({:.2})", floor.figure),
        None => figure,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Floor, Side, Unit};

    /// Ours takes three times what theirs does, and the floor that many times.
    fn measurement(unit: Unit, limit: f64, floor: f64) -> Measurement {
        let side = |name: &str, of: f64| Side::new(name, vec![of * 0.5, of, of * 2.0]);
        let budget = Budget {
            ours: "ours".to_owned(),
            against: Some("theirs".to_owned()),
            part: 0.5,
            limit,
            floor: Some(Floor::of("least")),
        };
        Measurement {
            what: "work".to_owned(),
            filesystem: "ext4".to_owned(),
            unit,
            sides: vec![side("ours", 30.0), side("theirs", 10.0), side("least", 10.0 * floor)],
            budgets: vec![budget],
        }
    }

    fn rows(text: &str) -> Vec<&str> {
        text.lines().filter(|line| line.starts_with("| work")).collect()
    }

    #[test]
    fn row_of_a_budget_says_whether_the_floor_is_within_it() {
        for (unit, limit, floor, end) in [
            (Unit::Microseconds, 4.0, 2.5, "25.0 (2.50) | ≤ 4.00 | kept |"),
            (Unit::Microseconds, 2.6, 2.5, "25.0 (2.50) | ≤ 2.60 | **missed** |"),
            (Unit::Microseconds, 2.0, 2.5, "25.0 (2.50) | ≤ 2.00 | **missed**: the floor is beyond it too |"),
            (Unit::PerSecond, 2.0, 4.0, "40.0 (4.00) | ≥ 2.00 | kept |"),
            (Unit::PerSecond, 3.5, 4.0, "40.0 (4.00) | ≥ 3.50 | **missed** |"),
            (Unit::PerSecond, 5.0, 4.0, "40.0 (4.00) | ≥ 5.00 | **missed**: the floor is beyond it too |"),
        ] {
            let text = as_markdown(&[measurement(unit, limit, floor)], "a machine");
            let row = format!("| work | ours | theirs | ext4 | 30.0 | 10.0 | 3.00 | {end}");
            assert_eq!(rows(&text), [row]);
        }
    }

    #[test]
    fn summary_has_the_floor_beside_the_figure() {
        let kept = measurement(Unit::Microseconds, 4.0, 2.5);
        let missed =
            Measurement { filesystem: "tmpfs".to_owned(), ..measurement(Unit::Microseconds, 4.0, 2.5) };
        let mut missed_row = measurement(Unit::Microseconds, 2.0, 2.5);
        missed_row.what = "work twice".to_owned();
        let text = summary(&[kept, missed, missed_row], "A machine.");
        assert_eq!(
            rows(&text),
            [
                "| work: ours | theirs | ≤ 4.00 | 3.00 (2.50) | 3.00 (2.50) |",
                "| work twice: ours | theirs | ≤ 2.00 | **3.00** (2.50) |  |"
            ]
        );
    }

    #[test]
    fn floor_that_was_not_measured_excuses_nothing() {
        for samples in [None, Some(Vec::new())] {
            let mut measurement = measurement(Unit::Microseconds, 2.0, 2.5);
            measurement.sides.pop();
            measurement.sides.extend(samples.map(|samples| Side::new("least", samples)));
            let text = as_markdown(&[measurement], "a machine");
            assert_eq!(
                rows(&text),
                ["| work | ours | theirs | ext4 | 30.0 | 10.0 | 3.00 | — | ≤ 2.00 | **missed** |"]
            );
        }
    }

    #[test]
    fn floor_may_be_one_side_against_another() {
        let mut measurement = measurement(Unit::Microseconds, 2.0, 2.5);
        measurement.sides.push(Side::new("least of theirs", vec![20.0]));
        measurement.budgets[0].floor = Some(Floor::between("least", "least of theirs"));
        let json = as_json(&[measurement], "a machine");
        assert_eq!(
            json["measurements"][0]["budgets"][0],
            json!({
                "ours": "ours", "against": "theirs", "part": 0.5, "limit": 2.0, "figure": 3.0, "kept": false,
                "floor": { "ours": "least", "against": "least of theirs", "figure": 1.25, "within": true },
            })
        );
    }
}
