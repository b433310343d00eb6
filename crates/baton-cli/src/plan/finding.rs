//! What is wrong with a plan: every error at once, in the order of the file, each with its place.
//!
//! A plan is corrected in an editor, so each finding says file, line and column in the form that editors and terminals
//! link, what was found, what was expected instead, and shows the line with a mark under the culprit.
//!
//! One mistake should be one finding. Behind a TOML error whole tables may be missing from what the parser could
//! still make out, so then nothing is said that may only be its consequence ([`Nature::Consequence`]): a missing key, a
//! fact that nobody declares. What is wrong by itself, such as an unknown key, is still said, so that it needn't be found
//! in a second round.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use baton_lock::escape;
use serde::Serialize;

use super::source::{Position, Source};

/// The most findings that are kept; a file with more is no plan, and nobody reads them.
const MAX_KEPT: usize = 100;

/// One thing that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What was found, safe to show.
    pub found: String,
    /// What was expected instead, safe to show.
    pub expected: String,
    /// The line, or the part of it around the culprit, safe to show.
    pub shown: String,
    /// The marks that stand below it.
    pub mark: String,
}

/// Everything that is wrong with a plan, in the order of the file.
///
/// Its text has several lines: how many there are, then each with its line shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    file: String,
    list: Vec<Finding>,
    left_out: usize,
}

impl Findings {
    /// What was found, in the order of the file.
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// How many more there are than are kept.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len() + self.left_out;
        let errors = if count == 1 { "error" } else { "errors" };
        write!(f, "{count} {errors} in the plan `{}`", self.file)?;
        for finding in &self.list {
            let Finding { line, column, found, expected, shown, mark } = finding;
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{}:{line}:{column}: {found}", self.file)?;
            write!(f, "\n  {number} | {shown}\n  {margin} | {mark} expected {expected}")?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

/// Whether something is wrong by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// It is wrong whatever else is.
    Own,
    /// It may come of an error elsewhere: something that should be there was not readable.
    Consequence,
}

/// Collects what is wrong while a plan is read.
#[derive(Debug, Default)]
pub(super) struct Collector {
    found: Vec<Raw>,
    broken: Vec<Raw>,
}

#[derive(Debug)]
struct Raw {
    span: Range<usize>,
    nature: Nature,
    found: String,
    expected: String,
}

impl Collector {
    /// Something that is wrong by itself. Both texts are escaped here.
    pub(super) fn add(&mut self, span: Range<usize>, found: impl AsRef<str>, expected: impl AsRef<str>) {
        self.found.push(Raw::new(span, Nature::Own, found.as_ref(), expected.as_ref()));
    }

    /// Something that may only be the consequence of another error.
    pub(super) fn add_consequence(
        &mut self,
        span: Range<usize>,
        found: impl AsRef<str>,
        expected: impl AsRef<str>,
    ) {
        self.found.push(Raw::new(span, Nature::Consequence, found.as_ref(), expected.as_ref()));
    }

    /// A place where the file is no TOML.
    pub(super) fn add_broken(
        &mut self,
        span: Range<usize>,
        found: impl AsRef<str>,
        expected: impl AsRef<str>,
    ) {
        self.broken.push(Raw::new(span, Nature::Own, found.as_ref(), expected.as_ref()));
    }

    /// Whether there is more than anybody reads, so that what takes long to say can be left out.
    pub(super) fn is_flooded(&self) -> bool {
        self.found.len() > MAX_KEPT
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.broken.is_empty()
    }

    /// Everything with its place, in the order of the file.
    pub(super) fn finish(mut self, file: &Path, source: &Source<'_>) -> Findings {
        let line = |raw: &Raw| source.line_of(raw.span.start);
        // The parser finds its way again at the next line; what it meets before that comes of the same mistake.
        self.broken.sort_by_key(|raw| raw.span.start);
        self.broken.dedup_by_key(|raw| line(raw));
        if !self.broken.is_empty() {
            let broken: Vec<usize> = self.broken.iter().map(line).collect();
            self.found.retain(|raw| raw.nature == Nature::Own && broken.binary_search(&line(raw)).is_err());
        }
        let mut all = self.broken;
        all.append(&mut self.found);
        all.sort_by_key(|raw| raw.span.start);
        let left_out = all.len().saturating_sub(MAX_KEPT);
        let list = all.into_iter().take(MAX_KEPT).map(|raw| raw.placed(source)).collect();
        Findings { file: escape::text(&file.to_string_lossy()).into_owned(), list, left_out }
    }
}

impl Raw {
    fn new(span: Range<usize>, nature: Nature, found: &str, expected: &str) -> Self {
        let shown = |text: &str| escape::text(&shortened(text)).into_owned();
        Self { span, nature, found: shown(found), expected: shown(expected) }
    }

