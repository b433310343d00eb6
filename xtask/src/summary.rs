//! What a run of the tests comes to: the skipped with their reasons, what the failed said, their names, and the last line.
//!
//! A test that skipped itself has passed in libtest's eyes. With L lines in the skip log and I ignored tests, what
//! is reported is `passed - L` and `L + I` skipped.

use std::{
    fmt,
    io::{self, Write},
};

use crate::{transcript::Totals, verbs::Outcome};

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) test: String,
    pub(crate) reason: String,
}

/// Whether a run with skips may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipPolicy {
    /// A contributor's machine need not have everything.
    Allowed,
    /// With `CI=true`: a skip there is a hole in what was tested.
    Fatal,
}

/// What a run came to; its `Display` is the last line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<Skip>,
    words: Vec<String>,
}

impl Summary {
    /// Joins what libtest said with what the tests wrote to the skip log.
    pub(crate) fn new(totals: Totals, skip_log: &str) -> Self {
        let mut skipped = logged_skips(skip_log);
        let passed = totals.passed.saturating_sub(skipped.len());
        skipped.extend(totals.ignored);
        Self { passed, failed: totals.failed, skipped, words: totals.words }
    }

    /// A run that came to nothing, for the reason `what`.
    pub(crate) fn of_failure(what: String) -> Self {
        Self { failed: vec![what], ..Self::default() }
    }

    /// Prints the report, whose last line is the summary, and says how the run ended.
    pub(crate) fn conclude(&self, policy: SkipPolicy) -> Outcome {
        match self.report(policy, &mut io::stdout().lock()) {
            Ok(()) => self.outcome(policy),
            // A report that nobody could read is no success.
            Err(_) => Outcome::Failed,
        }
    }

    fn outcome(&self, policy: SkipPolicy) -> Outcome {
        if !self.failed.is_empty() || self.has_fatal_skips(policy) { Outcome::Failed } else { Outcome::Done }
    }

    fn has_fatal_skips(&self, policy: SkipPolicy) -> bool {
        policy == SkipPolicy::Fatal && !self.skipped.is_empty()
    }

    fn report(&self, policy: SkipPolicy, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        for Skip { test, reason } in &self.skipped {
            writeln!(out, "skipped: {test}: {reason}")?;
        }
        for words in &self.words {
            writeln!(out, "{words}")?;
        }
        for failed in &self.failed {
            writeln!(out, "failed: {failed}")?;
        }
        if self.has_fatal_skips(policy) {
            writeln!(out, "a skipped test counts as a failure here, because `CI` is `true`")?;
        }
        writeln!(out, "{self}")?;
        out.flush()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped, .. } = self;
        write!(f, "{passed} passed, {} failed, {} skipped", failed.len(), skipped.len())
    }
}

/// The lines `<test name>\t<reason>` of the skip log; a line without a tab is a skip without a reason.
fn logged_skips(log: &str) -> Vec<Skip> {
    log.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once('\t').unwrap_or((line, "no reason given")))
        .map(|(test, reason)| Skip { test: test.into(), reason: reason.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(test: &str, reason: &str) -> Skip {
        Skip { test: test.into(), reason: reason.into() }
    }

    fn printed(summary: &Summary, policy: SkipPolicy) -> String {
        let mut out = Vec::new();
        summary.report(policy, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("the report is text")
    }

    #[test]
    fn each_line_of_the_log_is_a_skip() {
        let log = "a::b\tno `strace`\n\nc\nd\tneeds\ta tab\n";
        let expected = [skip("a::b", "no `strace`"), skip("c", "no reason given"), skip("d", "needs\ta tab")];
        assert_eq!(logged_skips(log), expected);
    }

    #[test]
    fn logged_skips_leave_the_passed_and_join_the_ignored() {
        let totals = Totals {
            passed: 5,
            failed: vec!["x".into()],
            ignored: vec![skip("slow", "ignored")],
            ..Totals::default()
        };
        let summary = Summary::new(totals, "a\tone\nb\ttwo\n");
        assert_eq!(summary.to_string(), "3 passed, 1 failed, 3 skipped");
    }

    #[test]
    fn more_skips_than_passed_tests_is_not_below_zero() {
        assert_eq!(Summary::new(Totals::default(), "a\tb\n").to_string(), "0 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn skips_fail_a_run_in_ci_alone_and_it_is_said() {
        let summary = Summary::new(Totals { passed: 1, ..Totals::default() }, "a\tno `strace`\n");
        assert_eq!(summary.outcome(SkipPolicy::Allowed), Outcome::Done);
        assert_eq!(summary.outcome(SkipPolicy::Fatal), Outcome::Failed);
        assert!(!printed(&summary, SkipPolicy::Allowed).contains("`CI`"));
        assert!(printed(&summary, SkipPolicy::Fatal).contains("`CI`"));
    }

    #[test]
    fn no_skip_and_no_failure_succeeds_in_ci() {
        assert_eq!(Summary::default().outcome(SkipPolicy::Fatal), Outcome::Done);
    }

    #[test]
    fn the_last_line_is_the_counts_below_every_name() {
        let summary = Summary {
            passed: 2,
            failed: vec!["p: q".into()],
            skipped: vec![skip("r", "s")],
            words: vec!["q: panicked".into()],
        };
        let text = printed(&summary, SkipPolicy::Fatal);
        assert_eq!(text.lines().next_back(), Some("2 passed, 1 failed, 1 skipped"));
        assert!(text.contains("\nskipped: r: s\nq: panicked\nfailed: p: q\n"));
    }

    #[test]
    fn a_failure_of_the_whole_run_is_one_failure() {
        let summary = Summary::of_failure("no build".into());
        assert_eq!(summary.to_string(), "0 passed, 1 failed, 0 skipped");
        assert_eq!(summary.outcome(SkipPolicy::Allowed), Outcome::Failed);
    }
}
