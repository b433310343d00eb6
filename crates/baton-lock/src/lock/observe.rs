//! Asking without taking: the state of a lock, for `status` and for messages.
//!
//! Nothing is locked, created or written, so that no contender ever finds a lock busy because somebody looked. Byte 0 of
//! the record is asked for with `F_OFD_GETLK`; a foreign `flock` is read from `/proc/locks` and from the descriptors of the
//! processes that can be seen. Contents decide nothing where the kernel can be asked.
//!
//! The record is closed again before anything else is looked at, since whoever judges an ancestor's or a cut-off one takes it
//! for in use while any process has it open:
//!
//! 1. P1 observes: opens a dead ancestor's record, and looks through all of `/proc`, which takes milliseconds.
//! 2. P2 acquires: the record is open elsewhere, busy. With an observer in a loop, nearly every time.

use std::ffi::OsStr;

use super::ancestor::{self, Life};
use super::companion;
use super::directory::Directory;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::{self, Malformed};
use super::naming::Naming;
use crate::diagnosis::{AncestorState, Observation, State};
use crate::error::Error;
use crate::filesystem::Reach;
use crate::processes::{self, Process};
use crate::record::{self, Content, Record};
use crate::sys::{self, Access, Errno, FileId, Range, Stat};

/// A state and the record that goes with it.
type Seen = (State, Option<Box<Record>>);

/// Observes a lock.
pub(crate) fn observe(setup: &Setup) -> Result<Observation, Error> {
    let (seen, processes) = match Directory::open(&setup.parent, &setup.allowed) {
        Ok(directory) => look(setup, &directory)?,
        Err(error) => (state_of(error)?, Vec::new()),
    };
    let (state, record) = seen;
    let record = record.map(|record| *record);
    Ok(Observation { path: setup.path.clone(), naming: setup.naming, state, record, processes })
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

/// The files whose locks make somebody a holder.
pub(crate) fn files(setup: &Setup) -> Vec<FileId> {
    let Ok(directory) = Directory::open(&setup.parent, &setup.allowed) else { return Vec::new() };
    identities(setup, &directory)
}

fn identities(setup: &Setup, directory: &Directory) -> Vec<FileId> {
    let names = [&setup.names.guard, &setup.names.record];
    names.into_iter().filter_map(|name| Some(directory.look(name).ok()??.id)).collect()
}

fn look(setup: &Setup, directory: &Directory) -> Result<(Seen, Vec<Process>), Error> {
    let guard = match Guard::open_to_look(directory, &setup.names, setup.naming) {
        Ok(guard) => guard,
        Err(error) => return Ok((state_of(error)?, Vec::new())),
    };
    companion_in_use(setup, directory, guard.as_ref())?;
    let processes = processes::holding(&identities(setup, directory));
    let is_guard_locked = guard.is_some_and(|guard| {
        processes::is_flocked(guard.id, directory.device_differs)
            || processes.iter().any(|process| processes::holds(process.pid, &[guard.id]))
    });
    let seen = match at_record(setup, directory) {
        // What an acquirer finds in the way decides, not who happens to be there before it.
        Ok((state @ (State::Free | State::LeftOver), record)) if is_guard_locked => match setup.naming {
            Naming::Record => (State::Acquiring, record.filter(|_| state == State::Free)),
            Naming::Flock => (State::ForeignFlock, None),
        },
        Ok(seen) => seen,
        Err(error) => state_of(error)?,
    };
    Ok((seen, processes))
}

/// Refuses a path that is in use in the other naming, without trying any lock.
fn companion_in_use(setup: &Setup, directory: &Directory, guard: Option<&Guard>) -> Result<(), Error> {
    match setup.naming {
        Naming::Record => companion::refuse(directory, &setup.well_known, setup.naming, guard),
        Naming::Flock => companion::refuse_record(directory, &setup.well_known, guard),
    }
}

/// What the record says while somebody else has the guard locked: who holds the lock, or that somebody acquires it.
pub(crate) fn behind_locked_guard(setup: &Setup, directory: &Directory) -> Seen {
    let Ok(handle) = sys::open_at(&directory.handle, &setup.names.record, Access::Read) else {
        return (State::Acquiring, None);
    };
    if !sys::is_range_locked(&handle, Range::Holder).unwrap_or(false) {
        return (State::Acquiring, None);
    }
    (State::Held, judge::held_record(&handle))
}

/// What the record's name means, without taking anything.
fn at_record(setup: &Setup, directory: &Directory) -> Result<Seen, Error> {
    let name = setup.names.record.as_os_str();
    let Some(seen) = directory.look(name)? else { return Ok((State::Free, None)) };
    judge::check(directory, name, setup.rules(), &seen)?;
    let handle = match sys::open_at(&directory.handle, name, Access::Read) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok((State::Free, None)),
        // Another user's in flock naming: what the guard says is all there is to know.
        Err(Errno::ACCESS | Errno::PERM) if setup.naming == Naming::Flock => return Ok((State::Free, None)),
        Err(errno) => return Err(Error::io("open the record", &directory.path_of(name), errno)),
    };
    let failed = |errno| Error::io("look at the record", &directory.path_of(name), errno);
    let stat = sys::stat(&handle).map_err(failed)?;
    judge::check(directory, name, setup.rules(), &stat)?;
    if sys::is_range_locked(&handle, Range::Holder).map_err(failed)? {
        return Ok((State::Held, judge::held_record(&handle)));
    }
    let bytes = sys::read_start(&handle, record::MAX_READ + 1).map_err(failed)?;
    drop(handle);
    unheld(setup, directory, name, &stat, record::classify(&bytes))
}

