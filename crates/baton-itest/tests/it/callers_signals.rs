//! Whoever runs the tests may ignore signals, as a script's background job does; what the tests start must not.

use baton_itest::command::without_notice;
use std::process::Command;

/// History: it went on for ever, since the job inherited what the tests' caller ignored.
#[test]
fn job_dies_of_a_signal_that_the_tests_caller_ignores() {
    let mut tests = without_notice(Command::new("env"));
    tests.arg("--ignore-signal=HUP,INT,QUIT,TERM,CHLD").arg(std::env::current_exe().expect("known")).args([
        "--exact",
        "command_signals::job_that_dies_of_a_signal_sent_to_baton_gives_128_and_the_signal",
    ]);
    let output = tests.output().expect("`env` starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(" 1 passed;"), "{said}");
}
