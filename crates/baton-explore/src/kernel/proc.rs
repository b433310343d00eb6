//! `/proc` and `/etc`, as far as they are read.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use rustix::io::Errno;

use super::{Kernel, Pid};
use crate::sim::Result;
use crate::twin::linux::{FileKind, Stat};

/// The clock ticks from the boot to the start of every process.
const START: u64 = 1000;

impl Kernel {
    /// What reading a file there gives.
    pub(crate) fn read_path(&self, me: Pid, path: &Path) -> Result<Vec<u8>> {
        let text = match path.to_str().ok_or(Errno::NOENT)? {
            "/proc/sys/kernel/random/boot_id" => "4b7a3e1e-0000-4000-8000-000000000001\n".to_owned(),
            "/etc/passwd" => "root:x:0:0:root:/root:/bin/sh\n".to_owned(),
            "/proc/self/mountinfo" => "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n".to_owned(),
            "/proc/locks" => self.flock_lines(),
            path => return self.read_of_process(me, path),
        };
        Ok(text.into_bytes())
    }

    fn read_of_process(&self, me: Pid, path: &str) -> Result<Vec<u8>> {
        let rest = path.strip_prefix("/proc/").ok_or(Errno::NOENT)?;
        let (who, what) = rest.split_once('/').ok_or(Errno::NOENT)?;
        let pid = if who == "self" { me } else { who.parse().map_err(|_| Errno::NOENT)? };
        let process = self.processes.get(&pid).filter(|process| process.is_alive).ok_or(Errno::NOENT)?;
        if let Some(number) = what.strip_prefix("fdinfo/") {
            let number = number.parse().map_err(|_| Errno::NOENT)?;
            let id = process.descriptors.get(&number).ok_or(Errno::NOENT)?;
            let open = &self.open[id];
            let flags = if open.writes { "02" } else { "0" };
            let mut text = format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t1\nino:\t{}\n", open.file);
            if open.event.is_none() {
                text.push_str(&self.files[&open.file].locks.lines(*id, open.file));
            }
            return Ok(text.into_bytes());
        }
        let text = match what {
            "stat" => {
                format!("{pid} (job) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {START} 0 0\n")
            }
            "status" => format!("Name:\tjob\nTgid:\t{pid}\nUid:\t0\t0\t0\t0\n"),
            "cmdline" => "job\0".to_owned(),
            _ => return Err(Errno::NOENT),
        };
        Ok(text.into_bytes())
    }

    fn flock_lines(&self) -> String {
        let flocked = self.files.iter().filter(|(_, file)| file.locks.is_flocked());
        flocked.fold(String::new(), |mut text, (inode, _)| {
            writeln!(text, "1: FLOCK  ADVISORY  WRITE 1 08:01:{inode} 0 EOF").expect("into memory");
            text
        })
    }

    /// The names in a directory there, or in any other.
    pub(crate) fn names_in_path(&self, path: &Path) -> Result<Vec<OsString>> {
        let alive = || self.processes.iter().filter(|(_, process)| process.is_alive);
        if path == Path::new("/proc") {
            return Ok(alive().map(|(pid, _)| pid.to_string().into()).collect());
        }
        let Ok(rest) = path.strip_prefix("/proc") else {
            let directory = self.resolve(path).ok_or(Errno::NOENT)?;
            return match self.files[&directory].kind {
                FileKind::Directory => Ok(self.files[&directory].entries.keys().cloned().collect()),
                _ => Err(Errno::NOTDIR),
            };
        };
        let pid: Option<Pid> = rest.parent().and_then(Path::to_str).and_then(|pid| pid.parse().ok());
        let process = alive().find(|(known, _)| Some(**known) == pid).ok_or(Errno::NOENT)?.1;
        Ok(process.descriptors.keys().map(|number| number.to_string().into()).collect())
    }

    /// `stat` of a link `/proc/PID/fd/N`.
    pub(super) fn stat_in_proc(&self, path: &Path) -> Result<Stat> {
        let mut parts = path.components().skip(2).map(|part| part.as_os_str().to_str().unwrap_or_default());
        let pid: Pid = parts.next().and_then(|pid| pid.parse().ok()).ok_or(Errno::NOENT)?;
        let number: i32 = parts.nth(1).and_then(|number| number.parse().ok()).ok_or(Errno::NOENT)?;
        self.stat(pid, number).map_err(|_| Errno::NOENT)
    }
}
