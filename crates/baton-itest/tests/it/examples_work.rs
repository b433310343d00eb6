//! What the README shows runs, shows what it says, and leaves nothing behind: no file, no process.

use baton_itest::command::{Ended, Running, ended, without_notice};
use baton_itest::job::example;
use baton_itest::places::temporary;
use baton_itest::programs;
use baton_itest::skip::skip;
use baton_itest::terminal::{INTERRUPT, Terminal};
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What the examples need where nothing is missing but Python and OpenSSL.
const TOOLS: &[&str] = &[
    "basename", "bash", "cat", "chmod", "dirname", "flock", "mkdir", "mktemp", "mv", "rm", "rmdir", "setsid",
    "sh", "sleep", "timeout",
];

/// One of the scripts, with the command that is tested, and a place of its own for temporary files.
fn script(name: &str, place: &Path) -> Command {
    let mut command = without_notice(Command::new(example(name)));
    command.env("BATON", programs::baton()).env("TMPDIR", place);
    command
}

/// Ends well, and says all of that on standard output, in this order.
#[track_caller]
fn must_show(ended: &Ended, texts: &[&str]) {
    let Ended { code, out, err, .. } = ended;
    assert_eq!(*code, Some(0), "{out}{err}");
    let mut rest = out.as_str();
    for text in texts {
        let at = rest.find(text).unwrap_or_else(|| panic!("{text:?} is not in {rest}, after {out}{err}"));
        rest = &rest[at + text.len()..];
    }
}

/// There is nothing in that directory, and nobody who was told to work there.
#[track_caller]
fn must_have_left_nothing(place: &Path) {
    let left: Vec<_> = fs::read_dir(place).expect("readable").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let is_told = |environment: Vec<u8>| {
        let place = place.as_os_str().as_bytes();
        environment.windows(place.len()).any(|window| window == place)
    };
    let processes = fs::read_dir("/proc").expect("readable").flatten();
    let told = processes.filter(|entry| fs::read(entry.path().join("environ")).is_ok_and(is_told));
    let told: Vec<_> = told.map(|entry| entry.path()).collect();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn tour_kills_a_runner_half_way_carries_on_and_takes_all_of_it_back() {
    let place = temporary();
    let shown = [
        "[4/7] runs  provider_selection  it has not run yet",
        "(exit code 75)",
        "(exit code 3)",
        "[3/7] kept  sandbox  it is complete, and its check passes",
        "[4/7] runs  provider_selection  its runner was killed while it ran",
        "complete (4 steps ran, 3 left as they were",
        "crashed while `provider_selection` was running",
        "[1/7] undone preflight",
    ];
    must_show(&ended(script("tour.sh", place.path())), &shown);
    must_have_left_nothing(place.path());
}

#[test]
fn tour_says_what_is_missing_and_does_with_less() {
    let (place, tools) = (temporary(), temporary());
    let path = std::env::var_os("PATH").expect("a path");
    for tool in TOOLS {
        let found =
            std::env::split_paths(&path).map(|directory| directory.join(tool)).find(|path| path.is_file());
        symlink(found.expect(tool), tools.path().join(tool)).expect("linked");
    }
    let mut tour = script("tour.sh", place.path());
    tour.env("PATH", tools.path());
    let shown = [
        "(python3 is missing",
        "(openssl is missing",
        "$ baton apply examples/onboard-fast.toml",
        "undone preflight",
    ];
    must_show(&ended(tour), &shown);
    must_have_left_nothing(place.path());
}

#[test]
fn tour_that_is_told_to_stop_half_way_leaves_nothing() {
    for is_group in [false, true] {
        let place = temporary();
        let mut tour = Running::start(script("tour.sh", place.path()));
        assert!((0..20).any(|_| tour.says().starts_with("[4/7] runs")), "it does not get half-way");
        // SIGINT would do nothing where the suite's caller ignores it.
        if is_group {
            tour.send_to_all(Signal::SIGTERM);
        } else {
            tour.send(Signal::SIGTERM);
        }
        let Ended { code, out, err, .. } = tour.end();
        assert_eq!(code, Some(143), "{out}{err}");
        must_have_left_nothing(place.path());
    }
}

#[test]
fn relay_kills_a_holder_and_the_next_one_recovers() {
    let place = temporary();
    must_show(&ended(script("relay.sh", place.path())), &["(exit code 75)", "recovered", "is free"]);
    must_have_left_nothing(place.path());
}

#[test]
fn tour_in_a_terminal_says_what_runs_and_why_and_ctrl_c_leaves_nothing() {
    let place = temporary();
    let mut terminal = match Terminal::running(&script("tour.sh", place.path())) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    terminal.shows("] provider_selection 0 s  sh onboard/provider.sh run");
    terminal.shows("gateway 0 s  check: ");
    terminal.shows("provider_selection  \u{1b}[2mits runner was killed while it ran");
    terminal.shows("gateway 0 s  undo: ");
    terminal.rest();
    must_have_left_nothing(place.path());

    let mut shell = match Terminal::with_shell() {
        Ok(shell) => shell,
        Err(reason) => return skip(&reason),
    };
    shell.types(&format!(
        "export TMPDIR='{}' BATON='{}'\n",
        place.path().display(),
        programs::baton().display()
    ));
    shell.shows("$ ");
    shell.types_command(&Command::new(example("tour.sh")));
    shell.shows("] provider_selection 0 s");
    shell.types(INTERRUPT);
    shell.shows("$ ");
    shell.types("echo code $?\n");
    shell.shows("code 130");
    must_have_left_nothing(place.path());
}
