//! What went wrong with the ancestor's lock, failure by failure (1 to 10), and does not with this one.
//!
//! Each test opens with the history of its bug; the numbers in parentheses are the ancestor's issues.

use baton_itest::ancestor::AncestorRecord;
use baton_itest::answers::{must_be_busy, must_be_fresh, must_be_refused, must_hold, must_recover};
use baton_itest::footprint::{Footprint, all_in, names_in};
use baton_itest::handwritten::{self, NO_PROCESS, ago, make_old, put, put_record, with};
use baton_itest::places::temporary;
use baton_itest::puppet::{self, Puppet};
use baton_lock::{AncestorState, Error, Integrity, Lock, State};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_hours(1);

/// A place with a lock in it that nobody has acquired yet.
fn new_lock() -> (TempDir, PathBuf, Lock) {
    let place = temporary();
    let path = place.path().join("a.lock");
    let lock = Lock::open(&path).expect("a path");
    (place, path, lock)
}

/// Failure 1 (1281): of two that cleaned up one stale file, the slower one removed the faster one's fresh lock, and both held.
#[test]
fn of_several_cleaners_of_one_stale_file_exactly_one_holds() {
    let (_place, path, _) = new_lock();
    let mut cleaners: Vec<Puppet> = (0..3).map(|_| Puppet::of("baton", &path)).collect();
    let mut last_token = 0;
    for round in 0..100 {
        put_record(&path, &handwritten::ancestors(NO_PROCESS));
        for cleaner in &mut cleaners {
            cleaner.order("try");
        }
        let answers: Vec<Value> =
            cleaners.iter_mut().map(|cleaner| cleaner.answer().expect("it lives")).collect();
        let holders: Vec<usize> = (0..answers.len()).filter(|&n| answers[n]["held"].is_object()).collect();
        assert!(answers.iter().all(|answer| answer["error"].is_null()), "round {round}: {answers:?}");
        let [holder] = holders[..] else { panic!("round {round}: {answers:?}") };
        let held = &answers[holder]["held"];
        assert_eq!(held["previous"]["pid"], NO_PROCESS);
        let token = held["token"].as_u64().expect("a number");
        assert!(token > last_token, "round {round}");
        last_token = token;
        assert_eq!(cleaners[holder].tell("release"), json!({}));
    }
}

/// Failure 2 (review of 1656): a short write succeeded, and readers found truncated JSON.
#[test]
fn reader_never_finds_half_a_record() {
    let (_place, path, lock) = new_lock();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut whole = 0;
            while !is_over.load(Ordering::Relaxed) || whole == 0 {
                let Ok(bytes) = fs::read(&path) else { continue };
                assert!(AncestorRecord::parse(&bytes).is_some(), "{:?}", String::from_utf8_lossy(&bytes));
                whole += 1;
            }
        });
        for _ in 0..1000 {
            must_hold(&lock).release().expect("released");
            must_hold(&lock).abandon();
        }
        let held = must_hold(&lock);
        is_over.store(true, Ordering::Relaxed);
        assert!(reader.join().is_ok(), "the reader found half a record");
        drop(held);
    });
}

/// Failure 2, the write itself: one that is cut short and then ends its writer leaves nothing that looks like a lock.
#[test]
fn writer_that_dies_in_the_middle_of_its_record_leaves_the_lock_free() {
    let (place, path, lock) = new_lock();
    let mut command = puppet::command("baton", &path);
    command.args(["--file-size", "100"]);
    let mut writer = Puppet::start(command);
    assert_eq!(writer.tell_and_see("try"), None, "the signal for a file too large ends it");
    assert_eq!(writer.ended().signal(), Some(rustix::process::Signal::XFSZ.as_raw()));
    let names = names_in(place.path());
    assert!(
        matches!(&names[..], [temporary, guard] if temporary.starts_with(".a.lock.") && guard == "a.lock.guard")
    );
    must_be_fresh(&lock).release().expect("released");
}

/// Failure 2, where the writer survives: it is an error that names the file, and nothing is left.
#[test]
fn write_that_is_cut_short_is_an_error_and_leaves_nothing() {
    let (place, path, lock) = new_lock();
    let mut ignoring = Command::new("sh");
    let contender = puppet::command("baton", &path);
    ignoring.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(contender.get_program());
    ignoring.args(contender.get_args()).args(["--file-size", "100"]);
    let answer = Puppet::start(ignoring).tell("try");
    let text = answer["error"]["text"].as_str().expect("an error");
    assert!(text.contains("write the record") && text.contains(&*path.to_string_lossy()), "{text}");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
    must_be_fresh(&lock).release().expect("released");
}

