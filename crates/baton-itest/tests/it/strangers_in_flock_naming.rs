//! In flock naming the record lies beside a file that is the user's, where others may create files too: what can't be the lock's
//! own record decides nothing, and what is a holder's excludes, whatever happened to it.
//!
//! History: a record that could not be judged was done without, also one that a living holder had locked. And a record of anybody who
//! may create files in the directory blocked the lock for ever, or was handed over as that of a predecessor.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold};
use baton_itest::bystander::Bystander;
use baton_itest::footprint::{Footprint, Watch};
use baton_itest::handwritten::{NO_PROCESS, ancestors, put, put_record};
use baton_itest::places::{on_mounted, on_overlay, temporary};
use baton_itest::puppet::{self, Puppet};
use baton_itest::skip::skip;
use baton_lock::{Integrity, Lock, Naming, State};
use rustix::fs::{FlockOperation, fcntl_lock};
use serde_json::json;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const STRANGER: u32 = 65_534;

fn new_lock() -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("data");
    fs::write(&path, "the user's").expect("written");
    (place, path.clone(), flock_lock(&path))
}

fn flock_lock(path: &Path) -> Lock {
    Lock::options().naming(Naming::Flock).open(path).expect("a path")
}

fn record_of(path: &Path) -> PathBuf {
    path.with_file_name("data.holder")
}

/// P1 holds; a backup gives its record a second name, an editor replaces the guard: P2 locks the new guard.
#[test]
fn second_name_of_the_record_and_a_replaced_guard_do_not_make_two_holders() {
    let (_place, path, lock) = new_lock();
    let held = must_be_fresh(&lock);
    fs::hard_link(record_of(&path), path.with_file_name("copy")).expect("linked");
    put(&path, "the user's, edited");
    assert!(matches!(held.verify(), Ok(Integrity::Damaged(_))));
    assert_eq!(must_be_busy(&lock).state, State::Held);
    held.release().expect("released");
}

#[test]
fn what_is_no_record_is_done_without_and_left_alone() {
    let kinds: [fn(&Path); 4] = [
        |path| fs::create_dir(path).expect("made"),
        |path| put(path, "somebody's notes"),
        |path| put_record(path, &ancestors(std::process::id())),
        |path| assert!(Command::new("mkfifo").arg(path).status().expect("starts").success()),
    ];
    for make in kinds {
        let (_place, path, lock) = new_lock();
        make(&record_of(&path));
        let before = Footprint::of(&record_of(&path));
        assert_eq!(lock.observe().expect("seen").state, State::Free);
        let held = must_be_fresh(&lock);
        assert!(held.recordless().is_some());
        assert!(matches!(lock.observe().expect("seen").state, State::ForeignFlock));
        held.release().expect("released");
        assert_eq!(Footprint::of(&record_of(&path)), before);
    }
}

/// Whoever can't open the guard can't hold the lock, so that a record of theirs is none.
#[test]
fn record_of_a_user_who_cannot_open_the_guard_says_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can give a file away");
    }
    let forged =
        json!({ "pid": 1, "startedAt": null, "command": "forged", "baton": { "version": 1, "token": 1 } });
    let records: [(&str, String); 3] = [
        ("an ancestor's", format!("{:#}", ancestors(1))),
        ("empty", String::new()),
        ("forged", format!("{forged:#}")),
    ];
    for (what, content) in records {
        let (place, path, lock) = new_lock();
        fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).expect("set");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        chown(&path, Some(STRANGER - 1), None).expect("given away");
        put(&record_of(&path), content);
        chown(record_of(&path), Some(STRANGER), None).expect("given away");
        let theirs = File::options().read(true).write(true).open(record_of(&path)).expect("opened");
        // Even locked as a holder locks it. A process's own lock does not meet itself, so that the contender is another one.
        fcntl_lock(&theirs, FlockOperation::NonBlockingLockExclusive).expect("locked");
        let mut contender = Puppet::of("flock-naming", &path);
        let answer = contender.tell("try");
        assert_eq!(answer["held"]["outcome"], "fresh", "{what}: {answer}");
        assert!(answer["held"]["recordless"].is_string(), "{what}: {answer}");
        drop(lock);
    }
}

