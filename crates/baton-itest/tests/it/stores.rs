//! Which store is meant, and that the program which knows it takes the place of `baton`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use baton_itest::command::{Running, baton, ended, without_notice};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use baton_itest::programs;
use tempfile::TempDir;

const URL: &str = "etcd://127.0.0.1:1/jobs";

/// `baton` with these words, its own state directory being that one.
fn command(state: &Path, words: &[&str]) -> Command {
    let mut command = baton();
    command.env("BATON_DIR", state).env_remove("BATON_STORE").args(words);
    command
}

/// A program that says how it was started, and ends with 7.
const IMPOSTOR: &str = "#!/bin/sh\necho \"$$:$(basename \"$0\"):$*\"\nexit 7";

/// Makes a program, by another process: what is open for writing here, another thread's child may have open when it is started.
fn program(directory: &Path, name: &str, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf '%s\n' \"$1\" >\"$0\" && chmod +x \"$0\""]).arg(directory.join(name)).arg(text);
    assert!(shell.status().expect("started").success());
}

/// The command in a directory of its own. It is the same file: a copy could not be started while another thread starts something.
fn another() -> (TempDir, PathBuf) {
    let built = programs::baton();
    let place = tempfile::tempdir_in(built.parent().expect("it has one")).expect("a directory");
    let own = place.path().join("baton");
    fs::hard_link(&built, &own).expect("linked");
    (place, own)
}

#[test]
fn directory_that_is_named_as_the_store_is_the_state_directory() {
    let (own, other) = (temporary(), temporary());
    let store = other.path().to_str().expect("text");
    for words in [
        &["--store", store, "run", "deploy", "--", "true"][..],
        &["run", "--store", store, "deploy", "--", "true"],
    ] {
        assert_eq!(ended(command(own.path(), words)).code, Some(0), "{words:?}");
        assert_eq!(names_in(&other.path().join("locks")), ["deploy.guard"]);
        fs::remove_dir_all(other.path().join("locks")).expect("removed");
    }
    let mut by_variable = command(own.path(), &["run", "deploy", "--", "true"]);
    assert_eq!(ended(with(&mut by_variable, store)).code, Some(0));
    assert_eq!(names_in(&other.path().join("locks")), ["deploy.guard"]);
    assert!(!own.path().join("locks").exists(), "nothing is in the user's own");
}

fn with(command: &mut Command, store: &str) -> Command {
    command.env("BATON_STORE", store);
    std::mem::replace(command, Command::new("true"))
}

#[test]
fn option_for_the_store_wins_over_the_variable_and_an_empty_variable_is_none() {
    let (own, other) = (temporary(), temporary());
    let store = other.path().to_str().expect("text");
    let mut both = command(own.path(), &["--store", store, "run", "a", "--", "true"]);
    assert_eq!(ended(with(&mut both, URL)).code, Some(0));
    assert_eq!(names_in(&other.path().join("locks")), ["a.guard"]);
    let mut empty = command(own.path(), &["run", "b", "--", "true"]);
    assert_eq!(ended(with(&mut empty, "")).code, Some(0));
    assert_eq!(names_in(&own.path().join("locks")), ["b.guard"]);
}

#[test]
fn plan_in_another_directory_has_its_session_logs_and_history_there() {
    let (own, other) = (temporary(), temporary());
    let store = other.path().to_str().expect("text");
    let plan = own.path().join("p.toml");
    fs::write(&plan, "version = 1\nname = \"deploy\"\n[[step]]\nid = \"a\"\nrun = \"echo done\"\n")
        .expect("written");
    let plan = plan.to_str().expect("text");
    let applied = ended(command(own.path(), &["apply", "--store", store, plan]));
    assert_eq!(applied.code, Some(0), "{}", applied.err);
    assert_eq!(names_in(other.path()), ["history", "locks", "logs", "sessions"]);
    assert_eq!(names_in(own.path()), ["p.toml"]);
    let listed = ended(command(own.path(), &["session", "list", "--store", store]));
    assert!(listed.out.contains("deploy"), "{}", listed.out);
    let log = ended(command(own.path(), &["--store", store, "session", "log", "deploy", "a"]));
    assert!(log.out.contains("done"), "{}", log.out);
    let unknown = ended(command(own.path(), &["--store", store, "session", "show", "nothing"]));
    assert!(unknown.err.contains(&format!("`baton --store {store} session list`")), "{}", unknown.err);
}

