//! `cargo xtask bench`: builds what is measured, installs whom it is measured against, and runs the benchmarks.
//!
use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use crate::{cargo, peers, release, tools, verbs::Outcome};

/// Runs the verb; `arguments` is empty or `--short`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let is_short = match arguments {
        [] => false,
        [option] if option == "--short" => true,
        _ => return Outcome::Misused("`bench` knows the option `--short` alone".into()),
    };
    match bench(is_short) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            println!("xtask: {error}");
            Outcome::Failed
        }
    }
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

    let out = directory.join("bench");
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
