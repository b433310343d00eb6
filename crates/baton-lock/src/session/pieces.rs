//! Parts of a session that are shared between its versions, each with its JSON text.
//!
//! A transition changes one step of perhaps a thousand. The others are shared with the session before, and so is the text
//! that was made of each of them: copying and writing a session costs what moving its bytes costs.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize};

/// A value that never changes, and its text once it was asked for.
pub(super) struct Piece<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: T,
    text: OnceLock<Box<str>>,
}

impl<T> Piece<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Inner { value, text: OnceLock::new() }))
    }

    pub(super) fn get(&self) -> &T {
        &self.0.value
    }
}

impl<T: Serialize> Piece<T> {
    /// The value as pretty JSON whose lines, but for the first, are indented by `indent`, which is always the same for one type.
    pub(super) fn text(&self, indent: &str) -> &str {
        self.0.text.get_or_init(|| pretty(&self.0.value, indent).into())
    }
}

/// Pretty JSON within a document that is indented already. In JSON a line break is never part of a string, so that each
/// one there is stands between two lines.
pub(super) fn pretty(value: &impl Serialize, indent: &str) -> String {
    // Only maps with keys that are not strings and failing writers can make this fail; there are none here.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.replace('\n', &format!("\n{indent}"))
}

impl<T> Clone for Piece<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for Piece<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.get() == other.get()
    }
}

impl<T: fmt::Debug> fmt::Debug for Piece<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Piece<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_breaks_in_strings_are_not_indented() {
        let value = json!({ "a": "x\ny", "b": [1] });
        let text = pretty(&value, "    ");
        assert_eq!(text, "{\n      \"a\": \"x\\ny\",\n      \"b\": [\n        1\n      ]\n    }");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn copy_of_a_piece_shares_its_text() {
        let piece = Piece::new("x");
        let copy = piece.clone();
        assert_eq!(piece.text("").as_ptr(), copy.text("").as_ptr());
    }
}
