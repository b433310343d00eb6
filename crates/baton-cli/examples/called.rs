//! Says which functions a program comes through, in the order in which it first does: `called PROGRAM [ARG…]`.
//!
//! It is for the linker, which then lays them one behind the other. A short run of `baton` comes through a twentieth of its code; strewn
//! over all of it, that takes the kernel longer to map than it takes to run. `cargo xtask dist` does this.
//!
//! The program is stepped through, an instruction at a time, and its addresses looked up in what `nm` says of it: it has to be linked to
//! fixed addresses. What it starts is followed until that is another program.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, ExitCode};

/// The names of functions by their addresses; several may be one function's.
type Functions = BTreeMap<u64, Vec<String>>;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let Some(program) = words.first() else {
        eprintln!("usage: called PROGRAM [ARG…]");
        return ExitCode::from(2);
    };
    let called = functions(program).and_then(|functions| called(&words, &functions));
    match called {
        Ok(names) => {
            for name in names {
                println!("{name}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: cannot say what {} calls: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}

fn called(words: &[OsString], functions: &Functions) -> io::Result<Vec<String>> {
    let (mut seen, mut names) = (HashSet::new(), Vec::new());
    steps::through(words, |place| {
        // What is not the program's own, the kernel's clock say, comes to its last function, and does no harm there.
        if let Some((begin, own)) = functions.range(..=place).next_back()
            && seen.insert(*begin)
        {
            names.extend_from_slice(own);
        }
    })?;
    Ok(names)
}

/// Those of a program.
fn functions(program: &OsStr) -> io::Result<Functions> {
    let output = Command::new("nm").arg("--defined-only").arg(program).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let mut functions = Functions::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // The address, what kind it is of, the name.
        let mut words = line.splitn(3, ' ');
        let (address, kind, name) = (words.next(), words.next(), words.next());
        if let (Some(address), Some("t" | "T" | "w" | "W" | "i"), Some(name)) = (address, kind, name) {
            let address = u64::from_str_radix(address, 16).map_err(io::Error::other)?;
            functions.entry(address).or_default().push(name.to_owned());
        }
    }
    Ok(functions)
}

#[cfg(target_arch = "x86_64")]
mod steps {
    use std::ffi::OsString;
    use std::io::{self, Write as _};
    use std::process::{Command, Stdio};

    use nix::libc;
    use nix::sys::ptrace::{self, Options};
    use nix::sys::signal::Signal;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    /// Becomes the program once it is told to.
    const BECOME: &str = r#"read -r told && exec "$@""#;

    /// Runs a program to its end, and shows where it is before each instruction.
    pub(crate) fn through(words: &[OsString], mut show: impl FnMut(u64)) -> io::Result<()> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", BECOME, "sh"]).args(words).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut shell = shell.spawn()?;
        let pid = Pid::from_raw(i32::try_from(shell.id()).map_err(io::Error::other)?);
        // It ends with this process, and stops when it has become the program; so does what it starts, which shares its memory.
        let follow = Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACEVFORK;
        ptrace::seize(pid, Options::PTRACE_O_EXITKILL | follow)?;
        shell.stdin.take().map_or(Ok(()), |mut told| told.write_all(b"\n"))?;
        loop {
            let (at, signal) = match waitpid(None, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Exited(who, 0) if who == pid => return Ok(()),
                end @ (WaitStatus::Exited(who, _) | WaitStatus::Signaled(who, ..)) if who == pid => {
                    return Err(io::Error::other(format!("it failed: {end:?}")));
                }
                WaitStatus::PtraceEvent(who, _, libc::PTRACE_EVENT_EXEC) if who != pid => {
                    ptrace::detach(who, None)?;
                    continue;
                }
                // That is how a step ends.
                WaitStatus::Stopped(who, Signal::SIGTRAP) | WaitStatus::PtraceEvent(who, ..) => (who, None),
                WaitStatus::Stopped(who, signal) => (who, Some(signal)),
                _ => continue,
            };
            show(ptrace::getregs(at)?.rip);
            ptrace::step(at, signal)?;
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod steps {
    use std::ffi::OsString;
    use std::io;

    pub(crate) fn through(_: &[OsString], _: impl FnMut(u64)) -> io::Result<()> {
        Err(io::Error::other("where a program of this kind of processor is, is not known here"))
    }
}
