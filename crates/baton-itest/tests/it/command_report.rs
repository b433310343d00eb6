//! `--report FILE`: what happened, for programs, since a job's own 75 looks like Baton's.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, next, run, run_with, status, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::handwritten::put;
use baton_itest::places::temporary;
use baton_itest::programs::helper;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

struct Desk {
    _place: TempDir,
    lock: PathBuf,
    report: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let place = temporary();
        let (lock, report) = (place.path().join("a.lock"), place.path().join("report"));
        Self { _place: place, lock, report }
    }

    fn options<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        [&["--report", self.report.to_str().expect("text")], more].concat()
    }

    fn command(&self, more: &[&str], job: &[&str]) -> Command {
        run_with(self.options(more), &self.lock, job)
    }

    /// The report, of which some is the same in all.
    #[track_caller]
    fn read(&self, result: &str, code: i32) -> Value {
        let report = parsed(&fs::read_to_string(&self.report).expect("written"));
        assert_eq!((&report["schema"], &report["result"]), (&json!(1), &json!(result)), "{report:#}");
        assert_eq!(report["exitCode"], code, "{report:#}");
        assert!(report["waitedMs"].is_u64(), "{report:#}");
        assert_eq!(report["lock"], self.lock.to_str().expect("text"));
        report
    }
}

#[track_caller]
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn job_that_ran_is_reported_with_its_end_the_token_and_how_the_lock_was_got() {
    let desk = Desk::new();
    for (script, code, job) in [
        ("exit 0", 0, json!({ "exitCode": 0, "signal": null })),
        ("exit 75", 75, json!({ "exitCode": 75, "signal": null })),
        ("kill -9 $$", 137, json!({ "exitCode": null, "signal": 9 })),
    ] {
        let job_tells = format!("echo $BATON_TOKEN; {script}");
        let Ended { code: actual, out, .. } = ended(desk.command(&[], &["sh", "-c", &job_tells]));
        assert_eq!(actual, Some(code));
        let report = desk.read("ran", code);
        assert_eq!(report["job"], job);
        assert_eq!(report["token"].to_string(), out.trim_end());
        assert_eq!((&report["outcome"], &report["previous"]), (&json!("fresh"), &Value::Null));
        assert_eq!(report["integrity"], json!({ "state": "intact", "reason": null }));
        assert!(report["error"].is_null() && report["holder"].is_null() && report["recovery"].is_null());
    }
    // The last one was killed.
    ended(desk.command(&["--on-recovered", "true"], &["true"]));
    let report = desk.read("ran", 0);
    assert_eq!(report["outcome"], "recovered");
    assert!(report["previous"]["command"].as_str().is_some_and(|command| command.contains("kill -9 ")));
    assert_eq!(report["recovery"], json!({ "exitCode": 0, "signal": null }));
}

#[test]
fn busy_and_timed_out_are_told_apart_and_name_the_holder() {
    let desk = Desk::new();
    let holder = Running::holding(run("", &desk.lock, OBEDIENT));
    for (limit, result, code) in [
        (&["-n"][..], "busy", 75),
        (&["-w", "0"], "busy", 75),
        (&["-w", "30ms"], "timed_out", 75),
        (&["-n", "-E", "9"], "busy", 9),
    ] {
        assert_eq!(ended(desk.command(limit, &["true"])).code, Some(code));
        let report = desk.read(result, code);
        let seen = &report["holder"];
        assert_eq!((&seen["state"], &seen["record"]["pid"]), (&json!("held"), &json!(holder.pid())));
        assert!(seen["processes"].as_array().is_some_and(|processes| !processes.is_empty()), "{seen:#}");
        assert!(report["job"].is_null() && report.get("token").is_none(), "{report:#}");
    }
    let waited = desk.command(&["-w", "1h"], &["true"]);
    let waiter = Running::waiting(waited);
    holder.end();
    assert_eq!(waiter.end().code, Some(0));
    desk.read("ran", 0);
}

#[test]
fn lock_of_the_job_above_is_reported_as_such() {
    let desk = Desk::new();
    let inner = desk.command(&["-w", "1h"], &["true"]);
    assert_eq!(ended(run("", &desk.lock, words_of(&inner))).code, Some(75));
    let report = desk.read("held_by_own_ancestor", 75);
    assert_eq!(report["holder"]["state"], "held");
}

