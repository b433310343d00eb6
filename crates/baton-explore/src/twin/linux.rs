//! The twin of `sys/linux.rs`.
//!
//! Each function names what it may fail with besides what the simulated kernel answers: what a kernel may answer at any time, and the library
//! has a way out of. Unlocking, closing and sleeping fail for nobody who uses a descriptor of his own.

use std::ffi::{OsStr, OsString};
use std::io::IoSlice;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub(crate) use rustix::io::Errno;

use crate::kernel::{Kernel, Span, Until};
pub(crate) use crate::sim::fd::Handle;
use crate::sim::fd::{AsRawFd, BorrowedFd, RawFd};
use crate::sim::{self, Result};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    ReadWrite,
    CreateNew,
    CreateUnfinished,
    CreateShared,
}

/// What `flock` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flock {
    Exclusive,
    Shared,
    TryExclusive,
    TryShared,
    Unlock,
}

/// A range of bytes of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    Holder,
    Judge,
    Both,
    Waiter,
    SteppingBack,
    Ticket,
}

impl Range {
    pub(super) fn span(self) -> Span {
        match self {
            Self::Holder => Span { from: 0, to: 1 },
            Self::Judge => Span { from: 1, to: 2 },
            Self::Both => Span { from: 0, to: 2 },
            Self::Waiter => Span { from: 2, to: 3 },
            Self::SteppingBack => Span { from: 3, to: 4 },
            Self::Ticket => Span { from: 2, to: 4 },
        }
    }
}

/// Which file a descriptor or a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(dead_code, reason = "only files and directories are simulated")]
pub(crate) enum FileKind {
    Regular,
    Directory,
    Symlink,
    Fifo,
    Socket,
    Device,
}

impl FileKind {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        }
    }
}

/// What `fstat` says.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    pub(crate) kind: FileKind,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) modified: Duration,
}

/// What signal 0 found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Signalled {
    Exists,
    NoSuchProcess,
}

const LOOK: &[Errno] = &[Errno::IO, Errno::INTR];
const OPEN: &[Errno] = &[Errno::IO, Errno::INTR, Errno::MFILE];
const CREATE: &[Errno] = &[Errno::IO, Errno::INTR, Errno::MFILE, Errno::NOSPC];
const WRITE: &[Errno] = &[Errno::IO, Errno::INTR, Errno::NOSPC];
const LOCK: &[Errno] = &[Errno::NOLCK, Errno::INTR];
const NONE: &[Errno] = &[];

pub(crate) fn open_directory(path: &Path) -> Result<Handle> {
    sim::own_call(format_args!("open the directory {}", path.display()), OPEN, |kernel, pid| {
        kernel.open_path(pid, path, true)
    })
    .map(Handle)
}

pub(crate) fn open_directory_to_sync(path: &Path) -> Result<Handle> {
    let what = format_args!("open the directory {} to sync it", path.display());
    sim::call(what, OPEN, |kernel, pid| kernel.open_path(pid, path, false)).map(Handle)
}

pub(crate) fn open_at(dir: &Handle, name: &OsStr, access: Access) -> Result<Handle> {
    let creates = !matches!(access, Access::Read | Access::ReadWrite);
    let faults = if creates { CREATE } else { OPEN };
    let open = |kernel: &mut Kernel, pid| kernel.open_at(pid, dir.0, name, access);
    sim::call(format_args!("open {} ({access:?})", name.display()), faults, open).map(Handle)
}

pub(crate) fn stat(file: &Handle) -> Result<Stat> {
    let what = format_args!("stat {}", file.0);
    let stat = |kernel: &mut Kernel, pid| kernel.stat(pid, file.0);
    if sim::look(|kernel, pid| kernel.is_directory(pid, file.0)) {
        return sim::own_call(what, LOOK, stat);
    }
    sim::call(what, LOOK, stat)
}

pub(crate) fn stat_at(dir: &Handle, name: &OsStr) -> Result<Stat> {
    sim::call(format_args!("stat {}", name.display()), LOOK, |kernel, pid| kernel.stat_at(pid, dir.0, name))
}

