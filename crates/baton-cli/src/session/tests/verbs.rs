//! What is shown, chosen, exported and set aside.

use std::os::unix::fs::symlink;

use baton_lock::session::Event;

use super::*;
use crate::notice::Notices;
use crate::session::{export, log, reset};
use crate::{exit, plain_file};

#[test]
fn crashed_session_shows_who_crashed_where_and_what_to_type() {
    let mut job = Job::new();
    job.begun(&["a", "b"]).does("a").then(Event::step_started("b")).dies();
    let shown = job.shown();
    let text = shown.as_text();
    for part in [
        "session `deploy`: in progress, 1 of 2 steps done",
        "run by   nobody now",
        "crashed while `b` was running",
        "version  1.2",
        "next: baton apply --resume /srv/deploy.toml\n      carries on at step `b`",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let value = shown.as_json();
    assert_eq!(value["attempts"][0]["end"], "crashed");
    assert_eq!(value["attempts"][0]["killedStep"], "b");
    assert_eq!(
        (&value["isRunning"], &value["next"]["command"]),
        (&json!(false), &json!("baton apply --resume /srv/deploy.toml"))
    );
}

#[test]
fn session_that_is_run_now_says_by_whom_and_disturbs_nobody() {
    let mut job = Job::new();
    job.begun(&["a"]).then(Event::step_started("a"));
    let shown = job.shown();
    assert_eq!(shown.as_json()["runner"]["record"]["pid"], std::process::id());
    assert!(shown.as_text().contains("next: baton wait deploy"), "{}", shown.as_text());
    job.then(Event::step_completed("a", [("k", "v")])).let_go();
}

#[test]
fn plan_with_blanks_can_be_pasted() {
    let job = Job::new();
    let held = job.hold();
    let mut writer = job.place.store.open(&held).expect("opened");
    let begin =
        Begin::new("deploy", "/srv/my plans/it's.toml", vec![PlannedStep::new("a")], Actor::of(&held));
    writer.apply(&held, Event::fresh_start(begin).expect("random")).expect("written");
    held.release().expect("released");
    assert_eq!(job.shown().next.command, r"baton apply --resume '/srv/my plans/it'\''s.toml'");
}

#[test]
fn log_is_that_of_the_failed_step_unless_another_is_named() {
    let mut job = Job::new();
    job.begun(&["a", "b"]).does("a").fails("b", "no");
    for (attempt, step) in [(1, "a"), (1, "b"), (2, "b"), (10, "a")] {
        job.write_log(attempt, step, "x");
    }
    let chosen = |step, attempt| log::choose(&job.place, step, attempt).map(|log| (log.attempt, log.step));
    assert_eq!(chosen(None, None), Ok((2, "b".to_owned())));
    assert_eq!(chosen(Some("a"), None), Ok((10, "a".to_owned())), "numbers, not texts, are compared");
    assert_eq!(chosen(Some("a"), Some(1)), Ok((1, "a".to_owned())));
    assert_eq!(chosen(None, Some(10)), Ok((10, "a".to_owned())), "the failed step has none there");
    let none = chosen(Some("c"), None).expect_err("none");
    assert_eq!(none.code, exit::CONTENT);
    assert!(chosen(Some("a"), Some(3)).expect_err("none").hint.expect("one").contains("a in 10, a in 1"));
    assert_eq!(chosen(Some("../a"), None).expect_err("no id").code, exit::USAGE);
}

#[test]
fn log_that_is_no_regular_file_is_refused() {
    let mut job = Job::new();
    job.begun(&["a", "b"]).does("a").fails("b", "no");
    let path = job.write_log(1, "a", "x");
    symlink(&path, job.place.logs().join("1-b.log")).expect("linked");
    plain_file::tests::make_fifo(&job.place.logs().join("2-b.log"));
    for attempt in [1, 2] {
        let log = log::choose(&job.place, Some("b"), Some(attempt)).expect("named");
        assert!(plain_file::open(&log.path).is_err());
    }
    fs::remove_dir_all(job.place.logs()).expect("removed");
    symlink("/", job.place.logs()).expect("linked");
    assert_eq!(log::choose(&job.place, Some("b"), None).expect_err("a link").code, exit::UNSAFE);
}

#[test]
fn export_has_all_that_is_on_disk_members_of_newer_versions_included() {
    let mut job = Job::new();
    job.begun(&["a"]).fails("a", "no");
    let file = job.place.store.path();
    let text = fs::read_to_string(file).expect("read").replacen('{', "{\n  \"later\": [1.5],", 1);
    fs::write(file, &text).expect("written");
    job.tells_begin(0, 1);
    let mut lines = fs::read(job.state.path().join("history/deploy.jsonl")).expect("read");
    lines.extend_from_slice(b"{\"schema\":2,\"new\":true}\ngarbage\n");
    fs::write(job.state.path().join("history/deploy.jsonl"), lines).expect("written");

    let document = export::document(&job.place).expect("exported");
    assert_eq!(document["session"], serde_json::from_str::<Value>(&text).expect("JSON"));
    assert_eq!(document["history"][1], json!({ "schema": 2, "new": true }));
    assert_eq!((&document["schema"], &document["unreadableHistoryLines"]), (&json!(1), &json!(1)));
}

#[test]
fn reset_keeps_session_and_logs_and_the_next_one_starts_afresh() {
    let mut job = Job::new();
    job.begun(&["a"]).fails("a", "no");
    job.write_log(1, "a", "x");
    let held = job.hold();
    reset::set_aside(&job.place, &held, Notices::Silenced).expect("set aside");
    held.release().expect("released");
    let kept = |directory: &str| {
        let names = fs::read_dir(job.state.path().join(directory)).expect("readable");
        names.map(|entry| entry.expect("one").file_name().into_string().expect("text")).collect::<Vec<_>>()
    };
    let [session] = &*kept("sessions") else { panic!("{:?}", kept("sessions")) };
    let time = session.strip_prefix("deploy.json.").expect("kept");
    assert_eq!(kept("logs"), [format!("deploy.{time}")], "both have one ending");
    job.begun(&["a"]).does("a").let_go();
    assert_eq!(job.place.load().expect("one").attempts().count(), 1);
}
