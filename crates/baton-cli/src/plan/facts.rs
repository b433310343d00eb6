//! The file in which a step publishes its facts (`$BATON_OUTPUT`).
//!
//! ```text
//! port=8080
//! notes<<END
//! several
//! lines
//! END
//! ```
//!
//! A line is `key=value`; the value is everything behind the first `=`, as it is, to the end of the line. Between `key<<WORD`
//! and a line that is `WORD` alone, the lines are the value, joined by line feeds. Empty lines mean nothing. A carriage
//! return before a line feed belongs to the line's end. The last line needs no line feed. A key that is published twice has its last
//! value. There are no comments, no quotes and no escapes: what a shell's `echo "key=$value"` writes is what is read.
//!
//! The whole file is refused for one wrong line: a fact that is silently missing would surface in some later step. Only
//! what the step declares in `outputs` may be in it, so that a step that passes on what it was given by others can't set
//! variables of later steps.
//!
//! Facts are kept in the session, in clear, since later attempts need them. So one that is or contains a secret is refused,
//! rather than written to disk or silently replaced. No message repeats a value.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use baton_lock::{escape, redact};

use super::finding::did_you_mean;
use super::invocation::Facts;
use super::names;
use super::read::{self, Refusal};

/// The largest file of facts, in bytes. As a variable a value must stay below the kernel's 128 KiB for one string.
pub const MAX_FILE: usize = 64 * 1024;

/// Why a step's facts were not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read.
    #[error("cannot read the facts {}", escape::path(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no file that could hold facts.
    #[error("{} can't hold facts: it is {found}", escape::path(path))]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
    },
    /// A line of it is wrong.
    #[error("{} line {line}: {reason}", escape::path(path))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it and what was expected, without the value.
        reason: String,
    },
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    reason: String,
}

/// What a step may publish.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The facts that it declares in `outputs`.
    pub outputs: &'a BTreeSet<String>,
    /// The values of its secrets; empty ones are ignored.
    pub secrets: &'a [String],
}

/// Reads the facts that a step has published; none if there is no file.
///
/// # Errors
///
/// [`Error`], for the first line that is wrong.
pub fn read(path: &Path, rules: Rules<'_>) -> Result<Facts, Error> {
    let content = match read::regular(path, MAX_FILE) {
        Ok(content) => content,
        Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(Facts::new()),
        Err(refusal) => return Err(refused(path, refusal)),
    };
    parse(&content, rules).map_err(|Fault { line, reason }| Error::Line {
        path: path.to_owned(),
        line,
        reason,
    })
}

fn refused(path: &Path, refusal: Refusal) -> Error {
    let path = path.to_owned();
    match refusal {
        Refusal::Io(source) => Error::Unreadable { path, source },
        Refusal::NotRegular(found) => Error::NotAFile { path, found: found.to_owned() },
        Refusal::TooLarge => Error::NotAFile { path, found: format!("larger than {} KiB", MAX_FILE / 1024) },
    }
}

/// A line with its number, from 1.
type Line<'a> = (usize, &'a str);

fn parse(content: &[u8], rules: Rules<'_>) -> Result<Facts, Fault> {
    let text = text(content)?;
    let mut lines = (1..).zip(text.lines());
    let mut facts = Facts::new();
    while let Some(line) = lines.next() {
        if line.1.is_empty() {
            continue;
        }
        let (key, value) = fact(line, &mut lines)?;
        check(line.0, key, &value, rules)?;
        facts.insert(key.to_owned(), value);
    }
    Ok(facts)
}

/// The content as text without NUL, which no variable can hold.
fn text(content: &[u8]) -> Result<&str, Fault> {
    let fault = |at: usize, reason: &str| {
        let line = content[..at].split(|&byte| byte == b'\n').count();
        Fault { line, reason: reason.to_owned() }
    };
    let text = str::from_utf8(content).map_err(|error| {
        fault(error.valid_up_to(), "it is not UTF-8; encode other bytes, for example as base64")
    })?;
    match text.find('\0') {
        Some(at) => Err(fault(at, "it has a NUL character in it, which no variable can hold")),
        None => Ok(text),
    }
}

/// The fact that begins on a line; takes the lines of a value of several.
fn fact<'t>(line: Line<'t>, lines: &mut impl Iterator<Item = Line<'t>>) -> Result<(&'t str, String), Fault> {
    let end = line.1.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.1.len());
    let (key, rest) = line.1.split_at(end);
    let expected =
        || Fault { line: line.0, reason: "expected `key=value` or `key<<WORD`, without blanks".to_owned() };
    if key.is_empty() {
        return Err(expected());
    }
    if let Some(value) = rest.strip_prefix('=') {
        return Ok((key, value.to_owned()));
    }
    let word = rest.strip_prefix("<<").filter(|word| !word.is_empty() && !word.contains(char::is_whitespace));
    Ok((key, value_until(word.ok_or_else(expected)?, line.0, lines)?))
}

