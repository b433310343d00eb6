//! Steps 1 to 7, once: from nothing to a lock that is held, or the reason why not.
//!
//! Every way out unlocks explicitly what was locked: closing alone does not, if a child was forked meanwhile. What was
//! published is taken back on the way out, so that the next one finds what this one found: an unrepaired death is told to it,
//! and with the record of who died.

use std::sync::Arc;
use std::time::Duration;

use super::companion;
use super::directory::Directory;
use super::grace::Grace;
use super::guard::Guard;
use super::handle::Setup;
use super::held::{Hold, Outcome, Parts};
use super::judge::{self, Claim, Departed, Rules, Verdict};
use super::naming::Naming;
use super::publish::{Born, Desk, Found, Publication, RecordMode};
use super::queue::{Ahead, Queue, Standing};
use super::sharing;
use super::token;
use crate::clock;
use crate::diagnosis::State;
use crate::error::Error;
use crate::identity;
use crate::record::{self, AncestorIdentity, Details, Record};
use crate::sys::{self, Stat};

/// What one round came to.
#[derive(Debug)]
pub(crate) enum Round {
    Held(Hold),
    Busy(Busy),
    /// The lock could be had, but others have waited longer.
    NotYet(Ahead),
    /// Others share it and could be joined, or have it; and others have waited longer.
    Behind(Ahead, Approach, State, Option<Box<Record>>),
    /// A name changed its meaning on the way: start over.
    StartOver,
}

/// Why a lock could not be had.
#[derive(Debug)]
pub(crate) struct Busy {
    pub(crate) state: State,
    pub(crate) record: Option<Box<Record>>,
    pub(crate) at: At,
}

/// Where it was refused.
#[derive(Debug)]
pub(crate) enum At {
    /// The guard is locked: waiting for it is waiting for the lock.
    Guard(Approach),
    /// Another reader is just about to publish a record, and has the guard's byte for that.
    Press(Approach),
    /// The record keeps it, the guard being free.
    Record(Arc<Directory>, Stat),
}

/// Whose turn it is, as far as who asks is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) claim: Claim,
    pub(crate) standing: Standing<'a>,
    /// What those before were given to come for it, if that is over.
    pub(crate) grace: Option<&'a Grace>,
}

/// How often a record that others are judging, or that changes while it is judged, is looked at again within a round, and
/// with what pause. A judgement takes some 20 µs; these 100 ms are for one that was interrupted.
pub(super) const JUDGEMENTS: u32 = 50;
pub(super) const JUDGEMENT_PAUSE: Duration = Duration::from_millis(2);

/// The guard, open: what steps 1 and 2 come to.
#[derive(Debug)]
pub(crate) struct Approach {
    pub(crate) directory: Arc<Directory>,
    pub(crate) guard: Guard,
}

/// Steps 1 and 2. `None`: the guard came and went meanwhile.
pub(crate) fn approach(setup: &Arc<Setup>) -> Result<Option<Approach>, Error> {
    let directory = setup.directory()?;
    let guard = open_guard(setup, &directory)?;
    Ok(guard.map(|guard| Approach { directory, guard }))
}

impl Approach {
    /// Steps 3 to 7, once. The guard may be locked by its descriptor already, by somebody who has waited for it.
    pub(crate) fn enter(self, setup: &Arc<Setup>, turn: Turn<'_>) -> Result<Round, Error> {
        if turn.claim == Claim::Shared {
            return sharing::enter(self, setup, turn);
        }
        if !self.guard.try_lock(&self.directory, &setup.names, Claim::Exclusive)? {
            let (state, record) = super::observe::behind_locked_guard(setup, &self.directory);
            return Ok(Round::Busy(Busy { state, record, at: At::Guard(self) }));
        }
        let Self { directory, guard } = self;
        let guard = Locked::new(guard);
        if !directory.means(&setup.names.guard, &guard.get().handle, guard.get().id)? {
            return Ok(Round::StartOver);
        }
        companion::refuse(&directory, &setup.well_known, setup.naming, Some(guard.get()))?;
        hold(setup, &directory, guard, turn)
    }
}

