//! Waiting in a tokio runtime: in turn with everybody else, and a future that is dropped leaves nothing.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use baton_lock::{Attempt, Lock, Outcome};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn open(place: &Path) -> Lock {
    Lock::open(place.join("a.lock")).expect("a path")
}

/// One test at a time, since they look at the children of this process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nothing_is_left(place: &Path) {
    let threads = fs::read_dir("/proc/self/task").expect("readable").flatten();
    let children: String =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok()).collect();
    assert_eq!(children, "");
    let Attempt::Held(held) = open(place).try_lock().expect("no error") else { panic!("somebody has it") };
    assert_eq!(*held.outcome(), Outcome::Fresh);
    held.release().expect("released");
    let names: Vec<_> =
        fs::read_dir(place).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["a.lock.guard"]);
}

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn futures_get_the_lock_in_the_order_in_which_they_were_first_polled() {
    let _alone = alone();
    let place = tempfile::tempdir().expect("a place");
    let lock = open(place.path());
    runtime().block_on(async {
        let held = lock.lock_async().await.expect("free");
        let mut futures: Vec<_> = (0..5).map(|_| Box::pin(lock.lock_async())).collect();
        for future in &mut futures {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let queue = lock.observe().expect("seen").queue;
        assert_eq!(queue.len(), 5);
        // One in the middle gives up.
        drop(futures.remove(2));
        held.release().expect("released");
        for future in futures {
            let held = timeout(PATIENCE, future).await.expect("in time").expect("its turn");
            held.release().expect("released");
        }
    });
    nothing_is_left(place.path());
}

#[test]
fn future_that_is_dropped_never_takes_the_lock_later() {
    let _alone = alone();
    let place = tempfile::tempdir().expect("a place");
    let lock = open(place.path());
    runtime().block_on(async {
        for _ in 0..50 {
            let held = lock.lock_async().await.expect("free");
            let mut future = pin!(lock.lock_async());
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            // What it sleeps on gets the lock for it, or is about to; nobody polls it again.
            held.release().expect("released");
        }
    });
    nothing_is_left(place.path());
}

#[test]
fn futures_that_are_cancelled_under_load_leave_nothing_and_nobody_is_beside_another() {
    const TASKS: u32 = 6;
    const ROUNDS: u32 = 60;
    let _alone = alone();
    let place = tempfile::tempdir().expect("a place");
    let lock = Arc::new(open(place.path()));
    let counts = Arc::new((AtomicUsize::new(0), AtomicU32::new(0), AtomicU32::new(0)));
    runtime().block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (lock, counts) = (Arc::clone(&lock), Arc::clone(&counts));
                tokio::spawn(async move {
                    let (inside, got, cancelled) = &*counts;
                    for round in 0..ROUNDS {
                        let patience = Duration::from_millis(u64::from((round * 7 + task) % 5));
                        match timeout(patience, lock.lock_async()).await {
                            Ok(held) => {
                                let held = held.expect("no error");
                                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                                tokio::time::sleep(Duration::from_millis(1)).await;
                                inside.fetch_sub(1, Ordering::SeqCst);
                                held.release().expect("released");
                                got.fetch_add(1, Ordering::SeqCst);
                            }
                            Err(_) => _ = cancelled.fetch_add(1, Ordering::SeqCst),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            timeout(PATIENCE, task).await.expect("in time").expect("no panic");
        }
    });
    let (_, got, cancelled) = &*counts;
    let (got, cancelled) = (got.load(Ordering::SeqCst), cancelled.load(Ordering::SeqCst));
    assert!(got > 0 && cancelled > 0, "both have happened: {got} got it, {cancelled} were cancelled");
    nothing_is_left(place.path());
}
