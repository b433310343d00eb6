//! A waiter's own ticket: taking its place at the end of the queue, saying that it lets others come first, and leaving.
//!
//! It is written and locked under a temporary name, and only then gets its number: so whoever finds a ticket with a number that is not locked
//! has found a dead waiter's. It goes, by whichever of its two names means it, before it is unlocked: nobody finds an unlocked one that
//! is in use.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::directory::Directory;
use super::naming::Names;
use super::queue::{Entry, Queue, STEPPING_BACK};
use crate::diagnosis::Place;
use crate::error::Error;
use crate::record::Record;
use crate::sys::{self, Access, Errno, FileId, Handle, Range, Stat};

/// How often a ticket is tried for: each further time somebody else has taken the number, or the directory, or swept what was not
/// locked yet.
const TICKETS: u32 = 10_000;

/// What temporary names are made of.
pub(super) const TICKET: &str = "ticket";

/// A place in the queue, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Ticket {
    queue: Queue,
    pub(crate) number: u64,
    handle: Handle,
    id: FileId,
    /// The process whose place it is.
    owner: u32,
}

impl Ticket {
    /// Takes a place at the end of the queue of that name.
    pub(crate) fn take(
        directory: &Arc<Directory>,
        name: &OsStr,
        guard: &Stat,
        record: &Record,
        lets_others_come_first: bool,
    ) -> Result<Self, Error> {
        let path = || directory.path_of(name);
        let failed = |errno| Error::io("take a place in the queue", &path(), errno);
        for _ in 0..TICKETS {
            let queue = Queue::make(directory, name, guard)?;
            let temporary = Names::temporary(OsStr::new(TICKET), sys::random().map_err(failed)?);
            let handle = match sys::open_at(&queue.handle, &temporary, Access::CreateNew) {
                Ok(handle) => handle,
                // The last one who was here has just taken the directory away.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            if !sys::try_lock_range(&handle, Range::Holder).map_err(failed)? {
                continue; // It was taken for left over.
            }
            if lets_others_come_first {
                // Before it has its name: whoever comes now sees it.
                sys::try_lock_range(&handle, STEPPING_BACK).map_err(failed)?;
            }
            match queue.publish(&handle, &temporary, record) {
                Ok(Some((number, id))) => {
                    return Ok(Self { queue, number, handle, id, owner: sys::process_id() });
                }
                Ok(None) => {}
                Err(errno) => {
                    // Left behind, it is cleared away by the next one who acquires.
                    let _ = sys::unlink(&queue.handle, &temporary);
                    let _ = sys::unlock_range(&handle, Range::Holder);
                    return Err(failed(errno));
                }
            }
        }
        Err(Error::Unstable { path: path() })
    }

    /// Says that this one lets others come first, from now on. Nobody else locks this byte: it can't be refused.
    pub(crate) fn step_back(&self) {
        // Where neither can be said it costs the order only.
        let _ = sys::try_lock_range(&self.handle, STEPPING_BACK);
        let _ = sys::touch(&self.handle);
    }

    /// This one's place among those who wait.
    pub(crate) fn place(&self) -> Place {
        let living = self.queue.entries().into_iter().filter(|entry| self.queue.is_living(*entry));
        let numbers: Vec<_> = living.map(|entry| entry.number).collect();
        // It counts itself even if somebody has taken its ticket away.
        let before = numbers.iter().filter(|number| **number < self.number).count();
        Place { number: before + 1, of: numbers.len().max(before + 1) }
    }
}

impl AsFd for Ticket {
    /// What is locked for as long as the place is kept, by whoever has a copy of it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Queue {
    /// Writes a locked ticket and gives it the next number. `None`: it is gone.
    fn publish(
        &self,
        handle: &Handle,
        temporary: &OsStr,
        record: &Record,
    ) -> sys::Result<Option<(u64, FileId)>> {
        sys::write_start(handle, record.to_json().as_bytes())?;
        sys::change_mode(handle, 0o600 | (self.guard.mode & 0o044))?;
        let id = sys::stat(handle)?.id;
        let mut number = self.entries().last().map_or(0, |last| last.number) + 1;
        // Ends because each further number was taken by somebody meanwhile.
        loop {
            let name = Entry { number, is_passed: false }.name();
            match sys::rename_noreplace(&self.handle, temporary, &name) {
                Ok(()) => return Ok(Some((number, id))),
                Err(Errno::EXIST) => number += 1,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // A forked child has a copy; the place is its parent's.
        if sys::process_id() != self.owner {
            return;
        }
        for is_passed in [false, true] {
            let name = Entry { number: self.number, is_passed }.name();
            if sys::stat_at(&self.queue.handle, &name).is_ok_and(|stat| stat.id == self.id) {
                // Left behind, it is cleared away by the next one who finds it in his way.
                let _ = sys::unlink(&self.queue.handle, &name);
                break;
            }
        }
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::unlock_range(&self.handle, Range::Both);
        self.queue.go_if_empty();
    }
}
