//! Private names, and what crashed writers left under them.
//!
//! Who sweeps holds the lock under which the file is written. So whatever is there was left by a crash, or belongs to a
//! writer that lost its lock: taken away from under it, it makes another, and then finds the file changed.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::time::Duration;

use super::file::AtomicFile;
use crate::sys::{self, FileKind};

/// How private names are made and recognised.
pub(crate) trait PrivateNames {
    /// A new one for a file of this name.
    fn make(&self, name: &OsStr, random: u64) -> OsString;
    /// Is it one, and may it be removed if it was last changed so long ago?
    fn is_left_over(&self, name: &OsStr, candidate: &OsStr, age: Duration) -> bool;
}

/// Baton's own: `.NAME.` + 16 hexadecimal digits + `.tmp`, of whatever age.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnNames;

impl PrivateNames for OwnNames {
    fn make(&self, name: &OsStr, random: u64) -> OsString {
        let mut made = OsString::with_capacity(name.len() + 22);
        made.push(".");
        made.push(name);
        // Cannot fail: it is in memory.
        let _ = write!(made, ".{random:016x}.tmp");
        made
    }

    fn is_left_over(&self, name: &OsStr, candidate: &OsStr, _age: Duration) -> bool {
        let unique = candidate
            .as_encoded_bytes()
            .strip_prefix(b".")
            .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()))
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(b".tmp"));
        unique.is_some_and(|unique| unique.len() == 16 && unique.iter().all(u8::is_ascii_hexdigit))
    }
}

impl<N: PrivateNames> AtomicFile<N> {
    /// Removes what crashed writers left under private names. Errors are passed over: it harms nobody.
    pub(crate) fn sweep(&self) {
        let can_be = |name: &OsStr| self.names.is_left_over(&self.name, name, Duration::MAX);
        for name in sys::names_in(&self.directory, can_be).unwrap_or_default() {
            self.sweep_one(&name);
        }
    }

    fn sweep_one(&self, name: &OsStr) {
        let Ok(seen) = sys::stat_at(&self.directory, name) else { return };
        let age = sys::real_time().saturating_sub(seen.modified);
        let is_own = seen.kind == FileKind::Regular && seen.owner == sys::effective_user() && seen.links == 1;
        if !is_own || !self.names.is_left_over(&self.name, name, age) {
            return;
        }
        let _ = sys::unlink(&self.directory, name);
    }
}
