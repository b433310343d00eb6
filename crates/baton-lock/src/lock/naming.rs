//! Which names in the directory are guard, record and temporaries of a lock, in either naming.
//!
//! | | default naming | flock naming |
//! |---|---|---|
//! | guard | `P.guard` | `P` |
//! | record | `P` | `P.holder` |
//! | companion, the file of the other naming that is looked at | `P.holder` | `P`, `P.guard` |
//! | temporaries | `.P.<16 hex digits>.tmp` | `.P.holder.<16 hex digits>.tmp` |

use std::ffi::{OsStr, OsString};

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
}

impl Names {
    pub(crate) fn new(naming: Naming, well_known: &OsStr) -> Self {
        match naming {
            Naming::Record => {
                Self { guard: with_ending(well_known, ".guard"), record: well_known.to_owned() }
            }
            Naming::Flock => Self { guard: well_known.to_owned(), record: holder_of(well_known) },
        }
    }

    /// A new private name for a file that is to become the record.
    pub(crate) fn temporary(&self, random: u64) -> OsString {
        let mut name = OsString::from(".");
        name.push(&self.record);
        name.push(format!(".{random:016x}.tmp"));
        name
    }

    /// Is this a name that [`temporary`](Self::temporary) makes?
    pub(crate) fn is_temporary(&self, name: &OsStr) -> bool {
        let unique = name
            .as_encoded_bytes()
            .strip_prefix(b".")
            .and_then(|rest| rest.strip_prefix(self.record.as_encoded_bytes()))
            .and_then(|rest| rest.strip_prefix(b"."))
            .and_then(|rest| rest.strip_suffix(b".tmp"));
        unique.is_some_and(|unique| unique.len() == 16 && unique.iter().all(u8::is_ascii_hexdigit))
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
    let mut name = name.to_owned();
    name.push(ending);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_temporaries_are_recognised() {
        let names = Names::new(Naming::Record, OsStr::new("a.lock"));
        assert!(names.is_temporary(&names.temporary(0)));
        assert!(names.is_temporary(&names.temporary(u64::MAX)));
        for other in
            [".a.lock.0123.tmp", "a.lock", ".b.lock.0123456789abcdef.tmp", ".a.lock.0123456789abcdeg.tmp"]
        {
            assert!(!names.is_temporary(OsStr::new(other)), "{other}");
        }
    }
}
