//! Which locks there are in a directory, by the names and the first bytes of its files.
//!
//! A lock of default naming is known by its guard, whose content is Baton's, or by its record, where the guard was deleted; one of flock
//! naming by its record. Files that can't be one of these are not opened, larger ones than a record not read (I6).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::directory::Directory;
use super::naming::{Naming, guard_of};
use super::token;
use crate::error::Error;
use crate::record::{self, Content};
use crate::sys::{self, Access, FileKind};

/// The well-known names of all locks in the directory, in their order.
pub(super) fn names(directory: &Directory) -> Result<Vec<(OsString, Naming)>, Error> {
    let all = sys::names_in(&directory.handle, |name| !name.as_bytes().starts_with(b"."))
        .map_err(|errno| Error::io("look into", &directory.path_of(OsStr::new("")), errno))?;
    let found: BTreeSet<(OsString, bool)> = all.iter().filter_map(|name| lock_of(directory, name)).collect();
    let naming = |is_flock| if is_flock { Naming::Flock } else { Naming::Record };
    Ok(found.into_iter().map(|(name, is_flock)| (name, naming(is_flock))).collect())
}

/// The lock to which a file belongs, and whether in flock naming.
fn lock_of(directory: &Directory, name: &OsStr) -> Option<(OsString, bool)> {
    let seen = directory.look(name).ok()??;
    if seen.kind != FileKind::Regular || seen.size > record::MAX_READ as u64 {
        return None;
    }
    let of = |ending: &[u8]| {
        name.as_bytes()
            .strip_suffix(ending)
            .filter(|rest| !rest.is_empty())
            .map(|rest| OsStr::from_bytes(rest).to_owned())
    };
    if let Some(lock) = of(b".guard") {
        return is_guard(&read(directory, name)?).then_some((lock, false));
    }
    let content = || Some(record::classify(&read(directory, name)?));
    if let Some(lock) = of(b".holder") {
        return matches!(content()?, Content::Baton(_)).then_some((lock, true));
    }
    // A record is known by its guard; this one has lost it, or is an ancestor's.
    let has_guard = || directory.look(&guard_of(name)).is_ok_and(|guard| guard.is_some());
    let is_record = || matches!(content(), Some(Content::Baton(_) | Content::Ancestor(_)));
    (!has_guard() && is_record()).then(|| (name.to_owned(), false))
}

/// One that was just created, or that a power cut emptied, is empty.
fn is_guard(bytes: &[u8]) -> bool {
    token::read(bytes).is_some()
}

/// The content of a file; `None` if it is not to be read, or can't be an object or a guard.
fn read(directory: &Directory, name: &OsStr) -> Option<Vec<u8>> {
    let handle = directory.open_file(name, Access::Read).ok()?;
    let first = sys::read_start(&handle, 1).ok()?;
    if !matches!(first.first(), None | Some(b'{' | b'b' | 0)) {
        return None;
    }
    sys::read_start(&handle, record::MAX_READ).ok()
}
