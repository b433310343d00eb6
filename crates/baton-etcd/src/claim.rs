//! A place in the queue of a lock: a key with a lease, kept alive.
//!
//! The keys of a queue are ordered by the revision at which they were created, which etcd gives out in one order for
//! the whole cluster. The first one holds, from its `take` on, until its key is gone; each other one watches only the
//! key before its own. A key that was created earlier can only go, not come: so whoever is first stays first (E1 in
//! `docs/etcd.md`).
//!
//! Every transaction here may be carried out twice, because its answer may get lost; each says why that does no harm.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_stream::StreamExt as _;

use crate::{
    Error, breaking,
    clock::Moment,
    cluster::{Asked, Cluster},
    engine::Engine,
    keeper::{Keeper, Kept},
    keys::{self, Keys},
    marker,
    member::{Member, Token},
    tenure::Tenure,
    wire::{EventKind, KeyValue, Transaction, TransactionAnswer, Watch, WatchAnswer, WatchCreate},
};

/// Before a look that follows a watch that broke: what broke it may go on.
const AFTER_BREAK: Duration = Duration::from_millis(100);

/// The place, and all that keeps it.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) keys: Keys,
    pub(crate) kept: Kept,
    pub(crate) tenure: Arc<Tenure>,
    keeper: Keeper,
    /// How often it was asked for.
    entered: Asked,
}

/// What came of ending a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It was this one's to end.
    Ended,
    /// Its key is gone, and so is its marker: this has ended it before, its answer having got lost; or the lease has run out and
    /// another one has come.
    Vanished,
    /// It was not this one's any more.
    Lost,
}

/// How entering went.
#[derive(Debug)]
pub(crate) enum Entered {
    /// Nobody was there: it holds. The marker of a holder that has not ended cleanly, if there was one.
    Holding(Claim, Option<KeyValue>),
    /// Somebody was.
    Waiting(Claim),
    /// Somebody was, and it was not to wait.
    Not,
}

/// How a place stands.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nobody is before it; this is the marker of a holder that has not ended cleanly, if there is one.
    First(Option<KeyValue>),
    /// It has to wait until this key is gone, which was there at this revision.
    After { key: Vec<u8>, revision: i64 },
    /// Its own key is not there any more.
    Gone,
}

/// How a hold ends, for the next one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left<'a> {
    /// It is told *fresh*.
    Clean,
    /// It is told *recovered*: the marker stays.
    Unclean,
    /// It is told what this one was told: the marker that this one found is put back.
    Undone(Option<&'a KeyValue>),
}

impl Claim {
    /// Gets a lease and a place in the queue. If nobody is there it holds with that; else it waits at the end, or, with
    /// `only_if_first`, is not entered.
    ///
    /// Carried out twice, it finds its own key and keeps it, since no other has this lease in its name. Whether it got the lock the
    /// first time the marker tells: then that was changed when the key was created.
    pub(crate) async fn enter(
        engine: &Engine,
        cluster: Arc<Cluster>,
        keys: Keys,
        lease: Duration,
        record: Vec<u8>,
        only_if_first: bool,
    ) -> Result<Entered, Error> {
        let sent = Moment::now();
        let granted = cluster.grant(i64::try_from(lease.as_secs()).unwrap_or(i64::MAX)).await?;
        let ttl = Duration::from_secs(u64::try_from(granted.ttl).unwrap_or(0));
        let key = keys.place(granted.id);
        let transaction = entering(&keys, granted.id, record, only_if_first);
        let (answer, entered) = cluster.commit_counting("queue for the lock", transaction).await;
        let entry = match answer {
            Ok(answer) => entry(&cluster, &keys, answer).await,
            Err(error) => Err(error),
        };
        let entry = match entry {
            Ok(Some(entry)) => entry,
            other => {
                // It may have been carried out; without its lease the key goes.
                let revoked = cluster.revoke(granted.id).await;
                return other.and(revoked).map(|()| Entered::Not);
            }
        };
        let (Entry::Holding { revision, .. } | Entry::Waiting { revision }) = entry;
        let kept = Kept { lease: granted.id, key, revision, ttl };
        let tenure = Arc::new(Tenure::new(sent, ttl)?);
        let keeper = Keeper::start(engine, Arc::clone(&cluster), kept.clone(), Arc::clone(&tenure));
        let claim = Self { cluster, keys, kept, tenure, keeper, entered };
        Ok(match entry {
            Entry::Holding { found, .. } => Entered::Holding(claim, found),
            Entry::Waiting { .. } => Entered::Waiting(claim),
        })
    }

