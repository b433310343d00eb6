//! Who has a file locked with `flock`, or bytes of it, and who waits for that, as `/proc/locks` shows it, disturbing nobody.
//!
//! A process that is blocked in a lock can't say so itself. So that a test acts only once it is blocked, it looks here
//! until the kernel lists it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Far more than any process needs to come to its system call; for a test that would hang otherwise.
const LIMIT: Duration = Duration::from_secs(30);

/// The inode number that a path has, links not followed.
///
/// # Panics
///
/// When there is no such file.
#[track_caller]
pub fn inode(path: &Path) -> u64 {
    fs::symlink_metadata(path).expect("there").ino()
}

/// Has anybody a file with this inode number locked with `flock`?
pub fn is_flocked(inode: u64) -> bool {
    count(inode, |line| line.contains(" FLOCK ") && !line.contains(" -> ")) > 0
}

/// Waits until exactly that many wait for a lock on the file with this inode number.
///
/// # Panics
///
/// When it does not come to that.
#[track_caller]
pub fn until_waiting(inode: u64, waiters: usize) {
    until_waiting_or(inode, waiters, || false);
}

/// The same, or until it can't come to that any more.
///
/// # Panics
///
/// When it comes to neither.
#[track_caller]
pub fn until_waiting_or(inode: u64, waiters: usize, is_over: impl Fn() -> bool) {
    let limit = Instant::now() + LIMIT;
    while count(inode, |line| line.contains(" -> FLOCK ")) != waiters && !is_over() {
        assert!(Instant::now() < limit, "there are not {waiters} that wait for inode {inode}");
        thread::yield_now();
    }
}

/// Waits until somebody waits for bytes of the file with this inode number.
///
/// # Panics
///
/// When it does not come to that.
#[track_caller]
pub fn until_bytes_are_waited_for(inode: u64) {
    let limit = Instant::now() + LIMIT;
    while count(inode, |line| line.contains(" -> OFDLCK ")) == 0 {
        assert!(Instant::now() < limit, "nobody waits for bytes of inode {inode}");
        thread::yield_now();
    }
}

/// Has somebody bytes 2 and 3 of the file with this inode number locked? The kernel lists one lock on both.
pub fn are_both_bytes_locked(inode: u64) -> bool {
    count(inode, |line| line.contains(" OFDLCK ") && line.contains(" WRITE ") && line.ends_with(" 2 3")) > 0
}

/// Counts lines such as `1: FLOCK  ADVISORY  WRITE 4127 08:01:131117 0 EOF`; those of who waits have an arrow.
fn count(inode: u64, is_meant: impl Fn(&str) -> bool) -> usize {
    let locks = fs::read_to_string("/proc/locks").expect("readable");
    let place = format!(":{inode} ");
    locks.lines().filter(|line| line.contains(&place) && is_meant(line)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::temporary;
    use std::fs::File;

    #[test]
    fn holder_and_waiter_of_a_lock_are_told_apart() {
        let place = temporary();
        let path = place.path().join("file");
        let [first, second] = [(); 2].map(|()| File::create(&path).expect("opened"));
        let inode = inode(&path);
        assert!(!is_flocked(inode));
        first.lock().expect("locked");
        assert!(is_flocked(inode));
        until_waiting(inode, 0);
        thread::scope(|scope| {
            scope.spawn(|| second.lock().expect("locked"));
            until_waiting(inode, 1);
            first.unlock().expect("unlocked");
        });
        until_waiting(inode, 0);
    }
}
