//! A wait that is given up, by another thread or by its deadline, leaves nothing: no lock taken later, no child, no thread, no file.
//!
//! One test at a time looks at the children of this process, so that they are one.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use baton_lock::{Attempt, Cancel, Lock};

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}

/// The children of all threads, those included that announce their end to nobody.
fn children() -> String {
    let threads = fs::read_dir("/proc/self/task").expect("readable").flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        thread::yield_now();
    }
}

fn given_up_by_another_thread(path: &Path) {
    let lock = Lock::open(path).expect("a path");
    let held = lock.lock().expect("free");
    let cancel = Cancel::new().expect("a descriptor");
    thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..8).map(|_| scope.spawn(|| lock.lock_cancellable(None, &cancel).expect("no error"))).collect();
        until("all eight wait", || lock.observe().expect("seen").queue.len() == 8);
        until("each by a child", || children().split_ascii_whitespace().count() == 8);
        let of_others = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
        assert_eq!(of_others.expect_err("none that is anybody's business"), rustix::io::Errno::CHILD);
        cancel.cancel();
        for waiter in waiters {
            let answer = waiter.join().expect("no panic");
            assert!(matches!(answer, Attempt::Busy(_)), "{answer:?}");
        }
    });
    assert_eq!(children(), "");
    assert!(matches!(lock.lock_cancellable(None, &cancel), Ok(Attempt::Busy(_))), "it has been given up");
    held.release().expect("released");
    let Ok(Attempt::Held(held)) = lock.lock_cancellable(None, &cancel) else { panic!("free is free") };
    held.release().expect("released");
}

/// Waits that are given up at any moment, that of getting the lock included, while others get it and give it back.
fn given_up_under_load(path: &Path) {
    const WORKERS: u32 = 6;
    const ROUNDS: u32 = 60;
    let (inside, got, given_up) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (inside, got, given_up) = (&inside, &got, &given_up);
            scope.spawn(move || {
                let lock = Lock::open(path).expect("a path");
                for round in 0..ROUNDS {
                    // From no time at all to more than a turn of all of them takes.
                    let patience = Duration::from_micros(u64::from((round * 7 + worker) % 40) * 100);
                    match lock.lock_until(Instant::now() + patience).expect("no error") {
                        Attempt::Held(held) => {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            held.release().expect("released");
                            got.fetch_add(1, Ordering::SeqCst);
                        }
                        Attempt::Busy(_) => _ = given_up.fetch_add(1, Ordering::SeqCst),
                    }
                }
            });
        }
    });
    let (got, given_up) = (got.into_inner(), given_up.into_inner());
    assert!(got > 0 && given_up > 0, "both have happened: {got} got it, {given_up} gave up");
}

#[test]
fn wait_that_is_given_up_leaves_nothing() {
    let place = tempfile::tempdir().expect("a place");
    let path = place.path().join("a.lock");
    let threads = || fs::read_dir("/proc/self/task").expect("readable").count();
    let before = threads();
    given_up_by_another_thread(&path);
    given_up_under_load(&path);
    assert_eq!(children(), "");
    until("no thread is left", || threads() == before);
    let lock = Lock::open(&path).expect("a path");
    let Attempt::Held(held) = lock.try_lock().expect("no error") else { panic!("somebody has it") };
    assert_eq!(*held.outcome(), baton_lock::Outcome::Fresh);
    held.release().expect("released");
    assert_eq!(names(place.path()), ["a.lock.guard"]);
}