/// The guard while it is locked; unlocked explicitly unless it goes into a [`Held`].
pub(super) struct Locked(Option<Guard>);

impl Locked {
    pub(super) fn new(guard: Guard) -> Self {
        Self(Some(guard))
    }

    pub(super) fn get(&self) -> &Guard {
        self.0.as_ref().expect("it is taken out only by `keep`, which consumes this")
    }

    /// Leaves it locked.
    pub(super) fn keep(mut self) -> Guard {
        self.0.take().expect("nothing took it before")
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            guard.unlock();
        }
    }
}

/// Step 2. `None`: it came and went meanwhile.
fn open_guard(setup: &Setup, directory: &Directory) -> Result<Option<Guard>, Error> {
    if let Some(guard) = Guard::open(directory, &setup.names, setup.naming)? {
        return Ok(Some(guard));
    }
    // Nothing is created beside what can't become a lock.
    companion::refuse(directory, &setup.well_known, setup.naming, None)?;
    refuse_what_is_no_record(setup, directory)?;
    Guard::create(directory, &setup.names, setup.naming)
}

fn refuse_what_is_no_record(setup: &Setup, directory: &Directory) -> Result<(), Error> {
    let name = &setup.names.record;
    if setup.naming == Naming::Flock {
        return Ok(());
    }
    let Some((handle, _)) = judge::open_to_look(directory, name, setup.rules())? else { return Ok(()) };
    if setup.malformed == judge::Malformed::AgesOut {
        return Ok(());
    }
    let bytes = sys::read_start(&handle, record::MAX_READ + 1)
        .map_err(|errno| Error::io("read the record", &directory.path_of(name), errno))?;
    match record::classify(&bytes) {
        record::Content::Foreign => Err(judge::not_a_lock_file(directory, name)),
        // What else it may be is judged in step 4.
        _ => Ok(()),
    }
}

/// Steps 4 to 7, the guard being locked.
fn hold(
    setup: &Arc<Setup>,
    directory: &Arc<Directory>,
    guard: Locked,
    turn: Turn<'_>,
) -> Result<Round, Error> {
    let busy = |state, record| {
        Ok(Round::Busy(Busy { state, record, at: At::Record(Arc::clone(directory), guard.get().stat) }))
    };
    let last = token::last(guard.get(), directory, &setup.names, setup.naming)?;
    let desk = setup.desk(directory, guard.get());
    // Each further look is caused by somebody else's change or judgement, and their number is limited.
    for look in 0..JUDGEMENTS {
        if look > 0 {
            sys::pause(JUDGEMENT_PAUSE);
        }
        let verdict = judge_record(setup, directory, guard.get(), Claim::Exclusive)?;
        if verdict.is_obtainable()
            && let Some(ahead) = not_yet(setup, directory, guard.get(), turn, last.max(verdict.token()))
        {
            return Ok(Round::NotYet(ahead));
        }
        let departed = match verdict {
            Verdict::Busy(state, record) => return busy(state, record),
            // A group is found only by one who could join it.
            Verdict::Changed | Verdict::Group(..) => continue,
            Verdict::OutOfReach { reason, token } => {
                let acquired = Acquired::recordless(setup, token::next(last.max(token)), reason);
                return conclude(setup, directory, guard, acquired);
            }
            Verdict::Absent => None,
            // Nobody died, so that nobody left anything that matters.
            Verdict::Departed(departed) if departed.tells_of_nobody() => Some(departed),
            Verdict::Departed(departed) if desk.sweep(&departed)? => continue,
            Verdict::Departed(departed) => Some(departed),
        };
        let (outcome, token) = succession(departed.as_deref(), last);
        token::store(token, guard.get(), directory, &setup.names, setup.naming)?;
        let record = new_record(setup, token);
        match desk.publish(record.to_json().as_bytes(), departed.as_deref(), turn.standing.ticket()) {
            Ok(Publication::Done(born)) => {
                if departed.as_ref().is_some_and(|departed| departed.is_of_readers()) {
                    Queue::clear(directory, &setup.names.readers, &guard.get().stat);
                }
                // Only now may others judge what we replaced.
                let published = Some((born, departed.map_or(Found::Nothing, |departed| departed.found())));
                let acquired = Acquired { published, recordless: None, outcome, token, record };
                return conclude(setup, directory, guard, acquired);
            }
            Ok(Publication::JudgeAgain) => {}
            Err(error) => {
                let Some(reason) = reason_to_do_without(setup.naming, &error) else { return Err(error) };
                // Without a record of one's own nobody can be told apart from the one before: never *recovered*.
                let acquired = Acquired {
                    published: None,
                    recordless: Some(reason),
                    outcome: Outcome::Fresh,
                    token,
                    record,
                };
                return conclude(setup, directory, guard, acquired);
            }
        }
    }
    busy(State::Acquiring, None)
}

