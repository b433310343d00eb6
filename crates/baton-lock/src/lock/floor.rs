//! The floor of a directory's tokens: what keeps them from falling where a guard was pruned.
//!
//! A guard holds the last token of its lock; without it the clock alone would stand in, and one set back would make tokens fall (I4).
//! So whoever prunes first raises the floor, one number for all locks of the directory, and who finds a guard that knows no token
//! begins above it:
//!
//! 1. P prunes: has the guard G locked, raises the floor to at least G's token, makes that durable, removes G's name.
//! 2. A acquires. It opened G before: it gets G's lock after P, finds that the name does not mean it (step 3), starts over.
//! 3. A creates a guard, which it can only where G's name is gone, so after the floor was raised; and reads the floor after that.
//!
//! Two who prune take turns by an `flock` on the floor. It is Baton's own file and only ever grows; it is believed if it is ours,
//! root's, or the directory's owner's: another user may have put one where everybody may create files. So only these two may prune.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::directory::Directory;
use super::token;
use crate::error::Error;
use crate::sys::{self, Access, Errno, FileKind, Flock, Handle, Stat};

/// Its name; no lock in the state directory can have it.
const NAME: &[u8] = b".baton-floor";

/// Whoever acquires has to read it.
const MODE: u32 = 0o644;

/// How often another one may be faster to create it.
const TRIES: u32 = 10;

fn name() -> &'static OsStr {
    OsStr::from_bytes(NAME)
}

/// The number above which tokens begin; zero where nothing was ever pruned, or what is there can't be believed.
pub(super) fn read(directory: &Directory) -> u64 {
    let Ok(Some(handle)) = open(directory, Access::Read) else { return 0 };
    value(&handle)
}

fn value(handle: &Handle) -> u64 {
    sys::read_start(handle, token::LENGTH + 1).ok().and_then(|bytes| token::read(&bytes)).unwrap_or(0)
}

/// May this process prune here, so that everybody believes what it writes?
pub(super) fn may_be_raised(directory: &Directory) -> Result<bool, Error> {
    let me = sys::effective_user();
    Ok(me == 0 || me == owner(directory)?)
}

fn owner(directory: &Directory) -> Result<u32, Error> {
    let stat = sys::stat(&directory.handle)
        .map_err(|errno| Error::io("look at the directory of", &directory.path_of(name()), errno))?;
    Ok(stat.owner)
}

/// Raises it to at least `to`, and makes that durable.
pub(super) fn raise(directory: &Directory, to: u64) -> Result<(), Error> {
    let failed = |action| move |errno| Error::io(action, &directory.path_of(name()), errno);
    // Each further round is caused by somebody who creates or replaces it at the same time.
    for _ in 0..TRIES {
        let handle = match open(directory, Access::ReadWrite)? {
            Some(handle) => handle,
            None => match sys::open_at(&directory.handle, name(), Access::CreateNew) {
                Ok(handle) => handle,
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(failed("create the floor of the tokens")(errno)),
            },
        };
        sys::flock(&handle, Flock::Exclusive).map_err(failed("lock the floor of the tokens"))?;
        let stat = sys::stat(&handle).map_err(failed("look at the floor of the tokens"))?;
        if !directory.means(name(), &handle, stat.id)? {
            continue;
        }
        let written = write(directory, &handle, to);
        // Closing is not enough where a child was forked meanwhile. Fails only for a descriptor that is not open; it is.
        let _ = sys::flock(&handle, Flock::Unlock);
        return written.map_err(failed("write the floor of the tokens"));
    }
    Err(Error::Unstable { path: directory.path_of(name()) })
}

fn write(directory: &Directory, handle: &Handle, to: u64) -> sys::Result<()> {
    sys::change_mode(handle, MODE)?;
    if value(handle) < to {
        sys::write_start(handle, token::write(to).as_bytes())?;
    }
    sys::sync(handle)?;
    // Its name, too.
    sys::sync(&sys::open_directory_to_sync(directory.path())?)
}

/// Opens it, if it is one to be believed. Anything else that has the name is none.
fn open(directory: &Directory, access: Access) -> Result<Option<Handle>, Error> {
    let Some(seen) = directory.look(name())? else { return Ok(None) };
    if !is_believed(directory, &seen)? {
        return if access == Access::Read { Ok(None) } else { Err(unsafe_floor(directory)) };
    }
    let failed = |errno| Error::io("open the floor of the tokens", &directory.path_of(name()), errno);
    let handle = match sys::open_at(&directory.handle, name(), access) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let stat = sys::stat(&handle).map_err(failed)?;
    if is_believed(directory, &stat)? { Ok(Some(handle)) } else { Ok(None) }
}

fn is_believed(directory: &Directory, stat: &Stat) -> Result<bool, Error> {
    let known = [sys::effective_user(), 0, owner(directory)?];
    Ok(stat.kind == FileKind::Regular && stat.links <= 1 && known.contains(&stat.owner))
}

fn unsafe_floor(directory: &Directory) -> Error {
    Error::Unsafe {
        path: directory.path_of(name()),
        reason: "it is not Baton's own file".to_owned(),
        hint: "nothing was pruned; find out whose it is, and move it away",
    }
}
