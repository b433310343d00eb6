//! Round after round, until the lock is held, the limit is reached, or there is no use; asleep in between.
//!
//! Who has to wait takes a ticket ([`super::queue`]) and sleeps in the kernel's own queue for the guard ([`super::doze`]). That queue
//! wakes one waiter per release, and passes over who is dead or stopped by itself, since neither is in it. Its order is that of
//! arrival, but for three cases, which the tickets put right:
//!
//! 1. A newcomer asks just when the guard is free, or a waiter comes back to the queue just then, because the one before it was killed:
//!    it finds a ticket before its own, gives the guard back, and leaves the queue until that ticket is gone, so that its owner,
//!    who is in the queue, gets the guard.
//! 2. The one before it is stopped, and is not in the queue: after a second its ticket is still there and the guard still free. Then it
//!    is passed, for everybody ([`super::queue::Ahead::pass`]), and has its place again as soon as the kernel gives it the guard.
//! 3. Several of those behind it get the guard in turn, and step back too: each waits for the last one before it that steps back, a second
//!    longer than that one; so they pass in their order. What undoes that order begins the seconds anew ([`super::grace`]).

use std::ops::ControlFlow;
use std::os::fd::AsFd;
#[cfg(feature = "tokio")]
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquire::{self, Approach, At, Busy, Round, Turn};
use super::cancel::Cancel;
use super::directory::Directory;
use super::doze::Doze;
use super::grace::Grace;
use super::guard::Guard;
use super::handle::Setup;
use super::held::{Held, Hold};
use super::judge::Claim;
use super::naming::Naming;
use super::observe::{self, Depth};
use super::queue::{Ahead, Standing};
use super::ticket::Ticket;
use crate::diagnosis::{Observation, State};
use crate::error::Error;
use crate::record::Record;
use crate::sys::{self, Handle, Stat};

/// The answer to an attempt.
#[derive(Debug)]
#[must_use = "a lock that is held is released as soon as this value is dropped"]
pub enum Attempt<H = Held> {
    /// The lock is held.
    Held(H),
    /// It is not: by whom, or why. Its `processes` are not filled in; [`crate::Lock::observe`] finds them.
    Busy(Box<Observation>),
}

impl<H> Attempt<H> {
    pub(crate) fn map<T>(self, with: impl FnOnce(H) -> T) -> Attempt<T> {
        match self {
            Self::Held(held) => Attempt::Held(with(held)),
            Self::Busy(seen) => Attempt::Busy(seen),
        }
    }
}

/// What is called when a lock is found busy; whether it is given up then.
pub(crate) type OnBusy<'a> = &'a mut dyn FnMut(&Observation) -> ControlFlow<()>;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Now,
    At(Instant),
    Never,
}

/// How a waiter may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// The thread itself, in a call that only the kernel ends.
    InCall,
    /// So that descriptors tell of its end: with a deadline, or to be given up.
    ByDescriptors,
}

/// How often a lock that somebody is just acquiring is looked at again before that is the answer, and with what pause: an
/// acquisition takes some 100 µs.
const SETTLING: u32 = 10;
const SETTLING_PAUSE: Duration = Duration::from_millis(1);

/// Each start over is caused by somebody who replaced a file meanwhile; nobody does that a thousand times but a program
/// that does nothing else.
const STARTS: u32 = 1000;

/// How long one who does not wait gives those who come before and the lock is free for, twice what each of them has.
const PATIENCE: Duration = Duration::from_secs(2);

/// One who asks for a lock, between its attempts. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Contender {
    setup: Arc<Setup>,
    claim: Claim,
    sleep: Sleep,
    // What is slept on goes before the place in the queue: who comes next is not to find the guard locked for nobody.
    doze: Doze,
    armed: Option<Vec<Handle>>,
    /// What those before were given, the guard being locked when it was over.
    grace: Option<Grace>,
    obstacle: Option<Obstacle>,
    place: Standpoint,
}

/// Whether it waits, and where.
#[derive(Debug)]
enum Standpoint {
    /// It does not wait yet.
    None,
    Ticket(Ticket),
    /// It waits, and could get no ticket.
    Outside(Error),
}

