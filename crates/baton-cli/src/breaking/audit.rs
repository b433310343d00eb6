//! Who broke which lock, when, and whom that ended: a line per event in `breaks.jsonl` in the state directory.
//!
//! One is written before the first signal, so that it is there whatever happens to this process, and one afterwards. Not beside the
//! lock: there others could have put a file of that name, and everybody who looks would find one more. That it can't be written is
//! told, and is no reason not to break: a full disk must not keep anybody from the way out.

use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use baton_lock::{Process, clock, escape};
use nix::sys::signal::Signal;
use rustix::fs::{Mode, OFlags};
use serde_json::json;

use crate::{json, notice, plain_file};

/// What all lines of one break have in common.
pub(super) struct Line<'a> {
    pub(super) state: Option<&'a Path>,
    pub(super) lock: &'a Path,
    pub(super) token: u64,
    pub(super) signal: Signal,
    pub(super) grace: Duration,
}

impl Line<'_> {
    /// Adds a line.
    pub(super) fn write(&self, event: &str, processes: &[Process]) {
        let Some(path) = self.state.map(|state| state.join("breaks.jsonl")) else {
            notice::warning("the break is not noted: no state directory is known");
            return;
        };
        if let Err(error) = append(&path, &self.text(event, processes)) {
            notice::warning(&format!("the break is not noted in {}: {error}", escape::path(&path)));
        }
    }

    fn text(&self, event: &str, processes: &[Process]) -> String {
        let line = json!({
            "schema": json::SCHEMA,
            "at": clock::format(SystemTime::now()),
            "event": event,
            "lock": self.lock.to_string_lossy(),
            "token": self.token,
            "signal": self.signal.as_str(),
            "graceMs": u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX),
            "by": { "pid": std::process::id(), "uid": rustix::process::getuid().as_raw() },
            "processes": processes.iter().map(json::process).collect::<Vec<_>>(),
        });
        format!("{line}\n")
    }
}

/// Adds a line by one write, so that those of two breaks at the same time don't mix.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let mut file = plain_file::open_as(path, flags, Mode::RUSR | Mode::WUSR)?;
    match file.write(line.as_bytes())? {
        written if written == line.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
