//! The judge of exclusion: whoever comes in looks whether somebody else is inside, in memory that survives both.
//!
//! Each contender has a seat at the [`Board`]. It marks itself *inside* when it has the lock, then reads all marks, and counts an
//! overlap for each time that somebody else is inside; it marks itself *leaving* before it releases. So of two that are inside
//! together the later one sees the earlier: each writes before it reads.
//!
//! A false alarm would make the oracle useless, so each way out of the set is ordered before the next way in:
//!
//! - **Leaving.** The mark is taken back before the release, the release comes before the next acquisition, and that before its look.
//! - **Dying.** The dead can't take their mark back. At a SIGKILL the kernel gives up the lock some time before the process can be
//!   waited for, and after neither can anything be ordered. So whoever kills says so *first*: it marks the seat
//!   as *doomed*, and the doomed are inside no more. Killed before it has written *inside* or after, that is the same.
//!
//! An overlap can be missed where one is marked doomed and not dead yet, some microseconds; a stopped one counts as inside for as
//! long as it is stopped. A job whose wrapper is killed has its own seat and counts as inside until it says otherwise.
//!
//! Elsewhere: the contender's end is in [`crate::contender`], what holders tell their successors in [`crate::ledger`], processes,
//! kills and limits in [`crate::race`].

use crate::board::{Board, Fate, Own, Phase, SEATS, Shared};
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

/// As many complaints are described as anyone will read; all are counted.
const DESCRIBED: usize = 5;

/// The driver's view of the board.
#[derive(Debug)]
pub struct Oracle {
    board: Board,
    is_taken: [bool; SEATS],
    /// Of those who have left their seats.
    past: Counts,
    described: Vec<String>,
    began: Instant,
    seen: u64,
    last: Instant,
    longest_gap: Duration,
}

/// Names a seat from admission until it is vacated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat(usize);

/// What contenders have counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many times anyone came in.
    pub acquisitions: u64,
    /// How many times anyone came in while somebody else was inside.
    pub overlaps: u64,
    /// How many times anyone was told that its predecessor had died.
    pub recoveries: u64,
    /// How many times that was wrong, or anyone was not told so though it was.
    pub wrong: u64,
    /// How many times a token did not grow.
    pub fallen: u64,
}

impl Counts {
    fn of(board: &Board, Seat(seat): Seat) -> io::Result<Self> {
        Ok(Self {
            acquisitions: board.own(seat, Own::Acquisitions)?,
            overlaps: board.own(seat, Own::Overlaps)?,
            recoveries: board.own(seat, Own::Recoveries)?,
            wrong: board.own(seat, Own::Wrong)?,
            fallen: board.own(seat, Own::Fallen)?,
        })
    }

    fn add(&mut self, other: Self) {
        self.acquisitions += other.acquisitions;
        self.overlaps += other.overlaps;
        self.recoveries += other.recoveries;
        self.wrong += other.wrong;
        self.fallen += other.fallen;
    }
}

