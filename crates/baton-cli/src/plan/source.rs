//! The text of a plan with its lines: where a byte stands, and the line with a mark under the culprit.
//!
//! Lines and columns count from 1, columns in characters as editors do (a tab is one). What is shown is escaped
//! character by character, so that a plan from elsewhere can't write to the terminal through its own error message, and the
//! mark is as long as what is shown. Long lines are shown around the culprit only.

use std::borrow::Cow;
use std::ops::Range;

use baton_lock::{escape, redact};

/// The most characters of a line that are shown: with the number before it, it fits a wide terminal.
const WIDTH: usize = 100;

/// The longest line, in bytes, of which anything is shown: to find its secrets all of it has to be searched, for each error on
/// it. Nobody writes longer ones by hand.
const MAX_LINE: usize = 4096;

/// The byte order mark that some editors begin a file with; it takes no column.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A text, and where its lines begin.
pub(super) struct Source<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// Where something stands: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A line as it is shown, and the mark below it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) line: String,
    pub(super) mark: String,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let first = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
        let later = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(first).chain(later).collect() }
    }

    /// The line of the byte at `at`, from 1.
    pub(super) fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|&start| start <= at).max(1)
    }

    /// Where the byte at `at` stands; one past the end is behind the last character.
    pub(super) fn position(&self, at: usize) -> Position {
        let line = self.line_of(at);
        let start = self.starts[line - 1];
        let before = self.text.get(start..at.max(start)).unwrap_or_default();
        Position { line, column: before.chars().count() + 1 }
    }

    /// The line that `span` begins in, marked from there to the span's end or the line's.
    ///
    /// A line with what looks like a secret is shown without it; if that comes before the culprit, all of the line is
    /// marked.
    pub(super) fn snippet(&self, span: &Range<usize>) -> Snippet {
        let Position { line, column } = self.position(span.start);
        let line = self.line(line);
        if line.len() > MAX_LINE {
            return Snippet { line: "…".to_owned(), mark: "^".to_owned() };
        }
        let covered = self.text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let culprit = column - 1..column - 1 + covered.chars().count();
        let redacted = if lists_secrets(line) { Cow::Borrowed(line) } else { redact::text(line) };
        let end: usize = line.chars().take(culprit.end).map(char::len_utf8).sum();
        let culprit = if redacted.starts_with(&line[..end]) { culprit } else { 0..redacted.chars().count() };
        window(&redacted.chars().collect::<Vec<_>>(), culprit)
    }

    fn line(&self, number: usize) -> &'a str {
        self.text[self.starts[number - 1]..].lines().next().unwrap_or_default()
    }
}

/// Whether a line is the list of the *names* of secrets, which redaction would take for the value of one.
fn lists_secrets(line: &str) -> bool {
    line.trim_start().strip_prefix("secrets").is_some_and(|rest| rest.trim_start().starts_with('='))
}

/// The part of a line around the culprit, safe to show, with its mark.
fn window(line: &[char], culprit: Range<usize>) -> Snippet {
    let first = if line.len() > WIDTH { culprit.start.saturating_sub(WIDTH / 2) } else { 0 };
    let last = line.len().min(first + WIDTH);
    let part = |from: usize, to: usize| -> String {
        line[from.min(last)..to.min(last)].iter().map(|&character| shown(character)).collect()
    };
    let width = |text: &str| text.chars().count();
    let (before, after) = (if first > 0 { "…" } else { "" }, if last < line.len() { "…" } else { "" });
    let indent = width(before) + width(&part(first, culprit.start));
    let marked = width(&part(culprit.start, culprit.end)).max(1);
    Snippet {
        line: [before, &part(first, last), after].concat(),
        mark: " ".repeat(indent) + &"^".repeat(marked),
    }
}

/// One character, safe to show.
fn shown(character: char) -> String {
    if character == '\t' { " ".to_owned() } else { escape::text(&character.to_string()).into_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snippet(text: &str, span: Range<usize>) -> (String, String) {
        let Snippet { line, mark } = Source::new(text).snippet(&span);
        (line, mark)
    }

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source::new("ab\r\näb\n");
        let at = |byte| (source.position(byte).line, source.position(byte).column);
        assert_eq!([at(0), at(1), at(4), at(6), at(8)], [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]);
    }

    #[test]
    fn byte_order_mark_takes_no_column() {
        assert_eq!(Source::new("\u{feff}ab").position(3), Position { line: 1, column: 1 });
        assert_eq!(Source::new("\u{feff}ab").position(0), Position { line: 1, column: 1 });
    }

    #[test]
    fn culprit_is_marked_and_what_is_empty_gets_one_mark() {
        assert_eq!(snippet("x\n\trun = 1\n", 3..6), (" run = 1".into(), " ^^^".into()));
        assert_eq!(snippet("run = ", 6..6), ("run = ".into(), "      ^".into()));
        assert_eq!(snippet("", 0..0), (String::new(), "^".into()));
    }

    #[test]
    fn span_of_several_lines_is_marked_to_the_end_of_its_first() {
        assert_eq!(snippet("a = [\n1,\n2]", 4..11), ("a = [".into(), "    ^".into()));
    }

    #[test]
    fn mark_stands_under_the_culprit_behind_escaped_characters() {
        assert_eq!(snippet("\u{1b}\\ x", 3..4), (r"\u{1b}\ x".into(), "        ^".into()));
    }

    #[test]
    fn long_line_is_shown_around_the_culprit() {
        let text = "a".repeat(500) + "X" + &"b".repeat(500);
        let (line, mark) = snippet(&text, 500..501);
        assert_eq!(line.chars().count(), WIDTH + 2);
        assert_eq!(line.chars().nth(mark.chars().count() - 1), Some('X'));
        assert_eq!(snippet(&"a".repeat(MAX_LINE + 1), 0..1), ("…".into(), "^".into()));
    }

    #[test]
    fn secret_on_the_line_is_not_shown() {
        let text = "env = { A = 3, API_TOKEN = \"abc\", B = 4 }";
        let shown = "env = { A = 3, API_TOKEN = \"<REDACTED>\", B = 4 }";
        assert_eq!(snippet(text, 12..13), (shown.into(), "            ^".into()));
        assert_eq!(snippet(text, 38..39), (shown.into(), "^".repeat(shown.len())));
        let names = "secrets = [\"A_TOKEN\", 1]";
        assert_eq!(snippet(names, 22..23).0, names);
    }

    proptest! {
        #[test]
        fn any_span_has_a_position_and_a_harmless_snippet(
            text in any::<String>(), start in 0_usize..40, length in 0_usize..40,
        ) {
            let source = Source::new(&text);
            let span = start.min(text.len())..(start + length).min(text.len());
            let Snippet { line, mark } = source.snippet(&span);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(mark.ends_with('^'));
            prop_assert!(source.position(span.start).line <= text.lines().count() + 1);
        }
    }
}
