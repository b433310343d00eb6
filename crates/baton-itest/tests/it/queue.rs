//! The queue: waiters get the lock in the order in which they came, whoever of them is killed, stopped or gives up, and a newcomer
//! comes last.
//!
//! The kernel's own queue breaks that order when a waiter is killed just as the lock is freed, and a newcomer that tries just then
//! overtakes it: so that is done here, again and again. Who waits has said so, and takes its place before it says so.

use baton_itest::answers::must_hold;
use baton_itest::footprint::names_in;
use baton_itest::interrupted::{self, Call};
use baton_itest::kernel_locks::{inode, until_waiting};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_itest::skip::skip;
use baton_itest::stream::PATIENCE;
use baton_lock::{Attempt, Held, Lock, Naming};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

/// A deadline that no test reaches.
const LATER: &str = "lock-until 60000";

/// Waiters of both kinds in turn: those that sleep in the call themselves, and those that have a deadline.
fn waiters(client: &str, path: &Path, count: usize) -> Vec<Puppet> {
    let kinds = ["lock", LATER].into_iter().cycle();
    kinds.take(count).map(|order| Puppet::waiting(client, path, order).0).collect()
}

fn is_held(answer: &Value) -> bool {
    answer["held"].is_object()
}

#[track_caller]
fn must_get_it(puppet: &mut Puppet, what: &str) {
    let answer = puppet.answer().expect("it lives");
    assert!(is_held(&answer), "{what}: {answer}");
}

#[track_caller]
fn no_queue_is_left(path: &Path) {
    let names = names_in(path.parent().expect("in a directory"));
    assert!(!names.iter().any(|name| name.contains("queue")), "{names:?}");
}

#[test]
fn hundred_waiters_get_it_in_order_while_holders_and_waiters_are_killed() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (holder, _) = Puppet::holding("baton", &path);
    let mut line: Vec<Option<Puppet>> = waiters("baton", &path, 100).into_iter().map(Some).collect();
    let mut holder = holder;
    for turn in 0..line.len() {
        // One that is just about to get it, one behind it, and one far behind; each of them with others that live before and after it.
        let victims = match turn % 10 {
            2 => vec![turn, turn + 1],
            5 => vec![turn + 2],
            8 => vec![turn + 1, turn + 9],
            _ => Vec::new(),
        };
        let victims: Vec<Puppet> =
            victims.into_iter().filter_map(|victim| line.get_mut(victim).and_then(Option::take)).collect();
        // At the same time as the lock is freed: nobody waits for their end.
        for victim in &victims {
            victim.begin_to_kill();
        }
        if turn % 4 == 3 {
            holder.kill();
        } else {
            holder.tell("release");
        }
        drop(victims);
        let Some(next) = line[turn..].iter_mut().find(|waiter| waiter.is_some()) else { return };
        holder = next.take().expect("found");
        must_get_it(&mut holder, &format!("turn {turn}"));
        let early = line.iter().flatten().filter(|waiter| waiter.is_done()).count();
        assert_eq!(early, 0, "turn {turn}: nobody else");
    }
    holder.tell("release");
    must_hold(&BOTH[0].1.lock(&path)).release().expect("released");
    no_queue_is_left(&path);
}

#[test]
fn stopped_waiters_are_passed_in_order_and_get_it_when_they_go_on() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, _) = Puppet::holding(client, &path);
        let mut line = waiters(client, &path, 8);
        // The first two, and two in the middle.
        for stopped in [0, 1, 4, 5] {
            line[stopped].stop();
        }
        holder.kill();
        for next in [2, 3, 6, 7] {
            must_get_it(&mut line[next], &format!("{client}: {next}"));
            assert_eq!(line[next].tell("release"), json!({}));
        }
        for late in [5, 0, 4, 1] {
            line[late].resume();
            must_get_it(&mut line[late], &format!("{client}: {late} goes on"));
            assert_eq!(line[late].tell("release"), json!({}));
        }
        must_hold(&scene.lock(&path)).release().expect("released");
        no_queue_is_left(&path);
    }
}

/// By the first name of its ticket, or by the second one, if it was passed.
#[test]
fn ticket_becomes_the_record_of_its_waiter() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        let [mut stopped, mut next] = ["lock", LATER].map(|order| Puppet::waiting(client, &path, order).0);
        let tickets = ["0000000000000001", "0000000000000002"]
            .map(|number| inode(&place.path().join("a.lock.queue").join(number)));
        stopped.stop();
        holder.tell("release");
        must_get_it(&mut next, "it passes the stopped one");
        assert_eq!(inode(&scene.record(&path)), tickets[1], "{client}");
        stopped.resume();
        next.tell("release");
        must_get_it(&mut stopped, "it goes on");
        assert_eq!(inode(&scene.record(&path)), tickets[0], "{client}: its ticket had its second name");
        no_queue_is_left(&path);
        stopped.tell("release");
    }
}