impl Oracle {
    /// Makes an oracle without contenders.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self {
            board: Board::new()?,
            is_taken: [false; SEATS],
            past: Counts::default(),
            described: Vec::new(),
            began: now,
            seen: 0,
            last: now,
            longest_gap: Duration::ZERO,
        })
    }

    /// Gives a contender that is about to be started a seat, if there is one.
    ///
    /// # Errors
    ///
    /// When the board can't be used.
    pub fn admit(&mut self, command: &mut Command) -> io::Result<Option<Seat>> {
        let Some(seat) = self.is_taken.iter().position(|is_taken| !is_taken) else { return Ok(None) };
        let incarnation = self.board.own(seat, Own::Incarnation)? + 1;
        self.board.set_own(seat, Own::Incarnation, incarnation)?;
        self.board.give_to(command, seat)?;
        self.is_taken[seat] = true;
        Ok(Some(Seat(seat)))
    }

    /// Says that the one at this seat is about to be killed. From here on it is not inside.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn doom(&mut self, Seat(seat): Seat) -> io::Result<()> {
        self.count_kill()?;
        self.board.set_fate(seat, Fate::Doomed)
    }

    /// Says that the process which holds the lock for the one at this seat is about to be killed, or, later, that it was.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn set_wrapper(&mut self, Seat(seat): Seat, fate: Fate) -> io::Result<()> {
        if fate == Fate::Doomed {
            self.count_kill()?;
        }
        self.board.set_wrapper(seat, fate)
    }

    fn count_kill(&mut self) -> io::Result<()> {
        let kills = self.board.shared(Shared::Kills)?;
        self.board.set_shared(Shared::Kills, kills + 1)
    }

    /// Says that what the one at this seat did ended cleanly, where it can't say so itself.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn released(&mut self, Seat(seat): Seat) -> io::Result<()> {
        self.board.set_own(seat, Own::Released, self.board.own(seat, Own::Token)?)
    }

    /// Takes back the seat of one that has ended, with all that could write to it.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn vacate(&mut self, Seat(seat): Seat) -> io::Result<()> {
        self.past.add(Counts::of(&self.board, Seat(seat))?);
        self.note_complaint(seat)?;
        // A death is counted before and after: whoever noted the count in between sees the second change, or the mark.
        self.count_kill()?;
        // Nobody is taken for alive who is not: what the last one wrote names an incarnation that is over.
        self.board.set_own(seat, Own::Incarnation, self.board.own(seat, Own::Incarnation)? + 1)?;
        // In this order: at no moment is it both inside and alive.
        self.board.set_phase(seat, Phase::Outside)?;
        for which in [Own::Acquisitions, Own::Overlaps, Own::Recoveries, Own::Wrong, Own::Fallen, Own::Token]
        {
            self.board.set_own(seat, which, 0)?;
        }
        self.board.complain(seat, "")?;
        self.board.set_fate(seat, Fate::Alive)?;
        self.board.set_wrapper(seat, Fate::Alive)?;
        self.is_taken[seat] = false;
        Ok(())
    }

    fn note_complaint(&mut self, seat: usize) -> io::Result<()> {
        let complaint = self.board.complaint(seat)?;
        if !complaint.is_empty() && self.described.len() < DESCRIBED {
            self.described.push(complaint);
        }
        Ok(())
    }

    /// Asks everybody to end, or takes that back.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn set_closing(&self, is_closing: bool) -> io::Result<()> {
        self.board.set_shared(Shared::Closing, u64::from(is_closing))
    }

    /// From now on whoever comes in stays until it is killed.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn let_holders_stay(&self) -> io::Result<()> {
        self.board.set_shared(Shared::Staying, 1)
    }

    /// Lists who is inside.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn inside(&self) -> io::Result<Vec<Seat>> {
        let marks = self.board.marks()?;
        let inside = marks.iter().enumerate().filter(|(_, marks)| marks.is_inside_alive());
        Ok(inside.map(|(seat, _)| Seat(seat)).collect())
    }

    /// Has the one at that seat ever come in?
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn has_come_in(&self, Seat(seat): Seat) -> io::Result<bool> {
        Ok(self.board.own(seat, Own::Acquisitions)? > 0)
    }

    /// Counts up to now. What somebody is just writing may be misread; the next look has it right.
    ///
    /// # Errors
    ///
    /// As [`Oracle::admit`].
    pub fn count(&mut self) -> io::Result<Counts> {
        let mut counts = self.past;
        for seat in (0..SEATS).filter(|&seat| self.is_taken[seat]) {
            counts.add(Counts::of(&self.board, Seat(seat))?);
        }
        if counts.acquisitions != self.seen {
            let now = Instant::now();
            self.longest_gap = self.longest_gap.max(now - self.last);
            (self.seen, self.last) = (counts.acquisitions, now);
        }
        Ok(counts)
    }

    /// The first complaints, in words.
    pub fn described(&self) -> Vec<String> {
        self.described.clone()
    }

    /// The longest time in which nobody was seen to come in, up to now.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap.max(self.last.elapsed())
    }

    /// The time since the oracle was made.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Line;

    fn admit(oracle: &mut Oracle) -> (Seat, Line) {
        let seat = oracle.admit(&mut Command::new("true")).expect("a board").expect("a seat");
        let Seat(index) = seat;
        (seat, Line::at(oracle.board.again(), index).expect("a board"))
    }

    fn two() -> (Oracle, [(Seat, Line); 2]) {
        let mut oracle = Oracle::new().expect("memory");
        let both = [admit(&mut oracle), admit(&mut oracle)];
        (oracle, both)
    }

    fn overlaps(oracle: &mut Oracle) -> u64 {
        oracle.count().expect("a board").overlaps
    }

    #[test]
    fn one_after_the_other_is_no_overlap() {
        let (mut oracle, [(_, a), (_, b)]) = two();
        a.enter().expect("in");
        a.leave().expect("out");
        b.enter().expect("in");
        assert_eq!((overlaps(&mut oracle), oracle.count().expect("a board").acquisitions), (0, 2));
    }

    #[test]
    fn two_inside_at_once_are_counted_and_described_even_when_the_seats_are_empty_again() {
        let (mut oracle, [(first, a), (second, b)]) = two();
        a.enter().expect("in");
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 1);
        for seat in [first, second] {
            oracle.vacate(seat).expect("a board");
        }
        assert_eq!((overlaps(&mut oracle), oracle.described().len()), (1, 1));
    }

    #[test]
    fn those_who_share_are_no_overlap_to_each_other_and_one_to_a_writer() {
        let (mut oracle, [(seat, a), (_, b)]) = two();
        a.enter_beside().expect("in");
        b.enter_beside().expect("in");
        assert_eq!((overlaps(&mut oracle), oracle.inside().expect("a board").len()), (0, 2));
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 1);
        a.leave().expect("out");
        a.enter_beside().expect("in");
        assert_eq!(overlaps(&mut oracle), 2);
        oracle.doom(seat).expect("a board");
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 2);
    }

    #[test]
    fn one_that_is_about_to_be_killed_inside_is_not_an_overlap_for_the_next() {
        let (mut oracle, [(seat, a), (_, b)]) = two();
        a.enter().expect("in");
        assert_eq!(oracle.inside().expect("a board"), [seat]);
        oracle.doom(seat).expect("a board");
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 0);
    }

    #[test]
    fn one_whose_wrapper_is_killed_is_still_inside() {
        let (mut oracle, [(seat, a), (_, b)]) = two();
        a.enter().expect("in");
        oracle.set_wrapper(seat, Fate::Doomed).expect("a board");
        oracle.set_wrapper(seat, Fate::Dead).expect("a board");
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 1);
    }

    #[test]
    fn a_seat_that_is_taken_anew_begins_outside_with_nothing_counted() {
        let (mut oracle, [(seat, a), (_, b)]) = two();
        a.enter().expect("in");
        oracle.doom(seat).expect("a board");
        oracle.vacate(seat).expect("a board");
        assert_eq!(admit(&mut oracle).0, seat);
        b.enter().expect("in");
        assert_eq!(overlaps(&mut oracle), 0);
        assert_eq!(oracle.count().expect("a board").acquisitions, 2);
    }
}
