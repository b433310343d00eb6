//! In the harness in which the ancestor's algorithms lose exclusion Baton keeps it (I1): every holder killed, anyone killed, on
//! filesystems that reuse inode numbers and on one that does not, in both namings, by every way of asking.
//!
//! And with a vandal who deletes the guard, or the record, all the time: one of the two, never the other in the same race. Each
//! holder also checks what the last one has left ([`baton_itest::ledger`]): that tokens grow (I4) and ends are told (I3).
//!
//! History: `ancestor_loses` shows the same races lost, and `docs/protocol.md` says what a lock with one file loses to the
//! vandal.

use baton_itest::places::{on_overlay, temporary, tmpfs};
use baton_itest::programs::helper;
use baton_itest::race::{Kills, Make, Race, Report, seed};
use baton_itest::skip::skip;
use baton_itest::stream::PATIENCE;
use baton_lock::Naming;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for hundreds of acquisitions and dozens of deaths, unless the machine is busy with something else: then again.
const DURATION: Duration = Duration::from_secs(1);
const EVERY_HOLDER: Kills = Kills::EveryHolder { linger: Duration::from_millis(2) };
const AT_RANDOM: Kills = Kills::AtRandom { mean_pause: Duration::from_millis(5) };
/// The longest pause of the vandal between two deletions. Each that comes in the middle of an acquisition makes it start over,
/// and with twelve on two processors one takes milliseconds: in a shorter time hardly anybody would get it at all.
const VANDALS_PAUSE: Duration = Duration::from_millis(20);

fn contender(directory: &Path, naming: Naming, story: &str) -> Command {
    let mut command = Command::new(helper("baton_contender"));
    command.args(["--naming", naming.name(), "--story", story, "--lock"]).arg(directory.join("a.lock"));
    command
}

/// Lets 12 contend, and says what came of it if nobody overlapped with anybody, complained, or was left behind.
#[track_caller]
fn race(directory: &Path, naming: Naming, story: &str, kills: Kills) -> Report {
    let race = Race {
        contenders: 12,
        kills,
        duration: DURATION,
        max_acquisitions: u64::MAX,
        max_overlaps: 1,
        seed: seed(),
    };
    let report = race
        .run_to_the_end(|_| (Make::Single, contender(directory, naming, story)))
        .expect("the race can be run");
    assert!(report.violations() == 0 && report.deaths.is_empty(), "{report}");
    report
}

/// What races have shown together.
#[derive(Debug, Default)]
struct Shown {
    acquisitions: u64,
    kills_inside: u64,
    deletions: u64,
}

/// Lets them race, again if need be, until enough was shown.
#[track_caller]
fn race_until(is_enough: impl Fn(&Shown) -> bool, mut race: impl FnMut() -> (Report, u64)) {
    let (began, mut shown) = (Instant::now(), Shown::default());
    while !is_enough(&shown) {
        assert!(began.elapsed() < PATIENCE, "too little was shown: {shown:?}");
        let (report, deletions) = race();
        shown.acquisitions += report.acquisitions;
        shown.kills_inside += report.kills_inside;
        shown.deletions += deletions;
    }
}

#[track_caller]
fn is_kept_under_kills(directory: &Path, naming: Naming) {
    race_until(|shown| shown.kills_inside > 20, || (race(directory, naming, "exact", EVERY_HOLDER), 0));
    race_until(
        |shown| shown.kills_inside > 3 && shown.acquisitions > 20,
        || (race(directory, naming, "exact", AT_RANDOM), 0),
    );
}

/// Runs races while somebody deletes that file again and again.
#[track_caller]
fn is_kept_from_a_vandal(naming: Naming, deleted: &str, story: &str, kills: Kills) {
    let place = temporary();
    let target = place.path().join(deleted);
    race_until(
        |shown| shown.deletions > 10 && shown.acquisitions > 10,
        || {
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                let vandal = scope.spawn(|| delete_until(&is_over, &target));
                // However the race ends, the vandal has to.
                let end = EndsWith(&is_over);
                let report = race(place.path(), naming, story, kills);
                drop(end);
                (report, vandal.join().expect("it ends"))
            })
        },
    );
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn delete_until(is_over: &AtomicBool, target: &Path) -> u64 {
    let mut deletions = 0;
    while !is_over.load(Ordering::Relaxed) {
        match fs::remove_file(target) {
            Ok(()) => deletions += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
        thread::sleep(VANDALS_PAUSE.mul_f64(fastrand::f64()));
    }
    deletions
}

#[test]
fn exclusion_is_kept_on_the_default_filesystem() {
    is_kept_under_kills(temporary().path(), Naming::Record);
}

#[test]
fn exclusion_is_kept_on_the_default_filesystem_in_flock_naming() {
    is_kept_under_kills(temporary().path(), Naming::Flock);
}

#[test]
fn exclusion_is_kept_on_tmpfs_in_either_naming() {
    for naming in [Naming::Record, Naming::Flock] {
        match tmpfs() {
            Ok(place) => is_kept_under_kills(place.path(), naming),
            Err(reason) => skip(&reason),
        }
    }
}

#[test]
fn exclusion_is_kept_on_overlayfs_in_either_naming() {
    for naming in [Naming::Record, Naming::Flock] {
        on_overlay(|root| is_kept_under_kills(root, naming)).unwrap_or_else(|reason| skip(&reason));
    }
}

#[test]
fn every_end_is_told_and_no_other_where_nobody_is_killed() {
    for naming in [Naming::Record, Naming::Flock] {
        let place = temporary();
        race_until(|shown| shown.acquisitions > 20, || (race(place.path(), naming, "exact", Kills::None), 0));
    }
}

#[test]
fn exclusion_is_kept_from_who_deletes_the_guard_and_kills() {
    is_kept_from_a_vandal(Naming::Record, "a.lock.guard", "exact", AT_RANDOM);
    is_kept_from_a_vandal(Naming::Flock, "a.lock", "exact", AT_RANDOM);
}

#[test]
fn every_end_is_told_and_no_other_while_the_guard_is_deleted() {
    is_kept_from_a_vandal(Naming::Record, "a.lock.guard", "exact", Kills::None);
    is_kept_from_a_vandal(Naming::Flock, "a.lock", "exact", Kills::None);
}

#[test]
fn exclusion_is_kept_from_who_deletes_the_record_and_kills() {
    is_kept_from_a_vandal(Naming::Record, "a.lock", "untold", AT_RANDOM);
    is_kept_from_a_vandal(Naming::Flock, "a.lock.holder", "untold", AT_RANDOM);
}
