//! What the bytes of a file at the record's name mean, which may be anybody's.
//!
//! Any type that a member has is read: one of the wrong type counts as not being there, and does not make the whole unreadable.
//! Whoever finds a lock busy waits for this, so that it is one pass, in which only what a record knows by its name is kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{AncestorIdentity, Details, Record};

/// What the bytes of a file at the record's name mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Baton's own.
    Baton(Record),
    /// Written by a client of the ancestor.
    Ancestor(Record),
    /// Empty, all NUL, the beginning of a JSON object, or a record of Baton's that is not whole: what a crash or a power cut leaves of a record.
    Incomplete,
    /// Nothing that a lock's client has written.
    Foreign,
}

/// Says what the content of a file at the record's name means.
pub(crate) fn classify(bytes: &[u8]) -> Content {
    let text = trim_nuls(bytes);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Content::Incomplete;
    }
    // Looked at for being text as a whole, which is faster than string by string.
    let read = match str::from_utf8(text) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(text),
    };
    match read {
        Ok(Given::Object(members)) if text.len() == bytes.len() => meaning(members),
        Err(error) if error.is_eof() && begins_an_object(text) => Content::Incomplete,
        Ok(_) | Err(_) if is_torn(text) => Content::Incomplete,
        Ok(_) | Err(_) => Content::Foreign,
    }
}

/// Is it of the form of Baton's own, whatever stands in the middle or at the end? A ticket that became a record was written over, and a power cut can
/// leave one part of the one and another part of the other, or the length of the one and the text of the other. Up to here they are alike.
fn is_torn(text: &[u8]) -> bool {
    const BEGINNING: &[u8] = b"{\n  \"pid\": ";
    const OWN: &[u8] = b"\n  \"baton\": {\n    \"version\": ";
    text.starts_with(BEGINNING) && text.windows(OWN.len()).any(|part| part == OWN)
}

/// Without the NULs at its end: what a file that was not fsynced may have instead of its text after a power cut.
pub(crate) fn trim_nuls(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn begins_an_object(text: &[u8]) -> bool {
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

fn meaning(mut members: Members) -> Content {
    let Some(pid) = members.get(Name::Pid).and_then(process_id) else { return Content::Foreign };
    if let Some(details) = members.take(Name::Baton).and_then(details) {
        return Content::Baton(record(members, pid, Some(details)));
    }
    // All three must be there and of the right type: many a program's state file has a `pid`.
    let is_ancestors = [Name::StartedAt, Name::Command]
        .iter()
        .all(|&name| matches!(members.get(name), Some(Given::Text(_) | Given::Null)));
    if is_ancestors { Content::Ancestor(record(members, pid, None)) } else { Content::Foreign }
}

fn record(mut members: Members, pid: u32, baton: Option<Details>) -> Record {
    let mut text = |name| members.text(name);
    Record {
        pid,
        started_at: text(Name::StartedAt),
        command: text(Name::Command),
        baton,
        ancestor: AncestorIdentity {
            host: text(Name::HostIdentity),
            pid_namespace: text(Name::PidNamespaceIdentity),
            process_start: text(Name::ProcessStartIdentity).or_else(|| text(Name::ProcessGeneration)),
        },
    }
}

/// A pid that a process can have: positive, and small enough for the kernel's type. JavaScript may have written it
/// as `12.0`.
fn process_id(value: &Given) -> Option<u32> {
    let number = match value {
        Given::Whole(number) => *number,
        Given::Fraction(number) => whole(*number)?,
        _ => return None,
    };
    u32::try_from(number).ok().filter(|&pid| pid > 0 && i32::try_from(pid).is_ok())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number)).then_some(number as u64)
}

