//! What holders tell their successors, beside the lock: whether tokens grow, and whether a death is told, checks itself.
//!
//! A small file that each holder reads and writes while it holds, and nobody else does: the lock itself keeps it whole, and
//! where the lock does not, the oracle says so first. It has the last holder's token and what the last holder came to.
//! A holder's successor knows from it what the lock has to say:
//!
//! | the ledger says | the lock has to be got |
//! |---|---|
//! | the last one was still at work | recovered |
//! | the last one was done | fresh; recovered too, if it was killed before its release was complete |
//!
//! A holder that is killed before it has written anything leaves what its predecessor has left, and a recovery that it did not
//! complete to its successor.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the outcome of an acquisition is believed to say, given what happens in a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Nothing: somebody removes records.
    Untold,
    /// After an unclean end the next one is told *recovered*.
    Deaths,
    /// And only then: nobody is killed.
    Exact,
}

impl Story {
    /// The story by its name, as an option has it.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn named(name: &str) -> io::Result<Self> {
        match name {
            "untold" => Ok(Self::Untold),
            "deaths" => Ok(Self::Deaths),
            "exact" => Ok(Self::Exact),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, format!("`{name}` is no story"))),
        }
    }
}

/// The open ledger, of who holds the lock.
#[derive(Debug)]
pub struct Ledger {
    file: File,
    token: u64,
}

const AT_WORK: u64 = 1;
const DONE: u64 = 2;

impl Ledger {
    /// Checks what the predecessor has left, and notes that this holder is at work.
    ///
    /// # Errors
    ///
    /// When token or outcome are not what they have to be after that, or the file can't be used.
    pub fn begin(path: &Path, story: Story, token: u64, is_recovered: bool) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut last = [[0; 8]; 2];
        let is_first = file.read_at(last.as_flattened_mut(), 0)? == 0;
        let [last_token, state] = last.map(u64::from_ne_bytes);
        let ledger = Self { file, token };
        if !is_first {
            check(story, last_token, state, token, is_recovered)?;
        }
        ledger.note(AT_WORK)?;
        Ok(ledger)
    }

    /// Notes that the work is done; to be called before the release.
    ///
    /// # Errors
    ///
    /// When the file can't be written.
    pub fn done(self) -> io::Result<()> {
        self.note(DONE)
    }

    fn note(&self, state: u64) -> io::Result<()> {
        let numbers = [self.token, state].map(u64::to_ne_bytes);
        // One write: whoever is killed has made it or not.
        self.file.write_all_at(numbers.as_flattened(), 0)
    }
}

fn check(story: Story, last: u64, state: u64, token: u64, is_recovered: bool) -> io::Result<()> {
    if token <= last {
        return Err(wrong(format!("the token fell from {last} to {token}")));
    }
    match (story, state, is_recovered) {
        (Story::Deaths | Story::Exact, AT_WORK, false) => {
            Err(wrong(format!("got it fresh, though the holder of {last} was still at work")))
        }
        (Story::Exact, DONE, true) => {
            Err(wrong(format!("got it recovered, though the holder of {last} was done")))
        }
        _ => Ok(()),
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::temporary;

    #[test]
    fn a_token_that_does_not_grow_is_wrong_whatever_is_told() {
        let place = temporary();
        let path = place.path().join("ledger");
        Ledger::begin(&path, Story::Untold, 5, false).expect("the first");
        for token in [4, 5] {
            assert!(Ledger::begin(&path, Story::Untold, token, true).is_err());
        }
        Ledger::begin(&path, Story::Untold, 6, true).expect("it grew");
    }

    #[test]
    fn an_unclean_end_has_to_be_told_and_a_clean_one_must_not_where_nobody_dies() {
        let place = temporary();
        let path = place.path().join("ledger");
        Ledger::begin(&path, Story::Exact, 1, false).expect("the first");
        assert!(Ledger::begin(&path, Story::Deaths, 2, false).is_err());
        assert!(Ledger::begin(&path, Story::Exact, 3, false).is_err());
        Ledger::begin(&path, Story::Untold, 4, false).expect("whatever").done().expect("noted");
        assert!(Ledger::begin(&path, Story::Exact, 5, true).is_err());
        Ledger::begin(&path, Story::Deaths, 6, true).expect("perhaps it was killed at the end");
    }
}
