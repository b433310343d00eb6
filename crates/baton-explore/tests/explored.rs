//! The shipped code keeps its promises in everything that is explored, and each mutant breaks one of them.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use baton_explore::catalogue::{self, CASES, Case, Extent};
use baton_explore::explore::{self, Failure, Report};
use baton_explore::mutants::{MUTANTS, Mutant};
use baton_explore::power;
use baton_explore::scenario::Waits;

/// Far more executions than any case takes that is explored to its end.
const MOST: usize = 3_000_000;

/// What a failure that was come to by chance is repeated by.
const SEED: &str = "BATON_EXPLORE_SEED";

fn seeds(executions: u64) -> std::ops::Range<u64> {
    match std::env::var(SEED).ok().and_then(|seed| seed.parse::<u64>().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..executions,
    }
}

fn explored(case: &Case, mutant: Option<usize>) -> Report {
    match case.extent {
        Extent::Everything(_) => explore::everything(&case.scenario, mutant, MOST),
        Extent::AtRandom(executions) => explore::at_random(&case.scenario, mutant, seeds(executions)),
    }
}

fn told(failure: &Failure) -> String {
    let again = failure.seed.map(|seed| format!("\nagain by {SEED}={seed}")).unwrap_or_default();
    format!("{}\n{}{again}", failure.violation, failure.trace)
}

/// Each of them on one of two threads; what is simulated belongs to a thread.
fn for_each<T: Sync>(all: &[T], check: impl Fn(&T) + Sync) {
    let left = Mutex::new(all.iter());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic under the lock").next();
                    let Some(next) = next else { return };
                    check(next);
                }
            });
        }
    });
}

fn holds(case: &Case) {
    let name = case.scenario.name;
    let report = explored(case, None);
    if let Some(failure) = &report.failure {
        panic!("{name}: {}", told(failure));
    }
    if let Extent::Everything(states) = case.extent {
        assert!(report.is_complete, "{name}: more than {MOST} executions");
        assert!(report.states > states, "{name}: {} states only", report.states);
    }
    let seen = report.seen;
    assert!(seen.holds > 1, "{name}: somebody holds after somebody has held: {seen:?}");
    assert!(
        seen.busy || case.scenario.contenders == 1 || case.scenario.waits != Waits::Not,
        "{name}: {seen:?}"
    );
    assert!(seen.recovered || case.scenario.crashes == 0, "{name}: {seen:?}");
    assert!(seen.failed || case.scenario.faults == 0, "{name}: {seen:?}");
    assert!(seen.orphan || case.scenario.crashes == 0 || !case.scenario.jobs, "{name}: {seen:?}");
}

#[test]
fn shipped_code_keeps_its_promises_in_everything_that_is_explored() {
    for_each(CASES, holds);
}

fn is_caught(mutant: &Mutant) {
    let name = mutant.name;
    let number = MUTANTS.iter().position(|other| other.name == name);
    let failure = match power::find(mutant.caught_by) {
        Some(case) => power::explored(case, number).failure,
        None => explored(catalogue::find(mutant.caught_by).expect("a case of that name"), number).failure,
    };
    let failure = failure.unwrap_or_else(|| panic!("{name} is not caught by {}", mutant.caught_by));
    assert!(failure.violation.starts_with(mutant.breaks), "{name}: {}", told(&failure));
}

#[test]
fn every_mutant_is_caught() {
    assert!(MUTANTS.len() >= 12);
    for_each(MUTANTS, is_caught);
}

#[test]
fn execution_that_failed_by_chance_fails_again_by_its_seed() {
    let case = catalogue::find("many").expect("a case of that name");
    let mutant = MUTANTS.iter().position(|mutant| mutant.name == "guard-closed-only");
    let failure = explore::at_random(&case.scenario, mutant, 0..1000).failure.expect("it is caught");
    let seed = failure.seed.expect("by chance");
    let again =
        explore::at_random(&case.scenario, mutant, seed..seed + 1).failure.expect("it is caught again");
    assert_eq!((again.violation, again.trace), (failure.violation, failure.trace));
}

#[test]
fn documentation_has_the_tables_of_what_is_explored_and_of_the_mutants() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verification.md");
    let page = std::fs::read_to_string(path).expect("docs/verification.md");
    let cases = CASES.iter().map(|case| {
        let extent = match case.extent {
            Extent::Everything(states) => format!("to the end: more than {states} states"),
            Extent::AtRandom(executions) => format!("at random: {executions} executions"),
        };
        format!("| `{}` | {} | {extent} |", case.scenario.name, case.about)
    });
    let mutants = MUTANTS.iter().map(|mutant| {
        format!("| `{}` | {} | `{}`: {} |", mutant.name, mutant.about, mutant.caught_by, mutant.breaks)
    });
    let missing: Vec<_> = cases.chain(mutants).filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "docs/verification.md lacks the rows\n{}", missing.join("\n"));
}