/// One process all the way, so that signals and the terminal are its own; the arguments are as they were typed.
#[test]
fn program_that_knows_the_store_takes_the_place_of_baton() {
    let state = temporary();
    let (place, own) = another();
    program(place.path(), "baton-etcd", IMPOSTOR);
    let words = ["--store", URL, "run", "--purpose", "a  b", "deploy", "--", "true"];
    let mut command = without_notice(Command::new(own));
    command.env("BATON_DIR", state.path()).args(words);
    let mut running = Running::start(command);
    let said = format!("{}:baton-etcd:{}", running.pid(), words.join(" "));
    assert_eq!(running.says(), said);
    assert_eq!(running.end().code, Some(7));
    assert!(!state.path().join("locks").exists());
}

#[test]
fn program_beside_baton_comes_before_one_of_the_path() {
    let (state, path) = (temporary(), temporary());
    let (beside, own) = another();
    program(path.path(), "baton-etcd", IMPOSTOR);
    let start = || {
        let mut command = without_notice(Command::new(&own));
        command.env("PATH", format!("{}:/usr/bin:/bin", path.path().display()));
        command.env("BATON_DIR", state.path()).env("BATON_STORE", URL).args(["list"]);
        ended(command)
    };
    assert!(start().out.ends_with(":baton-etcd:list\n"));
    program(beside.path(), "baton-etcd", "#!/bin/sh\necho beside");
    assert_eq!(start().out, "beside\n");
    fs::remove_file(beside.path().join("baton-etcd")).expect("removed");
    fs::remove_file(path.path().join("baton-etcd")).expect("removed");
    std::os::unix::fs::symlink(&own, path.path().join("baton-etcd")).expect("linked");
    assert_eq!(start().code, Some(69), "one that is baton itself would be started for ever");
}

#[test]
fn store_whose_program_is_not_there_gives_69_and_says_what_to_install() {
    let state = temporary();
    let (empty, own) = another();
    for verb in [&["run", "a", "--", "true"][..], &["status", "a"], &["doctor"]] {
        let mut command = without_notice(Command::new(&own));
        command.env("PATH", empty.path()).env("BATON_DIR", state.path());
        command.args(["--store", URL]).args(verb);
        let ended = ended(command);
        assert_eq!((ended.code, ended.out.as_str()), (Some(69), ""), "{}", ended.err);
        assert!(ended.err.contains("`baton-etcd`, which was not found\nhint: install it "), "{}", ended.err);
    }
    assert!(!state.path().join("locks").exists());
}

#[test]
fn senseless_store_or_lease_gives_2_and_touches_nothing() {
    let state = temporary();
    for (words, said) in [
        (&["--store", "redis://a/b", "run", "a", "--", "true"][..], "no store is known"),
        (&["--store", "etcd://u:geheim@a/b", "run", "a", "--", "true"], "BATON_ETCD_PASSWORD_FILE"),
        (&["--lease", "10s", "run", "a", "--", "true"], "as long as its holder lives"),
        (&["--lease", "10s", "--store", ".", "status", "a"], "as long as its holder lives"),
        (&["--lease", "1s", "--store", URL, "status", "a"], "at least 2 s"),
        (&["--lease", "soon", "--store", URL, "status", "a"], "--lease"),
    ] {
        let ended = ended(command(state.path(), words));
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{words:?}: {}", ended.err);
        assert!(ended.err.contains(said) && !ended.err.contains("geheim"), "{words:?}: {}", ended.err);
        assert_eq!(names_in(state.path()), [""; 0]);
    }
}
