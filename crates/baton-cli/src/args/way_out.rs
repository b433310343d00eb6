//! The command lines of the way out of a lock that is held, and of what takes care of many.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as Group};
use nix::sys::signal::Signal;

use super::LockArgs;
use crate::time;

/// `baton break`.
#[derive(Debug, Group)]
#[command(after_help = BREAK_EXAMPLES)]
pub struct BreakArgs {
    /// The token of the holder to end, as `status` and every busy message say it: another holder is left alone
    #[arg(long, value_name = "N")]
    pub token: u64,

    /// The first signal: HUP, INT, QUIT, ABRT, KILL, USR1, USR2, TERM
    #[arg(long, value_name = "SIGNAL", default_value = "TERM", value_parser = ending_signal)]
    pub signal: Signal,

    /// How long after it SIGKILL follows
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time::parse)]
    pub grace: Duration,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Which lock.
    #[command(flatten)]
    pub lock: LockArgs,
}

const BREAK_EXAMPLES: &str = "\
Ends the processes that have the lock, the job included, if their holder has the token N; each is verified by what it \
has open before it is signalled. The next holder is told *recovered*. A line in breaks.jsonl in the state directory says \
who broke what.

Exit codes: 0 that holder has ended; 65 the holder has another token; 75 still held, or it must not be ended from here; \
69, 73 as for `status`.

Examples:
  baton break deploy --token 1763960000000000
  baton break deploy --token 1763960000000000 --signal INT --grace 1m
  baton break ./tree.lock --token 1763960000000000 --grace 0   at once, by SIGKILL";

/// Which directories.
#[derive(Debug, Group)]
pub struct DirectoriesArgs {
    /// Accept a filesystem that is not known to be local, by the name under which it was refused, such as nfs or fuse
    #[arg(long, value_name = "TYPE", action = ArgAction::Append)]
    pub allow_fs: Vec<String>,

    /// Directories with locks in them [default: that of the locks given by name]
    #[arg(value_name = "DIR")]
    pub directories: Vec<PathBuf>,
}

/// `baton list`.
#[derive(Debug, Group)]
#[command(after_help = LIST_EXAMPLES)]
pub struct ListArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Which directories.
    #[command(flatten)]
    pub directories: DirectoriesArgs,
}

const LIST_EXAMPLES: &str = "\
Takes no lock and changes nothing. Locks that nobody holds are listed as `free`, or `left_over` if the last holder died.

Examples:
  baton list
  baton list /srv/build /var/lock
  baton list --json | jq -r '.locks[] | select(.state == \"held\") | .lock'";

/// `baton prune`.
#[derive(Debug, Group)]
#[command(after_help = PRUNE_EXAMPLES)]
pub struct PruneArgs {
    /// Leave alone what was used since
    #[arg(long, value_name = "TIME", default_value = "720h", value_parser = time::parse)]
    pub older_than: Duration,

    /// Say what would be removed; remove nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Which directories.
    #[command(flatten)]
    pub directories: DirectoriesArgs,
}

const PRUNE_EXAMPLES: &str = "\
Removes what free locks leave behind: guards, and records that are marked as released. Locks that are held, and those \
whose last holder died, stay as they are. Tokens go on growing: .baton-floor in the directory keeps the largest one.

Examples:
  baton prune --dry-run
  baton prune --older-than 24h /srv/build";

/// `baton doctor`.
#[derive(Debug, Group)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub struct DoctorArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Accept a filesystem that is not known to be local, by the name under which it was refused, such as nfs or fuse
    #[arg(long, value_name = "TYPE", action = ArgAction::Append)]
    pub allow_fs: Vec<String>,

    /// Be the second process with which is tried out what another one is kept from
    #[arg(long, hide = true, requires = "directory")]
    pub second_process: bool,

    /// The directory [default: that of the locks given by name]
    #[arg(value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

const DOCTOR_EXAMPLES: &str = "\
Makes the very calls that a lock makes, with a second process, in a scratch directory that is removed afterwards; says what \
each costs.

Exit codes: 0 a lock can be had there; 69 it can't, or the filesystem is not known to be local; 73 the directory is unsafe \
or can't be written.

Examples:
  baton doctor
  baton doctor /mnt/build
  baton doctor --allow-fs fuse /mnt/build";

/// A signal that ends a process, unless that decides otherwise: by its name, with or without `SIG`, or its number.
fn ending_signal(text: &str) -> Result<Signal, String> {
    const ENDING: [Signal; 8] = [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGABRT,
        Signal::SIGKILL,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGTERM,
    ];
    let upper = text.to_ascii_uppercase();
    let is_meant = |signal: &Signal| {
        signal.as_str() == upper
            || signal.as_str().strip_prefix("SIG") == Some(&upper)
            || (*signal as i32).to_string() == text
    };
    ENDING
        .into_iter()
        .find(is_meant)
        .ok_or_else(|| "expected one of HUP, INT, QUIT, ABRT, KILL, USR1, USR2, TERM".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_is_read_by_name_and_number_and_must_end_something() {
        for text in ["TERM", "sigterm", "15"] {
            assert_eq!(ending_signal(text), Ok(Signal::SIGTERM), "{text}");
        }
        for text in ["STOP", "CONT", "0", "-9", "", "SIG", "SIGSIGTERM"] {
            assert!(ending_signal(text).is_err(), "{text}");
        }
    }
}
