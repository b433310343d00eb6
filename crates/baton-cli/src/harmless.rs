//! What a step printed, as a terminal or a page may show it: line feeds and tabs stay, sequences that set colours, titles or links or
//! move the cursor are left out, every other control character is shown as text.
//!
//! A program's output may recolour, retitle and rewrite a terminal. That is what it was for when the program ran; printed
//! later, by somebody else, it may as well be a forgery.

use std::io::{self, Read, Write};

use baton_lock::escape;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Makes whole lines harmless. The carriage return of a line end that has one goes.
pub(crate) fn lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let line = line.strip_suffix('\r').unwrap_or(line);
        for (number, cell) in without_sequences(line).split('\t').enumerate() {
            if number > 0 {
                shown.push('\t');
            }
            shown.push_str(&escape::text(cell));
        }
        shown.push_str(end);
    }
    shown
}

/// A line as it stood on a terminal in the end: without sequences, and without what a carriage return had overwritten, such as
/// the earlier states of a progress bar.
pub(crate) fn last_state(line: &str) -> String {
    let plain = without_sequences(line);
    let last = plain.rsplit('\r').find(|part| !part.trim().is_empty());
    last.unwrap_or_default().to_owned()
}

/// Without the sequences that set colours, move the cursor, set titles and links.
pub(crate) fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        let behind = &rest[at + 1..];
        plain.push_str(&rest[..at]);
        if let Some(length) = sequence(behind) {
            rest = &behind[length..];
        } else {
            plain.push('\x1b');
            rest = behind;
        }
    }
    plain.push_str(rest);
    plain
}

/// How long the sequence behind an ESC is, by the classes of ECMA-48; `None` if it is none, or cut off.
fn sequence(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    match characters.next()?.1 {
        // ESC [ parameters final.
        '[' => characters
            .find(|(_, c)| !(' '..='?').contains(c))
            .and_then(|(at, c)| ('@'..='~').contains(&c).then_some(at + 1)),
        // Strings up to ESC \\, or to BEL where they are commands to the terminal: titles, links.
        start @ (']' | 'P' | 'X' | '^' | '_') => {
            let end = text.find("\x1b\\").map(|at| at + 2);
            let bell = text.find('\x07').filter(|_| start == ']').map(|at| at + 1);
            end.into_iter().chain(bell).min()
        }
        // ESC intermediates final: character sets.
        ' '..='/' => characters
            .find(|(_, c)| !(' '..='/').contains(c))
            .and_then(|(at, c)| ('0'..='~').contains(&c).then_some(at + 1)),
        '0'..='~' => Some(1),
        _ => None,
    }
}

/// Copies all of it, harmless.
pub(crate) fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut pending = Vec::new();
    while from.by_ref().take(CHUNK as u64).read_to_end(&mut pending)? > 0 {
        let end = whole(&pending);
        to.write_all(lines(&String::from_utf8_lossy(&pending[..end])).as_bytes())?;
        pending.drain(..end);
    }
    to.write_all(lines(&String::from_utf8_lossy(&pending)).as_bytes())
}

/// How much of it are whole lines; of a long line without an end, whole characters.
fn whole(bytes: &[u8]) -> usize {
    if let Some(at) = bytes.iter().rposition(|&byte| byte == b'\n') {
        return at + 1;
    }
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copied(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        copy(bytes, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn only_line_feeds_and_tabs_are_left_of_control_characters() {
        assert_eq!(copied(b"a\tb\r\n\x01\xff\x07c"), "a\tb\n\\u{1}\u{fffd}\\u{7}c");
    }

    #[test]
    fn colours_are_left_out_and_what_is_no_sequence_stays() {
        assert_eq!(
            without_sequences("\x1b[1;31mred\x1b[0m \x1b[2Kx \x1b[\x07 \x1b["),
            "red x \x1b[\x07 \x1b["
        );
        assert_eq!(without_sequences("\x1b(B\x1b7a\x1b]0;title\x07b\x1b]8;;x:y\x1b\\c\x1bPq\x1b\\d"), "abcd");
        assert_eq!(without_sequences("a\x1b]0;no end"), "a\x1b]0;no end");
        assert_eq!(without_sequences("a\x1bä\x1b"), "a\x1bä\x1b");
    }

    #[test]
    fn last_state_of_a_progress_bar_is_what_stood_there() {
        assert_eq!(last_state("10 %\r\x1b[K20 %\r\x1b[1mdone\x1b[0m\r"), "done");
        assert_eq!(last_state("\x1b[2K\r"), "");
    }

    #[test]
    fn characters_are_whole_across_chunks() {
        let text = "ä".repeat(CHUNK + 1);
        assert_eq!(copied(format!("x{text}").as_bytes()), format!("x{text}"));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in "(\x1b\\[|\x1b|[0-9;?]|[a-z]|\t|\r|\n|\u{202e}|\\PC){0,100}") {
            let shown = lines(&text);
            prop_assert!(!shown.chars().any(|c| escape::is_hidden(c) && c != '\n' && c != '\t'));
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
