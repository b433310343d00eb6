//! The ancestor's rules, one by one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::document::{Fill, normalized};
use super::*;
use crate::session::{Cause, Error, Using};
use crate::{Attempt as Try, Held, Lock, Malformed};

const NOW: &str = "2026-01-31T10:00:00.000Z";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_853_600 + seconds)
}

fn of(data: &Value) -> Session {
    normalized(data.as_object().expect("an object"), &Fill::fixed(NOW, "1769853600000-a"))
}

fn value(session: &Session) -> Value {
    serde_json::from_str(&session.to_json()).expect("JSON")
}

fn record(session: &Session, step: &str) -> Value {
    value(session)["steps"][step].clone()
}

fn none() -> Updates {
    Updates::default()
}

/// A session as the ancestor has it in the middle of its work.
fn half_done() -> Value {
    let pending = json!({ "status": "pending", "startedAt": null, "completedAt": null, "error": null });
    json!({
        "version": 1, "sessionId": "1769853500000-k3j9x", "resumable": true, "status": "failed",
        "mode": "non-interactive", "startedAt": NOW, "updatedAt": NOW,
        "lastStepStarted": "gateway", "lastCompletedStep": "preflight",
        "failure": { "step": "gateway", "message": "no answer", "recordedAt": NOW },
        "sandboxName": "my-box", "provider": "nvidia", "model": "m", "endpointUrl": "https://h/v1?n=1",
        "credentialEnv": "NVIDIA_API_KEY", "preferredInferenceApi": null, "nimContainer": null,
        "webSearchConfig": { "fetchEnabled": true, "provider": "brave" }, "policyPresets": ["npm", "pypi"],
        "metadata": { "gatewayName": "nemoclaw", "fromDockerfile": null },
        "steps": {
            "preflight": { "status": "complete", "startedAt": NOW, "completedAt": NOW, "error": null },
            "gateway": { "status": "failed", "startedAt": NOW, "completedAt": null, "error": "no answer" },
            "sandbox": pending, "provider_selection": pending, "inference": pending, "openclaw": pending,
            "policies": pending,
        },
    })
}

// The document

#[test]
fn ancestors_session_comes_out_as_it_went_in() {
    let pretty = serde_json::to_string_pretty(&half_done()).expect("JSON");
    assert_eq!(of(&half_done()).to_json(), pretty);
}

#[test]
fn new_session_has_every_field_in_order_and_its_default() {
    let session = Session::create("{}").expect("random");
    let value = value(&session);
    let names: Vec<&String> = value.as_object().expect("an object").keys().collect();
    let expected = "version sessionId resumable status mode startedAt updatedAt lastStepStarted lastCompletedStep failure \
        sandboxName provider model endpointUrl credentialEnv preferredInferenceApi nimContainer webSearchConfig \
        policyPresets metadata steps";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(value["version"], 1);
    assert_eq!((&value["resumable"], &value["status"]), (&json!(true), &json!("in_progress")));
    assert_eq!(
        (&value["mode"], &value["metadata"]),
        (&json!("interactive"), &json!({ "gatewayName": "nemoclaw" }))
    );
    for name in
        ["lastStepStarted", "failure", "sandboxName", "nimContainer", "webSearchConfig", "policyPresets"]
    {
        assert_eq!(value[name], Value::Null, "{name}");
    }
    let (time, random) = session.text("sessionId").expect("one").split_once('-').expect("two parts");
    assert!(time.parse::<u64>().is_ok() && !random.is_empty());
    let steps: Vec<&String> = value["steps"].as_object().expect("an object").keys().collect();
    assert_eq!(steps, STEPS);
    assert_eq!(
        record(&session, "policies").to_string(),
        r#"{"status":"pending","startedAt":null,"completedAt":null,"error":null}"#
    );
}

