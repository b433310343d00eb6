//! A umask, a full disk, a directory that can't be written, a filesystem nobody knows: the lock works, or says why not and
//! leaves nothing behind that would be in anybody's way.

use baton_itest::answers::{must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::footprint::{Footprint, names_in};
use baton_itest::places::{make_read_only, on_mounted};
use baton_itest::puppet::Puppet;
use baton_itest::skip::skip;
use baton_itest::theirs::Theirs;
use baton_lock::{Error, ErrorKind, Lock, Naming, State};
use rustix::mount::{MountFlags, mount_remount};
use std::fs::{self, File};
use std::io::{ErrorKind as Kind, Write};
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Four pages of 4 KiB for the content of files; names and inodes take none of them.
const SMALL: &str = "size=16k,mode=0755";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o7777
}

fn lock_in(directory: &Path, naming: Naming) -> (PathBuf, Lock) {
    let path = directory.join("a.lock");
    let lock = Lock::options().naming(naming).open(&path).expect("a path");
    (path, lock)
}

/// Fills the filesystem to the last byte.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filling");
    let mut file = File::create(&path).expect("created");
    let error = iter::repeat_with(|| file.write_all(&[1; 512])).find_map(Result::err).expect("full");
    assert_eq!(error.kind(), Kind::StorageFull);
    path
}

#[track_caller]
fn assert_full(error: &Error, path: &Path) {
    let Error::Io { path: named, source, .. } = error else { panic!("{error:?}") };
    assert_eq!((named.as_path(), source.kind()), (path, Kind::StorageFull));
    assert_eq!(error.hint().as_deref(), Some("free some space on that filesystem"));
}

/// Runs the test on a filesystem of a few pages.
fn on_small_disk(test: impl FnOnce(&Path) + Send) {
    on_mounted("tmpfs", SMALL, test).unwrap_or_else(|reason| skip(&reason));
}

/// With umask 0777 a file is created that its own owner can't open again, and with it the lock would be stuck.
#[test]
fn umask_changes_neither_the_modes_nor_who_gets_the_lock_next() {
    for umask in ["777", "277", "0"] {
        let theirs = Theirs::new();
        let (path, guard) = (theirs.path(), theirs.path().with_file_name("a.lock.guard"));
        let mut holder = theirs.puppet("baton", &["--umask", umask]);
        assert_eq!(holder.tell("try")["held"]["outcome"], "fresh", "umask {umask}");
        assert_eq!((mode(&path), mode(&guard)), (0o600, 0o600), "umask {umask}");
        holder.kill();
        let mut next = theirs.puppet("baton", &["--umask", umask]);
        assert_eq!(next.tell("try")["held"]["outcome"], "recovered", "umask {umask}");
        assert_eq!((mode(&path), mode(&guard)), (0o600, 0o600), "umask {umask}");
        next.tell("release");
        assert_eq!(
            theirs.puppet("baton", &["--umask", "22"]).tell("try")["held"]["outcome"],
            "fresh",
            "umask {umask}"
        );
    }
}

#[test]
fn umask_never_makes_a_new_file_of_flock_naming_unusable_to_its_owner() {
    for (umask, guard, record) in [("777", 0o600, 0o600), ("77", 0o600, 0o600), ("22", 0o644, 0o644)] {
        let theirs = Theirs::new();
        let mut holder = theirs.puppet("flock-naming", &["--umask", umask]);
        let answer = holder.tell("try");
        assert!(answer["held"].is_object() && answer["held"]["recordless"].is_null(), "{answer}");
        let companion = theirs.path().with_file_name("a.lock.holder");
        assert_eq!((mode(&theirs.path()), mode(&companion)), (guard, record), "umask {umask}");
        holder.kill();
        let mut next = theirs.puppet("flock-naming", &["--umask", umask]);
        assert_eq!(next.tell("try")["held"]["outcome"], "recovered", "umask {umask}");
    }
}

#[test]
fn directory_that_cannot_be_written_is_an_error_that_names_the_file_and_the_cause() {
    let theirs = Theirs::new();
    fs::set_permissions(theirs.directory(), fs::Permissions::from_mode(0o555)).expect("set");
    let mut contender = theirs.puppet("baton", &["--umask", "22"]);
    let error = contender.tell("try")["error"].clone();
    let text = error["text"].as_str().expect("an error");
    assert!(text.contains("create the guard") && text.contains(&*theirs.path().to_string_lossy()), "{text}");
    assert!(error["cause"].as_str().is_some_and(|cause| cause.starts_with("Permission denied")), "{error}");
    assert_eq!(contender.tell("observe")["state"], "free");
    assert!(names_in(theirs.directory()).is_empty());
}

#[test]
fn filesystem_that_is_read_only_is_an_error_and_can_be_looked_at() {
    on_small_disk(|root| {
        let (_, lock) = lock_in(root, Naming::Record);
        must_hold(&lock).abandon();
        make_read_only(root);
        let error = must_be_refused(&lock);
        assert!(
            matches!(&error, Error::Io { source, .. } if source.kind() == Kind::ReadOnlyFilesystem),
            "{error:?}"
        );
        assert!(error.hint().is_some_and(|hint| hint.contains("can be written to")));
        assert_eq!(lock.observe().expect("seen").state, State::LeftOver);
        mount_remount(root, MountFlags::empty(), c"").expect("remounted");
        must_recover(&lock).0.release().expect("released");
    });
}

