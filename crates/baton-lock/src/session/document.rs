//! What the bytes of a session file mean, and the bytes of a session. Pure.
//!
//! A file is believed only as a whole. First it is asked what it is: a session of a newer version may have any shape but for
//! its `baton.version`, so that is looked for before anything else. What is no JSON, or not of the right types, is corrupt:
//! it is reported with its place, and never taken for absent, since that would start the job from nothing on top of what
//! it had done.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attempts;
use super::blocks::Blocks;
use super::facts::Facts;
use super::migrate::{self, MIGRATIONS, Migration};
use super::model::{Attempt, Failure, Origin, Session, Status, Step, Unknown};
use super::pieces::{Piece, pretty};
use crate::redact;

/// The version of the session file that this library writes.
pub const VERSION: u64 = 1;

/// The largest session file, in bytes: 4 MiB, enough for some 10,000 steps. It is written whole at every change.
pub const MAX_SIZE: usize = 4 << 20;

/// Why bytes are no session that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Corrupt {
        place: Option<Place>,
        reason: String,
    },
    Newer {
        version: u64,
    },
    /// Nothing that Baton has written.
    Foreign {
        reason: &'static str,
    },
}

/// Where a file went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In bytes, from 0.
    pub(crate) offset: usize,
    /// From 1.
    pub(crate) line: usize,
    /// In bytes, from 1.
    pub(crate) column: usize,
}

/// As much as has to be known before the rest is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    baton: Option<Value>,
    version: Option<Value>,
    session_id: Option<IgnoredAny>,
}

#[derive(Serialize)]
struct WrittenBaton<'a> {
    version: u64,
    token: u64,
    revision: u64,
    #[serde(flatten)]
    unknown: &'a Unknown,
}

#[derive(Deserialize)]
struct Baton {
    /// Read already, by [`Probe`].
    #[serde(rename = "version")]
    _version: IgnoredAny,
    token: u64,
    revision: u64,
    #[serde(flatten)]
    unknown: Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    baton: Baton,
    session_id: String,
    name: String,
    plan: String,
    status: Status,
    started_at: String,
    updated_at: String,
    attempts: Vec<Attempt>,
    failure: Option<Failure>,
    facts: IndexMap<String, String>,
    #[serde(default)]
    withheld: IndexSet<String>,
    steps: Vec<Step>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Reads a session.
pub(super) fn parse(bytes: &[u8]) -> Result<Session, Fault> {
    parse_by(bytes, MIGRATIONS)
}

/// The same with a table of migrations of its own.
pub(super) fn parse_by(bytes: &[u8], migrations: &[Migration]) -> Result<Session, Fault> {
    let version = version_of(bytes)?;
    if version > VERSION {
        return Err(Fault::Newer { version });
    }
    let read: Read = if version == VERSION {
        serde_json::from_slice(bytes).map_err(|error| corrupt(bytes, &error))?
    } else {
        migrated(bytes, version, migrations)?
    };
    let session = read.into_session();
    attempts::check_read(&session).map_err(|reason| Fault::Corrupt { place: None, reason })?;
    Ok(session)
}

fn migrated(bytes: &[u8], version: u64, migrations: &[Migration]) -> Result<Read, Fault> {
    let document: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| corrupt(bytes, &error))?;
    let unplaced = |reason| Fault::Corrupt { place: None, reason };
    let document = migrate::migrate(document, version, VERSION, migrations).map_err(unplaced)?;
    serde_json::from_value(Value::Object(document)).map_err(|error| unplaced(error.to_string()))
}

/// The version of a file that can be Baton's.
fn version_of(bytes: &[u8]) -> Result<u64, Fault> {
    match bytes.iter().position(|byte| !byte.is_ascii_whitespace()) {
        None => {
            let place = Some(Place { offset: 0, line: 1, column: 1 });
            return Err(Fault::Corrupt { place, reason: "it is empty".to_owned() });
        }
        // A power cut on a filesystem that keeps sizes but not content.
        Some(at) if bytes[at] != b'{' && bytes[at] != 0 => {
            return Err(Fault::Foreign { reason: "it is no JSON object" });
        }
        Some(_) => {}
    }
    let probe: Probe = serde_json::from_slice(bytes).map_err(|error| corrupt(bytes, &error))?;
    match &probe.baton {
        Some(Value::Object(baton)) => baton
            .get("version")
            .and_then(Value::as_u64)
            .ok_or_else(|| Fault::Corrupt { place: None, reason: "`baton.version` is no number".to_owned() }),
        _ if probe.version.is_some() && probe.session_id.is_some() => Err(Fault::Foreign {
            reason: "it is a session of the ancestor's, which is kept under a name of its own",
        }),
        _ => Err(Fault::Foreign { reason: "it has no object `baton`" }),
    }
}

/// What serde says, without the place in its text and with the place as numbers.
pub(super) fn corrupt(bytes: &[u8], error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let reason = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text).to_owned();
    let place = if error.is_eof() { end(bytes) } else { place(bytes, line, column) };
    Fault::Corrupt { place: Some(place), reason }
}

/// The place behind the last byte.
fn end(bytes: &[u8]) -> Place {
    let start = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let line = bytes.split(|&byte| byte == b'\n').count();
    Place { offset: bytes.len(), line, column: bytes.len() - start + 1 }
}

