//! The session's file: real files, real locks.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::{Attempt as Try, ErrorKind, Held, Lock};

/// A state directory with a lock and a session `deploy`.
struct Place {
    state: TempDir,
    store: Store,
    lock: Lock,
}

impl Place {
    fn new() -> Self {
        let state = tempfile::tempdir().expect("made");
        fs::create_dir(state.path().join("locks")).expect("made");
        let store = Store::in_directory(state.path(), "deploy").expect("a name");
        let lock = Lock::open(store.lock_path()).expect("a path");
        Self { state, store, lock }
    }

    fn hold(&self) -> Held {
        match self.lock.try_lock().expect("no error") {
            Try::Held(held) => held,
            Try::Busy(observation) => panic!("{}", observation.reason()),
        }
    }

    /// Opens the session, started afresh with steps `a` and `b`.
    fn started(&self, held: &Held) -> Writer {
        let mut writer = self.store.open(held).expect("opened");
        let begin = Begin::new("deploy", "/srv/deploy.toml", planned(&["a", "b"]), Actor::of(held));
        writer.apply(held, Event::fresh_start(begin).expect("random")).expect("written");
        writer
    }

    fn file(&self) -> &Path {
        self.store.path()
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("readable")
    }

    fn write(&self, bytes: &[u8]) {
        fs::create_dir_all(self.file().parent().expect("one")).expect("made");
        fs::write(self.file(), bytes).expect("written");
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.file().parent().expect("one"))
            .expect("readable")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    /// Puts a token into the file, as a later holder would.
    fn rewrite_token(&self, token: u64) {
        let mut value: serde_json::Value = serde_json::from_str(&self.text()).expect("JSON");
        value["baton"]["token"] = token.into();
        let new = self.file().with_extension("new");
        fs::write(&new, value.to_string()).expect("written");
        fs::rename(&new, self.file()).expect("renamed");
    }

    fn delete_lock_files(&self) {
        for entry in fs::read_dir(self.state.path().join("locks")).expect("readable") {
            fs::remove_file(entry.expect("an entry").path()).expect("removed");
        }
    }
}

#[test]
fn missing_session_is_none_and_nothing_is_created() {
    let place = Place::new();
    assert_eq!(place.store.load().expect("no error"), None);
    assert!(!place.file().parent().expect("one").exists());
    assert_eq!(Store::list(place.state.path()).expect("no error"), []);
}

#[test]
fn what_one_holder_wrote_the_next_one_finds() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    let written = writer.apply(&held, Event::step_started("a")).expect("written").clone();
    assert_eq!(place.store.load().expect("no error"), Some(written.clone()));
    assert_eq!((written.token(), written.revision()), (held.token(), 2));
    held.release().expect("released");
    let held = place.hold();
    let writer = place.store.open(&held).expect("opened");
    assert_eq!(writer.session(), Some(&written));
    assert!(held.token() > written.token());
}

#[test]
fn file_is_its_owners_only_in_a_directory_that_is_too() {
    let place = Place::new();
    let held = place.hold();
    place.started(&held);
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(place.file()), 0o600);
    assert_eq!(mode(place.file().parent().expect("one")), 0o700);
    assert_eq!(place.names(), ["deploy.json"]);
}

#[test]
fn several_events_are_one_write_and_all_or_nothing() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    let events = [Event::step_started("a"), completed("a"), Event::step_started("b")];
    assert_eq!(writer.apply_all(&held, events).expect("written").revision(), 2);
    let before = place.text();
    let refused = writer.apply_all(&held, [completed("b"), Event::step_started("a")]);
    assert!(matches!(refused, Err(Error::Illegal(IllegalTransition::WrongStatus { .. }))));
    assert_eq!(place.text(), before);
    assert_eq!(writer.session().expect("one").step_in_progress().expect("one").id, "b");
    assert_eq!(writer.apply_all(&held, []).expect("nothing to do").revision(), 2);
    assert_eq!(place.text(), before);
}

#[test]
fn session_that_grew_too_large_is_refused_and_stays_as_it_was() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    writer.apply(&held, Event::step_started("a")).expect("written");
    let before = place.text();
    let event = Event::step_completed("a", [("k", "x".repeat(MAX_SIZE))]);
    let told = writer.apply(&held, event).expect_err("too large");
    assert!(matches!(told, Error::TooLarge { size, .. } if size > MAX_SIZE), "{told}");
    assert_eq!(place.text(), before);
    writer.apply(&held, Event::step_failed("a", "facts too large", Cause::Error)).expect("written");
}

