//! `baton list` and `baton prune`: what there is, and what of it may go, without a token falling or two ever holding.
//!
//! History: a janitor that removes old lock files by their age removes the one that somebody is just about to lock; and a counter that
//! lives in a file starts again when the file is removed. A clock set back is played here by a token from the future.

use baton_itest::command::{Ended, OBEDIENT, Running, baton, ended, next, next_by, run};
use baton_itest::footprint::names_in;
use baton_itest::handwritten::{ancestors, put, put_record, set_modified};
use baton_itest::places::{temporary, tmpfs};
use baton_itest::programs::helper;
use baton_itest::race::{Kills, Race, seed};
use baton_itest::skip::skip;
use baton_lock::{Lock, Naming, Pruned, Pruning};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const STRANGER: u32 = 65_534;
const FLOOR: &str = ".baton-floor";
/// Enough for half a minute of races.
const ROUNDS: u32 = 30;

/// A token that the clock does not reach in a year.
fn from_the_future() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from((now + Duration::from_hours(24 * 365)).as_micros()).expect("it fits")
}

fn put_guard(lock: &Path, token: u64) {
    let name = format!("{}.guard", lock.file_name().expect("a name").to_string_lossy());
    let guard = lock.with_file_name(name);
    put(&guard, format!("baton guard, last token {token:020}\n"));
    fs::set_permissions(&guard, Permissions::from_mode(0o600)).expect("set");
}

/// What a verb says in JSON of the locks in a directory, by their names; with its exit code.
#[track_caller]
fn said(words: &str, directory: &Path) -> (Option<i32>, Vec<(String, Value)>) {
    let mut command = baton();
    command.args(words.split_ascii_whitespace()).arg("--json").arg(directory);
    let Ended { code, out, err, .. } = ended(command);
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!(said["schema"], 1);
    let name = |lock: &Value| {
        Path::new(lock["lock"].as_str().expect("a path"))
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    };
    let locks = said["locks"].as_array().expect("a list");
    (code, locks.iter().map(|lock| (name(lock), lock.clone())).collect())
}

fn results(words: &str, directory: &Path, member: &str) -> Vec<(String, String)> {
    let (code, locks) = said(words, directory);
    assert_eq!(code, Some(0));
    locks.into_iter().map(|(name, lock)| (name, lock[member].as_str().expect("text").to_owned())).collect()
}

/// One of each kind; the holder of `held`.
fn one_of_each(directory: &Path) -> Running {
    let path = |name: &str| directory.join(name);
    next(&path("free"));
    fs::write(path("shared"), "the user's").expect("written");
    next_by("--flock", &path("shared"));
    Running::holding(run("", path("left"), OBEDIENT)).kill_all();
    put_record(&path("onboard"), &ancestors(std::process::id()));
    put(&path("empty.guard"), "");
    put(&path("foreign.guard"), "#!/bin/sh\n");
    put(&path("notes"), "{\"pid\": 5}");
    put(&path("big"), vec![b'{'; 100_000]);
    fs::create_dir(path("dir.guard")).expect("made");
    Running::holding(run("--purpose nightly", path("held"), OBEDIENT))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned())).collect()
}

#[test]
fn every_lock_is_listed_with_its_state_and_nothing_else() {
    let place = temporary();
    let holder = one_of_each(place.path());
    let before = names_in(place.path());
    let expected = [
        ("empty", "free"),
        ("free", "free"),
        ("held", "held"),
        ("left", "left_over"),
        ("onboard", "ancestor_alive"),
        ("shared", "free"),
    ];
    assert_eq!(results("list", place.path(), "state"), pairs(&expected));
    let mut command = baton();
    command.arg("list").arg(place.path());
    let Ended { code, out, .. } = ended(command);
    assert_eq!(code, Some(0));
    let line = |name: &str| {
        let path = place.path().join(name);
        let mut lines = out.lines().filter(|line| line.starts_with(&format!("{} ", path.display())));
        lines.next().unwrap_or_else(|| panic!("{name} in {out}")).to_owned()
    };
    assert!(
        line("held").contains(&format!("  pid {} (", holder.pid())) && line("held").ends_with("  nightly"),
        "{out}"
    );
    assert!(line("shared").contains(" (--flock) "), "{out}");
    assert_eq!(names_in(place.path()), before, "nothing was changed");
}

