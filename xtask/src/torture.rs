//! `cargo xtask torture`: builds everything optimised, installs what Baton is compared with, and runs the program `torture`.
//!
//! What comes from npm and pip is installed below `target/xtask/foreign`, in the versions that `crates/baton-itest/foreign` pins.
//! What can't be had is said, and its rows say so too.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use crate::{cargo, options::Options, tools, verbs::Outcome};

/// How long it runs by default, in minutes.
const MINUTES: f64 = 15.0;

/// Runs the verb.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = match Options::read(arguments, &["minutes", "seed", "fs", "only"]) {
        Ok(options) => options,
        Err(reason) => return Outcome::Misused(reason),
    };
    let minutes = match options.number("minutes", MINUTES) {
        Ok(minutes) if minutes > 0.0 && minutes < 100_000.0 => minutes,
        Ok(_) => return Outcome::Misused("`--minutes` is more than nothing, and ends".into()),
        Err(reason) => return Outcome::Misused(reason),
    };
    match torture(minutes, &options) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            eprintln!("error: {error}");
            Outcome::Failed
        }
    }
}

fn torture(minutes: f64, options: &Options<'_>) -> io::Result<bool> {
    let directory = cargo::own_directory()?;
    let tools = tools::provide(&directory, &[tools::OF_TESTS]);
    let build = ["build", "--release", "--locked", "--bins", "-p", "baton-itest", "-p", "baton-cli"];
    if !cargo::with(&build, &tools).status()?.success() {
        return Ok(false);
    }
    let foreign = directory.join("foreign");
    for (name, install) in
        [("node", install_node as fn(&Path, &Path) -> io::Result<()>), ("python", install_python)]
    {
        let pinned = cargo::workspace().join("crates/baton-itest/foreign").join(name);
        if let Err(error) = install(&pinned, &foreign.join(name)) {
            println!("xtask: what comes from {name} can't be had: {error}");
        }
    }
    let mut command = Command::new(cargo::target_directory()?.join("release/torture"));
    command.envs(tools.environment()).stdin(Stdio::null()).arg("--foreign").arg(&foreign);
    command.args(["--seconds", &format!("{:.0}", (minutes * 60.0).ceil())]);
    for name in ["seed", "fs", "only"] {
        if let Some(value) = options.text(name) {
            command.args([&format!("--{name}"), value]);
        }
    }
    Ok(command.status()?.success())
}

fn install_node(pinned: &Path, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(pinned.join(name), target.join(name))?;
    }
    must_succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(target))
}

fn install_python(pinned: &Path, target: &Path) -> io::Result<()> {
    must_succeed(Command::new("python3").args(["-m", "venv"]).arg(target))?;
    let mut pip = Command::new(target.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(pinned.join("requirements.txt"));
    must_succeed(&mut pip)
}

fn must_succeed(command: &mut Command) -> io::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).status();
    let status =
        status.map_err(|error| io::Error::new(error.kind(), format!("cannot run `{program}`: {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("`{program}`: {status}"))) }
}
