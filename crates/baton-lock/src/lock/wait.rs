//! Round after round, until the lock is held, the limit is reached, or there is no use.
//!
//! Without a limit a waiter sleeps in the kernel's queue for the guard. Where the guard is free and the record alone is
//! held (an ancestor's client; a job whose wrapper was killed after somebody deleted the guard), and with a limit, it
//! looks again after a pause.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquire::{AtGuard, Busy, Round, round};
use super::handle::Setup;
use super::held::Held;
use super::naming::Naming;
use crate::diagnosis::{Observation, State};
use crate::error::Error;
use crate::sys;

/// The answer to an attempt.
#[derive(Debug)]
#[must_use = "a lock that is held is released as soon as this value is dropped"]
pub enum Attempt {
    /// The lock is held.
    Held(Held),
    /// It is not: by whom, or why. Its `processes` are not filled in; [`crate::Lock::observe`] finds them.
    Busy(Box<Observation>),
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Now,
    At(Instant),
    Never,
}

/// The pause before looking again where nothing wakes the waiter.
const PAUSE: Duration = Duration::from_millis(25);

/// How often a lock that somebody is just acquiring is looked at again before that is the answer, and with what pause: an
/// acquisition takes some 100 µs.
const SETTLING: u32 = 10;
const SETTLING_PAUSE: Duration = Duration::from_millis(1);

/// Each start over is caused by somebody who replaced a file meanwhile; nobody does that a thousand times but a program
/// that does nothing else.
const STARTS: u32 = 1000;

pub(crate) fn acquire(
    setup: &Arc<Setup>,
    limit: Limit,
    on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
) -> Result<Attempt, Error> {
    let mut on_busy = Some(on_busy);
    let (mut starts, mut settling) = (0, 0);
    let mut at_guard = AtGuard::Try;
    loop {
        let busy = match round(setup, at_guard)? {
            Round::Held(held) => return Ok(Attempt::Held(held)),
            Round::StartOver if starts < STARTS => {
                starts += 1;
                continue;
            }
            Round::StartOver => return Err(Error::Unstable { path: setup.path.clone() }),
            Round::Busy(busy) => busy,
        };
        starts = 0;
        // One that is interrupted while it judges was waited for within the round already.
        if busy.state == State::Acquiring && busy.at_guard && settling < SETTLING {
            settling += 1;
            sys::pause(SETTLING_PAUSE);
            continue;
        }
        let was_at_guard = busy.at_guard;
        if limit == Limit::Now || on_busy.is_some() {
            let observation = observation(setup, busy);
            let is_over = on_busy.take().is_some_and(|told| told(&observation).is_break());
            if limit == Limit::Now || is_over {
                return Ok(Attempt::Busy(Box::new(observation)));
            }
        } else if is_past(limit) {
            return Ok(Attempt::Busy(Box::new(observation(setup, busy))));
        }
        at_guard = pause(limit, was_at_guard);
    }
}

fn is_past(limit: Limit) -> bool {
    matches!(limit, Limit::At(deadline) if Instant::now() >= deadline)
}

/// Waits a little, or says that the next round may wait for the guard.
fn pause(limit: Limit, was_at_guard: bool) -> AtGuard {
    match limit {
        Limit::Never if was_at_guard => return AtGuard::Wait,
        Limit::At(deadline) => sys::pause(PAUSE.min(deadline.saturating_duration_since(Instant::now()))),
        Limit::Never | Limit::Now => sys::pause(PAUSE),
    }
    AtGuard::Try
}

fn observation(setup: &Setup, busy: Busy) -> Observation {
    let state = match busy.state {
        // Whoever has the user's own file locked and publishes nothing is taken for a client of flock.
        State::Acquiring if setup.naming == Naming::Flock => State::ForeignFlock,
        state => state,
    };
    Observation {
        path: setup.path.clone(),
        naming: setup.naming,
        state,
        record: busy.record.map(|record| *record),
        processes: Vec::new(),
    }
}
