//! The file by its name in an open directory: looking at it, reading it, and what is refused unread.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::sweep::PrivateNames;
use crate::error::Error;
use crate::identity::user_name;
use crate::sys::{self, Access, Errno, FileId, FileKind, Handle, Stat};

const ANYONE_MAY_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What the file is called in messages, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// With its article, as in `it is a FIFO, where the session would be`.
    pub(crate) noun: &'static str,
    pub(crate) limit: usize,
    pub(crate) limit_text: &'static str,
}

/// A file by its name in an open directory.
#[derive(Debug)]
pub(crate) struct AtomicFile<N> {
    pub(super) directory: Handle,
    directory_id: FileId,
    path: PathBuf,
    pub(super) name: OsString,
    kind: Kind,
    pub(super) names: N,
    /// More bytes than these the process may not write into a file.
    pub(super) size_limit: u64,
    /// For the next private name; 0 if there has been none.
    serial: AtomicU64,
}

/// The file as it was read or written last. It stays open, so that its inode number is not given to another.
#[derive(Debug)]
pub(crate) struct Current {
    pub(super) handle: Handle,
    pub(super) stat: Stat,
}

impl Current {
    fn is(&self, stat: &Stat) -> bool {
        let known = &self.stat;
        known.id == stat.id && known.size == stat.size && known.modified == stat.modified
    }
}

impl<N: PrivateNames> AtomicFile<N> {
    /// Opens the directory of the file at `path`, whose last component names it.
    pub(crate) fn open(path: &Path, kind: Kind, names: N) -> Result<Self, Error> {
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            return Err(Error::InvalidName {
                name: path.to_string_lossy().into_owned(),
                reason: "the path does not end in a name",
            });
        };
        let directory = sys::open_directory_to_sync(parent)
            .map_err(|errno| Error::io("open the directory", parent, errno))?;
        let stat =
            sys::stat(&directory).map_err(|errno| Error::io("look at the directory", parent, errno))?;
        if stat.mode & ANYONE_MAY_WRITE != 0 && stat.mode & STICKY == 0 {
            return Err(Error::Unsafe {
                path: parent.to_owned(),
                reason: "every user may delete and replace files in that directory".to_owned(),
                hint: "take the others' write permission away (`chmod o-w`)",
            });
        }
        Ok(Self {
            directory,
            directory_id: stat.id,
            path: path.to_owned(),
            name: name.to_owned(),
            kind,
            names,
            size_limit: sys::file_size_limit(),
            serial: AtomicU64::new(0),
        })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Does the path of the directory still lead to the one that is open?
    pub(crate) fn is_directory_still_named(&self) -> bool {
        let parent = self.path.parent().map(sys::stat_path);
        parent.is_some_and(|parent| parent.is_ok_and(|stat| stat.id == self.directory_id))
    }

    /// A private name that nobody has had before: a random one, and then the numbers behind it.
    pub(super) fn private_name(&self) -> sys::Result<OsString> {
        if self.serial.load(Ordering::Relaxed) == 0 {
            self.serial.store(sys::random()?.max(1), Ordering::Relaxed);
        }
        Ok(self.names.make(&self.name, self.serial.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::io(action, &self.path, errno)
    }

    fn look(&self) -> Result<Option<Stat>, Error> {
        match sys::stat_at(&self.directory, &self.name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", errno)),
        }
    }

    /// Does the path mean this very file, unchanged? By the whole path, so that a directory that was moved away is noticed.
    pub(super) fn means(&self, current: Option<&Current>) -> Result<bool, Error> {
        match current {
            Some(current) => Ok(sys::stat_path(&self.path).is_ok_and(|stat| current.is(&stat))),
            None => Ok(self.look()?.is_none() && self.is_directory_still_named()),
        }
    }

    /// Reads the whole file; `None` if nothing has the name. What can't be the file is refused unread.
    pub(crate) fn read(&self, access: Access) -> Result<Option<(Current, Vec<u8>)>, Error> {
        // Look before opening: opening a device or a FIFO is an act of its own.
        let Some(seen) = self.look()? else { return Ok(None) };
        self.check(&seen)?;
        let handle = match sys::open_at(&self.directory, &self.name, access) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("open", errno)),
        };
        let stat = sys::stat(&handle).map_err(|errno| self.failed("look at", errno))?;
        self.check(&stat)?;
        // One byte more than it has, so that one that grows meanwhile is noticed.
        let size = usize::try_from(stat.size).unwrap_or(usize::MAX).saturating_add(1);
        let bytes = sys::read_start(&handle, size.min(self.kind.limit + 1))
            .map_err(|errno| self.failed("read", errno))?;
        if bytes.len() > self.kind.limit {
            return Err(self.refused(self.too_large(bytes.len() as u64)));
        }
        Ok(Some((Current { handle, stat }, bytes)))
    }

    /// Refuses what can't be the file, by what `fstat` says.
    fn check(&self, stat: &Stat) -> Result<(), Error> {
        let me = sys::effective_user();
        let reason = if stat.kind != FileKind::Regular {
            format!("it is {}, where {} would be", stat.kind.describe(), self.kind.noun)
        } else if stat.owner != me {
            format!("it belongs to {}, not to {}", user_name(stat.owner), user_name(me))
        } else if stat.links > 1 {
            "it has a second name (hard link)".to_owned()
        } else if stat.size > self.kind.limit as u64 {
            self.too_large(stat.size)
        } else {
            return Ok(());
        };
        Err(self.refused(reason))
    }

    fn too_large(&self, size: u64) -> String {
        format!("it has {size} bytes, more than {} that {} may have", self.kind.limit_text, self.kind.noun)
    }

    fn refused(&self, reason: String) -> Error {
        Error::Unsafe {
            path: self.path.clone(),
            reason,
            hint: "it was neither read nor changed; look what it is, and move it away",
        }
    }

    /// Removes the file, whatever it is; durable. `false`: there is none.
    pub(crate) fn remove(&self) -> Result<bool, Error> {
        match sys::unlink(&self.directory, &self.name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.failed("remove", errno)),
        }
        sys::sync(&self.directory).map_err(|errno| self.failed("make durable the removal of", errno))?;
        Ok(true)
    }

    /// Gives the file, whatever it is, another name in the same directory that nothing has; durable. `false`: there is none.
    pub(crate) fn set_aside(&self, name: &OsStr) -> Result<bool, Error> {
        match sys::rename_noreplace(&self.directory, &self.name, name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.failed("rename", errno)),
        }
        sys::sync(&self.directory).map_err(|errno| self.failed("make durable the renaming of", errno))?;
        Ok(true)
    }
}
