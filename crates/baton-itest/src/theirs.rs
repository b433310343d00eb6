//! A directory of a user whom permissions stop: root is not stopped by any, so that for root it is another user's.

use crate::places::temporary;
use crate::puppet::{self, Puppet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// `nobody` on most systems; any user that is not the one who runs the tests will do.
const STRANGER: u32 = 65_534;

/// Such a directory; removed with the value.
#[derive(Debug)]
pub struct Theirs {
    _place: TempDir,
    directory: PathBuf,
    user: Option<u32>,
}

impl Theirs {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When there is no room for it.
    pub fn new() -> Self {
        let place = temporary();
        let directory = place.path().join("theirs");
        fs::create_dir(&directory).expect("made");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("set");
        let user = rustix::process::geteuid().is_root().then_some(STRANGER);
        chown(&directory, user, user).expect("given away");
        Self { _place: place, directory, user }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A lock in it.
    pub fn path(&self) -> PathBuf {
        self.directory.join("a.lock")
    }

    /// Starts a puppet that runs as that user and contends for the lock in it.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub fn puppet(&self, client: &str, options: &[&str]) -> Puppet {
        let mut command: Command = puppet::command(client, &self.path());
        command.args(options);
        if let Some(user) = self.user {
            command.args(["--uid", &user.to_string()]);
        }
        Puppet::start(command)
    }
}

impl Default for Theirs {
    fn default() -> Self {
        Self::new()
    }
}