/// Failure 3 (2765, 2833): a crash between create and write left an empty file, which blocked for ever.
#[test]
fn empty_file_of_a_crash_blocks_for_30_seconds_and_not_longer() {
    let (_place, path, lock) = new_lock();
    put(&path, "");
    assert!(matches!(must_be_busy(&lock).state, State::Incomplete { .. }));
    make_old(&path);
    let (_held, previous) = must_recover(&lock);
    assert_eq!(previous, None, "nobody knows who it was");
}

/// Failure 3, of our own: the guard too is created by one call and written by another.
#[test]
fn creator_that_dies_before_its_first_write_blocks_nobody() {
    let (place, path, lock) = new_lock();
    let mut command = puppet::command("baton", &path);
    command.args(["--file-size", "0"]);
    assert_eq!(Puppet::start(command).tell_and_see("try"), None, "it dies at its first write");
    assert_eq!(fs::read(place.path().join("a.lock.guard")).expect("created"), b"");
    must_be_fresh(&lock).release().expect("released");
}

/// Failure 4 (4921): after a reboot, or in a container where pids start at 1, a recycled pid wedged the lock or put the blame on
/// a stranger.
#[test]
fn pid_that_a_stranger_has_by_now_neither_wedges_nor_blames() {
    let (_place, path, lock) = new_lock();
    let stranger = Puppet::of("baton", &path);
    let started = json!({ "startedAt": ago(HOUR) });
    put_record(&path, &with(handwritten::ancestors(stranger.pid()), started.clone()));
    let (held, previous) = must_recover(&lock);
    let previous = previous.expect("a readable record");
    assert_eq!(json!({ "startedAt": previous.started_at }), started);
    drop(held);
}

/// Failure 4, of our own: in a record of Baton's the pid decides nothing at all.
#[test]
fn dead_record_that_names_a_living_process_is_recovered() {
    let (_place, path, lock) = new_lock();
    must_hold(&lock).abandon();
    for pid in [1, std::process::id()] {
        let left_over: Value = serde_json::from_slice(&fs::read(&path).expect("left over")).expect("JSON");
        put_record(&path, &with(left_over, json!({ "pid": pid })));
        let (held, previous) = must_recover(&lock);
        assert_eq!(previous.expect("a readable record").pid, pid);
        held.abandon();
    }
}

/// Failure 5 (10461): after a holder had died the caller gave up, without a word of who it was and how it ended.
#[test]
fn next_one_after_a_killed_holder_gets_the_lock_and_its_record() {
    let (_place, path, lock) = new_lock();
    let mut command = puppet::command("baton", &path);
    command.args(["--purpose", "nightly build"]);
    let mut holder = Puppet::start(command);
    let said = holder.tell("try")["held"]["record"].clone();
    holder.kill();
    let (held, previous) = must_recover(&lock);
    let previous = previous.expect("a readable record");
    assert_eq!(serde_json::from_str::<Value>(&previous.to_json()).expect("JSON"), said);
    assert!(held.token() > previous.token().expect("a token"));
}

/// Failure 5 (11052): contention was shown as a bare internal error, without pid, start, command or next step.
#[test]
fn busy_answer_says_who_since_when_with_what_and_what_to_do() {
    let (_place, path, lock) = new_lock();
    let (holder, answer) = Puppet::holding("baton", &path);
    let holding = must_be_busy(&lock);
    let reason = holding.reason();
    let started = answer["held"]["record"]["startedAt"].as_str().expect("a time");
    let seconds = started.split_once('.').expect("milliseconds").0;
    for part in [&*path.to_string_lossy(), &format!("pid {}", holder.pid()), seconds, "lock_puppet"] {
        assert!(reason.contains(part), "{part} is not in: {reason}");
    }
    assert!(holding.advice().contains(&format!("`baton wait {}`", path.display())), "{}", holding.advice());
}

/// Failure 6 (10779): a left-over lock blocked even commands that only look, such as list and uninstall.
#[test]
fn left_over_lock_can_be_looked_at_and_says_that_it_blocks_nobody() {
    let (place, path, lock) = new_lock();
    let (holder, _) = Puppet::holding("baton", &path);
    let pid = holder.pid();
    holder.kill();
    let before = all_in(place.path());
    let seen = lock.observe().expect("nothing is in the way of looking");
    assert_eq!((seen.state.clone(), seen.is_obtainable()), (State::LeftOver, true));
    assert!(seen.reason().contains(&format!("pid {pid}")), "{}", seen.reason());
    assert_eq!(all_in(place.path()), before);
    must_recover(&lock).0.release().expect("released");
}

