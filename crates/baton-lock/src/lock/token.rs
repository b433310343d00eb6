//! Step 5: the fencing token, a number that grows with every acquisition.
//!
//! It is one more than the last one known, and at least the wall clock in microseconds. So neither a guard that
//! somebody deleted, nor one that a power cut emptied, nor a clock set back makes it fall: only two of them together
//! could. What a resource that the job changes compares is this number (I4 in `docs/protocol.md`).
//!
//! In default naming the last token is in the guard, as one line of fixed width, rewritten by one write. A guard with
//! any other content is not ours, and is never written to. One that knows no token begins above the directory's [`floor`].

use super::directory::Directory;
use super::floor;
use super::guard::Guard;
use super::naming::{Names, Naming};
use crate::error::Error;
use crate::record::{self, Record};
use crate::sys;

/// Tokens stay below this, so that every JSON reader has them exactly (2^53). In microseconds that is the year 2255.
const LIMIT: u64 = 1 << 53;

/// A record's token that is not below this, in microseconds the year 2112, is none that Baton has given; in flock naming the record
/// may be another user's, and believed it could leave no larger one.
const BELIEVABLE: u64 = 1 << 52;

const PREFIX: &str = "baton guard, last token ";
const DIGITS: usize = 20;
/// The whole line with its end.
pub(super) const LENGTH: usize = PREFIX.len() + DIGITS + 1;

/// The last token that is known without the record: what the guard remembers, or where that knows none, the directory's floor. In
/// flock naming the guard is the user's, and says nothing.
pub(crate) fn last(
    guard: &Guard,
    directory: &Directory,
    names: &Names,
    naming: Naming,
) -> Result<u64, Error> {
    let known = match naming {
        Naming::Record => stored(guard, directory, names)?,
        Naming::Flock => 0,
    };
    Ok(if known == 0 { floor::read(directory) } else { known })
}

/// The last token that a guard of default naming remembers; zero if none.
pub(super) fn stored(guard: &Guard, directory: &Directory, names: &Names) -> Result<u64, Error> {
    let path = || directory.path_of(&names.guard);
    let bytes = sys::read_start_until(&guard.handle, LENGTH + 1, |line| line.len() == LENGTH)
        .map_err(|errno| Error::io("read the guard", &path(), errno))?;
    read(&bytes).ok_or_else(|| Error::NotALockFile {
        path: path(),
        reason: "the lock's guard would have this name, but its content is not Baton's".to_owned(),
        hint: "nothing was changed; choose another path for the lock",
    })
}

/// The token of a record, as far as it can be believed: it may be another user's.
pub(crate) fn of(record: &Record) -> u64 {
    record.token().filter(|&token| token < BELIEVABLE).unwrap_or(0)
}

/// The next token after the last one known.
pub(crate) fn next(last: u64) -> u64 {
    let now = u64::try_from(sys::real_time().as_micros()).unwrap_or(0).min(LIMIT - 1);
    now.max(last.saturating_add(1)).min(LIMIT - 1)
}

/// Stores the token in the guard; in flock naming the record keeps it.
pub(crate) fn store(
    token: u64,
    guard: &Guard,
    directory: &Directory,
    names: &Names,
    naming: Naming,
) -> Result<(), Error> {
    if naming == Naming::Flock {
        return Ok(());
    }
    sys::write_start(&guard.handle, write(token).as_bytes())
        .map_err(|errno| Error::io("write the guard", &directory.path_of(&names.guard), errno))
}

/// A guard's content.
pub(super) fn write(token: u64) -> String {
    format!("{PREFIX}{token:0DIGITS$}\n")
}

/// Reads a guard's content: zero for one that was just created, or that a power cut emptied or cut off.
pub(super) fn read(bytes: &[u8]) -> Option<u64> {
    if is_cut_off(record::trim_nuls(bytes)) {
        return Some(0);
    }
    let digits = bytes.strip_prefix(PREFIX.as_bytes())?.strip_suffix(b"\n")?;
    let token: u64 = std::str::from_utf8(digits).ok().filter(|text| text.len() == DIGITS)?.parse().ok()?;
    // One that leaves no larger one is none: refused, rather than followed by one that is no larger.
    (token < LIMIT - 1).then_some(token)
}

fn is_cut_off(bytes: &[u8]) -> bool {
    let (words, digits) = bytes.split_at(bytes.len().min(PREFIX.len()));
    PREFIX.as_bytes().starts_with(words) && digits.len() <= DIGITS && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_survives_writing_and_reading() {
        for token in [0, 1, 1_763_960_000_000_000, LIMIT - 2] {
            assert_eq!(read(write(token).as_bytes()), Some(token));
        }
    }

    #[test]
    fn empty_zeroed_or_cut_off_guard_knows_no_token() {
        let whole = write(7);
        for end in 0..LENGTH {
            assert_eq!(read(&whole.as_bytes()[..end]), Some(0), "{end} bytes");
            let mut zeroed = whole.clone().into_bytes();
            zeroed[end..].fill(0);
            assert_eq!(read(&zeroed), Some(0), "{end} bytes, then NULs");
        }
        assert_eq!(read(&[0; LENGTH]), Some(0));
    }

    #[test]
    fn content_that_is_not_a_guards_is_told() {
        for text in
            ["#!/bin/sh\n", "x", "baton guard\n", "baton guard, last token x", "baton guard, last token 7\n"]
        {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read(write(LIMIT - 1).as_bytes()), None, "a number that leaves no larger one");
        let longer = format!("{}more", write(7));
        assert_eq!(read(&longer.as_bytes()[..=LENGTH]), None);
    }

    #[test]
    fn next_token_is_above_the_last_and_not_behind_the_clock() {
        let now = u64::try_from(sys::real_time().as_micros()).expect("fits");
        assert!(next(0) >= now);
        assert_eq!(next(now + 1_000_000_000), now + 1_000_000_001, "a clock set back does not make it fall");
    }
}
