//! The ancestor's session: the library's implementation, called with JSON and functions of JavaScript.
//!
//! A function of JavaScript may throw in the middle of a change. Then nothing is written, a lock that was taken for it is given back,
//! and its exception goes on as it is.

use std::ffi::OsStr;
use std::time::SystemTime;

use baton_lock::session::onboard::{self, Change, Session, Store, Updates, sanitize_failure};
use baton_lock::session::{self, Cause, Using};
use baton_lock::{Lock, Malformed, redact};
use napi::bindgen_prelude::{ClassInstance, Function};
use napi_derive::napi;

use crate::hold::NativeHold;
use crate::{failure, json};

/// What a change comes to, or what stopped it.
type Changed = Result<Change, Stopped>;

/// A failure of the file, or an exception of JavaScript.
enum Stopped {
    File(session::Error),
    Script(napi::Error),
}

impl From<session::Error> for Stopped {
    fn from(error: session::Error) -> Self {
        Self::File(error)
    }
}

impl From<Stopped> for napi::Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::File(error) => failure::of_session(&error),
            Stopped::Script(error) => error,
        }
    }
}

/// How a change went, for JavaScript.
#[napi(object)]
#[derive(Debug)]
pub struct ChangeAnswer {
    /// `updated`, `busy`, `mismatch` or `cleared`.
    pub kind: String,
    /// The session, as JSON.
    pub session: Option<String>,
    /// Who has the lock, as JSON.
    pub busy: Option<String>,
}

/// What happens to a step.
#[napi(string_enum)]
#[derive(Debug)]
pub enum Mark {
    /// It starts.
    Started,
    /// It ended well.
    Complete,
    /// It failed.
    Failed,
    /// It does not apply.
    Skipped,
}

/// What there is to say of it.
#[napi(object)]
#[derive(Debug)]
pub struct MarkDetails {
    /// Of one that is complete: updates, as JSON.
    pub updates: Option<String>,
    /// Of one that failed: why.
    pub message: Option<String>,
    /// Of one that failed: because it was interrupted.
    pub interrupted: Option<bool>,
}

/// Where the files of the ancestor are.
#[napi]
pub fn onboard_directory(home: Option<String>, port: Option<u16>) -> String {
    onboard::directory(home.as_deref().map(OsStr::new), port).to_string_lossy().into_owned()
}

/// A new session, as JSON.
#[napi]
pub fn create_session(overrides: String) -> napi::Result<String> {
    Session::create(&overrides).map(|session| session.to_json()).map_err(|error| failure::of_session(&error))
}

/// A session of any JSON; none if it is none.
#[napi]
pub fn normalize_session(json: String) -> napi::Result<Option<String>> {
    let session = Session::normalize(&json).map_err(|error| failure::of_session(&error))?;
    Ok(session.map(|session| session.to_json()))
}

/// What may be shown of a session, as JSON.
#[napi]
pub fn summarize_session(json: String) -> napi::Result<Option<String>> {
    let session = Session::normalize(&json).map_err(|error| failure::of_session(&error))?;
    Ok(session.map(|session| session.summary()))
}

/// The updates that are allowed, as JSON.
#[napi]
pub fn filter_updates(json: String) -> String {
    Updates::filter(&json).to_json()
}

/// A failure as the session has it, as JSON.
#[napi]
pub fn sanitize(json: String) -> String {
    sanitize_failure(&json)
}

/// Text without secrets, cut.
#[napi]
pub fn redact_failure(text: String) -> String {
    redact::failure(&text)
}

/// A URL without secrets.
#[napi]
pub fn redact_url(url: String) -> String {
    redact::url(&url)
}

/// The session of a directory, as JSON; none if there is none.
#[napi]
pub fn load_session(directory: String) -> napi::Result<Option<String>> {
    let session = store(&directory)?.load().map_err(|error| failure::of_session(&error))?;
    Ok(session.map(|session| session.to_json()))
}

/// Saves a session that is given as JSON.
#[napi]
pub fn save_session(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
    json: String,
) -> napi::Result<ChangeAnswer> {
    let session = session_of(&json)?;
    change(&directory, hold, |store, using| Ok(store.save(using, session)?))
}