/// What a record means that no Baton holder has locked.
///
/// It is not open any more, so that its inode can be another file's by now: then what is seen is not true any more, as
/// it can be with everything that is observed.
fn unheld(
    setup: &Setup,
    directory: &Directory,
    name: &OsStr,
    stat: &Stat,
    content: Content,
) -> Result<Seen, Error> {
    match content {
        Content::Baton(record) if record.is_released() => Ok((State::Free, None)),
        Content::Baton(record) => {
            let is_elsewhere = directory.reach == Reach::OptedIn && judge::is_other_hosts(&record);
            let state = if is_elsewhere { State::OtherHost } else { State::LeftOver };
            Ok((state, Some(Box::new(record))))
        }
        Content::Ancestor(record) => {
            let state = ancestors(directory, &record, stat);
            Ok((state, Some(Box::new(record))))
        }
        Content::Foreign if setup.malformed == Malformed::Refused => {
            Err(judge::not_a_lock_file(directory, name))
        }
        Content::Incomplete | Content::Foreign => Ok((incomplete(directory, stat), None)),
    }
}

fn ancestors(directory: &Directory, record: &Record, stat: &Stat) -> State {
    if directory.reach == Reach::OptedIn {
        return State::Ancestor(AncestorState::Unverified);
    }
    match (ancestor::judge(record), in_use(directory, stat)) {
        (Life::Held(state), _) => State::Ancestor(state),
        (Life::Departed, Some(State::OpenElsewhere)) if processes::has_open(record.pid, stat.id) => {
            State::Ancestor(AncestorState::Alive)
        }
        (Life::Departed, Some(state)) => state,
        (Life::Departed, None) => State::LeftOver,
    }
}

fn incomplete(directory: &Directory, stat: &Stat) -> State {
    match (in_use(directory, stat), judge::ages_out_in(stat)) {
        (Some(state), _) => state,
        (None, Some(left)) => State::Incomplete { ages_out_in: left },
        (None, None) => State::LeftOver,
    }
}

fn in_use(directory: &Directory, stat: &Stat) -> Option<State> {
    if processes::is_flocked(stat.id, directory.device_differs) {
        return Some(State::ForeignFlock);
    }
    processes::is_open(stat.id).then_some(State::OpenElsewhere)
}
