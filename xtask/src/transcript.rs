//! Reads what `cargo test` prints and counts what happened.
//!
//! cargo announces each test program (`     Running …`, `   Doc-tests …`); libtest opens each run with
//! `running N tests` and closes it with `test result: …`. A run that is opened and never closed died, whatever the
//! exit code says: a test that calls `exit(0)` ends its program in seeming success.
//!
//! The output of failed tests stands between, and may itself look like libtest's. Hence two rules. A result line
//! counts only if its numbers add up to the N announced. The names of the failed are those of the last list before
//! the result line, if there are as many as it says; else those of the `test … FAILED` lines.
//!
//! What counts as failed is never less than what cargo reports: a program that fails without naming a test is one
//! failure, and so is a bad exit of cargo that nothing else explains.

use std::process::ExitStatus;

use crate::summary::Skip;

/// What all test programs together came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Includes tests that skipped themselves.
    pub(crate) passed: usize,
    /// `<program>: <test>` each, or what happened to a program as a whole.
    pub(crate) failed: Vec<String>,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: Vec<Skip>,
    /// The beginning of what each failed test printed.
    pub(crate) words: Vec<String>,
}

/// How much of what a failed test printed is kept, in lines: its message comes first.
const WORDS: usize = 20;

/// The output of `cargo test` as far as it has been read.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    totals: Totals,
    /// The test program that cargo announced last.
    program: String,
    /// How many failures were known when it was announced.
    failed_before: usize,
    run: Option<Run>,
    /// The last failure is that of a program, and cargo's next words say how it ended.
    awaits_cause: bool,
}

/// The lines of one test program between `running N tests` and its result.
#[derive(Debug, Default)]
struct Run {
    announced: usize,
    passed: usize,
    failed: Vec<String>,
    ignored: Vec<Skip>,
    /// The names below the last `failures:`.
    listed: Vec<String>,
    words: Vec<String>,
    /// How many more lines of the failed test at hand are kept.
    words_left: usize,
}

impl Transcript {
    /// Takes the next line.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(program) = announced_program(line) {
            self.end_open_run();
            self.program = program;
            self.failed_before = self.totals.failed.len();
            self.awaits_cause = false;
        } else if let Some(announced) = announced_run(line) {
            self.end_open_run();
            self.run = Some(Run { announced, ..Run::default() });
        } else if is_failed_program(line) {
            self.end_failed_program();
        } else if let Some(cause) = cause(line) {
            self.add_cause(cause);
        } else if let Some(run) = &mut self.run {
            match result_line(line).filter(|result| result.total() == run.announced) {
                Some(result) => self.end_run(&result),
                None => run.read(line),
            }
        }
    }

    /// Ends the reading; `status` is how `cargo test` itself ended.
    pub(crate) fn finish(mut self, status: ExitStatus) -> Totals {
        self.end_open_run();
        if !status.success() && self.totals.failed.is_empty() {
            self.totals.failed.push(format!("`cargo test` itself ({status})"));
        }
        self.totals
    }

    fn end_run(&mut self, result: &TestResult) {
        let Some(mut run) = self.run.take() else { return };
        self.totals.words.append(&mut run.words);
        let mut failed = if run.listed.len() == result.failed { run.listed } else { run.failed };
        failed.resize(result.failed, "a test whose name was lost".into());
        let mut ignored = run.ignored;
        ignored.resize(result.ignored, Skip { test: "a test".into(), reason: "ignored".into() });
        self.add(result.passed + result.measured, failed, ignored);
    }

    /// A run is still open where the next begins or all ends: its program died.
    fn end_open_run(&mut self) {
        let Some(mut run) = self.run.take() else { return };
        self.totals.words.append(&mut run.words);
        self.add(run.passed, run.failed, run.ignored);
        self.totals.failed.push(format!("{}: the test program ended without a result", self.program));
    }

    /// cargo says that the announced program failed; one that names no failed test is itself the failure.
    fn end_failed_program(&mut self) {
        let died = self.run.is_some();
        self.end_open_run();
        let unexplained = self.totals.failed.len() == self.failed_before;
        if unexplained {
            self.totals.failed.push(format!("{}: the test program failed, no test of it did", self.program));
        }
        self.awaits_cause = died || unexplained;
    }

    fn add_cause(&mut self, cause: &str) {
        if std::mem::take(&mut self.awaits_cause)
            && let Some(failure) = self.totals.failed.last_mut()
        {
            *failure = format!("{failure} ({cause})");
        }
    }

    fn add(&mut self, passed: usize, failed: Vec<String>, ignored: Vec<Skip>) {
        let program = &self.program;
        self.totals.passed += passed;
        self.totals.failed.extend(failed.into_iter().map(|test| format!("{program}: {test}")));
        self.totals.ignored.extend(
            ignored.into_iter().map(|skip| Skip { test: format!("{program}: {}", skip.test), ..skip }),
        );
    }
}

