//! The seconds that those who come before are given to come for a lock that is free, and whether they had them.
//!
//! Whoever gave them has let go of the guard meanwhile, and can't know how it fared. What it saw, the guard locked, when the seconds began is
//! compared with what it sees, the guard locked again, when they are over; a difference means that they were not had, and they begin anew:
//!
//! 1. Somebody has held: the token has grown. W3 gives W2 a second, N holds for all of it, and releases just when it is over. That wakes W2;
//!    W3, awake already, has the guard first, and would pass W2, who had no chance.
//! 2. Somebody has come: there is a ticket that was not there. W1 is stopped, N has given it a second. Just then W2 takes a ticket.
//! 3. Somebody before has begun to give such seconds himself, and says so by its ticket's time ([`super::queue::Ticket::step_back`]). W1 is
//!    stopped; W2 gives it a second, N, who comes later, gives both of them two. W2 finds its one not had, begins another, and is as far as
//!    N: who might be the first to wake.
//!
//! Whoever finds the guard locked when the seconds are over waits for it; if that takes another second, it is no more a short look that others
//! take, and they begin anew as well.
//!
//! It ends: acquisitions and arrivals cause the first two, and those the third, from one waiter to those behind it.
//!
//! A client of `flock` that has held in between leaves no trace, nor does a lock without a record, nor one that was stopped having got the
//! guard, before it held: then those before may be passed though they had no chance.

use std::time::{Duration, Instant};

use crate::sys::{FileId, Stat};

/// How long one that has waited longer has to come for a lock that is free: whoever takes longer is stopped.
const TO_COME: Duration = Duration::from_secs(1);

/// A ticket as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    number: u64,
    id: FileId,
    /// Numbers and files are given again when a ticket has gone. The kernel's clock is some 4 ms exact: a change that is missed came within that
    /// time after it was seen, when the seconds had hardly begun.
    modified: Duration,
}

/// What somebody saw who had the guard.
#[derive(Debug)]
pub(crate) struct Sight {
    /// The last token.
    token: u64,
    /// Who came before.
    before: Vec<Sighting>,
}

/// The seconds that were given, and what was seen when they began.
#[derive(Debug)]
pub(crate) struct Grace {
    time: Duration,
    begun: Instant,
    since: Sight,
}

impl Sighting {
    pub(crate) fn of(number: u64, stat: &Stat) -> Self {
        Self { number, id: stat.id, modified: stat.modified }
    }
}

impl Sight {
    pub(crate) fn new(token: u64, before: Vec<Sighting>) -> Self {
        Self { token, before }
    }

    /// Some who are before have to wait for others themselves, one after the other; each of those takes a second longer.
    pub(crate) fn grace(self, stepping_back: u32) -> Grace {
        let time = TO_COME * stepping_back.saturating_add(1);
        Grace { time, begun: Instant::now(), since: self }
    }
}

impl Grace {
    /// How much of it is left.
    pub(crate) fn left(&self) -> Duration {
        self.time.saturating_sub(self.begun.elapsed())
    }

    /// Did those have it who come before now, the guard being locked for us?
    pub(crate) fn was_had(&self, now: &Sight) -> bool {
        self.is_over(self.begun.elapsed())
            && self.since.token == now.token
            && now.before.iter().all(|ticket| self.since.before.contains(ticket))
    }

    /// It is not by then, nor is it any more a second later: whoever got the guard only then found it locked, or was stopped himself.
    fn is_over(&self, elapsed: Duration) -> bool {
        (self.time..self.time + TO_COME).contains(&elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u64, inode: u64, modified: u64) -> Sighting {
        Sighting { number, id: FileId { device: 1, inode }, modified: Duration::from_nanos(modified) }
    }

    #[test]
    fn grace_was_had_by_those_alone_who_were_there_and_only_if_nobody_held() {
        let [first, second] = [ticket(1, 5, 100), ticket(2, 6, 100)];
        let grace = Sight::new(7, vec![first, second]).grace(1);
        assert!(grace.left() > TO_COME, "one of them waits for others himself");
        let is_over = [1, 2, 3, 3600].map(|seconds| grace.is_over(TO_COME * seconds));
        assert_eq!(is_over, [false, true, false, false]);
        let grace = Grace { time: Duration::ZERO, ..grace };
        let was_had = |token, before: &[Sighting]| grace.was_had(&Sight::new(token, before.to_vec()));
        assert!(was_had(7, &[first, second]) && was_had(7, &[second]), "one may have gone");
        assert!(!was_had(8, &[first, second]), "somebody held");
        for (what, other) in [
            ("another number", ticket(3, 5, 100)),
            ("another file", ticket(1, 7, 100)),
            ("touched", ticket(1, 5, 101)),
        ] {
            assert!(!was_had(7, &[other, second]), "{what}");
        }
    }
}
