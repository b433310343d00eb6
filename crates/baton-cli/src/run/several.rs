//! Several locks at once: all of them, or none.
//!
//! They are taken in the order of their identities, which is the same for everybody, however they are spelled and in whatever order
//! they are named. So of those who hold some and wait for more, the one whose last lock is the largest waits for nobody who waits: it
//! comes to its end, and then the next one. While some are held and another is waited for, a signal that would end this process gives
//! them back first, as if they had never been taken: nothing was done under them.

use std::path::Path;

use baton_lock::store::StoredLock;
use baton_lock::{Cancel, Identity, Outcome, escape};
use nix::sys::signal::Signal;

use super::hold::Hold;
use super::signals::Caught;
use super::waiting::{self, Answer, Limit, Look};
use crate::exit;
use crate::failure::Failure;
use crate::notice::Notices;

/// How all of them are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Alone,
    Shared,
}

/// What came of asking for all of them.
#[derive(Debug)]
pub(super) enum Several {
    Held(Holds),
    /// One of them could not be had, and none is held.
    Not(Answer<Hold>),
    /// A signal came while some were held; none is any more.
    Interrupted(Signal),
}

/// The locks that are held, in the order in which they were named.
#[derive(Debug)]
pub(super) struct Holds {
    pub(super) locks: Vec<Box<dyn StoredLock>>,
    pub(super) held: Vec<Hold>,
}

impl Holds {
    /// The one that the job is told of first: one that was recovered, if one was, for then there is something to be put right.
    pub(super) fn first(&self) -> &Hold {
        let recovered = self.held.iter().find(|held| *held.outcome() != Outcome::Fresh);
        recovered.unwrap_or(&self.held[0])
    }

    /// Ends all of the holds in the same way.
    pub(super) fn each(self, end: impl FnMut(Hold)) {
        self.held.into_iter().for_each(end);
    }
}

/// Acquires all of them within the limit, which is one for all.
pub(super) fn acquire(
    locks: Vec<Box<dyn StoredLock>>,
    claim: Claim,
    limit: Limit,
    notices: Notices,
    look: Look,
) -> Result<Several, Failure> {
    let order = order(&locks)?;
    let mut held: Vec<(usize, Hold)> = Vec::new();
    let mut caught = None;
    for index in order {
        if !held.is_empty() && caught.is_none() {
            caught = Some(catch()?);
        }
        let cancel = caught.as_ref().map(|(_, cancel)| cancel);
        match acquire_one(&*locks[index], claim, (limit, look), notices, cancel) {
            Ok(Answer::Held(one)) => held.push((index, one)),
            other => {
                held.into_iter().rev().for_each(|(_, held)| held.undo());
                let ending = caught.and_then(|(caught, _)| caught.ending().ok().flatten());
                return Ok(match ending {
                    Some(signal) => Several::Interrupted(signal),
                    None => Several::Not(other?),
                });
            }
        }
    }
    held.sort_by_key(|(index, _)| *index);
    Ok(Several::Held(Holds { locks, held: held.into_iter().map(|(_, held)| held).collect() }))
}

fn acquire_one(
    lock: &dyn StoredLock,
    claim: Claim,
    (limit, look): (Limit, Look),
    notices: Notices,
    cancel: Option<&Cancel>,
) -> Result<Answer<Hold>, Failure> {
    match claim {
        Claim::Alone => {
            waiting::acquire_unless(lock, limit, notices, look, cancel).map(|answer| answer.map(Hold::Alone))
        }
        Claim::Shared => {
            waiting::share_unless(lock, limit, notices, look, cancel).map(|answer| answer.map(Hold::Shared))
        }
    }
}

/// Signals that would end this process, and what ends a wait when one comes.
fn catch() -> Result<(Caught, Cancel), Failure> {
    let trouble = |error| super::holding::trouble("catch signals", &error);
    let caught = Caught::ending_ones().map_err(trouble)?;
    let cancel = Cancel::when_readable(caught.descriptor().map_err(trouble)?);
    Ok((caught, cancel))
}

/// In which order they are taken.
fn order(locks: &[Box<dyn StoredLock>]) -> Result<Vec<usize>, Failure> {
    if locks.len() == 1 {
        return Ok(vec![0]);
    }
    let mut order: Vec<(Identity, usize)> = Vec::new();
    for (index, lock) in locks.iter().enumerate() {
        order.push((lock.identity()?, index));
    }
    order.sort();
    match order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(same(locks[pair[0].1].path(), locks[pair[1].1].path())),
        None => Ok(order.into_iter().map(|(_, index)| index).collect()),
    }
}

fn same(one: &Path, other: &Path) -> Failure {
    Failure {
        code: exit::USAGE,
        message: format!(
            "{} and {} are the same lock: whoever holds it would wait for himself",
            escape::path(one),
            escape::path(other)
        ),
        hint: Some("name each lock once".to_owned()),
    }
}
