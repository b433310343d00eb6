//! What a fork does to a lock: a child that was forked while it is held has copies of both descriptors, and neither ends the hold
//! nor prolongs it.
//!
//! History: both kernel locks belong to open file descriptions, which parent and child share. Unlocking in the child, as a destructor
//! does that does not know where it runs, ends the parent's hold; closing in the parent, without unlocking, leaves the lock with
//! the child.
//!
//! `fork` has no safe form. The children here do nothing but end what they have a copy of, wait, and leave without a word to the
//! test runner.

#![expect(unsafe_code, reason = "`fork` and `_exit` have no safe form; see the blocks")]

use baton_lock::{Attempt, Held, Integrity, Lock, Naming, Outcome};
use rustix::process::{Pid, WaitOptions};
use std::io::{Read, pipe};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// A forked process that runs `body`, and tells by its exit code whether that came to its end.
struct Forked(Pid);

impl Forked {
    fn running(body: impl FnOnce()) -> Self {
        // SAFETY: the child has this thread alone. What it does takes no lock that another thread can have left locked: the
        // library's are taken by one test at a time, and the allocator's is handed over in order by the C library.
        match unsafe { libc::fork() } {
            0 => {
                let has_failed = catch_unwind(AssertUnwindSafe(body)).is_err();
                // SAFETY: ends the process at once; nothing of the test runner runs in it.
                unsafe { libc::_exit(i32::from(has_failed)) }
            }
            pid => Self(Pid::from_raw(pid).expect("forked")),
        }
    }

    fn ended(self) {
        let ended = rustix::process::waitpid(Some(self.0), WaitOptions::empty()).expect("waited");
        let (_, status) = ended.expect("it has ended");
        assert_eq!(status.exit_status(), Some(0));
    }
}

fn each_naming(test: impl Fn(&Lock)) {
    /// One test at a time: a mutex of the library that another one has locked just then would stay locked in a child.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for naming in [Naming::Record, Naming::Flock] {
        let place = tempfile::tempdir().expect("a directory");
        test(&Lock::options().naming(naming).open(place.path().join("a.lock")).expect("a path"));
    }
}

#[track_caller]
fn must_be_fresh(lock: &Lock) -> Held {
    let Attempt::Held(held) = lock.try_lock().expect("no error") else { panic!("busy") };
    assert_eq!(*held.outcome(), Outcome::Fresh);
    held
}

#[track_caller]
fn assert_is_held(lock: &Lock, held: &Held) {
    assert!(matches!(lock.try_lock(), Ok(Attempt::Busy(_))), "another one got it");
    assert_eq!(held.verify().expect("told"), Integrity::Intact);
}

#[test]
fn holder_that_is_dropped_or_ended_in_a_forked_child_stays_its_parents() {
    let ends: [fn(Held); 4] =
        [drop, |held| held.release().expect("nothing to fail"), Held::abandon, Held::undo];
    for end in ends {
        each_naming(|lock| {
            let mut held = Some(must_be_fresh(lock));
            // What is taken is the child's copy.
            Forked::running(|| end(held.take().expect("forked with it"))).ended();
            let held = held.expect("still here");
            assert_is_held(lock, &held);
            held.release().expect("released");
            must_be_fresh(lock).release().expect("released");
        });
    }
}

#[test]
fn release_in_the_parent_counts_for_a_forked_child_that_lives_on() {
    let ends: [fn(Held); 2] = [drop, |held| held.release().expect("released")];
    for end in ends {
        each_naming(|lock| {
            let held = must_be_fresh(lock);
            let (mut leash, far_end) = pipe().expect("a pipe");
            let mut far_end = Some(far_end);
            let child = Forked::running(|| {
                drop(far_end.take());
                // Until the parent closes its copy; what it reads is nothing.
                assert_eq!(leash.read(&mut [0]).expect("read"), 0);
            });
            end(held);
            must_be_fresh(lock).release().expect("the child has copies of both descriptors, and no lock");
            drop(far_end);
            child.ended();
        });
    }
}

#[test]
fn end_of_a_forked_child_ends_nothing_of_its_parents() {
    each_naming(|lock| {
        let held = must_be_fresh(lock);
        Forked::running(|| {}).ended();
        assert_is_held(lock, &held);
        held.release().expect("released");
    });
}

#[test]
fn lock_that_a_forked_child_acquires_is_its_own_and_recovered_after_it() {
    each_naming(|lock| {
        let child = Forked::running(|| std::mem::forget(must_be_fresh(lock)));
        let pid = u32::try_from(child.0.as_raw_pid()).expect("positive");
        child.ended();
        let Attempt::Held(held) = lock.try_lock().expect("no error") else { panic!("busy") };
        let Outcome::Recovered(Some(previous)) = held.outcome() else { panic!("{:?}", held.outcome()) };
        assert_eq!(previous.pid, pid, "the record names the child, not the process that it was forked from");
        held.release().expect("released");
    });
}
