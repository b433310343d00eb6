//! `cargo xtask test`: builds everything, runs every test, and ends with one line that counts them.
//!
//! Tests that cannot run on this machine say so in the file that `BATON_SKIP_LOG` names, one line
//! `<test name>\t<reason>` each, and return. To libtest they have passed; the counting in [`crate::summary`] puts
//! that right, so that a machine without, say, `strace` never looks as well tested as one that has it.
//!
//! Whatever goes wrong, down to a build that fails, ends as at least one failure in that last line.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
};

use crate::{
    cargo,
    node::{self, Tested},
    stream,
    summary::{SkipPolicy, Summary},
    tools,
    transcript::Transcript,
    verbs::Outcome,
};

/// Names the file to which tests append what they skip.
const SKIP_LOG: &str = "BATON_SKIP_LOG";

/// What tests that which is not built by default.
const FEATURES: [&str; 11] = [
    "test",
    "--package",
    "baton-lock",
    "--features",
    "tokio",
    "--test",
    "asynchronous",
    "--locked",
    "--no-fail-fast",
    "--color",
    "never",
];

/// Runs the verb; `arguments` is empty or one filter.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let filter = match arguments {
        [] => None,
        [option, ..] if option.starts_with('-') => {
            return Outcome::Misused(format!("`test` has no option `{option}`"));
        }
        [filter] => Some(filter.as_str()),
        [..] => return Outcome::Misused("`test` takes one filter at most".into()),
    };
    let summary = test_workspace(filter).unwrap_or_else(|error| Summary::of_failure(error.to_string()));
    summary.conclude(policy())
}

fn policy() -> SkipPolicy {
    if env::var_os("CI").is_some_and(|value| value == "true") {
        SkipPolicy::Fatal
    } else {
        SkipPolicy::Allowed
    }
}

fn test_workspace(filter: Option<&str>) -> io::Result<Summary> {
    let directory = cargo::own_directory()?;
    let skip_log = SkipLog::create(&directory)?;
    let tools = tools::provide(&directory, &[tools::OF_TESTS]);

    let mut build = cargo::with(&["build", "--workspace", "--all-targets", "--locked"], &tools);
    if !build.status()?.success() {
        return Ok(Summary::of_failure("`cargo build` failed, so no test ran".into()));
    }

    // Without colour, because escape sequences would stand in the lines that are parsed.
    let mut test =
        cargo::with(&["test", "--workspace", "--locked", "--no-fail-fast", "--color", "never"], &tools);
    test.args(filter).env(SKIP_LOG, &skip_log.path);
    let mut transcript = Transcript::default();
    let mut status = stream::show(test, |line| transcript.read(line))?;
    // Apart, because a feature that one package is built with, all are in the same build: the command must not have this one.
    let mut test = cargo::with(&FEATURES, &tools);
    test.args(filter).env(SKIP_LOG, &skip_log.path);
    let of_features = stream::show(test, |line| transcript.read(line))?;
    if status.success() {
        status = of_features;
    }
    let of_node = node::test(filter, &tools, (SKIP_LOG, &skip_log.path), &mut transcript)?;
    let mut skipped = None;
    match of_node {
        Tested::Skipped(skip) => skipped = Some(skip),
        Tested::Ran(ended) if status.success() => status = ended,
        Tested::Ran(_) => {}
    }
    let mut totals = transcript.finish(status);
    totals.ignored.extend(skipped);
    Ok(Summary::new(totals, &skip_log.read()?))
}

/// The file of skips, removed when it has served.
///
/// Its name bears our process id: two runs that share a target directory would else count each other's skips.
struct SkipLog {
    path: PathBuf,
}

impl SkipLog {
    fn create(directory: &Path) -> io::Result<Self> {
        let path = directory.join(format!("skips-{}.tsv", process::id()));
        fs::write(&path, "")?;
        Ok(Self { path })
    }

    fn read(&self) -> io::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.path)?).into_owned())
    }
}

impl Drop for SkipLog {
    fn drop(&mut self) {
        // A file that stays behind costs a few bytes under `target`; the next run has another name.
        let _ = fs::remove_file(&self.path);
    }
}
