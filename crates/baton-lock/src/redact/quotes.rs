//! Which quotation mark closes which, in shells, in JSON and in text that was itself quoted.

use std::ops::Range;

/// A quotation mark, and how many backslashes it has in text that was itself quoted (`{\"key\": \"…\"}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) mark: char,
    pub(super) slashes: usize,
}

pub(super) const QUOTES: [char; 3] = ['"', '\'', '`'];

impl Quote {
    /// The quote that opens at `at`, and where its content begins.
    pub(super) fn at(text: &str, at: usize) -> Option<(Quote, usize)> {
        let rest = &text[at..];
        let slashes = rest.len() - rest.trim_start_matches('\\').len();
        let mark = rest[slashes..].chars().next().filter(|c| QUOTES.contains(c))?;
        Some((Quote { mark, slashes }, at + slashes + 1))
    }

    /// The quote that ends right before `at`.
    pub(super) fn before(text: &str, at: usize) -> Option<Quote> {
        let mark = text[..at].chars().next_back().filter(|c| QUOTES.contains(c))?;
        Some(Quote { mark, slashes: slashes_before(text, at - 1) })
    }

    /// The place, from `from` on, of the quote that closes this one.
    pub(super) fn closing(self, text: &str, from: usize) -> Option<Range<usize>> {
        text[from..].match_indices(self.mark).find_map(|(offset, _)| {
            let mark = from + offset;
            let slashes = slashes_before(text, mark).min(mark - from);
            self.is_closed_by(slashes, &text[mark + 1..])
                .then_some(mark - slashes.min(self.slashes)..mark + 1)
        })
    }

    /// Whether this quote is closed by its mark after so many backslashes.
    ///
    /// A quote inside at the same depth has its own backslashes and twice those: behind `\"`, `\\\"` is content and
    /// `\"` closes; fewer backslashes belong to the text around, which ends here.
    fn is_closed_by(self, slashes: usize, rest: &str) -> bool {
        if self.mark == '\'' && self.slashes == 0 {
            // A shell knows no escape here, programming languages do. A shell's word goes on with `\` or ends.
            return slashes.is_multiple_of(2) || !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        }
        slashes < self.slashes || slashes % (2 * (self.slashes + 1)) == self.slashes
    }
}

pub(super) fn slashes_before(text: &str, at: usize) -> usize {
    text[..at].len() - text[..at].trim_end_matches('\\').len()
}
