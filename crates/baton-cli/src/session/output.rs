//! Where a document is written to: standard output, or a file that changes only as a whole.
//!
//! The document is written beside the file and given its name when it is complete, so that a full disk leaves the old one. What
//! is there and no regular file (`/dev/stderr`, a FIFO) is written to as it is. New files are their owner's only: facts and
//! messages are nobody else's business unless the owner says so.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use baton_lock::escape;

use crate::exit;
use crate::failure::Failure;

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Standard,
    File(PathBuf),
}

impl Output {
    /// As it was typed: `-` is standard output.
    pub(super) fn of(typed: &Path) -> Self {
        if typed.as_os_str() == "-" { Self::Standard } else { Self::File(typed.to_owned()) }
    }

    /// Writes all of it. That nobody reads standard output is no failure.
    pub(super) fn write(&self, document: &str) -> Result<(), Failure> {
        match self {
            Self::Standard => match io::stdout().write_all(document.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(failed("standard output", &error))
                }
                _ => Ok(()),
            },
            Self::File(path) => {
                write_file(path, document.as_bytes()).map_err(|error| failed(&escape::path(path), &error))
            }
        }
    }
}

fn failed(what: &str, error: &io::Error) -> Failure {
    Failure {
        code: exit::UNSAFE,
        message: format!("cannot write {what}: {error}"),
        hint: Some("choose another file with `-o`; what was there is as it was".to_owned()),
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, bytes, None),
        // A link stays one: what it leads to is replaced.
        Ok(there) if there.is_file() => replace(&fs::canonicalize(path)?, bytes, Some(there.permissions())),
        _ => File::options().write(true).open(path)?.write_all(bytes),
    }
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let temporary = path.with_file_name(format!(".{name}.{}-{time}.tmp", std::process::id()));
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions)))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What can't be removed either is left under a name that says what it is.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn new_file_is_its_owners_and_an_old_one_keeps_its_mode_and_its_link() {
        let place = tempfile::tempdir().expect("a directory");
        let [file, link] = ["a.html", "b.html"].map(|name| place.path().join(name));
        Output::of(&file).write("one").expect("written");
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("set");
        symlink(&file, &link).expect("linked");
        Output::of(&link).write("two").expect("written");
        assert_eq!((fs::read_to_string(&file).expect("read"), mode(&file)), ("two".to_owned(), 0o644));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(names(place.path()), ["a.html", "b.html"]);
    }

    #[test]
    fn what_can_not_be_written_is_told_with_its_name() {
        let place = tempfile::tempdir().expect("a directory");
        for path in [place.path().to_owned(), place.path().join("none/a"), PathBuf::from("/dev/full")] {
            let failure = Output::of(&path).write("x").expect_err("refused");
            assert_eq!(failure.code, exit::UNSAFE);
            assert!(failure.message.contains(&escape::path(&path)), "{}", failure.message);
        }
    }
}
