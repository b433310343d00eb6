//! Which processes really have a lock's files open, or locked, as `/proc` shows it.
//!
//! The record says who acquired the lock; the kernel may know of others: a job whose wrapper was killed, a daemon left
//! behind, a foreign `flock`. A process has a lock through an open file description, and for each descriptor
//! `/proc/PID/fdinfo` lists the locks that belong to it, inherited ones included.
//!
//! Processes of other users, and outside this pid namespace, are not to be seen; what is found is true, what is not found
//! proves nothing. So this decides nothing but "in use" for records that no kernel lock speaks for.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::identity::{self, TICKS_PER_SECOND};
use crate::sys::{self, FileId, Handle};

/// `/proc/locks` and `fdinfo` are read up to here, in bytes.
const LISTING: usize = 1 << 20;

/// A process that holds a lock, as the process table of this pid namespace shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Process {
    /// Its id here, which need not be the one in the record.
    pub pid: u32,
    /// The user it runs as, by name where there is one.
    pub user: String,
    /// Its command line, secrets redacted; `None` where it can't be read.
    pub command: Option<String>,
    /// When it started, by the wall clock; about 10 ms exact.
    pub started: Option<SystemTime>,
}

impl Process {
    fn describe(pid: u32) -> Self {
        let raw = i32::try_from(pid).unwrap_or(0);
        let owner = sys::stat_path(&identity::proc_path(raw, "")).map(|stat| stat.owner);
        Self {
            pid,
            user: owner.map_or_else(|_| "unknown".to_owned(), identity::user_name),
            command: identity::command_line(raw),
            started: identity::process(raw).and_then(|process| wall_time(process.start)),
        }
    }
}

/// The wall-clock time that is `ticks` clock ticks after the boot.
pub(crate) fn wall_time(ticks: u64) -> Option<SystemTime> {
    let since_boot = Duration::from_millis(ticks.checked_mul(1000)? / TICKS_PER_SECOND);
    let booted = sys::real_time().checked_sub(sys::boot_time())?;
    SystemTime::UNIX_EPOCH.checked_add(booted.checked_add(since_boot)?)
}

/// The processes that have a kernel lock on one of `files`, this one included.
pub(crate) fn holding(files: &[FileId]) -> Vec<Process> {
    pids().into_iter().filter(|&pid| holds(pid, files)).map(Process::describe).collect()
}

/// Does the process have a kernel lock on one of `files`?
pub(crate) fn holds(pid: u32, files: &[FileId]) -> bool {
    descriptors(pid)
        .into_iter()
        .any(|descriptor| descriptor.id.is_some_and(|id| files.contains(&id)) && descriptor.has_lock(pid))
}

/// Does the process have the file open?
pub(crate) fn has_open(pid: u32, file: FileId) -> bool {
    descriptors(pid).iter().any(|descriptor| descriptor.id == Some(file))
}

/// Is the file open in any process?
pub(crate) fn is_open(file: FileId) -> bool {
    pids().into_iter().any(|pid| has_open(pid, file))
}

/// Is the file open in any process, by another descriptor than this one of our own?
pub(crate) fn others_have_open(own: &Handle, file: FileId) -> bool {
    let (own_pid, own_number) = (sys::process_id(), own.as_raw_fd().to_string());
    pids().into_iter().any(|pid| {
        descriptors(pid).iter().any(|descriptor| {
            descriptor.id == Some(file) && !(pid == own_pid && descriptor.number == own_number)
        })
    })
}

/// Is the file locked by `flock`? Asked of `/proc/locks`, so that nobody is disturbed.
///
/// btrfs and overlayfs show another device number there than `stat` does; with `device_differs` only the inode's number is
/// compared. A lock can be hidden from this pid namespace, so "no" is no proof.
pub(crate) fn is_flocked(file: FileId, device_differs: bool) -> bool {
    let listing = sys::read_path(Path::new("/proc/locks"), LISTING).unwrap_or_default();
    String::from_utf8_lossy(&listing).lines().any(|line| is_flock_on(line, file, device_differs))
}

