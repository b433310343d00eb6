//! `baton session …` as it is typed: exit codes, what is printed where, and that looking changes nothing.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use baton_lock::session::{Actor, Begin, Cause, End, Event, PlannedStep, Store};
use baton_lock::{Attempt, Held, Lock};
use serde_json::Value;
use tempfile::TempDir;

/// A state directory.
struct State(TempDir);

impl State {
    fn new() -> Self {
        let state = tempfile::tempdir().expect("a directory");
        fs::create_dir(state.path().join("locks")).expect("made");
        Self(state)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `baton session WORDS`, with nobody to ask and in the state directory.
    fn session(&self, words: &str) -> Told {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command.arg("session").args(words.split_ascii_whitespace());
        command.env("BATON_DIR", self.0.path()).env_remove("XDG_STATE_HOME").current_dir(self.0.path());
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().expect("started");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Told { code: status.code().expect("a code"), out: text(stdout), err: text(stderr) }
    }

    fn store(&self, name: &str) -> Store {
        Store::in_directory(self.0.path(), name).expect("a name")
    }

    fn hold(&self, name: &str) -> Held {
        let lock = Lock::open(self.store(name).lock_path()).expect("a path");
        match lock.try_lock().expect("no error") {
            Attempt::Held(held) => held,
            Attempt::Busy(seen) => panic!("{}", seen.reason()),
        }
    }

    /// A job whose second step of three failed.
    fn failed_job(&self, name: &str) {
        let held = self.hold(name);
        let mut writer = self.store(name).open(&held).expect("opened");
        let steps = ["a", "b", "c"].map(PlannedStep::new).to_vec();
        let begin = Begin::new(name, "/srv/deploy.toml", steps, Actor::of(&held));
        let events = [
            Event::fresh_start(begin).expect("random"),
            Event::step_started("a"),
            Event::step_completed("a", [("port", "8080")]),
            Event::step_started("b"),
            Event::step_failed("b", "exit code 7", Cause::Error),
            Event::AttemptEnded { end: End::Failed },
        ];
        writer.apply_all(&held, events).expect("written");
        held.release().expect("released");
        let logs = self.path("logs").join(name);
        fs::create_dir_all(&logs).expect("made");
        fs::write(logs.join("1-b.log"), "it went\x1b[31m wrong\n").expect("written");
    }
}

/// A `baton run` that holds the lock of `deploy` until it is dropped; a process of its own, above none of the others.
struct Runner(Child);

impl Runner {
    fn of(state: &State) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baton"));
        command
            .args(["run", "deploy", "--", "sh", "-c", "echo in; exec cat"])
            .env("BATON_DIR", state.0.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let out = child.stdout.as_mut().expect("piped");
        out.read_exact(&mut [0; 3]).expect("it says that it is in");
        Self(child)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Its job ends with its input.
        drop(self.0.stdin.take());
        self.0.wait().expect("ended");
    }
}

/// What a command said.
struct Told {
    code: i32,
    out: String,
    err: String,
}

impl Told {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Everything in a directory, with its content.
fn footprint(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(footprint(&path));
        } else {
            found.push((path.clone(), fs::read(&path).expect("read")));
        }
    }
    found.sort();
    found
}

#[test]
fn looking_changes_nothing() {
    let state = State::new();
    state.failed_job("deploy");
    let before = footprint(state.0.path());
    for words in [
        "list",
        "list --json",
        "show deploy",
        "show --json deploy",
        "log deploy",
        "export deploy",
        "reset deploy",
    ] {
        state.session(words);
        assert_eq!(footprint(state.0.path()), before, "{words}");
    }
}

#[test]
fn list_has_every_session_and_says_which_can_not_be_read() {
    let state = State::new();
    assert_eq!(
        (
            state.session("list").code,
            state.session("list --json").json()["sessions"].as_array().map(Vec::len)
        ),
        (0, Some(0))
    );
    state.failed_job("deploy");
    state.failed_job("other");
    let held = state.hold("other");
    let told = state.session("list");
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("deploy  failed  1 of 3"), "{}", told.out);
    assert!(told.out.contains("b: exit code 7") && told.out.contains(&format!("pid {}", std::process::id())));
    let listed = state.session("list --json").json();
    assert_eq!(
        (&listed["sessions"][0]["isRunning"], &listed["sessions"][1]["isRunning"]),
        (&false.into(), &true.into())
    );
    held.release().expect("released");

    fs::write(state.store("other").path(), "{").expect("written");
    let told = state.session("list");
    assert_eq!(told.code, 65);
    assert!(told.out.contains("deploy  failed") && told.out.contains("other   unreadable"), "{}", told.out);
    assert!(told.err.contains("is corrupt at byte 1"), "{}", told.err);
    assert_eq!(state.session("list --json").json()["sessions"][1]["status"], "unreadable");
}

