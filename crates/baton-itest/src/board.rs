//! The memory that all contenders of a race share with its driver: who is inside, what each has counted, what the last holder left.
//!
//! It survives whoever is killed, and knows nothing of locks or files that any lock uses: a `memfd`, which each contender has as its
//! standard input. That way it passes through whatever starts a contender (a wrapper, a namespace, an interpreter), and a program
//! in any language can use it. It is read and written at offsets and never mapped: a mapping would need `unsafe`, in Rust, and
//! can't be had in Node; to the kernel both are the same pages.
//!
//! No lock keeps it whole and none is needed: each byte has one writer. Marks are single bytes, because nothing longer is promised to
//! be read as it was written; numbers are written by their owner only, and read by others once that can't write any more, or
//! where a wrong reading is harmless, which is said there.
//!
//! | offset | what | who writes |
//! |---|---|---|
//! | 0 | [`Shared`] numbers, 8 bytes each | the driver; the last holder's by who holds the lock |
//! | 256 | four bytes per seat: phase, fate, fate of the wrapper | the contender; the driver |
//! | 4096 | 256 bytes per seat: [`Own`] numbers, then the first complaint in words | the contender; before it starts and after it has ended the driver |
//!
//! `foreign/` has the same in Python and JavaScript, as far as those need it.

use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

/// More than ever contend at a time, with those whose end is still waited for.
pub const SEATS: usize = 256;
/// Tells a contender its seat.
pub const SEAT: &str = "BATON_ITEST_SEAT";

const MARKS: u64 = 256;
const MARK: usize = 4;
const PAGES: u64 = 4096;
const PAGE: u64 = 256;
const COMPLAINT: u64 = 128;
const COMPLAINT_LENGTH: usize = 128;

/// What a contender is doing, as far as exclusion goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It neither has the lock nor waits for it.
    Outside = 0,
    /// It waits for it.
    Waiting = 1,
    /// It has it.
    Inside = 2,
    /// It is about to release it, or to be killed by its own hand.
    Leaving = 3,
    /// It has it along with others who share it.
    Sharing = 4,
}

/// What the driver has done to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fate {
    /// Nothing that it would not survive.
    Alive = 0,
    /// It will be killed in a moment, or has been.
    Doomed = 1,
    /// It has been killed and waited for.
    Dead = 2,
}

/// The marks of one seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Is it inside, alone?
    pub is_inside: bool,
    /// Is it inside, along with others?
    pub is_sharing: bool,
    /// Does it wait?
    pub is_waiting: bool,
    /// What became of the one who sits there.
    pub fate: Fate,
    /// What became of the process that holds the lock for it, where that is another.
    pub wrapper: Fate,
}

/// Numbers of the whole race.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub enum Shared {
    /// Whether nobody is to come in any more.
    Closing = 0,
    /// Whether whoever comes in has to stay until it is killed.
    Staying = 1,
    /// How many were killed so far: counted before each kill, and again when the seat of anyone is vacated.
    Kills = 2,
    /// The last holder's token.
    LastToken = 3,
    /// What the last holder came to; see [`crate::ledger`].
    LastState = 4,
    /// Where it sat.
    LastSeat = 5,
    /// Which of those who sat there.
    LastIncarnation = 6,
    /// [`Shared::Kills`] when it wrote that.
    LastKills = 7,
}

/// Numbers of one seat.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub enum Own {
    /// Grows when somebody sits down there, and again when that one is gone.
    Incarnation = 0,
    /// How many times it came in.
    Acquisitions = 1,
    /// How many times somebody else was inside then.
    Overlaps = 2,
    /// How many times it was told that its predecessor had died.
    Recoveries = 3,
    /// How many times what it was told was wrong.
    Wrong = 4,
    /// How many times a token did not grow.
    Fallen = 5,
    /// The token it has, or had.
    Token = 6,
    /// The last token whose release was complete; kept for who sits there next.
    Released = 7,
}

/// The shared memory.
#[derive(Debug)]
pub struct Board(File);

impl Board {
    /// Makes an empty one.
    ///
    /// # Errors
    ///
    /// When there is no memory.
    pub fn new() -> io::Result<Self> {
        let file = File::from(rustix::fs::memfd_create("race", MemfdFlags::CLOEXEC)?);
        file.set_len(PAGES + PAGE * SEATS as u64)?;
        Ok(Self(file))
    }

