//! Steps 2 and 3: the guard, which contenders lock and wait on, and which stays.
//!
//! In default naming the guard is Baton's own file and holds the last token; it is created whole under a temporary
//! name, so that a hostile umask or a crash never leaves one that its owner can't open. In flock naming it is whatever
//! file or directory the user named: opened for reading, locked, never written to; created empty if there is none.
//!
//! After the lock is taken its name must still mean the file that was locked. Otherwise:
//!
//! 1. P1 opens the guard, and is stopped. Somebody deletes it.
//! 2. P2 creates a new guard, locks it.
//! 3. P1 locks the deleted one: both would go on with "the" guard locked.

use std::ffi::OsStr;

use super::directory::Directory;
use super::judge::Claim;
use super::naming::{Names, Naming};
use crate::error::Error;
use crate::filesystem::Reach;
use crate::processes::Listed;
use crate::sys::{self, Access, Errno, FileId, FileKind, Flock, Handle, Stat};

/// The open guard.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) handle: Handle,
    pub(crate) id: FileId,
    pub(crate) stat: Stat,
}

/// What the owner may do with a guard that is created here, whatever the umask. Baton's own is nobody else's.
const OWN_MODE: u32 = 0o600;

impl Guard {
    /// Opens the guard without creating it; `None` if it does not exist.
    pub(crate) fn open(directory: &Directory, names: &Names, naming: Naming) -> Result<Option<Self>, Error> {
        let access = match naming {
            // It will be told the next token.
            Naming::Record => Access::ReadWrite,
            Naming::Flock => Access::Read,
        };
        Self::open_for(access, directory, names, naming)
    }

    /// Opens the guard to look at it only, which is possible on a read-only filesystem too.
    pub(crate) fn open_to_look(
        directory: &Directory,
        names: &Names,
        naming: Naming,
    ) -> Result<Option<Self>, Error> {
        Self::open_for(Access::Read, directory, names, naming)
    }

    fn open_for(
        access: Access,
        directory: &Directory,
        names: &Names,
        naming: Naming,
    ) -> Result<Option<Self>, Error> {
        let Some(seen) = directory.look(&names.guard)? else { return Ok(None) };
        // Before opening: a FIFO or a device would notice being opened.
        check(directory, names, naming, &seen)?;
        // Another one may just have found it under its temporary name, and ask who has it open.
        match directory.open_file(&names.guard, access) {
            Ok(handle) => Self::checked(handle, directory, names, naming).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("open the guard", &directory.path_of(&names.guard), errno)),
        }
    }

    /// Creates the guard if it is not there, and opens it. `None` if it vanished again meanwhile.
    pub(crate) fn create(
        directory: &Directory,
        names: &Names,
        naming: Naming,
    ) -> Result<Option<Self>, Error> {
        let failed = |errno| Error::io("create the guard", &directory.path_of(&names.guard), errno);
        let access = match naming {
            Naming::Record => Access::CreateNew,
            Naming::Flock => Access::CreateShared,
        };
        if directory.reach == Reach::OptedIn {
            must_exchange(directory, names)?;
        }
        let temporary = directory.temporary(&names.guard)?;
        let handle = sys::open_at(&directory.handle, &temporary, access).map_err(failed)?;
        let named = sys::stat(&handle)
            .and_then(|stat| sys::change_mode(&handle, stat.mode | OWN_MODE))
            .and_then(|()| sys::rename_noreplace(&directory.handle, &temporary, &names.guard));
        let Err(errno) = named else { return Self::checked(handle, directory, names, naming).map(Some) };
        // Only our own file has this name. It is empty: left behind it harms nobody.
        let _ = sys::unlink(&directory.handle, &temporary);
        match errno {
            // Somebody was faster, or swept our file away.
            Errno::EXIST | Errno::NOENT => Self::open(directory, names, naming),
            Errno::INVAL => Err(unsupported(directory, &names.guard, errno)),
            errno => Err(failed(errno)),
        }
    }

    fn checked(handle: Handle, directory: &Directory, names: &Names, naming: Naming) -> Result<Self, Error> {
        let stat = sys::stat(&handle)
            .map_err(|errno| Error::io("look at the guard", &directory.path_of(&names.guard), errno))?;
        check(directory, names, naming, &stat)?;
        Ok(Self { handle, id: stat.id, stat })
    }

    /// As the process table names it.
    pub(crate) fn listed(&self) -> Listed {
        Listed::of(&self.handle, &self.stat)
    }

    /// Tries to lock it. Locked already, it is locked in this way then; or, where that is refused, perhaps not at all any more.
    pub(crate) fn try_lock(&self, directory: &Directory, names: &Names, claim: Claim) -> Result<bool, Error> {
        let operation = match claim {
            Claim::Exclusive => Flock::TryExclusive,
            Claim::Shared => Flock::TryShared,
        };
        match sys::flock(&self.handle, operation) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(Error::io("lock the guard", &directory.path_of(&names.guard), errno)),
        }
    }

    /// Waits until it is locked.
    pub(crate) fn lock(&self, directory: &Directory, names: &Names, claim: Claim) -> Result<(), Error> {
        let operation = match claim {
            Claim::Exclusive => Flock::Exclusive,
            Claim::Shared => Flock::Shared,
        };
        sys::flock(&self.handle, operation)
            .map_err(|errno| Error::io("lock the guard", &directory.path_of(&names.guard), errno))
    }

    /// Gives the lock back, for every copy of the descriptor.
    pub(crate) fn unlock(&self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::flock(&self.handle, Flock::Unlock);
    }
}

