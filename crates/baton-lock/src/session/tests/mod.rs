//! The session: its machine by property, its document by example, its file by real files.

mod document;
mod machine;
mod property;
mod shelf;
mod store;

use std::time::{Duration, SystemTime};

use super::*;
use crate::redact::Secrets;

fn bytes(session: &Session) -> Vec<u8> {
    super::document::written(session).parts().concat()
}

/// A moment, in seconds from a fixed one.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_853_600 + seconds)
}

fn actor(token: u64) -> Actor {
    Actor {
        pid: 41,
        host: Some("here".to_owned()),
        user: Some("me".to_owned()),
        token,
        outcome: AttemptOutcome::Fresh,
    }
}

fn planned(ids: &[&str]) -> Vec<PlannedStep> {
    ids.iter().map(|id| PlannedStep::with_digest(*id, format!("digest of {id}"))).collect()
}

fn begin(token: u64, ids: &[&str]) -> Begin {
    Begin::new("deploy", "/srv/deploy.toml", planned(ids), actor(token))
}

fn fresh(token: u64, ids: &[&str]) -> Event {
    Event::FreshStart { session_id: format!("1769853600000-{token:016x}"), begin: begin(token, ids) }
}

fn completed(step: &str) -> Event {
    Event::step_completed::<&str, &str>(step, [])
}

/// What becomes of nothing by these events, which all are legal.
#[track_caller]
fn after(events: &[Event]) -> Session {
    after_from(None, events)
}

#[track_caller]
fn after_from(session: Option<&Session>, events: &[Event]) -> Session {
    let secrets = Secrets::default();
    let mut session = session.cloned();
    for (second, event) in (0..).zip(events) {
        let context = Context { at: at(second), secrets: &secrets };
        match next(session.as_ref(), event, &context) {
            Ok(next) => session = Some(next),
            Err(error) => panic!("{event:?} after {session:#?}: {error}"),
        }
    }
    session.expect("there were events")
}

/// Why an event can't happen.
#[track_caller]
fn refusal(session: &Session, event: &Event) -> IllegalTransition {
    let secrets = Secrets::default();
    let context = Context { at: at(1000), secrets: &secrets };
    next(Some(session), event, &context).expect_err("it can't happen")
}
