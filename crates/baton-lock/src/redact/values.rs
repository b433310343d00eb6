//! How far a value reaches behind its name.
//!
//! That depends on the quotes and brackets around it, which no regular expression can read.

use std::ops::Range;

use super::quotes::{QUOTES, Quote, slashes_before};

/// Authentication schemes followed by exactly one credential; behind any other, the rest of the line is hidden.
const SCHEMES: &[&str] = &["bearer", "basic", "token", "negotiate", "apikey"];

/// What an assignment stands in, which says how its value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    /// Nothing around: one shell word, quoted or not.
    Bare,
    /// The name has quotes of its own, as in JSON: one value of JSON.
    Json,
    /// The assignment as a whole is in this quote: up to its closing.
    Within(Quote),
    /// In the query of a URL, or of a part of one: up to the next parameter.
    Query,
    /// At the start of one argument of a command: up to the argument's end.
    Argument,
}

impl Setting {
    pub(super) fn around(text: &str, name: usize, closing_quote: bool) -> Self {
        if closing_quote {
            return Setting::Json;
        }
        if let Some(quote) = Quote::before(text, name) {
            return Setting::Within(quote);
        }
        if text[..name].ends_with(['?', '&']) { Setting::Query } else { Setting::Bare }
    }
}

/// The value that starts at `start`, without the quotes around it.
pub(super) fn value(text: &str, start: usize, setting: Setting) -> Range<usize> {
    match setting {
        Setting::Argument => start..text.len(),
        Setting::Within(quote) => start..quote.closing(text, start).map_or(text.len(), |close| close.start),
        Setting::Query => start..word_end(text, start, &['&', '#']),
        Setting::Json => {
            // JSON may break the line between a name and its value.
            let start = text.len() - text[start..].trim_ascii_start().len();
            quoted_value(text, start, setting)
                .or_else(|| bracketed_value(text, start))
                .unwrap_or_else(|| start..word_end(text, start, &[',', '}', ']']))
        }
        Setting::Bare => quoted_value(text, start, setting)
            .or_else(|| bracketed_value(text, start))
            .or_else(|| scheme_end(text, start).map(|credential| start..word_end(text, credential, &[])))
            .unwrap_or_else(|| start..word_end(text, start, &[])),
    }
}

/// The value of a header: the scheme stays if it is known, the credential goes.
pub(super) fn header_value(text: &str, start: usize, setting: Setting) -> Range<usize> {
    let all = match setting {
        Setting::Bare | Setting::Query => match quoted_value(text, start, setting) {
            Some(quoted) => quoted,
            None => match scheme_end(text, start) {
                Some(credential) => return credential..word_end(text, credential, &[]),
                None => start..start + text[start..].find(['\r', '\n']).unwrap_or(text.len() - start),
            },
        },
        Setting::Json | Setting::Within(_) | Setting::Argument => value(text, start, setting),
    };
    let credential = scheme_end(text, all.start).unwrap_or(all.start).min(all.end);
    credential..all.end
}

/// Where the credential begins, if an authentication scheme stands at `start`.
fn scheme_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start..];
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric())?;
    let gap = rest[word..].len() - rest[word..].trim_start_matches([' ', '\t']).len();
    let known = SCHEMES.iter().any(|scheme| rest[..word].eq_ignore_ascii_case(scheme));
    (known && gap > 0).then_some(start + word + gap)
}

/// The content of a quoted value; if the shell word goes on behind the quote (`'it'\''s'`), the whole word.
fn quoted_value(text: &str, start: usize, setting: Setting) -> Option<Range<usize>> {
    let (quote, content) = Quote::at(text, start)?;
    let Some(close) = quote.closing(text, content) else { return Some(content..text.len()) };
    if setting == Setting::Json || word_ends_at(text, close.end) {
        return Some(content..close.start);
    }
    Some(start..word_end(text, close.end, &[]))
}

/// A list or an object with all that is in it, to the end of the text if it isn't closed.
fn bracketed_value(text: &str, start: usize) -> Option<Range<usize>> {
    text[start..].starts_with(['[', '{']).then_some(())?;
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(c) = text[at..].chars().next() {
        at += c.len_utf8();
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '"' | '\'' => {
                let quote = Quote { mark: c, slashes: slashes_before(text, at - 1) };
                at = quote.closing(text, at).map_or(at, |close| close.end);
            }
            _ => {}
        }
        if depth == 0 {
            return Some(start..at);
        }
    }
    Some(start..text.len())
}

/// The end of the shell word that goes on at `start`, with its quoted pieces and escaped characters.
///
/// A quote is a piece of the word, unless what follows it shows that it closes one opened before the word, as in
/// `'export A_KEY=x' failed`. Right behind an escaped quote it is always a piece: `'it'\'' s'` is how a shell
/// quotes an apostrophe.
fn word_end(text: &str, start: usize, stops: &[char]) -> usize {
    let mut at = start;
    let mut after_escaped_quote = false;
    while let Some(c) = text[at..].chars().next() {
        if c.is_ascii_whitespace() || stops.contains(&c) {
            break;
        }
        let next = at + c.len_utf8();
        let escaped = if c == '\\' { text[next..].chars().next() } else { None };
        let mark = escaped.unwrap_or(c);
        let past = next + escaped.map_or(0, char::len_utf8);
        let is_quote = QUOTES.contains(&mark);
        if is_quote && !after_escaped_quote && word_ends_at(text, past) {
            break;
        }
        let opens = is_quote && escaped.is_none();
        let piece = if opens { Quote { mark, slashes: 0 }.closing(text, past) } else { None };
        at = piece.map_or(past, |close| close.end);
        after_escaped_quote = is_quote && escaped.is_some();
    }
    at
}

/// Whether a shell word, or a value in a program, ends right behind a quote.
fn word_ends_at(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_none_or(|c| c.is_ascii_whitespace() || ",;)]}:|&".contains(c))
}
