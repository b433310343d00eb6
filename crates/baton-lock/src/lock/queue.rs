//! The queue: who waits for a lock, in the order of their coming.
//!
//! Each waiter has a ticket: a file in the directory `P.queue`, named by a number that is larger than all that were there when it
//! came, with the waiter's record in it, and born locked like a record (I2): so a ticket whose byte 2 is free is a dead waiter's,
//! counts for nothing, and is cleared away by whoever finds it in his way. The directory goes with the last ticket.
//!
//! The queue only says whose turn it is. That at most one holds is the business of the two kernel locks alone (I1): a queue that is
//! deleted, forged or can't be made costs the order, never the exclusion. Numbers may be given twice after that; then both wait.
//!
//! A ticket counts only if its owner could hold the lock: else whoever may create files in `/tmp` could keep a place before everybody.
//!
//! The same two processes may come to different orders, which harms nobody:
//!
//! 1. P1 has looked for the largest number, 6, and is stopped. P2 takes 7, is served, and goes; the next one is given 8.
//! 2. P1 takes 7, before 8: it came before.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::directory::Directory;
use super::grace::{Sight, Sighting};
use super::judge::{Claim, is_strangers};
use super::naming::Names;
use super::ticket::{TICKET, Ticket};
use crate::error::Error;
use crate::record::{self, Content, Record};
use crate::sys::{self, Access, Errno, FileKind, Handle, Range, Stat};

/// What the name of a ticket that others have passed ends with.
const PASSED: &str = ".passed";

/// What a waiter has locked of its own ticket from the moment on in which it lets others come first, so that those behind it wait a second
/// longer than it does. Unlocked only with the ticket: W2 and W3 let W1 come first, who is stopped, and their time is over at the same second;
/// just then W1 goes on, and holds. W2 sees that; did it unlock this byte, and did W1 end before W3 looks, then W3 would see nobody who
/// steps back.
pub(super) const STEPPING_BACK: Range = Range::SteppingBack;

/// The digits of a ticket's name.
const DIGITS: usize = 16;

/// The queue's directory.
#[derive(Debug)]
pub(crate) struct Queue {
    directory: Arc<Directory>,
    name: OsString,
    pub(super) handle: Handle,
    pub(super) guard: Stat,
}

/// A ticket's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) is_passed: bool,
}

/// A ticket, open.
#[derive(Debug)]
struct Seen {
    handle: Handle,
    stat: Stat,
}

/// What somebody who asks for the lock is to the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing<'a> {
    /// Has just come, and does not wait: all who wait come first.
    Newcomer,
    /// Has this ticket.
    Waiter(&'a Ticket),
    /// Waits without a ticket, since none could be had: like a client of `flock`, in the kernel's order.
    Outside,
}

impl<'a> Standing<'a> {
    /// Its ticket, if it has one.
    pub(super) fn ticket(self) -> Option<&'a Ticket> {
        match self {
            Self::Waiter(ticket) => Some(ticket),
            Self::Newcomer | Self::Outside => None,
        }
    }
}

/// Who comes before.
#[derive(Debug)]
pub(crate) struct Ahead {
    queue: Arc<Queue>,
    /// The ticket of the last one of them, or of the last one who steps back too.
    pub(crate) nearest: Handle,
    /// What that was called.
    name: OsString,
    /// How many of them step back.
    pub(crate) stepping_back: u32,
    entries: Vec<Entry>,
    pub(crate) sight: Sight,
}

impl Entry {
    fn parse(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let (digits, is_passed) = match name.strip_suffix(PASSED) {
            Some(digits) => (digits, true),
            None => (name, false),
        };
        let is_number = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok().map(|number| Self { number, is_passed })).flatten()
    }

    pub(super) fn name(self) -> OsString {
        let Self { number, is_passed } = self;
        format!("{number:0DIGITS$}{}", if is_passed { PASSED } else { "" }).into()
    }
}