fn value_until<'t>(
    word: &str,
    first: usize,
    lines: &mut impl Iterator<Item = Line<'t>>,
) -> Result<String, Fault> {
    let mut value = Vec::new();
    for (_, line) in lines {
        if line == word {
            return Ok(value.join("\n"));
        }
        value.push(line);
    }
    let reason = format!("the value is not ended by a line `{}`", escape::text(word));
    Err(Fault { line: first, reason })
}

fn check(line: usize, key: &str, value: &str, rules: Rules<'_>) -> Result<(), Fault> {
    let fault = |reason| Err(Fault { line, reason });
    if !rules.outputs.contains(key) {
        let suggestion = did_you_mean(key, rules.outputs.iter().map(String::as_str));
        return fault(format!("the fact `{key}` is not among the step's `outputs`{suggestion}"));
    }
    if let Some(expected) = names::refused_fact(key) {
        return fault(format!("no fact can have the name `{key}`, expected {expected}"));
    }
    let spelled_out =
        rules.secrets.iter().any(|secret| !secret.is_empty() && value.contains(secret.as_str()));
    if spelled_out || redact::text(value) != value {
        return fault(format!(
            "the fact `{key}` contains what looks like a secret; facts are kept on disk, so publish the path of a \
             file that holds it"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(content: &[u8]) -> Result<Facts, Fault> {
        let outputs = ["port", "url", "notes"].map(str::to_owned).into();
        parse(content, Rules { outputs: &outputs, secrets: &[String::new(), "hunter2".to_owned()] })
    }

    #[track_caller]
    fn assert_facts(content: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(parsed(content.as_bytes()), Ok(expected), "{content:?}");
    }

    #[track_caller]
    fn assert_fault(content: &[u8], line: usize, part: &str) {
        let fault = parsed(content).expect_err("a fault");
        assert!(fault.line == line && fault.reason.contains(part), "{fault:?}");
    }

    #[test]
    fn lines_are_read_as_a_shell_writes_them() {
        assert_facts("", &[]);
        assert_facts("port=8080\n\nurl= a = 'b' # c \n", &[("port", "8080"), ("url", " a = 'b' # c ")]);
        assert_facts("port=\r\nurl=x", &[("port", ""), ("url", "x")]);
        assert_facts("port=1\nport=2\n", &[("port", "2")]);
    }

    #[test]
    fn value_of_several_lines_ends_at_its_word() {
        assert_facts(
            "notes<<END\na\n\nurl=b\n END\nEND\nport=1",
            &[("notes", "a\n\nurl=b\n END"), ("port", "1")],
        );
        assert_facts("notes<<X\nX\n", &[("notes", "")]);
        assert_facts("port=a<<b\n", &[("port", "a<<b")]);
    }

    #[test]
    fn wrong_line_is_told_with_its_number() {
        assert_fault(b"port=1\nurl\n", 2, "expected `key=value`");
        assert_fault(b"port =1", 1, "expected `key=value`");
        assert_fault(b"# port", 1, "expected `key=value`");
        assert_fault(b"port<<\n", 1, "expected `key=value`");
        assert_fault(b"port<<A B\n", 1, "expected `key=value`");
        assert_fault(b"\nnotes<<END\na\n", 2, "`END`");
        assert_fault(b"port=1\nprot=2", 2, "did you mean `port`?");
        assert_fault(b"port=1\nurl=\0", 2, "NUL");
        assert_fault(b"port=1\n\nurl=\xff", 3, "UTF-8");
    }

    #[test]
    fn secret_is_refused_and_not_repeated() {
        for content in
            ["url=x-hunter2-y", "url=https://me:pw@example.org/", "notes<<E\na\nGITHUB_TOKEN=abcdef\nE"]
        {
            let fault = parsed(content.as_bytes()).expect_err("a fault");
            assert!(fault.reason.contains("secret"), "{content}: {fault:?}");
            assert!(
                !["hunter2", "pw", "abcdef"].iter().any(|secret| fault.reason.contains(secret)),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn facts_of_a_step_that_removed_its_file_are_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let rules = Rules { outputs: &BTreeSet::new(), secrets: &[] };
        assert!(read(&directory.path().join("gone"), rules).is_ok_and(|facts| facts.is_empty()));
        assert!(matches!(read(directory.path(), rules), Err(Error::NotAFile { .. })));
    }

    #[test]
    fn file_beyond_the_limit_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), vec![b'\n'; MAX_FILE + 1]).expect("written");
        let error =
            read(file.path(), Rules { outputs: &BTreeSet::new(), secrets: &[] }).expect_err("too large");
        assert!(error.to_string().ends_with("can't hold facts: it is larger than 64 KiB"), "{error}");
    }

    proptest! {
        #[test]
        fn reading_never_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _facts = parsed(&content);
        }

        #[test]
        fn any_line_survives(value in "[ -~äß]{0,30}") {
            prop_assume!(redact::text(&value) == value.as_str());
            let facts = parsed(format!("port={value}\n").as_bytes()).expect("facts");
            prop_assert_eq!(&facts["port"], &value);
        }
    }
}
