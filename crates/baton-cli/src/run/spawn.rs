//! Starts a job without copying this process first.
//!
//! The standard library's `Command` copies this process (`fork`) as soon as the child has something to do before it becomes the
//! program, such as to inherit descriptors, and that costs more than all of the lock's system calls. `posix_spawn` can be told the
//! same beforehand and shares the memory until the program is there.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::Pid;

/// Starts the program of `command`, with its arguments and its changes of the environment, with these descriptors inherited, and with no
/// signal blocked.
///
/// # Errors
///
/// Those of the start: the program is not there, or can't be executed. One that the kernel does not know how to execute is
/// [`Errno::ENOEXEC`].
pub(super) fn spawn(command: &Command, inherited: &[BorrowedFd<'_>]) -> io::Result<Pid> {
    let program = terminated(command.get_program())?;
    let arguments = std::iter::once(command.get_program()).chain(command.get_args());
    let arguments = arguments.map(terminated).collect::<io::Result<Vec<_>>>()?;
    let environment = environment(command)?;
    let mut actions = PosixSpawnFileActions::init()?;
    for descriptor in inherited {
        // Onto itself: that is how it is kept.
        actions.add_dup2(descriptor.as_raw_fd(), descriptor.as_raw_fd())?;
    }
    let pid = posix_spawnp(&program, &actions, &attributes()?, &arguments, &environment)?;
    Pid::from_raw(pid.as_raw()).ok_or_else(|| io::Error::from(Errno::ESRCH))
}

/// No signal is blocked, and the one that this program itself ignores has its default; others that are ignored stay so.
fn attributes() -> io::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let mut defaults = SigSet::empty();
    defaults.add(Signal::SIGPIPE);
    attributes.set_sigdefault(&defaults)?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
    Ok(attributes)
}

/// This process's environment with the command's changes, as `NAME=value`.
fn environment(command: &Command) -> io::Result<Vec<CString>> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => variables.insert(name.to_owned(), value.to_owned()),
            None => variables.remove(name),
        };
    }
    let lines = variables.into_iter().map(|(mut line, value)| {
        line.push("=");
        line.push(value);
        terminated(&line)
    });
    lines.collect()
}

fn terminated(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it holds a NUL"))
}
