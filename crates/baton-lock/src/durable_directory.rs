//! A directory that is made so that its name survives a power cut, and with it what is put into it later.
//!
//! A name is durable once the directory that it is in was synced. Each directory is made only when the name of the one that it is made in
//! is durable; so whoever finds one there has its own name to see to, and none above it:
//!
//! 1. P1 makes `state`, and is killed before the directory around it is synced. P2 finds `state`. It syncs that first, and then makes
//!    `state/sessions`.
//! 2. P1 makes `state/sessions`, and is killed before `state` is synced. P2 finds `sessions`. It syncs `state`, and nothing above: P1 had
//!    done that, or had found it done.

use std::path::Path;

use crate::error::Error;
use crate::sys::{self, Errno, FileKind};

/// Its owner's alone, as far as it is made here.
const OWNER_ONLY: u32 = 0o700;

/// Makes a directory, and those above it that are missing, and its name durable: also if it is there already.
pub(crate) fn make(path: &Path) -> Result<(), Error> {
    make_for(path, path)
}

/// Makes one that is needed for the one that was asked for.
fn make_for(asked: &Path, path: &Path) -> Result<(), Error> {
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { return Ok(()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let is_there = is_directory(path);
    if !is_there {
        make_for(asked, parent)?;
    }
    let handle = match sys::open_directory_to_sync(parent) {
        // Who may not read what it is in has not made it there.
        Err(Errno::ACCESS) if is_there => return Ok(()),
        opened => opened.map_err(|errno| Error::io("make durable the names in", parent, errno))?,
    };
    if !is_there {
        match sys::make_directory(&handle, name, OWNER_ONLY) {
            Err(Errno::EXIST) if is_directory(path) => {}
            Err(Errno::EXIST) if path != asked => return Err(cannot_create(asked, Errno::NOTDIR)),
            made => made.map_err(|errno| cannot_create(asked, errno))?,
        }
    }
    sys::sync(&handle).map_err(|errno| Error::io("make durable the names in", parent, errno))
}

/// Makes a directory that nothing durable is kept in, if it is missing; what may be made beside it later relies on those above it.
pub(crate) fn make_if_missing(path: &Path) -> Result<(), Error> {
    if is_directory(path) { Ok(()) } else { make(path) }
}

fn cannot_create(asked: &Path, errno: Errno) -> Error {
    Error::io("create the directory", asked, errno)
}

fn is_directory(path: &Path) -> bool {
    sys::stat_path(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
}
