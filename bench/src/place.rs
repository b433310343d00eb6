//! Where it is measured.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory on one filesystem.
#[derive(Debug)]
pub struct Place {
    /// Its name.
    pub filesystem: String,
    path: PathBuf,
}

impl Place {
    /// The filesystems that are there: that of temporary files, and tmpfs.
    pub fn all() -> Vec<Self> {
        let candidates = [std::env::temp_dir(), PathBuf::from("/dev/shm")];
        let mut places: Vec<_> = candidates.iter().filter_map(|path| Self::at(path)).collect();
        places.dedup_by(|one, other| one.filesystem == other.filesystem);
        places
    }

    /// The one of this directory.
    pub fn at(path: &Path) -> Option<Self> {
        let filesystem = match rustix::fs::statfs(path).ok()?.f_type {
            0xef53 => "ext4".to_owned(),
            0x0102_1994 => "tmpfs".to_owned(),
            0x794c_7630 => "overlayfs".to_owned(),
            0x5846_5342 => "xfs".to_owned(),
            0x9123_683e => "btrfs".to_owned(),
            other => format!("{other:#x}"),
        };
        Some(Self { filesystem, path: path.to_owned() })
    }

    /// A new directory there, which goes with the value.
    ///
    /// # Errors
    ///
    /// If it can't be made.
    pub fn directory(&self) -> io::Result<TempDir> {
        TempDir::with_prefix_in("baton-bench-", &self.path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