/// Who has to come before, once it is clear that the lock could be had.
pub(super) fn not_yet(
    setup: &Setup,
    directory: &Arc<Directory>,
    guard: &Guard,
    turn: Turn<'_>,
    token: u64,
) -> Option<Ahead> {
    let ahead = who_is_ahead(setup, directory, guard, turn, token)?;
    if turn.grace.is_some_and(|grace| grace.was_had(&ahead.sight)) {
        ahead.pass();
        return None;
    }
    // Before the guard is given back: whoever gets it next sees it.
    if let Standing::Waiter(ticket) = turn.standing {
        ticket.step_back();
    }
    Some(ahead)
}

pub(super) fn who_is_ahead(
    setup: &Setup,
    directory: &Arc<Directory>,
    guard: &Guard,
    turn: Turn<'_>,
    token: u64,
) -> Option<Ahead> {
    let queue = match turn.standing.ticket() {
        Some(ticket) => ticket.queue(),
        None => Arc::new(Queue::open(directory, &setup.names.queue, &guard.stat)?),
    };
    queue.ahead(turn.standing, turn.claim, token)
}

/// Step 4; in flock naming what can't be judged is done without.
pub(super) fn judge_record(
    setup: &Setup,
    directory: &Directory,
    guard: &Guard,
    claim: Claim,
) -> Result<Verdict, Error> {
    let name = &setup.names.record;
    let rules = Rules { claim, ..setup.rules() };
    match setup.naming {
        Naming::Record => judge::judge(directory, name, rules),
        Naming::Flock => judge::judge_beside(directory, name, rules, &guard.stat),
    }
}

/// In flock naming a lock is held without a record where none can be written.
pub(super) fn reason_to_do_without(naming: Naming, error: &Error) -> Option<String> {
    use std::io::ErrorKind::{InvalidFilename, PermissionDenied, ReadOnlyFilesystem};
    let Error::Io { source, .. } = error else { return None };
    let is_forbidden = matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem | InvalidFilename);
    (naming == Naming::Flock && is_forbidden).then(|| format!("{error}: {source}"))
}

/// How the lock is got, and step 5, from whom it is got.
pub(super) fn succession(departed: Option<&Departed>, last: u64) -> (Outcome, u64) {
    let Some(departed) = departed else { return (Outcome::Fresh, token::next(last)) };
    let theirs = departed.record.as_ref().map_or(0, |record| token::of(record));
    let token = token::next(last.max(theirs));
    if departed.tells_of_nobody() {
        return (Outcome::Fresh, token);
    }
    (Outcome::Recovered(departed.whose().cloned().map(Box::new)), token)
}

/// What steps 4 to 6 came to.
struct Acquired {
    /// With what it replaced.
    published: Option<(Born, Found)>,
    recordless: Option<String>,
    outcome: Outcome,
    token: u64,
    record: Record,
}

