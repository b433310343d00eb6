//! Repeating until nothing changes, so that redacting twice equals redacting once by construction.
//!
//! A replacement, or a cut, can show a secret in what was none before: each result is read again like a new text.

use std::borrow::Cow;

use super::spans::{Span, applied};
use super::{MAX_TEXT_CHARS, REPLACEMENT, text};

/// Passes before [`text`] gives up and hides everything. Nearly all texts need one that changes and one that
/// confirms; more happen only where a replacement unbalances quotes that enclosed another secret.
const MAX_PASSES: usize = 8;

/// Applies spans until none is found any more, so that the result is a fixed point.
pub(super) fn settled(input: &str, spans_of: impl Fn(&str) -> Vec<Span>) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(input);
    for _ in 0..MAX_PASSES {
        let spans = spans_of(&clean);
        if spans.is_empty() {
            return clean;
        }
        clean = Cow::Owned(applied(&clean, &spans));
    }
    Cow::Borrowed(REPLACEMENT)
}

/// Redacts and cuts until neither changes anything.
///
/// Once is not enough: a cut can bring a secret into being, as it takes away what showed that there is none. From
/// `key=\x1b[1m`, a name and a colour without a value, it leaves `key=\x1b[1`, which has one.
pub(super) fn cut_and_settled(input: &str) -> String {
    let mut clean = cut(text(input));
    for _ in 0..MAX_PASSES {
        let again = cut(text(&clean));
        if again == clean {
            return clean;
        }
        clean = again;
    }
    REPLACEMENT.to_owned()
}

/// The first [`MAX_TEXT_CHARS`] characters.
fn cut(text: Cow<'_, str>) -> String {
    let mut text = text.into_owned();
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
        text.truncate(end);
    }
    text
}
