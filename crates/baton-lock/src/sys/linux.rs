//! Linux: rustix where it has the call, `fcntl` for open file description locks, which it lacks.

use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, WatchFlags};
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RawDir, RenameFlags, Timestamps};
use rustix::process::Pid;
use rustix::time::{ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

pub(crate) use rustix::io::Errno;

use super::Result;

/// An open file description; closed when dropped.
pub(crate) type Handle = OwnedFd;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// For reading.
    Read,
    /// For reading and writing.
    ReadWrite,
    /// For reading and writing; the name must not exist yet. The mode is 0600 less the umask.
    CreateNew,
    /// The same, and the sticky bit is set.
    CreateUnfinished,
    /// For reading; the name must not exist yet. The mode is 0666 less the umask, as `flock(1)` has it.
    CreateShared,
}

/// What `flock` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flock {
    /// Exclusive, waiting.
    Exclusive,
    /// Exclusive, not waiting.
    TryExclusive,
    /// Shared, waiting.
    Shared,
    /// Shared, not waiting.
    TryShared,
    /// Give it back, for every copy of the descriptor.
    Unlock,
}

/// A range of bytes of a record, or of a ticket, which may become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// Byte 0: who has it holds the lock.
    Holder,
    /// Byte 1: who has it may judge and replace the record.
    Judge,
    /// Both.
    Both,
    /// Byte 2: who has it waits.
    Waiter,
    /// Byte 3: who has it lets others come first.
    SteppingBack,
    /// These two.
    Ticket,
}

/// Which file a descriptor or a name means. Comparable only while one of the two compared files is open: a freed
/// inode number is handed out again at once by some filesystems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The type of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Directory,
    Symlink,
    Fifo,
    Socket,
    Device,
}

impl FileKind {
    /// The type with its article, as messages say it.
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

/// What `fstat` says, as far as the protocol asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) id: FileId,
    pub(crate) kind: FileKind,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    /// Permission bits, with set-id and sticky.
    pub(crate) mode: u32,
    pub(crate) links: u64,
    pub(crate) size: u64,
    /// Last change of the content, since the epoch; zero if before it.
    pub(crate) modified: Duration,
}

/// What signal 0 found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// A process or thread of this id exists (it may be another user's).
    Exists,
    /// No such process.
    NoSuchProcess,
}

/// `F_SETSIG` of `asm-generic/fcntl.h`, which libc does not name; PA-RISC alone has another.
const SET_SIGNAL: libc::c_int = 10;

const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

pub(super) fn open_directory(path: &Path) -> Result<Handle> {
    // O_PATH: search permission is all that a lock needs of its directory.
    rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

pub(super) fn open_directory_to_sync(path: &Path) -> Result<Handle> {
    // Not O_PATH: `fsync` needs a descriptor that is open for reading.
    rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

pub(super) fn open_at(dir: &Handle, name: &OsStr, access: Access) -> Result<Handle> {
    let flags = match access {
        Access::Read => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
        Access::CreateNew | Access::CreateUnfinished => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        Access::CreateShared => OFlags::RDONLY | OFlags::CREATE | OFlags::EXCL,
    };
    let mode = match access {
        Access::CreateShared => 0o666,
        Access::CreateUnfinished => 0o1600,
        _ => 0o600,
    };
    rustix::fs::openat(dir, name, OPEN | flags, Mode::from_raw_mode(mode))
}

pub(super) fn stat(file: &Handle) -> Result<Stat> {
    rustix::fs::fstat(file).map(|raw| convert(&raw))
}

pub(super) fn stat_at(dir: &Handle, name: &OsStr) -> Result<Stat> {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map(|raw| convert(&raw))
}

pub(super) fn stat_path(path: &Path) -> Result<Stat> {
    rustix::fs::stat(path).map(|raw| convert(&raw))
}

#[expect(clippy::cast_sign_loss, reason = "seconds before the epoch are mapped to 0 first")]
#[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
fn convert(raw: &rustix::fs::Stat) -> Stat {
    let kind = match FileType::from_raw_mode(raw.st_mode) {
        FileType::RegularFile => FileKind::Regular,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        _ => FileKind::Device,
    };
    let seconds = i64::from(raw.st_mtime).max(0) as u64;
    Stat {
        id: FileId { device: raw.st_dev.into(), inode: raw.st_ino.into() },
        kind,
        owner: raw.st_uid,
        group: raw.st_gid,
        mode: raw.st_mode & 0o7777,
        links: raw.st_nlink.into(),
        size: u64::try_from(raw.st_size).unwrap_or(0),
        modified: Duration::new(seconds, u32::try_from(raw.st_mtime_nsec).unwrap_or(0)),
    }
}

#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "a magic number is a pattern of 32 bits, whatever the width and sign of the field"
)]
pub(super) fn filesystem_magic(file: &Handle) -> Result<u64> {
    Ok(u64::from(rustix::fs::fstatfs(file)?.f_type as u32))
}

