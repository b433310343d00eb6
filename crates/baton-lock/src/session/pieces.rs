//! A part of a session that is shared between its versions with its JSON text, and the layout of all JSON text here.
//!
//! Most transitions leave all facts as they are. Of steps and attempts, of which there are many, see `blocks`.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{Formatter, Serializer};

/// A value that never changes, and its text once it was asked for.
pub(super) struct Piece<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: T,
    text: OnceLock<Box<[u8]>>,
}

impl<T> Piece<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Inner { value, text: OnceLock::new() }))
    }

    pub(super) fn get(&self) -> &T {
        &self.0.value
    }
}

impl<T: Serialize> Piece<T> {
    /// The value as [`pretty`] writes it at `depth`, which is always the same for one type.
    pub(super) fn text(&self, depth: usize) -> &[u8] {
        self.0.text.get_or_init(|| {
            let mut text = Vec::with_capacity(256);
            pretty(&mut text, &self.0.value, depth);
            text.into()
        })
    }
}

/// Adds a value as pretty JSON, two blanks for each level, within a document at whose level `depth` it stands.
pub(super) fn pretty(out: &mut Vec<u8>, value: &impl Serialize, depth: usize) {
    let layout = Layout { depth, is_empty: true };
    // Only maps with keys that are not strings and failing writers can make this fail; there are none here.
    let _ = value.serialize(&mut Serializer::with_formatter(out, layout));
}

/// serde's pretty layout, but for the level at which it begins.
struct Layout {
    depth: usize,
    /// Of the array or object that was begun last.
    is_empty: bool,
}

impl Layout {
    fn begin(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        out.write_all(bracket)
    }

    fn end(&mut self, out: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if !self.is_empty {
            self.line(out)?;
        }
        self.is_empty = false;
        out.write_all(bracket)
    }

    fn item(&self, out: &mut (impl Write + ?Sized), first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn line(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        const LINE: &[u8] = b"\n                                ";
        let indented = 2 * self.depth;
        // By one call as a rule; only what is not known here is nested deeper.
        out.write_all(&LINE[..=indented.min(LINE.len() - 1)])?;
        (LINE.len() - 1..indented).try_for_each(|_| out.write_all(b" "))
    }
}

impl Formatter for Layout {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _out: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.item(out, first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _out: &mut W) -> io::Result<()> {
        self.is_empty = false;
        Ok(())
    }
}

impl<T> Clone for Piece<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for Piece<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.get() == other.get()
    }
}

impl<T: fmt::Debug> fmt::Debug for Piece<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Piece<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layout_is_that_of_pretty_json_at_any_depth() {
        let value =
            json!({ "a": "x\ny", "b": [1, [], {}, [[2]]], "c": { "d": null, "e": { "f": {} } }, "g": {} });
        let expected = serde_json::to_string_pretty(&value).expect("JSON");
        for depth in 0..3 {
            let mut text = Vec::new();
            pretty(&mut text, &value, depth);
            // In JSON a line break is never part of a string.
            assert_eq!(
                String::from_utf8_lossy(&text),
                expected.replace('\n', &format!("\n{}", "  ".repeat(depth)))
            );
        }
    }

    #[test]
    fn copy_of_a_piece_shares_its_text() {
        let piece = Piece::new("x");
        let copy = piece.clone();
        assert_eq!(piece.text(1).as_ptr(), copy.text(1).as_ptr());
    }
}