    /// The one that this process has as its standard input.
    ///
    /// # Errors
    ///
    /// When standard input is something else.
    pub fn inherited() -> io::Result<Self> {
        let file = File::from(rustix::stdio::stdin().try_clone_to_owned()?);
        if file.metadata()?.len() != PAGES + PAGE * SEATS as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "standard input is no board: races start this program",
            ));
        }
        Ok(Self(file))
    }

    /// The same memory once more.
    #[cfg(test)]
    pub(crate) fn again(&self) -> Self {
        Self(self.0.try_clone().expect("a descriptor to spare"))
    }

    /// Gives it to a process that is about to be started, and a seat at it.
    ///
    /// # Errors
    ///
    /// When there is no descriptor to spare.
    pub fn give_to(&self, command: &mut Command, seat: usize) -> io::Result<()> {
        command.stdin(Stdio::from(self.0.as_fd().try_clone_to_owned()?)).env(SEAT, seat.to_string());
        Ok(())
    }

    /// Reads the marks of all seats.
    ///
    /// # Errors
    ///
    /// As all of these: when the memory can't be used.
    pub fn marks(&self) -> io::Result<Vec<Marks>> {
        let mut bytes = [0; SEATS * MARK];
        self.0.read_exact_at(&mut bytes, MARKS)?;
        let (seats, _) = bytes.as_chunks::<MARK>();
        Ok(seats.iter().map(|bytes| Marks::of(*bytes)).collect())
    }

    /// Says what the one at that seat does.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn set_phase(&self, seat: usize, phase: Phase) -> io::Result<()> {
        self.set_mark(seat, 0, phase as u8)
    }

    /// Says what becomes of the one at that seat.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn set_fate(&self, seat: usize, fate: Fate) -> io::Result<()> {
        self.set_mark(seat, 1, fate as u8)
    }

    /// Says what becomes of its wrapper.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn set_wrapper(&self, seat: usize, fate: Fate) -> io::Result<()> {
        self.set_mark(seat, 2, fate as u8)
    }

    fn set_mark(&self, seat: usize, which: u64, value: u8) -> io::Result<()> {
        self.0.write_all_at(&[value], MARKS + (seat * MARK) as u64 + which)
    }

    /// Reads a number of the race.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn shared(&self, which: Shared) -> io::Result<u64> {
        self.number(8 * which as u64)
    }

    /// Writes one.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn set_shared(&self, which: Shared, value: u64) -> io::Result<()> {
        self.0.write_all_at(&value.to_ne_bytes(), 8 * which as u64)
    }

    /// Reads a number of a seat.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn own(&self, seat: usize, which: Own) -> io::Result<u64> {
        self.number(page(seat) + 8 * which as u64)
    }

    /// Writes one.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn set_own(&self, seat: usize, which: Own, value: u64) -> io::Result<()> {
        self.0.write_all_at(&value.to_ne_bytes(), page(seat) + 8 * which as u64)
    }

    /// What the one at that seat complained of first; empty for nothing.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn complaint(&self, seat: usize) -> io::Result<String> {
        let mut bytes = [0; COMPLAINT_LENGTH];
        self.0.read_exact_at(&mut bytes, page(seat) + COMPLAINT)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    /// Complains; only as much is kept as there is room for.
    ///
    /// # Errors
    ///
    /// As [`Board::marks`].
    pub fn complain(&self, seat: usize, text: &str) -> io::Result<()> {
        let mut bytes = [0; COMPLAINT_LENGTH];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        self.0.write_all_at(&bytes, page(seat) + COMPLAINT)
    }

    fn number(&self, offset: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, offset)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

fn page(seat: usize) -> u64 {
    PAGES + PAGE * seat as u64
}

impl Marks {
    fn of([phase, fate, wrapper, _]: [u8; MARK]) -> Self {
        Self {
            is_inside: phase == Phase::Inside as u8,
            is_sharing: phase == Phase::Sharing as u8,
            is_waiting: phase == Phase::Waiting as u8,
            fate: Fate::of(fate),
            wrapper: Fate::of(wrapper),
        }
    }

    /// Is it inside, alone or not, and nothing is known that will put it out?
    pub fn is_inside_alive(self) -> bool {
        (self.is_inside || self.is_sharing) && self.fate == Fate::Alive
    }
}

impl Fate {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Alive,
            1 => Self::Doomed,
            _ => Self::Dead,
        }
    }
}
