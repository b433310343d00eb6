//! What a file at the record's name means when no Baton holder has it locked: left over, busy for a while, or not a lock file
//! at all, which is never touched.
//!
//! History: the ancestor removed whatever was malformed and older than 30 s, which made `lock ./deploy.sh` a way to lose a
//! script; and an empty file from a crash blocked for ever before that (2833).

use baton_itest::answers::{must_be_busy, must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::bystander::Bystander;
use baton_itest::footprint::{Footprint, Watch, names_in};
use baton_itest::handwritten::{NO_PROCESS, ancestors, make_old, put, put_record, set_modified, with};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_lock::{Error, ErrorKind, Lock, Malformed, Naming, State};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// What a crash or a power cut can leave of a record.
const INCOMPLETE: [&[u8]; 6] = [
    b"",
    b"\0\0\0\0\0\0\0\0",
    b"{",
    b"{\n  \"pid\": 41",
    b"{\n  \"pid\": 4127,\n  \"startedAt\": \"2026-01-3\0\0\0\0",
    b"  \n",
];

/// Other people's files.
const FOREIGN: [&[u8]; 8] = [
    b"#!/bin/sh\nmake deploy\n",
    b"{\n  \"name\": \"app\",\n  \"version\": \"1.0.0\"\n}\n",
    b"{\"pid\":5}",
    b"{\"pid\":5,\"startedAt\":7,\"command\":null}",
    b"{\"pid\":\"5\",\"startedAt\":null,\"command\":null}",
    b"4127\n",
    b"[{\"pid\":5}]",
    b"{\"pid\":5,\"startedAt\":null,\"command\":null}\0",
];

fn new_lock() -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    (place, path, lock)
}

#[test]
fn young_incomplete_record_is_busy_and_kept() {
    for content in INCOMPLETE {
        let (_place, path, lock) = new_lock();
        put(&path, content);
        let before = Footprint::of(&path);
        let seen = must_be_busy(&lock);
        let State::Incomplete { ages_out_in } = seen.state else { panic!("{}", seen.reason()) };
        assert!(ages_out_in <= Duration::from_secs(30));
        assert!(seen.advice().contains("baton wait"), "{}", seen.advice());
        assert_eq!(Footprint::of(&path), before);
    }
}

#[test]
fn incomplete_record_older_than_30_seconds_is_recovered_from_nobody_knows_whom() {
    for content in INCOMPLETE {
        let (place, path, lock) = new_lock();
        put(&path, content);
        make_old(&path);
        assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous, None);
        held.release().expect("released");
        assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    }
}

