//! What a waiter sleeps on: always something that the kernel ends, never a pause after which it looks again.
//!
//! | in the way | woken by |
//! |---|---|
//! | the guard is locked | the guard: in the kernel's own queue for it, by this thread, or by a child where the wait has to have a descriptor |
//! | byte 0 or 1 of the record is locked, or somebody has it locked with `flock` | the end of that lock |
//! | an ancestor's record | its end: by name, content or mode; and the end of the process that it names |
//! | an incomplete record | the same, and the time when it counts as left over |
//! | others have waited longer | the end of the last one's ticket, and a second |
//! | the same, and readers hold it | the end of the last one's ticket, or its new name if it is passed; and that of all locks on the guard |
//! | another reader has the press | the end of that lock |
//!
//! Of three things the kernel tells nobody: that a file is open no longer, what happens on another host, and, to who has 128 of them,
//! of changes to a file ([`sys::watch`]). Where it is one of these, and only there, it is looked at again once a second.
//!
//! A sleep that is given up leaves nothing: a lock that was got meanwhile is given back, for the next one in the kernel's queue.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use super::acquire::Approach;
use super::directory::Directory;
use super::grace::Grace;
use super::handle::Setup;
use super::judge::Claim;
use super::queue::Ahead;
use crate::diagnosis::{AncestorState, State};
use crate::error::Error;
use crate::filesystem::Reach;
use crate::record::Record;
use crate::sys::{self, Access, Awaited, Errno, Handle, Lookout, Range, pidfd};

/// How often what the kernel tells nobody is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A sleep that has not ended yet.
#[derive(Debug)]
pub(crate) enum Doze {
    /// There is nothing to sleep for: look again.
    Not,
    /// In the kernel's queue for the guard, by this very thread.
    Blocked(Approach),
    /// There by a child.
    Posted(Posted),
    /// Until a lock that others have is gone.
    Lock(Locked),
    /// Until something happens.
    Events(Vec<Handle>),
}

/// A child in the kernel's queue for the guard.
#[derive(Debug)]
pub(crate) struct Posted {
    lookout: Option<Lookout>,
    approach: Option<Approach>,
}

/// A child that waits for the end of a lock.
#[derive(Debug)]
pub(crate) struct Locked {
    // Dropped before what it waits with.
    lookout: Lookout,
    _file: Handle,
    /// Another lock, the end of which is as good.
    or: Option<Box<Locked>>,
    /// What is as good, too.
    event: Option<Handle>,
    /// How long at most.
    grace: Option<(Grace, Handle)>,
}

impl Doze {
    /// In the kernel's queue for the guard.
    pub(crate) fn posted(setup: &Setup, approach: Approach, claim: Claim) -> Result<Self, Error> {
        let path = approach.directory.path_of(&setup.names.guard);
        let awaited = match claim {
            Claim::Exclusive => Awaited::Flock,
            Claim::Shared => Awaited::SharedFlock,
        };
        let lookout = Lookout::start(&approach.guard.handle, awaited)
            .map_err(|errno| Error::io("start to wait for", &path, errno))?;
        Ok(Self::Posted(Posted { lookout: Some(lookout), approach: Some(approach) }))
    }

    /// Until the last one who comes before has got the lock or is gone; at most for as long as they may take to come for it: those who
    /// step back themselves have to wait for others first, one after the other.
    pub(crate) fn ahead(setup: &Setup, ahead: Ahead) -> Result<Self, Error> {
        let grace = ahead.sight.grace(ahead.stepping_back);
        Self::locked(setup, ahead.nearest, Awaited::NoRange(Range::Waiter), Some(grace))
    }

    /// Until the last one who comes before has got the lock, is gone or is passed, or nobody has the guard.
    pub(crate) fn behind(setup: &Setup, ahead: Ahead, approach: Approach) -> Result<Self, Error> {
        // It had this name when the watch began, so that it is passed after that if at all.
        let passed = match ahead.watch() {
            Ok(watch) => watch,
            Err(Errno::NOENT) => return Ok(Self::Not),
            Err(_) => Self::timer(setup, LOOK_AGAIN)?,
        };
        let free = Self::wait_for(setup, approach.guard.handle, Awaited::NoFlock, None)?;
        let or = Some(Box::new(free));
        let first = Self::wait_for(setup, ahead.nearest, Awaited::NoRange(Range::Waiter), None)?;
        Ok(Self::Lock(Locked { or, event: Some(passed), ..first }))
    }

    /// Until no other reader is just publishing a record.
    pub(crate) fn pressed(setup: &Setup, approach: Approach) -> Result<Self, Error> {
        Self::locked(setup, approach.guard.handle, Awaited::NoRange(Range::Holder), None)
    }

    fn locked(setup: &Setup, file: Handle, awaited: Awaited, grace: Option<Grace>) -> Result<Self, Error> {
        Self::wait_for(setup, file, awaited, grace).map(Self::Lock)
    }

    fn wait_for(
        setup: &Setup,
        file: Handle,
        awaited: Awaited,
        grace: Option<Grace>,
    ) -> Result<Locked, Error> {
        let failed = |errno| Error::io("start to wait for", &setup.path, errno);
        let grace = grace.map(|grace| sys::timer(grace.left()).map(|timer| (grace, timer)));
        let grace = grace.transpose().map_err(failed)?;
        let lookout = Lookout::start(&file, awaited).map_err(failed)?;
        Ok(Locked { lookout, _file: file, or: None, event: None, grace })
    }

