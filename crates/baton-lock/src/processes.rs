//! Which processes really have a lock's files open, or locked, as `/proc` shows it.
//!
//! The record says who acquired the lock; the kernel may know of others: a job whose wrapper was killed, a daemon left
//! behind, a foreign `flock`. A process has a lock through an open file description, and for each descriptor
//! `/proc/PID/fdinfo` lists the locks that belong to it, inherited ones included.
//!
//! Processes of other users, and outside this pid namespace, are not to be seen; what is found is true, what is not found
//! proves nothing. So this decides nothing, but where the kernel can't be asked who has a record open.
//!
//! Other processes' descriptors are told apart by `fdinfo`, and only one that must be ours by its inode number is looked at by
//! `stat`: that would hang on a file of a filesystem whose server does not answer, which has nothing to do with the lock.

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::identity::{self, TICKS_PER_SECOND};
use crate::record::Record;
use crate::sys::{self, FileId, Handle, Stat};

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
    /// What the process table says of it.
    pub(crate) fn describe(pid: u32) -> Self {
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

/// A file as the kernel's tables name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    id: FileId,
    /// Its inode number there; on some overlays `stat` says another.
    inode: u64,
    /// Its device there, such as `08:01`; on btrfs and overlayfs `stat` says another.
    device: String,
}

impl Listed {
    /// How the kernel's tables name a file that is open here.
    pub(crate) fn of(handle: &Handle, stat: &Stat) -> Self {
        let own = FdInfo::read(sys::process_id(), &handle.as_raw_fd().to_string()).unwrap_or_default();
        Self {
            id: stat.id,
            inode: own.inode.unwrap_or(stat.id.inode),
            device: own.mount.and_then(mounted_device).unwrap_or_else(|| sys::device_text(stat.id.device)),
        }
    }
}

/// The device of the filesystem that is mounted by that number, from `/proc/self/mountinfo`, as `/proc/locks` spells it.
fn mounted_device(mount: u64) -> Option<String> {
    let listing = sys::read_path(Path::new("/proc/self/mountinfo"), LISTING).ok()?;
    String::from_utf8_lossy(&listing).lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        (fields.next()?.parse() == Ok(mount)).then_some(())?;
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some(format!("{:02x}:{:02x}", major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    })
}

/// Which lock of a file makes a process one that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Any lock that belongs to one of its descriptors.
    AnyLock,
    /// The lock on byte 0 alone: that of a record's holder, not of one who judges it.
    HolderByte,
}

/// The processes that have a kernel lock on one of `files`, this one included.
pub(crate) fn holding(files: &[Listed]) -> Vec<Process> {
    let is_one = |pid: &u32| holds(*pid, files, By::AnyLock) && !shares_with_its_parent(*pid);
    pids().into_iter().filter(is_one).map(Process::describe).collect()
}

/// Has the process no descriptors of its own, but its parent's, as a [`sys::Lookout`] has? What it has is had by the parent, which is seen
/// for itself. Where the kernel does not tell, it counts as any other.
pub(crate) fn shares_with_its_parent(pid: u32) -> bool {
    let process = i32::try_from(pid).ok().and_then(identity::process);
    let parent = process.and_then(|process| u32::try_from(process.parent).ok());
    parent.is_some_and(|parent| sys::share_descriptors(pid, parent) == Ok(true))
}

/// Does the process have such a kernel lock on one of `files`?
pub(crate) fn holds(pid: u32, files: &[Listed], by: By) -> bool {
    descriptors(pid, files).into_iter().any(|descriptor| match by {
        By::AnyLock => !descriptor.info.locks.is_empty(),
        By::HolderByte => descriptor.info.locks.iter().any(|line| is_on_holder_byte(line)),
    })
}

/// Reads a lock line of `fdinfo`, such as `1: OFDLCK ADVISORY  WRITE -1 08:01:131117 0 0`.
fn is_on_holder_byte(line: &str) -> bool {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    fields.contains(&"OFDLCK") && fields.ends_with(&["0", "0"])
}

/// Does the process have the file open?
pub(crate) fn has_open(pid: u32, file: &Listed) -> bool {
    !descriptors(pid, std::slice::from_ref(file)).is_empty()
}

/// Is the file open in any process that can be seen, this one included?
pub(crate) fn is_open(file: &Listed) -> bool {
    pids().into_iter().any(|pid| has_open(pid, file))
}

/// Is the file open in any process that can be seen, by another descriptor than this one of our own?
pub(crate) fn others_have_open(own: &Handle, file: &Listed) -> bool {
    is_open_by_another(own, file, |_| true)
}

/// The same, by a descriptor that can be written to.
pub(crate) fn others_can_write(own: &Handle, file: &Listed) -> bool {
    is_open_by_another(own, file, |descriptor| !descriptor.info.only_reads)
}

