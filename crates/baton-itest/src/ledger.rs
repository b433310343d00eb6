//! What holders tell their successors, beside the lock: whether tokens grow (I4), and whether a death is told and nothing else (I3),
//! checks itself.
//!
//! A few numbers on the race's [`Board`] that each holder reads and writes while it holds, and nobody else does: the lock itself
//! keeps them whole, and where the lock does not, the oracle says so first. They say what the last holder came to:
//!
//! | the last one | the lock has to be got |
//! |---|---|
//! | was still at work | recovered |
//! | was done, and its release was complete | fresh |
//! | was done, and killed before that | either |
//! | was done, and is in the middle of its release, alive | fresh: the lock can be had only after that |
//!
//! One that is killed after it has published its record and before it came in leaves a death that the ledger knows nothing of. It is
//! known by the token in its record, which is larger than the last holder's, and is believed only if somebody was killed since that
//! holder wrote. A death that the ledger does know of can come with a larger token too: in flock naming, who takes back its own
//! record puts what the dead one has left in its place, with its own token.

use crate::board::{Board, Fate, Marks, Own, Shared};
use crate::contender::Line;
use std::io::{self, ErrorKind};

/// What the outcome of an acquisition is believed to say, given what happens in a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Nothing: somebody removes records.
    Untold,
    /// After an unclean end the next one is told *recovered*, and only then.
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
            "exact" => Ok(Self::Exact),
            _ => Err(io::Error::new(ErrorKind::InvalidInput, format!("`{name}` is no story"))),
        }
    }
}

/// How the lock was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// From nobody.
    Fresh,
    /// From one that died, with the token in its record.
    Recovered(Option<u64>),
}

/// The open ledger, of who holds the lock.
#[derive(Debug)]
pub struct Ledger<'a> {
    line: &'a Line,
    token: u64,
}

const AT_WORK: u64 = 1;
const DONE: u64 = 2;
/// By a job whose wrapper was being killed: whether that still releases nobody knows.
const EITHER: u64 = 3;

/// What the predecessor has left.
struct Last {
    token: u64,
    state: u64,
    /// Has its release surely been complete?
    is_released: bool,
    /// Can it have been killed since?
    may_be_dead: bool,
    /// Was anybody killed since?
    is_anyone_dead: bool,
}

impl<'a> Ledger<'a> {
    /// Checks what the predecessor has left, counts what is wrong, and notes that this holder is at work.
    ///
    /// # Errors
    ///
    /// When the board can't be used.
    pub fn begin(line: &'a Line, story: Story, token: u64, got: Got) -> io::Result<Self> {
        let ledger = Self { line, token };
        if got != Got::Fresh {
            line.count(Own::Recoveries)?;
        }
        if let Some(last) = Last::read(line.board())? {
            ledger.check(story, &last, got)?;
        }
        let (seat, _) = line.place();
        line.board().set_own(seat, Own::Token, token)?;
        ledger.note(AT_WORK)?;
        Ok(ledger)
    }

    /// Checks the same for one who shares the lock with others, and so notes nothing. Its token may be the last holder's own, if that one shares
    /// it by now.
    ///
    /// # Errors
    ///
    /// When the board can't be used.
    pub fn look(line: &'a Line, story: Story, token: u64, got: Got) -> io::Result<()> {
        if let Some(last) = Last::read(line.board())? {
            let is_shared_by_now = token == last.token;
            let token = if is_shared_by_now { token + 1 } else { token };
            Self { line, token }.check(story, &last, got)?;
        }
        Ok(())
    }

    /// Notes that the work is done; to be called before the release.
    ///
    /// # Errors
    ///
    /// When the board can't be used.
    pub fn done(self) -> io::Result<()> {
        match self.line.wrapper()? {
            Fate::Alive => self.note(DONE),
            Fate::Doomed => self.note(EITHER),
            // Nobody is left who could release it.
            Fate::Dead => Ok(()),
        }
    }

    fn note(&self, state: u64) -> io::Result<()> {
        let (board, (seat, incarnation)) = (self.line.board(), self.line.place());
        board.set_shared(Shared::LastSeat, seat as u64)?;
        board.set_shared(Shared::LastIncarnation, incarnation)?;
        board.set_shared(Shared::LastToken, self.token)?;
        board.set_shared(Shared::LastKills, board.shared(Shared::Kills)?)?;
        // Last: whoever is killed in between has not changed what was believed of its predecessor but for a token that it had.
        board.set_shared(Shared::LastState, state)
    }

    fn check(&self, story: Story, last: &Last, got: Got) -> io::Result<()> {
        let (token, line) = (self.token, self.line);
        if token <= last.token {
            line.complain(Own::Fallen, &format!("the token fell from {} to {token}", last.token))?;
        }
        let wrong = match (story, got) {
            (Story::Untold, _) => None,
            (Story::Exact, Got::Fresh) => {
                (last.state == AT_WORK).then(|| format!("got it fresh from {}, still at work", last.token))
            }
            (Story::Exact, Got::Recovered(from)) => last.contradicts_the_death_of(from),
        };
        wrong.map_or(Ok(()), |text| line.complain(Own::Wrong, &text))
    }
}

