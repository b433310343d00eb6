//! Groups: readers that share the lock, with one record and one token, beside each other and with no writer.
//!
//! A reader has the guard locked by a shared `flock`, and byte 0 of the group's record by a shared lock: either keeps writers out, and
//! whichever of the two files somebody deletes, the other still does (I1). The first reader publishes the record, locked from before it
//! has its name (I2); the others join. Nobody of them writes anything that is not his alone, so that one token does for all.
//!
//! Who joins, who leaves and who judges has byte 1 of the record, one at a time. So the last one out knows that it is the last, by
//! getting byte 0 exclusively, and clears up; and nobody joins what is just being cleared up:
//!
//! 1. R1, the only reader, leaves: byte 1, then byte 0 exclusively: nobody else has it. N looks at the record, finds byte 1 taken, and
//!    looks again in a moment.
//! 2. R1 removes the record, unlocks both. N gets byte 1 of a file that has no name any more: it judges again, and founds a group.
//!
//! Two that leave at once:
//!
//! 1. R1 has byte 1 and asks for byte 0 exclusively: refused, R2 has a share. R1 gives back its share, then byte 1.
//! 2. R2 waits for byte 1, gets it, and byte 0: it is the last. Had neither waited for byte 1, both could be refused, and nobody
//!    would clear up.
//!
//! Who is stopped while it has byte 1 keeps the others from that, not from leaving: after a while they go without. Then, and where readers
//! are killed, the record stays, unlocked. It tells of nobody's death, for a reader leaves nothing half done, and the next one to
//! come replaces it. But if the group came upon the record of a writer that had died, its own carries that (`unrepaired`): the readers
//! are told, and so is the next writer, to whom the last one out gives back the name.
//!
//! In flock naming a reader may be unable to write the record of others. It joins without byte 1: somebody may judge the group dead, because
//! its other readers have just died, and replace the record just then. Who does that has the guard, so it is a reader as well, or has
//! another guard, and then one of the two finds in step 7 that the guard's name means another file.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::judge::{self, Claim, Rules, Verdict};
use super::naming::Naming;
use super::publish::{Born, Desk, Found};
use crate::diagnosis::State;
use crate::error::Error;
use crate::record::Record;
use crate::sys::{self, FileId, Handle, Range};

/// How often, and with what pause, a reader that leaves tries for byte 1. Others have it for some 20 µs, unless they are stopped.
const LEAVINGS: u32 = 50;
const LEAVING_PAUSE: Duration = Duration::from_millis(2);

/// A record of which somebody has byte 0 locked, and byte 1 we, where we can: a group to be joined, if it is one.
#[derive(Debug)]
pub(crate) struct Group {
    handle: Option<Handle>,
    id: FileId,
}

impl Group {
    pub(super) fn new(handle: Handle, id: FileId) -> Self {
        Self { handle: Some(handle), id }
    }

    /// What the record means.
    pub(super) fn verdict(self, rules: Rules) -> Verdict {
        let record = self.handle.as_ref().and_then(judge::held_record);
        if rules.claim == Claim::Exclusive {
            return Verdict::Busy(State::Held, record);
        }
        match record {
            Some(record) if record.is_shared() && !record.is_released() => Verdict::Group(self, record),
            // Byte 0 of what the last one out puts in place of the group's record is shared, for a moment.
            _ if self.is_shared() => Verdict::Changed,
            record => Verdict::Busy(State::Held, record),
        }
    }

    fn is_shared(&self) -> bool {
        let ask = |handle| sys::is_range_exclusive(handle, Range::Holder);
        self.handle.as_ref().is_some_and(|handle| ask(handle) == Ok(false))
    }

    /// Takes a share of byte 0. `None`: somebody has it exclusively for a moment, or the name means another file by now.
    pub(crate) fn join(mut self, directory: &Directory, name: &OsStr) -> Result<Option<Born>, Error> {
        let Some(handle) = self.handle.take() else { return Ok(None) };
        let shared = sys::try_share_range(&handle, Range::Holder)
            .map_err(|errno| Error::io("share the record", &directory.path_of(name), errno));
        let named = match shared {
            Ok(true) => directory.means(name, &handle, self.id),
            other => other,
        };
        let born = Born { handle: Arc::new(handle), id: self.id };
        if !matches!(named, Ok(true)) {
            born.unlock();
        }
        unlock_judge(&born.handle);
        Ok(named?.then_some(born))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            unlock_judge(handle);
        }
    }
}

fn unlock_judge(handle: &Handle) {
    // Fails only for a descriptor that is not open; it is.
    let _ = sys::unlock_range(handle, Range::Judge);
}

/// Gives back a reader's share; who is the last one clears up. On an error the share is given back all the same.
pub(crate) fn leave(desk: &Desk<'_>, born: &Born, group: &Record) -> Result<(), Error> {
    let has_judge = lock_judge(&born.handle);
    let left = if has_judge && sys::try_lock_range(&born.handle, Range::Holder) == Ok(true) {
        clear_up(desk, born, group)
    } else {
        Ok(())
    };
    born.unlock();
    if has_judge {
        unlock_judge(&born.handle);
    }
    left
}

/// `false`: somebody is stopped who has it, or the record is another user's.
fn lock_judge(handle: &Handle) -> bool {
    for trial in 0..LEAVINGS {
        if trial > 0 {
            sys::pause(LEAVING_PAUSE);
        }
        match sys::try_lock_range(handle, Range::Judge) {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
    false
}

/// What the last one out does, nobody else having byte 0 or 1.
fn clear_up(desk: &Desk<'_>, born: &Born, group: &Record) -> Result<(), Error> {
    let found = group.unrepaired().map_or(Found::Nothing, |dead| Found::Record {
        record: Box::new(dead.clone()),
        bytes: dead.to_json().into_bytes(),
    });
    match (&found, desk.naming) {
        (Found::Nothing, Naming::Record) => desk.try_remove_own(born),
        // In place of the group's record, so that it is given back to nobody, or to the dead writer, in one step.
        _ => desk.put_in_place(born, &found, group, Claim::Shared),
    }
}
