//! Ending somebody else's hold, without two holders at any time.
//!
//! The holder is perhaps cut off and learns nothing until its lease is over by its own clock. So what takes its place
//! for as long is a *fence*: its key is deleted and the fence put in one transaction, and nobody takes the lock while
//! there is a fence. Then the fence is given a lease as long as the holder's, which nobody renews:
//!
//! ```text
//! holder H            breaker                                       next one N
//! renewal sent at s
//!                     at b > s: delete H's key, put the fence
//!                     at g > b: grant T to the fence
//! knows it is lost at s + 3/4 T, by its clock; or at its next
//! renewal, which finds the key gone                                 is first, finds the fence, watches it
//! its job has ended: lifts the fence ─────────────────────────────► takes the lock
//! or never                                                          fence gone at g + T > s + T: takes the lock
//! ```
//!
//! A renewal confirmed after `b` there is none, because it has to find the key. The lease is granted after `b`, not
//! before: the transaction may have lain about anywhere on its way, and with a lease from before that the fence could be
//! gone too early. A breaker that dies between the two leaves a fence without a lease: whoever meets one gives it one.

use baton_lock::{Broken, Process, Record, State};

use crate::{
    Error,
    claim::until_gone,
    cluster::Cluster,
    keys::{self, Keys},
    lock::EtcdLock,
    observe,
    wire::{KeyValue, Transaction},
};

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
    lock.shared.engine.block_on(replace_and_wait(lock, token))?;
    let now = observe::observe(lock)?;
    let next = (now.state == State::Held).then_some(now.record).flatten().map(Box::new);
    Ok(Broken::Ended { processes: Vec::new(), is_killed: false, next })
}

/// Puts the fence in the holder's place, and waits until it is gone.
async fn replace_and_wait(lock: &EtcdLock, token: u64) -> Result<(), Error> {
    let cluster = &lock.shared.cluster;
    replace(lock, token).await?;
    // Ends with the fence's lease.
    loop {
        let read = cluster.read("look at the fence", keys::get(lock.keys.fence())).await?;
        let revision = read.header.as_ref().map_or(0, |header| header.revision);
        let Some(fence) = read.kvs.into_iter().next().filter(|fence| token_of(fence) == Some(token)) else {
            return Ok(());
        };
        arm(cluster, &lock.keys, &fence).await?;
        until_gone(cluster, &fence.key, revision).await;
    }
}

/// Deletes the holder's key, if it is this one's, and puts the fence in its place.
///
/// Carried out twice, it finds the key gone and changes nothing.
async fn replace(lock: &EtcdLock, token: u64) -> Result<(), Error> {
    let Some(holder) = observe::place_of(lock, token).await? else { return Ok(()) };
    let granted = lock.shared.cluster.time_to_live(holder.lease).await?.granted;
    // Without one the lease is gone, and the key with it.
    let Ok(ttl @ 1..) = u64::try_from(granted) else { return Ok(()) };
    let transaction = Transaction {
        compare: vec![keys::created_at(holder.key.clone(), holder.create_revision)],
        success: vec![
            keys::deleting(holder.key),
            keys::putting(lock.keys.fence(), value(holder.create_revision, ttl), 0),
        ],
        failure: Vec::new(),
    };
    lock.shared.cluster.commit("break the lock", transaction).await.map(drop)
}

/// Sees to it that a fence that was met has a lease.
///
/// Done by two at once, the second one finds it changed.
pub(crate) async fn arm(cluster: &Cluster, keys: &Keys, fence: &KeyValue) -> Result<(), Error> {
    if fence.lease != 0 {
        return Ok(());
    }
    let lease = cluster.grant(ttl_of(fence).unwrap_or(1)).await?;
    let transaction = Transaction {
        compare: vec![keys::changed_at(keys.fence(), fence.mod_revision)],
        success: vec![keys::putting(keys.fence(), fence.value.clone(), lease.id)],
        failure: Vec::new(),
    };
    let answer = cluster.commit("give the fence its lease", transaction).await?;
    if answer.succeeded { Ok(()) } else { cluster.revoke(lease.id).await }
}

/// What a fence says: whose hold it is there for, and the time that its lease is to have.
pub(crate) fn value(token: i64, ttl: u64) -> Vec<u8> {
    format!("{token} {ttl}").into_bytes()
}

fn token_of(fence: &KeyValue) -> Option<u64> {
    std::str::from_utf8(&fence.value).ok()?.split(' ').next()?.parse().ok()
}

fn ttl_of(fence: &KeyValue) -> Option<i64> {
    std::str::from_utf8(&fence.value).ok()?.split(' ').nth(1)?.parse().ok()
}
