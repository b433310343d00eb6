//! Files that can't be a lock's, at the record's name and at the guard's: refused without being opened, read or changed.
//!
//! History: the ancestor opened whatever had the lock's name: a FIFO hung it for ever, a link led it to another file, which it
//! overwrote, a huge file was read whole (failure 10). A [`Watch`] on the file says whether it was even opened.

use baton_itest::answers::{must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::footprint::{Footprint, Watch, names_in};
use baton_itest::handwritten::{NO_PROCESS, ancestors, put, with};
use baton_itest::places::temporary;
use baton_itest::skip::skip;
use baton_lock::{Error, ErrorKind, Lock, State};
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use tempfile::TempDir;

/// `nobody` on most systems; any user that is not the one who runs the tests will do.
const STRANGER: u32 = 65_534;

fn new_lock() -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    (place, path, lock)
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("`mkfifo` starts").success());
}

fn make_socket(path: &Path) {
    // The file stays when the listener goes.
    drop(UnixListener::bind(path).expect("bound"));
}

/// A file of the ancestor's whose owner is dead: but for the second name it could be recovered.
fn make_hard_link(path: &Path) {
    put(path, format!("{:#}", ancestors(NO_PROCESS)));
    fs::hard_link(path, path.with_file_name("second name")).expect("linked");
}

fn make_link_to_file(path: &Path) {
    let target = path.with_file_name("target");
    put(&target, "");
    symlink(target, path).expect("linked");
}

fn make_link_to_nothing(path: &Path) {
    symlink(path.with_file_name("nothing"), path).expect("linked");
}

/// One byte more than is read of a lock file; but for the size it could be recovered.
fn make_too_large(path: &Path) {
    put(path, record_of(65_537));
}

/// An ancestor's record of a dead process, of exactly that many bytes.
fn record_of(length: usize) -> String {
    let with_command =
        |command: String| format!("{:#}", with(ancestors(NO_PROCESS), json!({ "command": command })));
    let rest = with_command(String::new()).len();
    with_command("x".repeat(length - rest))
}

fn make_directory(path: &Path) {
    fs::create_dir(path).expect("made");
}

/// A word of the refusal's reason, and what makes such a file at a path.
type Kind = (&'static str, fn(&Path));

const NOT_A_RECORD: [Kind; 7] = [
    ("a FIFO", make_fifo),
    ("a socket", make_socket),
    ("a directory", make_directory),
    ("a symbolic link", make_link_to_file),
    ("a symbolic link", make_link_to_nothing),
    ("hard link", make_hard_link),
    ("65537 bytes", make_too_large),
];

/// Refuses the lock because of `path`, for `reason`, without opening that file or changing anything in the directory.
#[track_caller]
fn must_be_refused_untouched(directory: &Path, lock: &Lock, path: &Path, reason: &str) {
    let names = names_in(directory);
    let before = Footprint::of(path);
    let (uses, changes) = (Watch::of(path), Watch::of_changes(directory));
    let error = must_be_refused(lock);
    let is_named = matches!(&error, Error::Unsafe { path: named, .. } if named == path);
    assert!(is_named && error.to_string().contains(reason), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Unsafe);
    let seen = lock.observe().expect("seen");
    assert!(matches!(&seen.state, State::Unsafe { reason } if *reason == error.to_string()), "{seen:?}");
    assert_eq!(uses.noted(), [], "{reason}: it was opened");
    assert_eq!(changes.noted(), [], "{reason}: something was changed");
    assert_eq!((names_in(directory), Footprint::of(path)), (names, before));
}

#[test]
fn what_cannot_be_a_record_is_refused_unopened_and_nothing_is_created_beside_it() {
    for (reason, make) in NOT_A_RECORD {
        let (place, path, lock) = new_lock();
        make(&path);
        must_be_refused_untouched(place.path(), &lock, &path, reason);
    }
}

#[test]
fn what_cannot_be_a_record_is_refused_unopened_where_the_guard_is_there_already() {
    for (reason, make) in NOT_A_RECORD {
        let (place, path, lock) = new_lock();
        must_hold(&lock).release().expect("released");
        make(&path);
        must_be_refused_untouched(place.path(), &lock, &path, reason);
        if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) }.expect("removed");
        must_be_fresh(&lock).release().expect("the refusal left nothing locked");
    }
}

#[test]
fn what_cannot_be_a_guard_is_refused_unopened_and_no_record_is_published() {
    for (reason, make) in NOT_A_RECORD.into_iter().filter(|(reason, _)| *reason != "65537 bytes") {
        let (place, path, lock) = new_lock();
        let guard = path.with_file_name("a.lock.guard");
        make(&guard);
        must_be_refused_untouched(place.path(), &lock, &guard, reason);
    }
}

