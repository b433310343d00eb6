//! Lock files written by hand, as other clients, crashes and strangers leave them.
//!
//! Every file is put in its place whole, by a temporary name and a rename: with an unlink and a create the new file could get
//! the old one's inode number, and a test that asks whether it is another one would pass for the wrong reason.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// No process has this id: it is above the largest that the kernel hands out.
pub const NO_PROCESS: u32 = 0x7fff_fff0;

/// Longer than an incomplete record is left alone, which is 30 s.
pub const LONG_AGO: Duration = Duration::from_secs(31);

/// A record as the ancestor's clients write it, from just now.
pub fn ancestors(pid: u32) -> Value {
    json!({ "pid": pid, "startedAt": ago(Duration::ZERO), "command": "onboard --resume" })
}

/// Adds members to a record, or replaces them.
///
/// # Panics
///
/// When one of the two is no object.
#[must_use]
pub fn with(mut record: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("members are an object") };
    record.as_object_mut().expect("a record is an object").extend(members);
    record
}

/// The time `age` ago, as records have it.
///
/// # Panics
///
/// When that is before the calendar begins.
pub fn ago(age: Duration) -> String {
    let age = SignedDuration::try_from(age).expect("a length of time");
    format!("{:.3}", Timestamp::now().checked_sub(age).expect("in the calendar"))
}

/// Puts a file in its place, whole.
///
/// # Panics
///
/// When it can't be written.
#[track_caller]
pub fn put(path: &Path, content: impl AsRef<[u8]>) {
    let name = path.file_name().expect("a file's path").to_string_lossy();
    let temporary = path.with_file_name(format!("{name}.handwritten"));
    fs::write(&temporary, content).expect("written");
    fs::rename(&temporary, path).expect("put in its place");
}

/// Puts a record in its place, in the shape in which the ancestor's clients write it.
///
/// # Panics
///
/// When it can't be written.
#[track_caller]
pub fn put_record(path: &Path, record: &Value) {
    put(path, format!("{record:#}"));
}

/// Makes a file's time stamp so old that nobody can be writing it any more.
///
/// # Panics
///
/// When there is no such file.
#[track_caller]
pub fn make_old(path: &Path) {
    set_modified(path, SystemTime::now() - LONG_AGO);
}

/// Sets a file's time stamp.
///
/// # Panics
///
/// When there is no such file.
#[track_caller]
pub fn set_modified(path: &Path, time: SystemTime) {
    File::open(path).and_then(|file| file.set_modified(time)).expect("set");
}
