//! Builds the command as it is given to users: optimised, and linked statically where this toolchain can, which halves what its start
//! costs.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{run_tests::cargo, tools::Tools};

/// Everything at fixed addresses and nothing to look up at the start.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// Builds it; gives back its path, or `None` if the build failed and has said why. `built` is cargo's target directory.
///
/// # Errors
///
/// cargo or rustc can't be started.
pub(crate) fn build(built: &Path, tools: &Tools) -> io::Result<Option<PathBuf>> {
    let target = host()?;
    let mut build = cargo(&["build", "--release", "--locked", "-p", "baton-cli", "--target", &target], tools);
    // A target of its own, since build scripts and macros can't be linked that way.
    let is_built = build.env("RUSTFLAGS", STATIC).status()?.success();
    Ok(is_built.then(|| built.join(target).join("release/baton")))
}

/// What this machine is called by rustc.
fn host() -> io::Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| io::Error::other("rustc does not say what this machine is"))
}
