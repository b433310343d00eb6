//! Shared locks: readers beside each other, no writer beside them, none of them before a writer that waits, and none of them in anybody's
//! way who is dead.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::footprint::names_in;
use baton_itest::heir::Heir;
use baton_itest::kernel_locks::{inode, until_waiting};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Attempt, HeldShared, Lock, Naming, Outcome, State};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

/// A deadline that no test reaches.
const LATER: &str = "lock-shared-until 60000";

fn reader(client: &str, path: &Path) -> (Puppet, Value) {
    let mut puppet = Puppet::of(client, path);
    let answer = puppet.tell("try-shared");
    assert!(answer["held"].is_object(), "{client} does not share the lock: {answer}");
    assert_eq!(answer["held"]["unlisted"], Value::Null);
    (puppet, answer["held"].clone())
}

#[track_caller]
fn must_share(lock: &Lock) -> HeldShared {
    match lock.try_lock_shared() {
        Ok(Attempt::Held(held)) => held,
        other => panic!("not shared: {other:?}"),
    }
}

#[track_caller]
fn must_get_it(puppet: &mut Puppet, what: &str) -> Value {
    let answer = puppet.answer().expect("it lives");
    assert!(answer["held"].is_object(), "{what}: {answer}");
    answer["held"].clone()
}

fn all_release(readers: &mut [Puppet]) {
    for reader in readers {
        assert_eq!(reader.tell("release"), json!({}));
    }
}

/// What a lock leaves that was released by everybody.
#[track_caller]
fn nothing_is_left(naming: Naming, path: &Path) {
    let left: &[&str] = match naming {
        Naming::Flock => &["a.lock", "a.lock.holder"],
        _ => &["a.lock.guard"],
    };
    assert_eq!(names_in(path.parent().expect("in a directory")), left);
}

#[test]
fn readers_share_it_with_one_token_and_exclude_writers_until_the_last_one_is_gone() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let writers = must_be_fresh(&lock);
        let before = writers.token();
        writers.release().expect("released");
        let (mut first, one) = reader(client, &path);
        let (mut second, two) = reader(client, &path);
        let third = must_share(&lock);
        assert_eq!((&one["token"], one["outcome"].as_str()), (&two["token"], Some("fresh")));
        assert_eq!(Some(third.token()), one["token"].as_u64());
        assert!(third.token() > before);
        let seen = must_be_busy(&lock);
        assert!(seen.state == State::Held && seen.is_shared(), "{seen:?}");
        let pids = [first.pid(), second.pid(), std::process::id()];
        assert_eq!(seen.readers.iter().map(|reader| reader.pid).collect::<Vec<_>>(), pids);
        assert!(pids.iter().all(|pid| seen.reason().contains(&format!("pid {pid} "))), "{}", seen.reason());
        // The first one may go before the others.
        for reader in [&mut first, &mut second] {
            assert_eq!(reader.tell("verify"), json!({ "intact": true }));
            assert_eq!(reader.tell("release"), json!({}));
            assert!(must_be_busy(&lock).is_shared());
        }
        third.release().expect("released");
        nothing_is_left(scene.naming, &path);
        let next = must_be_fresh(&lock);
        assert!(Some(next.token()) > one["token"].as_u64());
    }
}

#[test]
fn reader_finds_a_writer_busy() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (holder, _) = Puppet::holding(client, &path);
        let Ok(Attempt::Busy(seen)) = scene.lock(&path).try_lock_shared() else { panic!("shared") };
        assert!(seen.state == State::Held && !seen.is_shared());
        assert_eq!(seen.record.expect("its record").pid, holder.pid());
    }
}

#[test]
fn killed_readers_leave_it_fresh_and_clean() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (first, _) = reader(client, &path);
        let (second, _) = reader(client, &path);
        first.kill();
        assert_eq!(must_be_busy(&lock).readers.len(), 1);
        second.kill();
        assert_eq!(lock.observe().expect("seen").state, State::Free);
        // One more group, which finds what they left.
        must_share(&lock).release().expect("released");
        nothing_is_left(scene.naming, &path);
        let (third, _) = reader(client, &path);
        third.kill();
        let held = must_be_fresh(&lock);
        held.release().expect("released");
    }
}

#[test]
fn death_of_a_writer_is_told_to_readers_and_then_to_the_next_writer() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (writer, said) = Puppet::holding(client, &path);
        let dead = writer.pid();
        writer.kill();
        let (first, one) = reader(client, &path);
        let (mut second, two) = reader(client, &path);
        for told in [&one, &two] {
            assert_eq!(told["outcome"], "recovered");
            assert_eq!(told["previous"]["pid"], dead);
            assert!(told["token"].as_u64() > said["held"]["token"].as_u64());
        }
        // The last one gives back what the first one found, and a group that was killed is as good.
        assert_eq!(second.tell("release"), json!({}));
        first.kill();
        let third = must_share(&lock);
        let Outcome::Recovered(Some(previous)) = third.outcome() else { panic!("{:?}", third.outcome()) };
        assert_eq!(previous.pid, dead);
        third.release().expect("released");
        assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous.expect("readable").pid, dead);
        assert!(Some(held.token()) > one["token"].as_u64());
        held.release().expect("released");
        nothing_is_left(scene.naming, &path);
    }
}