    fn timer(setup: &Setup, after: Duration) -> Result<Handle, Error> {
        sys::timer(after).map_err(|errno| Error::io("set a timer to wait for", &setup.path, errno))
    }

    /// Until nobody has the file locked with `flock`.
    pub(crate) fn flocked(setup: &Setup, file: Handle) -> Result<Self, Error> {
        Self::locked(setup, file, Awaited::NoFlock, None)
    }

    /// Until what keeps the record busy may have changed. Events are noted from now on only: so what is watched is `armed` first, and
    /// the caller looks once more before it sleeps.
    pub(crate) fn at_record(
        setup: &Setup,
        directory: &Arc<Directory>,
        state: &State,
        record: Option<&Record>,
        armed: &mut Option<Vec<Handle>>,
    ) -> Result<Self, Error> {
        let was_armed = armed.take();
        match state {
            State::Held if record.is_some_and(Record::is_shared) => {
                Self::at_lock(setup, directory, Access::ReadWrite, Awaited::NoShareOf(Range::Holder))
            }
            State::Held => Self::at_lock(setup, directory, Access::Read, Awaited::NoRange(Range::Holder)),
            State::Acquiring => Self::at_lock(setup, directory, Access::Read, Awaited::NoRange(Range::Both)),
            State::ForeignFlock => Self::at_lock(setup, directory, Access::Read, Awaited::NoFlock),
            State::Ancestor(_) | State::Incomplete { .. } => {
                if let Some(events) = was_armed {
                    return Ok(Self::Events(events));
                }
                *armed = Some(events(setup, directory, state, record)?);
                Ok(Self::Not)
            }
            // Of these nothing is told.
            _ => Ok(Self::Events(vec![Self::timer(setup, LOOK_AGAIN)?])),
        }
    }

    fn at_lock(
        setup: &Setup,
        directory: &Directory,
        access: Access,
        awaited: Awaited,
    ) -> Result<Self, Error> {
        match directory.open_file(&setup.names.record, access) {
            Ok(file) => Self::locked(setup, file, awaited, None),
            Err(Errno::NOENT) => Ok(Self::Not),
            Err(_) => Ok(Self::Events(vec![Self::timer(setup, LOOK_AGAIN)?])),
        }
    }

    /// What becomes readable when it ends; nothing where the thread itself has to sleep.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Not | Self::Blocked(_) => Vec::new(),
            Self::Posted(posted) => posted.lookout.iter().flat_map(Lookout::descriptors).collect(),
            Self::Lock(locked) => {
                let timers = locked.grace.iter().map(|(_, timer)| timer).chain(&locked.event);
                let timers = timers.map(AsFd::as_fd);
                let both = [Some(locked), locked.or.as_deref()].into_iter().flatten();
                both.flat_map(|locked| locked.lookout.descriptors()).chain(timers).collect()
            }
            Self::Events(events) => events.iter().map(AsFd::as_fd).collect(),
        }
    }

    /// Ends it. With the guard, if it was waited for, which may be locked by now; and what others were given, if that is over.
    pub(crate) fn end(self) -> (Option<Approach>, Option<Grace>) {
        match self {
            Self::Not | Self::Events(_) => (None, None),
            Self::Blocked(approach) => (Some(approach), None),
            Self::Posted(mut posted) => {
                posted.lookout = None;
                (posted.approach.take(), None)
            }
            Self::Lock(locked) => (None, locked.grace_if_over()),
        }
    }
}

impl Locked {
    /// What was given, if it is over, the lock being still there.
    fn grace_if_over(mut self) -> Option<Grace> {
        let is_gone = sys::is_ready(&self.lookout.descriptors(), Some(Duration::ZERO)).unwrap_or(true);
        self.grace.take().map(|(grace, _)| grace).filter(|grace| !is_gone && grace.left().is_zero())
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        // It must be gone before: it could get the lock after it was given back here.
        self.lookout = None;
        if let Some(approach) = &self.approach {
            approach.guard.unlock();
        }
    }
}

/// What tells of the end of an ancestor's or an incomplete record.
fn events(
    setup: &Setup,
    directory: &Directory,
    state: &State,
    record: Option<&Record>,
) -> Result<Vec<Handle>, Error> {
    let mut events = Vec::new();
    match sys::watch(&directory.handle, &setup.names.record) {
        Ok(watch) => events.push(watch),
        Err(_) => events.push(Doze::timer(setup, LOOK_AGAIN)?),
    }
    match state {
        State::Ancestor(AncestorState::Alive | AncestorState::Unverified) => {
            // One that is gone by now, or a mere thread's id, is judged in another way when it is looked at again.
            events.extend(record.and_then(|record| pidfd::open(record.pid).ok()));
        }
        State::Incomplete { ages_out_in } => events.push(Doze::timer(setup, *ages_out_in)?),
        _ => {}
    }
    if directory.reach == Reach::OptedIn {
        events.push(Doze::timer(setup, LOOK_AGAIN)?);
    }
    Ok(events)
}
