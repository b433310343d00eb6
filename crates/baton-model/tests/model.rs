//! Every check of the catalogue comes to what it says there, to the state and to the step.
//!
//! The numbers of states are pinned so that a change of the model that makes it see less is noticed; the steps, so that a broken
//! variant is known to fail by its own fault.

use std::path::Path;

use baton_model::catalogue::{Case, Expected, cases, find};
use baton_model::check::{Extent, Report, check};
use baton_model::model::property;
use baton_model::variant::{Mutation, Setting};

fn told(report: &Report) -> String {
    let traces = report.broken.iter().map(|broken| format!("{}:\n{}", broken.property, broken.trace));
    traces.collect::<Vec<_>>().join("\n")
}

fn comes_to_what_it_says(case: &Case) {
    let report = case.check();
    let broken: Vec<_> = report.broken.iter().map(|broken| (broken.property, broken.steps)).collect();
    let name = case.name;
    match case.expected {
        Expected::Holds { states } => {
            assert!(broken.is_empty(), "{name}\n{}", told(&report));
            assert_eq!(report.unseen, [""; 0], "{name}: what was never seen proves nothing");
            assert_eq!(report.states, states, "{name}: states");
        }
        Expected::BreaksOnly { broken: expected, states } => {
            assert_eq!(broken, expected, "{name}\n{}", told(&report));
            assert_eq!(report.unseen, [""; 0], "{name}: what was never seen proves nothing");
            assert_eq!(report.states, states, "{name}: states");
        }
        Expected::Breaks { property, steps } => {
            assert_eq!(broken, [(property, steps)], "{name}\n{}", told(&report));
        }
    }
}

fn all(is_one: impl Fn(&Expected) -> bool) {
    let cases: Vec<_> = cases().filter(|case| is_one(&case.expected)).collect();
    assert!(!cases.is_empty());
    cases.into_iter().for_each(comes_to_what_it_says);
}

#[test]
fn protocol_holds_in_every_state() {
    all(|expected| matches!(expected, Expected::Holds { .. }));
}

#[test]
fn broken_variants_are_found() {
    all(|expected| matches!(expected, Expected::Breaks { .. }));
}

#[test]
fn limits_and_an_ancestors_client_break_what_is_said_and_no_more() {
    all(|expected| matches!(expected, Expected::BreaksOnly { .. }));
}

/// Step 7 looks again at what step 3 looked at; without either look two names of the guard are held, and tokens fall.
#[test]
fn look_of_step_3_alone_is_not_what_excludes() {
    let setting = Setting { contenders: 2, mutation: Mutation::GuardNotLookedAt, ..Setting::OURS };
    let report = check(setting, Extent::Everything, 1);
    assert!(report.broken.is_empty(), "{}", told(&report));
}

#[test]
fn counterexample_names_actors_steps_and_what_the_files_say() {
    let setting = Setting { contenders: 2, mutation: Mutation::RecordOnly, ..Setting::OURS };
    let report = check(setting, Extent::Until(property::EXCLUSION), 1);
    let text = told(&report);
    for part in [
        "P1",
        "P2",
        "6 give it the record's name",
        "user      deletes the record",
        "byte 0: P",
        "P2 HOLDS",
        "P1 HOLDS",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert_eq!(report.broken.len(), 1);
}

#[test]
fn counterexample_of_the_queue_names_actors_steps_and_tickets() {
    let text = told(&find("queue-begun-unsaid").expect("it is in the catalogue").check());
    for part in [
        "STOPPED before: W2 ask for the guard",
        "a second is over",
        "W5 give back the guard",
        "[1: W",
        " byte 3",
        "1.passed: W",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn counterexample_of_leases_names_contenders_steps_and_what_etcd_has() {
    let text = told(&find("lease-halted").expect("it is in the catalogue").check());
    for part in [
        "the job asks whether the lock is held",
        "HALTED at: holding, having asked",
        "a tick",
        "the lease runs out",
        "unclean 2",
        " HOLDS 1 left 0",
        "the job CHANGES the resource",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn documentation_has_the_table_of_what_is_checked() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verification.md");
    let page = std::fs::read_to_string(path).expect("docs/verification.md");
    for case in cases() {
        let result = match case.expected {
            Expected::Holds { states } => format!("holds, {states} states"),
            Expected::Breaks { property, steps } => format!("{property}: {steps} steps"),
            Expected::BreaksOnly { broken, states } => {
                let each: Vec<_> =
                    broken.iter().map(|(name, steps)| format!("{name}: {steps} steps")).collect();
                format!("{}; nothing else, {states} states", each.join("; "))
            }
        };
        let row = format!("| `{}` | {} | {result} |", case.name, case.about);
        assert!(page.contains(&row), "docs/verification.md lacks the row\n{row}");
    }
}
