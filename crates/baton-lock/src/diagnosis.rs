//! What a lock's state is, why, and the way forward, in the same words for every caller.
//!
//! A message about a lock says who, where, since when and what next. It never advises to delete a file: whatever it is, a
//! live holder may own it, and nobody who follows the advice checks again first. Everything that stems from a record is
//! escaped here.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lock::Naming;
use crate::processes::Process;
use crate::record::Record;
use crate::{clock, escape};

/// The state of a lock, as far as it can be told without taking it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Nobody holds it, and the last holder ended cleanly.
    Free,
    /// Nobody holds it; the last holder died or ended uncleanly. The next one acquires it *recovered*.
    LeftOver,
    /// Its record is empty or cut off, and too young to be taken for left over: somebody may be writing it.
    Incomplete {
        /// After this time it counts as left over.
        ages_out_in: Duration,
    },
    /// A Baton holder lives: the kernel says so.
    Held,
    /// Somebody has the guard locked and has published no record (yet).
    Acquiring,
    /// A program that is no client of the lock holds an `flock` on its file.
    ForeignFlock,
    /// A record that nobody of Baton's holds is open in some process, which may be about to write it.
    OpenElsewhere,
    /// Its record was written by a client of the ancestor.
    Ancestor(AncestorState),
    /// Its record was written on another host, whose kernel locks may not be seen here.
    OtherHost,
    /// What is there can't be a lock's file or is not safe to use.
    Unsafe {
        /// What is wrong, and with which file.
        reason: String,
    },
    /// The file was not written by any client of a lock.
    NotALockFile {
        /// What is wrong, and with which file.
        reason: String,
    },
}

/// What is known of an ancestor's client that a record names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AncestorState {
    /// Its process lives.
    Alive,
    /// Whether it lives can't be told here.
    Unverified,
    /// It runs on another host.
    OtherHost,
    /// Its pid is one of another pid namespace.
    OtherPidNamespace,
}

impl State {
    /// The state in one word, as JSON output has it; the words are stable.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::LeftOver => "left_over",
            Self::Incomplete { .. } => "incomplete",
            Self::Held => "held",
            Self::Acquiring => "acquiring",
            Self::ForeignFlock => "foreign_flock",
            Self::OpenElsewhere => "open_elsewhere",
            Self::Ancestor(AncestorState::Alive) => "ancestor_alive",
            Self::Ancestor(AncestorState::Unverified) => "ancestor_unverified",
            Self::Ancestor(AncestorState::OtherHost) => "ancestor_other_host",
            Self::Ancestor(AncestorState::OtherPidNamespace) => "ancestor_other_pid_namespace",
            Self::OtherHost => "other_host",
            Self::Unsafe { .. } => "unsafe",
            Self::NotALockFile { .. } => "not_a_lock_file",
        }
    }
}

/// What was found out about a lock at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Observation {
    /// The lock's well-known path, absolute.
    pub path: PathBuf,
    /// Which naming it was observed in.
    pub naming: Naming,
    /// Its state.
    pub state: State,
    /// Its record, if there is a readable one: the holder's, or that of a holder that died. Anybody who can write to the
    /// directory may have written it; it decides nothing, and is to be escaped where it is shown.
    pub record: Option<Record>,
    /// The processes that hold its kernel locks, as far as they can be seen from here. Empty where a busy lock was only
    /// tried, not observed.
    pub processes: Vec<Process>,
    /// Those who wait for it, in the order in which they get it, as their tickets name them; `started` is since when. Empty where the
    /// lock was not observed. Clients of `flock`, and waiters who could get no ticket, are not among them.
    pub queue: Vec<Record>,
    /// Those who share the lock, as they are listed, where it is held by such; each with the token that all of them have. Whoever could not
    /// be put into the list is not among them.
    pub readers: Vec<Record>,
    /// The place in the queue of the one that has asked; `None` if it does not wait.
    pub place: Option<Place>,
    /// Why the one that has asked has no place in the queue, if it waits without one: it comes in between.
    pub queueless: Option<String>,
    /// Where it is kept, if not in files: `path` is both parts of this as one then.
    pub address: Option<Address>,
    /// Until when its holder holds it without being heard of, if that has an end.
    pub lease: Option<Lease>,
}

/// Where a lock is that is kept in a store, not in files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The URL of the store, as `--store` takes it; without a password.
    pub store: String,
    /// The lock's name there.
    pub name: String,
}

impl Address {
    /// Both as one, where a path would stand.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("{}/{}", self.store.trim_end_matches('/'), self.name))
    }
}

