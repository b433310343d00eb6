//! Which names in the directory are guard, record and temporaries of a lock, in either naming.
//!
//! | | default naming | flock naming |
//! |---|---|---|
//! | guard | `P.guard` | `P` |
//! | record | `P` | `P.holder` |
//! | companion, the file of the other naming that is looked at | `P.holder` | `P`, `P.guard` |
//! | queue, the directory of the waiters' tickets | `P.queue` | `P.queue` |
//! | readers, the directory of the tickets of those who share the lock | `P.readers` | `P.readers` |
//! | temporaries of the record | `.P.<16 hex digits>.tmp` | `.P.holder.<16 hex digits>.tmp` |
//! | temporaries of the guard | `.P.guard.<16 hex digits>.tmp` | `.P.<16 hex digits>.tmp` |

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;

/// Which of the two files has the well-known name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Naming {
    /// The record has it: the file is there while the lock is held and gone after. What the ancestor's clients expect.
    #[default]
    Record,
    /// The guard has it: any file or directory, never written to and never deleted; excludes `flock(1)` and its kin.
    Flock,
}

impl Naming {
    /// `record` or `flock`, as in JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Flock => "flock",
        }
    }
}

/// The names of one lock's files in their directory.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) guard: OsString,
    pub(crate) record: OsString,
    pub(crate) queue: OsString,
    pub(crate) readers: OsString,
}

impl Names {
    pub(crate) fn new(naming: Naming, well_known: &OsStr) -> Self {
        let (guard, record) = match naming {
            Naming::Record => (guard_of(well_known), well_known.to_owned()),
            Naming::Flock => (well_known.to_owned(), holder_of(well_known)),
        };
        let [queue, readers] = [".queue", ".readers"].map(|ending| with_ending(well_known, ending));
        Self { guard, record, queue, readers }
    }

    /// The private name for a file that is to become the record or the guard, as which it is given.
    pub(crate) fn temporary(of: &OsStr, random: u64) -> OsString {
        const AROUND: usize = "..0123456789abcdef.tmp".len();
        let mut name = OsString::with_capacity(of.len() + AROUND);
        name.push(".");
        name.push(of);
        // Fails only if the name's own `fmt::Write` does, which it does not.
        let _ = write!(name, ".{random:016x}.tmp");
        name
    }

    /// Is this a name that [`temporary`](Self::temporary) makes of `of`?
    pub(crate) fn is_temporary(of: &OsStr, name: &OsStr) -> bool {
        let unique = name
            .as_encoded_bytes()
            .strip_prefix(b".")
            .and_then(|rest| rest.strip_prefix(of.as_encoded_bytes()))
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(b".tmp"));
        unique.is_some_and(|unique| {
            unique.len() == 16 && unique.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

/// The record's name in flock naming.
pub(crate) fn holder_of(well_known: &OsStr) -> OsString {
    with_ending(well_known, ".holder")
}

/// The guard's name in default naming.
pub(crate) fn guard_of(well_known: &OsStr) -> OsString {
    with_ending(well_known, ".guard")
}

fn with_ending(name: &OsStr, ending: &str) -> OsString {
    let mut whole = OsString::with_capacity(name.len() + ending.len());
    whole.push(name);
    whole.push(ending);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_temporaries_are_recognised() {
        let record = OsStr::new("a.lock");
        let is_temporary = |name: &OsStr| Names::is_temporary(record, name);
        assert!(is_temporary(&Names::temporary(record, 0)));
        assert!(is_temporary(&Names::temporary(record, u64::MAX)));
        assert!(!is_temporary(&Names::temporary(OsStr::new("a.lock.guard"), 0)), "a guard's");
        for other in [
            ".a.lock.0123.tmp",
            "a.lock",
            ".b.lock.0123456789abcdef.tmp",
            ".a.lock.0123456789abcdeg.tmp",
            ".a.lock.0123456789ABCDEF.tmp",
        ] {
            assert!(!is_temporary(OsStr::new(other)), "{other}");
        }
    }
}