    /// Whose turn is it? Only reads, all at one revision.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        let ranges = [
            keys::get(self.kept.key.clone()),
            keys::get_last_before(self.keys.queue(), self.kept.revision),
            keys::get(self.keys.fence()),
            keys::get(self.keys.unclean()),
        ];
        let answer = self.cluster.commit("look at the queue", keys::reading_all(ranges)).await?;
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        let mut found = found(answer).into_iter().map(|range| range.into_iter().next());
        let mut next = || found.next().flatten();
        let (own, before, fence, unclean) = (next(), next(), next(), next());
        if own.is_none_or(|own| own.create_revision != self.kept.revision) {
            return Ok(Turn::Gone);
        }
        if let Some(fence) = &fence {
            breaking::arm(&self.cluster, &self.keys, fence).await?;
        }
        Ok(match before.or(fence) {
            Some(first) => Turn::After { key: first.key, revision },
            None => Turn::First(unclean.map(marker::complete)),
        })
    }

    /// Waits until the key is gone, or may be, or this place is: the one who asked looks again.
    pub(crate) async fn until_gone(&self, key: &[u8], revision: i64) {
        tokio::select! {
            () = until_gone(&self.cluster, key, revision) => {}
            () = self.keeper.ended() => {}
        }
    }

    /// Becomes the holder: leaves the marker, in place of the one that was found. Answers whether that is so; if not, things have
    /// changed, and the one who asked looks again.
    ///
    /// Carried out twice, it finds its own marker, and knows it by the token.
    pub(crate) async fn take(&self, found: Option<&KeyValue>, record: Vec<u8>) -> Result<bool, Error> {
        let unclean = self.keys.unclean();
        let transaction = Transaction {
            compare: vec![
                keys::created_at(self.kept.key.clone(), self.kept.revision),
                keys::changed_at(unclean.clone(), found.map_or(0, |marker| marker.mod_revision)),
                keys::created_at(self.keys.fence(), 0),
            ],
            success: vec![keys::putting(unclean.clone(), record.clone(), 0)],
            failure: vec![keys::reading(keys::get(unclean))],
        };
        let answer = self.cluster.commit("take the lock", transaction).await?;
        Ok(answer.succeeded || first(answer).is_some_and(|marker| marker.value == record))
    }

    /// Ends the hold; the lease has to be revoked after it.
    ///
    /// The key goes with the marker, in one step. Only where entering was asked for more than once is it left to the lease: the
    /// first request may still be on its way, and would take the lock for one that has gone.
    ///
    /// 1. P1 asks to enter, hears nothing, asks another member, holds, and deletes marker and key.
    /// 2. The first request is carried out: nobody is there, so it puts the key, and the marker.
    /// 3. P1 revokes the lease, the key goes, and the next one is told *recovered* from P1.
    ///
    /// With the key still there step 2 changes nothing, and without the lease it fails.
    pub(crate) async fn leave(&self, left: Left<'_>) -> Result<Parting, Error> {
        let unclean = self.keys.unclean();
        let marker = match left {
            Left::Clean | Left::Undone(None) => Some(keys::deleting(unclean.clone())),
            Left::Undone(Some(found)) => Some(keys::putting(unclean.clone(), found.value.clone(), 0)),
            Left::Unclean => None,
        };
        let key = (self.entered == Asked::Once).then(|| keys::deleting(self.kept.key.clone()));
        let transaction = Transaction {
            compare: vec![keys::created_at(self.kept.key.clone(), self.kept.revision)],
            success: marker.into_iter().chain(key).collect(),
            failure: vec![keys::reading(keys::get(unclean))],
        };
        let answer = self.cluster.commit("release the lock", transaction).await?;
        if answer.succeeded {
            return Ok(Parting::Ended);
        }
        let own = u64::try_from(self.kept.revision).ok();
        let is_own = first(answer).map(marker::complete).as_ref().and_then(marker::token) == own;
        Ok(if is_own { Parting::Lost } else { Parting::Vanished })
    }

    /// Takes away the fence that somebody has put up because of this hold, now that nothing runs under it any more.
    pub(crate) async fn lift_fence(&self) -> Result<(), Error> {
        let value = breaking::value(self.kept.revision, self.kept.ttl.as_secs());
        let transaction = Transaction {
            compare: vec![keys::has_value(self.keys.fence(), value)],
            success: vec![keys::deleting(self.keys.fence())],
            failure: Vec::new(),
        };
        self.cluster.commit("lift the fence", transaction).await.map(drop)
    }

    /// Gives up the place, or what is left of it: the key goes with its lease.
    pub(crate) async fn withdraw(self) -> Result<(), Error> {
        self.cluster.revoke(self.kept.lease).await
    }
}

