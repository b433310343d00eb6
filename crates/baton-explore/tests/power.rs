//! A session survives kills and power cuts wherever they come, and each mutant of its storage is caught by one.

use std::path::Path;

use baton_explore::power::{self, CASES, Case};

fn holds(case: &Case) {
    let name = case.name;
    let report = power::explored(case, None);
    if let Some(failure) = &report.failure {
        panic!("{name}: {}\n{}", failure.violation, failure.trace);
    }
    assert!(report.outcomes > case.outcomes, "{name}: {} outcomes only", report.outcomes);
    assert_eq!(Vec::from_iter(report.found), [0, 1, 2, 3, 4], "{name}: each is found by somebody");
    assert_eq!(report.failed > 0, case.fails, "{name}: {} changes failed", report.failed);
}

#[test]
fn session_survives_every_kill_and_power_cut_whole_and_never_older_than_its_last_save() {
    CASES.iter().for_each(holds);
}

#[test]
fn documentation_has_the_table_of_what_is_explored_with_power_cuts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verification.md");
    let page = std::fs::read_to_string(path).expect("docs/verification.md");
    let rows = CASES
        .iter()
        .map(|case| format!("| `{}` | {} | more than {} outcomes |", case.name, case.about, case.outcomes));
    let missing: Vec<_> = rows.filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "docs/verification.md lacks the rows\n{}", missing.join("\n"));
}
