//! The record: the JSON file that says who the holder is.
//!
//! Its first three members, `pid`, `startedAt` and `command`, are the ancestor's, whose clients read them and ignore
//! the rest; everything of ours is in one object `baton`. The record never says *whether* its writer lives: the
//! kernel's lock on it does (I1 in `docs/protocol.md`).
//!
//! This module turns a [`Record`] into bytes, and [`content`] turns bytes into one of four meanings. Both are pure: no file is
//! opened here. What another program or user may have written is believed only as far as it is of the right type and
//! size; it is escaped where it is shown, in [`crate::escape`].

use std::time::SystemTime;

use serde::Serialize;

use crate::{clock, redact};

mod content;

pub(crate) use content::{Content, classify, trim_nuls};

/// A record of ours is never larger, in bytes.
pub(crate) const MAX_WRITTEN: usize = 16 * 1024;

/// A larger file than this, in bytes, is not read.
pub(crate) const MAX_READ: usize = 64 * 1024;

/// The longest command line that a record carries, in bytes, after redaction.
pub(crate) const MAX_COMMAND: usize = 4 * 1024;

/// The longest purpose that a record carries, in bytes, after redaction.
pub(crate) const MAX_PURPOSE: usize = 1024;

/// The first process of a pid namespace, which ends last.
const FIRST_PROCESS: u32 = 1;

/// How many bytes one byte of a text takes in JSON at most: a control character.
const ESCAPED: usize = 6;

/// More than what a record has besides its texts, in bytes.
const REST: usize = 1024;

/// What a record of ours ends with, and nothing within it does: what it contains is indented.
pub(crate) const END: &[u8] = b"\n}";

/// The version of the `baton` object that this library writes.
pub(crate) const VERSION: u64 = 1;

/// What a record says of a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The process id of the holder, in its own pid namespace.
    pub pid: u32,
    /// When it acquired the lock: ISO-8601, UTC, milliseconds.
    pub started_at: Option<String>,
    /// Its command line, secrets redacted.
    pub command: Option<String>,
    /// What only Baton writes; `None` in a record of the ancestor's.
    pub baton: Option<Details>,
    /// What the ancestor's later clients may add.
    pub(crate) ancestor: AncestorIdentity,
}

/// The `baton` object of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is one mark of the record on disk")]
pub struct Details {
    /// The version of this object; a newer one is still Baton's.
    pub version: u64,
    /// The fencing token of this acquisition.
    pub token: Option<u64>,
    /// The boot of the holder's kernel.
    pub boot_id: Option<String>,
    /// The holder's host.
    pub host: Option<String>,
    /// The holder's user.
    pub user: Option<String>,
    /// Clock ticks from boot to the holder's start.
    pub process_start: Option<u64>,
    /// The holder's pid namespace, such as `pid:[4026531836]`.
    pub pid_namespace: Option<String>,
    /// Why the lock is held, in the holder's words.
    pub purpose: Option<String>,
    /// The holder was replaced by another program (`baton run --exec`), so that nobody was left to end the lock
    /// cleanly: its end can't be told from a crash.
    pub exec: bool,
    /// The lock was released cleanly and the record only keeps the token (flock naming).
    pub released: bool,
    /// Whoever wrote this took over from a holder that left no readable record, and gave up before holding: it stands for
    /// that one, and names nobody.
    pub stands_for_unknown: bool,
    /// Its holder is one of several who share the lock. In the one record that these have together, which names none of them,
    /// `pid` is 1; in that of one of them it is its own.
    pub shared: bool,
    /// In the record that those who share a lock have together: the pid of the first of them.
    pub first: Option<u32>,
    /// In the same: the record of a holder that died before them, and after whom nobody has put things right yet.
    pub unrepaired: Option<Box<Record>>,
}

/// Members that later versions of the ancestor may write, to be honoured when present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AncestorIdentity {
    pub(crate) host: Option<String>,
    pub(crate) pid_namespace: Option<String>,
    /// `linux:<boot id>:<start ticks>`.
    pub(crate) process_start: Option<String>,
}

impl Record {
    /// The fencing token, if the record has one.
    pub fn token(&self) -> Option<u64> {
        self.baton.as_ref().and_then(|baton| baton.token)
    }

    /// When the holder acquired the lock, if the record says it readably.
    pub fn started(&self) -> Option<SystemTime> {
        clock::parse(self.started_at.as_deref()?)
    }

