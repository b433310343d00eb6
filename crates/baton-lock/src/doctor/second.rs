//! The second process, from both sides: who tells it what to try by lines, and the loop that obeys.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{GUARD, RECORD};
use crate::sys::{self, Access, Errno, Flock, Handle, Range};

/// The second process, by its lines.
pub(super) struct Second {
    pub(super) child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Second {
    pub(super) fn start(mut command: Command, directory: &Path) -> io::Result<Self> {
        command.arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut second = Self { child, input, output: BufReader::new(output) };
        match second.answer()?.as_str() {
            "ready" => Ok(second),
            other => Err(io::Error::other(format!("the second process says `{other}`"))),
        }
    }

    /// Does what it is told to: `try`, `share` or `hold`, and which file; only who holds it keeps it. Did it get the lock?
    pub(super) fn gets(&mut self, order: &str, file: &str) -> Result<bool, String> {
        let told = writeln!(self.input, "{order} {file}").and_then(|()| self.answer());
        match told.map_err(|error| format!("the second process does not answer: {error}"))?.as_str() {
            "taken" => Ok(true),
            "refused" => Ok(false),
            other => Err(format!("the second process: {other}")),
        }
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(super) fn kill(&mut self) -> Result<(), String> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        // Both fail only for one that has been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the second process of an examination: obeys until its input ends. Gives back whether that was possible.
pub fn be_second(directory: &Path) -> bool {
    let opened = sys::open_directory(directory).and_then(|directory| {
        let open = |name: &str| sys::open_at(&directory, OsStr::new(name), Access::ReadWrite);
        Ok((open(GUARD)?, open(RECORD)?))
    });
    let Ok((guard, record)) = opened else {
        println!("the files can't be opened");
        return false;
    };
    println!("ready");
    for line in io::stdin().lines().map_while(Result::ok) {
        let (order, file) = line.split_once(' ').unwrap_or_default();
        let file = if file == GUARD { Lockable::Flock(&guard) } else { Lockable::Range(&record) };
        let got = if order == "share" { file.share() } else { file.lock() };
        if order != "hold" && got == Ok(true) {
            let _ = file.unlock();
        }
        match got {
            Ok(true) => println!("taken"),
            Ok(false) => println!("refused"),
            Err(errno) => println!("{}", io::Error::from(errno)),
        }
    }
    true
}

/// A file with the kind of lock that is tried on it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lockable<'a> {
    Flock(&'a Handle),
    /// By byte 0.
    Range(&'a Handle),
}

impl Lockable<'_> {
    /// Its name in the scratch directory.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Flock(_) => GUARD,
            Self::Range(_) => RECORD,
        }
    }

    pub(super) fn lock(self) -> sys::Result<bool> {
        match self {
            Self::Flock(file) => flock(file, Flock::TryExclusive),
            Self::Range(file) => sys::try_lock_range(file, Range::Holder),
        }
    }

    pub(super) fn share(self) -> sys::Result<bool> {
        match self {
            Self::Flock(file) => flock(file, Flock::TryShared),
            Self::Range(file) => sys::try_share_range(file, Range::Holder),
        }
    }

    pub(super) fn unlock(self) -> sys::Result<()> {
        match self {
            Self::Flock(file) => sys::flock(file, Flock::Unlock),
            Self::Range(file) => sys::unlock_range(file, Range::Holder),
        }
    }
}

fn flock(file: &Handle, operation: Flock) -> sys::Result<bool> {
    match sys::flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}