fn is_open_by_another(own: &Handle, file: &Listed, counts: impl Fn(&Descriptor) -> bool) -> bool {
    let (own_pid, own_number) = (sys::process_id(), own.as_raw_fd().to_string());
    // Or a child's that waits in our place.
    let is_own = |pid| pid == own_pid || sys::share_descriptors(pid, own_pid) == Ok(true);
    pids().into_iter().any(|pid| {
        descriptors(pid, std::slice::from_ref(file))
            .iter()
            .any(|descriptor| !(descriptor.number == own_number && is_own(pid)) && counts(descriptor))
    })
}

/// Is the file locked by `flock`? Asked of `/proc/locks`, so that nobody is disturbed.
///
/// A lock can be hidden there: in a pid namespace other than the first, one whose taker has died or is of another
/// namespace. So "no" is no proof.
pub(crate) fn is_flocked(file: &Listed) -> bool {
    let listing = sys::read_path(Path::new("/proc/locks"), LISTING).unwrap_or_default();
    String::from_utf8_lossy(&listing).lines().any(|line| is_flock_on(line, file))
}

/// Reads a line such as `1: FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF`; `->` marks one who waits.
fn is_flock_on(line: &str, file: &Listed) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next() != Some("FLOCK") {
        return false;
    }
    let Some((device, inode)) = fields.nth(3).and_then(|place| place.rsplit_once(':')) else { return false };
    inode.parse() == Ok(file.inode) && device == file.device
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

impl Record {
    /// Does it name this process or one above it? By pid, start, boot and pid namespace: who has all of these in common is the same
    /// process. For stores where nothing better tells whether a holder is one's own; in a directory the kernel does.
    pub fn names_own_ancestor(&self) -> bool {
        let Some(details) = &self.baton else { return false };
        let start = || identity::process(i32::try_from(self.pid).ok()?).map(|process| process.start);
        let is_same = |one: &Option<String>, other: Option<String>| one.is_some() && *one == other;
        is_same(&details.boot_id, identity::boot_id())
            && is_same(&details.pid_namespace, identity::pid_namespace())
            && own_ancestry().contains(&self.pid)
            && details.process_start == start()
    }
}

/// One open descriptor of a process.
struct Descriptor {
    number: String,
    info: FdInfo,
}

/// What `/proc/PID/fdinfo/N` says.
#[derive(Debug, Default)]
struct FdInfo {
    /// The inode's number; not said by old kernels.
    inode: Option<u64>,
    /// The number of the mount that it was opened by.
    mount: Option<u64>,
    /// It was opened for reading only.
    only_reads: bool,
    /// The locks that belong to the open file description, as `/proc/locks` has them.
    locks: Vec<String>,
}

impl FdInfo {
    fn read(pid: u32, number: &str) -> Option<Self> {
        let bytes = sys::read_path(&proc(pid).join("fdinfo").join(number), LISTING).ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name {
                "ino" => info.inode = value.parse().ok(),
                "mnt_id" => info.mount = value.parse().ok(),
                "flags" => info.only_reads = u32::from_str_radix(value, 8).is_ok_and(is_read_only),
                "lock" => info.locks.push(value.to_owned()),
                _ => {}
            }
        }
        info
    }
}

/// Do these flags of `open` ask for reading alone?
fn is_read_only(flags: u32) -> bool {
    const ACCESS: u32 = 0o3;
    flags & ACCESS == 0
}

