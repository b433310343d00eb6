//! A filesystem that is not known to be local, and was accepted by its name.
//!
//! History: found by the torture. Before the guard is created the exchange of two names is tried there on two empty files. Somebody
//! who took over from a dead holder at that moment swept them away, as left behind by a crash, and the acquisition failed with
//! an error of a missing file instead of going on.

use baton_itest::interrupted;
use baton_itest::places::on_fuse;
use baton_itest::puppet::{self, Puppet};
use baton_itest::skip::skip;
use std::fs;
use std::path::Path;
use std::process::Command;

fn contender(path: &Path) -> Command {
    let mut command = puppet::command("baton", path);
    command.args(["--allow-fs", "fuse"]);
    command
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b".tmp"))
}

fn sweep(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).expect("readable");
    let temporaries: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| is_temporary(path)).collect();
    for temporary in &temporaries {
        fs::remove_file(temporary).expect("removed");
    }
    temporaries.len()
}

fn is_tried_again(root: &Path) {
    let [rehearsal, stage] = ["rehearsal", "stage"].map(|name| root.join(name));
    fs::create_dir(&rehearsal).and_then(|()| fs::create_dir(&stage)).expect("made");
    let path = rehearsal.join("a.lock");
    let calls = interrupted::rehearse(&contender(&path), &rehearsal, &["try", "release"]);
    let second = calls.iter().filter(|call| call.is("openat")).nth(1).expect("it creates two files");

    let path = stage.join("a.lock");
    let mut puppet = Puppet::start(second.stopping(&contender(&path), &stage));
    puppet.order("try");
    puppet.stopped();
    assert_eq!(sweep(&stage), 2, "it was stopped elsewhere: {second:?}");
    puppet.resume();
    let answer = puppet.answer().expect("it lives");
    assert!(answer["held"].is_object(), "{answer}");
}

#[test]
fn trial_of_the_filesystem_that_is_swept_away_is_tried_again() {
    if let Err(reason) = interrupted::is_possible() {
        return skip(&reason);
    }
    on_fuse(is_tried_again).unwrap_or_else(|reason| skip(&reason));
}