/// serde counts lines from 1, columns in bytes; column 0 is the line break before the line.
fn place(bytes: &[u8], line: usize, column: usize) -> Place {
    let breaks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = std::iter::once(0).chain(breaks).nth(line.saturating_sub(1)).unwrap_or(bytes.len());
    let column = column.max(1);
    Place { offset: (start + column - 1).min(bytes.len()), line, column }
}

impl Read {
    fn into_session(self) -> Session {
        let owned = |mut step: Step| {
            step.facts.retain(|key| self.facts.contains_key(key));
            step
        };
        let steps = self.steps.into_iter().map(redacted_step).map(owned).map(Arc::new).collect();
        let withheld = self.withheld.into_iter().filter(|key| self.facts.contains_key(key)).collect();
        let origin = Origin {
            id: self.session_id,
            name: self.name,
            plan: self.plan,
            started_at: self.started_at,
            unknown_of_baton: self.baton.unknown,
            unknown: self.unknown,
        };
        Session {
            token: self.baton.token,
            revision: self.baton.revision,
            origin: Arc::new(origin),
            status: self.status,
            updated_at: self.updated_at,
            attempts: self.attempts.into_iter().map(Arc::new).collect(),
            failure: self.failure.map(redacted_failure),
            facts: Piece::new(Facts { values: self.facts, withheld }),
            steps,
        }
    }
}

/// Somebody may have written a message by hand, or a release with fewer rules.
fn redacted_failure(failure: Failure) -> Failure {
    Failure { message: redact::failure(&failure.message), ..failure }
}

fn redacted_step(step: Step) -> Step {
    Step { error: step.error.as_deref().map(redact::failure), ..step }
}

/// The bytes of a session.
pub(super) fn written(session: &Session) -> Written<'_> {
    let origin = &session.origin;
    let mut page = Page(Written { own: Vec::with_capacity(2 * SMALL), shared: Vec::new() });
    page.own(b"{");
    page.baton(session);
    page.text("sessionId", &origin.id);
    page.text("name", &origin.name);
    page.text("plan", &origin.plan);
    page.text("status", session.status.as_str());
    page.text("startedAt", &origin.started_at);
    page.text("updatedAt", &session.updated_at);
    page.list("attempts", &session.attempts);
    page.member("failure", &session.failure);
    page.name("facts");
    page.share(session.facts.text(1));
    let withheld = &session.facts.get().withheld;
    if !withheld.is_empty() {
        page.member("withheld", withheld);
    }
    page.list("steps", session.steps.list());
    for (name, value) in &origin.unknown {
        page.unknown(name, value);
    }
    page.own(b"\n}");
    page.0
}

/// Texts below this are copied, which costs less than that they are apart.
const SMALL: usize = 4096;

/// The bytes of a session, of which those that it shares with others are where they were made.
pub(super) struct Written<'s> {
    own: Vec<u8>,
    /// With where in `own` each stands.
    shared: Vec<(usize, &'s [u8])>,
}

impl Written<'_> {
    pub(super) fn len(&self) -> usize {
        self.own.len() + self.shared.iter().map(|(_, text)| text.len()).sum::<usize>()
    }

    /// The parts that make up the whole, one behind the other.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        let mut parts = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut done = 0;
        for (at, text) in &self.shared {
            parts.extend([&self.own[done..*at], text]);
            done = *at;
        }
        parts.push(&self.own[done..]);
        parts
    }
}

/// The outermost object being written, laid out as [`pretty`] does.
struct Page<'s>(Written<'s>);

impl<'s> Page<'s> {
    fn own(&mut self, text: &[u8]) {
        self.0.own.extend_from_slice(text);
    }

    fn share(&mut self, text: &'s [u8]) {
        if text.len() < SMALL {
            self.own(text);
        } else {
            self.0.shared.push((self.0.own.len(), text));
        }
    }

    /// A name in which nothing has to be escaped.
    fn name(&mut self, name: &str) {
        self.own(if self.0.own.len() == 1 { b"\n  \"" } else { b",\n  \"" });
        self.own(name.as_bytes());
        self.own(b"\": ");
    }

    fn unknown(&mut self, name: &str, value: &Value) {
        self.own(b",\n  ");
        pretty(&mut self.0.own, &name, 1);
        self.own(b": ");
        pretty(&mut self.0.own, value, 1);
    }

    fn member(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        pretty(&mut self.0.own, value, 1);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.member(name, &text);
    }

    fn baton(&mut self, session: &Session) {
        let (token, revision) = (session.token, session.revision);
        let baton =
            WrittenBaton { version: VERSION, token, revision, unknown: &session.origin.unknown_of_baton };
        self.member("baton", &baton);
    }

    fn list<T: Serialize>(&mut self, name: &str, list: &'s Blocks<T>) {
        self.name(name);
        self.own(b"[");
        let mut texts = list.texts();
        if let Some(first) = texts.next() {
            // It has a comma before it too.
            self.share(&first[1..]);
            texts.for_each(|text| self.share(text));
            self.own(b"\n  ");
        }
        self.own(b"]");
    }
}
