//! A waiter's own ticket: taking its place at the end of the queue, saying that it lets others come first, and leaving.
//!
//! It is written and locked under a temporary name, and only then gets its number: so whoever finds a ticket with a number that is not locked
//! has found a dead waiter's. It goes, by whichever of its two names means it, before it is unlocked: nobody finds an unlocked one that
//! is in use.
//!
//! A writer's ticket becomes its record (step 6): whoever has waited has made its file before, and the lock is handed to it without one being
//! made or removed. So it has the record's form from the beginning, and byte 2 and 3 of it are locked, where a record's 0 and 1 are.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::directory::Directory;
use super::naming::Names;
use super::publish::{Born, RecordMode};
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
    queue: Arc<Queue>,
    pub(crate) number: u64,
    handle: Arc<Handle>,
    id: FileId,
    /// How long what was written to it is.
    length: AtomicUsize,
    /// It is the record now, or was, and nobody's place any more.
    is_spent: AtomicBool,
    has_left: bool,
    /// The process whose place it is.
    owner: u32,
}

/// A ticket that is a record but for its name.
#[derive(Debug)]
pub(super) struct Filled {
    name: OsString,
    pub(super) born: Born,
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
            let queue = Arc::new(Queue::make(directory, name, guard)?);
            let temporary = Names::temporary(OsStr::new(TICKET), sys::random().map_err(failed)?);
            let handle = match sys::open_at(&queue.handle, &temporary, Access::CreateNew) {
                Ok(handle) => handle,
                // The last one who was here has just taken the directory away.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            if !sys::try_lock_range(&handle, Range::Waiter).map_err(failed)? {
                continue; // It was taken for left over.
            }
            if lets_others_come_first {
                // Before it has its name: whoever comes now sees it.
                sys::try_lock_range(&handle, STEPPING_BACK).map_err(failed)?;
            }
            match queue.publish(&handle, &temporary, record) {
                Ok(Some((number, stat))) => {
                    let (handle, is_spent, owner) =
                        (Arc::new(handle), AtomicBool::new(false), sys::process_id());
                    let length = AtomicUsize::new(usize::try_from(stat.size).unwrap_or(usize::MAX));
                    let has_left = false;
                    return Ok(Self {
                        queue,
                        number,
                        handle,
                        id: stat.id,
                        length,
                        is_spent,
                        has_left,
                        owner,
                    });
                }
                Ok(None) => {}
                Err(errno) => {
                    // Left behind, it is cleared away by the next one who acquires.
                    let _ = sys::unlink(&queue.handle, &temporary);
                    let _ = sys::unlock_range(&handle, Range::Ticket);
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

    /// Leaves the queue. The last one removes the directory, which is open until this value is dropped: to close what was removed can
    /// take as long as all the rest.
    pub(crate) fn leave(&mut self) {
        // A forked child has a copy; the place is its parent's.
        if std::mem::replace(&mut self.has_left, true) || sys::process_id() != self.owner {
            return;
        }
        if !self.is_spent()
            && let Some((name, _)) = self.named()
        {
            // Left behind, it is cleared away by the next one who finds it in his way.
            let _ = sys::unlink(&self.queue.handle, &name);
        }
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::unlock_range(&self.handle, Range::Ticket);
        self.queue.go_if_empty();
    }

    /// The queue that it is in.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }

    /// Has it been made a record? Then it is nobody's place any more.
    pub(crate) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }

    /// Makes a record of it that still has a ticket's name: byte 0 locked, and with that content. `None`: it can't be one.
    ///
    /// Who looks at the queue in this moment may find it half written: then it is nobody's that can be named.
    pub(super) fn fill(&self, json: &[u8], access: RecordMode) -> Option<Filled> {
        // Before anything is written: by another name it may be anything by now.
        let (name, stat) = self.named()?;
        let mode = access.of(&stat);
        let is_own = stat.owner == sys::effective_user() && stat.links == 1;
        // Whom a group's permissions are for.
        let is_groups = mode & 0o070 == 0 || stat.group == self.queue.guard.group;
        // A longer content could be replaced by a shorter one only in more than one step.
        let length = self.length.fetch_max(json.len(), Ordering::Relaxed);
        if self.is_spent() || !is_own || !is_groups || json.len() < length {
            return None;
        }
        if sys::try_lock_range(&self.handle, Range::Holder) != Ok(true) {
            return None;
        }
        let filled = sys::write_start(&self.handle, json)
            .and_then(|()| if stat.mode == mode { Ok(()) } else { sys::change_mode(&self.handle, mode) });
        let born = Born { handle: Arc::clone(&self.handle), id: self.id };
        if filled.is_err() {
            born.unlock();
            return None;
        }
        Some(Filled { name, born })
    }

    /// Moves it out of the queue to a name that is free.
    pub(super) fn move_to(&self, filled: &Filled, directory: &Handle, name: &OsStr) -> sys::Result<()> {
        sys::move_noreplace(&self.queue.handle, &filled.name, directory, name)?;
        self.is_spent.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The same, to a name that nobody else uses: so if another waiter's was moved in place of it, that one is moved back.
    pub(super) fn move_aside(&self, filled: &Filled, directory: &Handle, name: &OsStr) -> sys::Result<()> {
        self.move_to(filled, directory, name)?;
        if self.is_at(directory, name) {
            return Ok(());
        }
        let _ = sys::move_noreplace(directory, name, &self.queue.handle, &filled.name);
        Err(Errno::NOENT)
    }

    /// Moves it back from where it was moved to, if that name means it still. Where its own is not to be had any more it is removed.
    pub(super) fn move_back(&self, filled: &Filled, directory: &Handle, name: &OsStr) {
        if !self.is_at(directory, name) {
            return;
        }
        match sys::move_noreplace(directory, name, &self.queue.handle, &filled.name) {
            Ok(()) => self.is_spent.store(false, Ordering::Relaxed),
            // Left behind, it would be swept away by the next one who recovers.
            Err(_) => _ = sys::unlink(directory, name),
        }
    }

    fn is_at(&self, directory: &Handle, name: &OsStr) -> bool {
        sys::stat_at(directory, name).is_ok_and(|stat| stat.id == self.id)
    }

    /// Which of its two names means it, and what it is like now.
    fn named(&self) -> Option<(OsString, Stat)> {
        [false, true].into_iter().find_map(|is_passed| {
            let name = Entry { number: self.number, is_passed }.name();
            let stat = sys::stat_at(&self.queue.handle, &name).ok()?;
            (stat.id == self.id).then_some((name, stat))
        })
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
    ) -> sys::Result<Option<(u64, Stat)>> {
        sys::write_start(handle, record.to_json().as_bytes())?;
        sys::change_mode(handle, 0o600 | (self.guard.mode & 0o044))?;
        let stat = sys::stat(handle)?;
        let mut number = self.entries().last().map_or(0, |last| last.number) + 1;
        // Ends because each further number was taken by somebody meanwhile.
        loop {
            let name = Entry { number, is_passed: false }.name();
            match sys::rename_noreplace(&self.handle, temporary, &name) {
                Ok(()) => return Ok(Some((number, stat))),
                Err(Errno::EXIST) => number += 1,
                Err(Errno::NOENT) => return Ok(None),
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    const OWNER: RecordMode = RecordMode { bits: 0o600, writing_group: None };

    struct Place {
        root: tempfile::TempDir,
        directory: Arc<Directory>,
        ticket: Ticket,
        json: String,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a directory");
            let directory = Arc::new(Directory::open(root.path(), &[]).expect("opened"));
            let guard = sys::stat(&directory.handle).expect("open");
            let [record, json] = [None, Some(7)].map(|token| crate::Lock::options().record(token));
            let ticket =
                Ticket::take(&directory, OsStr::new("a.queue"), &guard, &record, false).expect("taken");
            Self { root, directory, ticket, json: json.to_json() }
        }

        fn path(&self) -> PathBuf {
            self.root.path().join("a.queue/0000000000000001")
        }

        fn fill(&self) -> Option<Filled> {
            self.ticket.fill(self.json.as_bytes(), OWNER)
        }
    }

    #[test]
    fn ticket_with_a_second_name_is_no_record_and_is_not_written_to() {
        let place = Place::new();
        let (copy, before) = (place.root.path().join("copy"), fs::read(place.path()).expect("readable"));
        fs::hard_link(place.path(), &copy).expect("linked");
        assert!(place.fill().is_none());
        assert_eq!(fs::read(&copy).expect("readable"), before);
        fs::remove_file(&copy).expect("removed");
        assert!(place.fill().is_some());
        assert_eq!(fs::read_to_string(place.path()).expect("readable"), place.json);
    }

    /// A reader who comes meanwhile finds the queue empty, and removes it.
    #[test]
    fn ticket_that_can_not_be_moved_back_is_removed_and_nobodys_place() {
        for is_queue_gone in [false, true] {
            let place = Place::new();
            let aside = OsStr::new("aside");
            let filled = place.fill().expect("filled");
            place.ticket.move_aside(&filled, &place.directory.handle, aside).expect("moved");
            if is_queue_gone {
                fs::remove_dir(place.root.path().join("a.queue")).expect("it is empty");
            }
            place.ticket.move_back(&filled, &place.directory.handle, aside);
            assert!(!place.root.path().join(aside).exists());
            assert_eq!((place.ticket.is_spent(), place.path().exists()), (is_queue_gone, !is_queue_gone));
        }
    }

    #[test]
    fn another_waiters_ticket_that_was_given_the_number_meanwhile_is_moved_back() {
        let place = Place::new();
        let filled = place.fill().expect("filled");
        fs::remove_file(place.path()).expect("removed");
        fs::write(place.path(), "another's").expect("written");
        let moved = place.ticket.move_aside(&filled, &place.directory.handle, OsStr::new("aside"));
        assert_eq!(moved, Err(Errno::NOENT));
        assert_eq!(fs::read_to_string(place.path()).expect("back"), "another's");
    }
}
