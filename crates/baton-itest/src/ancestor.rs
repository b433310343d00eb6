//! The lock of the ancestor, a Node command-line tool, done again from the description of how it behaves.
//!
//! Two uses: as contenders that are known to lose exclusion, without which an oracle that never complains would prove
//! nothing; and as the reader that Baton's records must stay readable for.
//!
//! The lock is one file. It is created exclusively, and a record of pid, start and command is written
//! to it by one `write`. Who finds it there asks the process table whether its writer lives; if not, it is removed
//! and the creation tried again, five times without a pause. The flaw is between the judgement and the removal:
//!
//! 1. P1 and P2 read the record of a dead process.
//! 2. P1 removes the file, creates it anew: P1 holds the lock.
//! 3. P2 removes the file, P1's this time, creates it anew: P2 holds the lock as well.
//!
//! [`Algorithm::InodeChecked`] looks before the removal whether the path still has the inode that was judged. That narrows
//! the window to two system calls, and where a freed inode number is given to the next new file, as ext4
//! does, not even that: P1's file passes for the dead one's.
//!
//! Everything is done as shipped, flaws included: the one `write` may be short, errors of the release are swallowed.
//! One thing the description leaves open: a malformed file that is left alone spends an attempt, so
//! that the answer is then `stale` without a holder.

use jiff::Timestamp;
use rustix::io::Errno;
use rustix::process::Pid;
use serde_json::{Value, json};
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// How often an acquisition is tried before it is given up.
const ATTEMPTS: usize = 5;
/// A malformed file may be one that is just being written, for that long.
const MALFORMED_GRACE: Duration = Duration::from_secs(30);
/// How much later than its record a process may have started, in milliseconds: what is read from the process table is
/// rounded to seconds.
const START_TOLERANCE: i64 = 1000;

/// How a file that was judged stale is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `v0`, the first version: whatever has the name by then.
    Unconditional,
    /// `v1`, as shipped later: only if the name still has the inode number that was seen first.
    InodeChecked,
}

impl FromStr for Algorithm {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        match text {
            "v0" => Ok(Self::Unconditional),
            "v1" => Ok(Self::InodeChecked),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, format!("no algorithm `{text}`: v0 or v1"))),
        }
    }
}

/// The answer of one acquisition, with the fields that the ancestor's callers get.
#[derive(Debug, Default)]
pub struct Answer {
    /// Whether the lock is held now.
    pub acquired: bool,
    /// Whether all attempts were spent on files that were stale or malformed.
    pub stale: bool,
    /// The pid in the record of a living holder.
    pub holder_pid: Option<i32>,
    /// The start in that record, as written there.
    pub holder_started_at: Option<String>,
    /// The command in that record.
    pub holder_command: Option<String>,
    /// What to release, if acquired.
    pub lock: Option<AncestorLock>,
}

/// A lock held in the ancestor's way: an open file. Dropping it does not release it, as a process that dies does not.
#[derive(Debug)]
#[must_use = "the lock file stays until it is released"]
pub struct AncestorLock {
    path: PathBuf,
    file: File,
}

impl AncestorLock {
    /// Says whether the ancestor would still call this lock its own: the path is that file, regular, with one link.
    pub fn is_ours(&self) -> bool {
        let Ok(named) = fs::symlink_metadata(&self.path) else { return false };
        self.has_name(&named) && named.is_file() && named.nlink() == 1
    }

    fn has_name(&self, named: &Metadata) -> bool {
        self.file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (named.dev(), named.ino()))
    }
}

/// What the ancestor reads of a record; it ignores all other fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AncestorRecord {
    /// The writer's process.
    pub pid: i32,
    /// When it acquired: ISO-8601, UTC, milliseconds.
    pub started_at: Option<String>,
    /// What it ran.
    pub command: Option<String>,
}

impl AncestorRecord {
    /// Reads a record. None is what the ancestor calls malformed: not a JSON object, or one whose `pid` is no pid or whose
    /// other two fields are neither string nor null.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let pid = i32::try_from(value.get("pid")?.as_i64()?).ok().filter(|pid| *pid > 0)?;
        let [started_at, command] = [value.get("startedAt")?, value.get("command")?];
        if ![started_at, command].iter().all(|text| text.is_null() || text.is_string()) {
            return None;
        }
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        Some(Self { pid, started_at: text(started_at), command: text(command) })
    }

    fn of_this_process() -> Self {
        let command: Vec<_> = std::env::args().collect();
        Self {
            pid: rustix::process::getpid().as_raw_pid(),
            started_at: Some(format!("{:.3}", Timestamp::now())),
            command: Some(command.join(" ")),
        }
    }

    /// The bytes of the file: two-space indent, no newline at the end.
    fn to_bytes(&self) -> Vec<u8> {
        let value = json!({ "pid": self.pid, "startedAt": self.started_at, "command": self.command });
        format!("{value:#}").into_bytes()
    }
}

