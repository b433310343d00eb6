//! An acquisition and a release: of a lock that is free, of one that is waited for, and of one whose holder was killed.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, fchmod, flock, fstat, openat, renameat_with, stat,
    unlinkat,
};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

use super::calls::{
    Bytes, GUARD, Names, OPEN, OWNERS, READ, ask, create, last_before, lock, look, temporary, unlock,
};
use super::queue::Ticket;
use crate::peers::{RECORD, Result, Work};

/// How often the directory is opened.
#[derive(Clone, Copy)]
pub(crate) enum Opening {
    EachTime,
    /// Each time it is only asked whether its path still means it.
    Once,
}

/// What is held.
struct Held {
    guard: OwnedFd,
    record: OwnedFd,
    /// The queue that was waited in. It may have been removed by now, and ext4 takes some 250 µs to give back what a removed directory had once
    /// it is closed, more than for all of the rest: that is not to be waited for.
    _queue: Option<OwnedFd>,
}

/// A client that makes the calls.
pub(crate) fn client(
    path: &Path,
    opening: Opening,
) -> io::Result<impl FnMut(Work<'_>) -> Result<()> + use<>> {
    let names = Names::of(path);
    let guard = names.directory.join(&names.guard);
    // Others may have it already.
    File::options().write(true).create(true).truncate(false).mode(0o600).open(guard)?.write_all(&GUARD)?;
    let kept = match opening {
        Opening::EachTime => None,
        Opening::Once => Some(names.open_directory()?),
    };
    Ok(move |work: Work<'_>| {
        let opened;
        let directory = if let Some(directory) = &kept {
            stat(&names.directory)?;
            directory
        } else {
            opened = names.open_directory()?;
            &opened
        };
        let held = acquire(&names, directory)?;
        work()?;
        Ok(release(&names, directory, &held)?)
    })
}

/// Step 2, and the guard's lock.
fn acquire(names: &Names, directory: &OwnedFd) -> io::Result<Held> {
    look(directory, &names.guard)?;
    let guard = openat(directory, &names.guard, OPEN | OFlags::RDWR, Mode::empty())?;
    fstat(&guard)?;
    match flock(&guard, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => take(names, directory, guard),
        Err(Errno::WOULDBLOCK) => wait(names, directory, guard),
        Err(errno) => Err(errno.into()),
    }
}

/// Steps 3 to 7 of a newcomer.
fn take(names: &Names, directory: &OwnedFd, guard: OwnedFd) -> io::Result<Held> {
    if look(directory, &names.queue)? {
        flock(&guard, FlockOperation::Unlock)?;
        return wait(names, directory, guard);
    }
    let is_left = judge(names, directory, &guard)?;
    let (temporary, record) = create(directory, &names.record)?;
    lock(&record, Bytes::Holder)?;
    pwrite(&record, &RECORD, 0)?;
    fstat(&record)?;
    fchmod(&record, OWNERS)?;
    publish(names, directory, (directory, &temporary), is_left)?;
    check(names, directory)?;
    Ok(Held { guard, record, _queue: None })
}

/// A wait, and what comes after it: the ticket becomes the record.
fn wait(names: &Names, directory: &OwnedFd, guard: OwnedFd) -> io::Result<Held> {
    let ticket = Ticket::take(names, directory)?;
    let lock_guard = || retry_on_intr(|| flock(&guard, FlockOperation::LockExclusive));
    lock_guard()?;
    let before = ticket.last_before()?;
    if before > 0 {
        flock(&guard, FlockOperation::Unlock)?;
        ticket.await_turn(before)?;
        lock_guard()?;
    }
    let is_left = judge(names, directory, &guard)?;
    look(&ticket.queue, &ticket.name())?;
    lock(&ticket.file, Bytes::Holder)?;
    pwrite(&ticket.file, &RECORD, 0)?;
    publish(names, directory, (&ticket.queue, &ticket.name()), is_left)?;
    check(names, directory)?;
    ticket.leave(names, directory)?;
    Ok(Held { guard, record: ticket.file, _queue: Some(ticket.queue) })
}

/// Steps 3 to 5, the guard locked. Whether a holder that was killed has left its record.
fn judge(names: &Names, directory: &OwnedFd, guard: &OwnedFd) -> io::Result<bool> {
    look(directory, &names.guard)?;
    look(directory, &names.holder)?;
    pread(guard, &mut [0; GUARD.len() + 1], 0)?;
    let is_left = look(directory, &names.record)?;
    pwrite(guard, &GUARD, 0)?;
    Ok(is_left)
}

/// Step 6, of a file in that directory and by that name.
fn publish(
    names: &Names,
    directory: &OwnedFd,
    (from, name): (&OwnedFd, &str),
    is_left: bool,
) -> io::Result<()> {
    if is_left {
        return take_over(names, directory, (from, name));
    }
    Ok(renameat_with(from, name, directory, &names.record, RenameFlags::NOREPLACE)?)
}

/// Steps 4 and 6 over a record that was left.
fn take_over(names: &Names, directory: &OwnedFd, (from, name): (&OwnedFd, &str)) -> io::Result<()> {
    let departed = openat(directory, &names.record, OPEN | OFlags::RDWR, Mode::empty())?;
    fstat(&departed)?;
    lock(&departed, Bytes::Judge)?;
    ask(&departed, Bytes::Holder)?;
    look(directory, &names.record)?;
    pread(&departed, &mut [0; READ], 0)?;
    // What crashed publishers have left.
    last_before(0, openat(directory, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)?;
    let temporary = temporary(&names.record)?;
    renameat_with(from, name, directory, &temporary, RenameFlags::NOREPLACE)?;
    renameat_with(directory, &temporary, directory, &names.record, RenameFlags::EXCHANGE)?;
    look(directory, &temporary)?;
    pread(&departed, &mut [0; READ], 0)?;
    unlinkat(directory, &temporary, AtFlags::empty())?;
    unlock(&departed, Bytes::Judge)
}

/// Step 7.
fn check(names: &Names, directory: &OwnedFd) -> io::Result<()> {
    look(directory, &names.guard)?;
    look(directory, &names.record)?;
    stat(&names.directory)?;
    look(directory, &names.holder)?;
    Ok(())
}

fn release(names: &Names, directory: &OwnedFd, held: &Held) -> io::Result<()> {
    look(directory, &names.record)?;
    unlinkat(directory, &names.record, AtFlags::empty())?;
    unlock(&held.record, Bytes::Holder)?;
    flock(&held.guard, FlockOperation::Unlock)?;
    Ok(())
}
