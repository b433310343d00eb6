//! A plan file's text as a [`Plan`], or everything that is wrong with it.
//!
//! Ids and facts are gathered first ([`declared`]), so that a step can be told that a fact it uses is declared only later; then each
//! step is read on its own. Reading goes on after an error, as far as there is something to read.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declared::Declared;
use super::defaults::{self, Defaults, Version};
use super::finding::{Collector, Findings};
use super::model::{Plan, Step};
use super::source::Source;
use super::step::{self, Surroundings};
use super::table::{Table, wrong_type};

/// What the steps are, for messages.
const STEPS: &str = "at least one `[[step]]`, in double brackets";

/// Reads the text of the plan file at `path`, which is absolute; `shown` is how messages call it.
pub(super) fn parse(text: &str, path: &Path, shown: &Path) -> Result<Plan, Findings> {
    let source = Source::new(text);
    let mut findings = Collector::default();
    let (document, broken) = DeTable::parse_recoverable(text);
    for error in &broken {
        add_broken(error, text, &mut findings);
    }
    let top = Table { entries: document.get_ref(), header: 0..0, place: "the plan" };
    let plan = match defaults::version(&top, &mut findings) {
        Version::Known => plan(&top, text, &source, path, &mut findings),
        Version::Foreign => None,
    };
    match plan {
        Some(plan) if findings.is_empty() => Ok(plan),
        _ => Err(findings.finish(shown, &source)),
    }
}

/// A TOML error says what it found and, behind a comma, what it expected.
fn add_broken(error: &toml::de::Error, text: &str, findings: &mut Collector) {
    let span = error.span().unwrap_or_default();
    let (found, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
    match (found, expected) {
        ("duplicate key", _) => {
            let key = text.get(span.clone()).unwrap_or_default();
            findings.add_broken(span, format!("duplicate key `{key}`"), "each key once in its table");
        }
        (_, "") => findings.add_broken(span, found, "TOML"),
        _ => findings.add_broken(span, found, expected),
    }
}

fn plan(
    top: &Table<'_, '_>,
    text: &str,
    source: &Source<'_>,
    path: &Path,
    findings: &mut Collector,
) -> Option<Plan> {
    let defaults = defaults::read(top, text, findings);
    let tables = step_tables(top, findings);
    let steps = steps(&tables, &defaults, text, source, path, findings);
    Some(Plan { path: path.to_owned(), name: defaults.name?, description: defaults.description, steps })
}

fn steps(
    tables: &[Table<'_, '_>],
    defaults: &Defaults,
    text: &str,
    source: &Source<'_>,
    path: &Path,
    findings: &mut Collector,
) -> Vec<Step> {
    let lines: Vec<_> = tables.iter().map(|table| source.line_of(table.header.start)).collect();
    let surroundings = Surroundings {
        directory: path.parent().unwrap_or(path),
        defaults,
        declared: &Arc::new(declared(tables)),
        text,
        source,
        lines: &lines,
    };
    let read = |(at, table)| step::read(table, at, &surroundings, findings);
    tables.iter().enumerate().filter_map(read).collect()
}

/// The tables of the steps; whatever is none is told.
fn step_tables<'t, 's>(top: &Table<'t, 's>, findings: &mut Collector) -> Vec<Table<'t, 's>> {
    let Some(value) = top.required("step", STEPS, findings) else { return Vec::new() };
    let Some(array) = value.get_ref().as_array() else {
        wrong_type(value, "step", STEPS, findings);
        return Vec::new();
    };
    if array.is_empty() {
        findings.add(value.span(), "the plan has no steps", STEPS);
    }
    array.iter().filter_map(|value| step_table(value, findings)).collect()
}

fn step_table<'t, 's>(value: &'t Spanned<DeValue<'s>>, findings: &mut Collector) -> Option<Table<'t, 's>> {
    let Some(entries) = value.get_ref().as_table() else {
        wrong_type(value, "step[]", "a table", findings);
        return None;
    };
    Some(Table { entries, header: value.span(), place: "the step" })
}

/// Ids and facts by position, of any type that can be made out; what is wrong with them is told by each step.
fn declared(tables: &[Table<'_, '_>]) -> Declared {
    let mut declared = Declared::default();
    for table in tables {
        let id = table.get("id").and_then(|id| id.get_ref().as_str()).unwrap_or_default();
        let outputs = table.get("outputs").and_then(|outputs| outputs.get_ref().as_array());
        let keys = outputs.into_iter().flat_map(|array| array.iter());
        declared.add(id, keys.filter_map(|key| key.get_ref().as_str()));
    }
    declared
}
