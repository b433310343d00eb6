//! Clients of other locks, in other languages, that Baton is measured against: installed below `target/xtask/peers`, at the versions that
//! `bench/peers` pins, and left there for later runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::tools::Tools;

/// Installs what is missing; gives back the directory with the scripts and what they need.
///
/// # Errors
///
/// A step that failed, with what it said.
pub(crate) fn provide(sources: &Path, directory: &Path, tools: &Tools) -> io::Result<PathBuf> {
    let peers = directory.join("peers");
    fs::create_dir_all(&peers)?;
    let mut is_new = false;
    for source in fs::read_dir(sources)? {
        let source = source?;
        let (text, target) = (fs::read(source.path())?, peers.join(source.file_name()));
        if !fs::read(&target).is_ok_and(|present| present == text) {
            fs::write(&target, text)?;
            is_new = true;
        }
    }
    if is_new || !peers.join("complete").exists() {
        println!("xtask: installing the peers of the benchmarks into `{}`", peers.display());
        run(tools, &peers, &["python3", "-m", "venv", "venv"])?;
        run(tools, &peers, &["venv/bin/python", "-m", "pip", "install", "-q", "-r", "requirements.txt"])?;
        run(tools, &peers, &["npm", "ci", "--no-audit", "--no-fund", "--silent"])?;
        fs::write(peers.join("complete"), "")?;
    }
    Ok(peers)
}

fn run(tools: &Tools, directory: &Path, words: &[&str]) -> io::Result<()> {
    // A relative program is one in the directory, whatever the system's rules for that are.
    let program = if words[0].contains('/') { directory.join(words[0]) } else { words[0].into() };
    let mut command = Command::new(program);
    command.args(&words[1..]).current_dir(directory).envs(tools.environment()).stdin(Stdio::null());
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("`{}` failed ({}): {}", words.join(" "), output.status, said.trim())))
}