/// What was in the way at the last attempt.
#[derive(Debug)]
enum Obstacle {
    Guard(Approach, State, Option<Box<Record>>),
    Record(Arc<Directory>, Stat, State, Option<Box<Record>>),
    /// A reader's share of the guard is of no use to it: another one is about to publish.
    Press(Approach),
    Ahead(Ahead),
    /// The same, and the lock is held, by readers perhaps.
    Behind(Ahead, Approach, State, Option<Box<Record>>),
}

impl Contender {
    pub(crate) fn new(setup: &Arc<Setup>, claim: Claim, sleep: Sleep) -> Self {
        let (doze, armed, obstacle, place) = (Doze::Not, None, None, Standpoint::None);
        Self { setup: Arc::clone(setup), claim, sleep, doze, armed, grace: None, obstacle, place }
    }

    /// Goes through the steps until the lock is held or something is in the way.
    pub(crate) fn attempt(&mut self) -> Result<Option<Hold>, Error> {
        let (mut known, over) = std::mem::replace(&mut self.doze, Doze::Not).end();
        let before = self.grace.take();
        let mut grace = over.or(before);
        for _ in 0..STARTS {
            self.forget_what_is_spent();
            let approach = match known.take() {
                Some(approach) => Some(approach),
                None => acquire::approach(&self.setup)?,
            };
            let Some(approach) = approach else { continue };
            let standing = match &self.place {
                Standpoint::None => Standing::Newcomer,
                Standpoint::Ticket(ticket) => Standing::Waiter(ticket),
                Standpoint::Outside(_) => Standing::Outside,
            };
            let turn = Turn { claim: self.claim, standing, grace: grace.as_ref() };
            self.obstacle = Some(match approach.enter(&self.setup, turn)? {
                Round::Held(mut held) => {
                    if let Standpoint::Ticket(mut ticket) =
                        std::mem::replace(&mut self.place, Standpoint::None)
                    {
                        ticket.leave();
                        if let Some(parts) = held.parts_mut() {
                            parts.place = Some(ticket);
                        }
                    }
                    return Ok(Some(held));
                }
                Round::StartOver => continue,
                Round::NotYet(ahead) => Obstacle::Ahead(ahead),
                Round::Behind(ahead, approach, state, record) => {
                    self.grace = grace.take().filter(|_| state == State::Acquiring);
                    Obstacle::Behind(ahead, approach, state, record)
                }
                Round::Busy(Busy { at: At::Press(approach), .. }) => {
                    self.grace = grace.take();
                    Obstacle::Press(approach)
                }
                Round::Busy(Busy { state, record, at: At::Guard(approach) }) => {
                    // Somebody is about to see that it is not his turn, or had it for one who is stopped: those before had their
                    // time all the same.
                    self.grace = grace.take().filter(|_| state == State::Acquiring);
                    Obstacle::Guard(approach, state, record)
                }
                Round::Busy(Busy { state, record, at: At::Record(directory, guard) }) => {
                    Obstacle::Record(directory, guard, state, record)
                }
            });
            self.forget_what_is_spent();
            return Ok(None);
        }
        Err(Error::Unstable { path: self.setup.path.clone() })
    }

    /// A ticket that was the record has been taken back with it: nobody's place any more.
    fn forget_what_is_spent(&mut self) {
        if matches!(&self.place, Standpoint::Ticket(ticket) if ticket.is_spent()) {
            self.place = Standpoint::None;
        }
    }

    /// Is somebody else just going through the steps?
    fn may_settle(&self) -> bool {
        matches!(
            self.obstacle,
            Some(
                Obstacle::Guard(_, State::Acquiring, _)
                    | Obstacle::Behind(_, _, State::Acquiring, _)
                    | Obstacle::Press(_)
            )
        ) && matches!(self.place, Standpoint::None)
    }