/// The transaction of `enter`.
fn entering(keys: &Keys, lease: i64, record: Vec<u8>, only_if_first: bool) -> Transaction {
    let (key, unclean) = (keys.place(lease), keys.unclean());
    let put = keys::putting(key.clone(), record.clone(), lease);
    let look = [keys::reading(keys::get(key)), keys::reading(keys::get(unclean.clone()))];
    Transaction {
        compare: vec![keys::none_of(keys.queue()), keys::created_at(keys.fence(), 0)],
        // In this order, so that the marker is read before it is written.
        success: vec![
            keys::reading(keys::get(unclean.clone())),
            put.clone(),
            keys::putting(unclean, record, 0),
        ],
        failure: if only_if_first { look.into() } else { [put].into_iter().chain(look).collect() },
    }
}

/// What the transaction of `enter` came to; the key was created at this revision.
enum Entry {
    Holding { revision: i64, found: Option<KeyValue> },
    Waiting { revision: i64 },
}

async fn entry(cluster: &Cluster, keys: &Keys, answer: TransactionAnswer) -> Result<Option<Entry>, Error> {
    let succeeded = answer.succeeded;
    let revision = answer.header.as_ref().map_or(0, |header| header.revision);
    let mut read = answer.responses.into_iter().filter_map(|response| response.range);
    let mut next = || read.next().and_then(|range| range.kvs.into_iter().next());
    if succeeded {
        let found = next().map(marker::complete);
        return Ok(Some(Entry::Holding { revision, found }));
    }
    let (Some(own), unclean) = (next(), next()) else { return Ok(None) };
    let revision = own.create_revision;
    if unclean.is_none_or(|unclean| unclean.mod_revision != revision) {
        return Ok(Some(Entry::Waiting { revision }));
    }
    let before = keys::get_at(keys.unclean(), revision - 1);
    let found = match cluster.read("look at the marker before", before).await {
        Ok(read) => read.kvs.into_iter().next().map(marker::complete),
        // The history is gone: there may have been one, so that there was one, of whom nothing is known.
        Err(Error::Server { .. }) => Some(KeyValue::default()),
        Err(error) => return Err(error),
    };
    Ok(Some(Entry::Holding { revision, found }))
}

/// What the ranges of a transaction found, in their order.
pub(crate) fn found(answer: TransactionAnswer) -> Vec<Vec<KeyValue>> {
    answer
        .responses
        .into_iter()
        .map(|response| response.range.map_or_else(Vec::new, |range| range.kvs))
        .collect()
}

/// The first key that the first range of a transaction found.
fn first(answer: TransactionAnswer) -> Option<KeyValue> {
    found(answer).into_iter().flatten().next()
}

/// Waits until the key is gone, or may be: the one who asked looks again.
///
/// The watch begins right after the revision of the look, so that nothing in between is missed.
pub(crate) async fn until_gone(cluster: &Cluster, key: &[u8], revision: i64) {
    let (index, member) = cluster.current();
    let watched = async {
        let token = cluster.login(member).await.ok()?;
        watch(member, &token, key, revision + 1).await.ok()
    };
    if watched.await.is_none() {
        // It broke: the member is gone, or has lost its leader, or the history before was compacted.
        cluster.leave(index);
        sleep(AFTER_BREAK).await;
    }
}

/// Comes back when the key is deleted, from that revision on.
async fn watch(member: &Member, token: &Token, key: &[u8], from: i64) -> Result<(), tonic::Status> {
    let create = WatchCreate { key: key.to_vec(), start_revision: from };
    // The stream of requests has to stay open: its end would be that of the watch.
    let questions = tokio_stream::once(Watch { create: Some(create) }).chain(tokio_stream::pending());
    let mut answers = member.converse("/etcdserverpb.Watch/Watch", questions, token).await?;
    loop {
        let answer: WatchAnswer =
            answers.next().await.unwrap_or_else(|| Err(tonic::Status::unavailable("the watch ended")))?;
        if answer.canceled {
            return Err(tonic::Status::unavailable(answer.cancel_reason));
        }
        if answer.events.iter().any(|event| event.kind == i32::from(EventKind::Delete)) {
            return Ok(());
        }
    }
}
