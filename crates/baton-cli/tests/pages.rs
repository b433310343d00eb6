//! Completions and man pages are made for every verb, and the shells can read them.

use std::fs;
use std::path::Path;
use std::process::Command;

use baton_cli::args::Args;
use clap::CommandFactory as _;

#[path = "../examples/pages.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod pages;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("readable");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn every_verb_has_a_page_and_is_completed_in_every_shell() {
    let place = tempfile::tempdir().expect("a directory");
    pages::write(place.path()).expect("written");
    let (completions, man) = (place.path().join("completions"), place.path().join("man"));
    assert_eq!(names(&completions), ["_baton", "baton.bash", "baton.fish"]);
    for verb in Args::command().get_subcommands() {
        let name = verb.get_name();
        let page = fs::read_to_string(man.join(format!("baton-{name}.1"))).expect("there");
        assert!(page.contains(".SH SYNOPSIS") && page.contains("Examples:"), "{page}");
        for file in names(&completions) {
            let text = fs::read_to_string(completions.join(&file)).expect("there");
            assert!(text.contains(name), "{name} in {file}");
        }
    }
    assert!(man.join("baton-session-list.1").exists());
    let hidden = "second-process";
    assert!(!fs::read_to_string(man.join("baton-doctor.1")).expect("there").contains(hidden));
    let bash = Command::new("bash").arg("-n").arg(completions.join("baton.bash")).status();
    assert!(bash.expect("bash starts").success());
}

#[test]
fn pages_are_the_same_each_time() {
    let places = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let all = places.map(|place| {
        pages::write(place.path()).expect("written");
        let read = |below: &str| {
            let directory = place.path().join(below);
            names(&directory)
                .into_iter()
                .map(move |name| (fs::read(directory.join(&name)).expect("there"), name))
        };
        read("man").chain(read("completions")).collect::<Vec<_>>()
    });
    assert_eq!(all[0], all[1]);
}
