//! Tests that can't run here say so, once, where somebody looks.
//!
//! A test that returns early counts as passed, and a filesystem nobody could mount looks like one on which all is
//! well. So a skipped test is printed, and noted in the file that `BATON_SKIP_LOG` names, from which
//! whoever runs the suite lists what was *not* shown.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;

/// Notes that the current test is skipped and why: one line `<test>\t<reason>` in the file named by `BATON_SKIP_LOG`,
/// if that is set, and one on standard error. The test is known by its thread's name, as the test runner sets it.
///
/// # Panics
///
/// When that file can't be written: a skip that nobody learns of would be a pass.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("(a thread without a name)");
    let reason = reason.replace(['\t', '\n'], " ");
    eprintln!("SKIPPED {name}: {reason}");
    if let Some(log) = std::env::var_os("BATON_SKIP_LOG") {
        note(Path::new(&log), &format!("{name}\t{reason}\n"));
    }
}

/// Adds a line by one append, so that tests that run at the same time do not mix theirs.
fn note(log: &Path, line: &str) {
    let file = File::options().append(true).create(true).open(log);
    match file.and_then(|mut file| file.write(line.as_bytes())) {
        Ok(length) if length == line.len() => {}
        other => panic!("skip log `{}` was not written: {other:?}", log.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::places::temporary;

    #[test]
    fn a_skip_is_added_to_what_others_noted() {
        let place = temporary();
        let log = place.path().join("skipped");
        note(&log, "a\tno loop devices\n");
        note(&log, "b\tnot root\n");
        assert_eq!(std::fs::read_to_string(&log).expect("readable"), "a\tno loop devices\nb\tnot root\n");
    }
}
