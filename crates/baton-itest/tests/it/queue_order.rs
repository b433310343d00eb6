//! I8: nobody who runs is passed, also where others before him are stopped, and the lock is free for seconds.
//!
//! Each of the first tests is one of the races that `docs/protocol.md` lists at the end of "Wait". The last one throws dice.

use baton_itest::kernel_locks::{are_both_bytes_locked, inode, until_bytes_are_waited_for, until_waiting};
use baton_itest::places::temporary;
use baton_itest::puppet::{Puppet, first_to_answer_within};
use baton_itest::scene::{Left, Scene};
use baton_itest::stream::PATIENCE;
use baton_lock::{Attempt, Lock, Naming};
use rustix::event::Timespec;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const SCENE: Scene = Scene { naming: Naming::Record, left: Left::Nothing };

/// A deadline that no test reaches.
const LATER: &str = "lock-until 60000";

/// How much of the second that those before are given may be over when all is prepared. A machine that was slower has tested nothing: then
/// it is done again.
const IN_TIME: Duration = Duration::from_millis(500);
const ROUNDS: u32 = 10;

/// Longer than it takes to pass two that are stopped.
const ALL_PASSED: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };
/// For a test that would hang otherwise.
const FOR_EVER: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

fn ticket(path: &Path, number: u64) -> PathBuf {
    path.with_extension("lock.queue").join(format!("{number:016}"))
}

#[track_caller]
fn must_get_it(puppet: &mut Puppet, what: &str) {
    let answer = puppet.answer().expect("it lives");
    assert!(answer["held"].is_object(), "{what}: {answer}");
}

#[track_caller]
fn await_true(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        thread::yield_now();
    }
}

/// Repeats what comes to nothing where the machine is too slow.
#[track_caller]
fn in_time(round: impl Fn() -> bool) {
    assert!((0..ROUNDS).any(|_| round()), "the machine is too slow for this test");
}

/// A lock that is free, and a waiter for it that is stopped, with ticket 1.
fn free_behind_a_stopped_one(path: &Path) -> Puppet {
    let (holder, _) = Puppet::holding("baton", path);
    let (stopped, _) = Puppet::waiting("baton", path, "lock");
    stopped.stop();
    holder.kill();
    stopped
}

/// The newcomer has given a second to the one that is stopped when a waiter comes that runs. It passed both.
#[test]
fn waiter_that_comes_in_the_second_of_a_newcomer_is_not_passed_with_one_that_is_stopped() {
    in_time(|| {
        let place = temporary();
        let path = place.path().join("a.lock");
        let _stopped = free_behind_a_stopped_one(&path);
        let lock = SCENE.lock(&path);
        thread::scope(|scope| {
            let newcomer = scope.spawn(|| matches!(lock.try_lock().expect("no error"), Attempt::Held(_)));
            until_bytes_are_waited_for(inode(&ticket(&path, 1)));
            let start = Instant::now();
            let (mut waiter, _) = Puppet::waiting("baton", &path, "lock");
            let is_in_time = start.elapsed() < IN_TIME;
            let is_held = newcomer.join().expect("no panic");
            if is_in_time {
                assert!(!is_held, "the newcomer has passed one that runs");
                must_get_it(&mut waiter, "after the one that is stopped");
            }
            is_in_time
        })
    });
}