impl Last {
    /// Nothing for the first holder of all.
    fn read(board: &Board) -> io::Result<Option<Self>> {
        let state = board.shared(Shared::LastState)?;
        if state == 0 {
            return Ok(None);
        }
        let token = board.shared(Shared::LastToken)?;
        let seat = usize::try_from(board.shared(Shared::LastSeat)?).unwrap_or(usize::MAX);
        let incarnation = board.shared(Shared::LastIncarnation)?;
        let marks = board.marks()?;
        let is_killed = |marks: &Marks| marks.fate != Fate::Alive || marks.wrapper != Fate::Alive;
        // Before the count, which changes before a mark is taken back.
        let is_anyone_doomed = marks.iter().any(is_killed);
        let marks = marks.get(seat).ok_or_else(|| io::Error::other("the ledger names no seat"))?;
        Ok(Some(Self {
            token,
            state,
            // Misread while it is written it is no token at all, and the release is not over.
            is_released: board.own(seat, Own::Released)? == token,
            may_be_dead: board.own(seat, Own::Incarnation)? != incarnation || is_killed(marks),
            is_anyone_dead: is_anyone_doomed
                || board.shared(Shared::Kills)? != board.shared(Shared::LastKills)?,
        }))
    }

    fn contradicts_the_death_of(&self, from: Option<u64>) -> Option<String> {
        let last = self.token;
        match from {
            Some(from) if from == last => match self.state {
                DONE if self.is_released => {
                    Some(format!("recovered from {last}, whose release was complete"))
                }
                DONE if !self.may_be_dead => Some(format!("recovered from {last}, done and alive")),
                _ => None,
            },
            Some(from) if from > last && (self.is_anyone_dead || self.state != DONE) => None,
            Some(from) => Some(format!("recovered from {from}, though the last one was {last}")),
            None => Some(format!("recovered from nobody that is known, though the last one was {last}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A board at which three sit.
    fn three() -> (Board, [Line; 3]) {
        let board = Board::new().expect("memory");
        let lines = [0, 1, 2].map(|seat| Line::at(board.again(), seat).expect("a board"));
        (board, lines)
    }

    fn counted(board: &Board, seat: usize) -> (u64, u64) {
        [Own::Wrong, Own::Fallen].map(|which| board.own(seat, which).expect("a board")).into()
    }

    fn begin(line: &Line, token: u64, got: Got) -> Ledger<'_> {
        Ledger::begin(line, Story::Exact, token, got).expect("a board")
    }

    #[test]
    fn a_token_that_does_not_grow_is_counted() {
        let (board, [a, b, c]) = three();
        begin(&a, 5, Got::Fresh);
        begin(&b, 5, Got::Recovered(Some(5)));
        begin(&c, 6, Got::Recovered(Some(5)));
        assert_eq!((counted(&board, 1), counted(&board, 2)), ((0, 1), (0, 0)));
    }

    #[test]
    fn an_unclean_end_has_to_be_told() {
        let (board, [a, b, c]) = three();
        begin(&a, 1, Got::Fresh);
        begin(&b, 2, Got::Fresh);
        begin(&c, 3, Got::Recovered(Some(2)));
        assert_eq!((counted(&board, 1), counted(&board, 2)), ((1, 0), (0, 0)));
    }

    #[test]
    fn a_clean_end_must_not_be_told_as_a_death_unless_it_was_killed_before_that() {
        for (fate, is_released, wrong) in [
            (Fate::Alive, true, 1),
            (Fate::Alive, false, 1),
            (Fate::Doomed, true, 1),
            (Fate::Doomed, false, 0),
        ] {
            let (board, [a, b, _]) = three();
            begin(&a, 1, Got::Fresh).done().expect("a board");
            if is_released {
                a.left().expect("a board");
            }
            board.set_fate(0, fate).expect("a board");
            begin(&b, 2, Got::Recovered(Some(1)));
            assert_eq!(counted(&board, 1), (wrong, 0), "{fate:?}, released: {is_released}");
        }
    }

    #[test]
    fn a_death_that_nobody_noted_is_believed_only_if_somebody_was_killed() {
        let (board, [a, b, c]) = three();
        begin(&a, 1, Got::Fresh).done().expect("a board");
        a.left().expect("a board");
        begin(&b, 3, Got::Recovered(Some(2)));
        board.set_shared(Shared::Kills, 1).expect("a board");
        begin(&c, 5, Got::Recovered(Some(4)));
        assert_eq!((counted(&board, 1), counted(&board, 2)), ((1, 0), (0, 0)));
    }

    #[test]
    fn the_death_of_an_older_one_or_of_nobody_is_wrong() {
        for from in [Some(3), None] {
            let (board, [a, b, _]) = three();
            begin(&a, 4, Got::Fresh);
            begin(&b, 5, Got::Recovered(from));
            assert_eq!(counted(&board, 1), (1, 0), "{from:?}");
        }
    }

    #[test]
    fn a_job_that_is_done_when_its_wrapper_is_dead_leaves_a_death() {
        let (board, [a, b, _]) = three();
        let ledger = begin(&a, 1, Got::Fresh);
        board.set_wrapper(0, Fate::Dead).expect("a board");
        ledger.done().expect("a board");
        begin(&b, 2, Got::Fresh);
        assert_eq!(counted(&board, 1), (1, 0));
    }
}
