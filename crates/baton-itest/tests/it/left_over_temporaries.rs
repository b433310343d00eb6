//! What publishers that were killed leave under temporary names, and what becomes of it at the next recovery.
//!
//! A publisher writes its record under a name of its own, `.LOCK.<16 hexadecimal digits>.tmp`, and exchanges it with a departed
//! record. Killed before, it leaves its own; killed between the exchange and the look at what came back, it may leave the
//! record of an ancestor's client that came in between, whose owner may live.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::bystander::Bystander;
use baton_itest::footprint::{Footprint, Watch, names_in};
use baton_itest::handwritten::{NO_PROCESS, ancestors, put, put_record, with};
use baton_itest::places::temporary;
use baton_itest::puppet::{self, Puppet};
use baton_lock::{AncestorState, Lock, State};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const TEMPORARY: &str = ".a.lock.0123456789abcdef.tmp";

/// A lock whose last Baton holder was killed, and the path of a temporary file of its.
fn left_over() -> (TempDir, PathBuf, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let (holder, _) = Puppet::holding("baton", &path);
    holder.kill();
    let lock = Lock::open(&path).expect("a path");
    let left = place.path().join(TEMPORARY);
    (place, path, left, lock)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON")
}

#[test]
fn whole_and_cut_off_records_of_batons_are_swept_at_the_next_recovery() {
    let (place, path, left, lock) = left_over();
    let whole = fs::read(&path).expect("left over");
    let others = ["fedcba9876543210", "00000000000000ab", "00000000000000cd"];
    put(&left, &whole);
    for (name, content) in others.iter().zip([&whole[..20], b"", b"\0\0\0"]) {
        put(&place.path().join(format!(".a.lock.{name}.tmp")), content);
    }
    must_recover(&lock).0.release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn record_that_a_publisher_left_in_the_middle_of_writing_is_swept_at_the_next_recovery() {
    let (place, path, _, lock) = left_over();
    let mut command = puppet::command("baton", &path);
    command.args(["--file-size", "100"]);
    assert_eq!(Puppet::start(command).tell_and_see("try"), None, "it dies in the middle of its record");
    assert_eq!(names_in(place.path()).len(), 3);
    must_recover(&lock).0.release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn foreign_files_with_such_a_name_are_kept() {
    let (place, path, left, lock) = left_over();
    put(&left, "#!/bin/sh\n");
    let linked = place.path().join(".a.lock.00000000000000aa.tmp");
    put(&linked, "");
    fs::hard_link(&linked, place.path().join("second name")).expect("linked");
    let huge = place.path().join(".a.lock.00000000000000bb.tmp");
    fs::File::create(&huge).and_then(|file| file.set_len(65_537)).expect("made");
    let fifo = place.path().join(".a.lock.00000000000000cc.tmp");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("`mkfifo` starts").success());
    let link = place.path().join(".a.lock.00000000000000dd.tmp");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let before: Vec<Footprint> = [&left, &linked, &huge, &fifo, &link].map(|path| Footprint::of(path)).into();
    let watches = [&huge, &fifo, &link].map(|path| Watch::of(path));
    must_recover(&lock).0.release().expect("released");
    assert!(
        watches.iter().all(|watch| watch.noted().is_empty()),
        "what can't be a record was not even opened"
    );
    let after: Vec<Footprint> = [&left, &linked, &huge, &fifo, &link].map(|path| Footprint::of(path)).into();
    assert_eq!(after, before);
}

#[test]
fn files_whose_names_only_resemble_a_temporary_are_kept() {
    let (place, _, _, lock) = left_over();
    let names = [
        ".a.lock.0123456789abcde.tmp",
        ".a.lock.0123456789abcdef0.tmp",
        ".a.lock.0123456789abcdeg.tmp",
        ".b.lock.0123456789abcdef.tmp",
        ".a.lock.holder.0123456789abcdef.tmp",
        "a.lock.0123456789abcdef.tmp",
    ];
    for name in names {
        put(&place.path().join(name), "");
    }
    must_recover(&lock).0.release().expect("released");
    assert!(names.iter().all(|name| place.path().join(name).exists()), "{:?}", names_in(place.path()));
}

#[test]
fn temporaries_are_left_alone_by_one_who_recovers_nothing() {
    let (_place, _, left, lock) = left_over();
    must_recover(&lock).0.release().expect("released");
    put(&left, "");
    must_be_fresh(&lock).release().expect("released");
    assert!(left.exists(), "looking for them costs a listing, so that only a recovery does");
}

/// History: a plain rename, or a sweep of everything with such a name, destroys the record of a client that is alive.
#[test]
fn displaced_record_of_a_living_ancestors_client_gets_its_name_back_and_is_busy() {
    let (place, path, left, lock) = left_over();
    let owner = Puppet::of("v1", Path::new("/nowhere"));
    put_record(&left, &ancestors(owner.pid()));
    let displaced = read(&left);
    let seen = must_be_busy(&lock);
    assert_eq!(seen.state, State::Ancestor(AncestorState::Alive));
    assert_eq!(seen.record.expect("its record").pid, owner.pid());
    assert_eq!(read(&path), displaced);
    assert_eq!(names_in(place.path()), ["a.lock", "a.lock.guard"], "the dead record it stood behind is gone");
}

/// The client had created its file and not yet written it when a publisher displaced it, and was killed.
#[test]
fn displaced_empty_file_that_its_client_is_about_to_write_gets_its_name_back() {
    let (_place, path, left, lock) = left_over();
    put(&left, "");
    let client = Bystander::having_open(&left);
    let before = Footprint::of(&left);
    assert_eq!(must_be_busy(&lock).state, State::OpenElsewhere);
    assert!(Footprint::of(&path).is_same_file_as(&before), "it was destroyed");
    client.end();
    assert!(matches!(must_be_busy(&lock).state, State::Incomplete { .. }), "it is young");
}

#[test]
fn displaced_record_of_a_dead_ancestors_client_is_what_the_next_one_recovers_from() {
    let (place, _, left, lock) = left_over();
    put_record(&left, &with(ancestors(NO_PROCESS), json!({ "command": "displaced" })));
    let (held, previous) = must_recover(&lock);
    let previous = previous.expect("a record");
    assert_eq!((previous.pid, previous.command.as_deref()), (NO_PROCESS, Some("displaced")));
    held.release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn token_stays_above_that_of_a_dead_record_that_gave_its_name_back() {
    let (place, path, left, lock) = left_over();
    let mut dead = read(&path);
    let token = dead["baton"]["token"].as_u64().expect("a number") + 1_000_000_000_000;
    dead["baton"]["token"] = json!(token);
    put_record(&path, &dead);
    // The guard remembers the largest one as well, as it does where nobody touches it.
    put(&place.path().join("a.lock.guard"), format!("baton guard, last token {token:020}\n"));
    put_record(&left, &ancestors(NO_PROCESS));
    let held = must_hold(&lock);
    assert_eq!(held.token(), token + 1);
}

/// An ancestor's record at the name is not Baton's to move: it stays where it is judged, the displaced one where it was put.
#[test]
fn displaced_record_stays_where_another_ancestors_record_has_the_name() {
    let (_place, path, left, lock) = left_over();
    put_record(&path, &ancestors(NO_PROCESS));
    let owner = Puppet::of("v1", Path::new("/nowhere"));
    put_record(&left, &ancestors(owner.pid()));
    let before = Footprint::of(&left);
    let (held, previous) = must_recover(&lock);
    assert_eq!(previous.expect("a record").pid, NO_PROCESS);
    held.release().expect("released");
    assert_eq!(Footprint::of(&left), before);
}
