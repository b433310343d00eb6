//! What etcd counts of itself, as it tells under `/metrics`; asking there is no request of its interface, so it does not count.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use baton_bench::Result;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_mins(2);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Counters and gauges of one member, by name and labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn of(endpoint: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(endpoint)?;
        stream.set_read_timeout(Some(LONG))?;
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {endpoint}\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(Self(text.lines().filter_map(read).collect()))
    }

    /// A value without labels.
    pub(crate) fn value(&self, name: &str) -> Result<f64> {
        self.0.get(name).copied().ok_or_else(|| format!("etcd tells no `{name}`").into())
    }

    /// Requests that are one question and one answer, by method, and all that came in on streams.
    pub(crate) fn requests(&self) -> BTreeMap<String, f64> {
        let mut requests = BTreeMap::new();
        for (name, value) in &self.0 {
            let is_counted = if name.contains("grpc_type=\"unary\"") {
                name.starts_with("grpc_server_handled_total{")
            } else {
                name.starts_with("grpc_server_msg_received_total{")
            };
            if let (true, Some(method)) = (is_counted, label(name, "grpc_method")) {
                *requests.entry(method.to_owned()).or_default() += value;
            }
        }
        requests
    }

    /// How many requests came since then, by method; those that did not come at all are left out.
    pub(crate) fn requests_since(&self, before: &Self) -> BTreeMap<String, f64> {
        let before = before.requests();
        let grown = self.requests().into_iter().map(|(method, count)| {
            let growth = count - before.get(&method).unwrap_or(&0.0);
            (method, growth)
        });
        grown.filter(|(_, growth)| *growth > 0.0).collect()
    }
}

/// Waits until a value is so; looks again after a pause. Gives back how it is then.
pub(crate) fn await_value(endpoint: &str, name: &str, is_so: impl Fn(f64) -> bool) -> Result<Metrics> {
    let end = Instant::now() + LONG;
    loop {
        let metrics = Metrics::of(endpoint)?;
        let value = metrics.value(name)?;
        if is_so(value) {
            return Ok(metrics);
        }
        if Instant::now() >= end {
            return Err(format!("`{name}` stays {value}").into());
        }
        thread::sleep(PAUSE);
    }
}

/// How many keys there are.
const KEYS: &str = "etcd_debugging_mvcc_keys_total";

/// How many keys there are.
pub(crate) fn keys(endpoint: &str) -> Result<f64> {
    Metrics::of(endpoint)?.value(KEYS)
}

/// Waits until there are as many keys, or more.
pub(crate) fn await_keys(endpoint: &str, count: f64) -> Result<()> {
    await_value(endpoint, KEYS, |keys| keys >= count).map(drop)
}

fn read(line: &str) -> Option<(String, f64)> {
    let (name, value) = line.rsplit_once(' ')?;
    if name.starts_with('#') {
        return None;
    }
    Some((name.to_owned(), value.trim().parse().ok()?))
}

fn label<'a>(name: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = name.split_once(&format!("{label}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(text: &str) -> Metrics {
        Metrics(text.lines().filter_map(read).collect())
    }

    #[test]
    fn requests_are_those_answered_and_those_that_came_in_on_streams() {
        let before = metrics(
            "# HELP grpc_server_handled_total x\n\
             grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\",grpc_type=\"unary\"} 3\n",
        );
        let after = metrics(
            "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\",grpc_type=\"unary\"} 5\n\
             grpc_server_handled_total{grpc_code=\"Aborted\",grpc_method=\"Txn\",grpc_type=\"unary\"} 1\n\
             grpc_server_msg_received_total{grpc_method=\"Txn\",grpc_type=\"unary\"} 6\n\
             grpc_server_msg_received_total{grpc_method=\"Watch\",grpc_type=\"bidi_stream\"} 4\n\
             grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Watch\",grpc_type=\"bidi_stream\"} 9\n\
             grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Range\",grpc_type=\"unary\"} 0\n",
        );
        let since = after.requests_since(&before);
        assert_eq!(since, [("Txn".to_owned(), 3.0), ("Watch".to_owned(), 4.0)].into());
    }

    #[test]
    fn values_without_labels_are_found_by_their_names() {
        let metrics = metrics("# HELP a of 2\n# TYPE a gauge\na 1.5e+03\nb{x=\"y\"} 2\n");
        assert_eq!(metrics.value("a").ok(), Some(1500.0));
        assert!(metrics.value("b").is_err() && metrics.value("# HELP a of").is_err());
    }
}
