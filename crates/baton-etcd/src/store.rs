//! The store as a whole: the connection to a cluster, and what is kept under one prefix.

use std::{sync::Arc, time::Duration};

use crate::{Address, Credentials, Error, cluster::Cluster, engine::Engine};

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
    /// The same as text.
    pub(crate) url: String,
    /// By which the cluster knows itself.
    pub(crate) cluster_id: u64,
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
        let status = engine.block_on(cluster.status())?;
        if !is_new_enough(&status.version) {
            let endpoints = cluster.endpoints().to_owned();
            return Err(Error::Version { endpoints, found: format!("it says `{}`", status.version) });
        }
        let whole = Duration::from_secs(lease.as_secs() + u64::from(lease.subsec_nanos() > 0));
        let shared = Shared {
            url: address.to_string(),
            cluster_id: status.header.map_or(0, |header| header.cluster),
            lease: whole.max(SHORTEST_LEASE),
            address,
            cluster: Arc::new(cluster),
            engine,
        };
        Ok(Self { shared: Arc::new(shared) })
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