impl Queue {
    /// Opens the queue if there is one that can be trusted and looked at.
    pub(crate) fn open(directory: &Arc<Directory>, name: &OsStr, guard: &Stat) -> Option<Self> {
        // Nearly always there is none.
        let seen = sys::stat_at(&directory.handle, name).ok()?;
        if seen.kind != FileKind::Directory || is_strangers(&seen, guard) {
            return None;
        }
        let handle = sys::open_directory_at(&directory.handle, name).ok()?;
        Some(Self { directory: Arc::clone(directory), name: name.to_owned(), handle, guard: *guard })
    }

    /// Opens the queue, made if need be.
    pub(super) fn make(directory: &Arc<Directory>, name: &OsStr, guard: &Stat) -> Result<Self, Error> {
        let path = || directory.path_of(name);
        let is_new = match sys::make_directory(&directory.handle, name, 0o700) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Error::io("make the queue", &path(), errno)),
        };
        let Some(queue) = Self::open(directory, name, guard) else {
            if is_new {
                // Of what the umask left of its mode nobody can make a queue; nor need it be in anybody's way.
                let _ = sys::remove_directory(&directory.handle, name);
            }
            return Err(Error::Unsafe {
                path: path(),
                reason: "it is not a directory of those who may hold the lock".to_owned(),
                hint: "have its owner move it away: the order of the waiters would be kept there",
            });
        };
        queue.share();
        Ok(queue)
    }

    /// Whoever can read the guard can see who waits; a group that may write it can wait in the queue too. As for the record, and
    /// whatever the umask.
    fn share(&self) {
        let Ok(stat) = sys::stat(&self.handle) else { return };
        let readers = (self.guard.mode & 0o044) | ((self.guard.mode & 0o044) >> 2);
        let is_groups = self.guard.mode & 0o020 != 0 && stat.group == self.guard.group;
        // A ticket is to have the group that a record beside the lock would have.
        let inherited = stat.mode & 0o2000;
        let mode = 0o700 | readers | if is_groups { 0o1070 } else { 0 } | inherited;
        if stat.owner == sys::effective_user() && stat.mode != mode {
            // Not being able to share it costs others their place, and nobody anything else.
            let _ = sys::change_mode(&self.handle, mode);
        }
    }

    /// All tickets in their order.
    pub(super) fn entries(&self) -> Vec<Entry> {
        sorted(&sys::names_in(&self.handle, |_| true).unwrap_or_default())
    }

    /// Who comes before somebody of that standing, those apart who were passed. Dead ones are cleared away, and what those have left
    /// who died when they came.
    ///
    /// Before one who wants to share the lock only those come who don't: readers may hold it beside each other, in whatever order they come.
    pub(crate) fn ahead(self: Arc<Self>, standing: Standing, claim: Claim, token: u64) -> Option<Ahead> {
        let names = sys::names_in(&self.handle, |_| true).unwrap_or_default();
        let is_before = |entry: &Entry| match standing {
            Standing::Newcomer => true,
            Standing::Waiter(own) => entry.number < own.number,
            Standing::Outside => false,
        };
        let mut before = sorted(&names);
        before.retain(|entry| !entry.is_passed && is_before(entry));
        let mut living: Vec<_> =
            before.into_iter().filter_map(|entry| Some((entry, self.living(entry)?))).collect();
        living.retain(|(_, seen)| claim == Claim::Exclusive || !is_readers(&seen.handle));
        if !living.is_empty() {
            return Some(self.behind(living, token));
        }
        self.clear_temporaries(&names);
        if matches!(standing, Standing::Newcomer) {
            self.clear_passed(&names);
            self.go_if_empty();
        }
        None
    }

    /// What somebody sees who has these living ones before.
    fn behind(self: Arc<Self>, mut living: Vec<(Entry, Seen)>, token: u64) -> Ahead {
        let steps_back =
            |(_, seen): &(Entry, Seen)| sys::is_range_locked(&seen.handle, STEPPING_BACK) == Ok(true);
        let stepping_back = living.iter().filter(|ticket| steps_back(ticket)).count();
        let stepping_back = u32::try_from(stepping_back).unwrap_or(u32::MAX);
        let entries = living.iter().map(|(entry, _)| *entry).collect();
        let sightings = living.iter().map(|(entry, seen)| Sighting::of(entry.number, &seen.stat)).collect();
        let last = living.len() - 1;
        let (entry, nearest) = living.swap_remove(living.iter().rposition(steps_back).unwrap_or(last));
        let sight = Sight::new(token, sightings);
        Ahead { queue: self, nearest: nearest.handle, name: entry.name(), stepping_back, entries, sight }
    }

    /// Those who were passed and have died are in nobody's way.
    fn clear_passed(&self, names: &[OsString]) {
        sorted(names).into_iter().filter(|entry| entry.is_passed).for_each(|entry| drop(self.living(entry)));
    }

    /// The ticket if its waiter lives; if not, it is removed.
    fn living(&self, entry: Entry) -> Option<Seen> {
        let name = entry.name();
        let seen = self.open_ticket(&name)?;
        // An error is no proof of death; but a waiter that can't be told from a dead one is no reason to wait either.
        if sys::is_range_locked(&seen.handle, Range::Waiter) == Ok(true) {
            return Some(seen);
        }
        self.clear_one(&name);
        None
    }

    pub(super) fn is_living(&self, entry: Entry) -> bool {
        let seen = self.open_ticket(&entry.name());
        seen.is_some_and(|seen| sys::is_range_locked(&seen.handle, Range::Waiter) == Ok(true))
    }

    fn open_ticket(&self, name: &OsStr) -> Option<Seen> {
        let is_one = |stat: &Stat| stat.kind == FileKind::Regular && !is_strangers(stat, &self.guard);
        sys::stat_at(&self.handle, name).ok().filter(is_one)?;
        let handle = sys::open_at(&self.handle, name, Access::Read).ok()?;
        sys::stat(&handle).ok().filter(is_one).map(|stat| Seen { handle, stat })
    }

    /// Removes a ticket, or one that is about to get its name, if nobody has it locked.
    fn clear_one(&self, name: &OsStr) {
        // Another user's can't be; it counts for nothing all the same.
        let Ok(handle) = sys::open_at(&self.handle, name, Access::ReadWrite) else { return };
        if sys::try_lock_range(&handle, Range::Waiter) == Ok(true) {
            if self.means(name, &handle) {
                let _ = sys::unlink(&self.handle, name);
            }
            let _ = sys::unlock_range(&handle, Range::Waiter);
        }
    }

    fn means(&self, name: &OsStr, handle: &Handle) -> bool {
        let id = |stat: Stat| stat.id;
        matches!((sys::stat_at(&self.handle, name).map(id), sys::stat(handle).map(id)), (Ok(a), Ok(b)) if a == b)
    }

    /// Clears away all who are dead in the queue of that name, and the directory, if nobody is left in it.
    pub(crate) fn clear(directory: &Arc<Directory>, name: &OsStr, guard: &Stat) {
        let Some(queue) = Self::open(directory, name, guard) else { return };
        let names = sys::names_in(&queue.handle, |_| true).unwrap_or_default();
        for entry in sorted(&names) {
            drop(queue.living(entry));
        }
        queue.clear_temporaries(&names);
        queue.go_if_empty();
    }

    /// Those who died before they had a number.
    fn clear_temporaries(&self, names: &[OsString]) {
        let is_temporary = |name: &&OsString| Names::is_temporary(OsStr::new(TICKET), name);
        names.iter().filter(is_temporary).for_each(|name| self.clear_one(name));
    }

    /// Removes the directory, which is refused while there is anything in it.
    pub(super) fn go_if_empty(&self) {
        let _ = sys::remove_directory(&self.directory.handle, &self.name);
    }

    /// Those who wait, in their order, as their tickets name them. Nothing is changed.
    pub(crate) fn waiting(&self) -> Vec<Record> {
        let living = |entry: &Entry| {
            let Seen { handle, .. } = self.open_ticket(&entry.name())?;
            if sys::is_range_locked(&handle, Range::Waiter) != Ok(true) {
                return None;
            }
            named(&handle)
        };
        self.entries().iter().filter_map(living).collect()
    }
}

