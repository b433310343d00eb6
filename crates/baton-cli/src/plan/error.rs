//! Why there is no plan: the file can't be read, is no text, or has errors in it.

use std::io;
use std::path::{Path, PathBuf};

use baton_lock::escape;

use super::finding::Findings;
use super::read::Refusal;
use crate::exit;

/// Why there is no plan.
///
/// The text is a lowercase fragment that names the file; that of [`Content`](Error::Content) has several lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file can't be read.
    #[error("cannot read the plan {}", escape::path(path))]
    Unreadable {
        /// The file, as it was named.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no file that could be a plan, whatever is in it.
    #[error("{} is not a plan: it is {found}, expected {expected}", escape::path(path))]
    NotAPlan {
        /// The file, as it was named.
        path: PathBuf,
        /// What it is instead.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// There are errors in it.
    #[error("{0}")]
    Content(Findings),
}

impl Error {
    /// The exit code of the command. Of a file that can't be read nobody knows what is in it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreadable { .. } => exit::UNSAFE,
            Self::NotAPlan { .. } | Self::Content(_) => exit::CONTENT,
        }
    }

    /// What to do about it, in one line.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("correct the path of the plan")
            }
            Self::Unreadable { .. } => Some("make the plan readable for the user who runs it"),
            Self::NotAPlan { .. } => Some("save the plan to a text file and name that"),
            Self::Content(_) => Some(
                "nothing was run; `docs/plan.md` lists every key, and `plan.schema.json` lets editors check them",
            ),
        }
    }

    pub(super) fn refused(path: &Path, refusal: Refusal, limit: usize) -> Self {
        let path = path.to_owned();
        match refusal {
            Refusal::Io(source) => Self::Unreadable { path, source },
            Refusal::NotRegular(found) => {
                Self::NotAPlan { path, found: found.to_owned(), expected: "a regular file".to_owned() }
            }
            Refusal::TooLarge => Self::NotAPlan {
                path,
                found: "too large".to_owned(),
                expected: format!("a file of at most {} KiB", limit / 1024),
            },
        }
    }
}
