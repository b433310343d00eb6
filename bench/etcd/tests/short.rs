//! That the benchmark works: how fast anything is, no test says.

use std::{fs, process::Command};

use baton_itest::etcd;
use serde_json::Value;

#[test]
fn short_run_has_a_figure_of_every_side_and_both_plots() {
    if !etcd::is_there() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Command::new(env!("CARGO_BIN_EXE_baton-bench-etcd"));
    let output = bench.arg("--short").arg("--out").arg(directory.path()).output().expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json = fs::read(directory.path().join("bench-etcd.json")).expect("it was written");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let measurements = json["measurements"].as_array().expect("a list");
    for what in ["acquire + release", "hand-off to one waiter", "acquisitions of one lock, 4 contenders"] {
        let places = measurements.iter().filter(|measurement| measurement["what"] == what);
        assert_eq!(places.count(), 2, "{what}: on one member, and on three");
    }
    for measurement in measurements {
        for side in measurement["sides"].as_array().expect("a list") {
            assert!(side["samples"].as_u64() > Some(0), "{measurement}");
        }
    }
    for table in json["tables"].as_array().expect("a list") {
        assert!(table["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "{table}");
    }
    for plot in ["etcd-one-lock.svg", "etcd-own-locks.svg"] {
        let plot = fs::read_to_string(directory.path().join(plot)).expect("it was drawn");
        assert!(plot.starts_with("<svg"), "{plot}");
    }
}