/// Refuses what can't be a guard.
fn check(directory: &Directory, names: &Names, naming: Naming, stat: &Stat) -> Result<(), Error> {
    let refuse =
        |reason: String, hint| Err(Error::Unsafe { path: directory.path_of(&names.guard), reason, hint });
    match (naming, stat.kind) {
        (Naming::Record, FileKind::Regular) => {
            let me = sys::effective_user();
            if stat.owner != me {
                return refuse(
                    format!("it belongs to {}, not to {}", user(stat.owner), user(me)),
                    "a lock of default naming belongs to one user: use another path, or share one by flock naming \
                     (`--flock`)",
                );
            }
            if stat.links > 1 {
                return refuse(
                    "it has a second name (hard link)".to_owned(),
                    "choose another path for the lock",
                );
            }
            Ok(())
        }
        (Naming::Flock, FileKind::Regular | FileKind::Directory) => Ok(()),
        (_, kind) => refuse(format!("it is {}", kind.describe()), "choose another path for the lock"),
    }
}

/// Tries the exchange of two names on two files of our own, on a filesystem that nobody vouches for. Without it the first hold
/// would work, and nobody could ever take over from a dead holder.
///
/// Nobody has the two open, so that they look like what a crashed publisher leaves:
///
/// 1. P1 creates them, to exchange them.
/// 2. P2 takes over from a dead holder, and sweeps them away.
/// 3. P1's exchange finds nothing. That says nothing about the filesystem: it tries with two others.
///
/// Ends because a takeover sweeps once, and each is another holder's death.
fn must_exchange(directory: &Directory, names: &Names) -> Result<(), Error> {
    let failed = |errno| Error::io("try out the filesystem of", &directory.path_of(&names.guard), errno);
    loop {
        let two = [directory.temporary(&names.guard)?, directory.temporary(&names.guard)?];
        let created = two
            .iter()
            .try_for_each(|name| sys::open_at(&directory.handle, name, Access::CreateNew).map(drop))
            .map_err(failed);
        let tried = created.map(|()| sys::rename_exchange(&directory.handle, &two[0], &two[1]));
        for name in &two {
            // Empty, and our own: left behind they harm nobody.
            let _ = sys::unlink(&directory.handle, name);
        }
        match tried? {
            Ok(()) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(Errno::INVAL) => return Err(unsupported(directory, &names.guard, Errno::INVAL)),
            Err(errno) => return Err(failed(errno)),
        }
    }
}

fn user(id: u32) -> String {
    crate::identity::user_name(id)
}

/// The filesystem has no atomic rename of the kind that is needed.
pub(crate) fn unsupported(directory: &Directory, name: &OsStr, errno: Errno) -> Error {
    Error::Unsupported {
        path: directory.path_of(name),
        operation: "rename without replacing, or exchange two names, in one step",
        source: errno.into(),
    }
}
