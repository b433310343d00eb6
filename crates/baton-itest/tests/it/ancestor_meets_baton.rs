//! The ancestor's clients and Baton on one lock file: each finds the other's lock busy while it is held, and gets it after a
//! death.
//!
//! The ancestor's own rules are kept on its side ([`baton_itest::ancestor`]); on Baton's side a pid decides only here, for
//! records that no kernel lock speaks for.

use baton_itest::ancestor::{self, Algorithm};
use baton_itest::answers::{must_be_busy, must_be_fresh, must_recover};
use baton_itest::footprint::{Footprint, names_in};
use baton_itest::handwritten::{NO_PROCESS, ago, ancestors, put, put_record, with};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_lock::{AncestorState, Lock, State};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const BOTH: [(&str, Algorithm); 2] = [("v0", Algorithm::Unconditional), ("v1", Algorithm::InodeChecked)];
const HOUR: Duration = Duration::from_hours(1);
const ALIVE: State = State::Ancestor(AncestorState::Alive);

fn new_lock() -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    (place, path, lock)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON")
}

#[test]
fn ancestors_client_finds_a_held_baton_lock_busy_and_sees_pid_start_and_command() {
    for (_, algorithm) in BOTH {
        let (_place, path, _) = new_lock();
        let (mut holder, answer) = Puppet::holding("baton", &path);
        let record = &answer["held"]["record"];
        let before = Footprint::of(&path);
        let seen = ancestor::acquire(&path, algorithm).expect("no error");
        assert!(!seen.acquired && !seen.stale);
        assert_eq!(seen.holder_pid.and_then(|pid| u32::try_from(pid).ok()), Some(holder.pid()));
        assert_eq!(seen.holder_started_at.as_deref(), record["startedAt"].as_str());
        assert_eq!(seen.holder_command.as_deref(), record["command"].as_str());
        assert!(seen.holder_command.is_some_and(|command| command.contains("--client baton")));
        assert_eq!(Footprint::of(&path), before);
        assert_eq!(holder.tell("verify"), json!({ "intact": true }));
    }
}

#[test]
fn ancestors_client_in_the_holders_own_process_finds_it_busy_too() {
    for (_, algorithm) in BOTH {
        let (_place, path, lock) = new_lock();
        let held = must_be_fresh(&lock);
        let seen = ancestor::acquire(&path, algorithm).expect("no error");
        assert!(!seen.acquired && !seen.stale && seen.holder_pid.is_some());
        held.release().expect("released");
        assert!(ancestor::acquire(&path, algorithm).expect("no error").acquired);
    }
}

