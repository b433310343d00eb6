//! Who writes a session, who comes after a kill or a power cut, and what they must find.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::Case;
use crate::kernel::Pid;
use crate::scenario::alone;
use crate::shipped::session::{Actor, Begin, Event, PlannedStep, Session, Store, Writer};
use crate::shipped::{Attempt, Held, Lock};
use crate::sim;

pub(super) const LOCKS: &str = "/locks";
pub(super) const STATE: &str = "/state";
pub(super) const WRITER: Pid = 1;
const NEXT: Pid = 41;

/// How often the session is changed.
const CHANGES: u64 = 3;

/// A session that was found, or none.
pub(super) type Found = Option<Session>;

/// What has been promised so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) has_lock: bool,
    /// The revision that has to be there at least: the last one of which it was said that it is saved.
    pub(super) floor: u64,
    /// The revision that may be there at most: the last one that was to be saved.
    pub(super) ceiling: u64,
    /// A call has failed in a way that is an error.
    pub(super) may_fail: bool,
    pub(super) failed: usize,
    pub(super) complaint: Option<String>,
    /// What each revision says, as far as it is known.
    pub(super) revisions: Vec<Session>,
}

impl Progress {
    pub(super) fn knowing(revisions: &[Session]) -> Self {
        Self { revisions: revisions.to_owned(), ..Self::default() }
    }

    /// Exactly this has to be there.
    pub(super) fn saved(session: &Found) -> Self {
        let revision = revision(session.as_ref());
        let revisions = session.iter().cloned().collect();
        Self { floor: revision, ceiling: revision, revisions, ..Self::default() }
    }

    /// An attempt begins, or has come to an end that says it.
    fn expects(&mut self, floor: u64, ceiling: u64) {
        (self.floor, self.ceiling) = (floor, ceiling);
    }

    fn fails(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.failed += 1;
        if !self.may_fail {
            self.complaint.get_or_insert(format!("{what} fails, though nothing of its calls did: {error}"));
        }
    }

    fn knows(&mut self, session: &Session) {
        if !self.revisions.iter().any(|known| known.revision() == session.revision()) {
            self.revisions.push(session.clone());
        }
    }

    /// Is this what may be there?
    fn check(&self, found: &Found) -> Result<(), String> {
        let revision = revision(found.as_ref());
        if revision < self.floor {
            return Err(format!("what was saved is lost: revision {revision} is there after {}", self.floor));
        }
        if revision > self.ceiling {
            return Err(format!("revision {revision} is there, and {} was the last one", self.ceiling));
        }
        let known = self.revisions.iter().find(|known| known.revision() == revision);
        match (known, found) {
            (Some(known), Some(found)) if known != found => {
                Err(format!("revision {revision} is not what was saved: {found:?} instead of {known:?}"))
            }
            _ => Ok(()),
        }
    }
}

fn revision(session: Option<&Session>) -> u64 {
    session.map_or(0, Session::revision)
}

fn lock_path() -> PathBuf {
    Path::new(LOCKS).join("s")
}

fn store() -> Store {
    Store::in_directory(STATE, "s").expect("a name").under_lock(lock_path())
}

fn take_lock() -> Result<Held, String> {
    let lock = Lock::options().command_text("job").open(lock_path()).map_err(|error| error.in_one_line())?;
    match lock.try_lock() {
        Ok(Attempt::Held(held)) => Ok(held),
        Ok(Attempt::Busy(_)) => Err("the lock is busy, and nobody is there".to_owned()),
        Err(error) => Err(error.in_one_line()),
    }
}

/// The writer: opens the session and changes it until it has been changed often enough, or has failed twice.
pub(super) fn write(case: &Case, progress: &Rc<RefCell<Progress>>) {
    let held = take_lock().expect("nobody else is there, and nothing fails");
    if case.lock_is_durable {
        sim::with(|world| world.kernel.settle());
    }
    let steps = vec![PlannedStep::new("build")];
    let begin = Begin::new("deploy", "/srv/deploy.toml", steps, Actor::of(&held));
    let events = [
        Event::fresh_start(begin).expect("a number for it"),
        Event::step_started("build"),
        Event::step_completed("build", [("version", "1.2")]),
    ];
    progress.borrow_mut().has_lock = true;
    let opened = (0..2).find_map(|_| {
        let opened = store().open(&held);
        opened.inspect_err(|error| progress.borrow_mut().fails("opening", error)).ok()
    });
    if let Some(mut writer) = opened {
        for _ in 0..=CHANGES {
            change(&mut writer, &held, &events, progress);
        }
    }
    if let Err(error) = held.release() {
        progress.borrow_mut().fails("releasing", &error);
    }
}

fn change(writer: &mut Writer, held: &Held, events: &[Event], progress: &Rc<RefCell<Progress>>) {
    let before = revision(writer.session());
    let Some(event) = usize::try_from(before).ok().and_then(|number| events.get(number)) else { return };
    let floor = progress.borrow().floor;
    progress.borrow_mut().expects(floor, before + 1);
    let saved = writer.apply(held, event.clone()).cloned();
    let mut progress = progress.borrow_mut();
    match saved {
        Ok(session) => {
            progress.knows(&session);
            progress.expects(before + 1, before + 1);
        }
        Err(error) => {
            progress.fails("saving", &error);
            // It says itself whether it was saved, and perhaps not durably.
            let now = revision(writer.session());
            progress.expects(floor, now);
        }
    }
    sim::with(|world| world.tell(format!("P{WRITER}  HAS CHANGED it ({})", progress.floor)));
}

/// Who comes afterwards: reads, takes the lock, opens, finds nothing left lying about, and goes on. What was found, and what is saved then.
pub(super) fn come(progress: &Progress) -> Result<(u64, Found), String> {
    let mut come = Err(String::new());
    alone(NEXT, || come = read_and_go_on(progress));
    come
}

fn read_and_go_on(progress: &Progress) -> Result<(u64, Found), String> {
    let refused = |error| format!("who comes is refused: {error}");
    let found = store().load().map_err(refused)?;
    progress.check(&found)?;
    let held = take_lock().map_err(|error| format!("who comes does not get the lock: {error}"))?;
    let mut writer = store().open(&held).map_err(refused)?;
    if writer.session() != found.as_ref() {
        return Err("who opens the session finds another than who reads it".to_owned());
    }
    let names = sim::with(|world| world.kernel.names(&Path::new(STATE).join("sessions")));
    if names.iter().any(|name| name.as_encoded_bytes().ends_with(b".tmp")) {
        return Err(format!("something is left lying about: {names:?}"));
    }
    let begin = Begin::new("deploy", "/srv/deploy.toml", vec![PlannedStep::new("build")], Actor::of(&held));
    let event = match found {
        Some(_) => Event::AttemptBegun(begin),
        None => Event::fresh_start(begin).map_err(|error| format!("{error:?}"))?,
    };
    let saved = writer.apply(&held, event).map_err(|error| format!("who comes can't go on: {error}"))?;
    let saved = saved.clone();
    held.release().map_err(|error| format!("who comes can't release: {error}"))?;
    Ok((revision(found.as_ref()), Some(saved)))
}
