//! What can be told of a file or directory from outside, so that a test can say that it was left untouched.
//!
//! A [`Footprint`] is what is there: content, inode, mode, times, links. A [`Watch`] is what was done: the kernel notes every
//! open, read, write and rename of a file, also one that changed nothing; looking at it by `stat` is not noted.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as it is found, links not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    inode: (u64, u64),
    mode: u32,
    owner: (u32, u32),
    links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>),
    Target(PathBuf),
    Opaque,
}

impl Footprint {
    /// Looks at a file, and reads it if it is a regular one.
    ///
    /// # Panics
    ///
    /// When there is none, or it can't be read.
    #[track_caller]
    pub fn of(path: &Path) -> Self {
        let seen = fs::symlink_metadata(path).expect("it is there");
        let content = match seen.file_type() {
            kind if kind.is_file() => Content::Bytes(fs::read(path).expect("readable")),
            kind if kind.is_symlink() => Content::Target(fs::read_link(path).expect("readable")),
            _ => Content::Opaque,
        };
        Self {
            inode: (seen.dev(), seen.ino()),
            mode: seen.mode(),
            owner: (seen.uid(), seen.gid()),
            links: seen.nlink(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
            content,
        }
    }
}

impl Footprint {
    /// Is it the same file, whatever became of its name and times? Only meaningful while one of the two is kept.
    #[must_use]
    pub fn is_same_file_as(&self, other: &Self) -> bool {
        self.inode == other.inode && self.content == other.content
    }
}

/// Looks at everything in a directory.
///
/// # Panics
///
/// When it can't be read.
#[track_caller]
pub fn all_in(directory: &Path) -> BTreeMap<OsString, Footprint> {
    let entries = fs::read_dir(directory).expect("readable");
    entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name(), Footprint::of(&entry.path())))
        .collect()
}

/// The names in a directory, sorted.
///
/// # Panics
///
/// When it can't be read, or a name is not text.
#[track_caller]
pub fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// The kernel's notes of what is done with a file, or with a directory and the files in it.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Notes everything from now on.
    ///
    /// # Panics
    ///
    /// When there is no such file, or the system has no watch to spare.
    #[track_caller]
    pub fn of(path: &Path) -> Self {
        Self::for_events(path, WatchFlags::ALL_EVENTS)
    }

    /// Notes from now on what changes something: content, attributes, names.
    ///
    /// # Panics
    ///
    /// When there is no such file, or the system has no watch to spare.
    #[track_caller]
    pub fn of_changes(path: &Path) -> Self {
        // A file that could have been written is noted at its closing, written or not; a write is noted by itself.
        let closing = WatchFlags::CLOSE_NOWRITE | WatchFlags::CLOSE_WRITE;
        let reading = WatchFlags::OPEN | WatchFlags::ACCESS | closing;
        Self::for_events(path, WatchFlags::ALL_EVENTS.difference(reading))
    }

    #[track_caller]
    fn for_events(path: &Path, events: WatchFlags) -> Self {
        let notes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("a watch to spare");
        inotify::add_watch(&notes, path, events | WatchFlags::DONT_FOLLOW).expect("the file is there");
        Self(notes)
    }

    /// What was noted since it was asked last.
    ///
    /// # Panics
    ///
    /// When the notes can't be read.
    pub fn noted(&self) -> Vec<ReadFlags> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut noted = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => noted.push(event.events()),
                Err(Errno::AGAIN) => return noted,
                Err(error) => panic!("the notes can't be read: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::temporary;

    #[test]
    fn a_file_that_was_read_is_the_same_and_was_noted() {
        let place = temporary();
        let path = place.path().join("file");
        fs::write(&path, "content").expect("written");
        let (before, watch) = (Footprint::of(&path), Watch::of(&path));
        fs::metadata(&path).expect("there");
        assert!(watch.noted().is_empty(), "`stat` is not noted");
        assert_eq!(Footprint::of(&path), before);
        assert!(watch.noted().contains(&ReadFlags::OPEN));
    }

    #[test]
    fn a_file_that_was_rewritten_with_the_same_content_is_another() {
        let place = temporary();
        let path = place.path().join("file");
        fs::write(&path, "content").expect("written");
        let (before, watch) = (Footprint::of(&path), Watch::of_changes(place.path()));
        fs::rename(&path, place.path().join("away")).expect("renamed");
        fs::write(&path, "content").expect("written");
        assert_ne!(Footprint::of(&path), before);
        assert!(!watch.noted().is_empty());
    }
}
