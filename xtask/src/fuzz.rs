//! `cargo xtask fuzz`: installs cargo-fuzz below `target/xtask`, and lets it run each target for a time.
//!
//! On the stable toolchain, and so without a sanitizer: a target fails by what it asserts, by a panic or an overflow, not by
//! what a sanitizer would see in `unsafe` code, which the parsers have none of. The same targets run in `cargo xtask test`, for a
//! bounded number of inputs, whether cargo-fuzz can be had or not.

use std::{fs, io, path::Path, process::Command};

use crate::{
    cargo,
    options::Options,
    tools::{self, Tools},
    verbs::Outcome,
};

const VERSION: &str = "0.13.2";
const TARGETS: [&str; 5] = ["plan", "record", "redaction", "session", "url"];

/// Runs the verb.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let read = Options::read(arguments, &["seconds", "target"]);
    let seconds = read.as_ref().map_err(Clone::clone).and_then(|options| options.number("seconds", 60_u32));
    let (options, seconds) = match (read, seconds) {
        (Ok(options), Ok(seconds)) => (options, seconds),
        (Err(reason), _) | (_, Err(reason)) => return Outcome::Misused(reason),
    };
    let targets: Vec<&str> = match options.text("target") {
        None => TARGETS.to_vec(),
        Some(name) if TARGETS.contains(&name) => vec![name],
        Some(name) => {
            return Outcome::Misused(format!("there is no target `{name}`: {}", TARGETS.join(", ")));
        }
    };
    match fuzz(&targets, seconds) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            eprintln!("error: {error}");
            Outcome::Failed
        }
    }
}

fn fuzz(targets: &[&str], seconds: u32) -> io::Result<bool> {
    let directory = cargo::own_directory()?;
    let tools = tools::provide(&directory, &[]);
    let root = directory.join("cargo");
    let program = root.join("bin/cargo-fuzz");
    if !program.is_file() && !install(&root, &tools)? {
        return Ok(false);
    }
    let mut is_right = true;
    for target in targets {
        // What is found goes there; the corpus of the repository is only read.
        let found = directory.join("corpus").join(target);
        fs::create_dir_all(&found)?;
        is_right &= fuzz_one(&program, target, &found, seconds)?;
    }
    Ok(is_right)
}

fn install(root: &Path, tools: &Tools) -> io::Result<bool> {
    let mut command =
        cargo::with(&["install", "cargo-fuzz", "--locked", "--version", VERSION, "--root"], tools);
    Ok(command.arg(root).status()?.success())
}

fn fuzz_one(program: &Path, target: &str, found: &Path, seconds: u32) -> io::Result<bool> {
    let mut command = Command::new(program);
    command.args(["run", "--sanitizer", "none", target]).arg(found).arg(format!("corpus/{target}"));
    command.args(["--", &format!("-max_total_time={seconds}"), "-max_len=4096"]);
    Ok(command.current_dir(cargo::workspace().join("fuzz")).status()?.success())
}