/// Failure 7 (9746): where no identity of a process was to be had, a living owner was taken for dead.
#[test]
fn living_owner_whose_identity_cannot_be_compared_is_kept() {
    let (_place, path, lock) = new_lock();
    let owner = Puppet::of("baton", &path);
    for started in [Value::Null, json!("yesterday"), json!("")] {
        put_record(&path, &with(handwritten::ancestors(owner.pid()), json!({ "startedAt": started })));
        let before = Footprint::of(&path);
        assert_eq!(must_be_busy(&lock).state, State::Ancestor(AncestorState::Alive));
        assert_eq!(Footprint::of(&path), before);
    }
}

/// Failure 8 (9833, 11395): the state directory was swapped under the holder, which went on and released the other one's lock.
#[test]
fn holder_whose_directory_was_swapped_is_told_and_leaves_the_new_one_alone() {
    let place = temporary();
    let [named, away] = ["state", "away"].map(|name| place.path().join(name));
    fs::create_dir(&named).expect("made");
    let lock = Lock::open(named.join("a.lock")).expect("a path");
    let held = must_be_fresh(&lock);
    fs::rename(&named, &away).expect("moved");
    fs::create_dir(&named).expect("made");
    assert!(matches!(held.verify(), Ok(Integrity::Lost(reason)) if reason.contains("state")));
    let (other, _) = Puppet::holding("baton", &named.join("a.lock"));
    let before = all_in(&named);
    held.release().expect("what is its own is released, where it is now");
    assert_eq!(all_in(&named), before);
    assert_eq!(names_in(&away), ["a.lock.guard"]);
    assert_eq!(must_be_busy(&lock).state, State::Held, "the same value finds the new directory");
    drop(other);
}

/// Failure 8: a second name was given to the lock file, after which its owner no longer knew it for its own.
#[test]
fn lock_whose_record_got_a_second_name_stays_exclusive_and_is_released() {
    let (place, path, lock) = new_lock();
    let held = must_be_fresh(&lock);
    fs::hard_link(&path, place.path().join("second")).expect("linked");
    assert_eq!(must_be_busy(&lock).state, State::Held);
    assert_eq!(held.verify().expect("told"), Integrity::Intact);
    held.release().expect("released");
    assert_eq!(names_in(place.path()), ["a.lock.guard", "second"]);
    must_be_fresh(&lock).release().expect("released");
}

/// Failure 8: another file was put in the lock's place just before its release, which then removed that one.
#[test]
fn release_leaves_what_was_put_in_the_place_of_its_record() {
    let (_place, path, lock) = new_lock();
    let held = must_be_fresh(&lock);
    put_record(&path, &handwritten::ancestors(std::process::id()));
    let before = Footprint::of(&path);
    assert!(matches!(held.verify(), Ok(Integrity::Damaged(reason)) if reason.contains("a.lock")));
    held.release().expect("released");
    assert_eq!(Footprint::of(&path), before);
}

/// Failure 9: the advice about a lock was `rm -f`, also when its holder lived.
#[test]
fn advice_about_a_held_lock_is_never_to_delete_it() {
    let (_place, path, lock) = new_lock();
    let (_holder, _) = Puppet::holding("baton", &path);
    for seen in [*must_be_busy(&lock), lock.observe().expect("seen")] {
        let text = format!("{} {}", seen.reason(), seen.advice()).to_lowercase();
        let verbs = ["rm ", "delete", "remove", "unlink", "clean"];
        assert!(verbs.iter().all(|verb| !text.contains(verb)), "{text}");
    }
}

/// Failure 10: the lock file was opened and read whatever it was: a FIFO hung for ever, a link led elsewhere, a huge file
/// filled the memory. The kinds one by one are in `unsafe_places`.
#[test]
fn what_cannot_be_a_lock_file_is_refused_and_left_as_it_is() {
    let kinds: [fn(&Path); 4] = [
        |path| assert!(Command::new("mkfifo").arg(path).status().expect("starts").success()),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).expect("linked"),
        |path| fs::create_dir(path).expect("made"),
        |path| fs::File::create(path).and_then(|file| file.set_len(1 << 40)).expect("made, with a hole"),
    ];
    for make in kinds {
        let (place, path, lock) = new_lock();
        make(&path);
        let look =
            || fs::symlink_metadata(&path).map(|seen| (seen.ino(), seen.mtime_nsec(), seen.ctime_nsec()));
        let before = look().expect("there");
        let error = must_be_refused(&lock);
        assert!(matches!(&error, Error::Unsafe { path: named, .. } if *named == path), "{error:?}");
        assert!(matches!(lock.observe().expect("seen").state, State::Unsafe { .. }));
        assert_eq!(look().expect("there"), before);
        assert_eq!(names_in(place.path()), ["a.lock"], "no guard was left behind");
    }
}
