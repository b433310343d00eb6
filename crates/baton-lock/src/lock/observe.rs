//! Asking without taking: the state of a lock, for `status` and for messages.
//!
//! Nothing is locked, created or written, so that no contender ever finds a lock busy because somebody looked. Byte 0 of
//! the record is asked for with `F_OFD_GETLK`; a foreign `flock` is read from `/proc/locks` and from the descriptors of the
//! processes that can be seen. Contents decide nothing where the kernel can be asked.

use std::ffi::OsStr;
use std::sync::Arc;

use super::ancestor::{self, Life};
use super::companion;
use super::directory::Directory;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::{self, Malformed};
use super::naming::Naming;
use super::queue::Queue;
use crate::diagnosis::{AncestorState, Observation, State};
use crate::error::Error;
use crate::filesystem::Reach;
use crate::processes::{self, By, Listed, Process};
use crate::record::{self, Content, Record};
use crate::sys::{self, Access, Handle, Range, Stat};

/// A state and the record that goes with it.
type Seen = (State, Option<Box<Record>>);

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The lock's files and their locks.
    Files,
    /// Also that process, and all others only if it has none of the locks: the table of a busy machine takes milliseconds to read, of
    /// one process some microseconds.
    Holder(u32),
    /// Also every process that can be seen.
    Processes,
}

/// Observes a lock.
pub(crate) fn observe(setup: &Setup, depth: Depth) -> Result<Observation, Error> {
    let directory = match Directory::open(&setup.parent, &setup.allowed) {
        Ok(directory) => Arc::new(directory),
        Err(error) => {
            let (state, record) = state_of(error)?;
            return Ok(Observation::of(setup, state, record.map(|record| *record)));
        }
    };
    let ((state, record), processes) = look(setup, &directory, depth)?;
    let mut observation = Observation::of(setup, state, record.map(|record| *record));
    observation.processes = processes;
    if depth == Depth::Processes {
        observation.queue = listed(setup, &directory, &setup.names.queue);
    }
    if observation.is_shared() && depth != Depth::Files {
        observation.readers = listed(setup, &directory, &setup.names.readers);
    }
    Ok(observation)
}

impl Observation {
    /// What is known at least.
    pub(crate) fn of(setup: &Setup, state: State, record: Option<Record>) -> Self {
        Self {
            path: setup.path.clone(),
            naming: setup.naming,
            state,
            record,
            processes: Vec::new(),
            queue: Vec::new(),
            readers: Vec::new(),
            place: None,
            queueless: None,
            address: None,
            lease: None,
        }
    }
}

/// Who has a place in the queue or list of that name, in their order.
fn listed(setup: &Setup, directory: &Arc<Directory>, name: &OsStr) -> Vec<Record> {
    let guard = Guard::open_to_look(directory, &setup.names, setup.naming).ok().flatten();
    let list = guard.and_then(|guard| Queue::open(directory, name, &guard.stat));
    list.map_or_else(Vec::new, |list| list.waiting())
}

/// Who shares the lock, as far as they are listed, if the record is of such.
pub(crate) fn readers_of(setup: &Setup, record: Option<&Record>) -> Vec<Record> {
    let directory = record.filter(|record| record.is_shared()).and_then(|_| setup.directory().ok());
    directory.map_or_else(Vec::new, |directory| listed(setup, &directory, &setup.names.readers))
}

/// Errors that are a state of the lock.
fn state_of(error: Error) -> Result<Seen, Error> {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Ok((State::Free, None)),
        Error::Unsafe { .. } => Ok((State::Unsafe { reason: error.to_string() }, None)),
        Error::NotALockFile { .. } => Ok((State::NotALockFile { reason: error.to_string() }, None)),
        other => Err(other),
    }
}

/// The files whose locks make somebody a holder, and which lock of theirs does: byte 0 of the record, if that is locked; else
/// any on the guard, which whoever just tries has for a moment too.
pub(crate) fn holders_files(setup: &Setup) -> (Vec<Listed>, By) {
    let Ok(directory) = Directory::open(&setup.parent, &setup.allowed) else {
        return (Vec::new(), By::AnyLock);
    };
    let record = open_record(setup, &directory).ok().flatten();
    if let Some((handle, stat)) = record
        && sys::is_range_locked(&handle, Range::Holder).unwrap_or(false)
    {
        return (vec![Listed::of(&handle, &stat)], By::HolderByte);
    }
    let guard = Guard::open_to_look(&directory, &setup.names, setup.naming).ok().flatten();
    (guard.iter().map(Guard::listed).collect(), By::AnyLock)
}