#[test]
fn incomplete_record_from_before_this_boot_is_old() {
    let (_place, path, lock) = new_lock();
    put(&path, "");
    set_modified(&path, SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    must_recover(&lock).0.release().expect("released");
}

/// A clock that was ahead and then set right: such a file would stay young for as long as it was ahead.
#[test]
fn incomplete_record_from_the_future_is_old() {
    let (_place, path, lock) = new_lock();
    put(&path, "{");
    set_modified(&path, SystemTime::now() + Duration::from_hours(1));
    assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
    must_recover(&lock).0.release().expect("released");
}

#[test]
fn record_cut_off_at_any_byte_is_incomplete_and_never_foreign() {
    let (place, path, lock) = new_lock();
    let held = must_hold(&lock);
    let whole = fs::read(&path).expect("published");
    held.release().expect("released");
    for end in 0..whole.len() {
        put(&path, &whole[..end]);
        assert!(matches!(lock.observe().expect("seen").state, State::Incomplete { .. }), "{end} bytes");
    }
    make_old(&path);
    must_recover(&lock).0.release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn foreign_file_is_refused_and_untouched_however_old_it_is() {
    for content in FOREIGN {
        for age in [0, 31, 100_000] {
            let (place, path, lock) = new_lock();
            put(&path, content);
            set_modified(&path, SystemTime::now() - Duration::from_secs(age));
            let (before, changes) = (Footprint::of(&path), Watch::of_changes(place.path()));
            let error = must_be_refused(&lock);
            assert!(matches!(&error, Error::NotALockFile { path: named, .. } if *named == path), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Content);
            assert!(error.hint().is_some_and(|hint| hint.contains("--flock")), "{:?}", error.hint());
            let seen = lock.observe().expect("seen");
            assert!(matches!(&seen.state, State::NotALockFile { reason } if *reason == error.to_string()));
            assert_eq!(Footprint::of(&path), before);
            assert_eq!(names_in(place.path()), ["a.lock"], "no guard was left behind");
            assert_eq!(changes.noted(), [], "nothing was created and removed again either");
        }
    }
}

/// The guard is there already, so that the refusal comes from the judgement itself.
#[test]
fn foreign_file_that_came_after_the_guard_is_refused_and_untouched() {
    for content in FOREIGN {
        let (place, path, lock) = new_lock();
        must_hold(&lock).release().expect("released");
        put(&path, content);
        make_old(&path);
        let before = Footprint::of(&path);
        assert!(matches!(must_be_refused(&lock), Error::NotALockFile { .. }));
        assert_eq!(Footprint::of(&path), before);
        assert_eq!(names_in(place.path()), ["a.lock", "a.lock.guard"]);
        fs::remove_file(&path).expect("removed");
        must_be_fresh(&lock).release().expect("the refusal left nothing locked");
    }
}

#[test]
fn where_malformed_files_age_out_a_foreign_one_is_busy_for_30_seconds_and_then_replaced() {
    for content in FOREIGN {
        let (_place, path, _) = new_lock();
        let lock = Lock::options().malformed(Malformed::AgesOut).open(&path).expect("a path");
        put(&path, content);
        let before = Footprint::of(&path);
        assert!(matches!(must_be_busy(&lock).state, State::Incomplete { .. }));
        assert!(matches!(lock.observe().expect("seen").state, State::Incomplete { .. }));
        assert_eq!(Footprint::of(&path), before);
        make_old(&path);
        assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
        let (_held, previous) = must_recover(&lock);
        assert_eq!(previous, None);
    }
}

#[test]
fn where_malformed_files_age_out_a_living_ancestors_record_still_does_not() {
    let (_place, path, _) = new_lock();
    let lock = Lock::options().malformed(Malformed::AgesOut).open(&path).expect("a path");
    let (_holder, _) = Puppet::holding("v1", &path);
    make_old(&path);
    assert_eq!(must_be_busy(&lock).state.name(), "ancestor_alive");
}

/// `flock x.lock job` keeps an empty `x.lock` locked for hours: by its age alone it would be left over.
#[test]
fn empty_file_that_the_flock_program_keeps_is_busy_however_old_with_the_hint_at_flock_naming() {
    let (_place, path, lock) = new_lock();
    let program = Bystander::flocking(&path);
    for age in [0, 31, 100_000] {
        set_modified(&path, SystemTime::now() - Duration::from_secs(age));
        let before = Footprint::of(&path);
        for seen in [*must_be_busy(&lock), lock.observe().expect("seen")] {
            assert_eq!(seen.state, State::ForeignFlock);
            assert!(seen.advice().contains("flock naming (`--flock`)"), "{}", seen.advice());
        }
        assert_eq!(Footprint::of(&path), before);
    }
    program.end();
    make_old(&path);
    must_recover(&lock).0.release().expect("released");
}

#[test]
fn old_empty_file_that_is_open_in_some_process_is_busy_with_the_hint_at_flock_naming() {
    let (_place, path, lock) = new_lock();
    put(&path, "");
    make_old(&path);
    let reader = Bystander::having_open(&path);
    let before = Footprint::of(&path);
    for seen in [*must_be_busy(&lock), lock.observe().expect("seen")] {
        assert_eq!(seen.state, State::OpenElsewhere);
        assert!(seen.advice().contains("flock naming (`--flock`)"), "{}", seen.advice());
    }
    assert_eq!(Footprint::of(&path), before);
    reader.end();
    must_recover(&lock).0.release().expect("released");
}

#[test]
fn dead_record_of_a_newer_baton_is_recovered() {
    let (_place, path, lock) = new_lock();
    let (holder, _) = Puppet::holding("baton", &path);
    holder.kill();
    let mut newer: Value = serde_json::from_slice(&fs::read(&path).expect("left over")).expect("JSON");
    newer["baton"]["version"] = json!(99);
    newer["baton"]["shard"] = json!({ "of": 3 });
    put_record(&path, &newer);
    let (_held, previous) = must_recover(&lock);
    let details = previous.and_then(|previous| previous.baton).expect("Baton's");
    assert_eq!((details.version, details.token), (99, newer["baton"]["token"].as_u64()));
}

/// Anybody who can write to the directory can write a record, and it ends up on somebody's terminal.
#[test]
fn hostile_record_is_never_shown_raw() {
    let hostile = "a\x1b[2J\x07\nbaton: forged \u{202e}\u{9b}31m";
    let living = with(ancestors(std::process::id()), json!({ "command": hostile, "hostIdentity": hostile }));
    let named = with(ancestors(std::process::id()), json!({ "command": hostile, "startedAt": hostile }));
    let dead = with(
        ancestors(NO_PROCESS),
        json!({ "command": hostile, "baton": { "version": 1, "host": hostile, "user": hostile, "purpose": hostile } }),
    );
    for record in [living, named, dead] {
        let place = temporary();
        let path = place.path().join("a\x1b[31m.lock");
        for naming in [Naming::Record, Naming::Flock] {
            let lock = Lock::options().naming(naming).open(&path).expect("a path");
            put_record(&path, &record);
            let mut texts: Vec<String> = Vec::new();
            match lock.observe() {
                Ok(seen) => texts.extend([seen.reason(), seen.advice()]),
                Err(error) => texts.extend([error.to_string(), error.hint().unwrap_or_default()]),
            }
            for text in texts {
                let is_raw = |c: char| c.is_control() || c == '\u{202e}';
                assert!(!text.contains(is_raw), "{text:?}");
            }
        }
    }
}
