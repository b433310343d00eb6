//! A session for programs. Members are only ever added while `schema` is 1.

use baton_lock::session::Fact;
use serde_json::{Value, json};

use super::Shown;
use crate::json::SCHEMA;
use crate::session::story::Run;
use crate::session::words;

pub(super) fn document(shown: &Shown) -> Value {
    let session = &shown.session;
    let (unreadable, newer) = shown.skipped;
    json!({
        "schema": SCHEMA,
        "name": session.name(),
        "status": session.status().as_str(),
        "plan": session.plan(),
        "sessionId": session.session_id(),
        "startedAt": session.started_at(),
        "updatedAt": session.updated_at(),
        "stepsDone": words::done(session),
        "steps": steps(shown),
        "facts": facts(shown),
        "attempts": shown.story.runs.iter().map(attempt).collect::<Vec<_>>(),
        "failure": session.failure(),
        "isRunning": shown.runner.is_running(),
        "runner": shown.runner.to_json(),
        "next": { "command": shown.next.command, "does": shown.next.does },
        "historyLinesSkipped": unreadable + newer,
    })
}

fn steps(shown: &Shown) -> Vec<Value> {
    let step = |step: &baton_lock::session::Step| {
        json!({
            "id": step.id,
            "status": step.status.as_str(),
            "startedAt": step.started_at,
            "completedAt": step.completed_at,
            "durationMs": shown.story.took(&step.id),
            "attempts": step.attempts,
            "error": step.error,
            "facts": step.facts,
        })
    };
    shown.session.steps().map(step).collect()
}

fn facts(shown: &Shown) -> Value {
    let fact = |(key, fact): (&str, Fact)| json!({ "key": key, "value": fact.shown(), "isWithheld": matches!(fact, Fact::Withheld(_)) });
    shown.session.facts().map(fact).collect()
}

fn attempt(run: &Run) -> Value {
    let actor = run.actor.as_ref();
    json!({
        "number": run.number,
        "purpose": actor.map(|actor| words::purpose(actor.purpose)),
        "outcome": actor.map(|actor| words::outcome(actor.outcome)),
        "token": actor.map(|actor| actor.token),
        "pid": actor.map(|actor| actor.pid),
        "user": actor.and_then(|actor| actor.user.as_deref()),
        "host": actor.and_then(|actor| actor.host.as_deref()),
        "startedAt": run.begun,
        "endedAt": run.ended,
        "end": run.end.name(),
        "exitCode": run.exit_code,
        "killedStep": run.killed().map(|span| &span.step),
    })
}
