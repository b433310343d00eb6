//! The harness is seen to fail and to pass: the ancestor's two algorithms lose exclusion in it, a kernel lock does not.
//!
//! History: two cleaners of one stale lock file could both win (the ancestor's issue 1281); a look at the inode number
//! before the removal was the fix. These tests hold that it was none, and that the oracle would tell if Baton did the same.

use baton_itest::places::temporary;
use baton_itest::programs::helper;
use baton_itest::race::{Kills, Race, Report, seed};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// All wait for one stale lock, again and again. Ends at the first few overlaps.
fn barrier(duration: Duration) -> Race {
    let kills = Kills::EveryHolder { linger: Duration::from_millis(2) };
    Race { contenders: 12, kills, duration, max_acquisitions: u64::MAX, max_overlaps: 3, seed: seed() }
}

fn run(race: Race, contender: impl Fn() -> Command) -> Report {
    let report = race.run(contender).expect("the race can be run");
    assert!(report.deaths.is_empty(), "{report}");
    report
}

fn ancestor(algorithm: &str, directory: &Path) -> Command {
    let mut command = Command::new(helper("ancestor_contender"));
    command.args(["--algorithm", algorithm, "--poll-ms", "1", "--lock"]).arg(directory.join("onboard.lock"));
    command
}

fn flock(directory: &Path) -> Command {
    let mut command = Command::new(helper("flock_contender"));
    command.arg("--lock").arg(directory.join("lock"));
    command
}

#[test]
fn removing_a_stale_file_unconditionally_loses_exclusion() {
    let place = temporary();
    let report = run(barrier(Duration::from_mins(1)), || ancestor("v0", place.path()));
    assert!(report.overlaps >= 1, "{report}");
}

#[test]
fn removing_a_stale_file_by_its_inode_loses_exclusion() {
    let place = temporary();
    let report = run(barrier(Duration::from_mins(1)), || ancestor("v1", place.path()));
    assert!(report.overlaps >= 1, "{report}");
}

#[test]
fn a_kernel_lock_on_a_file_that_stays_keeps_exclusion_when_every_holder_is_killed() {
    let place = temporary();
    let report = run(barrier(Duration::from_secs(3)), || flock(place.path()));
    assert!(report.overlaps == 0 && report.kills_inside > 30, "{report}");
}

#[test]
fn a_kernel_lock_on_a_file_that_stays_keeps_exclusion_when_anyone_is_killed() {
    let place = temporary();
    let kills = Kills::AtRandom { mean_pause: Duration::from_millis(10) };
    let race = Race { kills, ..barrier(Duration::from_secs(5)) };
    let report = run(race, || flock(place.path()));
    assert!(report.overlaps == 0 && report.kills_inside > 0 && report.acquisitions > 100, "{report}");
}
