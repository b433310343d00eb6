//! The bytes of a session, in the cluster.
//!
//! Every change is one transaction that compares two things: that the holder's own key in the lock's queue is still the
//! one it created, and that the session is the one it read or wrote last. So a holder that has lost its lock can't
//! write, whatever it believes and whatever its clock says (E8 in `docs/etcd.md`): its key is gone, or will be before
//! the next holder's `take`.
//!
//! Carried out twice, a write finds its own bytes, which name its token and a number of their own, and takes that for done.

use std::{fmt, path::PathBuf, sync::Arc, time::SystemTime};

use baton_lock::{
    Held, Integrity, clock,
    session::{Error as SessionError, Keeper, Replaced, Shelf},
};

use crate::{
    Error,
    claim::found,
    hold::Hold,
    keys::{self, Keys},
    store::Shared,
    wire::{Compare, KeyValue, Operation, Transaction, TransactionAnswer},
};

/// The most bytes of a session: etcd takes requests of up to 1.5 MiB unless configured otherwise, of which some is needed for
/// the keys and the comparisons.
const LIMIT: usize = (1536 - 16) * 1024;

/// Where one session is.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: Keys,
    /// As messages name it.
    pub(crate) path: PathBuf,
}

/// One session, open for changes.
#[derive(Debug)]
struct Open {
    place: Place,
    /// The revision of the last change that was read; 0 if there was no session.
    seen: i64,
    /// That of what the next write replaces.
    current: i64,
}

/// How a transaction under the lock ended.
enum Change {
    Done {
        revision: i64,
        read: Option<KeyValue>,
    },
    /// Another session is there than the one that was compared.
    Found(Option<KeyValue>),
}

impl Place {
    fn read(&self) -> Result<Option<KeyValue>, Error> {
        let cluster = &self.shared.cluster;
        let read =
            self.shared.engine.block_on(cluster.read("read the session", keys::get(self.keys.session())))?;
        Ok(read.kvs.into_iter().next())
    }

    /// Carries this out if the lock is still held, and the session is as `compare` has it.
    fn change(
        &self,
        held: &Held,
        compare: Option<Compare>,
        success: Vec<Operation>,
    ) -> Result<Change, SessionError> {
        if let Integrity::Lost(reason) = held.verify()? {
            return Err(self.lost(&reason));
        }
        let Some(hold) = held.kept_as::<Hold>() else {
            return Err(self.lost("the lock that is held is none of this store's"));
        };
        let kept = &hold.claim.kept;
        let transaction = Transaction {
            compare: [keys::created_at(kept.key.clone(), kept.revision)].into_iter().chain(compare).collect(),
            success,
            failure: vec![
                keys::reading(keys::get(kept.key.clone())),
                keys::reading(keys::get(self.keys.session())),
            ],
        };
        let cluster = &self.shared.cluster;
        let answer = self.shared.engine.block_on(cluster.commit("write the session", transaction));
        self.judge(answer.map_err(into_session)?, kept.revision)
    }

    fn judge(&self, answer: TransactionAnswer, token: i64) -> Result<Change, SessionError> {
        let revision = answer.header.as_ref().map_or(0, |header| header.revision);
        let succeeded = answer.succeeded;
        let mut found = found(answer).into_iter().map(|range| range.into_iter().next());
        if succeeded {
            return Ok(Change::Done { revision, read: found.next().flatten() });
        }
        let own = found.next().flatten();
        if own.is_none_or(|own| own.create_revision != token) {
            return Err(self.lost("etcd no longer has this holder's key"));
        }
        Ok(Change::Found(found.next().flatten()))
    }

    fn lost(&self, reason: &str) -> SessionError {
        SessionError::LockLost { path: self.path.clone(), reason: reason.to_owned() }
    }
}

impl Keeper for Place {
    fn read(&self) -> Result<Option<Vec<u8>>, SessionError> {
        Ok(Self::read(self).map_err(into_session)?.map(|found| found.value))
    }

    fn is_there(&self) -> Result<bool, SessionError> {
        Ok(Self::read(self).map_err(into_session)?.is_some())
    }

    fn open(&self, _held: &Held) -> Result<Box<dyn Shelf>, SessionError> {
        Ok(Box::new(Open { place: self.clone(), seen: 0, current: 0 }))
    }

    fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, SessionError> {
        let Some(found) = Self::read(self).map_err(into_session)? else { return Ok(None) };
        let time = clock::format(SystemTime::now()).replace(':', "");
        let compare = keys::changed_at(self.keys.session(), found.mod_revision);
        let success =
            vec![keys::putting(self.keys.kept(&time), found.value, 0), keys::deleting(self.keys.session())];
        match self.change(held, Some(compare), success)? {
            Change::Done { .. } => {
                let address = &self.shared.address;
                Ok(Some(PathBuf::from(format!("{address}/kept/{}.{time}", self.keys.name()))))
            }
            Change::Found(_) => Err(SessionError::ChangedMeanwhile { path: self.path.clone() }),
        }
    }

    fn remove(&self, held: &Held) -> Result<bool, SessionError> {
        let key = self.keys.session();
        let success = vec![keys::reading(keys::get(key.clone())), keys::deleting(key)];
        match self.change(held, None, success)? {
            Change::Done { read, .. } => Ok(read.is_some()),
            Change::Found(_) => Err(SessionError::ChangedMeanwhile { path: self.path.clone() }),
        }
    }
}

impl Shelf for Open {
    fn read(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        let read = self.place.read().map_err(into_session)?;
        self.seen = read.as_ref().map_or(0, |found| found.mod_revision);
        Ok(read.map(|found| found.value))
    }

    fn accept(&mut self) {
        self.current = self.seen;
    }

    fn replace(&mut self, held: &Held, parts: &[&[u8]]) -> Result<Replaced, SessionError> {
        let (key, bytes) = (self.place.keys.session(), parts.concat());
        let compare = keys::changed_at(key.clone(), self.current);
        let success = vec![keys::putting(key, bytes.clone(), 0)];
        self.current = match self.place.change(held, Some(compare), success)? {
            Change::Done { revision, .. } => revision,
            Change::Found(Some(found)) if found.value == bytes => found.mod_revision,
            Change::Found(_) => return Ok(Replaced::Changed),
        };
        Ok(Replaced::Done)
    }

    fn limit(&self) -> usize {
        LIMIT
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Place").field("path", &self.path).finish_non_exhaustive()
    }
}

fn into_session(error: Error) -> SessionError {
    SessionError::File(error.into())
}
