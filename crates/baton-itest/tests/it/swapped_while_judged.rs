//! A stale lock file that is replaced by a living one while Baton judges it: the living one is never destroyed.
//!
//! History: the ancestor looked at the inode number before it removed a stale file (1281). Between the look and the removal
//! another one could still come in, and where a freed number is given to the next new file the look said nothing at all. So the
//! swap here is a rename of a file that was there before, on filesystems of both kinds, and its moment is the worst:
//! while an ancestor's record is judged Baton has it locked with `flock`, which `/proc/locks` shows.

use baton_itest::answers::{must_be_busy, must_hold};
use baton_itest::footprint::names_in;
use baton_itest::handwritten::{self, NO_PROCESS, put_record};
use baton_itest::kernel_locks::{inode, is_flocked};
use baton_itest::places::{on_overlay, temporary, tmpfs};
use baton_itest::skip::skip;
use baton_lock::{AncestorState, Attempt, Integrity, Lock, State};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// At least.
const ROUNDS: usize = 100;
/// The moment is short, and to see it takes longer the more locks the kernel has to list: so it is tried until it came, this often at most.
const MOST_ROUNDS: usize = 10_000;

/// Renames the living record over the stale one as soon as that is being judged; says whether it came to that.
fn swap_when_judged(living: &Path, path: &Path, stale: u64, is_over: &AtomicBool) -> bool {
    while !is_over.load(Ordering::Acquire) {
        if is_flocked(stale) {
            fs::rename(living, path).expect("swapped");
            return true;
        }
    }
    false
}

/// One round; says whether Baton found the living one after it had judged the stale one.
fn round(directory: &Path) -> bool {
    let (path, living) = (directory.join("a.lock"), directory.join("living"));
    let lock = Lock::open(&path).expect("a path");
    put_record(&path, &handwritten::ancestors(NO_PROCESS));
    put_record(&living, &handwritten::ancestors(std::process::id()));
    let (stale, new) = (inode(&path), inode(&living));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let swapper = scope.spawn(|| swap_when_judged(&living, &path, stale, &is_over));
        let attempt = lock.try_lock();
        is_over.store(true, Ordering::Release);
        let is_swapped = swapper.join().expect("it ends");
        assert_eq!(inode(if is_swapped { &path } else { &living }), new, "the living record was destroyed");
        match attempt.expect("no error") {
            Attempt::Held(held) => {
                // The swap came after the publication, if it came: that is told, and the other's file is left alone.
                let is_damaged = matches!(held.verify(), Ok(Integrity::Damaged(_)));
                assert_eq!(is_damaged, is_swapped);
                held.release().expect("released");
                assert_eq!(path.exists(), is_swapped);
                false
            }
            Attempt::Busy(holder) => {
                assert_eq!(holder.state, State::Ancestor(AncestorState::Alive), "{}", holder.reason());
                assert!(is_swapped);
                true
            }
        }
    })
}

fn living_one_survives(directory: &Path) {
    let mut has_come = false;
    for done in 1..=MOST_ROUNDS {
        has_come |= round(directory);
        if has_come && done >= ROUNDS {
            break;
        }
    }
    assert!(has_come, "no swap came between judgement and publication, so that this has shown nothing");
    let names = names_in(directory);
    assert!(names.iter().all(|name| ["a.lock", "a.lock.guard", "living"].contains(&&**name)), "{names:?}");
}

#[test]
fn living_record_that_replaces_a_judged_one_survives_on_the_default_filesystem() {
    living_one_survives(temporary().path());
}

#[test]
fn living_record_that_replaces_a_judged_one_survives_on_tmpfs() {
    match tmpfs() {
        Ok(place) => living_one_survives(place.path()),
        Err(reason) => skip(&reason),
    }
}

#[test]
fn living_record_that_replaces_a_judged_one_survives_on_overlayfs() {
    on_overlay(living_one_survives).unwrap_or_else(|reason| skip(&reason));
}

/// The same with the next new file, which may get the inode number of the one that was just removed.
#[test]
fn inode_number_that_is_used_again_is_not_taken_for_the_file_that_had_it() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    for _ in 0..50 {
        let held = must_hold(&lock);
        let own = inode(&path);
        fs::remove_file(&path).expect("removed");
        put_record(&path, &handwritten::ancestors(std::process::id()));
        assert_ne!(inode(&path), own, "a file that is kept open keeps its number");
        assert!(matches!(held.verify(), Ok(Integrity::Damaged(_))));
        held.release().expect("released");
        assert_eq!(must_be_busy(&lock).state, State::Ancestor(AncestorState::Alive), "it was left alone");
        fs::remove_file(&path).expect("removed");
    }
}
