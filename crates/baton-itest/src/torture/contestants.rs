//! Who contends: Baton in each way in which it is used, and what else is used for the same.

use super::trial::{Ordeal, Site};
use crate::command::run;
use crate::programs::{baton, helper};
use crate::puppet::in_namespaces;
use crate::race::Make;
use fastrand::Rng;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How long one stays inside, in microseconds.
const HOLD: &str = "200";

/// One way of locking.
#[derive(Debug, Clone, Copy)]
pub struct Contestant {
    /// What it is called in the table.
    pub name: &'static str,
    /// What somebody may delete while it is held; the lock's path ends with `a.lock`.
    pub deletable: &'static [&'static str],
    /// Says how one of them is started, or why it can't be.
    pub(super) cast: fn(&Site<'_>) -> Result<Cast, String>,
}

/// Describes contenders; some by chance.
pub(super) type Cast = Box<dyn Fn(&mut Rng) -> (Make, Command)>;

/// Where the contestants from elsewhere were installed.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// A directory with `node_modules`.
    pub node: PathBuf,
    /// A Python that has `filelock`.
    pub python: PathBuf,
}

/// Those of this project.
pub const OURS: [Contestant; 4] = [
    Contestant {
        name: "baton (library)",
        deletable: &["a.lock.guard", "a.lock"],
        cast: |site| {
            let command = library(site, "record");
            Ok(Box::new(move |_| (Make::Single, again(&command))))
        },
    },
    Contestant {
        name: "baton (library), flock naming",
        deletable: &["a.lock", "a.lock.holder"],
        cast: |site| {
            let command = library(site, "flock");
            Ok(Box::new(move |_| (Make::Single, again(&command))))
        },
    },
    Contestant {
        name: "baton (library), half of them in pid namespaces",
        deletable: &[],
        cast: |site| {
            let command = library(site, "record");
            Ok(half_nested(command))
        },
    },
    Contestant {
        name: "baton run",
        deletable: &["a.lock.guard", "a.lock"],
        cast: |site| Ok(baton_run(site)),
    },
];

/// All of them, Baton's first.
pub const ALL: [Contestant; 16] = [
    OURS[0],
    OURS[1],
    OURS[2],
    OURS[3],
    Contestant {
        name: "ancestor v0",
        deletable: &["a.lock"],
        cast: |site| Ok(singles(ancestor(site, "v0"))),
    },
    Contestant {
        name: "ancestor v1",
        deletable: &["a.lock"],
        cast: |site| Ok(singles(ancestor(site, "v1"))),
    },
    Contestant {
        name: "ancestor v1, half of them in pid namespaces",
        deletable: &[],
        cast: |site| Ok(half_nested(ancestor(site, "v1"))),
    },
    Contestant {
        name: "proper-lockfile 4.1.2, stale 2 s",
        deletable: &["a.lock.lock"],
        cast: proper_lockfile,
    },
    Contestant {
        name: "filelock 4.3.1 FileLock",
        deletable: &["a.lock"],
        cast: |site| filelock(site, "FileLock"),
    },
    Contestant {
        name: "filelock 4.3.1 SoftFileLock",
        deletable: &["a.lock"],
        cast: |site| filelock(site, "SoftFileLock"),
    },
    Contestant { name: "flock(1)", deletable: &["a.lock"], cast: |site| Ok(flock(site, &[])) },
    Contestant { name: "flock(1) -o", deletable: &["a.lock"], cast: |site| Ok(flock(site, &["-o"])) },
    Contestant {
        name: "fslock 0.2.1",
        deletable: &["a.lock"],
        cast: |site| Ok(singles(from_crate(site, "fslock"))),
    },
    Contestant {
        name: "fd-lock 4.0.4",
        deletable: &["a.lock"],
        cast: |site| Ok(singles(from_crate(site, "fd-lock"))),
    },
    Contestant {
        name: "std File::lock",
        deletable: &["a.lock"],
        cast: |site| Ok(singles(contending("flock_contender", site))),
    },
    Contestant {
        name: "std File::lock, half of them in pid namespaces",
        deletable: &[],
        cast: |site| Ok(half_nested(contending("flock_contender", site))),
    },
];

/// A command like this one.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

