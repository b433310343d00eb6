//! Readers and writers race for one lock, in every way of asking, and some writers become readers: no writer is ever inside beside anybody,
//! whoever is killed or stopped and whichever of the two files is deleted; tokens grow, a writer's death is told to readers and to the
//! next writer, and a reader's to nobody.
//!
//! The judge is that of `baton_keeps_exclusion`, told who is inside along with others.

use baton_itest::places::temporary;
use baton_itest::programs::helper;
use baton_itest::race::{Kills, Make, Race, Report, seed};
use baton_itest::stream::PATIENCE;
use baton_lock::Naming;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BOTH: [Naming; 2] = [Naming::Record, Naming::Flock];
const DURATION: Duration = Duration::from_secs(1);
/// The longest pause between two deletions, as in `baton_keeps_exclusion`.
const VANDALS_PAUSE: Duration = Duration::from_millis(20);
const AT_RANDOM: Kills = Kills::AtRandom { mean_pause: Duration::from_millis(5) };
const AND_STOPS: Kills =
    Kills::AndStops { mean_pause: Duration::from_millis(5), longest_stop: Duration::from_millis(100) };

/// Most of them readers, so that several are inside at a time and a writer has to wait for all of them.
const SHARING: &str = "70";

fn contender(directory: &Path, naming: Naming, story: &str) -> Command {
    let mut command = Command::new(helper("baton_contender"));
    command.args(["--naming", naming.name(), "--story", story, "--sharing", SHARING, "--lock"]);
    command.arg(directory.join("a.lock"));
    command
}

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

/// Lets them race, again if need be, until enough has happened.
#[track_caller]
fn race_until_enough(kills: u64, mut race: impl FnMut() -> Report) {
    let (began, mut acquisitions, mut killed) = (Instant::now(), 0, 0);
    while acquisitions < 30 || killed < kills {
        assert!(
            began.elapsed() < PATIENCE,
            "too little was shown: {acquisitions} acquisitions, {killed} kills"
        );
        let report = race();
        acquisitions += report.acquisitions;
        killed += report.kills;
    }
}

#[test]
fn no_writer_is_beside_anybody_where_nobody_is_killed() {
    for naming in BOTH {
        let place = temporary();
        race_until_enough(0, || race(place.path(), naming, "exact", Kills::None));
    }
}

#[test]
fn no_writer_is_beside_anybody_whoever_is_killed() {
    for naming in BOTH {
        let place = temporary();
        race_until_enough(20, || race(place.path(), naming, "exact", AT_RANDOM));
    }
}

#[test]
fn no_writer_is_beside_anybody_whoever_is_stopped_or_killed() {
    for naming in BOTH {
        let place = temporary();
        race_until_enough(10, || race(place.path(), naming, "exact", AND_STOPS));
    }
}

#[test]
fn no_writer_is_beside_anybody_while_one_of_the_two_files_is_deleted() {
    for (naming, deleted, story) in [
        (Naming::Record, "a.lock.guard", "exact"),
        (Naming::Record, "a.lock", "untold"),
        (Naming::Flock, "a.lock", "exact"),
        (Naming::Flock, "a.lock.holder", "untold"),
    ] {
        let place = temporary();
        let target = place.path().join(deleted);
        race_until_enough(5, || {
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| delete_until(&is_over, &target));
                // However the race ends, the vandal has to.
                let _end = EndsWith(&is_over);
                race(place.path(), naming, story, AT_RANDOM)
            })
        });
    }
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn delete_until(is_over: &AtomicBool, target: &Path) {
    while !is_over.load(Ordering::Relaxed) {
        if let Err(error) = fs::remove_file(target) {
            assert_eq!(error.kind(), ErrorKind::NotFound);
        }
        thread::sleep(VANDALS_PAUSE.mul_f64(fastrand::f64()));
    }
}
