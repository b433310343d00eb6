//! Where things are in the cluster, and the parts that transactions are made of.
//!
//! ```text
//! PREFIX/locks/NAME/queue/LEASE   who holds (the one created first) and who waits; goes with its lease
//! PREFIX/locks/NAME/unclean       the record of the last holder that has not ended cleanly; stays
//! PREFIX/locks/NAME/fence         token of a holder that was broken; nobody holds before it is gone
//! PREFIX/sessions/NAME            the session
//! PREFIX/kept/NAME.TIME           a session that was set aside
//! ```

use crate::{
    Error,
    wire::{Compare, Compared, Delete, Operation, Order, Put, Range, Relation, Target, Transaction},
};

/// The keys of one lock.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
    name: String,
}

impl Keys {
    /// Those of the lock of this name, which has to be one that a lock in a state directory may have, too.
    pub(crate) fn new(prefix: &str, name: &str) -> Result<Self, Error> {
        let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
        let is_name = (1..=100).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed);
        if !is_name {
            return Err(Error::Name { name: name.to_owned() });
        }
        Ok(Self { prefix: prefix.to_owned(), name: name.to_owned() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Before the keys of the holder and of those who wait.
    pub(crate) fn queue(&self) -> Vec<u8> {
        self.of("queue/")
    }

    /// The key of the one with this lease.
    pub(crate) fn place(&self, lease: i64) -> Vec<u8> {
        self.of(&format!("queue/{lease:016x}"))
    }

    pub(crate) fn unclean(&self) -> Vec<u8> {
        self.of("unclean")
    }

    pub(crate) fn fence(&self) -> Vec<u8> {
        self.of("fence")
    }

    pub(crate) fn session(&self) -> Vec<u8> {
        format!("{}/sessions/{}", self.prefix, self.name).into_bytes()
    }

    /// A session that was set aside at this time.
    pub(crate) fn kept(&self, time: &str) -> Vec<u8> {
        format!("{}/kept/{}.{time}", self.prefix, self.name).into_bytes()
    }

    fn of(&self, rest: &str) -> Vec<u8> {
        format!("{}/locks/{}/{rest}", self.prefix, self.name).into_bytes()
    }
}

/// Before the keys of all locks.
pub(crate) fn locks(prefix: &str) -> Vec<u8> {
    format!("{prefix}/locks/").into_bytes()
}

/// Before the keys of all sessions.
pub(crate) fn sessions(prefix: &str) -> Vec<u8> {
    format!("{prefix}/sessions/").into_bytes()
}

/// A key of no meaning, to try out whether one can be written.
pub(crate) fn trial(prefix: &str) -> Vec<u8> {
    format!("{prefix}/doctor").into_bytes()
}

/// The end of the range of all keys that begin so: the same with its last byte, a `/`, raised by one.
fn end_of(mut prefix: Vec<u8>) -> Vec<u8> {
    if let Some(last) = prefix.last_mut() {
        *last += 1;
    }
    prefix
}

/// Reads one key.
pub(crate) fn get(key: Vec<u8>) -> Range {
    Range { key, ..Range::default() }
}

/// Reads one key as it was at a revision.
pub(crate) fn get_at(key: Vec<u8>, revision: i64) -> Range {
    Range { key, revision, ..Range::default() }
}

/// Reads all keys that begin so, in the order in which they were created.
pub(crate) fn get_all(prefix: Vec<u8>) -> Range {
    let end = end_of(prefix.clone());
    let (order, target) = (Order::Ascend.into(), Target::Create.into());
    Range { key: prefix, end, order, target, ..Range::default() }
}

/// Reads the key, among those that begin so, that was created last before this revision.
pub(crate) fn get_last_before(prefix: Vec<u8>, revision: i64) -> Range {
    Range {
        limit: 1,
        order: Order::Descend.into(),
        keys_only: true,
        max_create_revision: revision - 1,
        ..get_all(prefix)
    }
}

pub(crate) fn reading(range: Range) -> Operation {
    Operation { range: Some(range), ..Operation::default() }
}

/// Puts a value; `lease` 0 for none.
pub(crate) fn putting(key: Vec<u8>, value: Vec<u8>, lease: i64) -> Operation {
    Operation { put: Some(Put { key, value, lease }), ..Operation::default() }
}

pub(crate) fn deleting(key: Vec<u8>) -> Operation {
    Operation { delete: Some(Delete { key, ..Delete::default() }), ..Operation::default() }
}

/// Was the key created at this revision? At 0: is it absent?
pub(crate) fn created_at(key: Vec<u8>, revision: i64) -> Compare {
    Compare { create_revision: Some(revision), ..compare(Compared::Create, key) }
}

/// Was the key last changed at this revision? At 0: is it absent?
pub(crate) fn changed_at(key: Vec<u8>, revision: i64) -> Compare {
    Compare { mod_revision: Some(revision), ..compare(Compared::Mod, key) }
}

/// Has the key this value?
pub(crate) fn has_value(key: Vec<u8>, value: Vec<u8>) -> Compare {
    Compare { value: Some(value), ..compare(Compared::Value, key) }
}

/// Is there no key that begins so?
pub(crate) fn none_of(prefix: Vec<u8>) -> Compare {
    let range_end = end_of(prefix.clone());
    Compare { range_end, ..created_at(prefix, 0) }
}

fn compare(compared: Compared, key: Vec<u8>) -> Compare {
    Compare { relation: Relation::Equal.into(), compared: compared.into(), key, ..Compare::default() }
}

/// A transaction that only reads, all at one revision.
pub(crate) fn reading_all(ranges: impl IntoIterator<Item = Range>) -> Transaction {
    Transaction { success: ranges.into_iter().map(reading).collect(), ..Transaction::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_locks_are_those_of_a_directory() {
        for name in ["a", "a.b-C_9", &"x".repeat(100)] {
            assert!(Keys::new("p", name).is_ok(), "{name}");
        }
        for name in ["", ".a", "a/b", "a b", "ä", &"x".repeat(101)] {
            assert!(Keys::new("p", name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_range_over_one_lock_has_no_key_of_another() {
        let (short, long) = (Keys::new("p", "a").expect("a name"), Keys::new("p", "a-b").expect("a name"));
        let range = get_all(short.of(""));
        let within = |key: &Vec<u8>| *key >= range.key && *key < range.end;
        assert!(within(&short.place(7)) && within(&short.unclean()) && within(&short.fence()));
        assert!(!within(&long.place(7)));
    }
}
