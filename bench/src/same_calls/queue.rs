//! A place in the queue.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, SeekFrom, fchmod, fstat, mkdirat, openat, renameat_with, seek,
    unlinkat,
};
use rustix::io::{Errno, pwrite};

use super::calls::{Bytes, Names, OPEN, OWNERS, create, last_before, lock, sleep, unlock};
use crate::peers::RECORD;

/// A ticket, locked.
pub(super) struct Ticket {
    pub(super) queue: OwnedFd,
    pub(super) number: u64,
    pub(super) file: OwnedFd,
}

impl Ticket {
    /// W1. Ends when nobody has removed the directory, which is only removed by one who leaves it empty, or taken the number, in between.
    pub(super) fn take(names: &Names, directory: &OwnedFd) -> io::Result<Self> {
        loop {
            match mkdirat(directory, &names.queue, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            let made = open(names, directory).and_then(|queue| Ok((create(&queue, "ticket")?, queue)));
            match made {
                Ok(((temporary, file), queue)) => return Self::named(queue, &temporary, file),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn named(queue: OwnedFd, temporary: &str, file: OwnedFd) -> io::Result<Self> {
        lock(&file, Bytes::Waiter)?;
        pwrite(&file, &RECORD, 0)?;
        fchmod(&file, OWNERS)?;
        fstat(&file)?;
        let mut number = last_before(u64::MAX, &queue)?;
        loop {
            number += 1;
            match renameat_with(&queue, temporary, &queue, name(number), RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(Self { queue, number, file }),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    pub(super) fn name(&self) -> String {
        name(self.number)
    }

    /// W5: the last one who has waited longer, or 0.
    pub(super) fn last_before(&self) -> io::Result<u64> {
        seek(&self.queue, SeekFrom::Start(0))?;
        last_before(self.number, &self.queue)
    }

    /// W5: sleeps until the one with that number holds.
    pub(super) fn await_turn(&self, number: u64) -> io::Result<()> {
        match openat(&self.queue, name(number), OPEN | OFlags::RDONLY, Mode::empty()) {
            Ok(ticket) => sleep(&ticket, Bytes::Waiter),
            // It does by now.
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// W6, the ticket having become the record: nobody waits by it any more.
    pub(super) fn leave(&self, names: &Names, directory: &OwnedFd) -> io::Result<()> {
        unlock(&self.file, Bytes::Ticket)?;
        match unlinkat(directory, &names.queue, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

fn open(names: &Names, directory: &OwnedFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let queue = openat(directory, &names.queue, flags, Mode::empty())?;
    fstat(&queue)?;
    Ok(queue)
}

fn name(number: u64) -> String {
    format!("{number:016}")
}