    /// Takes a place in the queue, if it has none and one is to be had.
    pub(crate) fn queue_up(&mut self) {
        let (Standpoint::None, Some(obstacle)) = (&self.place, &self.obstacle) else { return };
        let (directory, guard) = match obstacle {
            Obstacle::Guard(approach, ..) | Obstacle::Press(approach) | Obstacle::Behind(_, approach, ..) => {
                (&approach.directory, &approach.guard.stat)
            }
            Obstacle::Record(directory, guard, ..) => (directory, guard),
            Obstacle::Ahead(ahead) => ahead.place(),
        };
        let record = acquire::record_of(&self.setup, None);
        let record = if self.claim == Claim::Shared { record.shared() } else { record };
        let name = &self.setup.names.queue;
        let lets_others_come_first = matches!(obstacle, Obstacle::Ahead(_));
        self.place = match Ticket::take(directory, name, guard, &record, lets_others_come_first) {
            Ok(ticket) => Standpoint::Ticket(ticket),
            Err(error) => Standpoint::Outside(error),
        };
    }

    /// Makes ready to sleep until what is in the way may be gone.
    pub(crate) fn lie_down(&mut self) -> Result<(), Error> {
        let (setup, armed) = (&self.setup, &mut self.armed);
        self.doze = match (self.obstacle.take(), self.sleep) {
            (None, _) => Doze::Not,
            (Some(Obstacle::Guard(approach, ..)), Sleep::InCall) => Doze::Blocked(approach),
            (Some(Obstacle::Guard(approach, ..)), Sleep::ByDescriptors) => {
                Doze::posted(setup, approach, self.claim)?
            }
            (Some(Obstacle::Press(approach)), _) => Doze::pressed(setup, approach)?,
            (Some(Obstacle::Behind(ahead, approach, ..)), _) => Doze::behind(setup, ahead, approach)?,
            (Some(Obstacle::Ahead(ahead)), _) => Doze::ahead(setup, ahead)?,
            (Some(Obstacle::Record(directory, _, state, record)), _) => {
                Doze::at_record(setup, &directory, &state, record.as_deref(), armed)?
            }
        };
        Ok(())
    }

    /// What the end of the sleep is told by.
    #[cfg(feature = "tokio")]
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.doze.descriptors()
    }

    /// Sleeps: until it is worth another attempt, the time is over, or it is given up.
    fn sleep(&self, until: Option<Instant>, cancel: Option<&Cancel>) -> Result<(), Error> {
        match &self.doze {
            Doze::Blocked(approach) => {
                approach.guard.lock(&approach.directory, &self.setup.names, self.claim)
            }
            doze => sleep(&self.setup, doze, until, cancel),
        }
    }

    /// What is in the way, and, where it is known, who waits and where.
    fn observation(&self) -> Observation {
        let (state, record) = match &self.obstacle {
            Some(
                Obstacle::Guard(_, state, record)
                | Obstacle::Record(_, _, state, record)
                | Obstacle::Behind(_, _, state, record),
            ) => (state.clone(), record.clone()),
            Some(Obstacle::Ahead(ahead)) => (State::Acquiring, ahead.record()),
            Some(Obstacle::Press(_)) | None => (State::Acquiring, None),
        };
        // Whoever has the user's own file locked and publishes nothing is taken for a client of flock.
        let is_foreign = self.setup.naming == Naming::Flock && state == State::Acquiring && record.is_none();
        let state = if is_foreign { State::ForeignFlock } else { state };
        let mut observation = Observation::of(&self.setup, state, record.map(|record| *record));
        observation.readers = observe::readers_of(&self.setup, observation.record.as_ref());
        match &self.place {
            Standpoint::None => {}
            Standpoint::Ticket(ticket) => observation.place = Some(ticket.place()),
            Standpoint::Outside(error) => observation.queueless = Some(error.in_one_line()),
        }
        observation
    }
}

/// Sleeps until one of its descriptors is readable; a signal does not end it.
fn sleep(setup: &Setup, doze: &Doze, until: Option<Instant>, cancel: Option<&Cancel>) -> Result<(), Error> {
    let mut descriptors = doze.descriptors();
    if descriptors.is_empty() {
        return Ok(());
    }
    descriptors.extend(cancel.map(AsFd::as_fd));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let is_awake =
            sys::is_ready(&descriptors, left).map_err(|errno| Error::io("wait for", &setup.path, errno))?;
        if is_awake || is_past(until) {
            return Ok(());
        }
    }
}

