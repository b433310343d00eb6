//! Where: the filesystems.

use crate::places;
use std::fmt;
use std::path::Path;

/// A filesystem to contend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// In an image.
    Ext4,
    /// In memory.
    Tmpfs,
    /// Over tmpfs.
    Overlayfs,
    /// In an image.
    Xfs,
    /// In an image.
    Btrfs,
    /// Served by `fuse-overlayfs` over tmpfs; Baton has to be told to accept it.
    Fuse,
}

impl Ground {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Ext4, Self::Tmpfs, Self::Overlayfs, Self::Xfs, Self::Btrfs, Self::Fuse];

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ground| ground.to_string() == name)
    }

    /// The name by which a filesystem that is not known to be local is accepted.
    pub fn to_be_allowed(self) -> Option<&'static str> {
        (self == Self::Fuse).then_some("fuse")
    }

    /// Runs `f` in an empty directory there.
    ///
    /// # Errors
    ///
    /// The reason why there is none, such as the lack of privileges. `f` did not run then.
    ///
    /// # Panics
    ///
    /// When `f` does.
    pub fn run<T: Send>(self, f: impl FnOnce(&Path) -> T + Send) -> Result<T, String> {
        match self {
            Self::Ext4 => places::on_loop_image("ext4", f),
            Self::Tmpfs => places::on_mounted("tmpfs", "size=64m,mode=0755", f),
            Self::Overlayfs => places::on_overlay(f),
            Self::Xfs => places::on_loop_image("xfs", f),
            Self::Btrfs => places::on_loop_image("btrfs", f),
            Self::Fuse => places::on_fuse(f),
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ext4 => "ext4",
            Self::Tmpfs => "tmpfs",
            Self::Overlayfs => "overlayfs",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::Fuse => "fuse",
        })
    }
}