/// Tries to acquire, once, in the ancestor's way.
///
/// # Errors
///
/// When the file can't be created, read or removed for a reason other than another contender.
pub fn acquire(path: &Path, algorithm: Algorithm) -> io::Result<Answer> {
    for _ in 0..ATTEMPTS {
        if let Some(lock) = create(path)? {
            return Ok(Answer { acquired: true, lock: Some(lock), ..Answer::default() });
        }
        // Gone since: whoever removed it has not created it yet.
        let Some(seen) = existing(fs::symlink_metadata(path))? else { continue };
        let Some(bytes) = existing(fs::read(path))? else { continue };
        match AncestorRecord::parse(&bytes) {
            Some(record) if is_held(&record) => return Ok(busy(record)),
            None if is_young(&seen) => {}
            _ => remove(path, algorithm, seen.ino())?,
        }
    }
    Ok(Answer { stale: true, ..Answer::default() })
}

fn create(path: &Path) -> io::Result<Option<AncestorLock>> {
    let mut file = match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        other => other?,
    };
    let bytes = AncestorRecord::of_this_process().to_bytes();
    #[expect(clippy::unused_io_amount, reason = "a short write succeeds, as in what is imitated")]
    file.write(&bytes)?;
    Ok(Some(AncestorLock { path: path.to_owned(), file }))
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn busy(record: AncestorRecord) -> Answer {
    Answer {
        holder_pid: Some(record.pid),
        holder_started_at: record.started_at,
        holder_command: record.command,
        ..Answer::default()
    }
}

fn is_young(seen: &Metadata) -> bool {
    // A time in the future has no age yet.
    seen.modified().is_ok_and(|time| time.elapsed().unwrap_or_default() <= MALFORMED_GRACE)
}

fn remove(path: &Path, algorithm: Algorithm, seen: u64) -> io::Result<()> {
    if algorithm == Algorithm::InodeChecked {
        let now = existing(fs::symlink_metadata(path))?;
        if now.is_none_or(|now| now.ino() != seen) {
            return Ok(());
        }
    }
    existing(fs::remove_file(path)).map(drop)
}

/// Releases: removes the file if its name still means the one that was created. Errors are swallowed.
pub fn release(lock: AncestorLock) {
    if fs::symlink_metadata(&lock.path).is_ok_and(|named| lock.has_name(&named)) {
        let _ = fs::remove_file(&lock.path);
    }
    drop(lock);
}

/// Releases without the descriptor: removes the file only if it is a record of this process. Errors are swallowed.
pub fn release_by_pid(path: &Path) {
    let record = fs::read(path).ok().and_then(|bytes| AncestorRecord::parse(&bytes));
    if record.is_some_and(|record| record.pid == rustix::process::getpid().as_raw_pid()) {
        let _ = fs::remove_file(path);
    }
}

fn is_held(record: &AncestorRecord) -> bool {
    record.pid == rustix::process::getpid().as_raw_pid() || (is_alive(record.pid) && !is_reused(record))
}

/// Asks by signal 0: a process that may not be signalled lives, and so, to the ancestor, does a zombie.
fn is_alive(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(Errno::SRCH))
}

/// Says whether the process with that pid started after the record was written. What can't be read counts as no.
fn is_reused(record: &AncestorRecord) -> bool {
    let written = record.started_at.as_ref().and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(written), Some(started)) = (written, process_start(record.pid)) else { return false };
    started > written.as_millisecond() + START_TOLERANCE
}

