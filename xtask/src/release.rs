//! Builds the command as it is given to users: optimised, and linked statically where this toolchain can, which halves what its start
//! costs.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Everything at fixed addresses and nothing to look up at the start.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// Builds it; gives back its path. `built` is cargo's target directory.
///
/// # Errors
///
/// cargo or rustc can't be started, or the build failed and has said why.
pub(crate) fn build(built: &Path) -> io::Result<PathBuf> {
    let target = host()?;
    let mut cargo = cargo("baton-cli");
    // A target of its own, since build scripts and macros can't be linked that way.
    cargo.args(["--target", &target]).env("RUSTFLAGS", STATIC);
    finish(&mut cargo, built.join(target).join("release/baton"))
}

/// Builds the command for a store on etcd, as it is given to users: optimised, and linked dynamically, since it has to resolve names of
/// hosts as the system does.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_for_etcd(built: &Path) -> io::Result<PathBuf> {
    finish(&mut cargo("baton-etcd"), built.join("release/baton-etcd"))
}

fn cargo(package: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--package", package]);
    cargo
}

fn finish(cargo: &mut Command, program: PathBuf) -> io::Result<PathBuf> {
    let status = cargo.stdin(Stdio::null()).status()?;
    if status.success() {
        Ok(program)
    } else {
        Err(io::Error::other(format!("the release build failed ({status})")))
    }
}

/// What this machine is called by rustc.
fn host() -> io::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| io::Error::other("rustc does not say what this machine is"))
}
