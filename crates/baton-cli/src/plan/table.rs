//! Values of a TOML table, each with its place, read as the type that its key wants.
//!
//! A value that is not of its type is told and read as `None`, so that reading goes on and finds the next error.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::finding::{Collector, did_you_mean};
use crate::time;

/// A value with its place in the file.
pub(super) type Value<'s> = Spanned<DeValue<'s>>;

/// A table of a plan with its keys.
#[derive(Clone)]
pub(super) struct Table<'t, 's> {
    pub(super) entries: &'t DeTable<'s>,
    /// What stands for the table when something is missing from it: its header.
    pub(super) header: Range<usize>,
    /// What it is, for messages.
    pub(super) place: &'static str,
}

/// A string with its place in the file.
#[derive(Clone)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) span: Range<usize>,
}

impl<'t, 's> Table<'t, 's> {
    pub(super) fn get(&self, key: &str) -> Option<&'t Value<'s>> {
        self.entries.get(key)
    }

    /// The value of a key that has to be there.
    pub(super) fn required(
        &self,
        key: &str,
        expected: &str,
        findings: &mut Collector,
    ) -> Option<&'t Value<'s>> {
        let value = self.get(key);
        if value.is_none() {
            let found = format!("{} has no `{key}`", self.place);
            findings.add_consequence(self.header.clone(), found, expected);
        }
        value
    }

    /// Tells of every key that is not among those known.
    pub(super) fn refuse_unknown(&self, known: &[&str], findings: &mut Collector) {
        for key in self.entries.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let suggestion = did_you_mean(key.get_ref(), known.iter().copied());
            let found = format!("unknown key `{}` in {}{suggestion}", key.get_ref(), self.place);
            findings.add(key.span(), found, format!("one of {}", listed(known)));
        }
    }

    /// The string of a key, if the key is there.
    pub(super) fn text(&self, key: &str, findings: &mut Collector) -> Option<Text<'t>> {
        text(self.get(key)?, key, "a string", findings)
    }

    /// The truth value of a key, if the key is there.
    pub(super) fn boolean(&self, key: &str, findings: &mut Collector) -> Option<bool> {
        let value = self.get(key)?;
        let read = value.get_ref().as_bool();
        if read.is_none() {
            wrong_type(value, key, "true or false", findings);
        }
        read
    }

    /// The length of time of a key, if the key is there: a string, or a number of seconds.
    pub(super) fn time(&self, key: &str, findings: &mut Collector) -> Option<Duration> {
        const EXPECTED: &str = "a time such as \"30s\", \"1m30s\", \"250ms\", or a number of seconds";
        let value = self.get(key)?;
        let Some(written) = written_time(value.get_ref()) else {
            wrong_type(value, key, EXPECTED, findings);
            return None;
        };
        let read = time::parse(&written);
        if read.is_err() {
            findings.add(
                value.span(),
                format!("`{key}` is `{written}`, which is no length of time"),
                EXPECTED,
            );
        }
        read.ok()
    }

    /// The whole number of a key, at most `limit`, if the key is there.
    pub(super) fn count(&self, key: &str, limit: u32, findings: &mut Collector) -> Option<u32> {
        let expected = format!("a whole number from 0 to {limit}");
        let value = self.get(key)?;
        let Some(number) = value.get_ref().as_integer() else {
            wrong_type(value, key, &expected, findings);
            return None;
        };
        let read =
            u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|&number| number <= limit);
        if read.is_none() {
            findings.add(value.span(), format!("`{key}` is {number}"), expected);
        }
        read
    }

    /// The strings of an array of a key, none if the key is not there. Each that is twice there is told.
    pub(super) fn names(&self, key: &str, findings: &mut Collector) -> Vec<Text<'t>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let mut names = texts(value, key, "an array of strings", findings);
        names.retain(|name| {
            let first = seen.insert(name.text);
            if !first {
                let found = format!("`{}` is twice in `{key}`", name.text);
                findings.add(name.span.clone(), found, "each name once");
            }
            first
        });
        names
    }
}

/// A length of time as it would be typed; a number as a plain one, however TOML spells it (`0x1e`, `1_000`, `3e1`).
fn written_time(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let plain = i128::from_str_radix(number.as_str(), number.radix());
            Some(plain.map_or_else(|_| number.to_string(), |number| number.to_string()))
        }
        DeValue::Float(number) => Some(
            number.as_str().parse().map_or_else(|_| number.to_string(), |number: f64| number.to_string()),
        ),
        _ => None,
    }
}

/// The strings of an array; whatever is none is told.
pub(super) fn texts<'t>(
    value: &'t Value<'_>,
    key: &str,
    expected: &str,
    findings: &mut Collector,
) -> Vec<Text<'t>> {
    let Some(array) = value.get_ref().as_array() else {
        wrong_type(value, key, expected, findings);
        return Vec::new();
    };
    let element = format!("{key}[]");
    array.iter().filter_map(|value| text(value, &element, "a string", findings)).collect()
}

/// A string without NUL, which no argument and no variable can hold.
pub(super) fn text<'t>(
    value: &'t Value<'_>,
    key: &str,
    expected: &str,
    findings: &mut Collector,
) -> Option<Text<'t>> {
    let Some(text) = value.get_ref().as_str() else {
        wrong_type(value, key, expected, findings);
        return None;
    };
    if text.contains('\0') {
        findings.add(value.span(), format!("`{key}` contains a NUL character"), "a string without one");
        return None;
    }
    Some(Text { text, span: value.span() })
}

pub(super) fn wrong_type(value: &Value<'_>, key: &str, expected: &str, findings: &mut Collector) {
    let found = format!("`{key}` is {}", type_name(value.get_ref()));
    findings.add(value.span(), found, expected);
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Names in backticks, with commas.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