impl Ahead {
    /// Counts all of them as passed, for everybody, until they have got the lock.
    pub(crate) fn pass(&self) {
        for entry in &self.entries {
            let passed = Entry { is_passed: true, ..*entry };
            // One that has gone meanwhile need not be passed, and one that can't be renamed is passed by us alone.
            let _ = sys::rename_noreplace(&self.queue.handle, &entry.name(), &passed.name());
        }
    }

    /// Where a ticket is to be had behind them.
    pub(crate) fn place(&self) -> (&Arc<Directory>, &Stat) {
        (&self.queue.directory, &self.queue.guard)
    }

    /// Notes it when the nearest one is passed, by which its ticket is renamed. Fails if it has been by now, or is gone.
    pub(crate) fn watch(&self) -> sys::Result<Handle> {
        sys::watch(&self.queue.handle, &self.name)
    }

    /// Whom the nearest one's ticket names.
    pub(crate) fn record(&self) -> Option<Box<Record>> {
        named(&self.nearest).map(Box::new)
    }
}

/// Whom a ticket names.
fn named(ticket: &Handle) -> Option<Record> {
    match record::classify(&sys::read_start(ticket, record::MAX_READ).ok()?) {
        Content::Baton(record) => Some(record),
        _ => None,
    }
}

/// Is it of one who wants to share the lock? In doubt it is not: then it is let come first.
fn is_readers(ticket: &Handle) -> bool {
    named(ticket).is_some_and(|record| record.is_shared())
}