#[test]
fn guard_with_foreign_content_is_refused_and_untouched() {
    for content in ["#!/bin/sh\n", "{}", "baton guard, last token x", &"0".repeat(65_537)] {
        let (place, path, lock) = new_lock();
        let guard = path.with_file_name("a.lock.guard");
        put(&guard, content);
        let (before, changes) = (Footprint::of(&guard), Watch::of_changes(place.path()));
        let error = must_be_refused(&lock);
        assert!(matches!(&error, Error::NotALockFile { path: named, .. } if *named == guard), "{error:?}");
        assert_eq!((changes.noted(), names_in(place.path())), (vec![], vec!["a.lock.guard".to_owned()]));
        assert_eq!(Footprint::of(&guard), before);
    }
}

#[test]
fn writer_who_waits_at_a_fifo_is_not_woken() {
    let (_place, path, lock) = new_lock();
    make_fifo(&path);
    let (say, heard) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            // Blocks until somebody opens the other end.
            let opened = File::options().write(true).open(&path);
            say.send(opened.is_ok()).expect("heard");
        });
        assert!(matches!(must_be_refused(&lock), Error::Unsafe { .. }));
        assert_eq!(heard.try_recv(), Err(TryRecvError::Empty));
        let reader = File::open(&path).expect("opened");
        assert_eq!(heard.recv(), Ok(true), "now somebody has");
        drop(reader);
    });
}

#[test]
fn record_of_exactly_64_kib_is_read_and_judged() {
    let (_place, path, lock) = new_lock();
    let record = record_of(65_536);
    assert_eq!(record.len(), 65_536);
    put(&path, record);
    let (_held, previous) = must_recover(&lock);
    assert_eq!(previous.expect("it was read").pid, NO_PROCESS);
}

/// In `/tmp` and its like anybody can put a file at the name of somebody else's lock.
#[test]
fn files_of_another_user_in_a_sticky_directory_are_refused_unopened() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a file away");
    }
    for name in ["a.lock", "a.lock.guard"] {
        let (place, path, lock) = new_lock();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o1777)).expect("set");
        let stranger = path.with_file_name(name);
        put(&stranger, "");
        chown(&stranger, Some(STRANGER), None).expect("given away");
        must_be_refused_untouched(place.path(), &lock, &stranger, "it belongs to");
    }
}

#[test]
fn directory_in_which_everybody_may_delete_is_refused_and_left_empty() {
    let (place, _, lock) = new_lock();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("set");
    let error = must_be_refused(&lock);
    assert!(matches!(&error, Error::Unsafe { path, .. } if path == place.path()), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("chmod +t")));
    assert!(matches!(lock.observe().expect("seen").state, State::Unsafe { .. }));
    assert!(names_in(place.path()).is_empty());
}

#[test]
fn directory_of_a_group_and_a_sticky_one_of_everybody_are_accepted() {
    for mode in [0o770, 0o775, 0o2775, 0o1777] {
        let (place, _, lock) = new_lock();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(mode)).expect("set");
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn links_in_the_path_of_the_directory_are_followed() {
    let (place, path, lock) = new_lock();
    let held = must_be_fresh(&lock);
    let link = place.path().join("link");
    symlink(place.path(), &link).expect("linked");
    let same = Lock::open(link.join("a.lock")).expect("a path");
    assert_eq!(same.observe().expect("seen").state, State::Held);
    held.release().expect("released");
    let held = must_be_fresh(&same);
    assert!(path.exists());
    fs::remove_file(&link).expect("removed");
    assert!(matches!(held.verify(), Ok(baton_lock::Integrity::Lost(_))), "the path leads nowhere by now");
}

#[test]
fn missing_directory_is_an_error_that_names_it_and_a_free_lock_to_who_only_looks() {
    let place = temporary();
    let directory = place.path().join("missing");
    let lock = Lock::open(directory.join("a.lock")).expect("a path");
    let error = must_be_refused(&lock);
    assert!(matches!(&error, Error::Io { path, .. } if *path == directory), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("create the directory")));
    assert_eq!(lock.observe().expect("seen").state, State::Free);
    fs::create_dir(&directory).expect("made");
    must_be_fresh(&lock).release().expect("released");
}

#[test]
fn file_in_the_place_of_the_directory_is_an_error_that_names_it() {
    let place = temporary();
    let file = place.path().join("file");
    put(&file, "");
    let lock = Lock::open(file.join("a.lock")).expect("a path");
    let error = must_be_refused(&lock);
    assert!(matches!(&error, Error::Io { path, .. } if *path == file), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("is a file")));
}
