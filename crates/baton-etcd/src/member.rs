//! One endpoint of the cluster: the calls of etcd's interface, each once, without a second try.
//!
//! Every request asks for a leader (`hasleader`), so that a member that is cut off from the majority answers at once
//! that it has none, and ends watches when it loses it, instead of keeping the caller waiting.

use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio_stream::Stream;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use crate::{Error, address::Address, credentials::Credentials};

/// A connection that is not made after this time is given up.
const CONNECT: Duration = Duration::from_secs(3);

/// A connection on which nothing comes for this long is probed, and given up if the probe is not answered within the
/// same time. etcd refuses to be probed more often than every five seconds.
const PROBE: Duration = Duration::from_secs(6);

/// More than etcd ever answers to what is asked here.
const MOST: usize = 64 * 1024 * 1024;

/// One endpoint and its connection, which is made when it is first used, and again when it breaks.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) endpoint: String,
    channel: Channel,
}

/// What is needed to speak as the user that we are; `None` without one.
pub(crate) type Token = Option<MetadataValue<Ascii>>;

impl Member {
    /// All endpoints of an address. Has to be called within the runtime.
    pub(crate) fn all(address: &Address, credentials: &Credentials) -> Result<Vec<Self>, Error> {
        address.endpoints.iter().map(|endpoint| Self::new(endpoint, address.tls, credentials)).collect()
    }

    fn new(endpoint: &str, tls: bool, credentials: &Credentials) -> Result<Self, Error> {
        let scheme = if tls { "https" } else { "http" };
        let refused = |error: tonic::transport::Error| Error::Address {
            address: endpoint.to_owned(),
            reason: deepest(&error),
        };
        let mut connection = Endpoint::from_shared(format!("{scheme}://{endpoint}"))
            .map_err(refused)?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PROBE)
            .keep_alive_timeout(PROBE);
        if tls {
            connection = connection
                .tls_config(credentials.tls())
                .map_err(|error| Error::credentials("a certificate or key", None, &deepest(&error)))?;
        }
        Ok(Self { endpoint: endpoint.to_owned(), channel: connection.connect_lazy() })
    }

    /// One request and its answer.
    pub(crate) async fn ask<Q, A>(&self, path: &'static str, question: Q, token: &Token) -> Result<A, Status>
    where
        Q: Message + Default + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut client = self.client().await?;
        let codec = ProstCodec::<Q, A>::default();
        let answer = client.unary(request(question, token), PathAndQuery::from_static(path), codec).await?;
        Ok(answer.into_inner())
    }

    /// A stream of requests, and that of their answers.
    pub(crate) async fn converse<Q, A>(
        &self,
        path: &'static str,
        questions: impl Stream<Item = Q> + Send + 'static,
        token: &Token,
    ) -> Result<Streaming<A>, Status>
    where
        Q: Message + Default + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let mut client = self.client().await?;
        let codec = ProstCodec::<Q, A>::default();
        let answers =
            client.streaming(request(questions, token), PathAndQuery::from_static(path), codec).await?;
        Ok(answers.into_inner())
    }

    async fn client(&self) -> Result<Grpc<Channel>, Status> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MOST);
        client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        Ok(client)
    }
}

fn request<Q>(question: Q, token: &Token) -> Request<Q> {
    let mut request = Request::new(question);
    request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
    if let Some(token) = token {
        request.metadata_mut().insert("token", token.clone());
    }
    request
}

/// What an error has at its bottom: the reason that a person can do something about.
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    // Ends because each error owns its source.
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