#[test]
fn what_is_no_name_is_usage_and_what_is_missing_or_corrupt_is_65_with_its_file() {
    let state = State::new();
    state.failed_job("broken");
    fs::write(state.store("broken").path(), r#"{"baton": {"version": 9, "token": 1}}"#).expect("written");
    for verb in ["show", "log", "export", "report"] {
        let codes =
            ["../x", ".hidden", "none", "broken"].map(|name| state.session(&format!("{verb} {name}")).code);
        assert_eq!(codes, [2, 2, 65, 65], "{verb}");
        let told = state.session(&format!("{verb} none"));
        assert!(
            told.err.contains("sessions/none.json` is missing") && told.err.contains("hint: "),
            "{}",
            told.err
        );
        assert!(state.session(&format!("{verb} broken")).err.contains("version 9"));
        assert!(!state.path("none-report.html").exists());
    }
    assert_eq!(state.session("reset ../x").code, 2);
}

#[test]
fn log_is_printed_as_it_is_where_no_terminal_is() {
    let state = State::new();
    state.failed_job("deploy");
    assert_eq!(state.session("log deploy").out, "it went\x1b[31m wrong\n");
    let path = state.session("log --path deploy b --attempt 1").out;
    assert_eq!(path.trim_end(), state.path("logs/deploy/1-b.log").to_string_lossy());
    let none = state.session("log deploy c");
    assert_eq!((none.code, none.out.as_str()), (65, ""));
    assert!(none.err.contains("there is no log of step `c`"), "{}", none.err);
}

#[test]
fn fifo_in_the_place_of_a_log_is_refused_without_waiting_for_its_writer() {
    let state = State::new();
    state.failed_job("deploy");
    let log = state.path("logs/deploy/1-b.log");
    fs::remove_file(&log).expect("removed");
    assert!(Command::new("mkfifo").arg(&log).status().expect("started").success());
    for words in ["log deploy", "log --path deploy"] {
        let told = state.session(words);
        assert_eq!(told.code, 73);
        assert!(told.err.contains("it is a FIFO"), "{}", told.err);
    }
}

#[test]
fn reset_is_not_done_unasked_nor_while_somebody_runs_the_job() {
    let state = State::new();
    state.failed_job("deploy");
    let told = state.session("reset deploy");
    assert_eq!(told.code, 3);
    assert!(told.err.contains("baton session reset --yes deploy"), "{}", told.err);
    let runner = Runner::of(&state);
    assert_eq!(state.session("reset -n deploy").code, 3, "that comes before the lock");
    assert_eq!(state.session("reset --yes -n deploy").code, 75);
    assert_eq!(state.session("reset --yes -n -E 9 deploy").code, 9);
    assert!(state.session("reset --yes -w 50ms deploy").err.contains("gave up after"));
    drop(runner);
    assert!(state.store("deploy").path().exists());

    let told = state.session("reset --yes deploy");
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.err.contains("sessions/deploy.json.") && told.err.contains("logs/deploy."), "{}", told.err);
    assert!(!state.store("deploy").path().exists() && !state.path("logs/deploy").exists());
    let again = state.session("reset --yes deploy");
    assert_eq!(again.code, 0);
    assert!(again.err.contains("nothing to set aside"), "{}", again.err);
    assert_eq!(state.session("reset --yes -q deploy").err, "");
}

#[test]
fn corrupt_session_can_be_reset() {
    let state = State::new();
    state.failed_job("deploy");
    fs::write(state.store("deploy").path(), "{").expect("written");
    assert_eq!(state.session("reset --yes deploy").code, 0);
    state.failed_job("deploy");
}

#[test]
fn runner_that_died_is_still_told_after_a_reset_that_was_not_confirmed() {
    let state = State::new();
    state.failed_job("deploy");
    state.hold("deploy").abandon();
    assert_eq!(state.session("reset deploy").code, 3);
    assert!(matches!(state.hold("deploy").outcome(), baton_lock::Outcome::Recovered(Some(_))));
}

#[test]
fn export_goes_to_a_file_or_to_standard_output() {
    let state = State::new();
    state.failed_job("deploy");
    let printed = state.session("export deploy").json();
    assert_eq!((&printed["schema"], &printed["session"]["facts"]["port"]), (&1.into(), &"8080".into()));
    let told = state.session("export -o out.json deploy");
    assert_eq!((told.code, told.out.as_str()), (0, ""));
    let written: Value =
        serde_json::from_slice(&fs::read(state.path("out.json")).expect("there")).expect("JSON");
    assert_eq!(written["session"], printed["session"]);
    assert_eq!(state.session("export -o none/out.json deploy").code, 73);
}

#[test]
fn report_is_one_file_beside_or_goes_to_standard_output() {
    let state = State::new();
    state.failed_job("deploy");
    let told = state.session("report deploy");
    assert_eq!((told.code, told.out.as_str()), (0, ""), "{}", told.err);
    assert!(told.err.contains("deploy-report.html`"), "{}", told.err);
    let page = fs::read_to_string(state.path("deploy-report.html")).expect("there");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("exit code 7") && page.contains("it went wrong"));
    let told = state.session("report -o - deploy");
    assert!(told.out.starts_with("<!doctype html>") && told.err.is_empty());
    let told = state.session("report -o none/x.html deploy");
    assert_eq!(told.code, 73);
    assert!(told.err.contains("none/x.html`"), "{}", told.err);
}
