//! A held lock found busy, and its holder read.

use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::pread;

use super::calls::{Bytes, Names, OPEN, READ, ask, look};

/// What makes the calls; gives back how much there is of the holder's record.
pub(crate) fn find_busy(path: &Path) -> impl FnMut() -> io::Result<usize> + use<> {
    let names = Names::of(path);
    move || {
        let directory = names.open_directory()?;
        look(&directory, &names.record)?;
        let record = openat(&directory, &names.record, OPEN | OFlags::RDONLY, Mode::empty())?;
        ask(&record, Bytes::Holder)?;
        Ok(pread(&record, &mut [0; READ], 0)?)
    }
}