#[test]
fn overrides_replace_defaults_and_bring_nothing_unknown() {
    let session =
        Session::create(r#"{"mode": "non-interactive", "model": "m", "apiKey": "abc", "provider": 7}"#);
    let value = value(&session.expect("random"));
    assert_eq!((&value["mode"], &value["model"]), (&json!("non-interactive"), &json!("m")));
    assert_eq!((value.get("apiKey"), &value["provider"]), (None, &Value::Null));
}

#[test]
fn only_version_1_is_normalized() {
    for (json, is_session) in [
        (r#"{"version": 1}"#, true),
        (r#"{"version": 1.0}"#, true),
        (r#"{"version": 2}"#, false),
        (r#"{"version": "1"}"#, false),
        (r#"{"sessionId": "x"}"#, false),
        ("[1]", false),
        ("null", false),
        ("not JSON", false),
    ] {
        assert_eq!(Session::normalize(json).expect("random").is_some(), is_session, "{json}");
    }
}

#[test]
fn member_of_the_wrong_type_has_its_default() {
    let mut data = half_done();
    for (name, member) in data.as_object_mut().expect("an object") {
        if name != "version" {
            *member = json!(7);
        }
    }
    let expected = of(&json!({ "version": 1 }));
    assert_eq!(of(&data), expected);
}

#[test]
fn web_search_counts_only_if_it_is_on() {
    for (given, kept) in [
        (json!({ "fetchEnabled": true }), json!({ "fetchEnabled": true })),
        (json!({ "provider": "p", "fetchEnabled": true }), json!({ "fetchEnabled": true, "provider": "p" })),
        (json!({ "fetchEnabled": true, "provider": 7 }), json!({ "fetchEnabled": true })),
        (json!({ "fetchEnabled": false }), Value::Null),
        (json!({ "fetchEnabled": "true" }), Value::Null),
        (json!([]), Value::Null),
    ] {
        let session = of(&json!({ "version": 1, "webSearchConfig": given }));
        assert_eq!(value(&session)["webSearchConfig"].to_string(), kept.to_string());
    }
}

#[test]
fn invalid_record_of_a_step_is_pending_again() {
    for invalid in
        [json!("complete"), json!({}), json!({ "status": "done" }), json!({ "status": 1 }), json!(null)]
    {
        let session = of(&json!({ "version": 1, "steps": { "gateway": invalid } }));
        let pending = json!({ "status": "pending", "startedAt": null, "completedAt": null, "error": null });
        assert_eq!(record(&session, "gateway"), pending);
    }
    let session =
        of(&json!({ "version": 1, "steps": { "gateway": { "status": "complete", "startedAt": 7 } } }));
    assert_eq!(
        (session.step_status("gateway"), &record(&session, "gateway")["startedAt"]),
        (Some("complete"), &Value::Null)
    );
}

#[test]
fn what_later_versions_add_is_kept() {
    let mut data = half_done();
    for place in ["", "/failure", "/webSearchConfig", "/metadata", "/steps/gateway"] {
        data.pointer_mut(place).expect("there")["later"] = json!({ "n": [1, 2.5, null], "s": "é" });
    }
    data["status"] = json!("recovery_required");
    data["steps"]["agent_setup"] = json!({ "status": "complete", "anything": 1 });
    assert_eq!(value(&of(&data)), data);
}

#[test]
fn errors_are_redacted_again_when_they_are_read_and_secrets_elsewhere_too() {
    let mut data = half_done();
    data["failure"]["message"] = json!("API_KEY=hunter2");
    data["steps"]["gateway"]["error"] = json!("Bearer hunter2");
    data["endpointUrl"] = json!("https://me:hunter2@h/v1?sig=hunter2&n=1#hunter2");
    data["apiKey"] = json!("hunter2");
    data["later"] = json!({ "tokens": ["hunter2"], "note": "password: hunter2" });
    let session = of(&data);
    assert!(!session.to_json().contains("hunter2"), "{}", session.to_json());
    assert_eq!(session.text("endpointUrl"), Some("https://h/v1?sig=%3CREDACTED%3E&n=1"));
    assert_eq!(session.text("credentialEnv"), Some("NVIDIA_API_KEY"), "a name is no secret");
}

#[test]
fn summary_has_the_state_and_nothing_unknown() {
    let mut data = half_done();
    data["later"] = json!("x");
    let summary: Value = serde_json::from_str(&of(&data).summary()).expect("JSON");
    assert_eq!(summary["steps"], data["steps"]);
    assert_eq!(summary["failure"], data["failure"]);
    for absent in ["later", "metadata", "webSearchConfig"] {
        assert_eq!(summary.get(absent), None);
    }
}

// What happens to it

#[test]
fn started_step_is_in_progress_and_the_failure_forgotten() {
    let session = of(&half_done()).step_started("sandbox", at(5));
    let step = json!({ "status": "in_progress", "startedAt": "2026-01-31T10:00:05.000Z", "completedAt": null, "error": null });
    assert_eq!(record(&session, "sandbox"), step);
    let value = value(&session);
    assert_eq!(
        (&value["lastStepStarted"], &value["failure"], &value["status"]),
        (&json!("sandbox"), &Value::Null, &json!("in_progress"))
    );
}

#[test]
fn complete_step_keeps_its_start_and_applies_updates() {
    let updates = Updates::filter(r#"{"model": "n", "metadata": {"gatewayName": "g"}}"#);
    let session = of(&half_done()).step_started("gateway", at(5)).step_complete("gateway", &updates, at(9));
    let step = json!({
        "status": "complete", "startedAt": "2026-01-31T10:00:05.000Z", "completedAt": "2026-01-31T10:00:09.000Z",
        "error": null,
    });
    assert_eq!(record(&session, "gateway"), step);
    let value = value(&session);
    assert_eq!((&value["lastCompletedStep"], &value["model"]), (&json!("gateway"), &json!("n")));
    assert_eq!(value["metadata"], json!({ "gatewayName": "g", "fromDockerfile": null }));
}

#[test]
fn failed_step_is_told_redacted() {
    let session =
        of(&json!({ "version": 1 })).step_failed("gateway", Some("API_KEY=abc"), Cause::Interrupted, at(9));
    assert_eq!(record(&session, "gateway")["error"], "API_KEY=<REDACTED>");
    let failure = json!({
        "step": "gateway", "message": "API_KEY=<REDACTED>", "recordedAt": "2026-01-31T10:00:09.000Z", "interrupted": true,
    });
    let value = value(&session);
    assert_eq!((&value["failure"], &value["status"]), (&failure, &json!("failed")));
    let session = of(&json!({ "version": 1 })).step_failed("gateway", None, Cause::Error, at(9));
    assert_eq!(super::tests::value(&session)["failure"].as_object().expect("one").len(), 3);
}

#[test]
fn only_what_has_not_ended_is_skipped() {
    for (status, skipped) in
        [("pending", true), ("in_progress", true), ("complete", false), ("failed", false), ("skipped", false)]
    {
        let step = json!({ "status": status, "startedAt": NOW, "completedAt": null, "error": null });
        let before = of(&json!({ "version": 1, "steps": { "gateway": step } }));
        let after = before.clone().step_skipped("gateway");
        if skipped {
            let step = json!({ "status": "skipped", "startedAt": null, "completedAt": null, "error": null });
            assert_eq!(record(&after, "gateway"), step);
        } else {
            assert_eq!(after, before);
        }
    }
}

#[test]
fn complete_session_is_not_resumable_and_no_late_failure_reopens_it() {
    let session = of(&half_done()).completed(&Updates::filter(r#"{"model": null}"#));
    let value = value(&session);
    assert_eq!(
        (&value["status"], &value["resumable"], &value["failure"]),
        (&json!("complete"), &json!(false), &Value::Null)
    );
    assert_eq!((&value["model"], session.is_resumable()), (&Value::Null, false));
    assert_eq!(session.clone().step_failed("gateway", Some("late"), Cause::Error, at(9)), session);
}

#[test]
fn unknown_step_changes_nothing() {
    let mut data = half_done();
    data["steps"]["agent_setup"] = json!({ "status": "pending" });
    let before = of(&data);
    for step in ["agent_setup", "", "version", "__proto__"] {
        let updates = Updates::filter(r#"{"model": "n"}"#);
        assert_eq!(before.clone().step_started(step, at(1)), before);
        assert_eq!(before.clone().step_complete(step, &updates, at(1)), before);
        assert_eq!(before.clone().step_failed(step, Some("x"), Cause::Error, at(1)), before);
        assert_eq!(before.clone().step_skipped(step), before);
    }
}

#[test]
fn updates_leave_clear_set_or_drop() {
    let before = of(&half_done());
    for (updates, kept) in [
        (json!({}), json!({})),
        (json!({ "model": "n" }), json!({ "model": "n" })),
        (json!({ "model": null }), json!({ "model": null })),
        (json!({ "model": 7, "provider": ["x"], "policyPresets": "npm" }), json!({})),
        (json!({ "policyPresets": ["a", 7, "b"] }), json!({ "policyPresets": ["a", "b"] })),
        (json!({ "policyPresets": null }), json!({ "policyPresets": null })),
        (
            json!({ "metadata": { "gatewayName": "g", "token": "t" } }),
            json!({ "metadata": { "gatewayName": "g" } }),
        ),
        (json!({ "metadata": { "gatewayName": null } }), json!({})),
        (json!({ "metadata": null }), json!({})),
        (json!({ "apiKey": "abc", "status": "complete", "version": 2, "steps": {}, "mode": "x" }), json!({})),
        (json!({ "webSearchConfig": { "fetchEnabled": true } }), json!({})),
        (
            json!({ "endpointUrl": "https://u:p@h/?token=t" }),
            json!({ "endpointUrl": "https://h/?token=%3CREDACTED%3E" }),
        ),
    ] {
        let filtered = Updates::filter(&updates.to_string());
        assert_eq!(filtered.to_json(), kept.to_string(), "of {updates}");
        let mut expected = half_done();
        for (name, member) in kept.as_object().expect("an object") {
            match (member, &mut expected[name]) {
                (Value::Object(members), Value::Object(present)) => present.extend(members.clone()),
                (member, present) => *present = member.clone(),
            }
        }
        expected["status"] = json!("complete");
        expected["resumable"] = json!(false);
        expected["failure"] = Value::Null;
        assert_eq!(value(&before.clone().completed(&filtered)), expected);
    }
    for no_object in ["null", "[]", "7", "nonsense"] {
        assert_eq!(Updates::filter(no_object), none());
    }
}

#[test]
fn failure_is_sanitized() {
    let failure =
        |json: Value| serde_json::from_str::<Value>(&sanitize_failure(&json.to_string())).expect("JSON");
    let long =
        failure(json!({ "message": "x".repeat(300), "step": 7, "interrupted": "yes", "recordedAt": NOW }));
    assert_eq!(long["message"].as_str().expect("one").len(), 240);
    assert_eq!((&long["step"], long.get("interrupted")), (&Value::Null, None));
    assert!(failure(json!({}))["recordedAt"].is_string());
    assert_eq!(failure(json!([])), Value::Null);
}

// The file

struct Place {
    home: TempDir,
    store: Store,
    lock: Lock,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("made");
        let directory = directory(Some(home.path().as_os_str()), None);
        fs::create_dir(&directory).expect("made");
        let store = Store::in_directory(&directory).expect("a directory");
        let lock = Lock::options().malformed(Malformed::AgesOut).open(store.lock_path()).expect("a path");
        Self { home, store, lock }
    }

    fn hold(&self) -> Held {
        let Try::Held(held) = self.lock.try_lock().expect("no error") else { panic!("busy") };
        held
    }
}

#[track_caller]
fn updated(change: Result<Change, Error>) -> Session {
    match change.expect("no error") {
        Change::Updated(session) => *session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_where_the_ancestor_has_them() {
    let path = |home: &str, port| directory(Some(home.as_ref()), port).display().to_string();
    assert_eq!(path("/home/me", None), "/home/me/.nemoclaw");
    assert_eq!(path("", None), "/tmp/.nemoclaw");
    assert_eq!(path("/home/me", Some(9090)), "/home/me/.nemoclaw/gateways/9090");
    assert_eq!(directory(None, None).display().to_string(), "/tmp/.nemoclaw");
    let place = Place::new();
    assert_eq!(place.store.path(), place.home.path().join(".nemoclaw/onboard-session.json"));
    assert_eq!(place.store.lock_path(), place.home.path().join(".nemoclaw/onboard.lock"));
}

#[test]
fn ancestors_file_is_loaded_carried_on_and_saved_without_loss() {
    let place = Place::new();
    let mut data = half_done();
    data["later"] = json!({ "kept": true });
    fs::write(place.store.path(), data.to_string()).expect("written");
    let held = place.hold();
    let session = updated(place.store.update(Using::Held(&held), |session| {
        assert_eq!(session.step_status("gateway"), Some("failed"));
        session.step_started("gateway", at(5))
    }));
    let text = fs::read_to_string(place.store.path()).expect("readable");
    assert_eq!(text, session.to_json());
    let mut written: Value = serde_json::from_str(&text).expect("JSON");
    assert_ne!(written["updatedAt"], data["updatedAt"]);
    data["status"] = json!("in_progress");
    data["failure"] = Value::Null;
    data["steps"]["gateway"] = json!({
        "status": "in_progress", "startedAt": "2026-01-31T10:00:05.000Z", "completedAt": null, "error": null,
    });
    written["updatedAt"] = data["updatedAt"].clone();
    assert_eq!(written, data);
    let mode = fs::metadata(place.store.path()).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(place.store.load().expect("no error"), Some(session));
}

#[test]
fn session_that_is_not_there_is_created_by_an_update() {
    let place = Place::new();
    assert_eq!(place.store.load().expect("no error"), None);
    let session = updated(
        place.store.update(Using::Lock(&place.lock), |session| session.step_started("preflight", at(1))),
    );
    assert_eq!(place.store.load().expect("no error"), Some(session));
    assert!(matches!(place.store.clear(Using::Lock(&place.lock)), Ok(Change::Cleared)));
    assert_eq!(place.store.load().expect("no error"), None);
    assert!(matches!(place.store.clear(Using::Lock(&place.lock)), Ok(Change::Cleared)));
}

#[test]
fn swap_is_updated_busy_or_mismatch() {
    let place = Place::new();
    let swap = |using: Using<'_>, id: &str| {
        let expected = |session: &Session| session.text("sessionId") == Some(id);
        place.store.compare_and_swap(using, expected, |session| session.completed(&none()))
    };
    assert!(matches!(swap(Using::Lock(&place.lock), "x"), Ok(Change::Mismatch(None))));
    let session = updated(place.store.save(Using::Lock(&place.lock), of(&half_done())));
    let before = fs::read(place.store.path()).expect("readable");
    let Ok(Change::Mismatch(Some(found))) = swap(Using::Lock(&place.lock), "x") else {
        panic!("not refused")
    };
    assert_eq!(*found, session);
    let held = place.hold();
    assert!(matches!(swap(Using::Lock(&place.lock), "1769853500000-k3j9x"), Ok(Change::Busy(_))));
    assert_eq!(fs::read(place.store.path()).expect("readable"), before);
    let session = updated(swap(Using::Held(&held), "1769853500000-k3j9x"));
    assert_eq!(session.text("status"), Some("complete"));
}

#[test]
fn file_that_can_not_be_read_is_told_and_never_replaced() {
    let place = Place::new();
    let held = place.hold();
    for (bytes, expected) in [
        (r#"{"version": 2, "sessionId": "1-a", "new": true}"#, "version 2, newer than the 1"),
        (r#"{"version": 1, "sessionId": "#, "is corrupt at byte 28, line 1, column 29"),
        ("", "is corrupt at byte 0"),
        ("[]", "is not a session"),
        (r#"{"version": 0}"#, "its `version` is not 1"),
        (r#"{"baton": {"version": 1}}"#, "Baton's own"),
    ] {
        fs::write(place.store.path(), bytes).expect("written");
        let told = place.store.load().expect_err("refused").to_string();
        assert!(told.contains(expected), "{told}");
        let saved = place.store.save(Using::Held(&held), of(&half_done()));
        assert!(saved.expect_err("refused").to_string().contains(expected));
        assert_eq!(fs::read_to_string(place.store.path()).expect("kept"), bytes);
    }
    let aside = place.store.set_aside(&held).expect("renamed").expect("there was one");
    assert!(aside.exists());
    updated(place.store.save(Using::Held(&held), of(&half_done())));
}

#[test]
fn holder_that_lost_its_lock_can_not_save() {
    let place = Place::new();
    let held = place.hold();
    fs::remove_file(place.store.lock_path()).expect("removed");
    fs::remove_file(place.store.lock_path().with_extension("lock.guard")).expect("removed");
    let told = place.store.save(Using::Held(&held), of(&half_done())).expect_err("lost");
    assert!(matches!(told, Error::LockLost { .. }), "{told}");
    assert!(!place.store.path().exists());
}

#[test]
fn other_lock_is_refused() {
    let place = Place::new();
    let other = Lock::open(place.home.path().join("other.lock")).expect("a path");
    let told = place.store.save(Using::Lock(&other), of(&half_done())).expect_err("refused");
    assert!(matches!(told, Error::OtherLock { .. }), "{told}");
}

// Properties

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        proptest::sample::select(vec!["complete", "failed", "API_KEY=x y", "https://u:p@h/#f"])
            .prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = "version|status|startedAt|error|failure|message|step|steps|gateway|metadata|gatewayName|apiKey|later";
        let name = proptest::sample::select(names.split('|').collect::<Vec<_>>());
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((name, inner), 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

fn members() -> impl Strategy<Value = Map<String, Value>> {
    let names = "sessionId|resumable|status|mode|startedAt|failure|model|endpointUrl|webSearchConfig|policyPresets|\
        metadata|steps|later|apiKey";
    let name = proptest::sample::select(names.split('|').collect::<Vec<_>>());
    proptest::collection::vec((name, json()), 0..10)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_is_a_session_and_reading_it_again_changes_nothing(members in members()) {
        let once = of(&Value::Object(members));
        prop_assert!(STEPS.iter().all(|step| once.step_status(step).is_some()));
        let again = of(&value(&once));
        prop_assert_eq!(&again, &once);
        prop_assert_eq!(again.to_json(), once.to_json());
    }

    #[test]
    fn no_seeded_secret_is_kept(secret in "[A-Z][A-Za-z0-9]{29}Q", place in 0..7_usize) {
        let mut data = half_done();
        match place {
            0 => data["failure"]["message"] = json!(format!("API_KEY={secret}")),
            1 => data["steps"]["gateway"]["error"] = json!(format!("--token {secret}")),
            2 => data["endpointUrl"] = json!(format!("https://u:{secret}@h/?token={secret}#{secret}")),
            3 => data["apiKey"] = json!(secret),
            4 => data["metadata"]["token"] = json!(secret),
            5 => data["later"] = json!([{ "note": format!("Bearer {secret}") }]),
            _ => data["model"] = json!(format!("ghp_{secret}")),
        }
        prop_assert!(!of(&data).to_json().contains(&secret));
    }
}