pub(crate) fn stat_path(path: &Path) -> Result<Stat> {
    let what = format_args!("stat {}", path.display());
    let stat = |kernel: &mut Kernel, _| kernel.stat_path(path);
    if sim::look(|kernel, _| kernel.is_directory_path(path)) {
        return sim::own_call(what, LOOK, stat);
    }
    sim::call(what, LOOK, stat)
}

pub(crate) fn filesystem_magic(file: &Handle) -> Result<u64> {
    sim::own_call(format_args!("statfs {}", file.0), LOOK, |kernel, pid| {
        kernel.stat(pid, file.0)?;
        Ok(kernel.magic)
    })
}

pub(crate) fn flock(file: &Handle, operation: Flock) -> Result<()> {
    let what = format_args!("flock {} {operation:?}", file.0);
    let act = |kernel: &mut Kernel, pid| kernel.flock(pid, file.0, operation);
    match operation {
        Flock::Exclusive => sim::sleeping_call(what, LOCK, Until::Unflocked(file.0, true), act),
        Flock::Shared => sim::sleeping_call(what, LOCK, Until::Unflocked(file.0, false), act),
        Flock::TryExclusive | Flock::TryShared => sim::call(what, LOCK, act),
        Flock::Unlock => sim::call(what, NONE, act),
    }
}

pub(crate) fn try_lock_range(file: &Handle, range: Range) -> Result<bool> {
    sim::call(format_args!("lock {range:?} of {}", file.0), LOCK, |kernel, pid| {
        kernel.lock_bytes(pid, file.0, range.span(), true)
    })
}

pub(crate) fn try_share_range(file: &Handle, range: Range) -> Result<bool> {
    sim::call(format_args!("share {range:?} of {}", file.0), LOCK, |kernel, pid| {
        kernel.lock_bytes(pid, file.0, range.span(), false)
    })
}

pub(crate) fn is_range_exclusive(file: &Handle, range: Range) -> Result<bool> {
    sim::call(format_args!("ask who has {range:?} of {} alone", file.0), LOOK, |kernel, pid| {
        kernel.are_bytes_locked(pid, file.0, range.span(), false)
    })
}

pub(crate) fn unlock_range(file: &Handle, range: Range) -> Result<()> {
    sim::call(format_args!("unlock {range:?} of {}", file.0), NONE, |kernel, pid| {
        kernel.unlock_bytes(pid, file.0, range.span())
    })
}

pub(crate) fn is_range_locked(file: &Handle, range: Range) -> Result<bool> {
    sim::call(format_args!("ask for {range:?} of {}", file.0), LOOK, |kernel, pid| {
        kernel.are_bytes_locked(pid, file.0, range.span(), true)
    })
}

pub(crate) fn is_open_elsewhere(file: &Handle) -> Result<bool> {
    let lease = format_args!("lease {}", file.0);
    if !sim::call(lease, LOOK, |kernel, pid| kernel.lease(pid, file.0))? {
        return Ok(true);
    }
    sim::call(format_args!("give back the lease of {}", file.0), NONE, |kernel, pid| {
        kernel.unlease(pid, file.0)
    })?;
    Ok(false)
}

pub(crate) fn read_at(file: &Handle, buffer: &mut [u8], offset: u64) -> Result<usize> {
    let most = buffer.len();
    let (length, bytes) =
        sim::partial_call(format_args!("read {} from {offset}", file.0), LOOK, |kernel, pid, short| {
            let most = if short { most.min(7) } else { most };
            let mut bytes = vec![0; most];
            let length = kernel.read_at(pid, file.0, &mut bytes, offset)?;
            bytes.truncate(length);
            Ok((length, bytes))
        })?;
    buffer[..length].copy_from_slice(&bytes);
    Ok(length)
}

