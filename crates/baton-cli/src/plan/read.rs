//! Reads a file whole, if it is one: what was named may be a FIFO, a device, a directory or an endless file.
//!
//! A plan is named by a person and a facts file is written by a step, so either may be anything. It is looked at before
//! it is opened, so that a FIFO is not even opened; it is opened without blocking and looked at again, because it may have
//! been replaced in between; and never more than the limit is read, whatever size it claims. Symlinks are followed: whoever
//! names a plan chooses what it leads to.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The system said no.
    Io(io::Error),
    /// It is something else than a regular file; what.
    NotRegular(&'static str),
    /// It is larger than the limit.
    TooLarge,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The content of the regular file at `path`, of at most `limit` bytes.
pub(super) fn regular(path: &Path, limit: usize) -> Result<Vec<u8>, Refusal> {
    check_type(&fs::metadata(path)?)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    check_type(&file.metadata()?)?;
    let mut content = Vec::new();
    // One byte more than allowed tells a file of just the limit from a longer one.
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit { Err(Refusal::TooLarge) } else { Ok(content) }
}

fn check_type(metadata: &Metadata) -> Result<(), Refusal> {
    if metadata.is_file() { Ok(()) } else { Err(Refusal::NotRegular(type_name(metadata.file_type()))) }
}

fn type_name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifo_is_refused_without_waiting_for_its_writer() {
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("plan.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR, 0)
            .expect("a FIFO");
        assert!(matches!(regular(&fifo, 10), Err(Refusal::NotRegular("a pipe"))));
    }

    #[test]
    fn what_is_no_file_is_named() {
        assert!(matches!(regular(Path::new("/"), 10), Err(Refusal::NotRegular("a directory"))));
        assert!(matches!(regular(Path::new("/dev/zero"), 10), Err(Refusal::NotRegular("a device"))));
        assert!(matches!(regular(Path::new("/nonexistent"), 10), Err(Refusal::Io(_))));
    }

    #[test]
    fn limit_is_the_largest_size_that_is_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "0123456789").expect("written");
        assert_eq!(regular(file.path(), 10).expect("read"), b"0123456789");
        assert!(matches!(regular(file.path(), 9), Err(Refusal::TooLarge)));
    }
}