/// Both come while the lock is free, find one before them that is stopped, and only then take their tickets. The second one gave the first
/// one no more time than the first one gives to the one that is stopped, and passed both if it was the first to wake.
#[test]
fn ticket_of_one_that_lets_others_come_first_says_so_from_its_birth_to_its_end() {
    in_time(|| {
        let place = temporary();
        let path = place.path().join("a.lock");
        let mut stopped = free_behind_a_stopped_one(&path);
        let start = Instant::now();
        let mut line: Vec<Puppet> =
            ["lock", LATER].map(|order| Puppet::waiting("baton", &path, order).0).into();
        if start.elapsed() > IN_TIME {
            return false;
        }
        let tickets = [2, 3].map(|number| inode(&ticket(&path, number)));
        assert_eq!(tickets.map(are_both_bytes_locked), [true, true], "when they are born");
        // Somebody holds, and they are in the kernel's queue again.
        stopped.resume();
        let all: Vec<&Puppet> = std::iter::once(&stopped).chain(&line).collect();
        if first_to_answer_within(&all, FOR_EVER) != Some(0) {
            return false;
        }
        must_get_it(&mut stopped, "it goes on");
        until_waiting(inode(&path.with_extension("lock.guard")), 2);
        assert_eq!(tickets.map(are_both_bytes_locked), [true, true], "while another holds");
        stopped.tell("release");
        for (number, next) in line.iter_mut().enumerate() {
            must_get_it(next, &format!("waiter {number}"));
            next.tell("release");
        }
        true
    });
}

/// W2 is stopped, W3 gives it a second. In that second V holds, which was passed before, and does not wait for anybody. Had W2 run, it would
/// have had no chance until V released: W3 may not pass it when the second is over, but begins another. Its ticket says so to those
/// behind it, each time.
#[test]
fn second_in_which_somebody_held_begins_anew() {
    in_time(|| {
        let place = temporary();
        let path = place.path().join("a.lock");
        let mut passed = free_behind_a_stopped_one(&path);
        let lock = SCENE.lock(&path);
        passes(&lock);
        let (holder, _) = Puppet::holding("baton", &path);
        let (stopped, _) = Puppet::waiting("baton", &path, "lock");
        stopped.stop();
        let (waiter, _) = Puppet::waiting("baton", &path, LATER);
        let own = File::open(ticket(&path, 3)).expect("there");
        let touched = || own.metadata().and_then(|it| it.modified()).expect("known");
        let is_touched_since = |time: SystemTime| {
            await_true("it begins a second", || touched() > time || waiter.is_done());
            touched() > time
        };
        let born = touched();
        holder.kill();
        if !is_touched_since(born) {
            return false;
        }
        let (begun, start) = (touched(), Instant::now());
        passed.resume();
        if first_to_answer_within(&[&passed, &waiter], FOR_EVER) != Some(0) {
            return false;
        }
        must_get_it(&mut passed, "it was passed, and comes when it goes on");
        passed.tell("release");
        let is_in_time = start.elapsed() < IN_TIME;
        assert!(!is_in_time || is_touched_since(begun), "it has passed one that had no second");
        is_in_time
    });
}

/// An ancestor's client knows of no queue: all who run are woken by its end, and get the guard in any order. This went wrong once in six runs:
///
/// 1. W1 is stopped. W4, W3 and W2 have the guard in this order, and step back, a second each. W2's is over, and it passes W1, and holds.
/// 2. W3 sees that somebody holds, and unlocks byte 1 of its ticket. W2 releases.
/// 3. W4's second is over. It has the guard before W3, sees nobody before it who steps back, and passes W3.
#[test]
fn waiters_for_an_ancestors_client_that_run_get_it_in_order_though_others_are_stopped() {
    const LINES: usize = 6;
    let play = || {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding("v1", &path);
        let kinds = ["lock", LATER].into_iter().cycle().take(6);
        let mut line: Vec<Puppet> = kinds.map(|order| Puppet::waiting("baton", &path, order).0).collect();
        for stopped in [0, 2] {
            line[stopped].stop();
        }
        holder.tell("release");
        for next in [1, 3, 4, 5] {
            must_get_it(&mut line[next], &format!("waiter {next}"));
            line[next].tell("release");
        }
        for late in [2, 0] {
            line[late].resume();
            must_get_it(&mut line[late], &format!("waiter {late} goes on"));
            line[late].tell("release");
        }
    };
    thread::scope(|scope| (0..LINES).for_each(|_| drop(scope.spawn(play))));
}

