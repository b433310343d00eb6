//! A lock of the store before it is held: what can be asked of it.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use baton_lock::{
    Address, Attempt, Broken, Cancel, Ending, Error as LockError, Identity, Observation, Options, Process,
    Pruned, Pruning, Record, State,
    store::{OnBusy, StoredLock},
};

use crate::{
    Error, acquire::Acquisition, breaking, interrupt::Interrupt, keys::Keys, observe, store::Shared,
};

/// A lock of an etcd store; not held, only known.
#[derive(Debug)]
pub(crate) struct EtcdLock {
    pub(crate) shared: Arc<Shared>,
    pub(crate) keys: Keys,
    pub(crate) address: Address,
    pub(crate) options: Options,
    path: PathBuf,
}

impl EtcdLock {
    pub(crate) fn new(shared: Arc<Shared>, name: &str, options: Options) -> Result<Self, Error> {
        let keys = Keys::new(&shared.address.prefix, name)?;
        let address = Address { store: shared.address.to_string(), name: name.to_owned() };
        Ok(Self { shared, keys, path: address.path(), address, options })
    }

    pub(crate) fn interrupt(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Interrupt, Error> {
        self.shared.engine.block_on(async { Interrupt::new(deadline, cancel) })
    }
}

impl StoredLock for EtcdLock {
    fn path(&self) -> &Path {
        &self.path
    }

    fn try_lock(&self) -> Result<Attempt, LockError> {
        let mut give_up = |_: &Observation| ControlFlow::Break(());
        let acquisition = Acquisition::new(self, self.interrupt(None, None)?, &mut give_up);
        Ok(acquisition.attempt()?)
    }

    fn lock_with(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
        on_busy: OnBusy<'_>,
    ) -> Result<Attempt, LockError> {
        Ok(Acquisition::new(self, self.interrupt(deadline, cancel)?, on_busy).wait()?)
    }

    fn observe(&self) -> Result<Observation, LockError> {
        Ok(observe::observe(self)?)
    }

    fn wait_until_free(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Observation, LockError> {
        Ok(observe::wait_until_free(self, &self.interrupt(deadline, cancel)?)?)
    }

    fn break_holder(
        &self,
        token: u64,
        _ending: Ending,
        before: &mut dyn FnMut(&[Process]),
    ) -> Result<Broken, LockError> {
        Ok(breaking::break_holder(self, token, before)?)
    }

    fn identity(&self) -> Result<Identity, LockError> {
        Ok(Identity::in_store(self.address.path()))
    }

    fn held_by_own_ancestor(&self) -> Option<u32> {
        let seen = observe::observe(self).ok().filter(|seen| seen.state == State::Held)?;
        seen.record.filter(Record::names_own_ancestor).map(|record| record.pid)
    }

    fn prune(&self, _unused: Duration, _pruning: Pruning) -> Result<Pruned, LockError> {
        Err(LockError::Store {
            kind: baton_lock::ErrorKind::Usage,
            message: "there is nothing to prune in an etcd store".to_owned(),
            hint: Some(
                "what is left of a lock there goes with its lease, but for the record of an unclean end"
                    .to_owned(),
            ),
            source: None,
        })
    }
}