fn proc(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// All processes that can be seen.
pub(crate) fn pids() -> Vec<u32> {
    names(Path::new("/proc")).iter().filter_map(|name| name.parse().ok()).collect()
}

/// The descriptors of a process that are open on one of `files`; none where they can't be seen.
fn descriptors(pid: u32, files: &[Listed]) -> Vec<Descriptor> {
    let directory = proc(pid).join("fd");
    let on_one_of_them = |number: String| {
        let info = FdInfo::read(pid, &number)?;
        let can_be = |file: &&Listed| info.inode.is_none_or(|inode| inode == file.inode);
        let mut candidates = files.iter().filter(can_be).peekable();
        candidates.peek()?;
        let id = sys::stat_path(&directory.join(&number)).ok()?.id;
        candidates.any(|file| file.id == id).then_some(Descriptor { number, info })
    };
    names(&directory).into_iter().filter_map(on_one_of_them).collect()
}

fn names(directory: &Path) -> Vec<String> {
    let names = sys::names_in_path(directory).unwrap_or_default();
    names.into_iter().filter_map(|name| name.into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn listed(file: &File) -> Listed {
        let handle: Handle = file.try_clone().expect("cloned").into();
        Listed::of(&handle, &sys::stat(&handle).expect("open"))
    }

    #[test]
    fn own_lock_is_found_and_an_open_file_without_one_is_not() {
        let file = tempfile::tempfile().expect("a file");
        let files = [listed(&file)];
        let myself = std::process::id();
        assert!(has_open(myself, &files[0]) && !holds(myself, &files, By::AnyLock));
        file.lock().expect("locked");
        assert!(holds(myself, &files, By::AnyLock) && is_flocked(&files[0]));
        assert!(!holds(myself, &files, By::HolderByte), "an `flock` is not the lock on byte 0");
        assert!(holding(&files).iter().any(|process| process.pid == myself));
        file.unlock().expect("unlocked");
        assert!(!holds(myself, &files, By::AnyLock) && !is_flocked(&files[0]));
    }

    #[test]
    fn lock_on_byte_0_is_told_from_one_on_byte_1() {
        for (range, is_holder) in [(sys::Range::Holder, true), (sys::Range::Judge, false)] {
            let file = tempfile::tempfile().expect("a file");
            let files = [listed(&file)];
            let handle: Handle = file.into();
            assert!(sys::try_lock_range(&handle, range).expect("locked"));
            assert_eq!(holds(std::process::id(), &files, By::HolderByte), is_holder);
        }
    }

    #[test]
    fn second_descriptor_of_this_process_counts_as_another() {
        let file = tempfile::tempfile().expect("a file");
        let listed = listed(&file);
        let own: Handle = file.into();
        assert!(!others_have_open(&own, &listed));
        let _second = own.try_clone().expect("cloned");
        assert!(others_have_open(&own, &listed));
    }

    #[test]
    fn child_that_waits_in_our_place_is_nobody_else() {
        let place = tempfile::tempdir().expect("a directory");
        let opened = || File::create(place.path().join("waited for")).expect("created");
        let (holder, waiting) = (opened(), Handle::from(opened()));
        holder.lock().expect("locked");
        let file = tempfile::tempfile().expect("a file");
        let files = [listed(&file)];
        file.lock().expect("locked");
        let _lookout = sys::Lookout::start(&waiting, sys::Awaited::Flock).expect("started");
        let seen = || holding(&files).iter().map(|process| process.pid).collect::<Vec<_>>();
        assert_eq!(seen(), [std::process::id()]);
        assert!(!others_have_open(&file.into(), &files[0]));
    }

    #[test]
    fn kernel_and_process_table_agree_on_who_has_a_file_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let own: Handle = File::create(&path).expect("created").into();
        let listed = Listed::of(&own, &sys::stat(&own).expect("open"));
        let both = || (sys::is_open_elsewhere(&own), others_have_open(&own, &listed));
        assert_eq!(both(), (Ok(false), false));
        let reader = File::open(&path).expect("opened");
        assert_eq!(both(), (Ok(true), true));
        drop(reader);
        assert_eq!(both(), (Ok(false), false));
    }

    #[test]
    fn who_only_reads_is_told_from_who_can_write() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let own: Handle = File::create(&path).expect("created").into();
        let listed = Listed::of(&own, &sys::stat(&own).expect("open"));
        let _reader = File::open(&path).expect("opened");
        assert!(others_have_open(&own, &listed) && !others_can_write(&own, &listed));
        let _writer = File::options().append(true).open(&path).expect("opened");
        assert!(others_can_write(&own, &listed));
    }

    #[test]
    fn only_those_who_have_an_flock_count() {
        let id = FileId { device: 0x801, inode: 131_117 };
        let file = Listed { id, inode: 131_117, device: "08:01".to_owned() };
        let is = |line| is_flock_on(line, &file);
        assert!(is("1: FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF"));
        assert!(!is("1: -> FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF"));
        assert!(!is("1: OFDLCK ADVISORY  WRITE -1 08:01:131117 0 0"));
        assert!(!is("1: FLOCK  ADVISORY  WRITE 4127 08:01:131118 0 EOF"));
        assert!(!is("1: FLOCK  ADVISORY  WRITE 4127 08:02:131117 0 EOF"));
    }

    #[test]
    fn ancestry_begins_here_and_ends() {
        let line = own_ancestry();
        assert_eq!(line.first(), Some(&std::process::id()));
        assert!(line.len() < 1000);
    }

    #[test]
    fn record_names_an_own_ancestor_only_if_all_of_its_identity_is_that_of_one() {
        let own = crate::Lock::options().record(None);
        assert!(own.names_own_ancestor());
        let with = |change: fn(&mut Record)| {
            let mut changed = own.clone();
            change(&mut changed);
            changed.names_own_ancestor()
        };
        assert!(!with(|record| record.pid = 1_000_000_000));
        assert!(!with(|record| record.baton = None));
        let details: [fn(&mut crate::Details); 4] = [
            |details| details.boot_id = Some("another".into()),
            |details| details.boot_id = None,
            |details| details.pid_namespace = Some("pid:[1]".into()),
            |details| details.process_start = details.process_start.map(|start| start + 1),
        ];
        for change in details {
            let mut changed = own.clone();
            change(changed.baton.as_mut().expect("its own"));
            assert!(!changed.names_own_ancestor(), "{changed:?}");
        }
    }
}
