//! Builds the command as it is given to users: optimised, linked statically where this toolchain can, which halves what its start
//! costs, and what a short run comes through close together ([`order`]).

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::order;

/// Everything at fixed addresses and nothing to look up at the start.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// Builds it; gives back its path. `built` is cargo's target directory.
///
/// # Errors
///
/// cargo or rustc can't be started, or the build failed and has said why.
pub(crate) fn build(built: &Path) -> io::Result<PathBuf> {
    let target = host()?;
    let build = |more: &[String]| {
        let mut cargo = cargo("rustc", "baton-cli");
        // A target of its own, since build scripts and macros can't be linked that way.
        cargo.args(["--release", "--bin", "baton", "--target", &target]).env("RUSTFLAGS", STATIC);
        finish(cargo.args(more), built.join(&target).join("release/baton"))
    };
    let program = build(&[])?;
    let ordered = order::of(&program, &built.join("xtask"))
        .and_then(|order| build(&["--".to_owned(), "-C".to_owned(), order::link_argument(&order)]));
    // A linker that can't do that leaves the command as it was.
    ordered.or_else(|error| {
        eprintln!("xtask: the functions of the command stay where the linker laid them: {error}");
        Ok(program)
    })
}

/// Builds the command for a store on etcd, as it is given to users: optimised, and linked dynamically, since it has to resolve names of
/// hosts as the system does.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_for_etcd(built: &Path) -> io::Result<PathBuf> {
    finish(cargo("build", "baton-etcd").arg("--release"), built.join("release/baton-etcd"))
}

/// Cargo, doing something with a package.
pub(crate) fn cargo(verb: &str, package: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([verb, "--locked", "--package", package]);
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