fn look(setup: &Setup, directory: &Directory, depth: Depth) -> Result<(Seen, Vec<Process>), Error> {
    let guard = match Guard::open_to_look(directory, &setup.names, setup.naming) {
        Ok(guard) => guard,
        Err(error) => return Ok((state_of(error)?, Vec::new())),
    };
    companion_in_use(setup, directory, guard.as_ref())?;
    let guard = guard.map(|guard| guard.listed());
    let record = listed_record(setup, directory);
    let files: Vec<Listed> = guard.iter().chain(&record).cloned().collect();
    let processes = match depth {
        Depth::Files => Vec::new(),
        Depth::Holder(pid) if processes::holds(pid, &files, By::AnyLock) => vec![Process::describe(pid)],
        Depth::Holder(_) | Depth::Processes => processes::holding(&files),
    };
    let is_guard_locked = guard.is_some_and(|guard| {
        let guard = [guard];
        processes::is_flocked(&guard[0])
            || processes.iter().any(|process| processes::holds(process.pid, &guard, By::AnyLock))
    });
    let seen = match (at_record(setup, directory, depth), setup.naming) {
        // What an acquirer finds in the way decides, not who happens to be there before it.
        (Ok((State::Free | State::LeftOver | State::ForeignFlock, record)), Naming::Record)
            if is_guard_locked =>
        {
            (State::Acquiring, record.filter(|record| record.baton.is_none()))
        }
        (Ok((State::Free | State::LeftOver, _)), Naming::Flock) if is_guard_locked => {
            (State::ForeignFlock, None)
        }
        (Ok(seen), _) => seen,
        // A record that got a second name, say, may be a holder's all the same; it is looked at only behind a locked guard.
        (Err(Error::Unsafe { .. }), _) if is_guard_locked => match behind_locked_guard(setup, directory) {
            (State::Acquiring, _) if setup.naming == Naming::Flock => (State::ForeignFlock, None),
            seen => seen,
        },
        // What can't be a record is done without in flock naming.
        (Err(Error::Unsafe { .. } | Error::NotALockFile { .. }), Naming::Flock) => {
            let state = if is_guard_locked { State::ForeignFlock } else { State::Free };
            (state, None)
        }
        (Err(error), _) => state_of(error)?,
    };
    Ok((seen, processes))
}

/// The record as the process table names it, whoever wrote it.
fn listed_record(setup: &Setup, directory: &Directory) -> Option<Listed> {
    let (handle, stat) = open_record(setup, directory).ok()??;
    Some(Listed::of(&handle, &stat))
}

fn open_record(setup: &Setup, directory: &Directory) -> Result<Option<(Handle, Stat)>, Error> {
    judge::open_to_look(directory, &setup.names.record, setup.rules())
}

/// Refuses a path that is in use in the other naming, without trying any lock.
fn companion_in_use(setup: &Setup, directory: &Directory, guard: Option<&Guard>) -> Result<(), Error> {
    match setup.naming {
        Naming::Record => companion::refuse(directory, &setup.well_known, setup.naming, guard),
        Naming::Flock => {
            companion::refuse_record(directory, &setup.well_known, guard)?;
            companion::refuse_flocked_guard(directory, &setup.well_known)
        }
    }
}

/// What the record says while somebody else has the guard locked: who holds the lock, or that somebody acquires it.
pub(crate) fn behind_locked_guard(setup: &Setup, directory: &Directory) -> Seen {
    match judge::held_all_the_same(directory, &setup.names.record) {
        Ok(Some(handle)) => (State::Held, judge::held_record(&handle)),
        Ok(None) | Err(_) => (State::Acquiring, None),
    }
}