// Who may write

#[test]
fn holder_whose_lock_was_lost_is_refused_once_its_successor_has_written() {
    let place = Place::new();
    let old = place.hold();
    let mut late = place.started(&old);
    place.delete_lock_files();
    let new = place.hold();
    assert!(new.token() > old.token());
    let mut writer = place.store.open(&new).expect("opened");
    let begin = Begin::new("deploy", "/srv/deploy.toml", planned(&["a", "b"]), Actor::of(&new));
    writer.apply(&new, Event::AttemptBegun(begin)).expect("written");
    let before = place.text();

    let told = late.apply(&old, Event::step_started("a")).expect_err("stale");
    let Error::StaleToken { held, written, .. } = &told else { panic!("{told}") };
    assert_eq!((*held, *written), (old.token(), new.token()));
    assert_eq!(told.kind(), ErrorKind::Lost);
    for token in [old.token(), new.token()] {
        assert!(told.to_string().contains(&token.to_string()), "{told}");
    }
    let told = place.store.open(&old).expect_err("stale");
    assert!(matches!(told, Error::StaleToken { .. }), "{told}");
    assert!(matches!(late.reload(&old), Err(Error::StaleToken { .. })));
    assert_eq!(place.text(), before);
}

#[test]
fn intact_holder_whose_counter_was_lost_takes_a_token_above_the_files() {
    let place = Place::new();
    let held = place.hold();
    place.started(&held);
    held.release().expect("released");
    let ahead = (1 << 53) - 1000;
    place.rewrite_token(ahead);

    let held = place.hold();
    let mut writer = place.store.open(&held).expect("opened");
    let notice = writer.counter_lost().expect("told");
    assert_eq!((notice.held, notice.written, notice.taken), (held.token(), ahead, ahead + 1));
    let begin = Begin::new("deploy", "/srv/deploy.toml", planned(&["a", "b"]), Actor::of(&held));
    let session = writer.apply(&held, Event::AttemptBegun(begin)).expect("written");
    assert_eq!((session.token(), session.open_attempt().expect("one").token), (ahead + 1, ahead + 1));
    writer.apply(&held, Event::step_started("a")).expect("written");
}

#[test]
fn holder_of_another_lock_is_refused() {
    let place = Place::new();
    let other = Lock::open(place.state.path().join("locks/other")).expect("a path");
    let Try::Held(held) = other.try_lock().expect("no error") else { panic!("busy") };
    let told = place.store.open(&held).expect_err("not its lock");
    assert!(matches!(told, Error::OtherLock { .. }), "{told}");
    assert!(place.store.set_aside(&held).is_err() && place.store.remove(&held).is_err());
}

#[test]
fn lock_that_is_spelled_differently_is_the_same() {
    let place = Place::new();
    let alias = place.state.path().join("alias");
    symlink(place.state.path(), &alias).expect("linked");
    let lock = Lock::open(alias.join("locks/deploy")).expect("a path");
    let Try::Held(held) = lock.try_lock().expect("no error") else { panic!("busy") };
    place.started(&held);
}

#[test]
fn earlier_hold_can_not_write_through_the_writer_of_a_later_one() {
    let place = Place::new();
    let old = place.hold();
    place.started(&old);
    place.delete_lock_files();
    let new = place.hold();
    let mut writer = place.store.open(&new).expect("opened");
    let told = writer.apply(&old, Event::step_started("a")).expect_err("the earlier one");
    assert!(matches!(told, Error::StaleToken { .. }), "{told}");
}

#[test]
fn change_by_somebody_without_the_lock_is_not_overwritten() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    for replaced in [true, false] {
        let edited = place.text().replace("\"deploy\"", "\"edited\"");
        if replaced {
            place.rewrite_token(held.token());
        } else {
            fs::write(place.file(), &edited).expect("written");
        }
        let before = place.text();
        let told = writer.apply(&held, Event::step_started("a")).expect_err("changed");
        assert!(matches!(told, Error::ChangedMeanwhile { .. }), "{told}");
        assert_eq!(place.text(), before);
        writer.reload(&held).expect("read");
    }
}

