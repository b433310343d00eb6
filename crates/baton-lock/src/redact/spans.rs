//! The parts of a text that must not be shown, how they unite, and the text without them.

use std::ops::Range;

use super::REPLACEMENT;

/// What becomes of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Replaced,
    Erased,
}

/// A part of the text, in bytes, that must not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    pub(super) fate: Fate,
}

impl Span {
    /// Unites with a span that starts inside this one. The wider of two nested ones decides: a token within a
    /// dropped user part is dropped with it, a URL within a secret value is replaced with it.
    pub(super) fn absorb(&mut self, other: &Span) {
        if other.range.end > self.range.end {
            self.range.end = other.range.end;
            self.fate = Fate::Replaced;
        }
    }
}

/// The text with its spans, which are sorted and disjoint, replaced or erased.
pub(super) fn applied(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for span in spans {
        out.push_str(&text[shown..span.range.start]);
        if span.fate == Fate::Replaced {
            out.push_str(REPLACEMENT);
        }
        shown = span.range.end;
    }
    out.push_str(&text[shown..]);
    out
}