/// For how long a hold lasts of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// For how long it is granted each time.
    pub granted: Duration,
    /// What was left of it when it was asked for.
    pub left: Duration,
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The first one's is 1.
    pub number: usize,
    /// How many wait.
    pub of: usize,
}

impl Place {
    /// The place of one who waits.
    pub fn new(number: usize, of: usize) -> Self {
        Self { number, of }
    }
}

impl Observation {
    /// What was found out about a lock that is kept in a store, not in files.
    pub fn in_store(address: Address, state: State, record: Option<Record>) -> Self {
        Self {
            path: address.path(),
            naming: Naming::default(),
            state,
            record,
            processes: Vec::new(),
            queue: Vec::new(),
            readers: Vec::new(),
            place: None,
            queueless: None,
            address: Some(address),
            lease: None,
        }
    }

    /// Would an attempt to acquire the lock succeed, as things stand?
    pub fn is_obtainable(&self) -> bool {
        matches!(self.state, State::Free | State::LeftOver)
    }

    /// Who or what has the lock, where, since when: one line without a full stop.
    pub fn reason(&self) -> String {
        let lock = escape::path(&self.path);
        let by = || self.holder();
        match &self.state {
            State::Free => format!("{lock} is free"),
            State::LeftOver => match &self.record {
                Some(record) => {
                    format!("{lock} is free; its last holder did not end cleanly: {}", describe(record))
                }
                None => format!("{lock} is free; its last holder left no readable record"),
            },
            State::Incomplete { ages_out_in } => format!(
                "{lock} has an empty or cut-off record that somebody may be writing; it counts as left over in {}",
                clock::spell(*ages_out_in)
            ),
            State::Held if self.is_shared() => format!("{lock} is shared by {}", self.readers_in_words()),
            State::Held | State::Ancestor(AncestorState::Alive) => format!("{lock} is held by {}", by()),
            State::Acquiring => format!("{lock} is being acquired by {}", by()),
            State::ForeignFlock => format!("{lock} is locked with flock by {}", by()),
            State::OpenElsewhere => {
                format!(
                    "{lock} has a record that nobody holds, but some process has it open, and may be about to write it"
                )
            }
            State::Ancestor(AncestorState::Unverified) => {
                format!("{lock} is held, as far as can be told, by {}", by())
            }
            State::Ancestor(AncestorState::OtherHost) => {
                format!("{lock} is held from another host by {}", by())
            }
            State::Ancestor(AncestorState::OtherPidNamespace) => {
                format!("{lock} is held from another pid namespace (container) by {}", by())
            }
            State::OtherHost => {
                format!("{lock} was acquired on another host, which can't be asked, by {}", by())
            }
            State::Unsafe { reason } | State::NotALockFile { reason } => reason.clone(),
        }
    }

    /// What to do about it: one line without a full stop. Never to delete a file.
    pub fn advice(&self) -> String {
        let command = |verb: &str| format!("`{}`", self.command(verb));
        match &self.state {
            State::Free => "nothing holds it; the next `baton run` acquires it".to_owned(),
            State::LeftOver => {
                "nothing holds it; the next one to acquire it is told *recovered* and gets this record".to_owned()
            }
            State::Incomplete { .. } => format!("wait: {} returns once it can be had", command("wait")),
            State::Held => match self.record.as_ref().and_then(Record::token) {
                Some(token) => format!(
                    "wait for it with {}, or end {} with `{} --token {token}`",
                    command("wait"),
                    if self.is_shared() { "all of them" } else { "its holder" },
                    self.command("break")
                ),
                None => format!("wait for it with {}, or ask whom it names to end", command("wait")),
            },
            State::Ancestor(AncestorState::Alive) | State::Acquiring => {
                format!("wait for it with {}, or ask whom it names to end", command("wait"))
            }
            State::ForeignFlock if self.naming == Naming::Record => {
                "wait for that program to end; to share a file with programs that use flock, use flock naming \
                 (`--flock`)"
                    .to_owned()
            }
            State::ForeignFlock => format!("wait for that program to end, with {}", command("wait")),
            State::OpenElsewhere => {
                "wait until it is closed; if that program means it as a lock of its own, use flock naming (`--flock`)"
                    .to_owned()
            }
            State::Ancestor(AncestorState::Unverified) => {
                "find out whether that process still runs; the lock can be had once its file is released there"
                    .to_owned()
            }
            State::Ancestor(AncestorState::OtherHost) | State::OtherHost => {
                "look on that host; the lock can be had once it is released there".to_owned()
            }
            State::Ancestor(AncestorState::OtherPidNamespace) => {
                "look in that container; the lock can be had once it is released there".to_owned()
            }
            State::Unsafe { .. } => "use another path for the lock, or have the owner put it right".to_owned(),
            State::NotALockFile { .. } => {
                "use another path for the lock; to lock this very file without writing to it, use flock naming \
                 (`--flock`)"
                    .to_owned()
            }
        }
    }

