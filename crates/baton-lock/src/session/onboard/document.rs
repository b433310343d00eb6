//! The document: what each member may be, and what stands for one that is something else.

use serde_json::{Map, Value, json};

use super::super::error::Error;
use super::super::event::new_session_id;
use super::failure;
use crate::{clock, redact};

/// The version of the document.
pub(super) const VERSION: u64 = 1;

/// The steps, in order.
pub const STEPS: [&str; 7] =
    ["preflight", "gateway", "sandbox", "provider_selection", "inference", "openclaw", "policies"];

/// The gateway's name unless another is known.
const GATEWAY: &str = "nemoclaw";

const STATUSES: [&str; 5] = ["pending", "in_progress", "complete", "failed", "skipped"];

/// Strings that updates may set.
pub(super) const STRINGS: [&str; 7] = [
    "sandboxName",
    "provider",
    "model",
    "endpointUrl",
    "credentialEnv",
    "preferredInferenceApi",
    "nimContainer",
];

/// A session of the ancestor's: a document of version 1 in which every member has a value that it may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Session(pub(super) Map<String, Value>);

impl Session {
    /// A new session; `overrides`, a JSON object, replaces defaults where its members are known and valid.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the system has no random number for its id.
    pub fn create(overrides: &str) -> Result<Self, Error> {
        let given: Map<String, Value> = serde_json::from_str(overrides).unwrap_or_default();
        let known = given.into_iter().filter(|(name, _)| MEMBERS.iter().any(|member| member.name == name));
        Ok(normalized(&known.collect(), &Fill::new()?))
    }

    /// Makes a session of any JSON text; `None` if it is no object of version 1.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the system has no random number for an id.
    ///
    /// # Examples
    ///
    /// ```
    /// use baton_lock::session::onboard::Session;
    /// let session = Session::normalize(r#"{"version": 1, "sessionId": "1-a", "model": 7}"#)?.expect("version 1");
    /// assert_eq!(session.text("sessionId"), Some("1-a"));
    /// assert_eq!(session.text("model"), None);
    /// assert_eq!(session.step_status("gateway"), Some("pending"));
    /// assert!(Session::normalize(r#"{"version": 2}"#)?.is_none());
    /// # Ok::<(), baton_lock::session::Error>(())
    /// ```
    pub fn normalize(json: &str) -> Result<Option<Self>, Error> {
        match serde_json::from_str(json) {
            Ok(Value::Object(data)) if is_version(&data) => Ok(Some(normalized(&data, &Fill::new()?))),
            _ => Ok(None),
        }
    }

    pub(super) fn of(data: &Map<String, Value>) -> Result<Self, Error> {
        Ok(normalized(data, &Fill::new()?))
    }

    /// The document as the file has it: pretty JSON, two blanks, no line feed at its end.
    pub fn to_json(&self) -> String {
        // Only maps with keys that are not strings and failing writers can make this fail; there are none here.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// A member that is a string.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.0.get(member)?.as_str()
    }

    /// May it be carried on?
    pub fn is_resumable(&self) -> bool {
        self.0.get("resumable") != Some(&Value::Bool(false))
    }

    /// How one of [`STEPS`] stands; `None` if it is none of them.
    pub fn step_status(&self, step: &str) -> Option<&str> {
        let known = STEPS.contains(&step).then_some(step)?;
        self.0.get("steps")?.get(known)?.get("status")?.as_str()
    }

    /// The session without what is not needed to find out why it does not go on, as JSON: nothing unknown, no secret.
    pub fn summary(&self) -> String {
        let shown = MEMBERS.iter().filter(|member| member.is_summarized);
        let summary: Map<String, Value> = shown
            .filter_map(|member| Some((member.name.to_owned(), self.0.get(member.name)?.clone())))
            .collect();
        serde_json::to_string_pretty(&summary).unwrap_or_default()
    }
}

/// Is it a document of the version that is known here? JavaScript has one kind of number, so that 1.0 is 1.
pub(super) fn is_version(data: &Map<String, Value>) -> bool {
    data.get("version").and_then(Value::as_f64) == Some(1.0)
}

/// What stands for members that are missing.
pub(super) struct Fill {
    now: String,
    id: String,
}

impl Fill {
    fn new() -> Result<Self, Error> {
        Ok(Self { now: clock::format(clock::now()), id: new_session_id()? })
    }

    #[cfg(test)]
    pub(super) fn fixed(now: &str, id: &str) -> Self {
        Self { now: now.to_owned(), id: id.to_owned() }
    }
}

/// One member: its name and what becomes of a value that may be anything.
#[derive(Clone, Copy)]
struct Member {
    name: &'static str,
    valid: fn(Option<&Value>, &Fill) -> Value,
    is_summarized: bool,
}

const fn member(name: &'static str, valid: fn(Option<&Value>, &Fill) -> Value) -> Member {
    Member { name, valid, is_summarized: true }
}

const fn left_out(member: Member) -> Member {
    Member { is_summarized: false, ..member }
}

/// All members, in the order in which they are written.
const MEMBERS: [Member; 21] = [
    member("version", |_, _| VERSION.into()),
    member("sessionId", |value, fill| string_or(value, &fill.id)),
    member("resumable", |value, _| Value::Bool(value != Some(&Value::Bool(false)))),
    // Later versions have more statuses and modes: a text is kept.
    member("status", |value, _| string_or(value, "in_progress")),
    member("mode", |value, _| string_or(value, "interactive")),
    member("startedAt", |value, fill| string_or(value, &fill.now)),
    member("updatedAt", |value, fill| string_or(value, &fill.now)),
    member("lastStepStarted", |value, _| string_or_null(value)),
    member("lastCompletedStep", |value, _| string_or_null(value)),
    member("failure", |value, fill| failure::sanitized(value, &fill.now)),
    member("sandboxName", |value, _| string_or_null(value)),
    member("provider", |value, _| string_or_null(value)),
    member("model", |value, _| string_or_null(value)),
    member("endpointUrl", |value, _| url_or_null(value)),
    member("credentialEnv", |value, _| string_or_null(value)),
    member("preferredInferenceApi", |value, _| string_or_null(value)),
    member("nimContainer", |value, _| string_or_null(value)),
    left_out(member("webSearchConfig", |value, _| web_search(value))),
    member("policyPresets", |value, _| strings_or_null(value)),
    left_out(member("metadata", |value, _| metadata(value))),
    member("steps", |value, _| steps(value)),
];

