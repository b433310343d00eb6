//! Starts a job without copying this process first.
//!
//! The standard library's `Command` copies this process (`fork`) as soon as the child has something to do before it becomes the
//! program, such as to inherit descriptors, and that costs more than all of the lock's system calls. `posix_spawn` can be told the
//! same beforehand and shares the memory until the program is there.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStringExt as _;
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
    let changes: Vec<_> = command.get_envs().collect();
    let is_changed = |name: &OsStr| changes.iter().any(|(changed, _)| *changed == name);
    let kept = std::env::vars_os().filter(|(name, _)| !is_changed(name));
    let set = changes.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
    kept.chain(set).map(|(name, value)| line(name, &value)).collect()
}

/// `NAME=value`, for which the name grows only once: there are many of them.
fn line(mut name: OsString, value: &OsStr) -> io::Result<CString> {
    name.reserve_exact("=".len() + value.len() + "\0".len());
    name.push("=");
    name.push(value);
    terminated(name)
}

fn terminated(text: impl Into<OsString>) -> io::Result<CString> {
    CString::new(text.into().into_vec())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it holds a NUL"))
}
