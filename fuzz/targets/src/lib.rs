//! What has to hold for every input of every parser: one function per target, which panics where it does not.
//!
//! Two drive them: cargo-fuzz, guided by coverage and for as long as one likes (`cargo xtask fuzz`), and the tests of this crate, with
//! the corpus and a bounded number of its mutations, in every run of the suite.
//!
//! Records and sessions are read as they are in use, from files, so that nothing of the library is public for this alone.
#![forbid(unsafe_code)]

mod plan;
mod record;
mod redaction;
mod session;
mod url;

pub use plan::plan;
pub use record::record;
pub use redaction::redaction;
pub use session::session;
pub use url::url;

use std::cell::LazyCell;
use std::path::Path;
use tempfile::TempDir;

/// Shown to a terminal, it must not command it.
#[track_caller]
fn assert_harmless(shown: &str) {
    let harmful = |character: &char| character.is_control() && !matches!(character, '\n' | '\t');
    assert_eq!(shown.chars().find(harmful), None, "it would be shown as it is: {shown:?}");
}

/// Calls `f` with a directory of this thread's own, in memory where there is such a place.
fn with_directory<T>(f: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static DIRECTORY: LazyCell<TempDir> = LazyCell::new(|| {
            let in_memory = tempfile::Builder::new().prefix("baton-fuzz-").tempdir_in("/dev/shm");
            in_memory.or_else(|_| tempfile::tempdir()).expect("a temporary directory can be made")
        });
    }
    DIRECTORY.with(|directory| f(directory.path()))
}
