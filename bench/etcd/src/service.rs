//! etcd's own lock service, which holds the place in the queue and waits *in the server*: the least that a client can do on one connection.
//!
//! It grants a lease and does not renew it; nor does it leave a record, learn how the last holder ended, or look at a clock before it
//! believes that it holds. What it costs is the floor.

use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use baton_bench::Result;

/// `LeaseGrantRequest`, of which the identity is left to the server.
#[derive(Clone, PartialEq, Message)]
struct Grant {
    #[prost(int64, tag = "1")]
    ttl: i64,
}

/// `LeaseGrantResponse`, as far as it matters.
#[derive(Clone, PartialEq, Message)]
struct Granted {
    #[prost(int64, tag = "2")]
    id: i64,
}

/// `LeaseRevokeRequest`.
#[derive(Clone, PartialEq, Message)]
struct Revoke {
    #[prost(int64, tag = "1")]
    id: i64,
}

/// `v3lockpb.LockRequest`.
#[derive(Clone, PartialEq, Message)]
struct Lock {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(int64, tag = "2")]
    lease: i64,
}

/// `v3lockpb.LockResponse`, as far as it matters.
#[derive(Clone, PartialEq, Message)]
struct Locked {
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

/// `v3lockpb.UnlockRequest`.
#[derive(Clone, PartialEq, Message)]
struct Unlock {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// An answer of which nothing matters.
#[derive(Clone, PartialEq, Message)]
struct Done {}

/// One connection to it.
pub(crate) struct LockService {
    runtime: Runtime,
    channel: Channel,
    lease: i64,
}

/// What is held, to give back.
pub(crate) struct Held {
    key: Vec<u8>,
    lease: i64,
}

impl LockService {
    pub(crate) fn connect(endpoint: &str, lease: i64) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let channel = runtime.block_on(Endpoint::from_shared(format!("http://{endpoint}"))?.connect())?;
        Ok(Self { runtime, channel, lease })
    }

    pub(crate) fn acquire(&self, name: &str) -> Result<Held> {
        let granted: Granted = self.ask("/etcdserverpb.Lease/LeaseGrant", Grant { ttl: self.lease })?;
        let lock = Lock { name: name.as_bytes().to_vec(), lease: granted.id };
        let locked: Locked = self.ask("/v3lockpb.Lock/Lock", lock)?;
        Ok(Held { key: locked.key, lease: granted.id })
    }

    pub(crate) fn release(&self, held: Held) -> Result<()> {
        let _: Done = self.ask("/v3lockpb.Lock/Unlock", Unlock { key: held.key })?;
        let _: Done = self.ask("/etcdserverpb.Lease/LeaseRevoke", Revoke { id: held.lease })?;
        Ok(())
    }

    fn ask<Q, A>(&self, path: &'static str, question: Q) -> Result<A>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.runtime.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            client.ready().await?;
            let codec = ProstCodec::<Q, A>::default();
            let answer = client.unary(Request::new(question), PathAndQuery::from_static(path), codec).await?;
            Ok(answer.into_inner())
        })
    }
}
