//! Which rules a text could wake: one pass over it, however many rules there are.
//!
//! Most texts, and nearly all lines of a log, hold nothing that any rule reacts to. A table of pairs of bytes says whether a
//! hint could begin at a place at all; only there the hints are compared.

use super::rules::{RULES, Rule};

/// A set of rules, by their places in [`RULES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Suspects(u32);

impl Suspects {
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of which the text has something that they need.
    fn with_needs(self, text: &str) -> Self {
        let is_met = |rule: &Rule| rule.needs.is_empty() || rule.needs.iter().any(|need| text.contains(need));
        let unmet = |set, (at, rule): (usize, &Rule)| if is_met(rule) { set } else { set & !(1 << at) };
        if self.is_empty() { self } else { Self(RULES.iter().enumerate().fold(self.0, unmet)) }
    }

    /// Those in the set, in their order.
    pub(super) fn rules(self) -> impl Iterator<Item = &'static Rule> {
        RULES.iter().enumerate().filter(move |(at, _)| self.0 & 1 << at != 0).map(|(_, rule)| rule)
    }

    /// Those that are not.
    #[cfg(test)]
    pub(super) fn others(self) -> impl Iterator<Item = &'static Rule> {
        Self(!self.0).rules()
    }
}

struct Table {
    /// One bit for each pair of bytes, in lower case, with which a hint begins.
    pairs: [u64; 1 << 10],
    /// The hints with the rules that they wake, sorted by their first byte.
    hints: [Hint; HINTS],
    /// Where those of each first byte begin in `hints`, and where the last ones end.
    begins: [u16; 257],
}

type Hint = (&'static [u8], u32);

/// How many there are, one that wakes two rules counted twice.
const HINTS: usize = {
    let (mut count, mut rule) = (0, 0);
    while rule < RULES.len() {
        count += RULES[rule].hints.len();
        rule += 1;
    }
    count
};

/// Made by the compiler: a program that looks at one short text would make it for that alone.
static TABLE: Table = Table::over(&sorted());

/// All hints, by their first byte.
const fn sorted() -> [Hint; HINTS] {
    let mut hints: [Hint; HINTS] = [(&[], 0); HINTS];
    let (mut count, mut rule) = (0, 0);
    while rule < RULES.len() {
        let mut hint = 0;
        while hint < RULES[rule].hints.len() {
            hints[count] = (RULES[rule].hints[hint].as_bytes(), 1 << rule);
            let mut place = count;
            while place > 0 && hints[place].0[0] < hints[place - 1].0[0] {
                hints.swap(place, place - 1);
                place -= 1;
            }
            (count, hint) = (count + 1, hint + 1);
        }
        rule += 1;
    }
    hints
}

impl Table {
    const fn over(hints: &[Hint; HINTS]) -> Self {
        let mut table = Self { pairs: [0; 1 << 10], hints: *hints, begins: [0; 257] };
        let mut hint = 0;
        while hint < HINTS {
            let text = table.hints[hint].0;
            let pair = (text[0] as usize) << 8 | text[1] as usize;
            table.pairs[pair >> 6] |= 1 << (pair & 63);
            table.begins[text[0] as usize + 1] += 1;
            hint += 1;
        }
        let mut first = 1;
        while first < table.begins.len() {
            table.begins[first] += table.begins[first - 1];
            first += 1;
        }
        table
    }

    /// The hints that begin with a byte.
    fn of(&self, first: u8) -> &[Hint] {
        let at = |place: usize| usize::from(self.begins[place]);
        &self.hints[at(usize::from(first))..at(usize::from(first) + 1)]
    }
}

/// The rules whose hints occur in a text, in any letter case.
pub(super) fn suspects(text: &str) -> Suspects {
    let table = &TABLE;
    let bytes = text.as_bytes();
    let mut found = 0;
    let mut last = 0;
    for (at, byte) in bytes.iter().map(u8::to_ascii_lowercase).enumerate() {
        let pair = usize::from(last) << 8 | usize::from(byte);
        if table.pairs[pair >> 6] & 1 << (pair & 63) != 0 {
            // A pair has two bytes, so that this one is not the first.
            let rest = &bytes[at - 1..];
            for (hint, rules) in table.of(last) {
                if rest.get(..hint.len()).is_some_and(|start| start.eq_ignore_ascii_case(hint)) {
                    found |= rules;
                }
            }
        }
        last = byte;
    }
    Suspects(found).with_needs(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_wakes_its_rules_wherever_it_stands_and_in_any_case() {
        for (at, rule) in RULES.iter().enumerate() {
            let need = rule.needs.first().copied().unwrap_or_default();
            for hint in rule.hints {
                assert!(hint.len() >= 2 && *hint == hint.to_ascii_lowercase(), "{hint}");
                for text in
                    [(*hint).to_owned(), format!("é{}", hint.to_ascii_uppercase()), format!("{hint}z")]
                {
                    assert!(suspects(&format!("{text} {need}")).0 & 1 << at != 0, "{text}");
                }
            }
        }
        assert!(RULES.len() < 32);
    }
}
