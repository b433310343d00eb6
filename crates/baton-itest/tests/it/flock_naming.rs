//! Flock naming: whoever locks the same file with `flock`, in whatever language, excludes Baton and is excluded, and the file itself is
//! never touched.
//!
//! History: people lock what they have, a script, a data file, a directory, and a lock that wrote to it, removed it or changed its
//! mode would be worse than none.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_hold, must_recover};
use baton_itest::bystander::{Bystander, PYTHON_FLOCK};
use baton_itest::footprint::{Footprint, Watch, names_in};
use baton_itest::handwritten::put;
use baton_itest::kernel_locks::{inode, until_waiting};
use baton_itest::places::{make_read_only, on_mounted, temporary};
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_itest::skip::skip;
use baton_itest::theirs::Theirs;
use baton_lock::{Held, Integrity, Lock, Naming, Outcome, State};
use serde_json::Value;
use std::any::Any;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const FLOCK: Scene = Scene { naming: Naming::Flock, left: Left::Nothing };

fn make_script(path: &Path) {
    put(path, "#!/bin/sh\nmake deploy\n");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
}

fn make_data(path: &Path) {
    put(path, [0, 255, 7].repeat(10_000));
    // Reading is all that it takes.
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).expect("set");
}

fn make_directory(path: &Path) {
    fs::create_dir(path).expect("made");
    put(&path.join("file in it"), "content");
}

/// What people lock.
const TARGETS: [fn(&Path); 3] = [make_script, make_data, make_directory];

fn lock_on(make: fn(&Path)) -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("target");
    make(&path);
    let lock = FLOCK.lock(&path);
    (place, path, lock)
}

/// A lock by the standard library, given back explicitly: children of other tests have copies of the descriptor for a moment.
struct StdLock(File);

impl StdLock {
    fn on(path: &Path) -> Self {
        let file = File::open(path).expect("opened");
        file.try_lock().expect("free");
        Self(file)
    }
}

impl Drop for StdLock {
    fn drop(&mut self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = self.0.unlock();
    }
}

/// Somebody else who locks files by `flock`.
struct Other {
    name: &'static str,
    hold: fn(&Path) -> Box<dyn Any>,
    /// Does it get the lock without waiting?
    gets_it: fn(&Path) -> bool,
}

const OTHERS: [Other; 3] = [
    Other {
        name: "flock(1)",
        hold: |path| Box::new(Bystander::flocking(path)),
        gets_it: |path| succeeds(Command::new("flock").arg("-n").arg(path).arg("true")),
    },
    Other {
        name: "Python",
        hold: |path| Box::new(Bystander::flocking_in_python(path)),
        gets_it: |path| succeeds(Command::new("python3").args(["-c", PYTHON_FLOCK]).arg(path)),
    },
    Other {
        name: "std",
        hold: |path| Box::new(StdLock::on(path)),
        gets_it: |path| {
            let file = File::open(path).expect("opened");
            let gets_it = file.try_lock().is_ok();
            drop(StdLock(file));
            gets_it
        },
    },
];

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("it starts").success()
}

#[test]
fn others_who_lock_the_same_file_exclude_baton_and_are_excluded() {
    for other in &OTHERS {
        if other.name == "Python" && Command::new("python3").arg("--version").output().is_err() {
            skip("there is no `python3`");
            continue;
        }
        for make in TARGETS {
            let (_place, path, lock) = lock_on(make);
            let keeper = (other.hold)(&path);
            let seen = must_be_busy(&lock);
            assert_eq!(seen.state, State::ForeignFlock, "{}", other.name);
            let seen = lock.observe().expect("seen");
            assert_eq!(seen.state, State::ForeignFlock, "{}", other.name);
            assert!(!seen.processes.is_empty(), "{}: {}", other.name, seen.reason());
            drop(keeper);

            let held = must_be_fresh(&lock);
            assert!(!(other.gets_it)(&path), "{}", other.name);
            held.release().expect("released");
            assert!((other.gets_it)(&path), "{}", other.name);
        }
    }
}

#[test]
fn flock_program_that_waits_gets_the_lock_when_it_is_released() {
    for make in TARGETS {
        let (_place, path, lock) = lock_on(make);
        let held = must_be_fresh(&lock);
        let mut program = Command::new("flock").arg(&path).arg("true").spawn().expect("`flock` starts");
        until_waiting(inode(&path), 1);
        held.release().expect("released");
        assert!(program.wait().expect("reaped").success());
    }
}