impl Run {
    fn read(&mut self, line: &str) {
        self.keep_words(line);
        if line == "failures:" {
            self.listed.clear();
        } else if let Some(name) = line.strip_prefix("    ") {
            self.listed.push(name.into());
        }
        match test_line(line) {
            Some((_, Verdict::Passed)) => self.passed += 1,
            Some((test, Verdict::Failed)) => self.failed.push(test.into()),
            Some((test, Verdict::Ignored(reason))) => {
                self.ignored.push(Skip { test: test.into(), reason: reason.into() });
            }
            None => {}
        }
    }

    /// A failed test's output stands below `---- NAME stdout ----`; where the panic came from is of no use without the test's sources
    /// at hand.
    fn keep_words(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" stdout ----") {
            self.words_left = WORDS;
        } else if line == "stack backtrace:" || line == "failures:" {
            self.words_left = 0;
        }
        if self.words_left > 0 && !line.is_empty() {
            self.words_left -= 1;
            self.words.push(line.to_owned());
        }
    }
}

/// The numbers of a line `test result: …`.
#[derive(Debug, PartialEq, Eq)]
struct TestResult {
    passed: usize,
    failed: usize,
    ignored: usize,
    measured: usize,
}

impl TestResult {
    fn total(&self) -> usize {
        self.passed + self.failed + self.ignored + self.measured
    }
}

