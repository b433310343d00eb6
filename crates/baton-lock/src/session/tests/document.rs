//! What bytes mean.

use serde_json::{Map, Value, json};

use super::super::document::{Fault, Place, parse, parse_by};
use super::super::migrate::Migration;
use super::*;

fn text() -> String {
    let session = after(&[
        fresh(7, &["a", "b"]),
        Event::step_started("a"),
        Event::step_completed("a", [("k", "v"), ("api_key", "x")]),
        Event::step_started("b"),
        Event::step_failed("b", "no", Cause::Interrupted),
        Event::AttemptEnded { end: End::Interrupted },
    ]);
    String::from_utf8(bytes(&session)).expect("text")
}

fn value() -> Value {
    serde_json::from_str(&text()).expect("JSON")
}

#[track_caller]
fn fault(text: &str) -> Fault {
    parse(text.as_bytes()).expect_err("it is none")
}

#[test]
fn file_has_this_shape() {
    let expected = r#"{
  "baton": {
    "version": 1,
    "token": 0,
    "revision": 0
  },
  "sessionId": "1769853600000-0000000000000007",
  "name": "deploy",
  "plan": "/srv/deploy.toml",
  "status": "failed",
  "startedAt": "2026-01-31T10:00:00.000Z",
  "updatedAt": "2026-01-31T10:00:05.000Z",
  "attempts": [
    {
      "number": 1,
      "startedAt": "2026-01-31T10:00:00.000Z",
      "endedAt": "2026-01-31T10:00:05.000Z",
      "pid": 41,
      "host": "here",
      "user": "me",
      "token": 7,
      "outcome": "fresh",
      "end": "interrupted"
    }
  ],
  "failure": {
    "step": "b",
    "message": "no",
    "recordedAt": "2026-01-31T10:00:04.000Z",
    "interrupted": true
  },
  "facts": {
    "k": "v",
    "api_key": "<REDACTED>"
  },
  "withheld": [
    "api_key"
  ],
  "steps": [
    {
      "id": "a",
      "status": "complete",
      "startedAt": "2026-01-31T10:00:01.000Z",
      "completedAt": "2026-01-31T10:00:02.000Z",
      "attempts": 1,
      "digest": "digest of a",
      "error": null,
      "facts": [
        "k",
        "api_key"
      ]
    },
    {
      "id": "b",
      "status": "failed",
      "startedAt": "2026-01-31T10:00:03.000Z",
      "completedAt": null,
      "attempts": 1,
      "digest": "digest of b",
      "error": "no",
      "facts": []
    }
  ]
}"#;
    assert_eq!(text(), expected);
}

#[test]
fn corrupt_file_is_told_with_its_place() {
    let text = text();
    let cut = fault(&text[..100]);
    let Fault::Corrupt { place: Some(place), reason } = cut else { panic!("{cut:?}") };
    assert_eq!((place.offset, place.line), (100, text[..100].lines().count()));
    assert!(reason.starts_with("EOF while parsing"), "{reason}");

    let at = text.find("\"complete\"").expect("there");
    let wrong = text.replacen("\"complete\"", "\"done\"", 1);
    let told = fault(&wrong);
    let Fault::Corrupt { place: Some(place), reason } = told else { panic!("{told:?}") };
    assert!(reason.contains("unknown variant `done`, expected one of `pending`"), "{reason}");
    assert!((at..=at + "\"done\"".len()).contains(&place.offset), "{place:?}");
    assert_eq!(place.line, text[..at].matches('\n').count() + 1);
}

#[test]
fn place_counts_bytes_from_0_and_lines_from_1() {
    let told = fault("{\n  \"é\": x\n}");
    let Fault::Corrupt { place, .. } = told else { panic!("{told:?}") };
    assert_eq!(place, Some(Place { offset: 10, line: 2, column: 9 }));
}

#[test]
fn empty_zeroed_or_doubled_file_is_corrupt_and_never_absent() {
    let twice = format!("{}{}", text(), text());
    for bytes in ["", " \n", "\0\0\0", "{", "{}x", &twice] {
        assert!(matches!(fault(bytes), Fault::Corrupt { place: Some(_), .. }), "{bytes:?}");
    }
}

