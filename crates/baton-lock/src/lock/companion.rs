//! The other naming on the same path: the two do not exclude each other, so that meeting it is an error.
//!
//! Both sides create their own file first, look for the other's then, and look again in step 7:
//!
//! 1. P1 (default naming) looks for a holder of flock naming: none. P2 (flock naming) does the same.
//! 2. P1 publishes its record under the path, P2 its record under `P.holder`.
//! 3. Whichever looks last in its step 7 sees the other's file and gives up; perhaps both do. Never does neither.
//!
//! A companion that is neither locked nor a record of Baton's counts for nothing.

use std::ffi::OsStr;

use super::directory::Directory;
use super::guard::Guard;
use super::naming::{Naming, guard_of, holder_of};
use crate::error::Error;
use crate::record::{self, Content};
use crate::sys::{self, Access, Errno, FileKind, Flock, Handle, Range};

/// Refuses the path if it is in use in the other naming. `guard` is our own, if it is open.
pub(crate) fn refuse(
    directory: &Directory,
    well_known: &OsStr,
    naming: Naming,
    guard: Option<&Guard>,
) -> Result<(), Error> {
    match naming {
        Naming::Record => {
            let name = holder_of(well_known);
            answer(directory, &name, open_regular(directory, &name).and_then(|handle| in_use(&handle)))
        }
        Naming::Flock => {
            refuse_record(directory, well_known, guard)?;
            let name = guard_of(well_known);
            answer(directory, &name, is_locked(directory, &name))
        }
    }
}

/// The part of it in flock naming that asks without taking: is the user's own file a record of default naming?
pub(crate) fn refuse_record(
    directory: &Directory,
    well_known: &OsStr,
    guard: Option<&Guard>,
) -> Result<(), Error> {
    let guard = guard.filter(|guard| guard.stat.kind == FileKind::Regular);
    answer(directory, well_known, guard.and_then(|guard| in_use(&guard.handle)))
}

fn answer(directory: &Directory, name: &OsStr, found: Option<&'static str>) -> Result<(), Error> {
    match found {
        Some(reason) => Err(Error::OtherNaming { path: directory.path_of(name), reason: reason.to_owned() }),
        None => Ok(()),
    }
}

/// Is the file locked like a record, or one by its content?
fn in_use(handle: &Handle) -> Option<&'static str> {
    if sys::is_range_locked(handle, Range::Holder).unwrap_or(false) {
        return Some("it is locked as a record");
    }
    let bytes = sys::read_start(handle, record::MAX_READ + 1).ok()?;
    // A record is an object; most files are told apart by their first byte, without a look at the rest.
    let is_record = bytes.first() == Some(&b'{')
        && bytes.len() <= record::MAX_READ
        && matches!(record::classify(&bytes), Content::Baton(_));
    is_record.then_some("it is a record of Baton's")
}

/// Is there a guard of this name that somebody holds?
fn is_locked(directory: &Directory, name: &OsStr) -> Option<&'static str> {
    let handle = open_regular(directory, name)?;
    match sys::flock(&handle, Flock::TryShared) {
        Err(Errno::WOULDBLOCK) => Some("it is locked as a guard"),
        Err(_) => None,
        Ok(()) => {
            // Fails only for a descriptor that is not open; it is.
            let _ = sys::flock(&handle, Flock::Unlock);
            None
        }
    }
}

/// Opens what can be a companion; anything else that has the name is none, and is not disturbed.
fn open_regular(directory: &Directory, name: &OsStr) -> Option<Handle> {
    let seen = directory.look(name).ok()??;
    (seen.kind == FileKind::Regular).then(|| sys::open_at(&directory.handle, name, Access::Read).ok())?
}
