//! The contender's end of the oracle, and the options that all contending programs share.
//!
//! The board is standard input and goes through whatever starts the contender; see [`crate::board`]. A contender never outlives
//! its harness: it dies with it, blocked in a lock or not. One that is a wrapper's job lives on if that is killed, which is what
//! it is for, but stays inside for a limited time whatever happens.

use crate::board::{Board, Fate, Marks, Own, Phase, SEAT, Shared};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

/// How long one stays inside that is to be killed there; far longer than anybody takes to do so.
const LIMIT: Duration = Duration::from_mins(1);
/// How often it looks meanwhile whether it was let go.
const MOMENT: Duration = Duration::from_millis(5);

/// The contender's seat.
#[derive(Debug)]
pub struct Line {
    board: Board,
    seat: usize,
    incarnation: u64,
}

impl Line {
    /// Takes standard input as the board, and asks to be killed when the thread that started this process ends.
    ///
    /// # Errors
    ///
    /// When the kernel refuses that request, or a race has not started this.
    pub fn open() -> io::Result<Self> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        Self::of_job()
    }

    /// As [`Line::open`], for one that may outlive who started it.
    ///
    /// # Errors
    ///
    /// When a race has not started this.
    pub fn of_job() -> io::Result<Self> {
        let seat = std::env::var(SEAT).ok().and_then(|seat| seat.parse().ok());
        Self::at(Board::inherited()?, seat.ok_or_else(|| wrong(format!("`{SEAT}` names no seat")))?)
    }

    pub(crate) fn at(board: Board, seat: usize) -> io::Result<Self> {
        let incarnation = board.own(seat, Own::Incarnation)?;
        Ok(Self { board, seat, incarnation })
    }

    /// Is the race still on? Whoever finds that it is not ends, and well.
    ///
    /// # Errors
    ///
    /// As all of these: when the board can't be used.
    pub fn is_on(&self) -> io::Result<bool> {
        Ok(self.board.shared(Shared::Closing)? == 0)
    }

    /// Says that the lock is waited for.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn wait(&self) -> io::Result<()> {
        self.board.set_phase(self.seat, Phase::Waiting)
    }

    /// Says that it was not got.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn give_up(&self) -> io::Result<()> {
        self.board.set_phase(self.seat, Phase::Outside)
    }

    /// Says that the lock is held, and looks whether that is so for somebody else too.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn enter(&self) -> io::Result<()> {
        self.enter_as(Phase::Inside)
    }

    /// Says that the lock is held along with others who share it, and looks whether anybody is inside who does not.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn enter_beside(&self) -> io::Result<()> {
        self.enter_as(Phase::Sharing)
    }

    /// Says that the lock, held by this one alone, is about to be shared.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn share(&self) -> io::Result<()> {
        self.board.set_phase(self.seat, Phase::Sharing)
    }

    fn enter_as(&self, phase: Phase) -> io::Result<()> {
        self.board.set_phase(self.seat, phase)?;
        // The marks are read after that one is written, whatever the processor would like.
        fence(Ordering::SeqCst);
        let marks = self.board.marks()?;
        self.count(Own::Acquisitions)?;
        // Those who share it are in nobody's way who does so too.
        let is_in_the_way =
            |marks: Marks| marks.is_inside_alive() && !(marks.is_sharing && phase == Phase::Sharing);
        let others: Vec<_> =
            (0..marks.len()).filter(|&seat| seat != self.seat && is_in_the_way(marks[seat])).collect();
        if !others.is_empty() {
            self.complain(Own::Overlaps, &format!("seat {} came in while {others:?} was inside", self.seat))?;
        }
        Ok(())
    }

    /// Stays inside for so long; where the race wants it, until it is killed or the race is over.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`]; or when nobody has killed it there.
    pub fn stay(&self, hold: Duration) -> io::Result<()> {
        let start = Instant::now();
        thread::sleep(hold);
        if self.board.shared(Shared::Staying)? == 0 {
            return Ok(());
        }
        while start.elapsed() < LIMIT {
            if !self.is_on()? {
                return Ok(());
            }
            thread::sleep(MOMENT);
        }
        Err(io::Error::new(ErrorKind::TimedOut, "was to be killed inside, and was not"))
    }

    /// Says that the lock is about to be released; to be called *before* it is.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn leave(&self) -> io::Result<()> {
        self.board.set_phase(self.seat, Phase::Leaving)
    }

    /// Says that the release is complete.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn left(&self) -> io::Result<()> {
        self.board.set_own(self.seat, Own::Released, self.board.own(self.seat, Own::Token)?)?;
        self.board.set_phase(self.seat, Phase::Outside)
    }

    /// What has become of the process that holds the lock for this one.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn wrapper(&self) -> io::Result<Fate> {
        Ok(self.board.marks()?[self.seat].wrapper)
    }

    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) fn place(&self) -> (usize, u64) {
        (self.seat, self.incarnation)
    }

    pub(crate) fn count(&self, which: Own) -> io::Result<()> {
        self.board.set_own(self.seat, which, self.board.own(self.seat, which)? + 1)
    }

    /// Counts what must not be, and says what it was.
    ///
    /// # Errors
    ///
    /// As [`Line::is_on`].
    pub fn complain(&self, which: Own, text: &str) -> io::Result<()> {
        self.count(which)?;
        self.board.complain(self.seat, text)
    }
}

/// The options of a contending program: pairs of `--name value`.
#[derive(Debug)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads the command line of this process.
    ///
    /// # Errors
    ///
    /// When it is not made of pairs.
    pub fn from_command_line() -> io::Result<Self> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(mut words: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut options = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| wrong(format!("unexpected `{word}`")))?;
            let value = words.next().ok_or_else(|| wrong(format!("`--{name}` needs a value")))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    /// Returns the value of an option that must be given.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn text(&self, name: &str) -> io::Result<&str> {
        self.0.get(name).map(String::as_str).ok_or_else(|| wrong(format!("`--{name}` is missing")))
    }

    /// Returns `--lock`.
    ///
    /// # Errors
    ///
    /// When it is not given.
    pub fn lock(&self) -> io::Result<PathBuf> {
        self.text("lock").map(PathBuf::from)
    }

    /// Returns `--hold-us`, in microseconds: how long the contender stays inside. Default 200.
    ///
    /// # Errors
    ///
    /// When it is not a number.
    pub fn hold(&self) -> io::Result<Duration> {
        self.number("hold-us", 200).map(Duration::from_micros)
    }

    /// Returns `--poll-ms`, in milliseconds: how long one that polls sleeps after it found the lock busy. Default 1.
    ///
    /// # Errors
    ///
    /// When it is not a number.
    pub fn poll(&self) -> io::Result<Duration> {
        self.number("poll-ms", 1).map(Duration::from_millis)
    }

    /// Returns an option that is a number.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn number(&self, name: &str, default: u64) -> io::Result<u64> {
        let Some(text) = self.0.get(name) else { return Ok(default) };
        text.parse().map_err(|_| wrong(format!("`--{name} {text}` is not a number")))
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> io::Result<Options> {
        Options::parse(words.iter().map(ToString::to_string))
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let options = parse(&["--lock", "/a", "--hold-us", "7"]).expect("pairs");
        assert_eq!(options.lock().expect("given"), PathBuf::from("/a"));
        assert_eq!(options.hold().expect("a number"), Duration::from_micros(7));
        assert_eq!(options.poll().expect("the default"), Duration::from_millis(1));
        assert!(options.text("algorithm").is_err());
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        assert!(parse(&["--lock"]).is_err());
        assert!(parse(&["lock", "/a"]).is_err());
    }
}
