//! Everything that can go wrong with a lock, each with the file concerned and the way out.
//!
//! Finding the lock busy is not among it: that is an answer ([`crate::Attempt::Busy`]), not a failure.

use std::io;
use std::path::{Path, PathBuf};

use crate::escape;
use crate::sys::Errno;

/// What went wrong with a lock.
///
/// The text is a lowercase fragment that names the file; the cause, where there is one, is the source, and
/// [`hint`](Error::hint) says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory that another user could tamper with, or that can't be a lock file by its type.
    #[error("{} is not safe to use: {reason}", escape::path(path))]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What its owner can do about it.
        hint: &'static str,
    },
    /// The file at the record's or the guard's name was not written by a client of the lock; it is left alone.
    #[error("{} is not a lock file: {reason}", escape::path(path))]
    NotALockFile {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
        /// What can be done about it.
        hint: &'static str,
    },
    /// The same path is in use as a lock of the other naming, which would not exclude this one.
    #[error("{} is in use as a lock of the other naming: {reason}", escape::path(path))]
    OtherNaming {
        /// The file of the other naming.
        path: PathBuf,
        /// How it was recognised.
        reason: String,
    },
    /// The locks of this kind of filesystem are not known to reach everyone who can see the file.
    #[error(
        "{} is on a filesystem of type {kind}, where a lock may not exclude every contender",
        escape::path(path)
    )]
    Filesystem {
        /// The directory.
        path: PathBuf,
        /// The type, as `--allow-fs` takes it: a name such as `nfs`, or the magic number such as `0x6969`.
        kind: String,
    },
    /// The filesystem lacks an operation without which there is no safe lock.
    #[error("the filesystem of {} cannot {operation}", escape::path(path))]
    Unsupported {
        /// The file concerned.
        path: PathBuf,
        /// What it can't do.
        operation: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {action} {}", escape::path(path))]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The text names no lock.
    #[error("`{}` is not the name of a lock: {reason}", escape::text(name))]
    InvalidName {
        /// The text.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Another program kept replacing the lock's files, so that acquiring was given up.
    #[error("the files of {} are being replaced all the time by another program", escape::path(path))]
    Unstable {
        /// The lock.
        path: PathBuf,
    },
    /// A store that is no directory could not be asked, or refused.
    #[error("{message}")]
    Store {
        /// Which family it belongs to.
        kind: ErrorKind,
        /// What was attempted with which store, and what came of it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// What the store, or who speaks to it, said.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// The families of [`Error`], by what has to be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense.
    Usage,
    /// A file has the wrong content.
    Content,
    /// The filesystem or store can't do what a lock needs, or can't be reached.
    Unsupported,
    /// A file or directory is unsafe or can't be used or created.
    Unsafe,
    /// The lock was lost while it was held.
    Lost,
}

impl Error {
    /// Which family the error belongs to.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidName { .. } => ErrorKind::Usage,
            Self::NotALockFile { .. } | Self::OtherNaming { .. } => ErrorKind::Content,
            Self::Filesystem { .. } | Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Unsafe { .. } | Self::Io { .. } | Self::Unstable { .. } => ErrorKind::Unsafe,
            Self::Store { kind, .. } => *kind,
        }
    }

    /// What to do about it, in one line; the system's answer alone says it for some.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unsafe { hint, .. } | Self::NotALockFile { hint, .. } => Some((*hint).to_owned()),
            Self::OtherNaming { .. } => Some(
                "let all users of this path agree on one naming: all with `--flock`, or all without; to change over, \
                 let them all use another path"
                    .to_owned(),
            ),
            Self::Filesystem { kind, .. } => Some(format!(
                "put the lock into a directory on a local disk; if every contender runs on this one machine, opt in \
                 with `--allow-fs {kind}`"
            )),
            Self::Unsupported { .. } => {
                Some("put the lock into a directory on another filesystem, such as ext4 or tmpfs".to_owned())
            }
            Self::Io { source, .. } => io_hint(source).map(str::to_owned),
            Self::Store { hint, .. } => hint.clone(),
            Self::InvalidName { .. } => Some(
                "a name has 1 to 100 of A-Z a-z 0-9 . _ - and no leading dot; a path has a `/`, as in `./my.lock`"
                    .to_owned(),
            ),
            Self::Unstable { .. } => Some(
                "find out which program deletes or replaces files there, and stop it; nothing is held".to_owned(),
            ),
        }
    }

    /// The text with its cause.
    pub(crate) fn in_one_line(&self) -> String {
        let cause = std::error::Error::source(self).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{self}{cause}")
    }

    /// An error of a system call on `path`; those that mean that a lock can't be had there get their own variant.
    pub(crate) fn io(action: &'static str, path: &Path, errno: Errno) -> Self {
        let (path, source) = (path.to_owned(), io::Error::from(errno));
        match errno {
            Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS => {
                Self::Unsupported { path, operation: action, source }
            }
            _ => Self::Io { path, action, source },
        }
    }
}

fn io_hint(source: &io::Error) -> Option<&'static str> {
    match source.kind() {
        io::ErrorKind::NotFound => Some("create the directory first, or correct the path"),
        io::ErrorKind::PermissionDenied => {
            Some("run as the user whom the lock belongs to, or choose another directory")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space on that filesystem")
        }
        io::ErrorKind::FileTooLarge => Some("raise the limit for the size of files (`ulimit -f`)"),
        io::ErrorKind::ReadOnlyFilesystem => Some("choose a directory that can be written to"),
        io::ErrorKind::NotADirectory => Some("correct the path: one of its parts is a file"),
        _ if source.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
            Some("the disk is failing: look into the kernel's log (`dmesg`), and save what is on it")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_lock_support_is_told_from_other_failures() {
        let path = Path::new("/run/a.lock");
        assert_eq!(Error::io("lock the guard", path, Errno::NOLCK).kind(), ErrorKind::Unsupported);
        assert_eq!(Error::io("create the guard", path, Errno::NOSPC).kind(), ErrorKind::Unsafe);
    }

    #[test]
    fn full_disk_is_told_with_file_and_way_out() {
        let error = Error::io("write the record", Path::new("/run/a.lock"), Errno::NOSPC);
        assert_eq!(error.to_string(), "cannot write the record `/run/a.lock`");
        assert_eq!(error.hint().as_deref(), Some("free some space on that filesystem"));
    }

    #[test]
    fn path_with_an_escape_sequence_is_not_shown_raw() {
        let error = Error::Unstable { path: PathBuf::from("/tmp/\x1b[31mred") };
        assert!(!error.to_string().contains('\x1b'));
    }
}
