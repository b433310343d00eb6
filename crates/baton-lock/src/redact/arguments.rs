//! One argument of a command: redacted by where it begins and ends, and quoted as a shell needs it.

use std::borrow::Cow;

use super::finder::{Finder, MAX_DECODINGS};
use super::rules::ASSIGNMENT;
use super::spans::applied;
use super::values::Setting;

/// Redacts one argument; if it begins with a secret name and a separator, all the rest of it is the value.
pub(super) fn argument(argument: &str) -> Cow<'_, str> {
    let mut finder = Finder::over(argument, MAX_DECODINGS);
    // Without a separator it can't match, and need not be compiled.
    if argument.contains(['=', ':', '%'])
        && let Some(captures) = ASSIGNMENT.captures(argument)
        && captures.get(0).is_some_and(|found| found.start() == 0)
    {
        finder.mark_assignment(&captures, Some(Setting::Argument));
    }
    let spans = finder.spans();
    if spans.is_empty() { Cow::Borrowed(argument) } else { Cow::Owned(applied(argument, &spans)) }
}

/// One argument in single quotes, if it has a character that a shell would interpret.
pub(super) fn quoted(argument: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}
