//! The lock's directory is removed, moved or replaced: a value that was opened before finds the one that has the path now.
//!
//! History: a build directory is removed and made anew between two runs of a long-lived process; the handle that it keeps leads to
//! a directory in which nothing can be created any more. While the lock is held see `ancestor_failures`, failure 8.

use baton_itest::answers::{must_be_busy, must_be_fresh, must_be_refused, must_hold};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::scene::{Left, Scene};
use baton_lock::{Error, Lock, Naming, State};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BOTH: [(&str, Scene); 2] = [
    ("baton", Scene { naming: Naming::Record, left: Left::Nothing }),
    ("flock-naming", Scene { naming: Naming::Flock, left: Left::Nothing }),
];

/// A lock in a directory of its own, which was acquired and released once by that value.
fn used_lock(scene: Scene) -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let directory = place.path().join("state");
    fs::create_dir(&directory).expect("made");
    let lock = scene.lock(&directory.join("a.lock"));
    must_be_fresh(&lock).release().expect("released");
    (place, directory, lock)
}

#[test]
fn lock_in_a_directory_that_was_removed_and_made_anew_is_acquired_there() {
    let replacements: [fn(&Path); 2] = [
        |directory| fs::remove_dir_all(directory).expect("removed"),
        |directory| {
            // Not the one that was moved away before.
            let away = TempDir::new_in(directory.parent().expect("a parent")).expect("made").keep();
            fs::rename(directory, away).expect("moved");
        },
    ];
    for ((client, scene), replace) in
        BOTH.into_iter().flat_map(|both| replacements.map(|replace| (both, replace)))
    {
        let (_place, directory, lock) = used_lock(scene);
        replace(&directory);
        fs::create_dir(&directory).expect("made");
        let held = must_be_fresh(&lock);
        assert!(scene.record(&directory.join("a.lock")).exists());
        let mut other = Puppet::of(client, &directory.join("a.lock"));
        assert_eq!(other.tell("try")["busy"]["state"], "held");
        held.release().expect("released");

        replace(&directory);
        fs::create_dir(&directory).expect("made");
        let (_holder, _) = Puppet::holding(client, &directory.join("a.lock"));
        assert_eq!(must_be_busy(&lock).state, State::Held);
        assert_eq!(lock.observe().expect("seen").state, State::Held);
    }
}

/// Who holds it there holds another lock.
#[test]
fn lock_whose_directory_was_moved_with_its_holder_is_free_in_the_new_one() {
    for (client, scene) in BOTH {
        let (_place, directory, lock) = used_lock(scene);
        let (_holder, _) = Puppet::holding(client, &directory.join("a.lock"));
        fs::rename(&directory, directory.with_file_name("away")).expect("moved");
        fs::create_dir(&directory).expect("made");
        must_be_fresh(&lock).release().expect("released");
    }
}

#[test]
fn lock_in_a_directory_that_was_removed_is_an_error_that_names_it() {
    for (_, scene) in BOTH {
        let (_place, directory, lock) = used_lock(scene);
        fs::remove_dir_all(&directory).expect("removed");
        let error = must_be_refused(&lock);
        let is_named = matches!(&error, Error::Io { path, source, .. } if *path == directory && source.kind() == ErrorKind::NotFound);
        assert!(is_named, "{error:?}");
        assert_eq!(lock.observe().expect("seen").state, State::Free);
    }
}

#[test]
fn holder_whose_directory_was_removed_ends_without_an_error() {
    for (_, scene) in BOTH {
        let (_place, directory, lock) = used_lock(scene);
        let held = must_hold(&lock);
        fs::remove_dir_all(&directory).expect("removed");
        assert!(matches!(held.verify(), Ok(baton_lock::Integrity::Lost(_))));
        fs::create_dir(&directory).expect("made");
        let _ = held.release();
        assert!(names_in(&directory).is_empty(), "the new one is not its own");
    }
}
