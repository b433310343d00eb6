//! `examples/onboard.toml` in full: a real virtual environment, key pair, database, and a service on loopback; killed in the middle,
//! resumed, looked at from outside, killed while it is undone, and nothing is left.
//!
//! Each run has a directory of its own, and a port that the kernel gives to nobody else meanwhile.

use baton_itest::command::{Ended, Running, ended};
use baton_itest::job::Job;
use baton_itest::skip::skip;
use baton_itest::stream::PATIENCE;
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// What is set up, and is taken back whichever way the test ends: a service would live on.
struct SetUp(Job);

impl SetUp {
    fn new() -> Self {
        Self(Job::of_example("onboard"))
    }

    fn with_place(&self, mut command: Command) -> Command {
        command.env("ONBOARD_DIR", self.0.path("site"));
        command
    }

    fn apply(&self, options: &str) -> Command {
        self.with_place(self.0.apply(options))
    }

    fn undo(&self, options: &str) -> Command {
        self.with_place(self.0.undo(options))
    }

    fn fact(&self, key: &str) -> String {
        self.0.session()["facts"][key].as_str().unwrap_or_default().to_owned()
    }

    fn site(&self, name: &str) -> String {
        self.0.text(&format!("site/{name}"))
    }

    /// What the service says of itself; `None` if nobody answers.
    fn health(&self) -> Option<Value> {
        let mut service = TcpStream::connect(format!("127.0.0.1:{}", self.fact("port"))).ok()?;
        service.set_read_timeout(Some(PATIENCE)).expect("set");
        service.write_all(b"GET /health HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        service.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Looks at all of it by other means than its checks.
    #[track_caller]
    fn assert_there(&self) {
        let health = self.health().expect("the service answers");
        let site = fs::canonicalize(self.0.path("site")).expect("there");
        assert_eq!(health, serde_json::json!({ "site": site, "clients": ["openclaw"] }));
        let python = self.site("sandbox/bin/python");
        assert_eq!(
            out(&python, &["-c", "import sys; print(sys.prefix)"]).trim(),
            site.join("sandbox").to_str().expect("text")
        );
        let read = "import sqlite3, sys; print([*sqlite3.connect(sys.argv[1]).execute('SELECT name, provider FROM model')])";
        let models = out(&python, &["-c", read, &self.site("inference.db")]);
        assert_eq!(models.trim(), "[('small', 'loopback'), ('medium', 'loopback'), ('large', 'loopback')]");
        let public = self.fact("public_key_file");
        let private = self.site("provider/private.pem");
        assert_eq!(fs::metadata(&private).expect("there").permissions().mode() & 0o077, 0);
        let derived = out("openssl", &["pkey", "-pubout", "-in", &private]);
        assert_eq!(derived, fs::read_to_string(public).expect("there"), "the two belong together");
        let policy = self.0.path("site/policies/policy.yaml");
        assert_eq!(fs::metadata(policy).expect("there").permissions().mode() & 0o777, 0o600);
    }
}

/// Starts it, and kills it when it has told this event.
#[track_caller]
fn kill_at(command: Command, event: &str, step: &str, is_runner_only: bool) {
    let mut running = Running::start(command);
    loop {
        let line = running.says();
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("it ended before {event} {step}: {line}{}", running.notices()));
        if told["event"] == event && told["step"] == step {
            break;
        }
    }
    if is_runner_only {
        running.kill();
    } else {
        running.kill_with_groups();
    }
    assert_eq!(running.ends().signal, Some(9));
}

impl Drop for SetUp {
    fn drop(&mut self) {
        // Does nothing where nothing is left; a panic in a panic would hide the first.
        let mut undo = self.undo("--yes -w 20s");
        let _ = undo.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

#[track_caller]
fn out(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn has_tools() -> bool {
    for tool in ["python3", "openssl"] {
        if Command::new(tool).arg("version").stdin(Stdio::null()).output().is_err() {
            skip(&format!("`{tool}` is not installed"));
            return false;
        }
    }
    true
}

#[test]
fn example_is_killed_in_the_middle_and_resumed_and_undone_and_nothing_is_left() {
    if !has_tools() {
        return;
    }
    let set_up = SetUp::new();
    // A service that was started by a runner which is killed; an environment that is half made; a program that is half installed.
    kill_at(set_up.apply("--json"), "step_started", "gateway", true);
    kill_at(set_up.apply("--json --resume"), "step_started", "sandbox", false);
    kill_at(set_up.apply("--json --resume"), "step_completed", "provider_selection", true);
    kill_at(set_up.apply("--json --resume"), "step_started", "openclaw", false);
    let Ended { code, out: said, err, .. } = ended(set_up.apply("--resume"));
    assert_eq!(code, Some(0), "{said}{err}");
    assert_eq!(set_up.0.session()["status"], "complete");
    set_up.assert_there();
    // All checks hold: of a job that is complete but for its last step, nothing but that runs again.
    let Ended { code, out: said, err, .. } = ended(set_up.apply("--json --from policies"));
    assert_eq!(code, Some(0), "{said}{err}");
    let started: Vec<&str> = said.lines().filter(|line| line.contains("\"step_started\"")).collect();
    assert!(started.len() == 1 && started[0].contains("\"policies\""), "{started:#?}");
    set_up.assert_there();

    let (port, site) = (set_up.fact("port"), set_up.0.path("site"));
    kill_at(set_up.undo("--json --yes"), "step_undone", "openclaw", false);
    kill_at(set_up.undo("--json --yes"), "step_undone", "sandbox", true);
    let Ended { code, out: said, err, .. } = ended(set_up.undo("--yes"));
    assert_eq!(code, Some(0), "{said}{err}");
    assert!(!site.exists(), "nothing is left of it");
    assert!(TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "nobody serves any more");
    assert!(ended(set_up.undo("--yes")).err.contains("nothing to undo"));
}
