//! Several locks at once: all or none, in one order for everybody, and no wait for oneself.

use baton_itest::command::{Ended, OBEDIENT, Running, baton, ended, next, next_by, status};
use baton_itest::footprint::names_in;
use baton_itest::kernel_locks::{inode, until_waiting};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// `baton run OPTIONS LOCK… -- JOB…`.
fn run<S: AsRef<OsStr>>(options: &str, locks: &[&Path], job: impl IntoIterator<Item = S>) -> Command {
    let mut command = baton();
    command.arg("run").args(options.split_ascii_whitespace()).args(locks).arg("--").args(job);
    command
}

fn two(place: &Path) -> [PathBuf; 2] {
    ["a.lock", "b.lock"].map(|name| place.join(name))
}

#[test]
fn all_are_held_while_the_job_runs_and_it_knows_of_all() {
    let place = temporary();
    let [a, b] = &two(place.path());
    let job = ["sh", "-c", "echo in; read -r _; echo \"$BATON_LOCK $BATON_OUTCOME\"; echo \"$BATON_LOCKS\""];
    let mut holder = Running::holding(run("", &[b, a], job));
    for lock in [a, b] {
        let seen = status(lock);
        assert_eq!((&seen["state"], &seen["record"]["pid"]), (&"held".into(), &holder.pid().into()));
    }
    holder.tell("");
    assert_eq!(holder.says(), format!("{} fresh", b.display()), "the first that was named");
    let all: Value = serde_json::from_str(&holder.says()).expect("JSON");
    let of = |index: usize| (all[index]["lock"].as_str(), all[index]["outcome"].as_str());
    assert_eq!([of(0), of(1)], [(b.to_str(), Some("fresh")), (a.to_str(), Some("fresh"))]);
    assert!(all[0]["token"].is_u64() && all.as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(holder.end().code, Some(0));
    assert_eq!(names_in(place.path()), ["a.lock.guard", "b.lock.guard"]);
    let Ended { out, .. } = ended(run("", &[a], ["sh", "-c", "echo \"${BATON_LOCKS-none}\""]));
    assert_eq!(out, "none\n", "of one alone there is nothing more to say");
}

/// While it waits for the second one, a child that shares its descriptors sleeps in its place, and seems to have the first one.
#[test]
fn one_that_holds_one_and_waits_for_the_other_is_seen_as_one_process() {
    let place = temporary();
    let [a, b] = &two(place.path());
    let (holder, _) = Puppet::holding("baton", b);
    let waiting = Running::waiting(run("", &[a, b], ["true"]));
    until_waiting(inode(&b.with_extension("lock.guard")), 1);
    let seen = status(a);
    let pids: Vec<_> = seen["processes"].as_array().expect("a list").iter().map(|it| &it["pid"]).collect();
    assert_eq!(pids, [&Value::from(waiting.pid())], "{seen}");
    holder.kill();
    assert_eq!(waiting.end().code, Some(0));
}

/// Named in opposite orders, and by paths that lead to the same directory.
#[test]
fn callers_that_name_them_in_opposite_orders_never_wait_for_each_other() {
    const ROUNDS: usize = 15;
    let place = temporary();
    let directory = place.path().join("directory");
    fs::create_dir(&directory).expect("made");
    // Sorted by how they are spelled, these come before and after the others.
    for link in ["aaa", "zzz"] {
        symlink(&directory, place.path().join(link)).expect("linked");
    }
    let spelled = |way: &str| two(&place.path().join(way));
    let ways: [[PathBuf; 2]; 3] = [
        spelled("directory"),
        {
            let [a, b] = spelled("aaa");
            [b, a]
        },
        {
            let ([a, _], [_, b]) = (spelled("zzz"), spelled("aaa"));
            [b, a]
        },
    ];
    thread::scope(|scope| {
        for [one, other] in &ways {
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let Ended { code, err, .. } = ended(run("-q", &[one, other], ["true"]));
                    assert_eq!((code, err.as_str()), (Some(0), ""));
                }
            });
        }
    });
    assert_eq!(names_in(&directory), ["a.lock.guard", "b.lock.guard"]);
}

#[test]
fn none_is_held_if_one_can_not_be_had() {
    let place = temporary();
    let [a, b] = &two(place.path());
    for (busy, free) in [(a, b), (b, a)] {
        let holder = Running::holding(run("", &[busy], OBEDIENT));
        for options in ["-n", "-w 30ms"] {
            let Ended { code, out, err, .. } = ended(run(options, &[a, b], ["echo", "ran"]));
            assert_eq!((code, out.as_str()), (Some(75), ""));
            assert!(err.contains(&format!("`{}` is held by pid {}", busy.display(), holder.pid())), "{err}");
            assert!(next(free).is_fresh(), "nothing has happened under it");
        }
        holder.end();
    }
}

#[test]
fn lock_that_is_named_twice_in_whatever_way_is_refused() {
    let place = temporary();
    let [a, b] = &two(place.path());
    let link = place.path().join("link");
    symlink(place.path(), &link).expect("linked");
    let Ended { code, out, err, .. } = ended(run("", &[a, b, &link.join("a.lock")], ["echo", "ran"]));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("are the same lock"), "{err}");
    assert_eq!(names_in(place.path()), ["link"]);
}

/// Two names of one file, which is what `flock` locks.
#[test]
fn guard_with_two_names_is_not_waited_for_by_who_holds_it() {
    let place = temporary();
    let [a, b] = &two(place.path());
    fs::write(a, "data").expect("written");
    fs::hard_link(a, b).expect("linked");
    let Ended { code, out, err, .. } = ended(run("--flock", &[a, b], ["echo", "ran"]));
    assert_eq!((code, out.as_str()), (Some(75), ""));
    assert!(err.contains("waiting for it would never end"), "{err}");
    assert!(next_by("--flock", a).is_fresh());
}

#[test]
fn signal_that_comes_while_it_holds_one_and_waits_for_another_gives_that_back() {
    let place = temporary();
    let locks = &two(place.path());
    // Which one is taken first is nobody's business: one of these is taken while the other is waited for.
    for (busy, free) in [(&locks[0], &locks[1]), (&locks[1], &locks[0])] {
        let holder = Running::holding(run("", &[busy], OBEDIENT));
        let waiter = Running::waiting(run("", &[busy, free], ["echo", "ran"]));
        let holds_one = status(free)["state"] == "held";
        waiter.send(Signal::SIGTERM);
        let Ended { code, signal, out, .. } = waiter.ends();
        let expected = if holds_one { (Some(143), None) } else { (None, Some(15)) };
        assert_eq!(((code, signal), out.as_str()), (expected, ""));
        assert!(next(free).is_fresh(), "{}", free.display());
        holder.end();
    }
}

#[test]
fn job_is_told_of_the_one_that_was_recovered() {
    let place = temporary();
    let [a, b] = &two(place.path());
    let victim = Running::holding(run("", &[b], OBEDIENT));
    victim.kill_all();
    let script = r#"echo "$BATON_LOCK $BATON_OUTCOME"; printf %s "$BATON_PREVIOUS""#;
    let Ended { code, out, .. } = ended(run("--on-recovered true", &[a, b], ["sh", "-c", script]));
    let (first, previous) = out.split_once('\n').expect("two lines");
    assert_eq!((code, first), (Some(0), format!("{} recovered", b.display()).as_str()));
    let previous: Value = serde_json::from_str(previous).expect("JSON");
    assert_eq!(previous["pid"], victim.pid());
    for lock in [a, b] {
        assert!(next(lock).is_fresh());
    }
}
