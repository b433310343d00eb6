//! Step 1: the directory of the lock, opened once; everything else is relative to it.
//!
//! A path that is resolved again for each call can be led elsewhere between two of them. So the directory is opened
//! once, its own links followed, and guard, record and temporaries are named relative to that handle. Whether the path
//! still leads to the same directory is asked in step 7 and by `verify`; the handle stays open meanwhile, because only an
//! open file keeps its inode number to itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::naming::Names;
use crate::error::Error;
use crate::filesystem::{self, Reach};
use crate::sys::{self, Access, Errno, FileId, Handle, Stat};

/// An open directory that was found fit for a lock.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) handle: Handle,
    id: FileId,
    path: PathBuf,
    pub(crate) reach: Reach,
}

/// How long a file is tried to be opened while a judge asks the kernel who has it open: he takes microseconds, and longer only where he is
/// not scheduled in between. One that is stopped there loses the question to the kernel's own limit of 45 seconds.
const MOMENTS: u32 = 10_000;
const MOMENT: Duration = Duration::from_millis(1);

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
        Ok(Self { handle, id: stat.id, path: path.to_owned(), reach })
    }

    /// Which directory it is, for as long as it is open.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Does the path still lead here?
    pub(crate) fn is_still_named(&self) -> bool {
        sys::stat_path(&self.path).is_ok_and(|stat| stat.id == self.id)
    }

    /// Does a name in this directory mean the file `id`, which the caller has open as `handle`?
    ///
    /// An overlay can give a file another number while it is open (when a file of the lower layer with several links is
    /// written to for the first time): so one that differs is compared with what the handle says now.
    pub(crate) fn means(&self, name: &OsStr, handle: &Handle, id: FileId) -> Result<bool, Error> {
        let Some(seen) = self.look(name)? else { return Ok(false) };
        if seen.id == id {
            return Ok(true);
        }
        let now = sys::stat(handle)
            .map_err(|errno| Error::io("look at what had the name", &self.path_of(name), errno))?;
        Ok(seen.id == now.id)
    }

    /// Opens a file of this directory. Refused for the moment in which somebody who judges it asks the kernel who has it open:
    /// tried again then.
    pub(crate) fn open_file(&self, name: &OsStr, access: Access) -> sys::Result<Handle> {
        for _ in 0..MOMENTS {
            match sys::open_at(&self.handle, name, access) {
                Err(Errno::AGAIN) => sys::pause(MOMENT),
                answer => return answer,
            }
        }
        sys::open_at(&self.handle, name, access)
    }

    /// What a name means, if anything.
    pub(crate) fn look(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        match sys::stat_at(&self.handle, name) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("look at", &self.path_of(name), errno)),
        }
    }

    /// The path by which it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The full path of a name, for messages.
    pub(crate) fn path_of(&self, name: &OsStr) -> PathBuf {
        self.path.join(name)
    }

    /// A temporary name, for a file that is to get the name `of`, that nobody else uses.
    pub(crate) fn temporary(&self, of: &OsStr) -> Result<std::ffi::OsString, Error> {
        let random =
            sys::random().map_err(|errno| Error::io("get a random number for", &self.path, errno))?;
        Ok(Names::temporary(of, random))
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
