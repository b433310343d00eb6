//! A FIFO by which a test keeps a process that it did not start, such as a daemon that a job leaves behind, and lets it end.
//!
//! The test has both ends open: nobody blocks in opening it, and whoever reads from it ends with the value at the latest.

use crate::stream::Stream;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A FIFO.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    ends: File,
}

impl Fifo {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    #[track_caller]
    pub fn new(path: PathBuf) -> Self {
        let made = Command::new("mkfifo").arg(&path).status().expect("`mkfifo` starts");
        assert!(made.success(), "{made}");
        let ends = File::options().read(true).write(true).open(&path).expect("opened");
        Self { path, ends }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets one reader go on that waits for a line.
    ///
    /// # Panics
    ///
    /// When it can't be written to.
    #[track_caller]
    pub fn let_go(&mut self) {
        self.ends.write_all(b"\n").expect("written");
    }

    /// What others write to it.
    ///
    /// # Panics
    ///
    /// When it can't be read.
    #[track_caller]
    pub fn written(&self) -> Stream {
        Stream::new(self.ends.try_clone().expect("a descriptor to spare"))
    }
}
