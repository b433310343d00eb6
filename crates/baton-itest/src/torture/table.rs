//! What came of it, as the rows of a Markdown table.

use super::trial::Trial;
use crate::race::Report;
use std::fmt::Write;

/// One trial and what came of it; a reason where it could not be run.
#[derive(Debug, Clone)]
pub struct Row {
    /// The trial.
    pub trial: Trial,
    /// What came of it.
    pub report: Result<Report, String>,
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let Trial { contestant, ground, ordeal } = &self.trial;
        let mut cells = vec![contestant.name.to_owned(), ground.to_string(), ordeal.to_string()];
        match &self.report {
            Ok(report) => cells.extend(numbers(report, self.trial.is_ours())),
            Err(reason) => {
                cells.push(format!("not run: {reason}"));
                cells.resize(HEADER.len(), String::new());
            }
        }
        cells
    }

    /// Is it one of Baton's that a lock must not have?
    pub fn is_defeat(&self) -> bool {
        let is_right = |report: &Report| report.violations() == 0 && report.deaths.is_empty();
        self.trial.is_ours() && !self.report.as_ref().is_ok_and(is_right)
    }
}

const HEADER: [&str; 12] = [
    "contender",
    "on",
    "what is done",
    "acquisitions/s",
    "kills (of holders)",
    "stops",
    "told *recovered*",
    "two at once",
    "wrong outcomes",
    "tokens that fell",
    "not woken",
    "stuck",
];

/// Only ours say how a lock was got, and count.
fn numbers(report: &Report, tells: bool) -> Vec<String> {
    let seconds = report.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    let per_minute = |count: u64| match count {
        0 => "0".to_owned(),
        count => format!("**{count}** ({:.1}/min)", as_float(count) * 60.0 / seconds),
    };
    let told = |text: String| if tells { text } else { "–".to_owned() };
    vec![
        format!("{:.0}", as_float(report.acquisitions) / seconds),
        format!("{} ({})", report.kills, report.kills_inside),
        report.stops.to_string(),
        told(report.recoveries.to_string()),
        per_minute(report.overlaps),
        told(per_minute(report.wrong)),
        told(per_minute(report.fallen)),
        per_minute(report.not_woken),
        per_minute(report.stuck),
    ]
}

fn as_float(count: u64) -> f64 {
    // A count of things that happened within hours.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Renders the rows, and below them what was seen, in words.
pub fn table(rows: &[Row]) -> String {
    let mut text = line(HEADER.map(ToOwned::to_owned));
    text += &line(HEADER.map(|_| "---".to_owned()));
    for row in rows {
        text += &line(row.cells());
    }
    for row in rows {
        let Ok(report) = &row.report else { continue };
        for what in report.deaths.iter().chain(report.described.first()) {
            let Trial { contestant, ground, ordeal } = &row.trial;
            let _ = write!(text, "\n- {}, {ground}, {ordeal}: {what}", contestant.name);
        }
    }
    text
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    let mut text = "|".to_owned();
    for cell in cells {
        let _ = write!(text, " {cell} |");
    }
    text + "\n"
}
