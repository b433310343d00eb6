//! `cargo xtask bench`: builds what is measured, installs whom it is measured against, and runs the benchmarks.
//!
//! A short run has a directory of its own, so that its figures, which mean nothing, are never taken for those of a whole one.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use crate::{cargo, peers, publish, release, tools, verbs::Outcome};

/// Runs the verb.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    dispatch("bench", arguments, bench, publish)
}

/// What a verb that measures does: without arguments or with `--short` it runs, with `--publish` it puts the figures into the docs.
pub(crate) fn dispatch(
    verb: &str,
    arguments: &[String],
    bench: fn(bool) -> io::Result<bool>,
    publish: fn() -> io::Result<()>,
) -> Outcome {
    let options: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match options.as_slice() {
        [] => bench(false),
        ["--short"] => bench(true),
        ["--publish"] => publish().map(|()| true),
        _ => {
            return Outcome::Misused(format!(
                "`{verb}` knows the options `--short` and `--publish`, one of them"
            ));
        }
    };
    match done {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            println!("xtask: {error}");
            Outcome::Failed
        }
    }
}

fn publish() -> io::Result<()> {
    publish::publish(&cargo::own_directory()?.join("bench"), &cargo::workspace())
}

fn bench(is_short: bool) -> io::Result<bool> {
    let directory = cargo::own_directory()?;
    let tools = tools::provide(&directory, &[tools::OF_TESTS]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or_else(|| io::Error::other("no parent"))?;
    let peers = peers::provide(&root.join("bench/peers"), &directory, &tools);
    if let Err(error) = &peers {
        println!("xtask: going on without the peers in other languages: {error}");
    }

    let built = directory.parent().ok_or_else(|| io::Error::other("no parent"))?;
    if !cargo::with(&["build", "--release", "--locked", "-p", "baton-bench"], &tools).status()?.success() {
        return Ok(false);
    }
    let baton = release::build(built)?;

    let out = directory.join(if is_short { "bench-short" } else { "bench" });
    let mut bench = Command::new(built.join("release/baton-bench"));
    bench.args(is_short.then_some("--short")).arg("--out").arg(&out);
    if let Ok(peers) = peers {
        bench.arg("--peers").arg(peers);
    }
    bench.env("BATON", baton).envs(tools.environment()).stdin(Stdio::null());
    let is_done = bench.status()?.success();
    if is_done {
        println!("xtask: the figures and their plots are in `{}`", out.display());
    }
    Ok(is_done)
}
