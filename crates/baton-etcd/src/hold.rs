//! A lock of the store that is held.

use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use baton_lock::{
    Error as LockError, Integrity, Record,
    store::{End, Holding},
};

use tokio::time::timeout;

use crate::{
    Error, Loss,
    claim::{Claim, Left, Parting},
    store::Shared,
    wire::KeyValue,
};

/// How long the cluster is given for what would be done without it a little later: whoever ends a hold wants to go on.
const FAREWELL: Duration = Duration::from_secs(2);

/// The hold: the first place in the queue, and what there is to put back.
#[derive(Debug)]
pub(crate) struct Hold {
    shared: Arc<Shared>,
    path: PathBuf,
    pub(crate) claim: Claim,
    record: Record,
    /// The marker that it found.
    found: Option<KeyValue>,
}

impl Hold {
    pub(crate) fn new(
        shared: Arc<Shared>,
        path: PathBuf,
        claim: Claim,
        record: Record,
        found: Option<KeyValue>,
    ) -> Self {
        Self { shared, path, claim, record, found }
    }

    fn lost(&self, loss: Loss) -> Error {
        Error::Lost { name: self.claim.keys.name().to_owned(), loss }
    }

    /// What was lost is left unclean, whatever its user says: it was not safe to the end.
    async fn leave(&self, end: End) -> Result<(), Error> {
        if let Some(loss) = self.claim.tenure.lost() {
            // If this does not come through, key and fence go with their leases; the marker is there in any case.
            let farewell = async {
                match loss {
                    Loss::Gone => self.claim.lift_fence().await,
                    Loss::Expired { .. } => self.claim.leave(Left::Unclean).await.map(drop),
                }
            };
            let _ = timeout(FAREWELL, farewell).await;
            return Err(self.lost(loss));
        }
        let left = match end {
            End::Clean => Left::Clean,
            End::Unclean => Left::Unclean,
            End::Undone => Left::Undone(self.found.as_ref()),
        };
        match (self.claim.leave(left).await?, self.claim.tenure.lost()) {
            // While the lease is good nobody else can have come: what is gone this one has ended.
            (Parting::Ended, _) | (Parting::Vanished, None) => Ok(()),
            (Parting::Vanished, Some(loss)) => Err(self.lost(loss)),
            (Parting::Lost, _) => Err(self.lost(Loss::Gone)),
        }
    }
}

impl Holding for Hold {
    fn path(&self) -> &Path {
        &self.path
    }

    fn record(&self) -> &Record {
        &self.record
    }

    fn verify(&self) -> Result<Integrity, LockError> {
        Ok(match self.claim.tenure.lost() {
            None => Integrity::Intact,
            Some(loss) => Integrity::Lost(loss.to_string()),
        })
    }

    fn end(self: Box<Self>, end: End) -> Result<(), LockError> {
        let Self { shared, claim, .. } = &*self;
        let ended = shared.engine.block_on(self.leave(end));
        // The key is gone or goes with the lease, which runs out if this fails.
        let revoked = async { timeout(FAREWELL, claim.cluster.revoke(claim.kept.lease)).await };
        let _ = shared.engine.block_on(revoked);
        Ok(ended?)
    }

    fn lost(&self) -> Option<BorrowedFd<'_>> {
        Some(self.claim.tenure.as_fd())
    }

    fn time_left(&self) -> Option<Duration> {
        Some(self.claim.tenure.exclusive())
    }
}