#[test]
fn writer_that_waits_is_overtaken_by_no_reader() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut holder, _) = reader(client, &path);
        let (mut writer, _) = Puppet::waiting(client, &path, "lock");
        until_waiting(inode(&scene.guard(&path)), 1);
        // Whoever only tries is told that it is busy, though readers hold it.
        for _ in 0..20 {
            let Ok(Attempt::Busy(seen)) = lock.try_lock_shared() else {
                panic!("a reader came before the writer")
            };
            assert!(seen.is_shared(), "{seen:?}");
        }
        let mut behind: Vec<Puppet> =
            ["lock-shared", LATER, "lock-shared"].map(|order| Puppet::waiting(client, &path, order).0).into();
        holder.tell("release");
        must_get_it(&mut writer, "the writer comes first");
        assert!(behind.iter().all(|reader| !reader.is_done()));
        writer.tell("release");
        let tokens: Vec<Value> = behind
            .iter_mut()
            .map(|reader| must_get_it(reader, "all behind it, beside each other")["token"].clone())
            .collect();
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
        all_release(&mut behind);
        nothing_is_left(scene.naming, &path);
    }
}

#[test]
fn stopped_writer_keeps_readers_out_only_while_it_could_not_have_it() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let (mut holder, _) = reader(client, &path);
        let (mut writer, _) = Puppet::waiting(client, &path, "lock");
        until_waiting(inode(&scene.guard(&path)), 1);
        writer.stop();
        let mut behind: Vec<Puppet> =
            ["lock-shared", LATER].map(|order| Puppet::waiting(client, &path, order).0).into();
        assert!(behind.iter().all(|reader| !reader.is_done()));
        holder.tell("release");
        for reader in &mut behind {
            must_get_it(reader, "the writer is passed");
        }
        writer.resume();
        all_release(&mut behind);
        must_get_it(&mut writer, "it goes on");
        writer.tell("release");
        nothing_is_left(scene.naming, &path);
    }
}

#[test]
fn downgrade_lets_readers_in_and_never_a_writer() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut writer, said) = Puppet::holding(client, &path);
        let (mut waiting, _) = Puppet::waiting(client, &path, "lock-shared");
        let shared = writer.tell("downgrade");
        assert_eq!(shared["held"]["token"], said["held"]["token"]);
        let other = must_get_it(&mut waiting, "it is shared");
        assert_eq!(other["token"], said["held"]["token"]);
        assert!(must_be_busy(&lock).is_shared());
        assert_eq!(writer.tell("verify"), json!({ "intact": true }));
        writer.tell("release");
        assert!(must_be_busy(&lock).is_shared());
        waiting.tell("release");
        nothing_is_left(scene.naming, &path);
    }
}

/// The epoch is odd from before a downgrade until after it: who gets the lock within one has got in between.
#[test]
fn writer_that_tries_all_the_time_never_gets_in_between_while_another_becomes_a_reader() {
    const ROUNDS: u32 = 200;
    for (_, scene) in BOTH {
        let place = temporary();
        let lock = scene.lock(&place.path().join("a.lock"));
        let (epoch, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let end = EndsWith(&is_over);
            let hammer = scope.spawn(|| {
                let mut tries = 0;
                while !is_over.load(Ordering::SeqCst) {
                    let began = epoch.load(Ordering::SeqCst);
                    let got = lock.try_lock().expect("no error");
                    let is_within = began % 2 == 1 && epoch.load(Ordering::SeqCst) == began;
                    assert!(!(is_within && matches!(got, Attempt::Held(_))), "it got in between");
                    tries += u32::from(is_within);
                }
                tries
            });
            for _ in 0..ROUNDS {
                let held = lock.lock().expect("no error");
                epoch.fetch_add(1, Ordering::SeqCst);
                let shared = held.downgrade().expect("shared");
                must_be_busy(&lock);
                epoch.fetch_add(1, Ordering::SeqCst);
                shared.release().expect("released");
            }
            drop(end);
            assert!(hammer.join().expect("it ends") > 0, "it was tried");
        });
    }
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn readers_exclude_writers_when_one_of_the_two_files_is_deleted() {
    for (client, scene) in BOTH {
        for record in [false, true] {
            let place = temporary();
            let path = place.path().join("a.lock");
            let lock = scene.lock(&path);
            let (mut first, _) = reader(client, &path);
            let (mut second, _) = reader(client, &path);
            fs::remove_file(if record { scene.record(&path) } else { scene.guard(&path) }).expect("deleted");
            must_be_busy(&lock);
            let (mut third, _) = reader(client, &path);
            first.tell("release");
            must_be_busy(&lock);
            assert!(second.tell("verify")["damaged"].is_string());
            second.tell("release");
            must_be_busy(&lock);
            third.tell("release");
            must_hold(&lock).release().expect("released");
        }
    }
}

#[test]
fn heir_of_a_killed_reader_shares_it_and_is_listed() {
    for (client, scene) in BOTH {
        let place = temporary();
        let path = place.path().join("a.lock");
        let lock = scene.lock(&path);
        let (mut holder, _) = reader(client, &path);
        let heir = Heir::of(&mut holder);
        holder.kill();
        assert_eq!(must_be_busy(&lock).readers.len(), 1);
        must_share(&lock).release().expect("released");
        assert!(must_be_busy(&lock).is_shared());
        drop(heir);
    }
}
