//! A session that is kept elsewhere than in a file, here in memory by who refuses a holder that has lost its lock.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::lock::{Held, Integrity, Outcome};
use crate::record::Record;
use crate::session::{
    Actor, Begin, Error, Event, Keeper, PlannedStep, Replaced, Session, Shelf, Store, Writer,
};
use crate::store::{End, Holding};

const LOCK: &str = "memory://here/locks/deploy";
const SESSION: &str = "memory://here/sessions/deploy";

/// What the store has: who holds the lock, the session's bytes and how often they were written.
#[derive(Debug, Default)]
struct Memory {
    holder: u64,
    bytes: Option<Vec<u8>>,
    revision: u64,
}

type Shared = Arc<Mutex<Memory>>;

#[derive(Debug)]
struct Kept(Shared);

#[derive(Debug)]
struct Open {
    memory: Shared,
    seen: u64,
    accepted: u64,
}

impl Keeper for Kept {
    fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(locked(&self.0).bytes.clone())
    }

    fn is_there(&self) -> Result<bool, Error> {
        Ok(locked(&self.0).bytes.is_some())
    }

    fn open(&self, _held: &Held) -> Result<Box<dyn Shelf>, Error> {
        Ok(Box::new(Open { memory: Arc::clone(&self.0), seen: 0, accepted: 0 }))
    }

    fn set_aside(&self, held: &Held) -> Result<Option<PathBuf>, Error> {
        Ok(self.remove(held)?.then(|| PathBuf::from("memory://here/kept")))
    }

    fn remove(&self, _held: &Held) -> Result<bool, Error> {
        let mut memory = locked(&self.0);
        memory.revision += 1;
        Ok(memory.bytes.take().is_some())
    }
}

impl Shelf for Open {
    fn read(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let memory = locked(&self.memory);
        self.seen = memory.revision;
        Ok(memory.bytes.clone())
    }

    fn accept(&mut self) {
        self.accepted = self.seen;
    }

    fn replace(&mut self, held: &Held, parts: &[&[u8]]) -> Result<Replaced, Error> {
        let mut memory = locked(&self.memory);
        if memory.holder != held.token() {
            return Err(Error::LockLost { path: SESSION.into(), reason: "the store says so".to_owned() });
        }
        if memory.revision != self.accepted {
            return Ok(Replaced::Changed);
        }
        memory.revision += 1;
        (memory.bytes, self.accepted) = (Some(parts.concat()), memory.revision);
        Ok(Replaced::Done)
    }

    fn limit(&self) -> usize {
        4096
    }
}

/// A holder that believes whatever happens that it holds.
#[derive(Debug)]
struct Believing(Record);

impl Holding for Believing {
    fn path(&self) -> &Path {
        Path::new(LOCK)
    }

    fn record(&self) -> &Record {
        &self.0
    }

    fn verify(&self) -> Result<Integrity, crate::Error> {
        Ok(Integrity::Intact)
    }

    fn end(self: Box<Self>, _end: End) -> Result<(), crate::Error> {
        Ok(())
    }
}

fn locked(memory: &Shared) -> std::sync::MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place() -> (Shared, Store) {
    let memory = Shared::default();
    let keeper = Arc::new(Kept(Arc::clone(&memory)));
    (memory, Store::kept("deploy", SESSION.into(), LOCK.into(), keeper).expect("a name"))
}

/// The next holder, which the store knows from now on.
fn holder(memory: &Shared) -> Held {
    let mut memory = locked(memory);
    memory.holder += 1;
    let record = crate::Lock::options().record(Some(memory.holder));
    Held::new(Believing(record), Outcome::Fresh, memory.holder)
}

fn begun(store: &Store, held: &Held) -> Writer {
    let mut writer = store.open(held).expect("opened");
    let begin = Begin::new("deploy", "/plan.toml", vec![PlannedStep::new("a")], Actor::of(held));
    writer.apply(held, Event::fresh_start(begin).expect("an id")).expect("begun");
    writer
}

#[test]
fn session_in_a_store_is_what_its_holder_wrote() {
    let (memory, store) = place();
    assert!(store.load().expect("read").is_none());
    let held = holder(&memory);
    let mut writer = begun(&store, &held);
    writer.apply(&held, Event::step_started("a")).expect("recorded");
    let read = store.load().expect("read").expect("there");
    assert_eq!(Some(&read), writer.session());
    assert_eq!(read.token(), held.token());
}

#[test]
fn holder_that_lost_the_lock_unknowingly_writes_nothing() {
    let (memory, store) = place();
    let first = holder(&memory);
    let mut writer = begun(&store, &first);
    let _second = holder(&memory);
    let before = store.load().expect("read");
    let told = writer.apply(&first, Event::step_started("a")).expect_err("lost");
    assert!(matches!(told, Error::LockLost { .. }), "{told}");
    assert_eq!(store.load().expect("read"), before);
    assert_eq!(writer.session(), before.as_ref());
}

#[test]
fn what_somebody_else_wrote_is_not_overwritten() {
    let (memory, store) = place();
    let held = holder(&memory);
    let (mut one, mut other) = (begun(&store, &held), store.open(&held).expect("opened"));
    other.apply(&held, Event::step_started("a")).expect("recorded");
    let told = one.apply(&held, Event::step_started("a")).expect_err("changed");
    assert!(matches!(told, Error::ChangedMeanwhile { .. }), "{told}");
    assert_eq!(store.load().expect("read").as_ref(), other.session());
}

#[test]
fn session_that_somebody_deleted_is_written_anew() {
    let (memory, store) = place();
    let held = holder(&memory);
    let mut writer = begun(&store, &held);
    assert!(store.remove(&held).expect("removed"));
    writer.apply(&held, Event::step_started("a")).expect("recorded");
    assert_eq!(store.load().expect("read").as_ref().map(Session::revision), Some(2));
}

#[test]
fn session_larger_than_its_store_takes_is_refused_with_that_limit() {
    let (memory, store) = place();
    let held = holder(&memory);
    let mut writer = begun(&store, &held);
    writer.apply(&held, Event::step_started("a")).expect("recorded");
    let long = "x".repeat(5000);
    let facts = [("one", &long[..1500]), ("two", &long[..1500]), ("three", &long[..1500])];
    let told = writer.apply(&held, Event::step_completed("a", facts)).expect_err("too large");
    assert!(matches!(told, Error::TooLarge { limit: 4096, .. }), "{told}");
    assert!(writer.session().is_some_and(|session| session.step_in_progress().is_some()));
}