pub(super) fn flock(file: &Handle, operation: Flock) -> Result<()> {
    let operation = match operation {
        Flock::Exclusive => FlockOperation::LockExclusive,
        Flock::TryExclusive => FlockOperation::NonBlockingLockExclusive,
        Flock::Shared => FlockOperation::LockShared,
        Flock::TryShared => FlockOperation::NonBlockingLockShared,
        Flock::Unlock => FlockOperation::Unlock,
    };
    rustix::fs::flock(file, operation)
}

/// One `fcntl` call on an open file description lock; gives back the type that the kernel answered with.
fn fcntl_range(file: &Handle, command: libc::c_int, kind: libc::c_int, range: Range) -> Result<libc::c_int> {
    let mut lock = described(kind, range);
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `lock` lives until the call is back.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    if answer == -1 {
        let error = io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
    }
    Ok(libc::c_int::from(lock.l_type))
}

/// A lock of that kind on that range, as `fcntl` takes it.
#[expect(clippy::cast_possible_truncation, reason = "the constants are below 3")]
fn described(kind: libc::c_int, range: Range) -> libc::flock {
    let (start, length) = match range {
        Range::Holder => (0, 1),
        Range::Judge => (1, 1),
        Range::Both => (0, 2),
        Range::Waiter => (2, 1),
        Range::SteppingBack => (3, 1),
        Range::Ticket => (2, 2),
    };
    // SAFETY: `flock` is a plain C structure of integers, for which all bits zero is a valid value; for the calls
    // used here `l_pid` has to be 0.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = start;
    lock.l_len = length;
    lock
}

pub(super) fn try_lock_range(file: &Handle, range: Range) -> Result<bool> {
    try_range(file, libc::F_WRLCK, range)
}

pub(super) fn try_share_range(file: &Handle, range: Range) -> Result<bool> {
    try_range(file, libc::F_RDLCK, range)
}

fn try_range(file: &Handle, kind: libc::c_int, range: Range) -> Result<bool> {
    match fcntl_range(file, libc::F_OFD_SETLK, kind, range) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn unlock_range(file: &Handle, range: Range) -> Result<()> {
    fcntl_range(file, libc::F_OFD_SETLK, libc::F_UNLCK, range).map(drop)
}

pub(super) fn is_range_exclusive(file: &Handle, range: Range) -> Result<bool> {
    fcntl_range(file, libc::F_OFD_GETLK, libc::F_RDLCK, range).map(|found| found != libc::F_UNLCK)
}

pub(super) fn is_range_locked(file: &Handle, range: Range) -> Result<bool> {
    fcntl_range(file, libc::F_OFD_GETLK, libc::F_WRLCK, range).map(|found| found != libc::F_UNLCK)
}

/// Waits until nobody else has the range locked, without keeping it. Direct system calls, which leave `errno` alone unless they fail:
/// the C library's `fcntl` can be cancelled, and notes in the calling thread's own memory that it may be.
///
/// `as_writer`: nor any share of it, for which the descriptor has to be open for writing.
pub(super) fn await_range(file: BorrowedFd<'_>, range: Range, as_writer: bool) -> Result<()> {
    let call = |command: libc::c_int, kind| {
        let mut lock = described(kind, range);
        // SAFETY: the descriptor is open for as long as `file` is borrowed, and `lock` lives until the call is back.
        #[cfg(target_pointer_width = "64")]
        let answer = unsafe { libc::syscall(libc::SYS_fcntl, file.as_raw_fd(), command, &raw mut lock) };
        // SAFETY: the same. The direct call has another structure there than the C library's.
        #[cfg(not(target_pointer_width = "64"))]
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
        if answer == -1 {
            return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO));
        }
        Ok(())
    };
    // Shared, where a descriptor that is open for reading has to do.
    let kind = if as_writer { libc::F_WRLCK } else { libc::F_RDLCK };
    rustix::io::retry_on_intr(|| call(libc::F_OFD_SETLKW, kind))?;
    call(libc::F_OFD_SETLK, libc::F_UNLCK)
}