/// The record of a living holder, where it alone says enough for one who does not wait: it is a whole record in a file that may be
/// judged, and byte 0 of it is locked. So the guard need not be opened, nor created. `None` says nothing: go through the steps.
///
/// Nobody but a holder, or one who is about to be, has byte 0 of a file with that name locked and a record of Baton's in it (I2):
///
/// 1. P1 opens the record of P0, that is about to release. P0 removes it and unlocks byte 0.
/// 2. P1 asks for byte 0: locked, so that P0 had not released yet; or free, and P1 goes through the steps.
///
/// In flock naming whose record it is matters too, and the guard is looked at.
pub(crate) fn held_by_its_record(setup: &Setup) -> Result<Option<Record>, Error> {
    if setup.naming != Naming::Record {
        return Ok(None);
    }
    let directory = setup.directory()?;
    let name = setup.names.record.as_os_str();
    let may_be_judged = |stat: &Stat| judge::check(&directory, name, setup.rules(), stat).is_ok();
    let Ok(Some(seen)) = directory.look(name) else { return Ok(None) };
    if !may_be_judged(&seen) {
        return Ok(None);
    }
    let Ok(handle) = directory.open_file(name, Access::Read) else { return Ok(None) };
    if sys::is_range_locked(&handle, Range::Holder) != Ok(true) {
        return Ok(None);
    }
    Ok(judge::held_record(&handle).map(|record| *record))
}

/// What the record's name means, without taking anything.
fn at_record(setup: &Setup, directory: &Directory, depth: Depth) -> Result<Seen, Error> {
    let name = setup.names.record.as_os_str();
    let (handle, stat) = match open_record(setup, directory) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok((State::Free, None)),
        // Another user's, or none can be there: what the guard says is all there is to know.
        Err(Error::Io { source, .. }) if setup.naming == Naming::Flock && is_out_of_reach(&source) => {
            return Ok((State::Free, None));
        }
        Err(error) => return Err(error),
    };
    let failed = |errno| Error::io("look at the record", &directory.path_of(name), errno);
    if sys::is_range_locked(&handle, Range::Holder).map_err(failed)? {
        return Ok((State::Held, judge::held_record(&handle)));
    }
    let bytes = sys::read_start(&handle, record::MAX_READ + 1).map_err(failed)?;
    let file = Listed::of(&handle, &stat);
    // Kept open, it would look to others who look as if somebody used it.
    drop(handle);
    unheld(setup, directory, &Unheld { file, stat, depth }, record::classify(&bytes))
}

fn is_out_of_reach(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::InvalidFilename)
}

/// A record that no Baton holder has locked.
struct Unheld {
    file: Listed,
    stat: Stat,
    depth: Depth,
}

impl Unheld {
    /// Does anybody use it in another way than Baton does, as far as that can be seen?
    fn in_use(&self) -> Option<State> {
        if processes::is_flocked(&self.file) {
            return Some(State::ForeignFlock);
        }
        let is_open =
            self.depth != Depth::Files && judge::for_more_than_a_moment(|| processes::is_open(&self.file));
        is_open.then_some(State::OpenElsewhere)
    }
}

/// What it means.
fn unheld(setup: &Setup, directory: &Directory, found: &Unheld, content: Content) -> Result<Seen, Error> {
    let name = setup.names.record.as_os_str();
    match content {
        Content::Baton(record) if record.tells_of_nobody() => Ok((State::Free, None)),
        Content::Baton(record) => {
            let is_elsewhere = directory.reach == Reach::OptedIn && judge::is_other_hosts(&record);
            let state = if is_elsewhere { State::OtherHost } else { State::LeftOver };
            let record = record.unrepaired().cloned().unwrap_or(record);
            let record = Some(Box::new(record)).filter(|record| !record.stands_for_unknown());
            Ok((state, record))
        }
        Content::Ancestor(_) if setup.naming == Naming::Flock => Err(judge::not_a_lock_file(directory, name)),
        Content::Ancestor(record) => {
            let state = ancestors(directory, &record, found);
            Ok((state, Some(Box::new(record))))
        }
        Content::Foreign if setup.malformed == Malformed::Refused => {
            Err(judge::not_a_lock_file(directory, name))
        }
        Content::Incomplete | Content::Foreign => Ok((incomplete(found), None)),
    }
}

fn ancestors(directory: &Directory, record: &Record, found: &Unheld) -> State {
    if directory.reach == Reach::OptedIn {
        return State::Ancestor(AncestorState::Unverified);
    }
    if let Life::Held(state) = ancestor::judge(record) {
        return State::Ancestor(state);
    }
    match found.in_use() {
        Some(State::OpenElsewhere) if processes::has_open(record.pid, &found.file) => {
            State::Ancestor(AncestorState::Alive)
        }
        Some(state) => state,
        None => State::LeftOver,
    }
}

fn incomplete(found: &Unheld) -> State {
    match judge::ages_out_in(&found.stat) {
        Some(left) => found.in_use().unwrap_or(State::Incomplete { ages_out_in: left }),
        None => found.in_use().unwrap_or(State::LeftOver),
    }
}