#[test]
fn waiters_that_give_up_leave_their_places() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (mut holder, _) = Puppet::holding("baton", &path);
    let mut line: Vec<Puppet> = ["lock", "lock-until 30", "lock-until 20", "lock", "lock-until 10", LATER]
        .map(|order| Puppet::waiting("baton", &path, order).0)
        .into();
    for impatient in [4, 2, 1] {
        let answer = line.remove(impatient).answer().expect("it lives");
        assert_eq!(answer["busy"]["state"], "held", "{answer}");
    }
    for next in line {
        holder.tell("release");
        holder = next;
        must_get_it(&mut holder, "in order");
    }
    holder.tell("release");
    no_queue_is_left(&path);
}

/// A waiter that has just been woken has not got the lock yet; whoever comes at that moment must not take it.
#[test]
fn newcomer_that_does_not_wait_never_overtakes() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let mut waiter = Puppet::of(client, &path);
        for (round, order) in ["lock", LATER].into_iter().cycle().take(40).enumerate() {
            let held = must_hold(&lock);
            assert!(waiter.tell(order)["waiting"].is_object());
            held.release().expect("released");
            match lock.try_lock().expect("no error") {
                Attempt::Busy(seen) => assert!(!seen.is_obtainable(), "{seen:?}"),
                Attempt::Held(_) => panic!("{client}, round {round}: overtaken"),
            }
            must_get_it(&mut waiter, client);
            waiter.tell("release");
        }
    }
}

/// Tries until it has the lock: got for one that does not come for it, the guard is given back, for each of them a moment later.
#[track_caller]
fn comes_to_hold(lock: &Lock) -> Held {
    let start = Instant::now();
    loop {
        match lock.try_lock().expect("no error") {
            Attempt::Held(held) => return held,
            Attempt::Busy(seen) => assert!(start.elapsed() < PATIENCE, "{seen:?}"),
        }
        thread::yield_now();
    }
}

#[test]
fn newcomer_that_does_not_wait_passes_one_that_is_stopped() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, _) = Puppet::holding(client, &path);
        let mut line = waiters(client, &path, 2);
        line.iter().for_each(Puppet::stop);
        holder.kill();
        // The first one gives them a second; the second one knows that they were passed.
        for _ in 0..2 {
            comes_to_hold(&scene.lock(&path)).release().expect("released");
        }
        for waiter in &mut line {
            waiter.resume();
            must_get_it(waiter, client);
            waiter.tell("release");
        }
        no_queue_is_left(&path);
    }
}

#[test]
fn dead_waiters_and_their_queue_are_cleared_away_by_the_next_holder() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding(client, &path);
        waiters(client, &path, 4).into_iter().for_each(Puppet::kill);
        assert!(names_in(place.path()).contains(&"a.lock.queue".to_owned()), "they could not");
        holder.tell("release");
        must_hold(&scene.lock(&path)).release().expect("released");
        no_queue_is_left(&path);
    }
}

#[test]
fn status_and_waiters_see_who_waits_in_which_order() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (holder, _) = Puppet::holding("baton", &path);
    let lock = BOTH[0].1.lock(&path);
    let line = waiters("baton", &path, 3);
    line[1].stop();
    let pids = |line: &[&Puppet]| line.iter().map(|waiter| waiter.pid()).collect::<Vec<_>>();
    let queue = lock.observe().expect("seen").queue;
    assert_eq!(
        queue.iter().map(|waiter| waiter.pid).collect::<Vec<_>>(),
        pids(&[&line[0], &line[1], &line[2]])
    );
    for waiter in &queue {
        assert!(
            waiter.started().is_some() && waiter.command.as_ref().is_some_and(|text| text.contains("puppet"))
        );
        assert_eq!(waiter.token(), None);
    }
    let mut told = None;
    let attempt = lock.lock_with(Some(Instant::now() + Duration::from_mins(1)), |seen| {
        told = Some((seen.place.map(|place| (place.number, place.of)), seen.place_in_words()));
        std::ops::ControlFlow::Break(())
    });
    assert!(matches!(attempt, Ok(Attempt::Busy(_))));
    assert_eq!(told, Some((Some((4, 4)), "; number 4 of 4 who wait".to_owned())));
    let [first, second, third] = line.try_into().expect("three");
    first.kill();
    let queue = lock.observe().expect("seen").queue;
    assert_eq!(queue.iter().map(|waiter| waiter.pid).collect::<Vec<_>>(), pids(&[&second, &third]));
    drop(holder);
}

/// An ancestor's client knows of no queue: all who wait for it are woken by its end, and come to an order among themselves.
#[test]
fn waiters_for_an_ancestors_client_get_it_in_order_too() {
    for is_killed in [false, true] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = Puppet::holding("v1", &path);
        let mut line = waiters("baton", &path, 6);
        if is_killed {
            holder.kill();
        } else {
            holder.tell("release");
        }
        for (turn, next) in line.iter_mut().enumerate() {
            must_get_it(next, &format!("killed: {is_killed}, {turn}"));
            assert_eq!(next.tell("release"), json!({}));
        }
        no_queue_is_left(&path);
    }
}