    /// Is it held by such as share it?
    pub fn is_shared(&self) -> bool {
        self.state == State::Held && self.record.as_ref().is_some_and(Record::is_shared)
    }

    /// Who shares it: all in one line, or the first ones and how many more.
    fn readers_in_words(&self) -> String {
        const NAMED: usize = 3;
        let Some((first, others)) = self.readers.split_first() else {
            return self.record.as_ref().map_or_else(String::new, |record| {
                format!("readers that are not listed; the first of them was {}", describe(record))
            });
        };
        if others.is_empty() {
            return describe(first);
        }
        let named: Vec<String> = self.readers.iter().take(NAMED).map(describe).collect();
        let more = match self.readers.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        format!("{} readers: {}{more}", self.readers.len(), named.join("; "))
    }

    /// The place in the queue of the one that has asked, as a sentence goes on with it; empty if it does not wait.
    pub fn place_in_words(&self) -> String {
        match (self.place, &self.queueless) {
            (Some(Place { number, of }), _) => format!("; number {number} of {of} who wait"),
            (None, Some(reason)) => format!("; waits without a place in the queue ({reason})"),
            (None, None) => String::new(),
        }
    }

    /// A command about this lock, as a shell takes it.
    fn command(&self, verb: &str) -> String {
        let shell = |text: &str| escape::shell(Path::new(text));
        match &self.address {
            None => format!("baton {verb}{} {}", self.naming_flag(), escape::shell(&self.path)),
            Some(Address { store, name }) => format!("baton --store {} {verb} {}", shell(store), shell(name)),
        }
    }

    fn naming_flag(&self) -> &'static str {
        match self.naming {
            Naming::Record => "",
            Naming::Flock => " --flock",
        }
    }

    /// Whom the record names, and who really has the lock where that is somebody else.
    fn holder(&self) -> String {
        let named = self.record.as_ref().map(describe);
        let record_pid = self.record.as_ref().map(|record| record.pid);
        let is_named = self.processes.iter().any(|process| Some(process.pid) == record_pid);
        let real = self.processes.iter().find(|process| Some(process.pid) != record_pid);
        match (named, real) {
            (Some(named), Some(process)) if !is_named && !self.processes.is_empty() => {
                format!("{named}; now in the hands of {}", describe_process(process))
            }
            (Some(named), _) => named,
            (None, Some(process)) => describe_process(process),
            (None, None) => "a process that can't be seen from here".to_owned(),
        }
    }
}

impl Record {
    /// Whom it names, in one line without a full stop: who, where, since when, what, why, and its token; escaped.
    pub fn summary(&self) -> String {
        describe(self)
    }
}

impl Process {
    /// The process in one line without a full stop: who, since when, what; escaped.
    pub fn summary(&self) -> String {
        describe_process(self)
    }
}

/// A record in one line: who, where, since when, what, why, and its token.
fn describe(record: &Record) -> String {
    let baton = record.baton.as_ref();
    let user = baton.and_then(|baton| baton.user.as_deref());
    let host = baton.and_then(|baton| baton.host.as_deref()).or(record.ancestor.host.as_deref());
    let place = match (user, host) {
        (Some(user), Some(host)) => format!(" ({} on {})", escape::text(user), escape::text(host)),
        (Some(user), None) => format!(" ({})", escape::text(user)),
        (None, Some(host)) => format!(" (on {})", escape::text(host)),
        (None, None) => String::new(),
    };
    // That of a group has the pid of none of its members.
    let pid = baton.and_then(|baton| baton.first).unwrap_or(record.pid);
    let mut line = format!("pid {pid}{place}");
    // Writing to a string can't fail.
    if let Some(started) = record.started() {
        let _ = write!(line, " since {} ({})", clock::format(started), clock::spell(clock::since(started)));
    }
    if let Some(command) = &record.command {
        let _ = write!(line, ", `{}`", escape::text(command));
    }
    if let Some(purpose) = baton.and_then(|baton| baton.purpose.as_deref()) {
        let _ = write!(line, ", purpose: {}", escape::text(purpose));
    }
    if let Some(token) = record.token() {
        let _ = write!(line, ", token {token}");
    }
    if baton.is_some_and(|baton| baton.exec) {
        line.push_str("; it ran with --exec, so that its end can't be told from a crash");
    }
    line
}

