//! The history of a job: what happened in each of its attempts, in order.
//!
//! The session says how each step stands; the history says how it came there: every try, every failure, every runner that
//! fell. It is for people and reports. Nothing decides by it, so that it may lack lines, be cut off or be deleted, and the job
//! runs on all the same.
//!
//! It is `history/NAME.jsonl` in the state directory: one JSON object a line, [`Entry`], the same that `baton apply --json`
//! prints. An attempt without an `attempt_ended` that is followed by another one crashed.
//!
//! | question | module |
//! |---|---|
//! | what a line says | `entry` |
//! | writing it, under the job's lock | `journal` |
//! | reading it, whatever became of the file | `read` |

mod entry;
mod journal;
mod read;

pub use entry::{Ended, Entry, Event, FailureCause, How};
pub use journal::{Journal, MAX_SIZE};
pub use read::{History, ReadError};

use std::path::{Path, PathBuf};

/// The directory of histories in a state directory.
fn directory(state: &Path) -> PathBuf {
    state.join("history")
}

/// The file of a job's history; `rotated` is the older part.
fn file_name(name: &str, rotated: bool) -> String {
    format!("{name}.jsonl{}", if rotated { ".1" } else { "" })
}
