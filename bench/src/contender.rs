//! Contenders in processes of their own, and giving them orders (see [`crate::worker`]).

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use crate::peers::{self, Result};
use crate::worker;

/// Who contends, and how it is started.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// One of [`peers::WAITING`].
    InRust(&'static str),
    /// A script in another language, with what it needs installed.
    Script { name: &'static str, interpreter: PathBuf, script: PathBuf },
}

impl Kind {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::InRust(name) | Self::Script { name, .. } => name,
        }
    }

    /// Everybody who can wait for a lock; those in other languages only where they have been installed, in `directory`.
    pub(crate) fn all(directory: Option<&Path>) -> Vec<Self> {
        peers::WAITING.into_iter().map(Self::InRust).chain(Self::scripts(directory)).collect()
    }

    /// Those in other languages.
    pub(crate) fn scripts(directory: Option<&Path>) -> Vec<Self> {
        let Some(directory) = directory else { return Vec::new() };
        let script = |name, interpreter: &str, script| Self::Script {
            name,
            interpreter: if interpreter.contains('/') {
                directory.join(interpreter)
            } else {
                interpreter.into()
            },
            script: directory.join(script),
        };
        vec![
            script("filelock", "venv/bin/python", "filelock_worker.py"),
            script("filelock, soft", "venv/bin/python", "filelock_worker.py"),
            script("proper-lockfile", "node", "node_worker.mjs"),
            script("ancestor v1", "node", "node_worker.mjs"),
        ]
    }

    fn command(&self, path: &Path) -> Result<Command> {
        let (mut command, name) = match self {
            Self::InRust(name) => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(worker::OPTION);
                (command, name)
            }
            Self::Script { name, interpreter, script } => {
                let mut command = Command::new(interpreter);
                command.arg(script);
                (command, name)
            }
        };
        command.arg(name).arg(path);
        Ok(command)
    }
}

/// A contender that runs; it ends with the value.
#[derive(Debug)]
pub(crate) struct Contender {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Contender {
    pub(crate) fn start(kind: &Kind, path: &Path) -> Result<Self> {
        let mut command = kind.command(path)?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().ok_or("no input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, orders, answers })
    }

    pub(crate) fn order(&mut self, order: &str) -> Result<()> {
        Ok(writeln!(self.orders, "{order}")?)
    }

    pub(crate) fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err("a contender has ended before its time".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// The time in an answer such as `held NANOS`.
    pub(crate) fn time_of(&mut self, what: &str) -> Result<i128> {
        let answer = self.answer()?;
        let time =
            answer.strip_prefix(what).ok_or_else(|| format!("`{what}` was expected, not `{answer}`"))?;
        Ok(time.trim().parse()?)
    }

    /// Is there an answer within that time? For those that may never have one.
    pub(crate) fn answers_within(&self, time: Duration) -> Result<bool> {
        let time = Timespec::try_from(time)?;
        let output = self.answers.get_ref();
        let mut polled = [PollFd::new(output, PollFlags::IN)];
        Ok(retry_on_intr(|| poll(&mut polled, Some(&time)))? > 0)
    }

    /// Acquires and releases that often; how long each took, in microseconds.
    pub(crate) fn cycle(&mut self, times: usize) -> Result<Vec<f64>> {
        self.order(&format!("cycle {times}"))?;
        let answer = self.answer()?;
        answer.split_ascii_whitespace().map(|nanos| Ok(nanos.parse::<f64>()? / 1e3)).collect()
    }

    /// Ends it by SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill()?)
    }

    /// Waits until it is gone for good.
    pub(crate) fn reap(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
