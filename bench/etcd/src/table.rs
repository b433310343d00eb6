//! A table whose rows are no samples of the same thing: what was counted, not timed.

use serde_json::{Value, json};

/// Rows of cells below a head.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, head: &[&str]) -> Self {
        Self { title: title.into(), head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    pub(crate) fn as_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = "|---".repeat(self.head.len());
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("\n### {}\n\n{}{rule}|\n{rows}", self.title, line(&self.head))
    }

    pub(crate) fn as_json(&self) -> Value {
        json!({ "title": self.title, "head": self.head, "rows": self.rows })
    }
}

/// With three figures that mean something.
pub(crate) fn number(value: f64) -> String {
    // What is nothing is no less than nothing.
    let value = if value == 0.0 { 0.0 } else { value };
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_head_a_rule_and_its_rows() {
        let mut table = Table::new("t", &["a", "b"]);
        table.rows.push(vec![number(123.4), number(0.126)]);
        assert_eq!(table.as_markdown(), "\n### t\n\n| a | b |\n|---|---|\n| 123 | 0.13 |\n");
    }
}
