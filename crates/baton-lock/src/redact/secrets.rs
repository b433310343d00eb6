//! Secrets that are known exactly, because somebody named them: hidden whatever they look like.

use std::borrow::Cow;
use std::fmt;

use super::{REPLACEMENT, failure, text};

/// The exact values of secrets, such as those of the environment variables that a plan declares secret.
///
/// Applied before the rules, so that a rule which sees only a part of a value can't leave the rest. A value that is found
/// everywhere, such as `1`, is hidden everywhere: whoever named it wanted it so. An empty one is ignored.
///
/// Its `Debug` form shows how many there are, and none of them.
///
/// # Examples
///
/// ```
/// use baton_lock::redact::Secrets;
/// let secrets = Secrets::new(["tr0ub4dor&3"]);
/// assert_eq!(secrets.text("login as me with tr0ub4dor&3 failed"), "login as me with <REDACTED> failed");
/// ```
#[derive(Clone, Default)]
pub struct Secrets {
    /// Longest first, so that one which contains another is found whole.
    values: Vec<Vec<u8>>,
}

impl Secrets {
    /// These values.
    pub fn new<V: Into<Vec<u8>>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut values: Vec<Vec<u8>> =
            values.into_iter().map(Into::into).filter(|value| !value.is_empty()).collect();
        values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        values.dedup();
        Self { values }
    }

    /// Redacts free text: these values, then all that the rules find.
    pub fn text<'t>(&self, input: &'t str) -> Cow<'t, str> {
        match self.hidden(input) {
            Cow::Borrowed(input) => text(input),
            Cow::Owned(hidden) => Cow::Owned(text(&hidden).into_owned()),
        }
    }

    /// Redacts the text of a failure and cuts it, as [`failure()`].
    pub fn failure(&self, input: &str) -> String {
        failure(&self.hidden(input))
    }

    /// The text without these values.
    fn hidden<'t>(&self, input: &'t str) -> Cow<'t, str> {
        let mut out = String::new();
        let (mut shown, mut at) = (0, 0);
        while at < input.len() {
            match self.at(&input.as_bytes()[at..]) {
                Some(length) if input.is_char_boundary(at) && input.is_char_boundary(at + length) => {
                    out.push_str(&input[shown..at]);
                    out.push_str(REPLACEMENT);
                    at += length;
                    shown = at;
                }
                _ => at += 1,
            }
        }
        if shown == 0 {
            return Cow::Borrowed(input);
        }
        out.push_str(&input[shown..]);
        Cow::Owned(out)
    }

    /// The length of the longest value that begins here.
    fn at(&self, bytes: &[u8]) -> Option<usize> {
        self.values.iter().find(|value| bytes.starts_with(value)).map(Vec::len)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}
