//! Opens a regular file of the state directory, and nothing else that may have its name.
//!
//! Whoever can write there may have put a link, a FIFO or a device in its place. So it is looked at before it is opened, a
//! FIFO or a device is not even opened; it is opened without following a link and without blocking, and looked at again,
//! because it may have been replaced in between.

use std::fs::{self, File, FileType};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens a regular file to read it.
///
/// # Errors
///
/// If it is something else, which the error's text says, or can't be opened.
pub fn open(path: &Path) -> io::Result<File> {
    open_as(path, OFlags::RDONLY, Mode::empty())
}

/// Opens a regular file, or creates it where the flags say so.
pub(crate) fn open_as(path: &Path, flags: OFlags, mode: Mode) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => check(metadata.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && flags.contains(OFlags::CREATE) => {}
        Err(error) => return Err(error),
    }
    let safely = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags | safely, mode)?);
    check(file.metadata()?.file_type())?;
    Ok(file)
}

fn check(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Makes a FIFO, which nobody writes to.
    pub(crate) fn make_fifo(path: &Path) {
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_not_opened() {
        let place = tempfile::tempdir().expect("a directory");
        let [file, link, fifo, socket] =
            ["file", "link", "fifo", "socket"].map(|name| place.path().join(name));
        fs::write(&file, "x").expect("written");
        symlink(&file, &link).expect("linked");
        make_fifo(&fifo);
        // Opening it would fail with a message of its own.
        let _listener = UnixListener::bind(&socket).expect("bound");
        assert!(open(&file).is_ok());
        let no_files =
            [(&*link, "symbolic link"), (&fifo, "FIFO"), (&socket, "socket"), (place.path(), "directory")];
        for (path, what) in no_files {
            let told = open(path).expect_err("refused").to_string();
            assert!(told.contains(what), "{told}");
        }
        assert_eq!(open(&place.path().join("none")).expect_err("missing").kind(), io::ErrorKind::NotFound);
    }
}