/// Reads `test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.16s`.
fn result_line(line: &str) -> Option<TestResult> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts.split("; ").find_map(|part| part.strip_suffix(what)?.strip_suffix(' ')?.parse().ok())
    };
    Some(TestResult {
        passed: count("passed")?,
        failed: count("failed")?,
        ignored: count("ignored")?,
        measured: count("measured")?,
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict<'a> {
    Passed,
    Failed,
    /// With the reason in `#[ignore = "…"]`, or a word for its absence.
    Ignored(&'a str),
}

/// Reads `test NAME ... VERDICT`; the name is without what libtest adds to say how the test is run.
fn test_line(line: &str) -> Option<(&str, Verdict<'_>)> {
    let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = [" - should panic", " - compile fail", " - compile"]
        .iter()
        .find_map(|mode| name.strip_suffix(mode))
        .unwrap_or(name);
    let verdict = match verdict {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        "ignored" => Verdict::Ignored("ignored"),
        _ => Verdict::Ignored(verdict.strip_prefix("ignored, ")?),
    };
    Some((name, verdict))
}

/// Reads `running N tests`.
fn announced_run(line: &str) -> Option<usize> {
    let (count, noun) = line.strip_prefix("running ")?.split_once(' ')?;
    matches!(noun, "test" | "tests").then(|| count.parse().ok())?
}

/// Reads cargo's announcement of a test program: `it (tests/it/main.rs)`, `baton_lock (doc tests)`.
fn announced_program(line: &str) -> Option<String> {
    if let Some(library) = line.strip_prefix("   Doc-tests ") {
        return Some(format!("{library} (doc tests)"));
    }
    let (source, path) = line.strip_prefix("     Running ")?.strip_suffix(')')?.split_once(" (")?;
    let file = path.rsplit('/').next().unwrap_or(path);
    // cargo appends a hash to the file's name.
    let (name, _) = file.rsplit_once('-').unwrap_or((file, ""));
    Some(format!("{name} ({source})"))
}

/// Whether cargo reports the announced program as failed: ``error: test failed, to rerun pass `--lib` ``.
fn is_failed_program(line: &str) -> bool {
    line.starts_with("error: ") && line.contains("test failed, to rerun pass `")
}

/// Reads how a program ended from ``  process didn't exit successfully: `PATH` (signal: 9, SIGKILL: kill)``.
fn cause(line: &str) -> Option<&str> {
    let (_, cause) = line.strip_prefix("  process didn't exit successfully: `")?.split_once("` (")?;
    cause.strip_suffix(')')
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    const LIB: &str = "     Running unittests src/lib.rs (target/debug/deps/some-lib-3110576fc3c3c96d)\n\n";
    const RERUN: &str = "error: test failed, to rerun pass `-p some-lib --lib`\n";

    fn read(text: &str, exit_code: i32) -> Totals {
        let mut transcript = Transcript::default();
        text.lines().for_each(|line| transcript.read(line));
        transcript.finish(ExitStatus::from_raw(exit_code << 8))
    }

    fn result(passed: usize, failed: usize, ignored: usize) -> String {
        let word = if failed == 0 { "ok" } else { "FAILED" };
        format!(
            "\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; \
             3 filtered out; finished in 0.16s\n\n"
        )
    }

    #[test]
    fn numbers_of_a_result_line_are_read() {
        let counts = TestResult { passed: 12, failed: 2, ignored: 1, measured: 0 };
        assert_eq!(result_line(result(12, 2, 1).trim()), Some(counts));
    }

    #[test]
    fn a_cut_or_foreign_result_line_is_none() {
        assert_eq!(result_line("test result: ok. 4 passed; 0 failed"), None);
        assert_eq!(result_line("test result: ok. x passed; 0 failed; 0 ignored; 0 measured"), None);
        assert_eq!(result_line("my test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured"), None);
    }

    #[test]
    fn test_lines_lose_what_says_how_the_test_is_run() {
        assert_eq!(test_line("test a::b ... ok"), Some(("a::b", Verdict::Passed)));
        assert_eq!(test_line("test sp - should panic ... FAILED"), Some(("sp", Verdict::Failed)));
        let document = "test src/lib.rs - f (line 12) - compile fail ... FAILED";
        assert_eq!(test_line(document), Some(("src/lib.rs - f (line 12)", Verdict::Failed)));
        assert_eq!(test_line("test s ... ignored, too slow"), Some(("s", Verdict::Ignored("too slow"))));
        assert_eq!(test_line("test s ... what a child printed"), None);
    }

    #[test]
    fn programs_are_named_without_directory_and_hash() {
        let name = |line: &str| announced_program(line.trim_end());
        assert_eq!(name(LIB).as_deref(), Some("some-lib (unittests src/lib.rs)"));
        assert_eq!(name("   Doc-tests some_lib").as_deref(), Some("some_lib (doc tests)"));
        assert_eq!(name("Running tests/it.rs (x-1)"), None);
    }

    #[test]
    fn results_of_all_programs_are_added() {
        let text = format!(
            "{LIB}running 2 tests\ntest a ... ok\ntest b ... ok\n{}   Doc-tests some_lib\n\nrunning 1 test\n\
             test src/lib.rs - f (line 15) ... ignored\n{}",
            result(2, 0, 0),
            result(0, 0, 1),
        );
        let totals = read(&text, 0);
        assert_eq!((totals.passed, totals.failed.len()), (2, 0));
        let ignored =
            Skip { test: "some_lib (doc tests): src/lib.rs - f (line 15)".into(), reason: "ignored".into() };
        assert_eq!(totals.ignored, [ignored]);
    }

    #[test]
    fn failed_names_are_those_below_the_last_list_and_nothing_a_test_printed() {
        let text = format!(
            "{LIB}running 3 tests\ntest bad ... FAILED\ntest sp - should panic ... FAILED\ntest ok ... ok\n\n\
             failures:\n\n---- bad stdout ----\ntest result: ok. 4 passed; 0 failed; 0 ignored; 0 measured\n\
             failures:\n    zzz\ntest forged ... FAILED\n\nfailures:\n    bad\n    sp\n{}{RERUN}",
            result(1, 2, 0),
        );
        let totals = read(&text, 101);
        let failed = ["some-lib (unittests src/lib.rs): bad", "some-lib (unittests src/lib.rs): sp"];
        assert_eq!((totals.passed, totals.failed), (1, failed.map(String::from).to_vec()));
    }

    #[test]
    fn beginning_of_what_a_failed_test_printed_is_kept() {
        let long = "a line\n".repeat(30);
        let text = format!(
            "{LIB}running 2 tests\ntest bad ... FAILED\ntest sp ... FAILED\n\nfailures:\n\n---- bad stdout ----\n\nit \
             panicked\nstack backtrace:\n  0: somewhere\n\n---- sp stdout ----\n{long}\n\nfailures:\n    bad\n    sp\n{}{RERUN}",
            result(0, 2, 0),
        );
        let words = read(&text, 101).words;
        assert_eq!(words[..4], ["---- bad stdout ----", "it panicked", "---- sp stdout ----", "a line"]);
        assert_eq!(words.len(), 2 + WORDS);
    }

    #[test]
    fn as_many_fail_as_the_result_says_even_if_names_are_lost() {
        let totals = read(&format!("{LIB}running 2 tests\n{}{RERUN}", result(0, 2, 0)), 101);
        assert_eq!(totals.failed.len(), 2);
    }

    #[test]
    fn a_program_killed_by_a_signal_is_a_failure_with_its_cause() {
        let text = format!(
            "{LIB}running 3 tests\ntest x ... ok\ntest y ... FAILED\n{RERUN}\nCaused by:\n  process didn't exit \
             successfully: `/t/some-lib-3` (signal: 6, SIGABRT: process abort signal)\n   Doc-tests some_lib\n"
        );
        let totals = read(&text, 101);
        let died = "some-lib (unittests src/lib.rs): the test program ended without a result \
                    (signal: 6, SIGABRT: process abort signal)";
        assert_eq!(totals.failed, ["some-lib (unittests src/lib.rs): y", died]);
        assert_eq!(totals.passed, 1);
    }

    #[test]
    fn a_program_that_exits_with_success_in_mid_run_is_a_failure() {
        assert_eq!(read(&format!("{LIB}running 2 tests\ntest x ... ok\n"), 0).failed.len(), 1);
        let next = format!("{LIB}running 2 tests\n{LIB}running 0 tests\n{}", result(0, 0, 0));
        assert_eq!(read(&next, 0).failed.len(), 1);
    }

    #[test]
    fn a_program_that_fails_without_naming_a_test_is_a_failure() {
        let silent = format!(
            "{LIB}{RERUN}\nCaused by:\n  process didn't exit successfully: `/t/raw-f` (exit status: 3)"
        );
        let failed = read(&silent, 101).failed;
        assert_eq!(failed.len(), 1);
        assert!(failed[0].ends_with("(exit status: 3)"));

        let late = format!("{LIB}running 1 test\ntest x ... ok\n{}{RERUN}", result(1, 0, 0));
        assert_eq!(read(&late, 101).failed.len(), 1);
    }

    #[test]
    fn a_bad_exit_that_nothing_explains_is_a_failure() {
        assert_eq!(
            read("error: could not compile `x`", 101).failed,
            ["`cargo test` itself (exit status: 101)"]
        );
    }
}
