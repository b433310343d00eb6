//! Step 1: the directory of the lock, opened once; everything else is relative to it.
//!
//! A path that is resolved again for each call can be led elsewhere between two of them. So the directory is opened
//! once, its own links followed, and guard, record and temporaries are named relative to that handle. Whether the path
//! still leads to the same directory is asked in step 7 and by `verify`; the handle stays open meanwhile, because only an
//! open file keeps its inode number to itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::naming::Names;
use crate::error::Error;
use crate::filesystem::{self, Reach};
use crate::sys::{self, Errno, FileId, Handle, Stat};

/// An open directory that was found fit for a lock.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) handle: Handle,
    id: FileId,
    path: PathBuf,
    pub(crate) reach: Reach,
    /// `/proc/locks` shows another device number than `stat` here.
    pub(crate) device_differs: bool,
}

const ANYONE_MAY_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

impl Directory {
    /// Opens and judges the directory at `path`.
    pub(crate) fn open(path: &Path, allowed: &[String]) -> Result<Self, Error> {
        let handle =
            sys::open_directory(path).map_err(|errno| Error::io("open the directory", path, errno))?;
        let stat = sys::stat(&handle).map_err(|errno| Error::io("look at the directory", path, errno))?;
        refuse_unsafe(&stat, path)?;
        let magic = sys::filesystem_magic(&handle)
            .map_err(|errno| Error::io("ask for the filesystem of", path, errno))?;
        let reach = filesystem::judge(magic, allowed)
            .map_err(|kind| Error::Filesystem { path: path.to_owned(), kind })?;
        Ok(Self {
            handle,
            id: stat.id,
            path: path.to_owned(),
            reach,
            device_differs: filesystem::device_differs(magic),
        })
    }

    /// Does the path still lead here?
    pub(crate) fn is_still_named(&self) -> bool {
        sys::stat_path(&self.path).is_ok_and(|stat| stat.id == self.id)
    }

    /// Does a name in this directory mean the file `id`, which the caller has open?
    pub(crate) fn means(&self, name: &OsStr, id: FileId) -> bool {
        sys::stat_at(&self.handle, name).is_ok_and(|stat| stat.id == id)
    }

    /// What a name means, if anything.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        match sys::stat_at(&self.handle, name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("look at", &self.path_of(name), errno)),
        }
    }

    /// The full path of a name, for messages.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// A temporary name beside the record that nobody else uses.
    pub(crate) fn temporary(&self, names: &Names) -> Result<std::ffi::OsString, Error> {
        let random =
            sys::random().map_err(|errno| Error::io("get a random number for", &self.path, errno))?;
        Ok(names.temporary(random))
    }
}

fn refuse_unsafe(stat: &Stat, path: &Path) -> Result<(), Error> {
    if stat.mode & ANYONE_MAY_WRITE != 0 && stat.mode & STICKY == 0 {
        return Err(Error::Unsafe {
            path: path.to_owned(),
            reason: "every user may delete and replace files in that directory".to_owned(),
            hint: "take the others' write permission away (`chmod o-w`), set the sticky bit (`chmod +t`), or choose \
                   another directory",
        });
    }
    Ok(())
}
