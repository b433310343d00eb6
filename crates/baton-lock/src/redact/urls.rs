//! The parts of a URL, also of one that is cut off or badly encoded.

use std::borrow::Cow;
use std::ops::Range;

/// Whether a text is a URL: it begins with a scheme and `://`.
pub(super) fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

/// A URL in a sentence without the punctuation that belongs to the sentence.
pub(super) fn sentence_trimmed(url: &str) -> &str {
    url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}'])
}

/// The length of the user part, `@` included, of what follows `://`.
pub(super) fn user_length(rest: &str) -> usize {
    let authority = &rest[..authority_length(rest)];
    // With no `@` but a false port, the password has a raw `/`, `?` or `#` and the `@` comes after it.
    let at = authority.rfind('@').or_else(|| false_port(rest).and_then(|_| rest.rfind('@')));
    at.map_or(0, |at| at + 1)
}

fn authority_length(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

/// Where a port stands that is neither a number nor a variable (`${port}`), which is not yet anybody's secret. The colons
/// of `[::1]` are in brackets.
pub(super) fn false_port(rest: &str) -> Option<Range<usize>> {
    let authority = &rest[..authority_length(rest)];
    let host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let port = host + authority[host..].find(':')? + 1;
    let is_number = authority[port..].bytes().all(|b| b.is_ascii_digit());
    (!is_number && !is_variable(&authority[port..])).then_some(port..authority.len())
}

/// Whether a text is one reference to a variable in braces, as in a command that has not been expanded. The closing
/// brace may have been taken for the sentence's.
fn is_variable(text: &str) -> bool {
    let name = text.strip_prefix("${").map(|rest| rest.strip_suffix('}').unwrap_or(rest));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.'))
}

/// Decodes `%XX` once; what is not UTF-8 afterwards becomes U+FFFD.
pub(super) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let encoded = (byte == b'%').then(|| hex_pair(bytes.get(at + 1..at + 3)?)).flatten();
        out.push(encoded.unwrap_or(byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}