fn record_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(FLOCK.record(path)).expect("there")).expect("JSON")
}

#[test]
fn locked_file_is_untouched_whatever_becomes_of_its_holders() {
    for make in TARGETS {
        let (place, path, lock) = lock_on(make);
        let (before, changes) = (Footprint::of(&path), Watch::of_changes(&path));
        must_be_fresh(&lock).release().expect("released");
        must_be_fresh(&lock).abandon();
        let (holder, _) = Puppet::holding("flock-naming", &path);
        must_be_busy(&lock);
        holder.kill();
        must_recover(&lock).0.undo();
        must_recover(&lock).0.release().expect("released");
        assert_eq!((Footprint::of(&path), changes.noted()), (before, vec![]));
        assert_eq!(names_in(place.path()), ["target", "target.holder"]);
    }
}

#[test]
fn record_beside_the_locked_file_says_who_and_is_marked_after_a_clean_end() {
    for make in TARGETS {
        let (_place, path, lock) = lock_on(make);
        let (mut holder, said) = Puppet::holding("flock-naming", &path);
        let written = record_of(&path);
        assert_eq!((&written, &written["pid"]), (&said["held"]["record"], &holder.pid().into()));
        assert_eq!(written["baton"]["released"], Value::Null);
        holder.tell("release");
        let marked = record_of(&path);
        assert_eq!(marked["baton"]["released"], true);
        assert_eq!(marked["baton"]["token"], written["baton"]["token"]);
        assert_eq!(lock.observe().expect("seen").state, State::Free);
        let held = must_be_fresh(&lock);
        assert!(Some(held.token()) > written["baton"]["token"].as_u64());
        held.release().expect("released");
    }
}

#[test]
fn killed_holder_of_flock_naming_is_recovered_with_its_record() {
    for make in TARGETS {
        let (_place, path, lock) = lock_on(make);
        let (holder, said) = Puppet::holding("flock-naming", &path);
        holder.kill();
        assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
        let (held, previous) = must_recover(&lock);
        let previous: Value = serde_json::from_str(&previous.expect("its record").to_json()).expect("JSON");
        assert_eq!(previous, said["held"]["record"]);
        held.release().expect("released");
        must_be_fresh(&lock).release().expect("released");
    }
}

/// Whoever may read the locked file may read who has it locked, and nobody else.
#[test]
fn record_can_be_read_by_whoever_can_read_the_locked_file() {
    for (guard, expected) in [(0o644, 0o644), (0o755, 0o644), (0o640, 0o640), (0o600, 0o600), (0o664, 0o664)]
    {
        let (_place, path, lock) = lock_on(make_script);
        fs::set_permissions(&path, fs::Permissions::from_mode(guard)).expect("set");
        let held = must_be_fresh(&lock);
        let mode = || fs::metadata(FLOCK.record(&path)).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(), expected, "{guard:o}");
        held.release().expect("released");
        assert_eq!(mode(), expected, "{guard:o}, marked");
    }
}

/// Holds without a record, which it says; the lock itself is as good as `flock`'s.
#[track_caller]
fn assert_recordless(held: &Held, reason: &str) {
    assert_eq!(*held.outcome(), Outcome::Fresh);
    assert!(held.recordless().is_some_and(|said| said.contains(reason)), "{:?}", held.recordless());
    assert_eq!(held.verify().expect("told"), Integrity::Intact);
}

#[test]
fn lock_in_a_directory_that_cannot_be_written_is_held_without_a_record_and_says_so() {
    let theirs = Theirs::new();
    make_script(&theirs.path());
    fs::set_permissions(theirs.directory(), fs::Permissions::from_mode(0o555)).expect("set");
    let mut holder = theirs.puppet("flock-naming", &[]);
    let answer = holder.tell("try");
    let reason = answer["held"]["recordless"].as_str().unwrap_or_else(|| panic!("{answer}"));
    assert!(reason.contains("a.lock.holder") && reason.contains("Permission denied"), "{reason}");
    assert_eq!(holder.tell("verify"), serde_json::json!({ "intact": true }));
    let mut other = theirs.puppet("flock-naming", &[]);
    assert_eq!(other.tell("try")["busy"]["state"], "foreign_flock");
    let first = answer["held"]["token"].as_u64();
    holder.kill();
    let answer = other.tell("try");
    assert_eq!(answer["held"]["outcome"], "fresh", "nobody is there to tell of a death");
    assert!(answer["held"]["token"].as_u64() > first);
    assert_eq!(names_in(theirs.directory()), ["a.lock"]);
}