#[test]
fn locks_given_by_name_are_listed_by_default_and_hostile_names_are_not_shown_raw() {
    let state = temporary();
    let listed = |words: &[&str]| {
        let mut command = baton();
        command.arg("list").args(words).env("BATON_DIR", state.path());
        ended(command)
    };
    let Ended { code, out, err, .. } = listed(&[]);
    assert!((code, out.as_str()) == (Some(0), "") && err.contains("there are no locks here"), "{err}");
    let mut command = run("", "deploy", ["true"]);
    command.env("BATON_DIR", state.path());
    assert_eq!(ended(command).code, Some(0));
    put_guard(&state.path().join("locks/a\u{1b}[31mred\n"), 7);
    let Ended { code, out, .. } = listed(&[]);
    assert_eq!((code, out.lines().count()), (Some(0), 3), "{out}");
    assert!(out.contains("/locks/deploy ") && !out.contains('\u{1b}'), "{out}");
    assert_eq!(listed(&["/no/such/directory"]).code, Some(73));
}

#[test]
fn only_what_is_free_and_was_unused_for_long_is_removed() {
    let place = temporary();
    let holder = one_of_each(place.path());
    let before = names_in(place.path());
    let of = |word| {
        [
            ("empty", if word == "young" { "young" } else { "unknown" }),
            ("free", word),
            ("held", if word == "young" { "young" } else { "in_use" }),
            ("left", if word == "young" { "young" } else { "left_over" }),
            ("onboard", "nothing"),
            ("shared", word),
        ]
    };
    assert_eq!(results("prune", place.path(), "result"), pairs(&of("young")));
    assert_eq!(results("prune --older-than 0 --dry-run", place.path(), "result"), pairs(&of("removed")));
    assert_eq!(names_in(place.path()), before);
    // Age is that of the last acquisition.
    let long_ago = SystemTime::now() - Duration::from_hours(2);
    set_modified(&place.path().join("free.guard"), long_ago);
    let (_, locks) = said("prune --older-than 1h", place.path());
    let removed: Vec<&str> =
        locks.iter().filter(|(_, lock)| lock["result"] == "removed").map(|(name, _)| name.as_str()).collect();
    assert_eq!(removed, ["free"]);
    assert_eq!(results("prune --older-than 0", place.path(), "result")[4..], pairs(&of("removed"))[5..]);
    let mut expected: Vec<_> =
        before.into_iter().filter(|name| name != "free.guard" && name != "shared.holder").collect();
    expected.push(FLOOR.into());
    expected.sort();
    let mut left = names_in(place.path());
    left.sort();
    assert_eq!(left, expected);
    assert_eq!(fs::read_to_string(place.path().join("shared")).expect("there"), "the user's");
    assert_eq!(holder.end_with(3).code, Some(3));
    assert_eq!(next(&place.path().join("left")).outcome, "recovered", "the death is still told");
}

#[test]
fn token_goes_on_above_that_of_a_guard_that_was_pruned() {
    for flag in ["", "--flock"] {
        let place = temporary();
        let [one, other] = ["one", "other"].map(|name| place.path().join(name));
        next_by(flag, &one);
        let future = from_the_future();
        if flag.is_empty() {
            put_guard(&one, future);
        } else {
            let record = place.path().join("one.holder");
            let mut content: Value =
                serde_json::from_slice(&fs::read(&record).expect("there")).expect("JSON");
            content["baton"]["token"] = json!(future);
            put_record(&record, &content);
        }
        assert_eq!(results("prune --older-than 0", place.path(), "result"), pairs(&[("one", "removed")]));
        let mode = fs::metadata(place.path().join(FLOOR)).expect("there").mode() & 0o777;
        assert_eq!(mode, 0o644, "whoever acquires has to read it");
        assert_eq!(next_by(flag, &one).token, future + 1);
        // A lock that has never been there begins above it too: nobody knows any more that it has not.
        assert!(next_by(flag, &other).token > future);
        // A smaller one does not lower it.
        fs::remove_file(place.path().join(if flag.is_empty() { "one.guard" } else { "one.holder" }))
            .expect("removed");
        if flag.is_empty() {
            put_guard(&one, 7);
            assert!(
                results("prune --older-than 0", place.path(), "result")
                    .contains(&("one".into(), "removed".into()))
            );
        }
        assert!(next_by(flag, &one).token > future);
    }
}