#[test]
fn first_lock_on_a_full_disk_is_an_error_that_leaves_at_most_an_empty_guard() {
    on_small_disk(|root| {
        let (path, lock) = lock_in(root, Naming::Record);
        let filling = fill(root);
        let guard = path.with_file_name("a.lock.guard");
        for _ in 0..2 {
            assert_full(&must_be_refused(&lock), &guard);
            assert_eq!(names_in(root), ["a.lock.guard", "filling"]);
        }
        assert_eq!(lock.observe().expect("seen").state, State::Free);
        fs::remove_file(filling).expect("removed");
        must_be_fresh(&lock).release().expect("released");
    });
}

#[test]
fn record_that_finds_the_disk_full_is_an_error_and_leaves_nothing() {
    on_small_disk(|root| {
        let (path, lock) = lock_in(root, Naming::Record);
        let held = must_be_fresh(&lock);
        let token = held.token();
        held.release().expect("released");
        let filling = fill(root);
        assert_full(&must_be_refused(&lock), &path);
        assert_eq!(names_in(root), ["a.lock.guard", "filling"]);
        fs::remove_file(filling).expect("removed");
        let held = must_be_fresh(&lock);
        assert!(held.token() > token);
        held.release().expect("released");
    });
}

#[test]
fn takeover_on_a_full_disk_is_an_error_and_the_death_is_told_to_the_next_one() {
    on_small_disk(|root| {
        let (path, lock) = lock_in(root, Naming::Record);
        let (holder, _) = Puppet::holding("baton", &path);
        let pid = holder.pid();
        holder.kill();
        let filling = fill(root);
        let before = Footprint::of(&path);
        assert_full(&must_be_refused(&lock), &path);
        assert_eq!(Footprint::of(&path), before);
        assert_eq!(names_in(root), ["a.lock", "a.lock.guard", "filling"]);
        fs::remove_file(filling).expect("removed");
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous.expect("its record").pid, pid);
        held.release().expect("released");
    });
}

#[test]
fn release_on_a_full_disk_needs_no_space() {
    on_small_disk(|root| {
        let (_, lock) = lock_in(root, Naming::Record);
        let held = must_be_fresh(&lock);
        let filling = fill(root);
        held.release().expect("released");
        assert_eq!(names_in(root), ["a.lock.guard", "filling"]);
        fs::remove_file(filling).expect("removed");
        must_be_fresh(&lock).release().expect("released");
    });
}

/// In flock naming the record stays and is published anew, marked as released, which takes a page.
#[test]
fn release_that_cannot_be_noted_on_a_full_disk_is_an_error_and_gives_the_lock_back() {
    on_small_disk(|root| {
        let (path, lock) = lock_in(root, Naming::Flock);
        let held = must_be_fresh(&lock);
        let filling = fill(root);
        let record = path.with_file_name("a.lock.holder");
        assert_full(&held.release().expect_err("there is no space"), &record);
        assert_eq!(names_in(root), ["a.lock", "a.lock.holder", "filling"]);
        assert_eq!(
            lock.observe().expect("seen").state,
            State::LeftOver,
            "when in doubt, it was no clean end"
        );
        assert_full(&must_be_refused(&lock), &record);
        fs::remove_file(filling).expect("removed");
        must_recover(&lock).0.release().expect("released");
    });
}

/// Filesystems of the kernel that nobody would put a lock on; what they can do differs.
const UNKNOWN: [(&str, &str); 2] = [("mqueue", "0x19800202"), ("hugetlbfs", "0x958458f6")];

#[test]
fn unknown_filesystem_is_refused_by_its_number_and_nothing_is_created() {
    for (kind, number) in UNKNOWN {
        let shown = on_mounted(kind, "", |root| {
            // Another name than in the other tests: the queues of one namespace are seen wherever they are mounted.
            let path = root.join("refused.lock");
            let lock = Lock::open(&path).expect("a path");
            let error = must_be_refused(&lock);
            let is_named =
                matches!(&error, Error::Filesystem { path, kind } if path == root && kind == number);
            assert!(is_named, "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.hint().is_some_and(|hint| hint.contains(&format!("--allow-fs {number}"))));
            assert!(matches!(lock.observe(), Err(Error::Filesystem { .. })), "nor is it looked at");
            let other = Lock::options().allow_filesystem("nfs").open(&path).expect("a path");
            assert!(matches!(must_be_refused(&other), Error::Filesystem { .. }), "another one's opt-in");
            assert!(!names_in(root).iter().any(|name| name.contains("refused.lock")));
        });
        shown.unwrap_or_else(|reason| skip(&reason));
    }
}

#[test]
fn unknown_filesystem_that_is_opted_into_is_used_as_far_as_it_goes() {
    for (kind, number) in UNKNOWN {
        let shown = on_mounted(kind, "", |root| {
            for name in [number.to_owned(), number.to_uppercase().replace('X', "x")] {
                let lock = Lock::options().allow_filesystem(name).open(root.join("a.lock")).expect("a path");
                assert_eq!(lock.observe().expect("looked at").state, State::Free);
                let error = must_be_refused(&lock);
                eprintln!("{kind} {error:?} {:?}", names_in(root));
            }
        });
        shown.unwrap_or_else(|reason| skip(&reason));
    }
}
