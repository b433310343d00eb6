//! Cargo, as the verbs call it, and where it puts things.

use std::{
    env, fs, io,
    path::{self, Path, PathBuf},
    process::{Command, Stdio},
};

use crate::tools::Tools;

/// `xtask` in cargo's target directory, created and absolute.
pub(crate) fn own_directory() -> io::Result<PathBuf> {
    let directory = target_directory()?.join("xtask");
    fs::create_dir_all(&directory)
        .map_err(|error| io::Error::other(format!("cannot create `{}`: {error}", directory.display())))?;
    Ok(directory)
}

/// Cargo's target directory, absolute.
pub(crate) fn target_directory() -> io::Result<PathBuf> {
    let target = match (env::var_os("CARGO_TARGET_DIR"), env::var_os("CARGO_MANIFEST_DIR")) {
        (Some(target), _) if !target.is_empty() => PathBuf::from(target),
        (_, Some(manifest)) => Path::new(&manifest).with_file_name("target"),
        (_, None) => {
            return Err(io::Error::other("`CARGO_MANIFEST_DIR` is not set; run this as `cargo xtask`"));
        }
    };
    path::absolute(target)
}

/// The workspace's own directory.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}

/// Cargo with these arguments, which finds these tools.
pub(crate) fn with(arguments: &[&str], tools: &Tools) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).envs(tools.environment()).stdin(Stdio::null());
    command
}
