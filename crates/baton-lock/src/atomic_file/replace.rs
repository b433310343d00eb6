//! Giving the file new content, in an order in which every crash leaves it whole.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use super::file::{AtomicFile, Current};
use super::sweep::PrivateNames;
use crate::error::Error;
use crate::sys::{self, Access, Errno, Flock, Handle, Stat};

/// The permission bits of every file written here.
const OWNER_ONLY: u32 = 0o600;

/// How often a file that somebody else is replacing is looked at again, and with what pause: 100 ms in all, some 200 times
/// what replacing it takes.
const MOMENTS: u32 = 50;
const MOMENT: Duration = Duration::from_millis(2);

/// How often another private file is made because a sweep took the last one away. Each round needs another sweep.
const NAMES_TRIED: u32 = 8;

/// How replacing went.
#[derive(Debug)]
pub(crate) enum Replacement {
    /// It has the new content, and that is durable.
    Done(Current),
    /// It has the new content; after a power cut it may have the old one.
    NotDurable(Current, Errno),
    /// The name does not mean what was expected; nothing was changed.
    Changed,
    /// Somebody else is replacing it, or keeps it locked for another reason; nothing was changed.
    InUse,
}

/// Whether the lock that replacing takes may be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insist {
    Lock,
    /// The caller has made sure that it alone may replace the file.
    No,
}

/// Whether the new file got the name.
enum Named {
    Yes,
    /// A sweep took the private file away: somebody else holds the lock by now.
    TakenAway,
    /// The name does not mean what was expected.
    Changed,
}

impl<N: PrivateNames> AtomicFile<N> {
    /// Gives the file new content, the parts one behind the other: `current` is what it is expected to be, `None` that there is none.
    ///
    /// On an error the file is as it was, and nothing else is left.
    pub(crate) fn replace(
        &self,
        parts: &[&[u8]],
        current: Option<&Current>,
        insist: Insist,
    ) -> Result<Replacement, Error> {
        let locked = match current {
            Some(current) if !lock(&current.handle) => {
                if insist == Insist::Lock {
                    return Ok(Replacement::InUse);
                }
                None
            }
            current => current,
        };
        let replaced = self.replace_locked(parts, current);
        let is_replaced = matches!(replaced, Ok(Replacement::Done(_) | Replacement::NotDurable(..)));
        // One that was replaced has no name any more; the caller closes it.
        if let (Some(locked), false) = (locked, is_replaced) {
            // Fails only for a descriptor that is not open; it is.
            let _ = sys::flock(&locked.handle, Flock::Unlock);
        }
        replaced
    }

    fn replace_locked(&self, parts: &[&[u8]], current: Option<&Current>) -> Result<Replacement, Error> {
        for _ in 0..NAMES_TRIED {
            let (temporary, new) = self.write(parts)?;
            // Looked at last, so that the rename follows at once.
            match self.means(current).and_then(|expected| self.name_it(&temporary, current, expected)) {
                Ok(Named::Yes) => return Ok(self.settle(new)),
                Ok(Named::TakenAway) => {}
                Ok(Named::Changed) => {
                    self.discard(&temporary);
                    return Ok(Replacement::Changed);
                }
                Err(error) => {
                    self.discard(&temporary);
                    return Err(error);
                }
            }
        }
        Err(Error::Unstable { path: self.path().to_owned() })
    }

    fn name_it(
        &self,
        temporary: &OsStr,
        current: Option<&Current>,
        is_expected: bool,
    ) -> Result<Named, Error> {
        if !is_expected {
            return Ok(Named::Changed);
        }
        let renamed = match current {
            Some(_) => sys::rename_replacing(&self.directory, temporary, &self.name),
            None => sys::rename_noreplace(&self.directory, temporary, &self.name),
        };
        match renamed {
            Ok(()) => Ok(Named::Yes),
            Err(Errno::NOENT) => Ok(Named::TakenAway),
            Err(Errno::EXIST) => Ok(Named::Changed),
            Err(errno) => Err(self.failed("replace", errno)),
        }
    }

    /// Makes the name durable.
    fn settle(&self, new: Current) -> Replacement {
        match sys::sync(&self.directory) {
            Ok(()) => Replacement::Done(new),
            Err(errno) => Replacement::NotDurable(new, errno),
        }
    }

    /// Writes the content under a private name, durably.
    fn write(&self, parts: &[&[u8]]) -> Result<(OsString, Current), Error> {
        // The kernel answers a write beyond the limit with a signal that kills unless somebody handles it.
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if size as u64 > self.size_limit {
            return Err(self.failed("write", Errno::FBIG));
        }
        let temporary = self.private_name().map_err(|errno| self.failed("get a random number for", errno))?;
        let handle = sys::open_at(&self.directory, &temporary, Access::CreateNew)
            .map_err(|errno| self.failed("create a file beside", errno))?;
        match fill(&handle, parts) {
            Ok(stat) => Ok((temporary, Current { handle, stat })),
            Err(errno) => {
                self.discard(&temporary);
                Err(self.failed("write", errno))
            }
        }
    }

    fn discard(&self, temporary: &OsStr) {
        // Left behind, it would be swept away by the next holder.
        let _ = sys::unlink(&self.directory, temporary);
    }
}

fn fill(handle: &Handle, parts: &[&[u8]]) -> sys::Result<Stat> {
    sys::write_parts(handle, parts)?;
    let stat = sys::stat(handle)?;
    if stat.mode != OWNER_ONLY {
        // The umask took something away that its owner needs.
        sys::change_mode(handle, OWNER_ONLY)?;
    }
    sys::sync(handle)?;
    Ok(stat)
}

/// Tries to lock a file against those who replace it, for a while.
fn lock(handle: &Handle) -> bool {
    for round in 0..MOMENTS {
        if round > 0 {
            sys::pause(MOMENT);
        }
        if sys::flock(handle, Flock::TryExclusive).is_ok() {
            return true;
        }
    }
    false
}
