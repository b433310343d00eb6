//! Secrets that are known exactly, because somebody named them: hidden whatever they look like.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use super::{REPLACEMENT, failure, text};

/// The exact values of secrets, such as those of the environment variables that a plan declares secret.
///
/// Applied before the rules, so that a rule which sees only a part of a value can't leave the rest. White space around a
/// value is not sought, and an empty one is ignored; one that is found everywhere, such as `1`, is hidden everywhere:
/// whoever named it wanted it so. Of a value of several lines each line of at least 8 bytes is sought by itself too, since
/// loggers put a prefix before each.
///
/// A value that a program encodes (in base64, as JSON with escapes, in percents) is another value, to be named too.
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
#[derive(Clone)]
pub struct Secrets {
    values: Vec<Vec<u8>>,
    /// Which bytes a value begins with.
    begins: [bool; 256],
}

/// The shortest line of a secret of several that is sought by itself: `}` and `EOF` are no secrets.
const LEAST_LINE: usize = 8;

impl Default for Secrets {
    fn default() -> Self {
        Self { values: Vec::new(), begins: [false; 256] }
    }
}

impl Secrets {
    /// These values.
    pub fn new<V: Into<Vec<u8>>>(values: impl IntoIterator<Item = V>) -> Self {
        let mut secrets = Self::default();
        for value in values {
            let value: Vec<u8> = value.into();
            let lines = value.split(|&byte| byte == b'\n' || byte == b'\r');
            for line in lines.filter(|line| line.trim_ascii().len() >= LEAST_LINE) {
                secrets.add(line);
            }
            secrets.add(&value);
        }
        // Longest first, so that the first one that matches is the longest.
        secrets.values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        secrets.values.dedup();
        secrets
    }

    fn add(&mut self, value: &[u8]) {
        let value = value.trim_ascii();
        if let Some(&first) = value.first() {
            self.begins[usize::from(first)] = true;
            self.values.push(value.to_owned());
        }
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
        if self.values.is_empty() {
            return Cow::Borrowed(input);
        }
        let mut out = Vec::new();
        self.hide(input.as_bytes(), &mut 0, true, |shown| out.extend_from_slice(shown));
        if out == input.as_bytes() {
            return Cow::Borrowed(input);
        }
        // A value that is no UTF-8 may have begun within a character.
        Cow::Owned(String::from_utf8_lossy(&out).into_owned())
    }

    /// Shows bytes without these values, and says how many of them are decided: unless they are `all` that there is, a value
    /// may be cut off at their end. The first `covered` of them are hidden already, and a value may begin in them.
    ///
    /// Values that overlap are hidden as one. Nothing of that has to be remembered but how far it reaches: a run of them may
    /// have no end.
    pub(super) fn hide(
        &self,
        bytes: &[u8],
        covered: &mut usize,
        all: bool,
        mut show: impl FnMut(&[u8]),
    ) -> usize {
        let (mut at, mut shown) = (0, *covered);
        while at < bytes.len() {
            if *covered == 0 && !self.begins[usize::from(bytes[at])] {
                at += 1;
                continue;
            }
            let ControlFlow::Continue(length) = self.reach(&bytes[at..], all) else { break };
            if length > 0 && *covered == 0 {
                show(&bytes[shown..at]);
                show(REPLACEMENT.as_bytes());
            }
            *covered = length.max(*covered);
            if *covered > 0 {
                *covered -= 1;
                shown = at + 1;
            }
            at += 1;
        }
        if shown < at {
            show(&bytes[shown..at]);
        }
        at
    }

    /// The length of the longest value that begins here, 0 if none; breaks if a longer one may.
    fn reach(&self, rest: &[u8], all: bool) -> ControlFlow<(), usize> {
        for value in &self.values {
            if rest.starts_with(value) {
                return ControlFlow::Continue(value.len());
            }
            if !all && value.starts_with(rest) {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(0)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.values.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_is_hidden_before_a_rule_can_leave_a_part_of_it() {
        let secrets = Secrets::new(["abc def"]);
        assert_eq!(secrets.text("API_KEY=abc def x"), "API_KEY=<REDACTED> x");
        assert_eq!(secrets.text("ghp_A7B2C9D4E1A7B2C9D4E1 abc def"), "<REDACTED> <REDACTED>");
    }

    #[test]
    fn failure_that_is_cut_within_a_value_shows_nothing_of_it() {
        let secrets = Secrets::new(["x y z".repeat(20)]);
        let shown = secrets.failure(&format!("{} {}", "w".repeat(200), "x y z".repeat(20)));
        assert_eq!(shown, format!("{} <REDACTED>", "w".repeat(200)));
    }

    #[test]
    fn empty_and_blank_values_hide_nothing() {
        let secrets = Secrets::new(["", " \n"]);
        assert!(matches!(secrets.text("a b\n"), Cow::Borrowed("a b\n")));
    }

    #[test]
    fn white_space_around_a_value_is_not_sought() {
        assert_eq!(Secrets::new([" abc\n"]).text("<abc>"), "<<REDACTED>>");
    }

    #[test]
    fn value_that_is_not_text_hides_no_part_of_a_character_wrongly() {
        let secrets = Secrets::new([b"\xa9".to_vec()]);
        assert_eq!(secrets.text("caf\u{e9}"), "caf\u{fffd}<REDACTED>");
    }

    #[test]
    fn debug_form_shows_no_value() {
        assert_eq!(format!("{:?}", Secrets::new(["abc", "abc", "d"])), "Secrets(2)");
    }
}