/// Passes all who wait and are stopped.
#[track_caller]
fn passes(lock: &Lock) {
    let limit = Instant::now() + PATIENCE;
    while !matches!(lock.try_lock().expect("no error"), Attempt::Held(_)) {
        assert!(Instant::now() < limit, "it does not pass them");
    }
}

/// Each line is stopped, continued and killed at random, again and again, at the same time as the lock is freed.
#[test]
fn nobody_who_runs_is_passed_however_others_are_stopped_continued_and_killed() {
    const LINES: u64 = 8;
    thread::scope(|scope| {
        for seed in 0..LINES {
            scope.spawn(move || Line::new(seed).play());
        }
    });
}

struct Line {
    seed: u64,
    dice: fastrand::Rng,
    _place: tempfile::TempDir,
    path: PathBuf,
    /// In the order of their coming.
    waiters: Vec<Waiter>,
}

struct Waiter {
    number: usize,
    puppet: Puppet,
    is_stopped: bool,
    was_stopped: bool,
}

impl Line {
    fn new(seed: u64) -> Self {
        let place = temporary();
        let path = place.path().join("a.lock");
        Self { seed, dice: fastrand::Rng::with_seed(seed), _place: place, path, waiters: Vec::new() }
    }

    fn play(mut self) {
        let (mut holder, _) = Puppet::holding("baton", &self.path);
        for number in 0..8 {
            let order = if self.dice.bool() { "lock" } else { LATER };
            let (puppet, _) = Puppet::waiting("baton", &self.path, order);
            self.waiters.push(Waiter { number, puppet, is_stopped: false, was_stopped: false });
        }
        while !self.waiters.is_empty() {
            self.disturb();
            if self.dice.bool() {
                holder.tell("release");
            } else {
                holder.begin_to_kill();
            }
            self.disturb();
            holder = self.next();
        }
    }

    /// One of them is stopped or killed, or goes on.
    fn disturb(&mut self) {
        if self.waiters.len() < 2 {
            return;
        }
        let which = self.dice.usize(..self.waiters.len());
        match self.dice.u32(..6) {
            0 | 1 => {
                let stopped = self.waiters.iter().filter(|waiter| waiter.is_stopped).count();
                // Each costs a second.
                if stopped < 2 {
                    self.waiters[which].stop();
                }
            }
            2 | 3 => self.waiters[which].resume(),
            4 => {
                let victim = self.waiters.remove(which);
                victim.puppet.begin_to_kill();
            }
            _ => {}
        }
    }

    /// Whoever gets it has passed nobody who was never stopped.
    fn next(&mut self) -> Puppet {
        let first_within = |waiters: &[Waiter], time| {
            let all: Vec<&Puppet> = waiters.iter().map(|waiter| &waiter.puppet).collect();
            first_to_answer_within(&all, time)
        };
        let first = first_within(&self.waiters, ALL_PASSED).unwrap_or_else(|| {
            // All are stopped, or one was the moment it got the lock.
            self.waiters.iter_mut().for_each(Waiter::resume);
            first_within(&self.waiters, FOR_EVER).expect("one of them gets it")
        });
        let mut winner = self.waiters.remove(first);
        let seed = self.seed;
        let what = format!("seed {seed}: {}", winner.number);
        must_get_it(&mut winner.puppet, &what);
        // It may have been stopped when it had it.
        winner.resume();
        let passed = self.waiters.iter().filter(|it| it.number < winner.number && !it.was_stopped);
        let passed: Vec<_> = passed.map(|waiter| waiter.number).collect();
        assert!(passed.is_empty(), "{what} has passed {passed:?}, who were never stopped");
        winner.puppet
    }
}

impl Waiter {
    fn stop(&mut self) {
        self.puppet.begin_to_stop();
        (self.is_stopped, self.was_stopped) = (true, true);
    }

    fn resume(&mut self) {
        self.puppet.resume();
        self.is_stopped = false;
    }
}
