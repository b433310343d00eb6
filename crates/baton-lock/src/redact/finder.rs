//! Where the secrets of one text are: every rule reads the same original, and the marks are united.
//!
//! Rules that rewrite one after another destroy each other's evidence: in `key: password: hunter2` the first would eat
//! `password:`, and nothing would announce `hunter2` any more.

use std::cmp::Reverse;
use std::ops::Range;

use regex_lite::Captures;

use super::REPLACEMENT;
use super::hints::suspects;
use super::names::{is_header, is_sensitive_parameter, looks_secret, takes_secret};
use super::rules::Reach;
use super::spans::{Fate, Span};
use super::urls::{false_port, has_scheme, percent_decoded, sentence_trimmed, user_length};
use super::values::{Setting, header_value, value};

/// Layers of percent-encoding looked into inside a query parameter: a redirect within a redirect, and one to spare.
/// What is still encoded below them is hidden unread.
pub(super) const MAX_DECODINGS: usize = 3;

/// Collects the spans of one text.
pub(super) struct Finder<'t> {
    pub(super) text: &'t str,
    pub(super) decodings: usize,
    pub(super) found: Vec<Span>,
}

impl<'t> Finder<'t> {
    /// Applies every rule to a text.
    pub(super) fn over(text: &'t str, decodings: usize) -> Self {
        let mut finder = Finder { text, decodings, found: Vec::new() };
        finder.apply_rules();
        finder
    }

    /// Applies every rule to a text that is a URL from its first to its last character, blanks included.
    pub(super) fn over_url(text: &'t str) -> Self {
        let mut finder = Finder { text, decodings: MAX_DECODINGS, found: Vec::new() };
        if has_scheme(text) {
            finder.mark_url(0..text.len());
        }
        finder.apply_rules();
        finder
    }

    fn apply_rules(&mut self) {
        for rule in suspects(self.text).rules() {
            for captures in rule.pattern.captures_iter(self.text) {
                self.mark(&rule.reach, &captures);
            }
        }
    }

    /// The united spans, in order, without those that would change nothing.
    pub(super) fn spans(mut self) -> Vec<Span> {
        self.found.sort_by_key(|span| (span.range.start, Reverse(span.range.end)));
        let mut united: Vec<Span> = Vec::new();
        for span in self.found {
            match united.last_mut() {
                Some(last) if span.range.start < last.range.end => last.absorb(&span),
                _ => united.push(span),
            }
        }
        united.retain(|span| span.fate == Fate::Erased || &self.text[span.range.clone()] != REPLACEMENT);
        united
    }

    pub(super) fn mark(&mut self, reach: &Reach, captures: &Captures<'t>) {
        let Some(whole) = captures.get(0) else { return };
        match reach {
            Reach::Url => {
                let length = sentence_trimmed(whole.as_str()).len();
                self.mark_url(whole.start()..whole.start() + length);
            }
            Reach::Group => {
                if let Some(group) = captures.get(1) {
                    self.push(group.range(), Fate::Replaced);
                }
            }
            Reach::Word => self.mark_value(value(self.text, whole.end(), Setting::Bare)),
            Reach::Option => {
                if captures.get(1).is_some_and(|option| takes_secret(option.as_str())) {
                    self.mark_value(value(self.text, whole.end(), Setting::Bare));
                }
            }
            Reach::Assignment => self.mark_assignment(captures, None),
        }
    }

    /// Marks what follows a name and a separator, if the name announces a secret.
    pub(super) fn mark_assignment(&mut self, captures: &Captures<'t>, setting: Option<Setting>) {
        let (Some(whole), Some(name), Some(separator)) = (captures.get(0), captures.get(1), captures.get(3))
        else {
            return;
        };
        let start = whole.end();
        // The rest is hidden already, and scanning it anew for every name in it would make the costs quadratic.
        let to_the_end = |span: &Span| span.range.contains(&start) && span.range.end == self.text.len();
        if self.found.last().is_some_and(to_the_end) {
            return;
        }
        // `key::Kind` is a path in a program.
        if separator.as_str() == ":" && self.text[separator.end()..].starts_with(':') {
            return;
        }
        let setting = match setting {
            Some(setting) => setting,
            // Behind an encoded `=` a raw `&` belongs to the query around.
            None if separator.as_str().starts_with('%') => Setting::Query,
            None => Setting::around(self.text, name.start(), captures.get(2).is_some()),
        };
        if is_header(name.as_str()) {
            self.mark_value(header_value(self.text, start, setting));
        } else if looks_secret(name.as_str())
            || setting == Setting::Query && is_sensitive_parameter(name.as_str())
        {
            self.mark_value(value(self.text, start, setting));
        }
    }

    /// Marks a value. One that starts in the user part of a URL ends with it, lest the host be lost.
    fn mark_value(&mut self, range: Range<usize>) {
        let user = self.found.iter().find(|s| s.fate == Fate::Erased && s.range.contains(&range.start));
        let end = user.map_or(range.end, |user| user.range.end.min(range.end));
        self.push(range.start..end, Fate::Replaced);
    }

    fn push(&mut self, range: Range<usize>, fate: Fate) {
        if !range.is_empty() {
            self.found.push(Span { range, fate });
        }
    }

    /// Marks the user part, the fragment and the sensitive parameters of the URL at `range`.
    fn mark_url(&mut self, range: Range<usize>) {
        let url = &self.text[range.clone()];
        let authority = range.start + url.find("://").map_or(url.len(), |colon| colon + "://".len());
        let host = authority + user_length(&self.text[authority..range.end]);
        self.push(authority..host, Fate::Erased);
        self.mark_false_port(host..range.end);
        let rest = &self.text[host..range.end];
        let fragment = host + rest.find('#').unwrap_or(rest.len());
        self.push(fragment..range.end, Fate::Erased);
        if let Some(query) = self.text[host..fragment].find('?') {
            self.mark_query(host + query + 1..fragment);
        }
    }

    /// Marks a port that is no number: it is the password of a URL that was cut off before its `@`.
    fn mark_false_port(&mut self, range: Range<usize>) {
        if let Some(port) = false_port(&self.text[range.clone()]) {
            self.push(range.start + port.start..range.start + port.end, Fate::Replaced);
        }
    }

    fn mark_query(&mut self, range: Range<usize>) {
        let mut start = range.start;
        for parameter in self.text[range].split('&') {
            if let Some((name, value)) = parameter.split_once('=')
                && (is_sensitive_parameter(&percent_decoded(name)) || self.hides_secret(value))
            {
                let end = start + parameter.len();
                self.push(end - value.len()..end, Fate::Replaced);
            }
            start += parameter.len() + 1;
        }
    }

    /// Whether a value has a secret under its percent-encoding, such as a URL to return to.
    fn hides_secret(&self, value: &str) -> bool {
        let decoded = percent_decoded(value);
        if decoded == value || self.decodings == 0 {
            return decoded != value;
        }
        let within = Finder::over(&decoded, self.decodings - 1);
        within.hides_secret(&decoded) || !within.spans().is_empty()
    }
}
