//! What an error of etcd's means for the one who asked: try elsewhere, log in again, or give up.

use std::fmt;

use tonic::{Code, Status};

use crate::member::deepest;

/// Why one request to one member came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing came in time.
    Silence,
    /// The connection could not be made, or broke.
    Connection(String),
    /// One side does not accept the other's certificate.
    Certificate(String),
    /// The member can't reach a majority now. The request may have been carried out all the same.
    NoQuorum,
    /// The member is busy or changing its leader. The request may have been carried out all the same.
    Passing(String),
    /// The login has run out, or the rights were changed since.
    LoginAgain,
    /// etcd knows us, or does not, and refuses.
    Refused(String),
    /// It does not know what was asked for.
    NotEtcd(String),
    /// Anything else; asking again would not change it.
    Final(String),
}

impl Failure {
    pub(crate) fn of(status: &Status) -> Self {
        let said = status.message();
        let is = |text: &str| said.contains(text);
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded if is("no leader") => Self::NoQuorum,
            _ if is("etcdserver: request timed out") => Self::NoQuorum,
            Code::Unauthenticated | Code::InvalidArgument | Code::FailedPrecondition
                if is("invalid auth token") || is("revision of auth store is old") =>
            {
                Self::LoginAgain
            }
            Code::Unauthenticated | Code::PermissionDenied => Self::Refused(said.to_owned()),
            Code::InvalidArgument if is("user name is empty") || is("authentication failed") => {
                Self::Refused(said.to_owned())
            }
            Code::FailedPrecondition if is("authentication is not enabled") => Self::Refused(said.to_owned()),
            Code::Unimplemented => Self::NotEtcd(said.to_owned()),
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Aborted
                if is("etcdserver: ") =>
            {
                if is("space exceeded") || is("request is too large") {
                    return Self::Final(said.to_owned());
                }
                Self::Passing(said.to_owned())
            }
            _ if std::error::Error::source(status).is_some() => Self::connection(status),
            Code::Unavailable | Code::Cancelled => Self::Connection(said.to_owned()),
            Code::Internal | Code::Unknown if !is("etcdserver: ") && !is("rpc error") => {
                Self::NotEtcd(said.to_owned())
            }
            _ => Self::Final(said.to_owned()),
        }
    }

    /// One that the transport brought about, not etcd.
    fn connection(status: &Status) -> Self {
        let reason = deepest(status);
        // What a server of another protocol looks like to HTTP/2.
        if reason.contains("frame with invalid size") || reason.contains("PROTOCOL_ERROR") {
            return Self::NotEtcd(reason);
        }
        if reason.contains("certificate") || reason.contains("received fatal alert") {
            return Self::Certificate(reason);
        }
        Self::Connection(reason)
    }

    /// Of two failures of the same request at different members, the one that says more about the cluster.
    pub(crate) fn or_more_telling(self, other: Self) -> Self {
        let rank = |failure: &Self| match failure {
            Self::Connection(_) => 0,
            Self::Silence => 1,
            Self::LoginAgain | Self::Passing(_) => 2,
            Self::NoQuorum => 3,
            Self::Certificate(_) | Self::Refused(_) | Self::NotEtcd(_) | Self::Final(_) => 4,
        };
        if rank(&other) >= rank(&self) { other } else { self }
    }

    /// Is it worth asking another member, or the same one a little later?
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Silence | Self::Connection(_) | Self::NoQuorum | Self::Passing(_) | Self::LoginAgain => {
                true
            }
            Self::Certificate(_) | Self::Refused(_) | Self::NotEtcd(_) | Self::Final(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence => out.write_str("no answer in time"),
            Self::NoQuorum => out.write_str("no quorum"),
            Self::LoginAgain => out.write_str("its login is not accepted any more"),
            Self::Connection(reason)
            | Self::Certificate(reason)
            | Self::Passing(reason)
            | Self::Refused(reason)
            | Self::NotEtcd(reason)
            | Self::Final(reason) => out.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_is_told_apart() {
        let of = |code, text: &str| Failure::of(&Status::new(code, text));
        assert_eq!(of(Code::Unavailable, "etcdserver: no leader"), Failure::NoQuorum);
        assert_eq!(of(Code::Unavailable, "etcdserver: request timed out"), Failure::NoQuorum);
        assert_eq!(of(Code::Unauthenticated, "etcdserver: invalid auth token"), Failure::LoginAgain);
        assert!(matches!(of(Code::PermissionDenied, "etcdserver: permission denied"), Failure::Refused(_)));
        assert!(matches!(of(Code::Unavailable, "etcdserver: leader changed"), Failure::Passing(_)));
        assert!(!of(Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded").is_passing());
        assert!(matches!(of(Code::Unimplemented, ""), Failure::NotEtcd(_)));
    }
}