/// Safety never rests on the queue: without it, or with one that can't be used, waiters still get the lock one at a time.
#[test]
fn queue_that_is_taken_away_or_can_not_be_made_costs_the_order_only() {
    for is_there_before in [true, false] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let queue = place.path().join("a.lock.queue");
        if is_there_before {
            std::fs::write(&queue, "someone's").expect("written");
        }
        let (mut holder, _) = Puppet::holding("baton", &path);
        let mut line = waiters("baton", &path, 4);
        if !is_there_before {
            std::fs::remove_dir_all(&queue).expect("removed");
        }
        until_waiting(inode(&path.with_extension("lock.guard")), 4);
        holder.tell("release");
        while !line.is_empty() {
            let mut next = line.swap_remove(baton_itest::puppet::first_to_answer(&line));
            must_get_it(&mut next, "one of them");
            assert_eq!(line.iter().filter(|waiter| waiter.is_done()).count(), 0);
            next.tell("release");
        }
        if is_there_before {
            assert_eq!(std::fs::read_to_string(&queue).expect("there"), "someone's");
        }
    }
}

/// Does the waiter die of that call? One that gives up after so many milliseconds does not come to each call it came to in the rehearsal, if
/// others had so much to do meanwhile that its time was over before it slept.
fn dies_of(call: &Call, scene: Scene, path: &Path, milliseconds: u64) -> bool {
    let directory = path.parent().expect("in a directory");
    let mut victim = Puppet::start(call.killing(&scene.puppet(path), directory));
    victim.order(&format!("lock-until {milliseconds}"));
    let mut answers = std::iter::from_fn(|| victim.answer());
    if answers.any(|answer| answer.get("waiting").is_none()) {
        return false;
    }
    assert_eq!(victim.ended().signal(), Some(Signal::KILL.as_raw()), "{scene:?}: {call:?}");
    true
}

/// A waiter that dies at any of its calls, from taking its place to leaving it, is in nobody's way, and nothing of it stays.
#[test]
fn waiter_that_dies_at_any_call_leaves_the_queue_to_the_others() {
    const SHORT: u64 = 20;
    const LONG: u64 = 20_000;
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, _) = Puppet::holding(client, &path);
        let order = format!("lock-until {SHORT}");
        let calls = interrupted::rehearse(&scene.puppet(&path), place.path(), &[&order]);
        for needed in ["mkdirat", "openat", "pwrite64", "renameat2", "unlinkat"] {
            assert!(calls.iter().any(|call| call.is(needed)), "{needed} in {calls:?}");
        }
        drop(holder);
        for call in calls {
            let place = temporary();
            let path = place.path().join("a.lock");
            let (mut holder, _) = Puppet::holding(client, &path);
            let is_dead = [SHORT, LONG].into_iter().any(|time| dies_of(&call, scene, &path, time));
            assert!(is_dead, "{client}: it survived {call:?}");
            let mut next = Puppet::waiting(client, &path, "lock").0;
            holder.tell("release");
            must_get_it(&mut next, &format!("{client}: {call:?}"));
            next.tell("release");
            must_hold(&scene.lock(&path)).release().expect("released");
            no_queue_is_left(&path);
        }
    }
}

/// What was written down is compared after another waiter's deadline has passed, which is long after this one lay down to sleep.
#[test]
fn waiter_makes_no_call_until_it_is_woken() {
    const A_WHILE: &str = "lock-until 1500";
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    // With a deadline, a child of its sleeps in the lock.
    let cases: [(&str, &str, &[&str]); 4] = [
        ("baton", "lock", &["flock("]),
        ("baton", LATER, &["flock(", "poll("]),
        ("v1", "lock", &["poll("]),
        ("v1", LATER, &["poll("]),
    ];
    for (holding, order, sleeps_in) in cases {
        let place = temporary();
        let (path, notes) = (place.path().join("a.lock"), place.path().join("notes"));
        let (mut holder, _) = Puppet::holding(holding, &path);
        let puppet = interrupted::watched(&baton_itest::puppet::command("baton", &path), &notes);
        let mut waiter = Puppet::start(puppet);
        assert!(waiter.tell(order)["waiting"].is_object());
        let written = || std::fs::read_to_string(&notes).expect("readable");
        // The last call of each process is one that has not returned.
        let asleep = || {
            let text = written();
            let lasts: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once(' ')).collect();
            let sleeps =
                |call: &&str| lasts.values().any(|last| last.contains(*call) && !last.contains(") = "));
            lasts.len() == sleeps_in.len() && sleeps_in.iter().all(sleeps)
        };
        await_true(&format!("{holding}, {order}: it lies down"), asleep);
        let mut clock = Puppet::waiting("baton", &path, A_WHILE).0;
        let before = written();
        assert!(clock.answer().expect("it lives")["busy"].is_object());
        assert_eq!(written(), before, "{holding}, {order}");
        holder.tell("release");
        must_get_it(&mut waiter, &format!("{holding}, {order}"));
    }
}

#[track_caller]
fn await_true(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "{what}");
        std::thread::yield_now();
    }
}