#[test]
fn session_that_somebody_deleted_is_written_again_whole() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    fs::remove_file(place.file()).expect("removed");
    let session = writer.apply(&held, Event::step_started("a")).expect("written").clone();
    assert_eq!(place.store.load().expect("no error"), Some(session));
}

#[test]
fn nothing_is_written_into_a_directory_that_was_moved_away() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    let sessions = place.file().parent().expect("one");
    fs::rename(sessions, place.state.path().join("moved")).expect("renamed");
    fs::create_dir(sessions).expect("made");
    let told = writer.apply(&held, Event::step_started("a")).expect_err("moved");
    assert!(told.to_string().contains("moved or replaced"), "{told}");
    assert_eq!(place.names(), [] as [&str; 0]);
}

/// A program that keeps the session's file locked, as `flock session.json sleep 1000` does.
#[test]
fn foreign_flock_on_the_file_does_not_stop_an_intact_holder() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    let foreign = fs::File::open(place.file()).expect("opened");
    foreign.lock().expect("locked");
    writer.apply(&held, Event::step_started("a")).expect("written");
    writer.apply(&held, completed("a")).expect("written");
}

// What is refused

#[test]
fn corrupt_session_is_refused_kept_and_told_with_its_place() {
    let place = Place::new();
    let held = place.hold();
    place.started(&held);
    let cut = &place.text()[..300];
    place.write(cut.as_bytes());
    for told in [place.store.load().expect_err("corrupt"), place.store.open(&held).expect_err("corrupt")] {
        let text = told.to_string();
        assert!(text.contains("sessions/deploy.json` is corrupt at byte 300, line "), "{text}");
        assert!(told.hint().expect("one").contains("left alone"));
        assert_eq!(told.kind(), ErrorKind::Content);
    }
    assert_eq!(place.text(), cut);
}

#[test]
fn newer_session_is_refused_and_kept() {
    let place = Place::new();
    let held = place.hold();
    let newer = r#"{"baton": {"version": 2, "token": 1}, "shape": "new"}"#;
    place.write(newer.as_bytes());
    let told = place.store.open(&held).expect_err("newer");
    assert!(matches!(told, Error::Newer { version: 2, .. }), "{told}");
    assert!(told.to_string().contains("version 2, newer than the 1"), "{told}");
    assert_eq!(place.text(), newer);
}

#[test]
fn what_is_no_session_can_be_set_aside_and_is_kept() {
    let place = Place::new();
    let held = place.hold();
    place.write(b"{\"baton\": ");
    let aside = place.store.set_aside(&held).expect("renamed").expect("there was one");
    assert_eq!(fs::read(&aside).expect("kept"), b"{\"baton\": ");
    assert_eq!(place.store.set_aside(&held).expect("no error"), None);
    place.started(&held);
    assert_eq!(Store::list(place.state.path()).expect("listed"), std::slice::from_ref(&place.store));
    assert!(place.store.remove(&held).expect("removed"));
    assert!(!place.store.remove(&held).expect("no error"));
}

/// Makes something at a path, perhaps of something else.
type Make = fn(&Path, &Path);

#[test]
fn what_can_not_be_a_session_is_refused_unread() {
    let place = Place::new();
    place.write(b"{}");
    let file = place.file();
    let target = file.with_extension("target");
    let kinds: [(&str, Make); 5] = [
        ("a FIFO", |file, _| {
            use rustix::fs::{CWD, FileType, mknodat};
            mknodat(CWD, file, FileType::Fifo, 0o600.into(), 0).expect("made");
        }),
        ("a symbolic link", |file, target| symlink(target, file).expect("linked")),
        ("a directory", |file, _| fs::create_dir(file).expect("made")),
        ("a second name", |file, target| fs::hard_link(target, file).expect("linked")),
        ("more than the 4194304", |file, _| {
            fs::File::create(file).expect("made").set_len(MAX_SIZE as u64 + 1).expect("grown");
        }),
    ];
    for (what, make) in kinds {
        fs::write(&target, "{}").expect("written");
        let _ = fs::remove_file(file).or_else(|_| fs::remove_dir(file));
        make(file, &target);
        let told = place.store.load().expect_err("refused");
        assert!(told.to_string().contains(what), "{told}");
        assert!(told.hint().expect("one").contains("neither read nor changed"), "{told}");
        assert_eq!(told.kind(), ErrorKind::Unsafe);
        assert!(file.symlink_metadata().is_ok(), "it is still there");
        fs::remove_file(&target).expect("removed");
    }
}

