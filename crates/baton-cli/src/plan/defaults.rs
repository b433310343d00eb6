//! The keys that stand above the steps: what the plan is called, and what every step starts from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::finding::Collector;
use super::names;
use super::table::{Table, Text, text, wrong_type};
use super::template::{self, Template};

/// The version of plan files that is read.
const VERSION: u32 = 1;

/// The keys above the steps.
pub(super) const KEYS: &[&str] = &["version", "name", "description", "cwd", "env", "secrets", "step"];

/// What a plan says above its steps.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) cwd: Option<Template>,
    pub(super) env: BTreeMap<String, Template>,
    pub(super) secrets: BTreeSet<String>,
}

/// Whether the rest of the file can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// It is of the version that is read here, or is to be read as if it were.
    Known,
    /// It is of another one, in which anything may be different.
    Foreign,
}

/// Judges `version`.
pub(super) fn version(top: &Table<'_, '_>, findings: &mut Collector) -> Version {
    let expected = format!("`version = {VERSION}`");
    let Some(value) = top.required("version", &expected, findings) else { return Version::Known };
    let Some(number) = value.get_ref().as_integer() else {
        wrong_type(value, "version", &expected, findings);
        return Version::Known;
    };
    let number = i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX);
    if number == i128::from(VERSION) {
        return Version::Known;
    }
    let found = if number > i128::from(VERSION) {
        format!("the plan is of version {number}, which is newer than this program; a newer Baton reads it")
    } else {
        format!("the plan is of version {number}, which never was")
    };
    findings.add(value.span(), found, expected);
    Version::Foreign
}

/// Reads everything above the steps but `version`. `source` is the text of the file.
pub(super) fn read(top: &Table<'_, '_>, source: &str, findings: &mut Collector) -> Defaults {
    top.refuse_unknown(KEYS, findings);
    let expected = "`name = \"…\"`, which names the lock and the session";
    let name = top.required("name", expected, findings).and_then(|value| {
        let name = text(value, "name", "a string", findings)?;
        checked_name(&name, "name", findings)
    });
    Defaults {
        name,
        description: top.text("description", findings).map(|text| text.text.to_owned()),
        cwd: directory(top, findings).map(|text| plain(&text, source, findings)),
        env: settings(top, findings)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), plain(&value, source, findings)))
            .collect(),
        secrets: secrets(top, findings),
    }
}

/// A name by the rule of locks, since it becomes part of file names.
pub(super) fn checked_name(name: &Text<'_>, key: &str, findings: &mut Collector) -> Option<String> {
    match baton_lock::state_dir::check_name(name.text) {
        Ok(()) => Some(name.text.to_owned()),
        Err(reason) => {
            let found = format!("`{key}` is `{}`: {reason}", name.text);
            findings.add(name.span.clone(), found, "1 to 100 of A-Z a-z 0-9 . _ - without a leading dot");
            None
        }
    }
}

/// `cwd`, if it is there.
pub(super) fn directory<'t>(table: &Table<'t, '_>, findings: &mut Collector) -> Option<Text<'t>> {
    let cwd = table.text("cwd", findings)?;
    if cwd.text.is_empty() {
        findings.add(cwd.span, "`cwd` is empty", "a directory; `.` is that of the plan file");
        return None;
    }
    Some(cwd)
}

/// The variables of `env`.
pub(super) fn settings<'t>(table: &Table<'t, '_>, findings: &mut Collector) -> Vec<(&'t str, Text<'t>)> {
    let Some(value) = table.get("env") else { return Vec::new() };
    let Some(env) = value.get_ref().as_table() else {
        wrong_type(value, "env", "a table of strings", findings);
        return Vec::new();
    };
    let mut settings = Vec::new();
    for (name, value) in env {
        let key = name.get_ref().as_ref();
        if let Some(expected) = names::refused_setting(key) {
            findings.add(name.span(), format!("`env` can't set `{key}`"), expected);
        }
        if let Some(value) = text(value, &format!("env.{key}"), "a string", findings) {
            settings.push((key, value));
        }
    }
    settings
}

/// The names in `secrets`.
pub(super) fn secrets(table: &Table<'_, '_>, findings: &mut Collector) -> BTreeSet<String> {
    let names = table.names("secrets", findings);
    for name in names.iter().filter(|name| !names::is_variable(name.text)) {
        let found = format!("`{}` in `secrets` is not the name of a variable", name.text);
        findings.add(name.span.clone(), found, names::VARIABLE);
    }
    names.into_iter().map(|name| name.text.to_owned()).collect()
}

/// A string above the steps, where no fact is known yet.
fn plain(text: &Text<'_>, source: &str, findings: &mut Collector) -> Template {
    let template = template(text, source, findings);
    for (key, at) in template.references() {
        let span = place(text, &at, source, findings);
        let found = format!("`${{facts.{key}}}` above the steps, where no step has published anything");
        findings.add(span, found, "a string without facts, or the same key in the steps that need it");
    }
    template
}

/// Reads a string with references; its faults are told.
pub(super) fn template(text: &Text<'_>, source: &str, findings: &mut Collector) -> Template {
    let (template, faults) = Template::parse(text.text);
    for fault in faults {
        findings.add(
            template::place(source, &text.span, text.text, &fault.at),
            fault.found,
            template::EXPECTED,
        );
    }
    template
}

/// The place of a part of a string in the file; the whole string once that takes too long to find out.
pub(super) fn place(
    text: &Text<'_>,
    part: &Range<usize>,
    source: &str,
    findings: &Collector,
) -> Range<usize> {
    if findings.is_flooded() {
        return text.span.clone();
    }
    template::place(source, &text.span, text.text, part)
}