/// Makes every member valid, and puts the unknown ones behind.
pub(super) fn normalized(data: &Map<String, Value>, fill: &Fill) -> Session {
    let mut document = Map::new();
    for member in &MEMBERS {
        document.insert(member.name.to_owned(), (member.valid)(data.get(member.name), fill));
    }
    keep_unknown(data, &mut document);
    Session(document)
}

/// Adds what is not known as it is, but for secrets: it may come from a program that put one there.
pub(super) fn keep_unknown(from: &Map<String, Value>, to: &mut Map<String, Value>) {
    for (name, value) in from {
        if !to.contains_key(name) {
            to.insert(name.clone(), without_secrets(name, value));
        }
    }
}

fn without_secrets(name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if !text.is_empty() && redact::announces_secret(name) => {
            redact::REPLACEMENT.into()
        }
        Value::String(text) => redact::text(text).into_owned().into(),
        Value::Array(values) => values.iter().map(|value| without_secrets(name, value)).collect(),
        Value::Object(members) => {
            let clean = members.iter().map(|(name, value)| (name.clone(), without_secrets(name, value)));
            Value::Object(clean.collect())
        }
        other => other.clone(),
    }
}

pub(super) fn string_or(value: Option<&Value>, default: &str) -> Value {
    value
        .and_then(Value::as_str)
        .map_or_else(|| default.into(), |text| redact::text(text).into_owned().into())
}

pub(super) fn string_or_null(value: Option<&Value>) -> Value {
    value.and_then(Value::as_str).map_or(Value::Null, |text| redact::text(text).into_owned().into())
}

pub(super) fn url_or_null(value: Option<&Value>) -> Value {
    value.and_then(Value::as_str).map_or(Value::Null, |url| redact_url(url).into())
}

/// Redacts a URL as the ancestor does, so that it still is one: the replacement is percent-encoded.
///
/// # Examples
///
/// ```
/// use baton_lock::session::onboard::redact_url;
/// assert_eq!(redact_url("https://me:pw@example.org/a?sig=xyz#top"), "https://example.org/a?sig=%3CREDACTED%3E");
/// assert_eq!(redact_url("not a URL, token=abc"), "not a URL, token=<REDACTED>");
/// assert_eq!(redact_url("see https://h/?sig=x there"), "see https://h/?sig=<REDACTED> there");
/// ```
pub fn redact_url(url: &str) -> String {
    let redacted = redact::url(url);
    let is_url = redacted.contains("://") && !redacted.contains(char::is_whitespace);
    if is_url { redacted.replace(redact::REPLACEMENT, "%3CREDACTED%3E") } else { redacted }
}

pub(super) fn strings_or_null(value: Option<&Value>) -> Value {
    let Some(Value::Array(values)) = value else { return Value::Null };
    values.iter().filter(|value| value.is_string()).map(|value| string_or_null(Some(value))).collect()
}

fn web_search(value: Option<&Value>) -> Value {
    let Some(Value::Object(given)) = value else { return Value::Null };
    if given.get("fetchEnabled") != Some(&Value::Bool(true)) {
        return Value::Null;
    }
    let mut config = Map::new();
    config.insert("fetchEnabled".to_owned(), true.into());
    if let Some(provider @ Value::String(_)) = given.get("provider") {
        config.insert("provider".to_owned(), string_or_null(Some(provider)));
    }
    let others: Map<String, Value> = given
        .iter()
        .filter(|(name, _)| *name != "provider")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    keep_unknown(&others, &mut config);
    Value::Object(config)
}

fn metadata(value: Option<&Value>) -> Value {
    let none = Map::new();
    let given = value.and_then(Value::as_object).unwrap_or(&none);
    let mut metadata = Map::new();
    metadata.insert("gatewayName".to_owned(), string_or(given.get("gatewayName"), GATEWAY));
    keep_unknown(given, &mut metadata);
    Value::Object(metadata)
}

fn steps(value: Option<&Value>) -> Value {
    let none = Map::new();
    let given = value.and_then(Value::as_object).unwrap_or(&none);
    let mut steps = Map::new();
    for name in STEPS {
        steps.insert(name.to_owned(), step(given.get(name)));
    }
    // Steps of later versions.
    keep_unknown(given, &mut steps);
    Value::Object(steps)
}

fn step(value: Option<&Value>) -> Value {
    let valid = value.and_then(Value::as_object).filter(|given| {
        given.get("status").and_then(Value::as_str).is_some_and(|status| STATUSES.contains(&status))
    });
    let Some(given) = valid else {
        return json!({ "status": "pending", "startedAt": null, "completedAt": null, "error": null });
    };
    let error = given.get("error").and_then(Value::as_str).map(redact::failure);
    let mut step = Map::new();
    step.insert("status".to_owned(), given["status"].clone());
    step.insert("startedAt".to_owned(), string_or_null(given.get("startedAt")));
    step.insert("completedAt".to_owned(), string_or_null(given.get("completedAt")));
    step.insert("error".to_owned(), error.into());
    keep_unknown(given, &mut step);
    Value::Object(step)
}
