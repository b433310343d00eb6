//! A failure as the document has it.

use serde_json::{Map, Value};

use super::document::{keep_unknown, string_or, string_or_null};
use crate::{clock, redact};

/// Makes a failure of any JSON text: its message redacted and cut, the present moment unless it says when; `null` if the text
/// is no object.
///
/// # Examples
///
/// ```
/// use baton_lock::session::onboard::sanitize_failure;
/// let failure = sanitize_failure(r#"{"step": "gateway", "message": "API_KEY=abc", "recordedAt": "then"}"#);
/// assert_eq!(failure, r#"{"step":"gateway","message":"API_KEY=<REDACTED>","recordedAt":"then"}"#);
/// assert_eq!(sanitize_failure("\"no\""), "null");
/// ```
pub fn sanitize_failure(json: &str) -> String {
    let given = serde_json::from_str::<Value>(json).ok();
    sanitized(given.as_ref(), &clock::format(clock::now())).to_string()
}

pub(super) fn sanitized(value: Option<&Value>, now: &str) -> Value {
    let Some(Value::Object(given)) = value else { return Value::Null };
    let message = given.get("message").and_then(Value::as_str).map(redact::failure);
    let mut failure = Map::new();
    failure.insert("step".to_owned(), string_or_null(given.get("step")));
    failure.insert("message".to_owned(), message.into());
    failure.insert("recordedAt".to_owned(), string_or(given.get("recordedAt"), now));
    if given.get("interrupted") == Some(&Value::Bool(true)) {
        failure.insert("interrupted".to_owned(), true.into());
    }
    let others: Map<String, Value> = given
        .iter()
        .filter(|(name, _)| *name != "interrupted")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    keep_unknown(&others, &mut failure);
    Value::Object(failure)
}