/// Asks by way of a lease, which the kernel grants only to the one who has the file open alone. Given back at once; whoever
/// opens the file in between waits that long, and the signal that would tell us of them is one that is ignored by default.
pub(super) fn is_open_elsewhere(file: &Handle) -> Result<bool> {
    let set = |command, value: libc::c_int| {
        // SAFETY: the descriptor is open for as long as `file` is borrowed; these commands take a number and touch no memory.
        match unsafe { libc::fcntl(file.as_raw_fd(), command, value) } {
            -1 => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
            _ => Ok(()),
        }
    };
    // The default, SIGIO, would end the process.
    set(SET_SIGNAL, libc::SIGURG)?;
    match set(libc::F_SETLEASE, libc::F_WRLCK) {
        Ok(()) => set(libc::F_SETLEASE, libc::F_UNLCK).map(|()| false),
        Err(Errno::AGAIN) => Ok(true),
        Err(errno) => Err(errno),
    }
}

pub(super) fn read_at(file: &Handle, buffer: &mut [u8], offset: u64) -> Result<usize> {
    rustix::io::pread(file, buffer, offset)
}

pub(super) fn write_at(file: &Handle, bytes: &[u8], offset: u64) -> Result<usize> {
    rustix::io::pwrite(file, bytes, offset)
}

pub(super) fn write_parts_at(file: &Handle, parts: &[IoSlice<'_>], offset: u64) -> Result<usize> {
    rustix::io::pwritev(file, parts, offset)
}

pub(super) fn move_noreplace(from: &Handle, name: &OsStr, to: &Handle, new_name: &OsStr) -> Result<()> {
    rustix::fs::renameat_with(from, name, to, new_name, RenameFlags::NOREPLACE)
}

pub(super) fn rename_replacing(dir: &Handle, from: &OsStr, to: &OsStr) -> Result<()> {
    rustix::fs::renameat(dir, from, dir, to)
}

pub(super) fn rename_exchange(dir: &Handle, one: &OsStr, other: &OsStr) -> Result<()> {
    rustix::fs::renameat_with(dir, one, dir, other, RenameFlags::EXCHANGE)
}

pub(super) fn sync(file: &Handle) -> Result<()> {
    rustix::fs::fsync(file)
}

pub(super) fn unlink(dir: &Handle, name: &OsStr) -> Result<()> {
    rustix::fs::unlinkat(dir, name, AtFlags::empty())
}

pub(super) fn make_directory(dir: &Handle, name: &OsStr, mode: u32) -> Result<()> {
    rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(mode))
}

pub(super) fn open_directory_at(dir: &Handle, name: &OsStr) -> Result<Handle> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

pub(super) fn remove_directory(dir: &Handle, name: &OsStr) -> Result<()> {
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

pub(super) fn is_ready(descriptors: &[BorrowedFd<'_>], most: Option<Duration>) -> Result<bool> {
    // A time that does not fit is as good as none.
    let most = most.and_then(|most| Timespec::try_from(most).ok());
    let mut polled: Vec<_> =
        descriptors.iter().map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN)).collect();
    rustix::event::poll(&mut polled, most.as_ref()).map(|ready| ready > 0)
}

pub(super) fn event() -> Result<Handle> {
    rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
}

pub(super) fn set_event(event: &Handle) -> Result<()> {
    match rustix::io::write(event, &1_u64.to_ne_bytes()) {
        // It is readable already, and will stay so.
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub(super) fn timer(after: Duration) -> Result<Handle> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // All zero would disarm it.
    let it_value = Timespec::try_from(after.max(Duration::from_nanos(1))).map_err(|_| Errno::INVAL)?;
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    rustix::time::timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    Ok(timer)
}

pub(super) fn watch(dir: &Handle, name: &OsStr) -> Result<Handle> {
    const CHANGES: WatchFlags = WatchFlags::MODIFY
        .union(WatchFlags::ATTRIB)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::DELETE_SELF);
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    // There is no call that takes a directory's descriptor.
    let path = Path::new("/proc/self/fd").join(dir.as_fd().as_raw_fd().to_string()).join(name);
    inotify::add_watch(&watch, path, CHANGES | WatchFlags::DONT_FOLLOW)?;
    Ok(watch)
}

pub(super) fn change_mode(file: &Handle, mode: u32) -> Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}

pub(super) fn share_descriptors(one: u32, other: u32) -> Result<bool> {
    const KCMP_FILES: libc::c_long = 2;
    let [one, other] = [one, other].map(libc::c_long::from);
    let unused: libc::c_long = 0;
    // SAFETY: compares two entries of the kernel's own; nothing of this process is read or written.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, unused, unused) } {
        -1 => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
        order => Ok(order == 0),
    }
}

pub(super) fn touch(file: &Handle) -> Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now })
}