#[test]
fn floor_that_another_user_has_put_there_is_not_believed_and_none_is_put_where_it_would_not_be() {
    if !nix::unistd::geteuid().is_root() {
        skip("not root: there is no second user");
        return;
    }
    let place = temporary();
    fs::set_permissions(place.path(), Permissions::from_mode(0o1777)).expect("sticky");
    let lock = place.path().join("a.lock");
    let floor = place.path().join(FLOOR);
    put(&floor, format!("baton guard, last token {:020}\n", from_the_future()));
    chown(&floor, Some(STRANGER), None).expect("given away");
    assert!(next(&lock).token < from_the_future());
    let (code, _) = said("prune --older-than 0", place.path());
    assert_eq!(code, Some(73), "nothing is pruned beside it");
    assert!(place.path().join("a.lock.guard").exists());
    fs::remove_file(&floor).expect("removed");
    // A user's lock in a directory of root's, pruned by that user.
    chown(place.path().join("a.lock.guard"), Some(STRANGER), None).expect("given away");
    let copy = place.path().join("program");
    fs::copy(baton_itest::programs::baton(), &copy).expect("copied");
    let mut command = Command::new("setpriv");
    let id = STRANGER.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(copy);
    command.args(["prune", "--older-than", "0", "--json"]).arg(place.path());
    let Ended { code, out, err, .. } = ended(command);
    assert!(code == Some(0) && out.contains("\"not_the_owner\""), "{out}{err}");
    assert!(!floor.exists() && place.path().join("a.lock.guard").exists());
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Prunes again and again, as two: one in this process, and one that is killed at any moment; how often something was removed.
fn prune_until(is_over: &AtomicBool, lock: &Lock, directory: &Path) -> u64 {
    let mut removals = 0;
    while !is_over.load(Ordering::Relaxed) {
        let mut command = baton();
        command.args(["prune", "--older-than", "0"]).arg(directory);
        let killed = Running::start(command);
        for _ in 0..fastrand::u8(1..20) {
            let pruned = lock.prune(Duration::ZERO, Pruning::Real).expect("it can be looked at");
            removals += u64::from(matches!(pruned, Pruned::Removed { .. }));
            thread::sleep(Duration::from_millis(1));
        }
        killed.kill();
    }
    removals
}

/// A machine that is busy with something else may let nobody prune for seconds: raced until enough was removed, in a new directory
/// each time, since a race ends by killing.
#[track_caller]
fn is_kept_while_pruning(directory: &Path, naming: Naming, kills: Kills, story: &str) {
    let (mut removals, mut acquisitions) = (0, 0);
    for round in 0..ROUNDS {
        let place = directory.join(format!("{naming:?} {round}"));
        fs::create_dir(&place).expect("made");
        let (removed, acquired) = race_while_pruning(&place, naming, kills, story);
        (removals, acquisitions) = (removals + removed, acquisitions + acquired);
        if removals > 3 && acquisitions > 20 {
            return;
        }
    }
    panic!("only {removals} removals, {acquisitions} acquisitions");
}

/// The ledger checks that tokens grow, and all of them are above what the clock says: one that does not know the last one falls.
#[track_caller]
fn race_while_pruning(directory: &Path, naming: Naming, kills: Kills, story: &str) -> (u64, u64) {
    let path = directory.join("a.lock");
    let lock = Lock::options().naming(naming).open(&path).expect("a path");
    put(&directory.join(FLOOR), format!("baton guard, last token {:020}\n", from_the_future()));
    let is_over = AtomicBool::new(false);
    let race = Race {
        contenders: 4,
        kills,
        duration: Duration::from_secs(1),
        max_acquisitions: u64::MAX,
        max_overlaps: 1,
        seed: seed(),
    };
    let contender = || {
        let mut command = Command::new(helper("baton_contender"));
        command.args(["--naming", naming.name(), "--story", story, "--lock"]).arg(&path);
        command
    };
    thread::scope(|scope| {
        let pruner = scope.spawn(|| prune_until(&is_over, &lock, directory));
        let report = {
            // However the race ends, who prunes has to.
            let _end = EndsWith(&is_over);
            race.run(contender).expect("the race can be run")
        };
        let removals = pruner.join().expect("it ends");
        assert!(report.violations() == 0 && report.deaths.is_empty(), "{report}");
        (removals, report.acquisitions)
    })
}

#[test]
fn exclusion_and_tokens_are_kept_while_somebody_prunes() {
    for naming in [Naming::Record, Naming::Flock] {
        is_kept_while_pruning(temporary().path(), naming, Kills::None, "exact");
        match tmpfs() {
            Ok(place) => is_kept_while_pruning(place.path(), naming, Kills::None, "exact"),
            Err(reason) => skip(&reason),
        }
    }
}

#[test]
fn exclusion_and_tokens_are_kept_while_somebody_prunes_and_holders_are_killed() {
    let kills = Kills::AtRandom { mean_pause: Duration::from_millis(5) };
    for naming in [Naming::Record, Naming::Flock] {
        is_kept_while_pruning(temporary().path(), naming, kills, "exact");
    }
}