#[test]
fn anything_else_is_foreign() {
    for text in ["[]", "null", "#!/bin/sh", "{}", r#"{"baton": 1}"#, r#"{"name": "x"}"#] {
        assert!(matches!(fault(text), Fault::Foreign { .. }), "{text}");
    }
    let ancestors = fault(r#"{"version": 1, "sessionId": "1-a", "steps": {}}"#);
    assert!(matches!(&ancestors, Fault::Foreign { reason } if reason.contains("ancestor")), "{ancestors:?}");
}

#[test]
fn newer_version_is_told_whatever_the_rest_looks_like() {
    for rest in ["", r#", "steps": 7"#, r#", "sessionId": {"new": "shape"}"#] {
        let text = format!(r#"{{"baton": {{"version": 2}}{rest}}}"#);
        assert_eq!(fault(&text), Fault::Newer { version: 2 });
    }
}

#[test]
fn missing_member_is_named() {
    for name in ["sessionId", "name", "plan", "status", "attempts", "facts", "steps"] {
        let mut value = value();
        value.as_object_mut().expect("an object").shift_remove(name);
        let told = fault(&value.to_string());
        let Fault::Corrupt { reason, .. } = told else { panic!("{told:?}") };
        assert!(reason.contains(&format!("missing field `{name}`")), "{reason}");
    }
}

#[test]
fn steps_that_the_machine_never_makes_are_corrupt() {
    let mut twice = value();
    twice["steps"][1]["id"] = json!("a");
    let mut running = value();
    running["steps"][0]["status"] = json!("in_progress");
    running["steps"][1]["status"] = json!("in_progress");
    for (value, what) in [(twice, "two steps `a`"), (running, "`a` and `b`")] {
        let told = fault(&value.to_string());
        let Fault::Corrupt { place: None, reason } = told else { panic!("{told:?}") };
        assert!(reason.contains(what), "{reason}");
    }
}

#[test]
fn unknown_members_at_every_level_are_kept() {
    let mut value = value();
    for place in ["", "/baton", "/attempts/0", "/failure", "/steps/1"] {
        value.pointer_mut(place).expect("there")["later"] = json!({ "n": [1, 2.5, null], "s": "\u{1b}é" });
    }
    let session = parse(value.to_string().as_bytes()).expect("a session");
    let again: Value = serde_json::from_slice(&bytes(&session)).expect("JSON");
    assert_eq!(again, value);
}

#[test]
fn messages_are_redacted_again_when_they_are_read() {
    let mut value = value();
    value["failure"]["message"] = json!("by hand: API_KEY=hunter2");
    value["steps"][1]["error"] = json!("by hand: API_KEY=hunter2");
    let session = parse(value.to_string().as_bytes()).expect("a session");
    assert_eq!(session.failure().expect("one").message, "by hand: API_KEY=<REDACTED>");
    assert_eq!(session.step("b").expect("there").error.as_deref(), Some("by hand: API_KEY=<REDACTED>"));
}

/// A version that never was: its steps were an object.
fn from_0(mut document: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let Some(Value::Object(steps)) = document.get("steps") else { return Err("no steps".to_owned()) };
    let steps = steps.iter().map(|(id, status)| json!({ "id": id, "status": status })).collect();
    document.insert("steps".to_owned(), steps);
    Ok(document)
}

#[test]
fn older_version_is_migrated_step_by_step() {
    let table = [Migration { from: 0, apply: from_0 }];
    let mut value = value();
    value["baton"]["version"] = json!(0);
    value["steps"] = json!({ "a": "complete", "b": "pending" });
    let old = value.to_string();
    let session = parse_by(old.as_bytes(), &table).expect("migrated");
    let steps: Vec<_> = session.steps().map(|step| (step.id.as_str(), step.status)).collect();
    assert_eq!(steps, [("a", StepStatus::Complete), ("b", StepStatus::Pending)]);
    let written: Value = serde_json::from_slice(&bytes(&session)).expect("JSON");
    assert_eq!(written["baton"]["version"], 1);

    let told = fault(&old);
    let Fault::Corrupt { reason, .. } = told else { panic!("{told:?}") };
    assert_eq!(reason, "it has version 0, which no release has written");
    value["steps"] = json!([]);
    let told = parse_by(value.to_string().as_bytes(), &table).expect_err("it can't be migrated");
    assert_eq!(told, Fault::Corrupt { place: None, reason: "no steps".to_owned() });
}

#[test]
fn every_version_down_to_the_oldest_released_has_a_migration() {
    use super::super::migrate::MIGRATIONS;
    let versions: Vec<u64> = MIGRATIONS.iter().map(|migration| migration.from).collect();
    assert_eq!(versions, (1..VERSION).collect::<Vec<_>>());
}

#[test]
fn fact_that_the_file_does_not_have_is_of_no_step() {
    let mut value = value();
    value["steps"][0]["facts"] = json!(["gone", "k"]);
    let session = parse(value.to_string().as_bytes()).expect("a session");
    assert_eq!(session.step("a").expect("there").facts, ["k"]);
}
