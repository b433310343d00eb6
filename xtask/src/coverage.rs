//! `cargo xtask coverage`: which lines of the library its tests run, those of the integration tests in processes of their own included.
//!
//! The compiler's own instrumentation counts; Debian's `llvm-19` reads the counts, since the toolchain has no tools for that. A
//! process that is killed by SIGKILL writes no counts, and a child that is forked without a new program shares its parent's: what only
//! they run is not seen. So the figures are a lower bound.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cargo,
    options::Options,
    tools::{self, Tools},
    verbs::Outcome,
};

/// What is reported: the rooms in which a line that no test runs would be a line that nobody has seen work.
const ROOMS: [&str; 2] = ["crates/baton-lock/src/lock/", "crates/baton-lock/src/session/"];

/// Runs the verb.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = match Options::read(arguments, &["filter"]) {
        Ok(options) => options,
        Err(reason) => return Outcome::Misused(reason),
    };
    match cover(options.text("filter")) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            eprintln!("error: {error}");
            Outcome::Failed
        }
    }
}

fn cover(filter: Option<&str>) -> io::Result<bool> {
    let directory = cargo::own_directory()?.join("coverage");
    let profiles = directory.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    let tools = tools::provide(&cargo::own_directory()?, &[tools::OF_TESTS, tools::OF_COVERAGE]);
    let target = directory.join("target");
    let instrumented = |arguments: &[&str]| {
        let mut command = cargo::with(arguments, &tools);
        command.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "-C instrument-coverage");
        // One file per program, to which each of its processes adds: `%m` is the program, `%p` would be a file per process.
        command.env("LLVM_PROFILE_FILE", profiles.join("%m.profraw"));
        command
    };
    let packages = ["-p", "baton-lock", "-p", "baton-cli", "-p", "baton-itest"];
    if !instrumented(&[&["build", "--locked", "--bins"], &packages[..]].concat()).status()?.success() {
        return Ok(false);
    }
    let mut test = instrumented(
        &[&["test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"], &packages[..]].concat(),
    );
    let filters = filter.into_iter().flat_map(str::split_ascii_whitespace);
    let is_right = test.arg("--").args(filters).status()?.success();
    if !is_right {
        println!("xtask: some tests failed; what they ran is counted all the same");
    }
    report(&profiles, &target.join("debug"), &tools)?;
    Ok(is_right)
}

fn report(profiles: &Path, programs: &Path, tools: &Tools) -> io::Result<()> {
    let merged = profiles.with_file_name("merged.profdata");
    let mut merge = Command::new("llvm-profdata-19");
    merge.envs(tools.environment()).args(["merge", "--sparse", "--failure-mode=all", "-o"]).arg(&merged);
    must_succeed(merge.args(files(profiles, "profraw")?))?;
    let mut report = Command::new("llvm-cov-19");
    report.envs(tools.environment()).arg("report").arg(format!("--instr-profile={}", merged.display()));
    report.arg("--ignore-filename-regex=/tests[./]");
    let programs = instrumented_programs(programs)?;
    let (first, others) = programs.split_first().ok_or_else(|| io::Error::other("no program was built"))?;
    for program in others {
        report.arg("--object").arg(program);
    }
    report.arg(first);
    must_succeed(report.args(ROOMS.map(|room| cargo::workspace().join(room))))
}

/// The command, and the test executables that have the library in them.
fn instrumented_programs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_program = path.extension().is_none() && path.is_file();
        is_program
            && ["baton", "it-", "forked", "lock_puppet", "session_puppet"]
                .iter()
                .any(|begin| name.starts_with(begin))
    };
    let mut found = Vec::new();
    for directory in [directory.to_owned(), directory.join("deps")] {
        for entry in fs::read_dir(directory)? {
            found.push(entry?.path());
        }
    }
    found.retain(is_meant);
    Ok(found)
}

fn files(directory: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    Ok(found)
}

fn must_succeed(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run `{program}`: {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("`{program}`: {status}"))) }
}
