//! In which order the functions of the command lie in its file: first those that a short run comes through, one behind the other.
//!
//! A program is read as it runs, and the kernel maps 16 pages around each place that was not mapped yet. `baton run LOCK -- CMD` comes
//! through some 150 KiB of 3.5 MiB; strewn over all of it, that took a tenth of the time around a job that does nothing. The linker is told
//! by name what to lay first; names change with each compiler and with each change of the code, so that the command is built, looked at
//! while it runs, and linked again.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::release;

/// Writes the order for a command that was built, into a file of that directory; gives back its path.
///
/// # Errors
///
/// The command can't be looked at while it runs: on other processors, or where no process may look at another.
pub(crate) fn of(program: &Path, directory: &Path) -> io::Result<PathBuf> {
    let directory = path::absolute(directory)?;
    let state = directory.join("order");
    fs::create_dir_all(&state)?;
    let names = names(program, &state);
    fs::remove_dir_all(&state)?;
    let text = names?;
    // Cargo links anew if the path is another one, and does not look into the file.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let path = directory.join(format!("order-{:016x}.txt", hasher.finish()));
    fs::write(&path, text)?;
    Ok(path)
}

/// What the linker has to be told.
pub(crate) fn link_argument(order: &Path) -> String {
    // What has become part of another function by then is missed, and need not be told.
    format!("link-arg=-Wl,--no-warn-symbol-ordering,--symbol-ordering-file={}", order.display())
}

fn names(program: &Path, state: &Path) -> io::Result<String> {
    let (mut text, mut seen) = (String::new(), HashSet::new());
    // Both ways to name a lock. What only the second comes through is laid behind the first.
    for lock in [state.join("lock").as_os_str(), OsStr::new("lock")] {
        let run = [OsStr::new("run"), lock, OsStr::new("--"), OsStr::new("/bin/true")];
        // The first run makes the guard; those after it are what counts.
        done(Command::new(program).args(run).env("BATON_DIR", state))?;
        let mut called = release::cargo("run", "baton-cli");
        called.args(["--quiet", "--example", "called", "--"]).arg(program).args(run);
        let output = done(called.env("BATON_DIR", state))?;
        for name in output.lines().filter(|name| seen.insert((*name).to_owned())) {
            text.push_str(name);
            text.push('\n');
        }
    }
    Ok(text)
}

/// What a program prints, if it ends well.
fn done(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