fn describe_process(process: &Process) -> String {
    let mut line = format!("pid {} ({})", process.pid, escape::text(&process.user));
    if let Some(started) = process.started {
        let _ = write!(line, " since {} ({})", clock::format(started), clock::spell(clock::since(started)));
    }
    if let Some(command) = &process.command {
        let _ = write!(line, ", `{}`", escape::text(command));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{self, Content};

    fn observed(state: State, record: &str) -> Observation {
        let record = match record::classify(record.as_bytes()) {
            Content::Baton(record) | Content::Ancestor(record) => Some(record),
            _ => None,
        };
        let path = PathBuf::from("/run/a.lock");
        let (processes, queue, readers) = (Vec::new(), Vec::new(), Vec::new());
        Observation {
            path,
            naming: Naming::Record,
            state,
            record,
            processes,
            queue,
            readers,
            place: None,
            queueless: None,
            address: None,
            lease: None,
        }
    }

    #[test]
    fn advice_about_a_lock_in_a_store_names_the_store() {
        let address = Address { store: "etcd://a:2379/jobs".into(), name: "deploy".into() };
        let record = observed(State::Held, HOSTILE).record;
        let seen = Observation::in_store(address, State::Held, record);
        assert!(
            seen.reason().starts_with("`etcd://a:2379/jobs/deploy` is held by pid 7"),
            "{}",
            seen.reason()
        );
        assert_eq!(
            seen.advice(),
            "wait for it with `baton --store etcd://a:2379/jobs wait deploy`, or end its holder with `baton --store \
             etcd://a:2379/jobs break deploy --token 12`"
        );
    }

    const HOSTILE: &str = r#"{"pid": 7, "startedAt": "2026-01-31T09:30:00.000Z", "command": "a\u001b[2J\nbaton: forged",
        "baton": {"version": 1, "host": "h\u202e", "user": "u\u0007", "purpose": "p\r", "token": 12}}"#;

    fn every_state() -> Vec<State> {
        vec![
            State::Free,
            State::LeftOver,
            State::Incomplete { ages_out_in: Duration::from_secs(3) },
            State::Held,
            State::Acquiring,
            State::ForeignFlock,
            State::OpenElsewhere,
            State::Ancestor(AncestorState::Alive),
            State::Ancestor(AncestorState::Unverified),
            State::Ancestor(AncestorState::OtherHost),
            State::Ancestor(AncestorState::OtherPidNamespace),
            State::OtherHost,
            State::Unsafe { reason: "`/run/a.lock` is not safe to use: a FIFO".into() },
            State::NotALockFile { reason: "`/run/a.lock` is not a lock file: x".into() },
        ]
    }

    #[test]
    fn hostile_record_is_never_shown_raw() {
        for state in every_state() {
            let seen = observed(state, HOSTILE);
            let text = format!("{}{}", seen.reason(), seen.advice());
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        }
    }

    #[test]
    fn nobody_is_advised_to_delete_anything() {
        for state in every_state() {
            let advice = observed(state, HOSTILE).advice();
            assert!(
                !["rm ", "delete", "remove", "unlink"].iter().any(|word| advice.contains(word)),
                "{advice}"
            );
        }
    }

    #[test]
    fn every_state_names_the_lock_and_a_way_forward() {
        for state in every_state() {
            let seen = observed(state.clone(), HOSTILE);
            assert!(seen.reason().contains("`/run/a.lock`"), "{state:?}");
            assert!(!seen.advice().is_empty(), "{state:?}");
        }
    }

    #[test]
    fn busy_message_says_who_where_since_when_and_what() {
        let record = r#"{"pid": 7, "startedAt": "2026-01-31T09:30:00.000Z", "command": "deploy prod",
            "baton": {"version": 1, "host": "ci-7", "user": "ci", "purpose": "release 4", "token": 12}}"#;
        let reason = observed(State::Held, record).reason();
        let expected = "`/run/a.lock` is held by pid 7 (ci on ci-7) since 2026-01-31T09:30:00.000Z (";
        assert!(reason.starts_with(expected), "{reason}");
        assert!(reason.ends_with("), `deploy prod`, purpose: release 4, token 12"), "{reason}");
    }
}
