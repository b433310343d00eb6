//! Ending somebody else's hold, without two holders at any time.
//!
//! The holder is perhaps cut off and learns nothing until its lease is over by its own clock. So what takes its place
//! for as long is a *fence*: in one transaction its key is deleted and the fence is put, with a lease as long as its own
//! that nobody renews; and nobody takes the lock while there is a fence.
//!
//! ```text
//! holder H            breaker                                       next one N
//! renewal sent at s
//!                     at b > s: delete H's key, put the fence (T)
//! knows it is lost at s + 3/4 T, by its clock; or at its next
//! renewal, which finds the key gone                                 is first, finds the fence, watches it
//! its job has ended: lifts the fence ─────────────────────────────► takes the lock
//! or never                                                          fence gone at b + T > s + T: takes the lock
//! ```
//!
//! A renewal confirmed after `b` there is none, because it has to find the key.

use baton_lock::{Broken, Process, Record, State};

use crate::{Error, keys, lock::EtcdLock, observe, wire::Transaction};

pub(crate) fn break_holder(
    lock: &EtcdLock,
    token: u64,
    before: &mut dyn FnMut(&[Process]),
) -> Result<Broken, Error> {
    let seen = observe::observe(lock)?;
    match seen.state {
        State::Held => {}
        State::Free | State::LeftOver => return Ok(Broken::AlreadyEnded(seen)),
        _ => return Ok(Broken::Nameless(seen)),
    }
    if seen.record.as_ref().and_then(Record::token) != Some(token) {
        return Ok(Broken::OtherToken(seen));
    }
    before(&[]);
    let engine = &lock.shared.engine;
    engine.block_on(fence(lock, token))?;
    // Ends with the fence's lease.
    let fence = lock.keys.fence();
    loop {
        let range =
            engine.block_on(lock.shared.cluster.read("look at the fence", keys::get(fence.clone())))?;
        let is_there = range.kvs.first().is_some_and(|found| found.value == token.to_string().into_bytes());
        if !is_there {
            break;
        }
        let revision = range.header.as_ref().map_or(0, |header| header.revision);
        engine.block_on(crate::claim::until_gone(&lock.shared.cluster, &fence, revision));
    }
    let now = observe::observe(lock)?;
    let next = (now.state == State::Held).then_some(now.record).flatten().map(Box::new);
    Ok(Broken::Ended { processes: Vec::new(), is_killed: false, next })
}

/// Deletes the holder's key, if it is this one's, and puts the fence in its place.
///
/// Carried out twice, it finds the key gone and changes nothing.
async fn fence(lock: &EtcdLock, token: u64) -> Result<(), Error> {
    let Some(holder) = observe::place_of(lock, token).await? else { return Ok(()) };
    let granted = lock.shared.cluster.time_to_live(holder.lease).await?.granted;
    // Not heard of: the lease is just running out, and the key with it.
    let Ok(1..) = u64::try_from(granted) else { return Ok(()) };
    let lease = lock.shared.cluster.grant(granted).await?;
    let transaction = Transaction {
        compare: vec![keys::created_at(holder.key.clone(), holder.create_revision)],
        success: vec![
            keys::deleting(holder.key),
            keys::putting(lock.keys.fence(), token.to_string().into_bytes(), lease.id),
        ],
        failure: Vec::new(),
    };
    lock.shared.cluster.commit("break the lock", transaction).await.map(drop)
}
