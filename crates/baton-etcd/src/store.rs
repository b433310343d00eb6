//! The store as a whole: the connection to a cluster, and what is kept under one prefix.

use std::{sync::Arc, time::Duration};

use baton_lock::{Options, store::StoredLock};

use crate::{
    Address, Credentials, Error,
    cluster::Cluster,
    engine::Engine,
    keys::{self, Keys},
    lock::EtcdLock,
};

/// The time that a lease is granted for unless told otherwise.
pub const LEASE: Duration = Duration::from_secs(10);

/// The shortest lease: etcd counts in seconds, and grants no less than one and a half election timeouts, which are a second unless
/// configured otherwise.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(2);

/// Locks and sessions in an etcd cluster.
#[derive(Clone, Debug)]
pub struct EtcdStore {
    pub(crate) shared: Arc<Shared>,
}

/// What all locks of a store have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) address: Address,
    pub(crate) lease: Duration,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) engine: Engine,
}

impl EtcdStore {
    /// Connects to the store at `address`, as the one whom the credentials name. `lease` is how long a holder that is not heard of keeps
    /// its lock, in whole seconds, rounded up.
    ///
    /// # Errors
    ///
    /// If no member answers, or what answers is no etcd that this can work with.
    pub fn open(address: Address, credentials: &Credentials, lease: Duration) -> Result<Self, Error> {
        let engine = Engine::start()?;
        let cluster = engine.block_on(async { Cluster::new(&address, credentials) })?;
        let whole = Duration::from_secs(lease.as_secs() + u64::from(lease.subsec_nanos() > 0));
        let shared = Shared { address, lease: whole.max(SHORTEST_LEASE), cluster: Arc::new(cluster), engine };
        let status = shared.engine.block_on(shared.cluster.status())?;
        if !is_new_enough(&status.version) {
            let endpoints = shared.cluster.endpoints().to_owned();
            return Err(Error::Version { endpoints, found: format!("it says `{}`", status.version) });
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The lock of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Name`] if it can't have it; [`Error::Address`] if an option asks for what only files can do.
    pub fn lock(&self, name: &str, options: Options) -> Result<impl StoredLock + use<>, Error> {
        EtcdLock::new(Arc::clone(&self.shared), name, options)
    }

    /// The names of all locks that are held, waited for, or left over.
    ///
    /// # Errors
    ///
    /// If the cluster can't be asked.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let prefix = keys::locks(&self.shared.address.prefix);
        let range = crate::wire::Range { keys_only: true, ..keys::get_all(prefix.clone()) };
        let answer = self.shared.engine.block_on(self.shared.cluster.read("list the locks", range))?;
        let name = |key: &[u8]| {
            let rest = key.strip_prefix(prefix.as_slice())?;
            let name = std::str::from_utf8(rest).ok()?.split('/').next()?;
            Keys::new(&self.shared.address.prefix, name).ok().map(|keys| keys.name().to_owned())
        };
        let mut names: Vec<_> = answer.kvs.iter().filter_map(|found| name(&found.key)).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Is it 3.4 or later? Ranges in comparisons came with 3.3; earlier than 3.4 nothing of this is tested.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else { return false };
    (major, minor) >= (3, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcd_is_accepted_from_3_4_on() {
        for version in ["3.4.0", "3.5.12", "3.10.1", "4.0.0-rc.1"] {
            assert!(is_new_enough(version), "{version}");
        }
        for version in ["", "2.3.8", "3.3.25", "x.y", "3"] {
            assert!(!is_new_enough(version), "{version}");
        }
    }
}