fn sorted(names: &[OsString]) -> Vec<Entry> {
    let mut entries: Vec<_> = names.iter().filter_map(|name| Entry::parse(name)).collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;

    #[test]
    fn names_of_tickets_are_read_and_others_are_not() {
        for entry in [Entry { number: 1, is_passed: false }, Entry { number: 77, is_passed: true }] {
            assert_eq!(Entry::parse(&entry.name()), Some(entry));
        }
        for name in ["1", "000000000000000x", "0000000000000001.tmp", "+000000000000001", ".passed"] {
            assert_eq!(Entry::parse(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn tickets_are_in_the_order_of_their_numbers_whether_passed_or_not() {
        let [a, b, c] = [(1, true), (2, false), (10, false)];
        let entry = |(number, is_passed)| Entry { number, is_passed };
        let mut entries = [c, a, b].map(entry);
        entries.sort_unstable();
        assert_eq!(entries, [a, b, c].map(entry));
    }
    #[test]
    fn one_who_sleeps_behind_a_waiter_is_told_when_that_is_passed() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = Arc::new(Directory::open(place.path(), &[]).expect("opened"));
        let (name, guard) = (OsStr::new("a.queue"), sys::stat(&directory.handle).expect("open"));
        let record = crate::Lock::options().record(None);
        let take = || Ticket::take(&directory, name, &guard, &record, false).expect("taken");
        let (_first, second) = (take(), take());
        let queue = Queue::open(&directory, name, &guard).expect("there");
        let ahead = Arc::new(queue).ahead(Standing::Waiter(&second), Claim::Shared, 0).expect("the first");
        let watch = ahead.watch().expect("watched");
        let is_told = || sys::is_ready(&[watch.as_fd()], Some(Duration::ZERO)).expect("asked");
        assert!(!is_told());
        ahead.pass();
        assert!(is_told());
        assert_eq!(ahead.watch().err(), Some(Errno::NOENT), "it has been passed before");
    }

    /// So that it can be the record of a lock that a group shares, beside which a new file would have that group.
    #[test]
    fn ticket_has_the_group_that_a_record_beside_the_lock_would_have() {
        const GROUP: u32 = 1234;
        let place = tempfile::tempdir().expect("a directory");
        if std::os::unix::fs::chown(place.path(), None, Some(GROUP)).is_err() {
            eprintln!("skipped: only root may give a directory to any group");
            return;
        }
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o2770)).expect("changed");
        std::fs::write(place.path().join("guard"), "").expect("written");
        let directory = Arc::new(Directory::open(place.path(), &[]).expect("opened"));
        let guard = sys::stat_at(&directory.handle, OsStr::new("guard")).expect("there");
        let record = crate::Lock::options().record(None);
        let ticket = Ticket::take(&directory, OsStr::new("a.queue"), &guard, &record, false).expect("taken");
        let queue = ticket.queue();
        let name = Entry { number: 1, is_passed: false }.name();
        assert_eq!(sys::stat_at(&queue.handle, &name).expect("there").group, GROUP);
    }
}
