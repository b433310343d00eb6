//! The system calls of an acquisition and a release by Baton, one after the other, with nothing in between: what the kernel takes of the
//! time, so that the rest is Baton's own.
//!
//! As `strace` shows them for a lock that nobody else wants and that was held before. Without what they are for it is no lock.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, fchmod, fcntl_lock, flock, fstat, fstatfs,
    openat, renameat_with, stat, statat, unlinkat,
};
use rustix::io::{Errno, pread, pwrite};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::peers::{RECORD, Work};

const GUARD: [u8; 45] = [b' '; 45];
const OPEN: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
const OWNERS: Mode = Mode::RUSR.union(Mode::WUSR);

/// The names that Baton uses for one lock.
struct Names {
    directory: std::path::PathBuf,
    record: String,
    guard: String,
    holder: String,
    queue: String,
    temporary: String,
}

/// A client that makes them; it keeps nothing open.
pub(crate) fn client(path: &Path) -> io::Result<impl FnMut(Work<'_>) -> crate::peers::Result<()> + use<>> {
    let record = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = Names {
        directory: path.parent().unwrap_or(Path::new("/")).to_owned(),
        guard: format!("{record}.guard"),
        holder: format!("{record}.holder"),
        queue: format!("{record}.queue"),
        temporary: format!(".{record}.0123456789abcdef.tmp"),
        record,
    };
    std::fs::File::create(names.directory.join(&names.guard))?.write_all(&GUARD)?;
    Ok(move |work: Work<'_>| {
        let (directory, guard, record) = acquire(&names)?;
        work()?;
        Ok(release(&names, directory, guard, record)?)
    })
}

fn acquire(names: &Names) -> io::Result<(OwnedFd, OwnedFd, OwnedFd)> {
    let is_there = |directory: &OwnedFd, name: &str| match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
    {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    };
    // Steps 1 to 3.
    let directory =
        openat(CWD, &names.directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    fstat(&directory)?;
    fstatfs(&directory)?;
    is_there(&directory, &names.guard)?;
    let guard = openat(&directory, &names.guard, OPEN | OFlags::RDWR, Mode::empty())?;
    fstat(&guard)?;
    flock(&guard, FlockOperation::NonBlockingLockExclusive)?;
    is_there(&directory, &names.guard)?;
    is_there(&directory, &names.holder)?;
    // Steps 4 and 5.
    pread(&guard, &mut [0; GUARD.len() + 1], 0)?;
    is_there(&directory, &names.record)?;
    is_there(&directory, &names.queue)?;
    pwrite(&guard, &GUARD, 0)?;
    // Step 6.
    getrandom(&mut [0; 8], GetRandomFlags::empty())?;
    let record =
        openat(&directory, &names.temporary, OPEN | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, OWNERS)?;
    lock_range(&record, FlockOperation::NonBlockingLockExclusive)?;
    pwrite(&record, &RECORD, 0)?;
    fstat(&record)?;
    fchmod(&record, OWNERS)?;
    renameat_with(&directory, &names.temporary, &directory, &names.record, RenameFlags::NOREPLACE)?;
    // Step 7.
    is_there(&directory, &names.guard)?;
    is_there(&directory, &names.record)?;
    stat(&names.directory)?;
    is_there(&directory, &names.holder)?;
    Ok((directory, guard, record))
}

fn release(names: &Names, directory: OwnedFd, guard: OwnedFd, record: OwnedFd) -> io::Result<()> {
    statat(&directory, &names.record, AtFlags::SYMLINK_NOFOLLOW)?;
    unlinkat(&directory, &names.record, AtFlags::empty())?;
    lock_range(&record, FlockOperation::Unlock)?;
    flock(&guard, FlockOperation::Unlock)?;
    drop((guard, record, directory));
    Ok(())
}

/// The process's lock on all of the file, which costs as much as that of an open file description on one byte.
fn lock_range(file: impl AsFd, operation: FlockOperation) -> rustix::io::Result<()> {
    fcntl_lock(file, operation)
}