    fn placed(self, source: &Source<'_>) -> Finding {
        let Position { line, column } = source.position(self.span.start);
        let snippet = source.snippet(&self.span);
        Finding {
            line,
            column,
            found: self.found,
            expected: self.expected,
            shown: snippet.line,
            mark: snippet.mark,
        }
    }
}

/// The most characters of what was found or expected; room for a list of all keys of a step.
const MAX_TEXT: usize = 240;

/// A text cut in its middle, since what it quotes may be as long as the file.
fn shortened(text: &str) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= MAX_TEXT {
        return Cow::Borrowed(text);
    }
    let head = text.chars().take(MAX_TEXT / 2);
    let tail = text.chars().skip(length - MAX_TEXT / 2);
    Cow::Owned(head.chain(['…']).chain(tail).collect())
}

/// The longest word, in bytes, that is compared: no key is longer, and the comparison takes memory.
const MAX_COMPARED: usize = 100;

/// The most candidates that are compared, so that a file full of names doesn't take for ever.
const MAX_CANDIDATES: usize = 1000;

/// `, did you mean …?` if one of the candidates is so near that it may be meant, else nothing.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    if word.len() > MAX_COMPARED {
        return String::new();
    }
    let best = candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), candidate), candidate))
        .filter(|&(distance, candidate)| distance * 3 <= candidate.len().max(3))
        .min();
    best.map(|(_, candidate)| format!(", did you mean `{candidate}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(collector: Collector, text: &str) -> Findings {
        collector.finish(Path::new("p.toml"), &Source::new(text))
    }

    #[test]
    fn findings_are_told_in_the_order_of_the_file_with_their_lines() {
        let mut collector = Collector::default();
        collector.add(7..8, "`b` is an integer", "a string");
        collector.add(0..1, "unknown key `a`", "`id`");
        assert_eq!(
            finish(collector, "a = 1\n\nb = 2").to_string(),
            "2 errors in the plan `p.toml`\n\
             p.toml:1:1: unknown key `a`\n  1 | a = 1\n    | ^ expected `id`\n\
             p.toml:3:1: `b` is an integer\n  3 | b = 2\n    | ^ expected a string"
        );
    }

    #[test]
    fn consequences_of_a_broken_line_are_not_told() {
        let mut collector = Collector::default();
        collector.add_broken(0..1, "unclosed", "`]`");
        collector.add_broken(2..3, "unexpected", "a value");
        collector.add(1..2, "on the broken line", "x");
        collector.add_consequence(4..5, "missing `id`", "x");
        collector.add(5..6, "unknown key", "x");
        let findings = finish(collector, "abc\nde\n");
        let told: Vec<_> = findings.list().iter().map(|finding| finding.found.as_str()).collect();
        assert_eq!(told, ["unclosed", "unknown key"]);
    }

    #[test]
    fn flood_of_findings_is_counted_beyond_the_first() {
        let mut collector = Collector::default();
        for _ in 0..MAX_KEPT + 7 {
            collector.add(0..0, "x", "y");
        }
        let findings = finish(collector, "");
        assert_eq!((findings.list().len(), findings.left_out()), (MAX_KEPT, 7));
        assert!(
            findings.to_string().starts_with("107 errors") && findings.to_string().ends_with("and 7 more")
        );
    }

    #[test]
    fn quoted_text_is_cut_in_its_middle() {
        let mut collector = Collector::default();
        collector.add(0..0, format!("unknown key `{}` in the plan", "ä".repeat(1000)), "x");
        let found = finish(collector, "").list()[0].found.clone();
        assert!(found.starts_with("unknown key `ä") && found.ends_with("` in the plan"), "{found}");
        assert_eq!(found.chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let suggest = |word| did_you_mean(word, ["check", "cwd", "env", "timeout"]);
        assert_eq!(suggest("chek"), ", did you mean `check`?");
        assert_eq!(suggest("Timeout"), ", did you mean `timeout`?");
        assert_eq!(suggest("evn"), ", did you mean `env`?");
        assert_eq!(suggest("needs"), "");
    }
}
