//! A page under construction: markup and text, which can't be mixed up.
//!
//! Markup is `&'static str`: it was written into this program. Everything else goes through [`Page::text`] or
//! [`Page::lines`], which leave no character that could begin markup, end an attribute, or hide. There is no third way.

use std::fmt::Write as _;

use baton_lock::escape;

use crate::harmless;
use crate::session::words;

/// The most characters of one text: a path may be that long, and nothing else that we write is longer.
const MAX_TEXT: usize = 4096;

/// The HTML so far.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn into_html(self) -> String {
        self.0
    }

    /// Adds markup.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text without colours, or a part of the value of an attribute in double quotes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.escaped(&escape::text(&harmless::without_sequences(&words::cut(text, MAX_TEXT))))
    }

    /// Adds text with its line feeds and tabs. It is not cut: the caller has.
    pub(super) fn lines(&mut self, text: &str) -> &mut Self {
        self.escaped(&harmless::lines(text))
    }

    /// Adds a number with three decimals at most.
    pub(super) fn number(&mut self, number: f64) -> &mut Self {
        // Writing to a string can't fail.
        let _ = write!(self.0, "{}", (number * 1000.0).round() / 1000.0);
        self
    }

    /// Adds an element with text in it.
    pub(super) fn element(&mut self, start: &'static str, text: &str, end: &'static str) -> &mut Self {
        self.raw(start).text(text).raw(end)
    }

    fn escaped(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '&' => self.0.push_str("&amp;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                plain => self.0.push(plain),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> [String; 2] {
        let (mut one, mut other) = (Page::default(), Page::default());
        one.text(text);
        other.lines(text);
        [one.into_html(), other.into_html()]
    }

    /// What a browser shows of a text.
    fn shown(html: &str) -> String {
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        entities.iter().fold(html.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
    }

    proptest! {
        #[test]
        fn text_can_not_become_markup_nor_hide(text in "(\\PC|[<>&\"'\u{0}-\u{1f}\u{202e}\u{9b}]){0,200}") {
            for html in texts(&text) {
                prop_assert!(!html.contains(['<', '>', '"', '\'']), "{html:?}");
                let ampersands = html.matches('&').count();
                let entities = ["&lt;", "&gt;", "&amp;", "&quot;", "&#39;"];
                prop_assert_eq!(ampersands, entities.iter().map(|entity| html.matches(entity).count()).sum::<usize>());
                prop_assert!(!html.chars().any(|c| escape::is_hidden(c) && !"\n\t".contains(c)), "{html:?}");
            }
        }

        #[test]
        fn plain_text_is_shown_as_it_is(text in "[a-z<>&\"' ]{0,100}") {
            for html in texts(&text) {
                prop_assert_eq!(shown(&html), text.as_str());
            }
        }
    }

    #[test]
    fn huge_text_is_cut() {
        assert!(texts(&"<".repeat(1_000_000))[0].len() < 5 * MAX_TEXT);
    }

    #[test]
    fn numbers_are_short() {
        let mut page = Page::default();
        page.number(100.0 / 3.0).raw(" ").number(8.0);
        assert_eq!(page.into_html(), "33.333 8");
    }
}