fn singles(command: Command) -> Cast {
    Box::new(move |_| (Make::Single, again(&command)))
}

fn half_nested(command: Command) -> Cast {
    Box::new(move |rng| {
        if rng.bool() { (Make::Nested, in_namespaces(&command)) } else { (Make::Single, again(&command)) }
    })
}

fn contending(program: &str, site: &Site<'_>) -> Command {
    let mut command = Command::new(helper(program));
    command.arg("--lock").arg(site.lock()).args(["--hold-us", HOLD]);
    command
}

fn library(site: &Site<'_>, naming: &str) -> Command {
    let mut command = contending("baton_contender", site);
    command.args(["--naming", naming, "--story", site.story()]);
    // In a barrier only holders are killed: who observes would never make room for another, until nobody contends any more.
    if site.ordeal != Ordeal::Barrier {
        command.args(["--readers", "8"]);
    }
    if let Some(kind) = site.ground.to_be_allowed() {
        command.args(["--allow-fs", kind]);
    }
    command
}

fn ancestor(site: &Site<'_>, algorithm: &str) -> Command {
    let mut command = contending("ancestor_contender", site);
    command.args(["--algorithm", algorithm, "--poll-ms", "1"]);
    command
}

fn from_crate(site: &Site<'_>, name: &str) -> Command {
    let mut command = contending("crate_contender", site);
    command.args(["--crate", name]);
    command
}

/// Waits, waits for a time, or does not wait, by chance; one in 16 only asks for the status.
fn baton_run(site: &Site<'_>) -> Cast {
    let (lock, story) = (site.lock(), site.story());
    let allowed = site.ground.to_be_allowed().map(|kind| format!("--allow-fs={kind}"));
    Box::new(move |rng| {
        let allowed = allowed.iter().map(String::as_str);
        let command = if rng.u8(..16) == 0 {
            let mut status = Command::new(baton());
            status.args(["status", "--json"]).args(allowed).arg(&lock).stdout(std::process::Stdio::null());
            status
        } else {
            let waiting = ["-q", "-q -n", "-q -w 50ms"][rng.usize(..3)];
            let options: Vec<_> = waiting.split(' ').chain(allowed).collect();
            run(&options.join(" "), &lock, job(&["--story", story]))
        };
        (Make::Wrapper, silent(command))
    })
}

fn job(options: &[&str]) -> Vec<String> {
    let program = helper("job_contender").to_string_lossy().into_owned();
    let options = ["--hold-us", HOLD].iter().chain(options).map(|&option| option.to_owned());
    std::iter::once(program).chain(options).collect()
}

/// What it says of busy locks and of jobs that were killed is as it should be, and too much.
fn silent(mut command: Command) -> Command {
    command.stderr(std::process::Stdio::null());
    command
}

fn flock(site: &Site<'_>, options: &'static [&'static str]) -> Cast {
    let lock = site.lock();
    Box::new(move |rng| {
        let mut command = Command::new("flock");
        command.args(options).args(["-E", "75"]);
        let waiting: &[&str] = [&[][..], &["-n"], &["-w", "0.05"]][rng.usize(..3)];
        command.args(waiting).arg(&lock).args(job(&[]));
        (Make::Wrapper, silent(command))
    })
}

fn foreign(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

fn installed<'a>(site: &'a Site<'_>, which: fn(&Foreign) -> &PathBuf) -> Result<&'a Path, String> {
    let path = site.foreign.map(which).ok_or("only `cargo xtask torture` installs it")?;
    if path.exists() { Ok(path) } else { Err(format!("`{}` was not installed", path.display())) }
}

fn proper_lockfile(site: &Site<'_>) -> Result<Cast, String> {
    let mut command = Command::new("node");
    command.arg(foreign("node/contender.mjs")).arg(installed(site, |foreign| &foreign.node)?);
    command.arg(site.lock()).arg("0.2");
    Ok(singles(command))
}

fn filelock(site: &Site<'_>, kind: &str) -> Result<Cast, String> {
    let mut command = Command::new(installed(site, |foreign| &foreign.python)?);
    command.arg(foreign("python/contender.py")).arg(OsStr::new(kind)).arg(site.lock()).arg("0.0002");
    Ok(singles(command))
}
