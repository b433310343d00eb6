//! The bounded part of the torture: Baton in all the ways in which it is used, on every filesystem, killed and stopped at random, and
//! woken all at once on one stale record. `cargo xtask torture` runs it for longer, with the others in the same table.
//!
//! And the harness is seen to count: one that does each thing wrong is caught at it, and one that does nothing wrong is not.

use baton_itest::command::Running;
use baton_itest::places::temporary;
use baton_itest::programs::helper;
use baton_itest::puppet::namespaces_are_possible;
use baton_itest::race::{Kills, Make, Race, Report, seed};
use baton_itest::skip::skip;
use baton_itest::stream::PATIENCE;
use baton_itest::torture::{ALL, Contestant, Ground, Limit, OURS, Ordeal, Trial};
use std::process::Command;
use std::time::Duration;

/// Enough for dozens of kills, however busy the machine is, and half a second where it is not.
const MANY: Limit = Limit { duration: PATIENCE, acquisitions: 150 };
/// In a barrier each of them takes a program that is started, with `baton run` two.
const SOME: Limit = Limit { duration: PATIENCE, acquisitions: 40 };
/// So long those are waited for who are known not to end. Nobody who would is blamed if it is too short, but in one test.
const SOON: Duration = Duration::from_secs(5);
/// For races without kills.
const DURATION: Duration = Duration::from_secs(1);
const ORDEALS: [Ordeal; 2] = [Ordeal::Kills, Ordeal::Barrier];

#[track_caller]
fn is_survived(report: &Report) {
    assert!(report.violations() == 0 && report.deaths.is_empty(), "{report}");
    assert!(report.kills > 10 && report.acquisitions >= SOME.acquisitions, "nothing was shown: {report}");
}

#[track_caller]
fn is_survived_on(ground: Ground, contestants: &[Contestant]) {
    for &contestant in contestants {
        for ordeal in ORDEALS {
            let limit = if ordeal == Ordeal::Barrier { SOME } else { MANY };
            match (Trial { contestant, ground, ordeal }).run(limit, seed(), None) {
                Ok(report) => is_survived(&report),
                Err(reason) => return skip(&reason),
            }
        }
    }
}

/// On the default filesystem, which needs no privileges.
#[track_caller]
fn is_survived_here(contestant: Contestant, ordeal: Ordeal) {
    let place = temporary();
    let trial = Trial { contestant, ground: Ground::Tmpfs, ordeal };
    is_survived(&trial.run_in(place.path(), SOME, seed(), None).expect("it can be run"));
}

#[test]
fn library_survives_ext4() {
    is_survived_on(Ground::Ext4, &OURS[..2]);
}

#[test]
fn library_survives_xfs() {
    is_survived_on(Ground::Xfs, &OURS[..2]);
}

#[test]
fn library_survives_btrfs() {
    is_survived_on(Ground::Btrfs, &OURS[..2]);
}

#[test]
fn library_survives_fuse_where_it_was_accepted() {
    is_survived_on(Ground::Fuse, &OURS[..2]);
}

#[test]
fn library_survives_overlayfs_across_pid_namespaces() {
    is_survived_on(Ground::Overlayfs, &OURS[2..3]);
}

#[test]
fn command_survives_kills_of_itself_and_of_its_job() {
    for ordeal in ORDEALS {
        is_survived_here(OURS[3], ordeal);
    }
}

#[test]
fn command_survives_who_deletes_one_of_its_files() {
    for file in OURS[3].deletable {
        is_survived_here(OURS[3], Ordeal::Deleted(file));
    }
}

#[test]
fn every_other_lock_loses_exclusion_to_who_deletes_its_file() {
    for name in ["flock(1)", "fslock 0.2.1", "fd-lock 4.0.4", "std File::lock"] {
        let contestant = ALL.into_iter().find(|contestant| contestant.name == name).expect("it contends");
        let place = temporary();
        let trial = Trial { contestant, ground: Ground::Tmpfs, ordeal: Ordeal::Deleted("a.lock") };
        let report = trial.run_in(place.path(), MANY, seed(), None).expect("it can be run");
        assert!(report.overlaps > 0, "{name}: {report}");
    }
}

/// Races of those who do this wrong.
#[track_caller]
fn broken(fault: &str) -> Report {
    let place = temporary();
    let race = Race {
        contenders: 6,
        kills: Kills::None,
        duration: DURATION,
        max_acquisitions: 3000,
        max_overlaps: u64::MAX,
        seed: seed(),
    };
    let cast = |_: &mut _| {
        let mut command = Command::new(helper("broken_contender"));
        command.args(["--fault", fault, "--lock"]).arg(place.path().join("a.lock"));
        (Make::Single, command)
    };
    let report = race.run_to_the_end_within(SOON, cast).expect("the race can be run");
    assert!(report.deaths.is_empty() && report.acquisitions > 0, "{report}");
    report
}

#[test]
fn who_does_nothing_wrong_is_blamed_for_nothing() {
    let report = broken("none");
    assert_eq!(report.violations(), 0, "{report}");
}

#[test]
fn who_comes_in_without_the_lock_is_an_overlap() {
    let report = broken("enters");
    assert!(report.overlaps > 0 && report.not_woken + report.stuck == 0, "{report}");
}

#[test]
fn who_is_told_of_no_death_or_of_an_invented_one_is_told_wrong() {
    let report = broken("invents");
    assert!(report.wrong > 0 && report.violations() == report.wrong, "{report}");
    // Nobody dies here but at the end: what is forgotten is the death of one who was at work.
    let place = temporary();
    let race = Race {
        contenders: 6,
        kills: Kills::EveryHolder { linger: Duration::from_millis(1) },
        duration: DURATION,
        max_acquisitions: 100,
        max_overlaps: u64::MAX,
        seed: seed(),
    };
    let cast = |_: &mut _| {
        let mut command = Command::new(helper("broken_contender"));
        command.args(["--fault", "forgets", "--lock"]).arg(place.path().join("a.lock"));
        (Make::Single, command)
    };
    let report = race.run_to_the_end(cast).expect("the race can be run");
    assert!(report.wrong > 0 && report.violations() == report.wrong, "{report}");
}

#[test]
fn token_that_was_there_before_has_fallen() {
    let report = broken("repeats");
    assert!(report.fallen > 0 && report.violations() == report.fallen, "{report}");
}

#[test]
fn who_waits_though_the_lock_can_be_had_was_not_woken() {
    let report = broken("sleeps");
    assert!(report.not_woken > 0 && report.violations() == report.not_woken, "{report}");
}

#[test]
fn lock_that_nobody_can_have_is_stuck() {
    let report = broken("keeps");
    assert!(report.stuck > 0 && report.violations() == report.stuck, "{report}");
}

/// Nothing of them has its output open any more when all are dead, in whatever namespace or process group they were.
#[test]
fn nobody_outlives_a_torture_that_is_killed() {
    if let Err(reason) = namespaces_are_possible() {
        return skip(&reason);
    }
    for contestant in [OURS[2], OURS[3]] {
        let mut command = Command::new(helper("torture"));
        command.args(["--fs", "tmpfs", "--seconds", "600", "--only", contestant.name]);
        let mut torture = Running::start(command);
        while !torture.notices().starts_with("race of ") {}
        torture.kill();
        let ended = torture.ends();
        assert_eq!(ended.signal, Some(9), "{}", ended.err);
    }
}
