//! `baton apply --json`: one object a line, with the members that `docs/session.md` lists, in the order in which things happen; the
//! history has the same.

use baton_itest::command::{Ended, Running, ended};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The members of each event, as they are documented.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/session.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let (_, table) = page.split_once("| event | further members |").expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        // What stands between brackets explains a member, and names none.
        let mut depth = 0;
        let outside = row.chars().filter(|&c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        });
        let outside: String = outside.collect();
        let mut names = outside.split('`').skip(1).step_by(2).map(str::to_owned);
        let event = names.next().expect("a name");
        (event, names.chain(["schema", "at", "attempt", "event"].map(str::to_owned)).collect())
    })
    .collect()
}

/// The events on standard output, on which there is nothing else; each has the members that it must have.
#[track_caller]
fn events(out: &str) -> Vec<Value> {
    let documented = documented();
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let members = event.as_object().expect("an object").keys().cloned().collect();
        let name = event["event"].as_str().expect("a name");
        assert_eq!(documented.get(name), Some(&members), "{event}");
        assert_eq!(event["schema"], 1);
        event
    };
    out.lines().map(event).collect()
}

/// What happened, in short: the event, its step, and what is particular about it.
fn stories(events: &[Value]) -> Vec<String> {
    let particular = ["step", "try", "purpose", "outcome", "how", "cause", "signal", "end", "exitCode"];
    let story = |event: &Value| {
        let words = particular.iter().filter_map(|&key| match &event[key] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        });
        let name = event["event"].as_str().unwrap_or_default();
        format!("{} {name} {}", event["attempt"], words.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
    };
    events.iter().map(story).collect()
}

/// Runs it to its end with this exit code; with what it told. Nothing but errors is on standard error.
#[track_caller]
fn told(job: &Job, options: &str, code: i32) -> Vec<String> {
    must_tell(job, ended(job.apply(&format!("--json {options}"))), code)
}

#[track_caller]
fn must_tell(job: &Job, Ended { code: actual, out, err, .. }: Ended, code: i32) -> Vec<String> {
    assert_eq!(actual, Some(code), "{out}{err}");
    assert!(
        job.lines("state/history/job.jsonl").join("\n").ends_with(out.trim_end()),
        "the history has the same"
    );
    let events = events(&out);
    let times: Vec<&str> = events.iter().filter_map(|event| event["at"].as_str()).collect();
    assert!(
        times.is_sorted() && times.iter().all(|time| baton_lock::clock::parse(time).is_some()),
        "{times:?}"
    );
    stories(&events)
}

const STEPS: &str = "[[step]]
id = 'a'
run = ['true']
undo = ['true']
[[step]]
id = 'never'
run = ['true']
when = ['false']
[[step]]
id = 'flaky'
run = 'echo try >>tries; test $(wc -l <tries) -ge 3 || exit 7'
retries = 1
backoff = '1ms'
";

#[test]
fn every_event_is_documented_with_its_members() {
    let documented = documented();
    let names: Vec<&str> = documented.keys().map(String::as_str).collect();
    let all = [
        "attempt_begun",
        "attempt_ended",
        "step_completed",
        "step_failed",
        "step_skipped",
        "step_started",
        "step_undone",
    ];
    assert_eq!(names, all);
}

#[test]
fn failure_then_success_then_undo_are_told_in_order() {
    let job = Job::of(STEPS);
    assert_eq!(
        told(&job, "", 1),
        [
            "1 attempt_begun apply fresh",
            "1 step_started a 1",
            "1 step_completed a ran",
            "1 step_skipped never",
            "1 step_started flaky 1",
            "1 step_failed flaky 1 error 7",
            "1 step_started flaky 2",
            "1 step_failed flaky 2 error 7",
            "1 attempt_ended failed 1",
        ]
    );
    assert_eq!(
        told(&job, "--resume", 0),
        [
            "2 attempt_begun apply fresh",
            "2 step_skipped never",
            "2 step_started flaky 1",
            "2 step_completed flaky ran",
            "2 attempt_ended complete 0",
        ]
    );
    assert_eq!(told(&job, "--only a", 0)[0], "3 attempt_begun rerun fresh");
    assert!(told(&job, "--resume", 0).is_empty(), "nothing happens");
    assert_eq!(
        must_tell(&job, ended(job.undo("--json --yes")), 0),
        [
            "4 attempt_begun undo fresh",
            "4 step_undone flaky",
            "4 step_undone a",
            "4 attempt_ended complete 0",
        ]
    );
    let lines = job.lines("state/history/job.jsonl").join("\n");
    let all = stories(&events(&lines));
    assert_eq!(all.len(), 9 + 5 + 4 + 4, "{all:#?}");
}

#[test]
fn begin_says_who_and_what_and_a_failure_why() {
    let job = Job::of("[[step]]\nid = 'a'\nrun = 'echo last words >&2; kill -9 $$'\n");
    let running = Running::start(job.apply("--json"));
    let pid = running.pid();
    let Ended { code, out, err, .. } = running.end();
    assert_eq!(code, Some(1), "{err}");
    let events = events(&out);
    let session = job.session();
    let begun = &events[0];
    assert_eq!((&begun["pid"], &begun["steps"]), (&pid.into(), &serde_json::json!(["a"])));
    assert_eq!(
        (&begun["plan"], &begun["session"], &begun["token"]),
        (&session["plan"], &session["sessionId"], &session["attempts"][0]["token"])
    );
    let failed = &events[2];
    assert_eq!((&failed["signal"], &failed["exitCode"]), (&9.into(), &Value::Null));
    assert_eq!(failed["message"], session["failure"]["message"]);
    assert!(failed["message"].as_str().expect("text").ends_with("; its last words: last words"), "{failed}");
    assert_eq!(events[3]["exitCode"], 1);
}

#[test]
fn interruption_is_told_and_a_kill_is_told_by_the_next_one() {
    let slow = "test -e fast || { echo in >told; read -r _ <go; }; touch effect";
    let job = Job::of(&format!("[[step]]\nid = 'a'\nrun = '''{slow}'''\ncheck = 'test -e effect'\n"));
    let (told_by, _go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
    let running = Running::start(job.apply("--json"));
    assert_eq!(told_by.written().line().as_deref(), Some("in"));
    running.send(Signal::SIGTERM);
    assert_eq!(
        must_tell(&job, running.ends(), 143),
        [
            "1 attempt_begun apply fresh",
            "1 step_started a 1",
            "1 step_failed a 1 interrupted 15",
            "1 attempt_ended interrupted 143",
        ]
    );
    let running = Running::start(job.apply("--json --resume"));
    assert_eq!(told_by.written().line().as_deref(), Some("in"));
    running.kill_with_groups();
    let Ended { out, signal, .. } = running.ends();
    assert_eq!(signal, Some(9));
    assert_eq!(stories(&events(&out)), ["2 attempt_begun apply fresh", "2 step_started a 1"]);
    fs::write(job.path("effect"), "").expect("written");
    assert_eq!(
        told(&job, "--resume", 0),
        ["3 attempt_begun apply recovered", "3 step_completed a check", "3 attempt_ended complete 0",]
    );
}

#[test]
fn nothing_is_told_by_one_who_does_not_begin() {
    let job = Job::of("[[step]]\nid = 'a'\nrun = ['false']\n");
    told(&job, "", 1);
    let before = job.lines("state/history/job.jsonl");
    for options in ["--json", "--json --dry-run"] {
        let Ended { out, .. } = job.applied(options);
        assert!(!out.contains("\"event\""), "{out}");
    }
    assert_eq!(job.lines("state/history/job.jsonl"), before);
}
