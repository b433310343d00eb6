//! The address of a store: `etcd://HOST:PORT[,HOST:PORT…]/PREFIX`, or `etcds://…` for TLS.
//!
//! No user and no password can stand in it: it is on command lines and in the job's environment. Whoever tries is told
//! where they belong, and the message does not repeat them.

use std::{fmt, str::FromStr};

use crate::Error;

/// Where etcd listens unless told otherwise.
const PORT: u16 = 2379;

/// A parsed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) tls: bool,
    /// Each `HOST:PORT`, in the order in which they are tried.
    pub(crate) endpoints: Vec<String>,
    /// Before all keys, without slashes at its ends; never empty.
    pub(crate) prefix: String,
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |reason: &str| Error::Address { address: shown(text), reason: reason.to_owned() };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused("it has no scheme"))?;
        let tls = match scheme {
            "etcd" => false,
            "etcds" => true,
            _ => return Err(refused("its scheme is neither `etcd` nor `etcds`")),
        };
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains('@') {
            return Err(refused(
                "user and password don't belong here; set BATON_ETCD_USER and BATON_ETCD_PASSWORD_FILE",
            ));
        }
        let prefix = prefix.trim_matches('/');
        if prefix.is_empty() {
            return Err(refused("it has no prefix for the keys, such as `/baton`"));
        }
        if prefix.chars().any(|character| character.is_control() || "?#".contains(character)) {
            return Err(refused("its prefix has a character that none may have"));
        }
        let endpoints = hosts.split(',').map(endpoint).collect::<Option<Vec<_>>>();
        let endpoints = endpoints.ok_or_else(|| refused("an endpoint is not HOST or HOST:PORT"))?;
        Ok(Self { tls, endpoints, prefix: prefix.to_owned() })
    }
}

/// `HOST:PORT` of one endpoint, if it is one; an IPv6 address stands in brackets.
fn endpoint(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, PORT),
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let allowed = |character: char| {
        character.is_ascii_alphanumeric()
            || "-._".contains(character)
            || (is_bracketed && "[]:%".contains(character))
    };
    (!host.is_empty() && port != 0 && host.chars().all(allowed)).then(|| format!("{host}:{port}"))
}

/// The address as a message may repeat it: without whatever stands before an `@`.
fn shown(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        (None, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => text.to_owned(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "etcds" } else { "etcd" };
        write!(out, "{scheme}://{}/{}", self.endpoints.join(","), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        text.parse::<Address>().expect("an address").to_string()
    }

    #[test]
    fn an_address_keeps_its_endpoints_in_order_and_gets_the_usual_port() {
        assert_eq!(
            parsed("etcd://a,b:1,[::1]:2,[fe80::1]/x/y/"),
            "etcd://a:2379,b:1,[::1]:2,[fe80::1]:2379/x/y"
        );
        assert_eq!(parsed("etcds://etcd-0.local/baton"), "etcds://etcd-0.local:2379/baton");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a:1/x",
            "http://a/x",
            "etcd://a",
            "etcd://a/",
            "etcd:///x",
            "etcd://a,/x",
            "etcd://a:0/x",
            "etcd://a:99999/x",
            "etcd://::1/x",
            "etcd://a b/x",
            "etcd://a/x?y",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        let error = "etcd://root:geheim@a:1/x".parse::<Address>().expect_err("refused").to_string();
        assert!(error.contains("BATON_ETCD_USER") && !error.contains("geheim"), "{error}");
    }
}
