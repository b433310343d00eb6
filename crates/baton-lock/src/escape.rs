//! Text from files and command lines, made harmless for a terminal.
//!
//! A record is written by whoever can write to the directory, and a path or a command line can hold any byte. Shown
//! raw, an escape sequence could recolour, retitle or overwrite what the terminal shows, a line break could forge a
//! second message, and a bidirectional control could reorder the first. All of them, and what cannot be seen at all,
//! is shown as a backslash escape.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

/// Makes a text safe to show: control and invisible characters become `\n`, `\u{1b}` and so on, backslashes are
/// doubled where anything was escaped.
///
/// # Examples
///
/// ```
/// use baton_lock::escape;
/// assert_eq!(escape::text("deploy prod"), "deploy prod");
/// assert_eq!(escape::text("a\x1b[2Jb\n"), r"a\u{1b}[2Jb\n");
/// ```
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\\' => shown.push_str(r"\\"),
            '\n' => shown.push_str(r"\n"),
            '\r' => shown.push_str(r"\r"),
            '\t' => shown.push_str(r"\t"),
            hidden if is_hidden(hidden) => {
                // Writing to a string can't fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(hidden));
            }
            plain => shown.push(plain),
        }
    }
    Cow::Owned(shown)
}

/// A path in backticks, safe to show.
pub fn path(path: &Path) -> String {
    format!("`{}`", text(&path.to_string_lossy()))
}

/// Is it a control character, a line or paragraph separator, or one that changes the direction of text or can't be seen?
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A path as a shell takes it: quoted where it has to be; characters that can't be shown are escaped all the same.
///
/// # Examples
///
/// ```
/// use std::path::Path;
/// assert_eq!(baton_lock::escape::shell(Path::new("/a b/it's")), r"'/a b/it'\''s'");
/// ```
pub fn shell(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    self::text(&format!("'{}'", text.replace('\'', r"'\''"))).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_sequences_line_breaks_and_bidi_are_shown_as_text() {
        assert_eq!(text("\u{9b}31m"), r"\u{9b}31m");
        assert_eq!(text("a\nbaton: forged"), r"a\nbaton: forged");
        assert_eq!(text("\u{202e}drowssap"), r"\u{202e}drowssap");
        assert_eq!(text("tab\there"), r"tab\there");
    }

    #[test]
    fn plain_text_of_any_language_is_left_alone() {
        for plain in ["", "größe 日本語 🙂", r"C:\no\change"] {
            assert!(matches!(text(plain), Cow::Borrowed(_)), "{plain}");
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(input in any::<String>()) {
            let shown = text(&input);
            prop_assert!(!shown.chars().any(is_hidden));
        }
    }
}