/// The start of a process in milliseconds since 1970: field 22 of `/proc/PID/stat`, in clock ticks since the boot, whose time in
/// seconds is `btime` of `/proc/stat`.
fn process_start(pid: i32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in parentheses, may have anything in it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: i64 = fields.split(' ').nth(22 - 3)?.parse().ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot: i64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    let per_second = i64::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(boot * 1000 + ticks * 1000 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::temporary;
    use std::process::Command;
    use std::time::SystemTime;

    const BOTH: [Algorithm; 2] = [Algorithm::Unconditional, Algorithm::InodeChecked];

    fn dead_pid() -> u32 {
        let mut child = Command::new("true").spawn().expect("`true` starts");
        child.wait().expect("it ends");
        child.id()
    }

    fn record(pid: u32, started_at: &str) -> String {
        format!(r#"{{"pid":{pid},"startedAt":"{started_at}","command":"old"}}"#)
    }

    #[test]
    fn the_record_is_written_with_two_spaces_and_no_newline() {
        let record = AncestorRecord { pid: 7, started_at: None, command: Some("a b".into()) };
        let bytes = record.to_bytes();
        assert_eq!(bytes, b"{\n  \"pid\": 7,\n  \"startedAt\": null,\n  \"command\": \"a b\"\n}");
        assert_eq!(AncestorRecord::parse(&bytes), Some(record));
    }

    #[test]
    fn a_held_lock_answers_with_its_holder_and_a_released_one_is_free() {
        for algorithm in BOTH {
            let place = temporary();
            let path = place.path().join("lock");
            let first = acquire(&path, algorithm).expect("no error");
            assert!(first.acquired && !first.stale);
            let second = acquire(&path, algorithm).expect("no error");
            assert!(!second.acquired && !second.stale);
            assert_eq!(second.holder_pid, Some(rustix::process::getpid().as_raw_pid()));
            let started = second.holder_started_at.expect("told");
            assert!(started.len() == "2026-01-01T00:00:00.000Z".len() && started.ends_with('Z'), "{started}");
            assert!(second.holder_command.is_some());
            let lock = first.lock.expect("acquired");
            assert!(lock.is_ours());
            release(lock);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_dead_holder_is_replaced() {
        for algorithm in BOTH {
            let place = temporary();
            let path = place.path().join("lock");
            fs::write(&path, record(dead_pid(), "2026-01-01T00:00:00.000Z")).expect("written");
            assert!(acquire(&path, algorithm).expect("no error").acquired);
        }
    }

    #[test]
    fn a_pid_whose_process_started_after_the_record_is_stale_unless_it_is_our_own() {
        let place = temporary();
        let path = place.path().join("lock");
        let own = std::process::id();
        fs::write(&path, record(own, "1971-01-01T00:00:00.000Z")).expect("written");
        assert!(!acquire(&path, Algorithm::InodeChecked).expect("no error").acquired);
        fs::write(&path, record(1, "1971-01-01T00:00:00.000Z")).expect("written");
        assert!(acquire(&path, Algorithm::InodeChecked).expect("no error").acquired);
    }

    #[test]
    fn a_living_holder_whose_start_cannot_be_compared_is_kept() {
        let place = temporary();
        let path = place.path().join("lock");
        fs::write(&path, r#"{"pid":1,"startedAt":null,"command":null}"#).expect("written");
        let answer = acquire(&path, Algorithm::InodeChecked).expect("no error");
        assert_eq!((answer.acquired, answer.holder_pid, answer.holder_command), (false, Some(1), None));
    }

    #[test]
    fn a_malformed_file_is_left_alone_for_30_seconds() {
        for algorithm in BOTH {
            let place = temporary();
            let path = place.path().join("lock");
            let file = File::create_new(&path).expect("created");
            let young = acquire(&path, algorithm).expect("no error");
            assert!(!young.acquired && young.stale && young.holder_pid.is_none());
            file.set_modified(SystemTime::now() - Duration::from_secs(31)).expect("set");
            assert!(acquire(&path, algorithm).expect("no error").acquired);
        }
    }

    #[test]
    fn release_leaves_what_another_put_in_its_place() {
        let place = temporary();
        let path = place.path().join("lock");
        let answer = acquire(&path, Algorithm::InodeChecked).expect("no error");
        // Swapped by a rename: an unlink and a create could give the new file the old one's inode number.
        let other = place.path().join("other");
        fs::write(&other, record(1, "2026-01-01T00:00:00.000Z")).expect("written");
        fs::rename(&other, &path).expect("swapped");
        let lock = answer.lock.expect("acquired");
        assert!(!lock.is_ours());
        release(lock);
        release_by_pid(&path);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_record_is_malformed() {
        for bytes in ["", "{", "[]", "{\"pid\":\"7\"}", "{\"pid\":0,\"startedAt\":null,\"command\":null}"] {
            assert_eq!(AncestorRecord::parse(bytes.as_bytes()), None, "{bytes}");
        }
    }
}
