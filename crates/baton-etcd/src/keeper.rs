//! Renewing a lease, for as long as its owner lives and can be sure of it.
//!
//! A renewal counts only if the one who answered it is known to have been the leader then. etcd lets a leader that was
//! deposed and does not know it yet answer keep-alives for up to an election timeout, and the true leader does not
//! learn of those:
//!
//! ```text
//! old leader A, cut off from the others       new leader B
//!                                             elected; every lease runs T from now
//! answers a keep-alive: T from now
//!                                             T is over: the lease is revoked, the next one acquires
//! (the holder would still believe in A's T)
//! ```
//!
//! So each keep-alive is followed by a linearizable read of our own key *through the same member*, and counts only if
//! both answers bear the same term. A member tells the term of the last entry it applied. The read is answered only
//! after its leader had heard from a majority, and after the member had applied what that leader had committed, which
//! begins with an entry of its own term. The same term before and after: so the keep-alive went to the leader that a
//! majority still followed *afterwards*; no other can have been elected before. The read tells also whether our key is
//! still there: this is how a holder learns that it was broken.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep},
};
use tokio_stream::StreamExt as _;
use tonic::Status;

use crate::{
    clock::Moment,
    cluster::Cluster,
    engine::Engine,
    error::Loss,
    keys,
    member::{Member, Token},
    tenure::Tenure,
    wire::{Header, LeaseAnswer, LeaseId, RangeAnswer},
};

/// What is kept: a lease, and the key that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) lease: i64,
    pub(crate) key: Vec<u8>,
    /// The revision at which the key was created.
    pub(crate) revision: i64,
    pub(crate) ttl: Duration,
}

/// A task that renews; dropped, it stops.
#[derive(Debug)]
pub(crate) struct Keeper {
    task: AbortHandle,
    /// Closed when the task has ended, which is when the tenure is lost.
    ended: watch::Receiver<()>,
}

/// What one attempt to renew came to.
enum Renewal {
    Confirmed {
        sent: Moment,
        ttl: Duration,
    },
    /// A majority says that the key is not there any more, or is another one's.
    Gone,
}

impl Keeper {
    pub(crate) fn start(engine: &Engine, cluster: Arc<Cluster>, kept: Kept, tenure: Arc<Tenure>) -> Self {
        let (running, ended) = watch::channel(());
        let task = engine.handle().spawn(async move {
            keep(&cluster, &kept, &tenure).await;
            drop(running);
        });
        Self { task: task.abort_handle(), ended }
    }

    /// Comes back when the tenure is lost.
    pub(crate) async fn ended(&self) {
        // The sender sends nothing, it is only dropped.
        let _ = self.ended.clone().changed().await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends when the tenure is lost.
async fn keep(cluster: &Cluster, kept: &Kept, tenure: &Tenure) {
    // A quarter of the time: between one renewal and the end of its validity there is room for two more.
    let pause = kept.ttl / 4;
    while tenure.lost().is_none() {
        sleep(pause.min(tenure.valid().left())).await;
        // An eighth for one member: a member that hangs costs one renewal, not all of them. One round at a time, so that why it fails is
        // known before it is too late.
        let round = kept.ttl / 8 * cluster.members().len().try_into().unwrap_or(u32::MAX);
        let until = Instant::now() + round.min(tenure.valid().left());
        let renewed = cluster
            .attempt_until(until, kept.ttl / 8, |member, token| renew(member, token, kept.clone()))
            .await;
        match renewed {
            // A late answer is refused, and the loop ends.
            Ok(Renewal::Confirmed { sent, ttl }) => drop(tenure.extend(sent, ttl)),
            Ok(Renewal::Gone) => tenure.lose(Loss::Gone),
            Err(failure) => {
                tenure.failed(failure.to_string());
                // One that is not passing comes back at once.
                sleep(kept.ttl / 16).await;
            }
        }
    }
}

/// One keep-alive and the read that confirms it.
async fn renew(member: Member, token: Token, kept: Kept) -> Result<Renewal, Status> {
    let sent = Moment::now();
    let question = tokio_stream::once(LeaseId { id: kept.lease });
    let mut answers = member.converse("/etcdserverpb.Lease/LeaseKeepAlive", question, &token).await?;
    let answer: LeaseAnswer = answers
        .next()
        .await
        .unwrap_or_else(|| Err(Status::unavailable("the member ended the keep-alive without an answer")))?;
    let read: RangeAnswer = member.ask("/etcdserverpb.KV/Range", keys::get(kept.key.clone()), &token).await?;
    judge(&answer, &read, kept.revision).map(|renewed| match renewed {
        Some(ttl) => Renewal::Confirmed { sent, ttl },
        None => Renewal::Gone,
    })
}

/// What a keep-alive and the read after it say together: renewed for that long; or that the key is gone.
fn judge(answer: &LeaseAnswer, read: &RangeAnswer, revision: i64) -> Result<Option<Duration>, Status> {
    if read.kvs.first().is_none_or(|found| found.create_revision != revision) {
        return Ok(None);
    }
    let term = |header: &Option<Header>| header.as_ref().map(|header| header.term);
    if term(&answer.header).is_none() || term(&answer.header) != term(&read.header) {
        return Err(Status::unavailable("etcdserver: leader changed while the lease was renewed"));
    }
    match u64::try_from(answer.ttl) {
        Ok(seconds @ 1..) => Ok(Some(Duration::from_secs(seconds))),
        // The key is there, so its lease is: a leader that is coming up does not know it yet.
        _ => Err(Status::unavailable("etcdserver: leader changed; the new one does not know the lease yet")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::KeyValue;

    fn judged(terms: [u64; 2], ttl: i64, created: Option<i64>) -> Result<Option<u64>, String> {
        let header = |term| Some(Header { term, ..Header::default() });
        let answer = LeaseAnswer { header: header(terms[0]), ttl, ..LeaseAnswer::default() };
        let kvs = created.map(|create_revision| KeyValue { create_revision, ..KeyValue::default() });
        let read = RangeAnswer { header: header(terms[1]), kvs: kvs.into_iter().collect() };
        let judged = judge(&answer, &read, 7).map_err(|status| status.message().to_owned())?;
        Ok(judged.map(|ttl| ttl.as_secs()))
    }

    #[test]
    fn renewal_counts_if_the_read_after_it_finds_the_key_in_the_same_term() {
        assert_eq!(judged([3, 3], 10, Some(7)), Ok(Some(10)));
    }

    #[test]
    fn renewal_by_a_leader_that_another_one_followed_does_not_count() {
        assert!(judged([3, 4], 10, Some(7)).is_err_and(|said| said.contains("leader changed")));
    }

    #[test]
    fn lease_that_a_leader_does_not_know_is_not_lost_as_long_as_its_key_is_there() {
        assert!(judged([3, 3], 0, Some(7)).is_err());
        assert_eq!(judged([3, 3], 0, None), Ok(None));
    }

    #[test]
    fn key_that_is_gone_or_another_ones_is_lost_whatever_the_lease() {
        assert_eq!(judged([3, 3], 10, None), Ok(None));
        assert_eq!(judged([3, 4], 10, Some(8)), Ok(None));
    }
}
