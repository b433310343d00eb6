//! `cargo xtask bench-etcd`: what a lock on etcd costs, beside etcd's own, on clusters that it starts on the loopback.
//!
//! Apart from `bench`, which builds in a minute and needs no network; this one wants a client of etcd and some ninety crates for it.

use std::{
    io,
    process::{Command, Stdio},
};

use crate::{bench, cargo, publish, tools, verbs::Outcome};

/// Runs the verb.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    bench::dispatch("bench-etcd", arguments, measure, publish)
}

fn publish() -> io::Result<()> {
    publish::publish_etcd(&cargo::own_directory()?.join("bench-etcd"), &cargo::workspace())
}

fn measure(is_short: bool) -> io::Result<bool> {
    let directory = cargo::own_directory()?;
    let tools = tools::provide(&directory, &[tools::OF_TESTS]);
    if !cargo::with(&["build", "--release", "--locked", "-p", "baton-bench-etcd"], &tools).status()?.success()
    {
        return Ok(false);
    }
    let out = directory.join(if is_short { "bench-etcd-short" } else { "bench-etcd" });
    let mut bench = Command::new(cargo::target_directory()?.join("release/baton-bench-etcd"));
    bench.args(is_short.then_some("--short")).arg("--out").arg(&out);
    let is_done = bench.envs(tools.environment()).stdin(Stdio::null()).status()?.success();
    if is_done {
        println!("xtask: the figures and their plots are in `{}`", out.display());
    }
    Ok(is_done)
}
