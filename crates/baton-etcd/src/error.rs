//! What can go wrong between this process and the cluster, in terms of what to do about it.
//!
//! A caller has to tell apart: an address that is wrong (usage), a cluster that can't be reached or can't decide now,
//! one that refuses us, and a lock that was lost. That the lock is held by somebody else is no error.

use std::{fmt, io, path::Path};

use baton_lock::ErrorKind;

/// Why something could not be done in an etcd store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store's address can't be read.
    #[error("`{address}` is no address of an etcd store: {reason}")]
    Address {
        /// As given, without a password.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of a lock or session has a character that none may have.
    #[error("`{name}` can't name a lock in an etcd store")]
    Name {
        /// As given.
        name: String,
    },
    /// A file or variable with a certificate, key or password can't be used.
    #[error("can't use {what}: {reason}")]
    Credentials {
        /// The variable, and the file that it names.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No endpoint could be connected to.
    #[error("etcd can't be reached at {endpoints}: {reason}")]
    Unreachable {
        /// All that were tried.
        endpoints: String,
        /// What the last one of them said.
        reason: String,
    },
    /// One side does not accept the other's certificate.
    #[error("etcd at {endpoints} can't be spoken to by TLS: {reason}")]
    Certificate {
        /// All endpoints.
        endpoints: String,
        /// What is wrong.
        reason: String,
    },
    /// An endpoint accepts connections and does not answer.
    #[error("etcd at {endpoints} accepts connections but does not answer ({what})")]
    Silent {
        /// All that were tried.
        endpoints: String,
        /// What it was asked for.
        what: &'static str,
    },
    /// The member that answers has no leader: there is no majority of the cluster.
    #[error("etcd at {endpoints} has no quorum, so that nothing can be decided ({what})")]
    NoQuorum {
        /// All that were tried.
        endpoints: String,
        /// What it was asked for.
        what: &'static str,
    },
    /// The cluster wants other credentials, or none of these.
    #[error("etcd at {endpoints} refuses {what}: {reason}")]
    Refused {
        /// All endpoints.
        endpoints: String,
        /// What it was asked for.
        what: &'static str,
        /// What etcd says.
        reason: String,
    },
    /// What answers is no etcd, or one that lacks what is needed.
    #[error("what answers at {endpoints} is no etcd of version 3.4 or later: {found}")]
    Version {
        /// All endpoints.
        endpoints: String,
        /// What it says of itself.
        found: String,
    },
    /// More than a request to etcd may carry.
    #[error("{what} has {size} bytes; etcd takes at most {most} in one request")]
    TooLarge {
        /// What was to be stored.
        what: String,
        /// Its size.
        size: usize,
        /// The limit.
        most: usize,
    },
    /// etcd answered, but with an error that has no other name here.
    #[error("etcd at {endpoints} failed ({what}): {reason}")]
    Server {
        /// All endpoints.
        endpoints: String,
        /// What it was asked for.
        what: &'static str,
        /// What etcd says.
        reason: String,
    },
    /// The lock is no longer owned.
    #[error("the lock `{name}` is lost: {loss}")]
    Lost {
        /// The lock.
        name: String,
        /// How.
        loss: Loss,
    },
    /// What is stored under a key is nothing that Baton wrote.
    #[error("what etcd has under `{key}` is no {expected} of Baton's")]
    Foreign {
        /// The key.
        key: String,
        /// What should be there.
        expected: &'static str,
    },
    /// The session was changed by somebody else since it was read.
    #[error("the session `{name}` was changed by somebody else, with token {token}")]
    Overtaken {
        /// The session.
        name: String,
        /// The token of its last writer.
        token: u64,
    },
    /// The operating system refused something.
    #[error("can't {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// How a lock was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// No renewal was confirmed in time: by this host's clock somebody else may own it soon.
    Expired {
        /// What the last attempt to renew it said, if one failed.
        reason: Option<String>,
    },
    /// etcd no longer has this holder's key: broken by somebody, or its lease was revoked or expired there.
    Gone,
}

impl fmt::Display for Loss {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { reason: None } => out.write_str("its lease was not renewed in time"),
            Self::Expired { reason: Some(reason) } => {
                write!(out, "its lease could not be renewed in time ({reason})")
            }
            Self::Gone => {
                out.write_str("etcd no longer has this holder's key; somebody broke it, or its lease ran out")
            }
        }
    }
}

impl Error {
    pub(crate) fn io(what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io { what, source: source.into() }
    }

    pub(crate) fn credentials(variable: &str, path: Option<&Path>, reason: &dyn fmt::Display) -> Self {
        let what = match path {
            Some(path) => format!("`{}` (from {variable})", path.display()),
            None => variable.to_owned(),
        };
        Self::Credentials { what, reason: reason.to_string() }
    }

    /// Is it one that may be over soon, without anybody doing anything about the address or the rights?
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Silent { .. } | Self::NoQuorum { .. })
    }

    /// The family that this error belongs to, by which a command chooses its exit code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address { .. } | Self::Name { .. } => ErrorKind::Usage,
            Self::Foreign { .. } | Self::Overtaken { .. } => ErrorKind::Content,
            Self::Credentials { .. } => ErrorKind::Unsafe,
            Self::Lost { .. } => ErrorKind::Lost,
            _ => ErrorKind::Unsupported,
        }
    }

    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Address { .. } => "write etcd://HOST:PORT[,HOST:PORT…]/PREFIX, or etcds:// for TLS",
            Self::Unreachable { .. } => {
                "check the address and the network, and whether TLS (etcds://) or a client's certificate (BATON_ETCD_CERT) is wanted"
            }
            Self::Silent { .. } => {
                "check that it is etcd that listens there, and whether it wants TLS (etcds://)"
            }
            Self::NoQuorum { .. } => "start the members that are down: more than half of them have to run",
            Self::Refused { .. } => {
                "set BATON_ETCD_USER and BATON_ETCD_PASSWORD or BATON_ETCD_PASSWORD_FILE, and grant the user's role the store's prefix"
            }
            Self::TooLarge { .. } => {
                "keep fewer or smaller facts in the session; logs stay on the runner's disk"
            }
            Self::Lost { .. } => "whatever it protects may be in other hands: fence it by the token",
            _ => return None,
        })
    }
}

impl From<Error> for baton_lock::Error {
    fn from(error: Error) -> Self {
        Self::Store {
            kind: error.kind(),
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
            source: std::error::Error::source(&error).map(|source| source.to_string().into()),
        }
    }
}