#[test]
fn clean_up_that_failed_is_reported_with_its_end() {
    let desk = Desk::new();
    for (cleanup, code, recovery) in [
        ("exit 3", 3, json!({ "exitCode": 3, "signal": null })),
        ("kill -9 $$", 137, json!({ "exitCode": null, "signal": 9 })),
    ] {
        ended(run("", &desk.lock, ["sh", "-c", "kill -9 $$"]));
        ended(desk.command(&["--on-recovered", cleanup], &["true"]));
        let report = desk.read("recovery_failed", code);
        assert_eq!(report["recovery"], recovery);
        assert!(report["job"].is_null() && report["error"]["message"].is_string(), "{report:#}");
    }
}

#[test]
fn job_that_could_not_be_started_is_reported_with_the_reason() {
    let desk = Desk::new();
    for (program, code) in [("no-such-program", 127), ("/", 126)] {
        ended(desk.command(&[], &[program]));
        let report = desk.read("not_started", code);
        assert!(report["error"]["message"].as_str().is_some_and(|text| text.contains(program)));
        assert!(report["error"]["hint"].is_string() && report["job"].is_null(), "{report:#}");
    }
}

#[test]
fn whatever_else_goes_wrong_is_reported_as_an_error() {
    let desk = Desk::new();
    put(&desk.lock, "#!/bin/sh\n");
    ended(desk.command(&[], &["true"]));
    let report = desk.read("error", 65);
    assert!(report["error"]["message"].as_str().is_some_and(|text| text.contains("is not a lock file")));
}

#[test]
fn lock_that_was_damaged_or_lost_is_reported_so() {
    for (also_record, code, state) in [(false, 0, "damaged"), (true, 76, "lost")] {
        let desk = Desk::new();
        let holder = Running::holding(desk.command(&[], &OBEDIENT));
        fs::remove_file(desk.lock.with_file_name("a.lock.guard")).expect("removed");
        if also_record {
            fs::remove_file(&desk.lock).expect("removed");
        }
        assert_eq!(holder.end().code, Some(code));
        let report = desk.read("ran", code);
        assert_eq!((&report["integrity"]["state"], &report["job"]["exitCode"]), (&json!(state), &json!(0)));
        assert!(report["integrity"]["reason"].is_string(), "{report:#}");
    }
}

#[test]
fn report_replaces_a_longer_one_and_is_not_inherited_by_the_job() {
    let desk = Desk::new();
    fs::write(&desk.report, "x".repeat(100_000)).expect("written");
    let mut running = Running::start(desk.command(&[], &["sh", "-c", "ls -l /proc/$$/fd; read -r _"]));
    running.tell("go on");
    let Ended { out, .. } = running.end();
    assert!(out.contains("a.lock") && !out.contains("report"), "{out}");
    desk.read("ran", 0);
}

#[test]
fn report_goes_to_a_fifo_or_an_open_descriptor() {
    let desk = Desk::new();
    let fifo = Fifo::new(desk.report.clone());
    ended(desk.command(&[], &["true"]));
    let text = fifo.written().up_to("\n}\n").expect("a report");
    assert_eq!(parsed(&text)["result"], "ran");
    for script in [r#""$@" 3>&1 >/dev/null"#, r#""$@" 3>&1 >/dev/null | cat"#] {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).args(words_of(&run(
            "--report /dev/fd/3",
            &desk.lock,
            ["echo", "ran"],
        )));
        assert_eq!(parsed(&ended(shell).out)["result"], "ran", "{script}");
    }
}

/// The job counts; the report is somebody's wish.
#[test]
fn report_that_nobody_reads_any_more_costs_the_job_nothing() {
    let desk = Desk::new();
    let words: Vec<OsString> = words_of(&run("--report /dev/fd/3", &desk.lock, ["sh", "-c", "exit 4"]))
        .map(ToOwned::to_owned)
        .collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"{ "$@" 3>&1 >/dev/null; echo $? >&2; } | true"#, "sh"]).args(words);
    let Ended { err, .. } = ended(shell);
    assert!(err.ends_with("4\n"), "{err}");
    assert!(next(&desk.lock).is_fresh());
}

#[test]
fn signals_meant_for_the_job_do_not_cost_the_report() {
    let desk = Desk::new();
    let mut running = Running::start(desk.command(&[], &[helper("signal_teller").to_str().expect("text")]));
    assert!(running.says().starts_with("in "));
    running.send(Signal::SIGTERM);
    assert_eq!(running.ends().code, Some(7));
    desk.read("ran", 7);
    assert_eq!(status(Path::new(&desk.lock))["state"], "free");
}
