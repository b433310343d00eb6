//! Which step declares which facts, and which of them another step may use.
//!
//! A step may use a fact that an **earlier** step declares in `outputs`: then it has been published whenever the step is
//! reached, or is missing for a reason that can be told. Its `check` and `undo` run after it, so they may use its own as well:
//! a step that creates a machine publishes its address, by which it is found and removed.

use std::collections::BTreeMap;

/// The facts of a plan: which steps declare each, by position, and what the steps are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    by_key: BTreeMap<String, Vec<usize>>,
    ids: Vec<String>,
    first: BTreeMap<String, usize>,
}

/// Whether a step's own facts may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of earlier steps.
    Earlier,
    /// Those and the step's own.
    EarlierAndOwn,
}

/// Who declares a fact, seen from one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be used; the last step in reach that declares it.
    Usable(usize),
    /// The step itself declares it, and may not use it here.
    Own,
    /// Only a later step, which.
    Later(usize),
    /// Nobody.
    Nowhere,
}

impl Declared {
    /// Notes the next step with the facts that it declares.
    pub(super) fn add<'k>(&mut self, id: &str, keys: impl IntoIterator<Item = &'k str>) {
        for key in keys {
            self.by_key.entry(key.to_owned()).or_default().push(self.ids.len());
        }
        self.first.entry(id.to_owned()).or_insert(self.ids.len());
        self.ids.push(id.to_owned());
    }

    /// What the step at this position is called.
    pub(super) fn id(&self, step: usize) -> Option<&str> {
        self.ids.get(step).map(String::as_str)
    }

    /// The position of the first step of this name.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.first.get(id).copied()
    }

    /// How a fact stands to the step at this position.
    pub(super) fn standing(&self, key: &str, step: usize, reach: Reach) -> Standing {
        let Some(steps) = self.by_key.get(key) else { return Standing::Nowhere };
        let in_reach = |&&by: &&usize| by < step || (by == step && reach == Reach::EarlierAndOwn);
        if let Some(&by) = steps.iter().rev().find(in_reach) {
            return Standing::Usable(by);
        }
        match steps.iter().find(|&&by| by >= step) {
            Some(&by) if by > step => Standing::Later(by),
            _ => Standing::Own,
        }
    }

    /// The facts that the step at this position may use.
    pub(super) fn usable(&self, step: usize, reach: Reach) -> impl Iterator<Item = &str> {
        let usable = move |key: &str| matches!(self.standing(key, step, reach), Standing::Usable(_));
        self.by_key.keys().map(String::as_str).filter(move |key| usable(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fact_stands_by_who_declares_it() {
        let mut declared = Declared::default();
        for (id, keys) in [("first", &["a"][..]), ("second", &["b"]), ("third", &["c", "a"])] {
            declared.add(id, keys.iter().copied());
        }
        let standing = |key, reach| declared.standing(key, 1, reach);
        assert_eq!(standing("a", Reach::Earlier), Standing::Usable(0));
        assert_eq!(standing("b", Reach::Earlier), Standing::Own);
        assert_eq!(standing("b", Reach::EarlierAndOwn), Standing::Usable(1));
        assert_eq!(standing("c", Reach::EarlierAndOwn), Standing::Later(2));
        assert_eq!(standing("d", Reach::EarlierAndOwn), Standing::Nowhere);
        assert_eq!(declared.standing("a", 3, Reach::Earlier), Standing::Usable(2));
        assert_eq!(declared.usable(1, Reach::EarlierAndOwn).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((declared.id(2), declared.id(3)), (Some("third"), None));
    }
}