#[test]
fn ancestors_client_gets_the_lock_of_a_killed_baton_holder_and_leaves_a_free_one() {
    for (client, _) in BOTH {
        let (place, path, lock) = new_lock();
        let (holder, _) = Puppet::holding("baton", &path);
        holder.kill();
        let (mut ancestor, _) = Puppet::holding(client, &path);
        assert_eq!(must_be_busy(&lock).state, ALIVE);
        ancestor.tell("release");
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn ancestors_client_that_releases_by_pid_leaves_a_baton_lock_alone() {
    let (_place, path, _) = new_lock();
    let (mut holder, _) = Puppet::holding("baton", &path);
    ancestor::release_by_pid(&path);
    assert_eq!(holder.tell("verify"), json!({ "intact": true }));
}

#[test]
fn lock_of_a_living_ancestors_client_is_busy_with_its_record_until_it_is_released() {
    for (client, _) in BOTH {
        let (_place, path, lock) = new_lock();
        let (mut holder, _) = Puppet::holding(client, &path);
        let (before, written) = (Footprint::of(&path), read(&path));
        let seen = must_be_busy(&lock);
        assert_eq!(seen.state, ALIVE);
        let record = seen.record.as_ref().expect("its record");
        assert_eq!(record.pid, holder.pid());
        assert_eq!(record.started_at.as_deref(), written["startedAt"].as_str());
        assert_eq!(record.command.as_deref(), written["command"].as_str());
        assert_eq!(Footprint::of(&path), before);
        holder.tell("release");
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn lock_of_a_killed_ancestors_client_is_recovered_with_its_record() {
    for (client, _) in BOTH {
        let (place, path, lock) = new_lock();
        let (holder, _) = Puppet::holding(client, &path);
        let (pid, written) = (holder.pid(), read(&path));
        holder.kill();
        let (held, previous) = must_recover(&lock);
        let previous = previous.expect("its record");
        assert_eq!((previous.pid, previous.baton), (pid, None));
        assert_eq!(previous.started_at.as_deref(), written["startedAt"].as_str());
        assert_eq!(previous.command.as_deref(), written["command"].as_str());
        held.release().expect("released");
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    }
}

#[test]
fn zombie_counts_as_departed() {
    let (_place, path, lock) = new_lock();
    let (mut holder, _) = Puppet::holding("v1", &path);
    holder.kill_unreaped();
    let stat = fs::read_to_string(format!("/proc/{}/stat", holder.pid())).expect("it has its entry still");
    assert!(stat.contains(") Z "), "{stat}");
    let (_held, previous) = must_recover(&lock);
    assert_eq!(previous.expect("its record").pid, holder.pid());
}

#[test]
fn pid_whose_process_started_after_the_record_is_another_ones() {
    let (_place, path, lock) = new_lock();
    let stranger = Puppet::of("baton", &path);
    put_record(&path, &with(ancestors(stranger.pid()), json!({ "startedAt": ago(HOUR) })));
    must_recover(&lock).0.release().expect("released");
}

/// A container that restarts runs its first process as pid 1 again, and meets its own old record.
#[test]
fn own_pid_in_a_record_from_before_the_own_start_is_an_earlier_ones() {
    let (_place, path, lock) = new_lock();
    put_record(&path, &with(ancestors(std::process::id()), json!({ "startedAt": ago(24 * HOUR) })));
    let (_held, previous) = must_recover(&lock);
    assert_eq!(previous.expect("its record").pid, std::process::id());
}

/// Clocks can be set: then the record seems older than its writer. But an ancestor's client keeps its file open.
#[test]
fn pid_that_has_the_file_open_is_alive_whatever_the_clocks_say() {
    let (_place, path, lock) = new_lock();
    let (mut holder, _) = Puppet::holding("v1", &path);
    // In place, so that it stays the file that its holder has open.
    let early = with(read(&path), json!({ "startedAt": ago(24 * HOUR) }));
    fs::write(&path, format!("{early:#}")).expect("written");
    assert_eq!(must_be_busy(&lock).state, ALIVE);
    assert_eq!(lock.observe().expect("seen").state, ALIVE);
    holder.tell("release");
    must_be_fresh(&lock).release().expect("released");
}

#[test]
fn dead_clients_record_that_somebody_else_has_open_is_not_replaced() {
    let (_place, path, lock) = new_lock();
    put_record(&path, &ancestors(NO_PROCESS));
    let reader = fs::File::open(&path).expect("opened");
    let before = Footprint::of(&path);
    assert_eq!(must_be_busy(&lock).state, State::OpenElsewhere);
    assert_eq!(Footprint::of(&path), before);
    drop(reader);
    must_recover(&lock).0.release().expect("released");
}

#[test]
fn living_pid_without_a_start_to_compare_is_kept() {
    let (_place, path, lock) = new_lock();
    let process = Puppet::of("v1", &path);
    put_record(&path, &with(ancestors(process.pid()), json!({ "startedAt": null, "command": null })));
    let seen = must_be_busy(&lock);
    assert_eq!(seen.state, ALIVE);
    assert!(seen.reason().contains(&format!("pid {}", process.pid())), "{}", seen.reason());
}

#[test]
fn exact_identity_of_a_process_is_believed_over_any_clock() {
    let process = Puppet::of("v1", Path::new("/nowhere"));
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).expect("readable");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks: u64 = fields.split(' ').nth(22 - 3).and_then(|field| field.parse().ok()).expect("a number");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("readable");
    for member in ["processStartIdentity", "processGeneration"] {
        let (_place, path, lock) = new_lock();
        let identity = |ticks: u64| json!({ member: format!("linux:{}:{ticks}", boot.trim()) });
        let record = with(ancestors(process.pid()), json!({ "startedAt": ago(24 * HOUR) }));
        put_record(&path, &with(record, identity(ticks)));
        assert_eq!(
            must_be_busy(&lock).state,
            ALIVE,
            "{member}: it is that process, however early the record"
        );
        put_record(&path, &with(ancestors(process.pid()), identity(ticks + 1)));
        must_recover(&lock).0.release().expect("released");
    }
}

#[test]
fn record_from_another_host_or_pid_namespace_is_never_judged_by_this_process_table() {
    let (_place, path, lock) = new_lock();
    let elsewhere = [
        (json!({ "hostIdentity": "00000000000000000000000000000000" }), AncestorState::OtherHost),
        (json!({ "pidNamespaceIdentity": "pid:[1]" }), AncestorState::OtherPidNamespace),
    ];
    for (members, state) in elsewhere {
        // Without a machine id here, nothing can be compared with it.
        let is_known = members.get("hostIdentity").is_none() || Path::new("/etc/machine-id").exists();
        let expected = State::Ancestor(if is_known { state } else { AncestorState::Unverified });
        put_record(&path, &with(ancestors(NO_PROCESS), members));
        let before = Footprint::of(&path);
        assert_eq!(must_be_busy(&lock).state, expected);
        assert_eq!(lock.observe().expect("seen").state, expected);
        assert_eq!(Footprint::of(&path), before);
    }
}

#[test]
fn record_that_names_this_host_and_pid_namespace_is_judged_by_its_pid() {
    let (_place, path, lock) = new_lock();
    let namespace = fs::read_link("/proc/self/ns/pid").expect("readable");
    let mut here = json!({ "pidNamespaceIdentity": namespace.to_str() });
    if let Ok(machine) = fs::read_to_string("/etc/machine-id") {
        here = with(here, json!({ "hostIdentity": machine.trim() }));
    }
    put_record(&path, &with(ancestors(std::process::id()), here.clone()));
    assert_eq!(must_be_busy(&lock).state, ALIVE);
    put_record(&path, &with(ancestors(NO_PROCESS), here));
    must_recover(&lock).0.release().expect("released");
}

#[test]
fn pid_that_is_a_mere_threads_is_no_process() {
    let (_place, path, lock) = new_lock();
    let (say, heard) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            say.send(fs::read_link("/proc/thread-self").expect("readable")).expect("heard");
            // Ends when the other end goes.
            let _ = ended.recv();
        });
        let thread = heard.recv().expect("said");
        let thread = thread.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a number");
        put_record(&path, &with(ancestors(thread), json!({ "startedAt": null })));
        must_recover(&lock).0.release().expect("released");
        drop(end);
    });
}

/// The ancestor creates the file and writes it with two calls, between which it can be stopped.
#[test]
fn file_that_an_ancestors_client_is_about_to_write_is_left_to_it() {
    let (_place, path, lock) = new_lock();
    put(&path, "");
    let writer = fs::File::options().write(true).open(&path).expect("opened");
    assert_eq!(must_be_busy(&lock).state, State::OpenElsewhere);
    drop(writer);
    assert!(matches!(must_be_busy(&lock).state, State::Incomplete { .. }));
    for (_, algorithm) in BOTH {
        assert!(
            !ancestor::acquire(&path, algorithm).expect("no error").acquired,
            "the ancestor leaves it, too"
        );
    }
}
