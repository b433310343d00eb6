//! What others wrote never reaches a terminal as it is.

use baton_lock::escape;

use super::*;

/// Markup, a terminal sequence, a forged line, a changed direction, and much of it.
pub(super) fn hostile() -> String {
    format!("<script>alert(1)</script>\x1b[2J\x07\nbaton: forged\u{202e}\"'&amp;{}", "x".repeat(100_000))
}

/// A job whose session, history and log were written by somebody hostile.
pub(in crate::session) fn hostile_job() -> Job {
    let mut job = Job::new();
    job.begun(&["a", "b"]).does("a").fails("b", &hostile());
    let file = job.place.store.path();
    let mut session: Value = serde_json::from_slice(&fs::read(file).expect("read")).expect("JSON");
    for pointer in [
        "/plan",
        "/facts/version",
        "/startedAt",
        "/steps/1/startedAt",
        "/attempts/0/host",
        "/attempts/0/user",
    ] {
        *session.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = hostile().into();
    }
    fs::write(file, session.to_string()).expect("written");
    job.tells_begin(0, 1)
        .tells(1, 1, "step_started", json!({ "step": hostile(), "try": 1, "reason": hostile() }))
        .tells(
            2,
            1,
            "step_failed",
            json!({ "step": hostile(), "message": hostile(), "cause": "error",
            "exitCode": 1, "signal": null, "try": 1 }),
        )
        .tells(3, 1, "step_skipped", json!({ "step": "a", "reason": hostile() }));
    job.write_log(1, "b", &hostile());
    job
}

#[test]
fn nothing_hostile_is_shown_raw_and_huge_messages_are_cut() {
    let text = hostile_job().shown().as_text();
    let raw = text.chars().find(|&c| escape::is_hidden(c) && c != '\n');
    assert_eq!(raw, None, "{text}");
    assert!(!text.lines().any(|line| line.starts_with("baton: forged")));
}