    /// Reads what [`to_json`](Self::to_json) wrote, this version's or a later one's; `None` if it is anything else.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        match classify(bytes) {
            Content::Baton(record) => Some(record),
            Content::Ancestor(_) | Content::Incomplete | Content::Foreign => None,
        }
    }

    pub(crate) fn stands_for_unknown(&self) -> bool {
        self.baton.as_ref().is_some_and(|baton| baton.stands_for_unknown)
    }

    /// The same, for a holder that left no readable record: whoever wrote this never held.
    pub(crate) fn standing_for_unknown(&self) -> Self {
        let mut standing = self.clone();
        if let Some(baton) = &mut standing.baton {
            baton.stands_for_unknown = true;
        }
        standing
    }

    /// The same, with a token that is not below `least`, if it has one at all.
    pub(crate) fn with_token_from(&self, least: u64) -> Self {
        let mut raised = self.clone();
        if let Some(baton) = &mut raised.baton {
            baton.token = Some(baton.token.unwrap_or(0).max(least));
        }
        raised
    }

    pub(crate) fn is_released(&self) -> bool {
        self.baton.as_ref().is_some_and(|baton| baton.released)
    }

    /// Is it of one, or all, of those who share the lock?
    pub fn is_shared(&self) -> bool {
        self.baton.as_ref().is_some_and(|baton| baton.shared)
    }

    /// The record of a holder that died before those who share the lock, and after whom nobody has put things right yet.
    pub(crate) fn unrepaired(&self) -> Option<&Self> {
        self.baton.as_ref()?.unrepaired.as_deref()
    }

    /// Does an unlocked record like this one tell of nobody's death? One that was marked as released; or one of readers, who
    /// leave nothing half done.
    pub(crate) fn tells_of_nobody(&self) -> bool {
        self.is_released() || (self.is_shared() && self.unrepaired().is_none())
    }

    /// The same, for one of those who share the lock, or want to.
    pub(crate) fn shared(mut self) -> Self {
        if let Some(baton) = &mut self.baton {
            baton.shared = true;
        }
        self
    }

    /// The record that all have together who share the lock, made of that of the first of them.
    ///
    /// Its pid is 1: the ancestor's clients take a record for left over when the process that it names is gone, and the first one may
    /// go before the others. That of pid 1 never is, and has started before.
    pub(crate) fn of_group(&self, unrepaired: Option<&Self>) -> Self {
        let mut group = Self { pid: FIRST_PROCESS, ..self.clone() };
        if let Some(baton) = &mut group.baton {
            baton.shared = true;
            baton.first = Some(self.pid);
            baton.unrepaired = unrepaired.cloned().map(Box::new);
        }
        group.fit();
        if group.to_json().len() > MAX_WRITTEN
            && let Some(baton) = &mut group.baton
        {
            // No record of ours is so long: what can't be carried is not to be forgotten either.
            baton.unrepaired = Some(Box::new(self.standing_for_unknown()));
        }
        group
    }

    /// The same, marked as cleanly released: it only keeps the token.
    pub(crate) fn released(&self) -> Self {
        let mut released = self.clone();
        if let Some(baton) = &mut released.baton {
            baton.released = true;
        }
        released
    }

    /// Shortens command and purpose until the JSON is within [`MAX_WRITTEN`]: a control character takes six bytes there.
    pub(crate) fn fit(&mut self) {
        if self.unrepaired().is_none() && self.texts() * ESCAPED + REST <= MAX_WRITTEN {
            return;
        }
        // Ends because both halve each time, and the rest of a record is far below the limit.
        for divisor in [2, 4, 8, 16] {
            if self.to_json().len() <= MAX_WRITTEN {
                return;
            }
            self.shorten(divisor);
        }
    }

    /// With that of a dead holder, if it carries one.
    fn shorten(&mut self, divisor: usize) {
        self.command = self.command.take().map(|text| limited(&text, MAX_COMMAND / divisor));
        if let Some(baton) = &mut self.baton {
            baton.purpose = baton.purpose.take().map(|text| limited(&text, MAX_PURPOSE / divisor));
            if let Some(unrepaired) = &mut baton.unrepaired {
                unrepaired.shorten(divisor);
            }
        }
    }

    /// How long all of its texts are together, in bytes.
    fn texts(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let details = self.baton.as_ref().map_or(0, |baton| {
            let Details { boot_id, host, user, pid_namespace, purpose, .. } = baton;
            [boot_id, host, user, pid_namespace, purpose].into_iter().map(length).sum()
        });
        length(&self.started_at) + length(&self.command) + details
    }

    /// The record as JSON, in the shape in which it is on disk.
    pub fn to_json(&self) -> String {
        let mut json = Vec::with_capacity(self.texts() + REST / 2);
        // Only maps with keys that are not strings and failing writers can make this fail; there are none here.
        let _ = serde_json::to_writer_pretty(&mut json, &self.written());
        String::from_utf8(json).unwrap_or_default()
    }

    fn written(&self) -> Written<'_> {
        Written {
            pid: self.pid,
            started_at: self.started_at.as_deref(),
            command: self.command.as_deref(),
            host_identity: self.ancestor.host.as_deref(),
            pid_namespace_identity: self.ancestor.pid_namespace.as_deref(),
            process_start_identity: self.ancestor.process_start.as_deref(),
            baton: self.baton.as_ref().map(|baton| WrittenDetails {
                version: baton.version,
                token: baton.token,
                boot_id: baton.boot_id.as_deref(),
                host: baton.host.as_deref(),
                user: baton.user.as_deref(),
                process_start: baton.process_start,
                pid_namespace: baton.pid_namespace.as_deref(),
                purpose: baton.purpose.as_deref(),
                exec: baton.exec.then_some(true),
                released: baton.released.then_some(true),
                stands_for_unknown: baton.stands_for_unknown.then_some(true),
                shared: baton.shared.then_some(true),
                first: baton.first,
                unrepaired: baton.unrepaired.as_ref().map(|record| Box::new(record.written())),
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    pid: u32,
    started_at: Option<&'a str>,
    command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid_namespace_identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_start_identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baton: Option<WrittenDetails<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDetails<'a> {
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
    boot_id: Option<&'a str>,
    host: Option<&'a str>,
    user: Option<&'a str>,
    process_start: Option<u64>,
    pid_namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exec: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stands_for_unknown: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unrepaired: Option<Box<Written<'a>>>,
}

/// Redacts and limits a text that goes into a record.
pub(crate) fn limited(text: &str, most: usize) -> String {
    let redacted = redact::text(text);
    if redacted.len() <= most {
        return redacted.into_owned();
    }
    let mark = "…";
    let mut end = most - mark.len();
    while !redacted.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}", &redacted[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours() -> Record {
        Record {
            pid: 4127,
            started_at: Some("2026-01-31T09:30:00.000Z".into()),
            command: Some("deploy prod".into()),
            baton: Some(Details {
                version: VERSION,
                token: Some(1_763_960_000_000_000),
                host: Some("ci-7".into()),
                ..Details::default()
            }),
            ancestor: AncestorIdentity::default(),
        }
    }

    #[test]
    fn record_survives_writing_and_reading() {
        assert_eq!(classify(ours().to_json().as_bytes()), Content::Baton(ours()));
    }

    #[test]
    fn record_of_a_group_carries_that_of_a_dead_holder_once_and_names_no_process_that_can_end() {
        let mut ancestors = Record { pid: 77, baton: None, ..ours() };
        ancestors.ancestor.host = Some("h".into());
        for dead in [ours(), ancestors] {
            let group = ours().of_group(Some(&dead));
            assert_eq!((group.pid, group.token()), (1, ours().token()));
            assert_eq!(group.baton.as_ref().and_then(|baton| baton.first), Some(4127));
            assert_eq!(classify(group.to_json().as_bytes()), Content::Baton(group.clone()));
            assert_eq!(group.unrepaired(), Some(&dead));
            assert!(!group.tells_of_nobody() && ours().of_group(None).tells_of_nobody());
            let twice = ours().of_group(Some(&group));
            let Content::Baton(read) = classify(twice.to_json().as_bytes()) else {
                panic!("not taken for Baton's")
            };
            assert_eq!(read.unrepaired().and_then(Record::unrepaired), None);
        }
    }

    #[test]
    fn record_of_a_group_is_within_the_limit_whatever_it_carries() {
        let long = Record { command: Some("\u{1}".repeat(MAX_READ)), ..ours() };
        let group = long.of_group(Some(&long));
        assert!(group.to_json().len() <= MAX_WRITTEN, "{}", group.to_json().len());
    }

    #[test]
    fn record_has_the_ancestors_shape_on_disk() {
        let json = ours().to_json();
        assert!(json.starts_with(
            "{\n  \"pid\": 4127,\n  \"startedAt\": \"2026-01-31T09:30:00.000Z\",\n  \"command\": \"deploy prod\",\n"
        ));
        assert!(json.ends_with('}'), "no newline at the end");
    }

    #[test]
    fn every_proper_prefix_of_a_record_is_incomplete() {
        let json = ours().to_json();
        for end in 0..json.len() {
            assert_eq!(classify(&json.as_bytes()[..end]), Content::Incomplete, "{end} bytes");
        }
    }

    #[test]
    fn long_text_is_cut_at_a_character_within_the_limit() {
        let cut = limited(&"ä".repeat(5000), MAX_COMMAND);
        assert!(cut.len() <= MAX_COMMAND && cut.ends_with('…'));
        assert_eq!(limited("short", MAX_COMMAND), "short");
    }

    proptest! {
        #[test]
        fn any_command_and_purpose_survive(command in ".{0,80}", purpose in ".{0,80}") {
            let mut record = ours();
            record.command = Some(command);
            if let Some(baton) = &mut record.baton { baton.purpose = Some(purpose); }
            prop_assert_eq!(classify(record.to_json().as_bytes()), Content::Baton(record));
        }
    }
}