/// History: the released record could be read but not replaced, so that every acquisition was *recovered* from it.
#[test]
fn without_a_record_of_its_own_nobody_is_told_recovered_and_the_token_still_grows() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can be two users");
    }
    let (place, path, _) = new_lock();
    fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).expect("set");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("set");
    let (holder, answer) = Puppet::holding("flock-naming", &path);
    let token = answer["held"]["token"].as_u64().expect("a number");
    holder.kill();
    fs::set_permissions(record_of(&path), Permissions::from_mode(0o666)).expect("set");
    for _ in 0..2 {
        let mut command = puppet::command("flock-naming", &path);
        command.args(["--uid", &STRANGER.to_string()]);
        let mut other = Puppet::start(command);
        let answer = other.tell("try");
        assert_eq!(answer["held"]["outcome"], "fresh", "{answer}");
        assert!(
            answer["held"]["recordless"].is_string() && answer["held"]["token"].as_u64() > Some(token),
            "{answer}"
        );
        assert_eq!(other.tell("release"), json!({}));
    }
}

/// History: a file that another program has locked with `lockf` was taken for a record of default naming.
#[test]
fn file_that_another_program_has_locked_in_another_way_is_no_lock_of_the_other_naming() {
    let (_place, path, lock) = new_lock();
    let _locked = Bystander::locking_with_lockf(&path);
    must_be_fresh(&lock).release().expect("released");
}

/// History: a `FIFO` at the record's name was opened by whoever found the guard locked, which woke a writer that waited there.
#[test]
fn fifo_behind_a_locked_guard_is_not_opened() {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    must_hold(&lock).release().expect("released");
    let guard = File::open(path.with_file_name("a.lock.guard")).expect("there");
    guard.lock().expect("locked");
    assert!(Command::new("mkfifo").arg(&path).status().expect("starts").success());
    let uses = Watch::of(&path);
    assert_eq!(must_be_busy(&lock).state, State::Acquiring);
    assert_eq!(uses.noted(), [], "it was opened");
}

/// History: on overlayfs and btrfs the device of a lock in `/proc/locks` is not that of `stat`, and was not compared: any locked file
/// with the same inode number made a free lock look busy, for as long as that was locked.
#[test]
fn locked_file_of_another_filesystem_with_the_same_number_makes_nothing_look_busy() {
    let shown = on_overlay(|root| {
        on_mounted("tmpfs", "", |other| {
            let lock = Lock::open(root.join("a.lock")).expect("a path");
            must_hold(&lock).release().expect("released");
            let guard = fs::metadata(root.join("a.lock.guard")).expect("there").ino();
            let Some(twin) = file_with_inode(other, guard) else {
                return skip("no file with the same inode number came up");
            };
            twin.lock().expect("locked");
            assert_eq!(lock.observe().expect("seen").state, State::Free);
            let held = must_hold(&lock);
            assert_eq!(lock.observe().expect("seen").state, State::Held);
            held.release().expect("released");
        })
    });
    shown.and_then(|inner| inner).unwrap_or_else(|reason| skip(&reason));
}

fn file_with_inode(directory: &Path, inode: u64) -> Option<File> {
    (0..2000).find_map(|number| {
        let file = File::create(directory.join(number.to_string())).expect("created");
        (file.metadata().expect("there").ino() == inode).then_some(file)
    })
}

#[test]
fn token_that_no_clock_has_yielded_is_not_believed() {
    let (_place, path, lock) = new_lock();
    must_be_fresh(&lock).release().expect("released");
    for token in [u64::MAX, (1 << 53) - 1, 1 << 52] {
        let planted = json!({
            "pid": NO_PROCESS, "startedAt": null, "command": null, "baton": { "version": 1, "token": token }
        });
        put_record(&record_of(&path), &planted);
        let first = must_hold(&lock);
        let given = first.token();
        assert!(given < 1 << 52, "{given}");
        first.release().expect("released");
        assert!(must_hold(&lock).token() > given);
    }
}