pub(super) fn names_in(dir: &Handle, is_wanted: &dyn Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
    let readable =
        rustix::fs::openat(dir, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    list(&readable, is_wanted)
}

pub(super) fn names_in_path(path: &Path) -> Result<Vec<OsString>> {
    let readable =
        rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    list(&readable, &|_| true)
}

/// Read from the descriptor itself: rustix's `Dir`, and `readdir` too, would open the directory a second time.
fn list(readable: &Handle, is_wanted: &dyn Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
    // Some hundred names at once; each has 255 bytes at most.
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut names = Vec::new();
    let mut entries = RawDir::new(readable, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." && is_wanted(name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

pub(super) fn pause(time: Duration) {
    std::thread::sleep(time);
}

pub(super) fn probe_process(pid: i32) -> Signalled {
    // An id that no process can have answers like one that none has.
    let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 0) else { return Signalled::NoSuchProcess };
    match rustix::process::test_kill_process(pid) {
        Err(Errno::SRCH) => Signalled::NoSuchProcess,
        // EPERM means another user's; any other answer is no proof of death.
        _ => Signalled::Exists,
    }
}

pub(super) fn read_path(path: &Path, limit: usize, is_whole: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let file = rustix::fs::openat(
        CWD,
        path,
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
        Mode::empty(),
    )?;
    // Files under /proc may come in pieces and know no offset that could be trusted: read on until the end.
    super::read_up_to(limit, is_whole, |buffer, _| rustix::io::read(&file, buffer))
}

pub(super) fn link_target(path: &Path) -> Result<OsString> {
    rustix::fs::readlink(path, Vec::new()).map(|target| OsString::from_vec(target.into_bytes()))
}

pub(crate) fn process_id() -> u32 {
    std::process::id()
}

pub(crate) fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The most bytes that this process may give a file; writing beyond it is answered by a signal that kills.
pub(crate) fn file_size_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX)
}

pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A device number as `/proc/locks` spells it: `08:01`.
pub(crate) fn device_text(device: u64) -> String {
    format!("{:02x}:{:02x}", rustix::fs::major(device), rustix::fs::minor(device))
}

/// A number nobody can guess or has had before.
pub(crate) fn random() -> Result<u64> {
    let mut bytes = [0; 8];
    // Up to 256 bytes come whole once the kernel's generator is seeded, which it is long before programs start.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The wall clock, since the epoch.
pub(crate) fn real_time() -> Duration {
    read_clock(ClockId::Realtime)
}

/// Time since this kernel started, suspend included.
pub(crate) fn boot_time() -> Duration {
    read_clock(ClockId::Boottime)
}

fn read_clock(clock: ClockId) -> Duration {
    let now = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Lets the program that `command` starts inherit these descriptors, and no other program.
pub(crate) fn hand_over_at_exec(command: &mut Command, descriptors: Vec<std::os::fd::RawFd>) {
    // SAFETY: the closure runs in the forked child before exec and makes only `fcntl` calls, which are
    // async-signal-safe; it neither allocates nor takes a lock. A descriptor that was closed meanwhile makes the
    // start fail instead of handing over something else: the caller keeps them open until then.
    unsafe {
        command.pre_exec(move || {
            for &descriptor in &descriptors {
                if libc::fcntl(descriptor, libc::F_SETFD, 0) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// Has the kernel kill the program that `command` starts when the thread that starts it is gone.
pub(crate) fn kill_with_parent_at_exec(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: the closure runs in the forked child before exec and makes only `prctl` and `getppid`, which are async-signal-safe; it
    // neither allocates nor takes a lock, an error being its number alone.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == -1 {
                return Err(io::Error::last_os_error());
            }
            // It may have died before it was asked for, and then nobody is told any more.
            if libc::getppid().cast_unsigned() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

/// Lets the program that `command` starts begin with no signal blocked, whatever is blocked here.
pub(crate) fn unblock_signals_at_exec(command: &mut Command) {
    // SAFETY: the closure runs in the forked child before exec and makes only calls that are async-signal-safe; the set is
    // the closure's own, and initialised by `sigemptyset` before it is used.
    unsafe {
        command.pre_exec(|| {
            let mut none = MaybeUninit::uninit();
            if libc::sigemptyset(none.as_mut_ptr()) == -1
                || libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) == -1
            {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

/// `sigaction`, asking only. A number that is no signal's is ignored by nobody.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is changed; the old one is written to `action`, which lives until the call is back.
    if unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } == -1 {
        return false;
    }
    // SAFETY: the call has succeeded, and so has written it.
    unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
