//! What a step printed, as a terminal or a page may show it: line feeds and tabs stay, sequences that set colours or move the
//! cursor are left out, every other control character is shown as text.
//!
//! A program's output may recolour, retitle and rewrite a terminal. That is what it was for when the program ran; printed
//! later, by somebody else, it may as well be a forgery.

use std::io::{self, Read, Write};

use baton_lock::escape;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Makes whole lines harmless. The carriage return of a line end that has one goes.
pub(super) fn lines(text: &str) -> String {
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

/// Without `ESC [ … letter`, which sets colours and moves the cursor.
pub(super) fn without_sequences(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        // Parameters and intermediates are 0x20 to 0x3f; what ends it is 0x40 to 0x7e.
        match sequence.find(|c: char| !(' '..='?').contains(&c)) {
            Some(end) if sequence[end..].starts_with(|c: char| ('@'..='~').contains(&c)) => {
                rest = &sequence[end + 1..];
            }
            _ => {
                plain.push_str(&rest[at..at + 2]);
                rest = sequence;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Copies all of it, harmless.
pub(super) fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
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
        assert_eq!(copied(b"a\tb\r\n\x1b]0;x\xff\x07c"), "a\tb\n\\u{1b}]0;x\u{fffd}\\u{7}c");
    }

    #[test]
    fn colours_are_left_out_and_what_is_no_sequence_stays() {
        assert_eq!(
            without_sequences("\x1b[1;31mred\x1b[0m \x1b[2Kx \x1b[\x07 \x1b["),
            "red x \x1b[\x07 \x1b["
        );
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