#[test]
fn lock_whose_record_is_another_users_is_held_without_and_leaves_that_alone() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can be another user to somebody");
    }
    for (mode, said) in [(0o644, "belongs to root and can't be written"), (0o600, "belongs to another user")]
    {
        for end in [|held: Held| held.release().expect("released"), Held::abandon] {
            let theirs = Theirs::new();
            let lock = FLOCK.lock(&theirs.path());
            make_script(&theirs.path());
            end(must_be_fresh(&lock));
            let record = FLOCK.record(&theirs.path());
            fs::set_permissions(&record, fs::Permissions::from_mode(mode)).expect("set");
            let before = Footprint::of(&record);
            let mut holder = theirs.puppet("flock-naming", &[]);
            let answer = holder.tell("try");
            let reason = answer["held"]["recordless"].as_str().unwrap_or_else(|| panic!("{answer}"));
            assert!(reason.contains("a.lock.holder") && reason.contains(said), "{reason}");
            assert_eq!(must_be_busy(&lock).state, State::ForeignFlock);
            holder.tell("release");
            assert_eq!(Footprint::of(&record), before);
        }
    }
}

/// One kernel lock of the two is enough for who can only read the record.
#[test]
fn lock_that_another_user_holds_by_its_record_alone_is_busy() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can be another user to somebody");
    }
    let theirs = Theirs::new();
    make_script(&theirs.path());
    let held = must_be_fresh(&FLOCK.lock(&theirs.path()));
    // Saved by an editor: another file has the name of the guard.
    make_script(&theirs.path());
    chown(theirs.path(), Some(0), None).expect("given");
    let answer = theirs.puppet("flock-naming", &[]).tell("try");
    assert_eq!(
        (&answer["busy"]["state"], &answer["busy"]["record"]["pid"]),
        (&"held".into(), &std::process::id().into())
    );
    held.release().expect("released");
}

#[test]
fn lock_on_a_read_only_filesystem_is_held_without_a_record() {
    let shown = on_mounted("tmpfs", "mode=0755", |root| {
        let path = root.join("target");
        make_script(&path);
        make_read_only(root);
        let lock = FLOCK.lock(&path);
        let held = must_hold(&lock);
        assert_recordless(&held, "Read-only file system");
        assert_eq!(must_be_busy(&lock).state, State::ForeignFlock);
        held.release().expect("released");
        let held = must_hold(&lock);
        assert_recordless(&held, "Read-only file system");
        assert_eq!(names_in(root), ["target"]);
        held.release().expect("released");
    });
    shown.unwrap_or_else(|reason| skip(&reason));
}

/// A word of the reason, and what makes such a file at a path.
type Kind = (&'static str, fn(&Path));

/// Something that is no record has its name: it is kept, and done without.
#[test]
fn lock_whose_records_name_is_taken_by_something_else_is_held_without_a_record() {
    let kinds: [Kind; 3] = [
        ("is not a lock file", |path| put(path, "#!/bin/sh\n")),
        ("a directory", |path| fs::create_dir(path).expect("made")),
        ("a symbolic link", |path| std::os::unix::fs::symlink("/etc/passwd", path).expect("linked")),
    ];
    for (reason, make) in kinds {
        let (_place, path, lock) = lock_on(make_script);
        make(&FLOCK.record(&path));
        let before = Footprint::of(&FLOCK.record(&path));
        let held = must_hold(&lock);
        assert_recordless(&held, reason);
        must_be_busy(&lock);
        held.release().expect("released");
        assert_eq!(Footprint::of(&FLOCK.record(&path)), before);
    }
}

#[test]
fn deletion_of_the_guard_is_loss_where_there_is_no_record() {
    let (_place, path, lock) = lock_on(make_script);
    put(&FLOCK.record(&path), "#!/bin/sh\n");
    let held = must_hold(&lock);
    fs::remove_file(&path).expect("deleted");
    assert!(matches!(held.verify(), Ok(Integrity::Lost(reason)) if reason.contains("target")));
    held.release().expect("released");
}
