//! Bytes that are not all UTF-8, as a text for the rules and back, without loss.
//!
//! A byte that is no part of a character becomes a character that nothing assigns, at the end of Unicode's last
//! private area. Where a text has such a character itself, its bytes are taken for such bytes, so that the way back
//! is never ambiguous.

use std::borrow::Cow;

/// Byte `b` becomes this plus `b`.
const BASE: u32 = 0x10_FF00;

fn stands_for_byte(character: char) -> Option<u8> {
    u8::try_from(u32::from(character).checked_sub(BASE)?).ok()
}

/// As a text; borrowed if it is one.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !has_stand_in(bytes) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match stands_for_byte(character) {
                Some(_) => push_bytes(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.push(character),
            }
        }
        push_bytes(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// All of them begin with these three bytes but for the last two bits of the third.
fn has_stand_in(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|window| window[0] == 0xf4 && window[1] == 0x8f && window[2] >= 0xbc)
}

fn push_bytes(text: &mut String, bytes: &[u8]) {
    text.extend(bytes.iter().filter_map(|&byte| char::from_u32(BASE + u32::from(byte))));
}

/// Back again; borrowed if nothing stands for a byte.
pub(super) fn encoded(text: &str) -> Cow<'_, [u8]> {
    if !has_stand_in(text.as_bytes()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match stands_for_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_borrowed_both_ways() {
        assert!(matches!(decoded("größe 🙂".as_bytes()), Cow::Borrowed("größe 🙂")));
        assert!(matches!(encoded("größe 🙂"), Cow::Borrowed(_)));
    }

    #[test]
    fn character_that_stands_for_a_byte_survives_as_itself() {
        for character in ['\u{10ff00}', '\u{10ff80}', '\u{10ffff}', '\u{10fe00}'] {
            let bytes = character.to_string().into_bytes();
            assert_eq!(encoded(&decoded(&bytes)), bytes);
        }
    }

    proptest! {
        #[test]
        fn every_byte_survives(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let there = decoded(&bytes).into_owned();
            prop_assert_eq!(encoded(&there).into_owned(), bytes);
        }
    }
}