/// Reads a line such as `1: FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF`; `->` marks one who waits.
fn is_flock_on(line: &str, file: FileId, device_differs: bool) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next() != Some("FLOCK") {
        return false;
    }
    let Some((device, inode)) = fields.nth(3).and_then(|place| place.rsplit_once(':')) else { return false };
    inode.parse() == Ok(file.inode) && (device_differs || device == sys::device_text(file.device))
}

/// This process, its parent, and so on up to the first one.
pub(crate) fn own_ancestry() -> Vec<u32> {
    let mut line = Vec::new();
    let mut next = i32::try_from(sys::process_id()).unwrap_or(0);
    // Ends at pid 0; a pid that turns up twice means that the table changed under us.
    while let Some(pid) = u32::try_from(next).ok().filter(|pid| *pid > 0 && !line.contains(pid)) {
        line.push(pid);
        next = identity::process(next).map_or(0, |process| process.parent);
    }
    line
}

/// One open descriptor of a process.
struct Descriptor {
    number: String,
    /// Which file it is open on; `None` if that can't be seen.
    id: Option<FileId>,
}

impl Descriptor {
    /// Does a kernel lock belong to its open file description?
    fn has_lock(&self, pid: u32) -> bool {
        let path = proc(pid).join("fdinfo").join(&self.number);
        let text = sys::read_path(&path, LISTING).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().any(|line| line.starts_with("lock:"))
    }
}

fn proc(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

fn pids() -> Vec<u32> {
    names(Path::new("/proc")).iter().filter_map(|name| name.parse().ok()).collect()
}

/// The descriptors of a process; none where they can't be seen.
fn descriptors(pid: u32) -> Vec<Descriptor> {
    let directory = proc(pid).join("fd");
    names(&directory)
        .into_iter()
        .map(|number| Descriptor {
            id: sys::stat_path(&directory.join(&number)).ok().map(|stat| stat.id),
            number,
        })
        .collect()
}

fn names(directory: &Path) -> Vec<String> {
    let names = sys::names_in_path(directory).unwrap_or_default();
    names.into_iter().filter_map(|name| name.into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn identity_of(file: &File) -> FileId {
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        sys::stat_path(&path).expect("open").id
    }

    #[test]
    fn own_lock_is_found_and_an_open_file_without_one_is_not() {
        let file = tempfile::tempfile().expect("a file");
        let id = identity_of(&file);
        let myself = std::process::id();
        assert!(has_open(myself, id) && !holds(myself, &[id]));
        file.lock().expect("locked");
        assert!(holds(myself, &[id]) && is_flocked(id, false));
        assert!(holding(&[id]).iter().any(|process| process.pid == myself));
        file.unlock().expect("unlocked");
        assert!(!holds(myself, &[id]) && !is_flocked(id, false));
    }

    #[test]
    fn second_descriptor_of_this_process_counts_as_another() {
        let file = tempfile::tempfile().expect("a file");
        let id = identity_of(&file);
        let own: Handle = file.into();
        assert!(!others_have_open(&own, id));
        let _second = own.try_clone().expect("cloned");
        assert!(others_have_open(&own, id));
    }

    #[test]
    fn only_those_who_have_an_flock_count() {
        let file = FileId { device: 0x801, inode: 131_117 };
        let is = |line| is_flock_on(line, file, false);
        assert!(is("1: FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF"));
        assert!(!is("1: -> FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF"));
        assert!(!is("1: OFDLCK ADVISORY  WRITE -1 08:01:131117 0 0"));
        assert!(!is("1: FLOCK  ADVISORY  WRITE 4127 08:01:131118 0 EOF"));
        assert!(!is("1: FLOCK  ADVISORY  WRITE 4127 08:02:131117 0 EOF"));
        assert!(is_flock_on("1: FLOCK  ADVISORY  WRITE 4127 00:2e:131117 0 EOF", file, true));
    }

    #[test]
    fn ancestry_begins_here_and_ends() {
        let line = own_ancestry();
        assert_eq!(line.first(), Some(&std::process::id()));
        assert!(line.len() < 1000);
    }
}