pub(crate) fn write_at(file: &Handle, bytes: &[u8], offset: u64) -> Result<usize> {
    let what = format_args!("write {} bytes to {} from {offset}", bytes.len(), file.0);
    sim::partial_call(what, WRITE, |kernel, pid, short| {
        let length = if short { bytes.len().div_ceil(2) } else { bytes.len() };
        kernel.write_at(pid, file.0, &bytes[..length], offset)
    })
}

pub(crate) fn write_parts_at(file: &Handle, parts: &[IoSlice<'_>], offset: u64) -> Result<usize> {
    let bytes = parts.iter().map(|part| &**part).collect::<Vec<_>>().concat();
    write_at(file, &bytes, offset)
}

pub(crate) fn move_noreplace(from: &Handle, name: &OsStr, to: &Handle, new_name: &OsStr) -> Result<()> {
    sim::call(
        format_args!("rename {} to {}, which must be free", name.display(), new_name.display()),
        CREATE,
        |kernel, pid| kernel.move_noreplace(pid, (from.0, name), (to.0, new_name)),
    )
}

pub(crate) fn rename_replacing(dir: &Handle, from: &OsStr, to: &OsStr) -> Result<()> {
    sim::call(format_args!("rename {} to {}", from.display(), to.display()), CREATE, |kernel, pid| {
        kernel.rename_replacing(pid, dir.0, from, to)
    })
}

pub(crate) fn rename_exchange(dir: &Handle, one: &OsStr, other: &OsStr) -> Result<()> {
    sim::call(format_args!("exchange {} and {}", one.display(), other.display()), LOOK, |kernel, pid| {
        kernel.rename_exchange(pid, dir.0, one, other)
    })
}

pub(crate) fn sync(file: &Handle) -> Result<()> {
    sim::call(format_args!("fsync {}", file.0), WRITE, |kernel, pid| kernel.sync(pid, file.0))
}

pub(crate) fn unlink(dir: &Handle, name: &OsStr) -> Result<()> {
    sim::call(format_args!("unlink {}", name.display()), LOOK, |kernel, pid| kernel.unlink(pid, dir.0, name))
}

pub(crate) fn make_directory(dir: &Handle, name: &OsStr, mode: u32) -> Result<()> {
    sim::call(format_args!("mkdir {}", name.display()), CREATE, |kernel, pid| {
        kernel.make_directory(pid, dir.0, name, mode)
    })
}

pub(crate) fn open_directory_at(dir: &Handle, name: &OsStr) -> Result<Handle> {
    sim::call(format_args!("open the directory {}", name.display()), OPEN, |kernel, pid| {
        kernel.open_directory_at(pid, dir.0, name)
    })
    .map(Handle)
}

pub(crate) fn remove_directory(dir: &Handle, name: &OsStr) -> Result<()> {
    sim::call(format_args!("rmdir {}", name.display()), LOOK, |kernel, pid| {
        kernel.remove_directory(pid, dir.0, name)
    })
}

/// Ready is what is at once: a wait without a limit sleeps for the first one only, and nobody here waits for several.
pub(crate) fn is_ready(descriptors: &[BorrowedFd<'_>], most: Option<Duration>) -> Result<bool> {
    let is_one = |kernel: &mut Kernel, pid| {
        Ok(descriptors.iter().any(|descriptor| kernel.is_ready(pid, descriptor.as_raw_fd())))
    };
    match (descriptors, most) {
        ([first, ..], None) => {
            let until = Until::Ready(first.as_raw_fd());
            sim::sleeping_call(format_args!("poll"), NONE, until, is_one)
        }
        _ => sim::call(format_args!("look whether one is ready"), NONE, is_one),
    }
}

pub(crate) fn event() -> Result<Handle> {
    sim::call(format_args!("eventfd"), OPEN, |kernel, pid| Ok(kernel.event(pid))).map(Handle)
}

pub(crate) fn set_event(event: &Handle) -> Result<()> {
    sim::call(format_args!("set {}", event.0), NONE, |kernel, pid| kernel.set_event(pid, event.0))
}

/// A timer whose time is over: how long anything takes is for the explorer to choose.
pub(crate) fn timer(_after: Duration) -> Result<Handle> {
    let event = event()?;
    set_event(&event)?;
    Ok(event)
}

/// Not simulated: as if the user's instances were used up, so that it is looked at again.
pub(crate) fn watch(_dir: &Handle, _name: &OsStr) -> Result<Handle> {
    sim::call(format_args!("watch"), NONE, |_, _| Err::<i32, _>(Errno::MFILE)).map(Handle)
}

/// Nobody here shares a table of descriptors.
pub(crate) fn share_descriptors(_one: u32, _other: u32) -> Result<bool> {
    Ok(false)
}

pub(crate) fn touch(file: &Handle) -> Result<()> {
    sim::call(format_args!("touch {}", file.0), LOOK, |kernel, pid| kernel.touch(pid, file.0))
}

pub(crate) fn change_mode(file: &Handle, mode: u32) -> Result<()> {
    sim::call(format_args!("chmod {} {mode:o}", file.0), LOOK, |kernel, pid| {
        kernel.change_mode(pid, file.0, mode)
    })
}

pub(crate) fn names_in(dir: &Handle, is_wanted: &dyn Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
    let names = sim::call(format_args!("list {}", dir.0), OPEN, |kernel, pid| kernel.names_in(pid, dir.0))?;
    Ok(names.into_iter().filter(|name| is_wanted(name)).collect())
}

pub(crate) fn names_in_path(path: &Path) -> Result<Vec<OsString>> {
    sim::call(format_args!("list {}", path.display()), OPEN, |kernel, _| kernel.names_in_path(path))
}

pub(crate) fn pause(_time: Duration) {
    sim::pause();
}

pub(crate) fn probe_process(pid: i32) -> Signalled {
    let found = sim::call(format_args!("signal 0 to {pid}"), NONE, |kernel, _| {
        let is_alive = u32::try_from(pid).is_ok_and(|pid| kernel.is_alive(pid));
        Ok(if is_alive { Signalled::Exists } else { Signalled::NoSuchProcess })
    });
    found.unwrap_or(Signalled::Exists)
}

/// What never changes is no point at which others could come before: it is asked for under a lock of the process's own, too.
pub(crate) fn read_path(path: &Path, limit: usize, _is_whole: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let never_changes = |path: &Path| {
        !path.starts_with("/proc") || path.starts_with("/proc/self") || path.starts_with("/proc/sys")
    };
    let mut bytes = if never_changes(path) {
        sim::look(|kernel, pid| kernel.read_path(pid, path))?
    } else {
        sim::call(format_args!("read {}", path.display()), NONE, |kernel, pid| kernel.read_path(pid, path))?
    };
    bytes.truncate(limit);
    Ok(bytes)
}

pub(crate) fn link_target(_path: &Path) -> Result<OsString> {
    Ok("pid:[4026531836]".into())
}

pub(crate) fn process_id() -> u32 {
    sim::look(|_, pid| pid)
}

pub(crate) fn effective_user() -> u32 {
    0
}

pub(crate) fn file_size_limit() -> u64 {
    u64::MAX
}

pub(crate) fn host_name() -> String {
    "host".to_owned()
}

pub(crate) fn device_text(_device: u64) -> String {
    "08:01".to_owned()
}

pub(crate) fn random() -> Result<u64> {
    Ok(sim::look(Kernel::random))
}

pub(crate) fn real_time() -> Duration {
    sim::look(|kernel, _| kernel.now)
}

pub(crate) fn boot_time() -> Duration {
    sim::look(|kernel, _| kernel.now.saturating_sub(kernel.booted))
}

/// What a child inherits is the script's business.
pub(crate) fn hand_over_at_exec(_command: &mut Command, _descriptors: Vec<RawFd>) {}

/// Nothing of it is simulated.
pub(crate) fn unblock_signals_at_exec(_command: &mut Command) {}

/// Nothing of it is simulated.
pub(crate) fn is_ignored(_signal: i32) -> bool {
    false
}

/// Nothing of it is simulated.
pub(crate) fn kill_with_parent_at_exec(_command: &mut Command) {}