/// Reads the `baton` object. Only its version has to be there: a newer version is free in all else.
fn details(value: Given) -> Option<Details> {
    let Given::Object(mut members) = value else { return None };
    Some(Details {
        version: members.number(Name::Version)?,
        token: members.number(Name::Token),
        boot_id: members.text(Name::BootId),
        host: members.text(Name::Host),
        user: members.text(Name::User),
        process_start: members.number(Name::ProcessStart),
        pid_namespace: members.text(Name::PidNamespace),
        purpose: members.text(Name::Purpose),
        exec: members.is_set(Name::Exec),
        released: members.is_set(Name::Released),
        stands_for_unknown: members.is_set(Name::StandsForUnknown),
        shared: members.is_set(Name::Shared),
        first: members.get(Name::First).and_then(process_id),
        unrepaired: members.take(Name::Unrepaired).and_then(unrepaired).map(Box::new),
    })
}

/// The record of a dead holder in another one. It carries none itself, so that records don't grow from one to the next.
fn unrepaired(value: Given) -> Option<Record> {
    let Given::Object(mut members) = value else { return None };
    if let Some(Given::Object(baton)) = members.get_mut(Name::Baton) {
        baton.take(Name::Unrepaired);
    }
    match meaning(members) {
        Content::Baton(record) | Content::Ancestor(record) => Some(record),
        Content::Incomplete | Content::Foreign => None,
    }
}

/// The names of a record's members, those of its `baton` object among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Name {
    Pid,
    StartedAt,
    Command,
    HostIdentity,
    PidNamespaceIdentity,
    ProcessStartIdentity,
    ProcessGeneration,
    Baton,
    Version,
    Token,
    BootId,
    Host,
    User,
    ProcessStart,
    PidNamespace,
    Purpose,
    Exec,
    Released,
    StandsForUnknown,
    Shared,
    First,
    Unrepaired,
    #[serde(other)]
    Unknown,
}

/// More than a record or its `baton` object have.
const MEMBERS: usize = 16;

/// The members of an object that have a name of a record's; of two with one name the later one.
#[derive(Debug)]
struct Members(Vec<(Name, Given)>);

impl Members {
    fn set(&mut self, name: Name, value: Given) {
        match self.get_mut(name) {
            Some(earlier) => *earlier = value,
            None => self.0.push((name, value)),
        }
    }

