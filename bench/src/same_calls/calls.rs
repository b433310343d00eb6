//! What several steps call, and the names that they call it with.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, fstat, fstatfs, openat, statat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// How every file is opened.
pub(super) const OPEN: OFlags =
    OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// The mode of every file.
pub(super) const OWNERS: Mode = Mode::RUSR.union(Mode::WUSR);
/// What a guard has in it, and what is read of it.
pub(super) const GUARD: [u8; 45] = [b' '; 45];
/// What is read of a record at once.
pub(super) const READ: usize = 4096;

/// The names that Baton uses for one lock.
pub(super) struct Names {
    pub(super) directory: PathBuf,
    pub(super) record: String,
    pub(super) guard: String,
    pub(super) holder: String,
    pub(super) queue: String,
}

impl Names {
    pub(super) fn of(path: &Path) -> Self {
        let record = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
            guard: format!("{record}.guard"),
            holder: format!("{record}.holder"),
            queue: format!("{record}.queue"),
            record,
        }
    }

    /// Step 1.
    pub(super) fn open_directory(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, &self.directory, flags, Mode::empty())?;
        fstat(&directory)?;
        fstatfs(&directory)?;
        Ok(directory)
    }
}

/// Looks at what a name means, without following it. Whether there is anything.
pub(super) fn look(directory: &OwnedFd, name: &str) -> io::Result<bool> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// A name that nobody else has.
pub(super) fn temporary(name: &str) -> rustix::io::Result<String> {
    let mut random = [0; 8];
    getrandom(&mut random, GetRandomFlags::empty())?;
    Ok(format!(".{name}.{:016x}.tmp", u64::from_ne_bytes(random)))
}

/// A new file, by such a name.
pub(super) fn create(directory: &OwnedFd, name: &str) -> rustix::io::Result<(String, OwnedFd)> {
    let name = temporary(name)?;
    let file = openat(directory, &name, OPEN | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, OWNERS)?;
    Ok((name, file))
}

/// Reads all names of a directory that has just been opened; the largest number below that one among them, or 0.
pub(super) fn last_before(number: u64, directory: impl AsFd) -> io::Result<u64> {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 8192];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut last = 0;
    while let Some(entry) = entries.next() {
        let other = entry?.file_name().to_str().ok().and_then(|name| name.parse().ok());
        last = other.filter(|other| *other < number).map_or(last, |other| last.max(other));
    }
    Ok(last)
}

/// Bytes of a record or a ticket, whose locks mean something.
#[derive(Clone, Copy)]
pub(super) enum Bytes {
    /// Of who holds.
    Holder,
    /// Of who judges the record.
    Judge,
    /// Of who waits.
    Waiter,
    /// That one, and the one of who lets others come first.
    Ticket,
}

pub(super) fn lock(file: &OwnedFd, bytes: Bytes) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&described(libc::F_WRLCK, bytes)))?;
    Ok(())
}

pub(super) fn unlock(file: &OwnedFd, bytes: Bytes) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&described(libc::F_UNLCK, bytes)))?;
    Ok(())
}

/// Sleeps until nobody has them locked.
pub(super) fn sleep(file: &OwnedFd, bytes: Bytes) -> io::Result<()> {
    // The share that is had for a moment goes with the descriptor.
    fcntl(file, FcntlArg::F_OFD_SETLKW(&described(libc::F_RDLCK, bytes)))?;
    Ok(())
}

/// Asks whether somebody has them locked.
pub(super) fn ask(file: &OwnedFd, bytes: Bytes) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut described(libc::F_WRLCK, bytes)))?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "the constants are small")]
fn described(kind: libc::c_int, bytes: Bytes) -> libc::flock {
    let (l_start, l_len) = match bytes {
        Bytes::Holder => (0, 1),
        Bytes::Judge => (1, 1),
        Bytes::Waiter => (2, 1),
        Bytes::Ticket => (2, 2),
    };
    let l_whence = libc::SEEK_SET as libc::c_short;
    libc::flock { l_type: kind as libc::c_short, l_whence, l_start, l_len, l_pid: 0 }
}