#[test]
fn directory_that_everybody_may_write_to_is_refused() {
    let place = Place::new();
    place.write(b"{}");
    let sessions = place.file().parent().expect("one");
    fs::set_permissions(sessions, fs::Permissions::from_mode(0o777)).expect("set");
    let told = place.store.load().expect_err("unsafe");
    assert!(told.to_string().contains("every user may"), "{told}");
}

// What crashed writers leave

#[test]
fn temporaries_of_crashed_writers_are_swept_by_the_next_holder_and_nothing_else_is() {
    let place = Place::new();
    place.write(b"");
    fs::remove_file(place.file()).expect("removed");
    let path = |name: &str| -> PathBuf { place.file().with_file_name(name) };
    let left_over = path(".deploy.json.0123456789abcdef.tmp");
    fs::write(&left_over, "{\"baton\": ").expect("written");
    let kept = [".deploy.json.0123.tmp", ".other.json.0123456789abcdef.tmp", "deploy.json.kept"];
    for name in kept {
        fs::write(path(name), "mine").expect("written");
    }
    symlink("x", path(".deploy.json.bbbbbbbbbbbbbbbb.tmp")).expect("linked");

    let held = place.hold();
    place.store.open(&held).expect("opened");
    assert!(!left_over.exists());
    assert_eq!(place.names().len(), 4, "{:?}", place.names());
}

#[test]
fn reader_sweeps_nothing() {
    let place = Place::new();
    place.write(b"");
    fs::remove_file(place.file()).expect("removed");
    let left_over = place.file().with_file_name(".deploy.json.0123456789abcdef.tmp");
    fs::write(&left_over, "").expect("written");
    assert_eq!(place.store.load().expect("no error"), None);
    assert!(left_over.exists());
}

// Compare and swap

#[test]
fn swap_is_updated_mismatch_or_busy() {
    let place = Place::new();
    let none = place.store.compare_and_swap(Using::Lock(&place.lock), |_| true, []);
    assert!(matches!(none, Ok(Swap::Mismatch(None))));
    let held = place.hold();
    let mut writer = place.started(&held);
    writer.apply(&held, Event::step_skipped("b")).expect("written");
    let seen = place.store.load().expect("no error").expect("one");
    let expected = Expected::unchanged(&seen);
    let swap = |using: Using<'_>| {
        let swapped =
            place.store.compare_and_swap(using, |now| expected.matches(now), [Event::step_reset("b")]);
        swapped.expect("no error")
    };
    assert!(matches!(swap(Using::Lock(&place.lock)), Swap::Busy(_)));
    assert_eq!(place.store.load().expect("no error"), Some(seen.clone()));
    let Swap::Updated(updated) = swap(Using::Held(&held)) else { panic!("not updated") };
    assert_eq!(updated.step("b").expect("there").status, StepStatus::Pending);
    held.release().expect("released");
    let before = place.text();
    let Swap::Mismatch(Some(found)) = swap(Using::Lock(&place.lock)) else { panic!("not refused") };
    assert_eq!((*found, place.text()), (*updated, before));
    assert!(matches!(place.lock.try_lock(), Ok(Try::Held(_))), "the lock was given back");
}

// Limits of the surroundings

#[test]
fn clock_set_back_only_shows() {
    let place = Place::new();
    let held = place.hold();
    let mut writer = place.started(&held);
    let later = place.text().replace("\"updatedAt\": \"20", "\"updatedAt\": \"29");
    fs::write(place.file(), later).expect("written");
    writer.reload(&held).expect("read");
    let session = writer.apply(&held, Event::step_started("a")).expect("written");
    assert!(session.updated_at().starts_with("20"));
}

#[test]
fn names_of_sessions_are_those_of_locks() {
    for name in ["", ".hidden", "a/b", "a b", &"x".repeat(101)] {
        assert!(matches!(Store::in_directory("/tmp", name), Err(Error::InvalidName { .. })), "{name}");
    }
}
