//! Redaction of secrets in free text, command lines and URLs.
//!
//! Commands, their errors and their URLs are written into records that any reader of the directory sees. What a
//! secret is can't be known, only guessed, so a guess errs towards hiding: a lost word of a message costs a second
//! look, a leaked token costs the account.
//!
//! | question | module |
//! |---|---|
//! | what announces a secret | `rules`, `names`, `hints` |
//! | how far it reaches | `values`, `quotes`, `urls` |
//! | where the secrets of a text are | `finder` |
//! | the text without them | `spans` |
//! | until there are none | `passes` |
//! | arguments of a command | `arguments` |
//! | secrets that are known exactly | `secrets` |
//! | output that streams | `stream`, `raw` |
//!
//! Elsewhere: escaping of control characters, and every limit on length but that of [`failure`].

mod arguments;
mod finder;
mod hints;
mod names;
mod passes;
mod quotes;
mod raw;
mod rules;
mod secrets;
mod spans;
mod stream;
#[cfg(test)]
mod tests;
mod urls;
mod values;

use std::borrow::Cow;

use finder::{Finder, MAX_DECODINGS};
pub(crate) use names::announces_secret;
pub use secrets::Secrets;
pub use stream::{MAX_HELD_LINES, MAX_LINE, Stream};

/// What stands where a secret stood.
pub const REPLACEMENT: &str = "<REDACTED>";

/// The most characters (Unicode scalar values, not bytes) that [`failure`] returns: about three terminal lines.
pub const MAX_TEXT_CHARS: usize = 240;

/// Redacts free text by every rule, without a limit on its length.
///
/// Borrows if there is nothing to hide. `text(&text(x))` equals `text(x)`. Names, quotes and everything around a
/// secret stay, so that `{"apiKey": "abc"}` remains JSON.
///
/// A secret that neither looks like one nor follows a name that does is not found.
///
/// # Examples
/// ```
/// use baton_lock::redact::text;
/// assert_eq!(text("export FOO_TOKEN='a b c'"), "export FOO_TOKEN='<REDACTED>'");
/// assert_eq!(text("keyboard=us"), "keyboard=us");
/// ```
pub fn text(input: &str) -> Cow<'_, str> {
    passes::settled(input, |text| Finder::over(text, MAX_DECODINGS).spans())
}

/// Redacts the text of a failure, then cuts it to [`MAX_TEXT_CHARS`] characters.
///
/// In that order, because a secret cut in half no longer looks like one. `failure(&failure(x))` equals `failure(x)`,
/// so that a text which is redacted again when it is loaded does not change.
pub fn failure(input: &str) -> String {
    passes::cut_and_settled(input)
}

/// Redacts a URL: user, password and fragment are dropped, the values of sensitive query parameters replaced.
///
/// Other parameters stay, in order. Secrets with a shape of their own are hidden wherever they stand, in the path
/// too. What has no `scheme://` is redacted as [`text`].
///
/// # Examples
/// ```
/// use baton_lock::redact::url;
/// assert_eq!(url("https://me:pw@example.org/a?n=1&sig=xyz#top"), "https://example.org/a?n=1&sig=<REDACTED>");
/// ```
pub fn url(input: &str) -> String {
    passes::settled(input, |text| Finder::over_url(text).spans()).into_owned()
}

/// Redacts a command and joins its arguments as a POSIX shell would need them quoted.
///
/// Arguments are redacted before they are joined, since only there it is certain where a value ends: all that
/// follows `NAME=` in an argument is the value, and so is the whole argument after `--token`. The result is not
/// limited in length, so that no secret is ever cut before it is found. The replacement is quoted too: pasted into
/// a shell, a bare `<REDACTED>` would be two redirections.
///
/// A value attached to a one-letter option (`-pSECRET`) is not found.
///
/// # Examples
/// ```
/// use baton_lock::redact::command;
/// let argv = ["deploy", "--token", "abc", "to prod"].map(String::from);
/// assert_eq!(command(&argv), "deploy --token '<REDACTED>' 'to prod'");
/// ```
pub fn command(argv: &[String]) -> String {
    let mut shown = Vec::with_capacity(argv.len());
    let mut is_value = false;
    for argument in argv {
        let clean = if is_value { Cow::Borrowed(REPLACEMENT) } else { arguments::argument(argument) };
        shown.push(arguments::quoted(&clean).into_owned());
        // Asked of a replaced argument as well: in `--token --password x` either reading must hide `x`.
        is_value = argument.starts_with('-') && names::takes_secret(argument);
    }
    // Once more as a whole, for a header spread over several arguments.
    text(&shown.join(" ")).into_owned()
}