    fn get(&self, name: Name) -> Option<&Given> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn get_mut(&mut self, name: Name) -> Option<&mut Given> {
        self.0.iter_mut().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn take(&mut self, name: Name) -> Option<Given> {
        self.get_mut(name).map(|value| std::mem::replace(value, Given::Other))
    }

    /// Anything else that has the name is no text.
    fn text(&mut self, name: Name) -> Option<String> {
        match self.take(name)? {
            Given::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self, name: Name) -> Option<u64> {
        match self.get(name)? {
            Given::Whole(number) => Some(*number),
            _ => None,
        }
    }

    fn is_set(&self, name: Name) -> bool {
        matches!(self.get(name), Some(Given::True))
    }
}

/// A JSON value, as far as it can mean anything in a record.
#[derive(Debug)]
enum Given {
    Null,
    True,
    /// Not negative.
    Whole(u64),
    Fraction(f64),
    Text(String),
    Object(Members),
    Other,
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Given;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, is_true: bool) -> Result<Given, E> {
        Ok(if is_true { Given::True } else { Given::Other })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        Ok(Given::Whole(number))
    }

    // Only of negative ones.
    fn visit_i64<E>(self, _: i64) -> Result<Given, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Given, A::Error> {
        while let Some(_passed_over) = list.next_element::<Given>()? {}
        Ok(Given::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Given, A::Error> {
        let mut members = Members(Vec::with_capacity(MEMBERS));
        while let Some((name, value)) = object.next_entry()? {
            if name != Name::Unknown {
                members.set(name, value);
            }
        }
        Ok(Given::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_power_cut_leaves_is_incomplete() {
        for bytes in [&b""[..], b"\0\0\0", b"\n", b"{", b"{\"pid\": 12\0\0\0\0"] {
            assert_eq!(classify(bytes), Content::Incomplete, "{bytes:?}");
        }
    }

    #[test]
    fn what_no_lock_client_wrote_is_foreign() {
        for text in [
            "#!/bin/sh\n",
            "[]",
            "[",
            "12",
            "{\"name\": \"x\", \"version\": \"1.0.0\"}",
            "{\"pid\": 5}",
            "{\"pid\": 5, \"startedAt\": null}",
            "{\"pid\": 0, \"startedAt\": null, \"command\": null}",
            "{\"pid\": -5, \"startedAt\": null, \"command\": null}",
            "{\"pid\": 4294967295, \"startedAt\": null, \"command\": null}",
            "{\"pid\": \"5\", \"startedAt\": null, \"command\": null}",
            "{\"pid\": 5, \"startedAt\": 1, \"command\": null}",
            "{\"pid\": 5, \"startedAt\": null, \"command\": null} trailing",
            "{\"baton\": {\"version\": 1}}",
            "{\"pid\": 5, \"baton\": {\"version\": \"1.0\"}}",
            "{nonsense",
        ] {
            assert_eq!(classify(text.as_bytes()), Content::Foreign, "{text}");
        }
        assert_eq!(classify(b"{\"pid\": 5, \"startedAt\": null, \"command\": null}\0"), Content::Foreign);
    }

    #[test]
    fn newer_version_with_other_types_is_still_batons() {
        let text = r#"{"pid": 7, "baton": {"version": 9, "token": "abc", "host": {"id": 4}}}"#;
        let Content::Baton(record) = classify(text.as_bytes()) else { panic!("not taken for Baton's") };
        assert_eq!(record.baton.map(|baton| baton.version), Some(9));
    }

    #[test]
    fn ancestors_record_is_read_with_its_later_members() {
        let text = r#"{"pid": 7, "startedAt": null, "command": "x", "hostIdentity": "h", "extra": [1],
            "processGeneration": "linux:b:5"}"#;
        let Content::Ancestor(record) = classify(text.as_bytes()) else {
            panic!("not taken for the ancestor's")
        };
        assert_eq!(record.ancestor.host.as_deref(), Some("h"));
        assert_eq!(record.ancestor.process_start.as_deref(), Some("linux:b:5"));
    }

    #[test]
    fn of_two_members_with_one_name_the_later_one_counts() {
        let text = r#"{"pid": 5, "pid": "x", "startedAt": null, "command": null}"#;
        assert_eq!(classify(text.as_bytes()), Content::Foreign);
        let text = r#"{"pid": 5, "baton": {"version": 1}, "baton": 1, "pid": 7, "startedAt": null, "command": null}"#;
        let Content::Ancestor(record) = classify(text.as_bytes()) else {
            panic!("not taken for the ancestor's")
        };
        assert_eq!(record.pid, 7);
    }

    proptest! {
        #[test]
        fn classifying_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _meaning = classify(&bytes);
        }
    }

    /// After a power cut each block of the file is as it was or as it became, and its length too.
    #[test]
    fn ticket_that_a_power_cut_left_half_a_record_is_incomplete_wherever_it_is_torn() {
        let [old, new] = [None, Some(1_763_960_000_000_000)]
            .map(|token| crate::Lock::options().record(token).to_json().into_bytes());
        assert!(old.len() < new.len());
        let mut longer = old.clone();
        longer.resize(new.len(), 0);
        let is_ours = |bytes: &[u8]| matches!(classify(bytes), Content::Incomplete | Content::Baton(_));
        for torn in 0..=new.len() {
            assert!(is_ours(&[&new[..torn], &longer[torn..]].concat()), "new up to {torn}");
            assert!(is_ours(&[&longer[..torn], &new[torn..]].concat()), "old up to {torn}");
            assert!(is_ours(&new[..torn]), "cut off at {torn}");
        }
        for foreign in
            ["{\n  \"pid\": 5,\n  \"x\": }", "// {\n  \"pid\": 1\n  \"baton\": {\n    \"version\": 1"]
        {
            assert_eq!(classify(foreign.as_bytes()), Content::Foreign);
        }
    }
}