fn is_past(until: Option<Instant>) -> bool {
    until.is_some_and(|until| Instant::now() >= until)
}

/// Acquires the lock within a limit. `on_busy` is called once, when it is found busy and a place in the queue was taken.
pub(crate) fn acquire(
    setup: &Arc<Setup>,
    claim: Claim,
    limit: Limit,
    cancel: Option<&Cancel>,
    mut on_busy: Option<OnBusy<'_>>,
) -> Result<Attempt<Hold>, Error> {
    if limit == Limit::Now
        && claim == Claim::Exclusive
        && let Some(record) = observe::held_by_its_record(setup)?
    {
        let mut observation = Observation::of(setup, State::Held, Some(record));
        observation.readers = observe::readers_of(setup, observation.record.as_ref());
        return Ok(Attempt::Busy(Box::new(observation)));
    }
    let is_endless = limit == Limit::Never && cancel.is_none();
    let sleep = if is_endless { Sleep::InCall } else { Sleep::ByDescriptors };
    let mut contender = Contender::new(setup, claim, sleep);
    let busy = |contender: &Contender| Ok(Attempt::Busy(Box::new(contender.observation())));
    let mut settling = 0;
    let mut until = match limit {
        Limit::At(deadline) => Some(deadline),
        Limit::Now | Limit::Never => None,
    };
    loop {
        if let Some(held) = contender.attempt()? {
            return Ok(Attempt::Held(held));
        }
        if contender.may_settle() && settling < SETTLING {
            settling += 1;
            sys::pause(SETTLING_PAUSE);
            continue;
        }
        match limit {
            Limit::Now => match &contender.obstacle {
                // It is free, and those who wait have a second to come for it.
                Some(Obstacle::Ahead(_)) => _ = until.get_or_insert_with(|| Instant::now() + PATIENCE),
                _ => return busy(&contender),
            },
            Limit::At(_) | Limit::Never => contender.queue_up(),
        }
        if let Some(told) = on_busy.take()
            && limit != Limit::Now
            && told(&contender.observation()).is_break()
        {
            return busy(&contender);
        }
        if is_past(until) || cancel.is_some_and(Cancel::is_cancelled) {
            return busy(&contender);
        }
        contender.lie_down()?;
        contender.sleep(until, cancel)?;
    }
}

/// Waits until the lock could be had, or can't be a lock at all, without taking it or a place in the queue.
pub(crate) fn until_free(
    setup: &Setup,
    until: Option<Instant>,
    cancel: Option<&Cancel>,
) -> Result<Observation, Error> {
    let is_worth_waiting = |seen: &Observation| {
        !seen.is_obtainable() && !matches!(seen.state, State::Unsafe { .. } | State::NotALockFile { .. })
    };
    let (mut armed, mut is_at_guard) = (None, true);
    loop {
        let mut seen = observe::observe(setup, Depth::Files)?;
        if !is_worth_waiting(&seen) || is_past(until) || cancel.is_some_and(Cancel::is_cancelled) {
            // The short look may miss a holder that only its open files betray.
            seen = observe::observe(setup, Depth::Processes)?;
            if !is_worth_waiting(&seen) || is_past(until) || cancel.is_some_and(Cancel::is_cancelled) {
                return Ok(seen);
            }
        }
        let Ok(directory) = setup.directory() else { continue };
        // Guard and record in turn, since either may keep it; what is free is no sleep.
        let guard = match Guard::open_to_look(&directory, &setup.names, setup.naming) {
            Ok(guard) if is_at_guard => guard,
            _ => None,
        };
        let doze = match (guard, &seen.state) {
            (Some(guard), State::Held | State::Acquiring | State::ForeignFlock) => {
                Doze::flocked(setup, guard.handle)?
            }
            (_, state) => Doze::at_record(setup, &directory, state, seen.record.as_ref(), &mut armed)?,
        };
        is_at_guard = !is_at_guard;
        sleep(setup, &doze, until, cancel)?;
    }
}
