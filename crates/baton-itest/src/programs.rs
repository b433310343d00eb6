//! Where the built executables are: the command under test, and the helper programs.
//!
//! Test executables live in `<target>/<profile>/deps`, programs one directory above, whatever the target
//! directory, the profile or the target triple is. Cargo builds this package's own programs along with its tests, but
//! not the command, which is another package: that one is built here if it is missing. One that is there
//! is used as it is, even if its sources have changed since.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of the `baton` command, which is built first where nothing has built it yet.
///
/// # Panics
///
/// When the build fails, or leaves nothing where the command is expected.
pub fn baton() -> PathBuf {
    static BATON: OnceLock<PathBuf> = OnceLock::new();
    BATON.get_or_init(|| find_or_build(&directory())).clone()
}

/// Returns the path of one of this crate's helper programs.
///
/// # Panics
///
/// When it has not been built.
pub fn helper(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.is_file(),
        "helper program `{}` is not there: run the tests of the whole package",
        path.display()
    );
    path
}

/// Everybody passes here before a program is started.
fn directory() -> PathBuf {
    crate::caller::undo_ignored_signals();
    let test = std::env::current_exe().expect("the path of the running test is known");
    let parent = test.parent().expect("an executable is in a directory");
    let above = if parent.ends_with("deps") { parent.parent() } else { Some(parent) };
    above.expect("`deps` is in the profile's directory").to_owned()
}

fn find_or_build(directory: &Path) -> PathBuf {
    let path = directory.join("baton");
    if !path.is_file() {
        build(directory);
    }
    assert!(path.is_file(), "`cargo build -p baton-cli` left no `{}`", path.display());
    path
}

fn build(directory: &Path) {
    // Cargo calls the directory of its profile `dev` by another name than the profile.
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = directory.parent().expect("the profile's directory is in the target directory");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--package", "baton-cli", "--bin", "baton", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("`cargo build -p baton-cli` failed ({status}); its messages are above"),
        Err(error) => panic!("`{}` can't be started to build `baton`: {error}", env!("CARGO")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_above_the_test_executables() {
        let test = std::env::current_exe().expect("known");
        assert_eq!(Some(directory().as_path()), test.parent().and_then(Path::parent));
    }
}
