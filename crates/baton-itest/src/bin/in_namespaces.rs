//! Runs a program as the first process of a new pid namespace, in a new mount namespace with a `/proc` of its own, as a container does.
//!
//! `in_namespaces PROGRAM [ARGUMENT…]`. It waits for that process, its only child, and ends after it: by 0 if that ended well, else
//! by 1. `unshare --pid --fork --mount-proc` does the same, but complains of a child that was killed, which is what this is for.
#![forbid(unsafe_code)]

use nix::sched::CloneFlags;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Says that this is the process inside.
const INSIDE: &str = "--inside";

fn main() -> io::Result<ExitCode> {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == INSIDE) {
        words.remove(0);
        return Err(become_first(&words));
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    nix::sched::unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS)?;
    let status = Command::new(std::env::current_exe()?).arg(INSIDE).args(words).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Comes back only with a reason why not.
fn become_first(words: &[OsString]) -> io::Error {
    // Else the mount would spread to the namespace that this one was copied from.
    let is_mounted =
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .and_then(|()| rustix::mount::mount("proc", "/proc", "proc", MountFlags::empty(), None));
    match (is_mounted, words) {
        (Err(error), _) => error.into(),
        (Ok(()), [program, arguments @ ..]) => Command::new(program).args(arguments).exec(),
        (Ok(()), []) => io::Error::new(io::ErrorKind::InvalidInput, "no program is named"),
    }
}
