//! The other naming on the same path: the two do not exclude each other, so that meeting it is an error.
//!
//! Both sides create their own file first, look for the other's then, and look again in step 7:
//!
//! 1. P1 (default naming) looks for a holder of flock naming: none. P2 (flock naming) does the same.
//! 2. P1 publishes its record under the path, P2 its record under `P.holder`.
//! 3. Whichever looks last in its step 7 sees the other's file and gives up; perhaps both do. Never does neither.
//!
//! A companion that is neither a locked guard nor a record of Baton's counts for nothing: records are whole from the moment they
//! have their name, so that their content alone tells, and a file that some other program has locked is not taken for one.

use std::ffi::OsStr;
use std::time::Duration;

use super::directory::Directory;
use super::guard::Guard;
use super::naming::{Naming, guard_of, holder_of};
use crate::error::Error;
use crate::processes::{self, Listed};
use crate::record::{self, Content};
use crate::sys::{self, Access, Errno, FileKind, Flock, Handle};

/// How often, and with what pause, a locked guard is looked at before it counts as held: an attempt takes some 100 µs.
const LOOKS: u32 = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(1);

const LOCKED_GUARD: &str = "it is locked as a guard";

/// Refuses the path if it is in use in the other naming. `guard` is our own, if it is open.
pub(crate) fn refuse(
    directory: &Directory,
    well_known: &OsStr,
    naming: Naming,
    guard: Option<&Guard>,
) -> Result<(), Error> {
    match naming {
        Naming::Record => refuse_holder(directory, &holder_of(well_known)),
        Naming::Flock => {
            refuse_record(directory, well_known, guard)?;
            refuse_guard(directory, &guard_of(well_known))
        }
    }
}

/// In default naming: is there a record of flock naming?
fn refuse_holder(directory: &Directory, name: &OsStr) -> Result<(), Error> {
    let Some(handle) = open_regular(directory, name)? else { return Ok(()) };
    match content(directory, name, &handle)? {
        Content::Baton(_) => Err(other_naming(directory, name, "it is a record of Baton's")),
        _ => Ok(()),
    }
}

/// In flock naming: is the user's own file a lock file of default naming, or one of the ancestor's?
///
/// The part of [`refuse`] that takes no lock.
pub(crate) fn refuse_record(
    directory: &Directory,
    well_known: &OsStr,
    guard: Option<&Guard>,
) -> Result<(), Error> {
    let Some(guard) = guard.filter(|guard| guard.stat.kind == FileKind::Regular) else { return Ok(()) };
    match content(directory, well_known, &guard.handle)? {
        Content::Baton(_) => Err(other_naming(directory, well_known, "it is a record of Baton's")),
        Content::Ancestor(_) => {
            Err(other_naming(directory, well_known, "it is a lock file with its holder's pid in it"))
        }
        Content::Incomplete | Content::Foreign => Ok(()),
    }
}

/// In flock naming: is there a guard of default naming that somebody holds?
///
/// Looked at more than once, because one of default naming locks it for a moment too before it finds our record and gives up.
fn refuse_guard(directory: &Directory, name: &OsStr) -> Result<(), Error> {
    for look in 0..LOOKS {
        if look > 0 {
            sys::pause(LOOK_PAUSE);
        }
        let Some(handle) = open_regular(directory, name)? else { return Ok(()) };
        // Not shared: readers share it.
        match sys::flock(&handle, Flock::TryExclusive) {
            Ok(()) => {
                // Fails only for a descriptor that is not open; it is.
                let _ = sys::flock(&handle, Flock::Unlock);
                return Ok(());
            }
            Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(Error::io("look at", &directory.path_of(name), errno)),
        }
    }
    Err(other_naming(directory, name, LOCKED_GUARD))
}

/// The same without taking anything, from `/proc/locks`.
pub(crate) fn refuse_flocked_guard(directory: &Directory, well_known: &OsStr) -> Result<(), Error> {
    let name = guard_of(well_known);
    let Some(handle) = open_regular(directory, &name)? else { return Ok(()) };
    let stat = sys::stat(&handle).map_err(|errno| Error::io("look at", &directory.path_of(&name), errno))?;
    if processes::is_flocked(&Listed::of(&handle, &stat)) {
        return Err(other_naming(directory, &name, LOCKED_GUARD));
    }
    Ok(())
}

fn other_naming(directory: &Directory, name: &OsStr, reason: &str) -> Error {
    Error::OtherNaming { path: directory.path_of(name), reason: reason.to_owned() }
}

/// What a file's content means. A record is an object, so that most files are told apart by their first byte, and the rest of
/// what is someone's data is not read.
fn content(directory: &Directory, name: &OsStr, handle: &Handle) -> Result<Content, Error> {
    let read = |limit| {
        sys::read_start(handle, limit).map_err(|errno| Error::io("read", &directory.path_of(name), errno))
    };
    if read(1)? != b"{" {
        return Ok(Content::Foreign);
    }
    let bytes = read(record::MAX_READ)?;
    Ok(record::classify(&bytes))
}

/// Opens what can be a companion; anything else that has the name is none, and is not disturbed.
fn open_regular(directory: &Directory, name: &OsStr) -> Result<Option<Handle>, Error> {
    let failed = |errno| Error::io("look at", &directory.path_of(name), errno);
    match sys::stat_at(&directory.handle, name) {
        Ok(seen) if seen.kind == FileKind::Regular => {}
        Ok(_) | Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    }
    match directory.open_file(name, Access::Read) {
        Ok(handle) => {
            let stat = sys::stat(&handle).map_err(failed)?;
            Ok(Some(handle).filter(|_| stat.kind == FileKind::Regular))
        }
        // Unreadable for us, or by now a link: no client of ours has put that there for us.
        Err(Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::LOOP) => Ok(None),
        Err(errno) => Err(failed(errno)),
    }
}
