//! Where a lock is that was given by name instead of by path.
//!
//! A text with a `/` is a path; any other is a name in the user's state directory: `$BATON_DIR`, else
//! `$XDG_STATE_HOME/baton`, else `~/.local/state/baton`. There it is `locks/NAME`. The directories are created 0700:
//! what lies in them is one user's.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::durable_directory;
use crate::error::Error;

/// The longest name of a lock in the state directory, in bytes.
const MAX_NAME: usize = 100;

/// The place that a LOCK argument means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    /// The directory to be created for a name; `None` for a path.
    created: Option<PathBuf>,
}

impl Place {
    /// Reads a path (it has a `/`) or a name. Nothing is touched.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if it is neither, or if no state directory is known because neither `BATON_DIR` nor
    /// `XDG_STATE_HOME` nor `HOME` is set.
    pub fn parse(lock: &OsStr) -> Result<Self, Error> {
        Self::parse_in(state_directory().as_deref(), lock)
    }

    /// The same with another state directory, or none.
    pub(crate) fn parse_in(state: Option<&Path>, lock: &OsStr) -> Result<Self, Error> {
        if lock.as_encoded_bytes().contains(&b'/') {
            return Ok(Self { path: PathBuf::from(lock), created: None });
        }
        let invalid = |reason| Error::InvalidName { name: lock.to_string_lossy().into_owned(), reason };
        let name = lock.to_str().ok_or_else(|| invalid("it is not UTF-8"))?;
        check_name(name).map_err(invalid)?;
        let state = state.ok_or_else(|| {
            invalid("BATON_DIR, XDG_STATE_HOME and HOME are all unset, so there is no place for names")
        })?;
        let locks = state.join("locks");
        Ok(Self { path: locks.join(name), created: Some(locks) })
    }

    /// The path of the lock.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory of a lock given by name, 0700; does nothing for one given by path.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it can't be created.
    pub fn prepare(&self) -> Result<(), Error> {
        let Some(directory) = &self.created else { return Ok(()) };
        durable_directory::make_if_missing(directory)
    }
}

/// Checks the name of a lock in the state directory, and of whatever else becomes part of a file name there: 1 to 100
/// of A-Z a-z 0-9 . _ - without a leading dot.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > MAX_NAME {
        return Err("it is longer than 100 characters");
    }
    if name.starts_with('.') {
        return Err("it starts with a dot");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err("it has a character other than A-Z a-z 0-9 . _ -");
    }
    Ok(())
}

/// The state directory, if the environment says one; relative values count as unset, as the XDG rules have it.
pub fn state_directory() -> Option<PathBuf> {
    state_directory_from(&|name| env::var_os(name))
}

fn state_directory_from(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = |name| variable(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    // Unlike the standard's variables, this one is ours: a relative path there is meant.
    let own = variable("BATON_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    own.or_else(|| directory("XDG_STATE_HOME").map(|path| path.join("baton")))
        .or_else(|| directory("HOME").map(|path| path.join(".local/state/baton")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &'static [(&str, &str)]) -> Option<PathBuf> {
        state_directory_from(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn state_directory_is_the_most_specific_one_set() {
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x"), ("BATON_DIR", "/b")]), Some("/b".into()));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]), Some("/x/baton".into()));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_STATE_HOME", "rel")]), Some("/h/.local/state/baton".into()));
        assert_eq!(with(&[("HOME", "/h"), ("BATON_DIR", "")]), Some("/h/.local/state/baton".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn text_with_a_slash_is_a_path() {
        let place = Place::parse(OsStr::new("./a b")).expect("a path");
        assert_eq!((place.path(), &place.created), (Path::new("./a b"), &None));
    }

    #[test]
    fn names_that_could_leave_the_directory_or_hide_are_refused() {
        for name in ["", ".", "..", ".hidden", "a b", "a\n", "ä", &"x".repeat(101)] {
            assert!(Place::parse(OsStr::new(name)).is_err(), "{name:?}");
        }
        assert_eq!(check_name("deploy-prod_2.1"), Ok(()));
    }
}
