//! What one who acquires a lock may find: every case in which it takes another way through the protocol.

use crate::handwritten::{self, NO_PROCESS, put_record};
use crate::puppet::{self, Puppet};
use baton_lock::{Lock, Naming};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the last one has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: nobody was ever there.
    Nothing,
    /// What a clean release leaves.
    Released,
    /// What a killed holder of Baton's leaves.
    Dead,
    /// What a killed client of the ancestor's leaves.
    DeadAncestor,
}

/// A case to go through.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// Which naming.
    pub naming: Naming,
    /// What the last one has left.
    pub left: Left,
}

/// All of them.
pub const SCENES: [Scene; 7] = [
    Scene { naming: Naming::Record, left: Left::Nothing },
    Scene { naming: Naming::Record, left: Left::Released },
    Scene { naming: Naming::Record, left: Left::Dead },
    Scene { naming: Naming::Record, left: Left::DeadAncestor },
    Scene { naming: Naming::Flock, left: Left::Nothing },
    Scene { naming: Naming::Flock, left: Left::Released },
    Scene { naming: Naming::Flock, left: Left::Dead },
];

impl Scene {
    /// Sets it at a path where nothing is yet; gives back the pid of the dead, if there is one.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn set(self, path: &Path) -> Option<u32> {
        match self.left {
            Left::Nothing => None,
            Left::Released => {
                self.holding(path).0.tell("release");
                None
            }
            Left::Dead => {
                let (holder, _) = self.holding(path);
                let pid = holder.pid();
                holder.kill();
                Some(pid)
            }
            Left::DeadAncestor => {
                put_record(path, &handwritten::ancestors(NO_PROCESS));
                Some(NO_PROCESS)
            }
        }
    }

    /// A puppet that holds in this naming, with what it said when it got the lock.
    ///
    /// # Panics
    ///
    /// When it does not get it.
    pub fn holding(self, path: &Path) -> (Puppet, Value) {
        Puppet::holding(self.client(), path)
    }

    /// The command of a puppet that contends in this naming.
    pub fn puppet(self, path: &Path) -> Command {
        puppet::command(self.client(), path)
    }

    /// The lock at a path, in this naming.
    ///
    /// # Panics
    ///
    /// When that is no path of a lock.
    #[track_caller]
    pub fn lock(self, path: &Path) -> Lock {
        Lock::options().naming(self.naming).open(path).expect("a path")
    }

    fn client(self) -> &'static str {
        match self.naming {
            Naming::Flock => "flock-naming",
            _ => "baton",
        }
    }

    /// The guard of the lock at a path.
    pub fn guard(self, path: &Path) -> PathBuf {
        match self.naming {
            Naming::Flock => path.to_owned(),
            _ => beside(path, ".guard"),
        }
    }

    /// The record of the lock at a path.
    pub fn record(self, path: &Path) -> PathBuf {
        match self.naming {
            Naming::Flock => beside(path, ".holder"),
            _ => path.to_owned(),
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}