/// Removes the session's file.
#[napi]
pub fn clear_session(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
) -> napi::Result<ChangeAnswer> {
    change(&directory, hold, |store, using| Ok(store.clear(using)?))
}

/// Changes the session by a function from JSON to JSON.
#[napi]
pub fn update_session(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
    mutator: Function<'_, String, String>,
) -> napi::Result<ChangeAnswer> {
    change(&directory, hold, |store, using| store.try_update(using, |session| mutated(&session, &mutator)))
}

/// The same, if a function of its JSON says so.
#[napi]
pub fn compare_and_swap_session(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
    matches: Function<'_, String, bool>,
    mutator: Function<'_, String, String>,
) -> napi::Result<ChangeAnswer> {
    let matches = |session: &Session| matches.call(session.to_json()).map_err(Stopped::Script);
    change(&directory, hold, |store, using| {
        store.try_compare_and_swap(using, matches, |session| mutated(&session, &mutator))
    })
}

/// Records what happens to a step.
#[napi]
pub fn mark_step(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
    step: String,
    mark: Mark,
    details: MarkDetails,
) -> napi::Result<ChangeAnswer> {
    let updates = Updates::filter(details.updates.as_deref().unwrap_or("{}"));
    let cause = if details.interrupted == Some(true) { Cause::Interrupted } else { Cause::Error };
    let message = details.message.as_deref();
    let at = SystemTime::now();
    let marked = |session: Session| match mark {
        Mark::Started => session.step_started(&step, at),
        Mark::Complete => session.step_complete(&step, &updates, at),
        Mark::Failed => session.step_failed(&step, message, cause, at),
        Mark::Skipped => session.step_skipped(&step),
    };
    change(&directory, hold, |store, using| Ok(store.update(using, marked)?))
}

/// Records that all is done.
#[napi]
pub fn complete_session(
    directory: String,
    hold: Option<ClassInstance<NativeHold>>,
    updates: String,
) -> napi::Result<ChangeAnswer> {
    let updates = Updates::filter(&updates);
    change(&directory, hold, |store, using| Ok(store.update(using, |session| session.completed(&updates))?))
}

fn store(directory: &str) -> napi::Result<Store> {
    Store::in_directory(directory).map_err(|error| failure::of_session(&error))
}

/// Changes the session under the lock that is held, or else under its lock.
fn change(
    directory: &str,
    hold: Option<ClassInstance<NativeHold>>,
    act: impl FnOnce(&Store, Using<'_>) -> Changed,
) -> napi::Result<ChangeAnswer> {
    let store = store(directory)?;
    let share = hold.map(|hold| hold.share()).transpose()?;
    let changed = match &share {
        Some(held) => act(&store, Using::Held(held)),
        None => act(&store, Using::Lock(&lock(&store)?)),
    };
    Ok(answer(changed?))
}

fn lock(store: &Store) -> napi::Result<Lock> {
    let options = Lock::options().malformed(Malformed::AgesOut).purpose("one change of the session");
    options.open(store.lock_path()).map_err(|error| failure::of_lock(&error))
}

fn mutated(session: &Session, mutator: &Function<'_, String, String>) -> Result<Session, Stopped> {
    let json = mutator.call(session.to_json()).map_err(Stopped::Script)?;
    session_of(&json).map_err(Stopped::Script)
}

fn session_of(json: &str) -> napi::Result<Session> {
    let session = Session::normalize(json).map_err(|error| failure::of_session(&error))?;
    session.ok_or_else(|| failure::misuse("what is to be saved is no session of version 1"))
}

fn answer(change: Change) -> ChangeAnswer {
    let of = |kind: &str, session: Option<Box<Session>>, busy| ChangeAnswer {
        kind: kind.to_owned(),
        session: session.map(|session| session.to_json()),
        busy,
    };
    match change {
        Change::Updated(session) => of("updated", Some(session), None),
        Change::Busy(seen) => of("busy", None, Some(json::observation(&seen))),
        Change::Mismatch(session) => of("mismatch", session, None),
        Change::Cleared => of("cleared", None, None),
    }
}
