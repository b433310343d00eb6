//! A list whose versions share what they have in common, block by block, each block with the JSON text of its members.
//!
//! A transition changes one step of perhaps ten thousand. It copies the list of blocks, and of one block the list of members and the
//! text around the one that changes. Everything else stays where it is, and is written from there.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::pieces::pretty;

/// The members of a block. A transition copies about as many references as there are blocks, and one block: some 300 and 9 KiB
/// where there are 10,000 steps. Larger ones cost a session of 1,000 more than they save one of 10,000.
const MEMBERS: usize = 32;

/// The level of a member's text: it is in a list that is in the document.
const DEPTH: usize = 2;

/// A list of values that never change, but may be replaced.
pub(super) struct Blocks<T>(Vec<Arc<Block<T>>>);

/// All but the last have [`MEMBERS`].
struct Block<T> {
    members: Vec<Arc<T>>,
    /// Once it was asked for.
    text: OnceLock<Text>,
}

/// The members' texts, each with the comma and the line break before it.
struct Text {
    bytes: Vec<u8>,
    /// Where each member's ends.
    ends: Vec<usize>,
}

impl<T> Blocks<T> {
    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * MEMBERS + last.members.len())
    }

    pub(super) fn get(&self, at: usize) -> &Arc<T> {
        &self.0[at / MEMBERS].members[at % MEMBERS]
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> + ExactSizeIterator {
        (0..self.len()).map(|at| self.get(at))
    }
}

impl<T: Serialize> Blocks<T> {
    pub(super) fn set(&mut self, at: usize, value: T) {
        let block = &mut self.0[at / MEMBERS];
        *block = Arc::new(block.with(at % MEMBERS, value));
    }

    /// The members' texts as a JSON list has them, one behind the other, each with a comma before it, the very first too.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(|block| block.text.get_or_init(|| Text::of(&block.members)).bytes.as_slice())
    }
}

impl<T: Serialize> Block<T> {
    fn with(&self, at: usize, value: T) -> Self {
        let text = self.text.get().map_or_else(OnceLock::new, |text| text.with(at, &value).into());
        let mut members = self.members.clone();
        members[at] = Arc::new(value);
        Self { members, text }
    }
}

impl Text {
    fn of<T: Serialize>(members: &[Arc<T>]) -> Self {
        let mut text = Self { bytes: Vec::new(), ends: Vec::with_capacity(members.len()) };
        for member in members {
            add(&mut text.bytes, member.as_ref());
            text.ends.push(text.bytes.len());
        }
        text.bytes.shrink_to_fit();
        text
    }

    /// The same but for one member.
    fn with(&self, at: usize, value: &impl Serialize) -> Self {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = self.ends[at];
        // A time or a short message more.
        let mut bytes = Vec::with_capacity(self.bytes.len() + 128);
        bytes.extend_from_slice(&self.bytes[..start]);
        add(&mut bytes, value);
        let new_end = bytes.len();
        bytes.extend_from_slice(&self.bytes[end..]);
        let mut ends = self.ends.clone();
        ends[at..].iter_mut().for_each(|other| *other = *other - end + new_end);
        Self { bytes, ends }
    }
}

fn add(bytes: &mut Vec<u8>, member: &impl Serialize) {
    bytes.extend_from_slice(b",\n    ");
    pretty(bytes, member, DEPTH);
}

impl<T> FromIterator<Arc<T>> for Blocks<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(members: I) -> Self {
        let mut members = members.into_iter();
        let next =
            || Some(members.by_ref().take(MEMBERS).collect()).filter(|members: &Vec<_>| !members.is_empty());
        Self(
            std::iter::from_fn(next)
                .map(|members| Arc::new(Block { members, text: OnceLock::new() }))
                .collect(),
        )
    }
}

impl<T> Clone for Blocks<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: PartialEq> PartialEq for Blocks<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: fmt::Debug> fmt::Debug for Blocks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(members: usize) -> Blocks<usize> {
        (0..members).map(Arc::new).collect()
    }

    fn text(list: &Blocks<usize>) -> String {
        String::from_utf8(list.texts().flatten().copied().collect()).expect("UTF-8")
    }

    #[test]
    fn list_has_the_members_that_it_was_made_of() {
        for members in [0, 1, MEMBERS - 1, MEMBERS, MEMBERS + 1, 5 * MEMBERS] {
            let list = list(members);
            assert_eq!(list.len(), members);
            assert!(list.iter().map(|member| **member).eq(0..members), "{list:?}");
            assert!(list.iter().rev().map(|member| **member).eq((0..members).rev()), "{list:?}");
        }
    }

    #[test]
    fn text_of_a_changed_list_is_that_of_a_new_one_like_it() {
        let mut changed = list(3 * MEMBERS);
        let before = changed.clone();
        for at in [0, 1, MEMBERS - 1, MEMBERS, 2 * MEMBERS + 7, 3 * MEMBERS - 1, 0] {
            for value in [1_234_567, 8] {
                changed.set(at, value);
                let like_it: Blocks<usize> = changed.iter().cloned().collect();
                assert_eq!(text(&changed), text(&like_it), "{value} at {at}");
            }
        }
        assert_eq!(text(&before), text(&list(3 * MEMBERS)));
    }

    #[test]
    fn blocks_that_are_alike_are_shared_with_their_texts() {
        let one = list(2 * MEMBERS);
        let texts = |list: &Blocks<usize>| list.texts().map(<[u8]>::as_ptr).collect::<Vec<_>>();
        let before = texts(&one);
        let mut other = one.clone();
        other.set(0, 7);
        assert_ne!(texts(&other)[0], before[0]);
        assert_eq!(texts(&other)[1], before[1]);
    }
}
