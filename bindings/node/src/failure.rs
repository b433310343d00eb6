//! Failures as JavaScript gets them: JSON in the message of an error, of which `lib/errors.cjs` makes one of its classes.

use baton_lock::{ErrorKind, session};
use serde_json::json;

/// Starts the message of an error that is one of ours.
const MARK: &str = "baton:";

/// A failure of a lock.
pub(crate) fn of_lock(error: &baton_lock::Error) -> napi::Error {
    failure(error.kind(), &error.to_string(), error.hint(), cause(error))
}

/// A failure of a session.
pub(crate) fn of_session(error: &session::Error) -> napi::Error {
    let cause = match error {
        session::Error::File(file) => cause(file),
        _ => cause(error),
    };
    failure(error.kind(), &error.to_string(), error.hint(), cause)
}

/// The system's answer, if that was the cause: in words, and its number.
fn cause(error: &dyn std::error::Error) -> Option<(String, Option<i32>)> {
    let source = error.source()?;
    let number = source.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    Some((source.to_string(), number))
}

fn failure(
    kind: ErrorKind,
    message: &str,
    hint: Option<String>,
    cause: Option<(String, Option<i32>)>,
) -> napi::Error {
    let kind = match kind {
        ErrorKind::Usage => "usage",
        ErrorKind::Content => "content",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Lost => "lost",
        _ => "unsafe",
    };
    let (cause, number) = cause.unzip();
    let told = json!({
        "kind": kind,
        "message": message,
        "hint": hint,
        "cause": cause,
        "errno": number.flatten(),
    });
    napi::Error::from_reason(format!("{MARK}{told}"))
}

/// A call that makes no sense.
pub(crate) fn misuse(message: &str) -> napi::Error {
    failure(ErrorKind::Usage, message, None, None)
}

/// A failure of the system that concerns no file.
pub(crate) fn of_system(message: &str, error: &std::io::Error) -> napi::Error {
    failure(ErrorKind::Unsafe, message, None, Some((error.to_string(), error.raw_os_error())))
}
