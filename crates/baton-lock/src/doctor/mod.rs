//! Tries out, on the filesystem of a directory, what a lock needs of it, with a second process.
//!
//! The very calls of the protocol are made, by way of `sys`, in a scratch directory that is removed afterwards. A filesystem may
//! have each of them and still do something else than its name says: a network filesystem keeps locks to one host or loses them, a
//! FUSE filesystem answers without doing. So nothing is believed that was not seen from the other process, which is asked by lines on
//! its standard input and is killed in the end, as a holder may be.
//!
//! What can't be seen from one machine is whether other hosts' locks are excluded: that is known by the filesystem's kind alone.

mod bench;
mod second;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench::Bench;
pub use second::be_second;

use crate::error::Error;
use crate::filesystem;
use crate::lock::{Lock, Options};
use crate::sys;

const GUARD: &str = "guard";
const RECORD: &str = "record";

/// What was found out about one requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is required, in a few words.
    pub what: &'static str,
    /// Whether it is so.
    pub outcome: Outcome,
    /// What it costs, where that was measured: the median of many.
    pub cost: Option<Duration>,
}

/// Whether a requirement is met.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is.
    Works,
    /// It is not, and something else stands in; the text says what that means.
    Limited(String),
    /// It is not, so that no lock can be had there; the text says what was seen.
    Fails(String),
}

/// What was found out about a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// The directory.
    pub directory: PathBuf,
    /// The kind of its filesystem, as `--allow-fs` takes it.
    pub filesystem: String,
    /// Is it known that every contender there asks this kernel, or has the caller opted in?
    pub is_accepted: bool,
    /// What was tried out.
    pub checks: Vec<Check>,
}

impl Examination {
    /// Could a lock be had there, and does it keep everybody out?
    pub fn is_fit(&self) -> bool {
        self.is_accepted && self.works()
    }

    /// Did everything work that was tried out?
    pub fn works(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Fails(_)))
    }
}

/// Examines a directory. `second` starts a process that calls [`be_second`] with the directory that is added as its last argument.
///
/// # Errors
///
/// If the directory can't be opened or written to or is unsafe, or the second process can't be started.
pub fn examine(directory: &Path, allowed: &[String], second: Command) -> Result<Examination, Error> {
    let kind = filesystem_kind(directory)?;
    let options = allowed.iter().fold(Lock::options(), Options::allow_filesystem);
    let is_accepted = match options.all_in(directory) {
        Ok(_) => true,
        Err(Error::Filesystem { .. }) => false,
        Err(error) => return Err(error),
    };
    let scratch = Scratch::new(directory)?;
    let bench = Bench::new(&scratch.0, second).map_err(|errno| failed("try out", directory, errno))?;
    let checks = bench.run(&kind);
    Ok(Examination { directory: directory.to_owned(), filesystem: kind, is_accepted, checks })
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), action, source }
}

fn filesystem_kind(directory: &Path) -> Result<String, Error> {
    let handle =
        sys::open_directory(directory).map_err(|errno| Error::io("open the directory", directory, errno))?;
    let magic = sys::filesystem_magic(&handle)
        .map_err(|errno| Error::io("ask for the filesystem of", directory, errno))?;
    Ok(filesystem::name(magic))
}

/// A directory for the trials; removed with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(directory: &Path) -> Result<Self, Error> {
        let random = sys::random().map_err(|errno| Error::io("get a random number for", directory, errno))?;
        let path = directory.join(format!(".baton-doctor.{random:016x}"));
        std::fs::create_dir(&path).map_err(|error| failed("create a directory in", directory, error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Its name says whose it is; nobody is there to be told.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen with a second process that answers everything alike, as on a filesystem whose locks do nothing.
    fn seen_with(answer: &str) -> Examination {
        let place = tempfile::tempdir().expect("a directory");
        let mut second = Command::new("sh");
        second.args(["-c", r#"echo ready; while read -r _; do echo "$0"; done"#, answer]);
        let seen = examine(place.path(), &[], second).expect("examined");
        assert_eq!(std::fs::read_dir(place.path()).expect("readable").count(), 0, "nothing is left");
        seen
    }

    fn failed(seen: &Examination, what: &str) -> String {
        let check = seen.checks.iter().find(|check| check.what.contains(what)).expect("there");
        match &check.outcome {
            Outcome::Fails(seen) | Outcome::Limited(seen) => seen.clone(),
            Outcome::Works => panic!("{what} is called good"),
        }
    }

    #[test]
    fn locks_that_keep_nobody_out_are_not_called_good() {
        let seen = seen_with("taken");
        assert!(!seen.works() && !seen.is_fit());
        for what in ["flock keeps", "byte locks keep"] {
            assert_eq!(failed(&seen, what), "another process got it too");
        }
        for what in ["flock can be shared", "byte locks can be shared"] {
            assert!(failed(&seen, what).contains("another process got it alone"));
        }
        assert!(failed(&seen, "process table").contains("is not shown with its locks"));
        assert!(failed(&seen, "are given back").contains("is not told"));
    }

    #[test]
    fn locks_that_are_never_given_back_are_not_called_good() {
        let seen = seen_with("refused");
        for what in ["flock keeps", "byte locks keep"] {
            assert_eq!(failed(&seen, what), "it is still refused after it was given back");
        }
        for what in ["flock can be shared", "byte locks can be shared"] {
            assert!(failed(&seen, what).contains("another process was refused its share"));
        }
    }
}
