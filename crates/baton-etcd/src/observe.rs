//! Asking without taking: who holds a lock, who waits, what was left.

use std::time::Duration;

use baton_lock::{Lease, Observation, Record, State};

use crate::{
    Error, breaking, claim::found, interrupt::Interrupt, keys, lock::EtcdLock, marker, wire::KeyValue,
};

/// Everything there is of a lock, at one revision.
struct Seen {
    revision: i64,
    /// In the order in which they entered.
    queue: Vec<KeyValue>,
    unclean: Option<KeyValue>,
    fence: Option<KeyValue>,
}

impl Seen {
    /// The first one in the queue, if it has taken the lock: the marker is its own then.
    fn holder(&self) -> Option<&KeyValue> {
        let first = self.queue.first()?;
        let token = marker::token(self.unclean.as_ref()?)?;
        (u64::try_from(first.create_revision) == Ok(token)).then_some(first)
    }

    fn state(&self) -> State {
        match (self.holder(), &self.fence, self.queue.first(), &self.unclean) {
            (Some(_), ..) | (None, Some(_), ..) => State::Held,
            (None, None, Some(_), _) => State::Acquiring,
            (None, None, None, Some(_)) => State::LeftOver,
            (None, None, None, None) => State::Free,
        }
    }
}

/// Says what state the lock is in.
pub(crate) fn observe(lock: &EtcdLock) -> Result<Observation, Error> {
    lock.shared.engine.block_on(observation(lock)).map(|(seen, _)| seen)
}

/// Waits until nobody holds the lock, or the interruption comes; says what it found then.
pub(crate) fn wait_until_free(lock: &EtcdLock, interrupt: &Interrupt) -> Result<Observation, Error> {
    let engine = &lock.shared.engine;
    loop {
        let (observation, seen) = engine.block_on(observation(lock))?;
        let awaited = seen.holder().or(seen.fence.as_ref()).or(seen.queue.first());
        let Some(awaited) = awaited else { return Ok(observation) };
        let gone = crate::claim::until_gone(&lock.shared.cluster, &awaited.key, seen.revision);
        if interrupt.has_come() || engine.block_on(interrupt.or(gone)).is_none() {
            return Ok(observation);
        }
    }
}

async fn observation(lock: &EtcdLock) -> Result<(Observation, Seen), Error> {
    let seen = look(lock).await?;
    if let Some(fence) = &seen.fence {
        // Whoever may only look can't; the next one can.
        let _ = breaking::arm(&lock.shared.cluster, &lock.keys, fence).await;
    }
    let record = seen.unclean.as_ref().and_then(record);
    let mut observation = Observation::in_store(lock.address.clone(), seen.state(), record);
    let holder = seen.holder();
    let waiting = seen.queue.iter().filter(|place| holder.is_none_or(|holder| holder.key != place.key));
    observation.queue = waiting.filter_map(self::record).collect();
    if let Some(holder) = holder {
        observation.lease = lease(lock, holder.lease).await?;
    }
    Ok((observation, seen))
}

async fn look(lock: &EtcdLock) -> Result<Seen, Error> {
    let ranges =
        [keys::get_all(lock.keys.queue()), keys::get(lock.keys.unclean()), keys::get(lock.keys.fence())];
    let answer = lock.shared.cluster.commit("look at the lock", keys::reading_all(ranges)).await?;
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    let mut found = found(answer).into_iter();
    let mut next = || found.next().unwrap_or_default();
    Ok(Seen { revision, queue: next(), unclean: next().pop().map(marker::complete), fence: next().pop() })
}

/// The key of the holder with this token, if it has it still.
pub(crate) async fn place_of(lock: &EtcdLock, token: u64) -> Result<Option<KeyValue>, Error> {
    let seen = look(lock).await?;
    let is_it = |place: &KeyValue| u64::try_from(place.create_revision) == Ok(token);
    Ok(seen.queue.into_iter().find(is_it))
}

async fn lease(lock: &EtcdLock, id: i64) -> Result<Option<Lease>, Error> {
    let answer = lock.shared.cluster.time_to_live(id).await?;
    let seconds = |count: i64| u64::try_from(count).ok().map(Duration::from_secs);
    Ok(seconds(answer.ttl).zip(seconds(answer.granted)).map(|(left, granted)| Lease { granted, left }))
}

fn record(found: &KeyValue) -> Option<Record> {
    Record::from_json(&found.value)
}