impl Acquired {
    fn recordless(setup: &Setup, token: u64, reason: String) -> Self {
        let record = new_record(setup, token);
        Self { published: None, recordless: Some(reason), outcome: Outcome::Fresh, token, record }
    }
}

/// Step 7: do all names still mean what is locked?
fn conclude(
    setup: &Arc<Setup>,
    directory: &Arc<Directory>,
    guard: Locked,
    acquired: Acquired,
) -> Result<Round, Error> {
    let looked = look_again(setup, directory, guard.get(), acquired.published.as_ref());
    if matches!(looked, Ok(true)) {
        let Acquired { published, recordless, outcome, token, record } = acquired;
        let parts = Parts {
            setup: Arc::clone(setup),
            directory: Arc::clone(directory),
            guard: guard.keep(),
            published,
            recordless,
            record,
            share: None,
            place: None,
        };
        return Ok(Round::Held(Hold::new(parts, outcome, token)));
    }
    if let Some((born, found)) = &acquired.published {
        setup.desk(directory, guard.get()).put_back(born, found, &acquired.record);
    }
    looked.map(|_| Round::StartOver)
}

/// Do all names still mean what is open, and is nobody there of the other naming?
pub(super) fn look_again(
    setup: &Setup,
    directory: &Directory,
    guard: &Guard,
    published: Option<&(Born, Found)>,
) -> Result<bool, Error> {
    let names = &setup.names;
    let is_named = directory.means(&names.guard, &guard.handle, guard.id)?
        && published.map_or(Ok(true), |(born, _)| directory.means(&names.record, &born.handle, born.id))?
        && directory.is_still_named();
    companion::refuse(directory, &setup.well_known, setup.naming, Some(guard))?;
    Ok(is_named)
}

/// The record of this process, within its limits.
pub(super) fn new_record(setup: &Setup, token: u64) -> Record {
    record_of(setup, Some(token))
}

/// The same without a token, for one who waits.
pub(crate) fn record_of(setup: &Setup, token: Option<u64>) -> Record {
    record_by(setup.command.clone(), setup.purpose.clone(), setup.ends_by_exec, token)
}

/// The same, of one who holds without files.
pub(crate) fn record_by(
    command: Option<String>,
    purpose: Option<String>,
    exec: bool,
    token: Option<u64>,
) -> Record {
    let myself = identity::myself();
    let mut record = Record {
        pid: myself.pid,
        started_at: Some(clock::format(clock::now())),
        command: command.or_else(|| myself.command().map(str::to_owned)),
        baton: Some(Details {
            version: record::VERSION,
            token,
            boot_id: myself.boot_id.clone(),
            host: Some(myself.host.clone()),
            user: Some(myself.user.clone()),
            process_start: myself.process_start,
            pid_namespace: myself.pid_namespace.clone(),
            purpose,
            exec,
            released: false,
            stands_for_unknown: false,
            shared: false,
            first: None,
            unrepaired: None,
        }),
        ancestor: AncestorIdentity::default(),
    };
    record.fit();
    record
}

impl Setup {
    /// Where records go, given the guard: in flock naming whoever can read the guard can read the record.
    pub(crate) fn desk<'a>(&'a self, directory: &'a Directory, guard: &Guard) -> Desk<'a> {
        const OWNER: u32 = 0o600;
        let access = match self.naming {
            Naming::Record => RecordMode { bits: OWNER, writing_group: None },
            // Judging takes write permission. A group that may write the guard can block the lock anyway.
            Naming::Flock => RecordMode {
                bits: OWNER | (guard.stat.mode & 0o044),
                writing_group: (guard.stat.mode & 0o020 != 0).then_some(guard.stat.group),
            },
        };
        Desk { directory, names: &self.names, naming: self.naming, access, rules: self.rules() }
    }
}
