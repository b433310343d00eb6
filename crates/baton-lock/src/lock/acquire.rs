//! Steps 1 to 7, once: from nothing to a lock that is held, or the reason why not.
//!
//! Every way out unlocks explicitly what was locked: closing alone does not, if a child was forked meanwhile. What was
//! published where there was none is removed on the way out; what replaced a released record is marked as released; what
//! replaced a dead holder's stays, unlocked, so that the unrepaired death is told to the next one.

use std::sync::Arc;
use std::time::Duration;

use super::companion;
use super::directory::Directory;
use super::guard::Guard;
use super::handle::Setup;
use super::held::{Held, Outcome, Parts};
use super::judge::{self, Departed, Verdict};
use super::naming::Naming;
use super::publish::{Born, Desk, Publication, RecordMode, StandsFor};
use super::token;
use crate::clock;
use crate::diagnosis::State;
use crate::error::Error;
use crate::identity;
use crate::record::{self, AncestorIdentity, Details, Record};
use crate::sys::{self, Access, Errno};

/// What one round came to.
#[derive(Debug)]
pub(crate) enum Round {
    Held(Held),
    Busy(Busy),
    /// A name changed its meaning on the way: start over.
    StartOver,
}

/// Why a lock could not be had.
#[derive(Debug)]
pub(crate) struct Busy {
    pub(crate) state: State,
    pub(crate) record: Option<Box<Record>>,
    /// Was it the guard that was refused? Then waiting for the guard is waiting for the lock.
    pub(crate) at_guard: bool,
}

/// Whether to wait for the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtGuard {
    Try,
    Wait,
}

/// How often a record that others are judging, or that changes while it is judged, is looked at again within a round, and
/// with what pause. A judgement takes some 20 µs; these 100 ms are for one that was interrupted.
const JUDGEMENTS: u32 = 50;
const JUDGEMENT_PAUSE: Duration = Duration::from_millis(2);

/// A record that was published and taken back, whose place in the story the next round has to keep.
#[derive(Debug)]
pub(crate) struct TakenBack {
    token: u64,
    outcome: Outcome,
}

/// Goes through the steps once. `taken_back` carries what an earlier round found out and could not keep.
pub(crate) fn round(
    setup: &Arc<Setup>,
    at_guard: AtGuard,
    taken_back: &mut Option<TakenBack>,
) -> Result<Round, Error> {
    let directory = setup.directory()?; // step 1
    match in_directory(setup, &directory, at_guard, taken_back) {
        Ok(Round::Held(held)) => Ok(Round::Held(held)),
        // What was found there says nothing of the one that has the path by now. In a removed one nothing can even be created.
        _ if setup.forget_directory_if_moved(&directory) => Ok(Round::StartOver),
        answer => answer,
    }
}

/// Steps 2 to 7, in a directory that was opened in this round or an earlier one.
fn in_directory(
    setup: &Arc<Setup>,
    directory: &Arc<Directory>,
    at_guard: AtGuard,
    taken_back: &mut Option<TakenBack>,
) -> Result<Round, Error> {
    let Some(guard) = open_guard(setup, directory)? else { return Ok(Round::StartOver) }; // step 2
    if let Some(busy) = lock_guard(setup, directory, &guard, at_guard)? {
        return Ok(Round::Busy(busy)); // step 3
    }
    let guard = Locked(Some(guard));
    if !directory.means(&setup.names.guard, guard.get().id) {
        return Ok(Round::StartOver);
    }
    companion::refuse(directory, &setup.well_known, setup.naming, Some(guard.get()))?;
    hold(setup, directory, guard, taken_back)
}

/// The guard while it is locked; unlocked explicitly unless it goes into a [`Held`].
struct Locked(Option<Guard>);

impl Locked {
    fn get(&self) -> &Guard {
        self.0.as_ref().expect("it is taken out only by `keep`, which consumes this")
    }

    fn keep(mut self) -> Guard {
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
    let Some(seen) = directory.look(name)? else { return Ok(()) };
    if setup.naming == Naming::Flock {
        return Ok(());
    }
    judge::check(directory, name, setup.rules(), &seen)?;
    if setup.malformed == judge::Malformed::AgesOut {
        return Ok(());
    }
    let content = sys::open_at(&directory.handle, name, Access::Read)
        .and_then(|handle| sys::read_start(&handle, record::MAX_READ + 1));
    match content {
        Ok(bytes) if record::classify(&bytes) == record::Content::Foreign => {
            Err(judge::not_a_lock_file(directory, name))
        }
        // What else it may be is judged in step 4.
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Error::io("read the record", &directory.path_of(name), errno)),
    }
}

/// Step 3. `Some`: somebody else has it.
fn lock_guard(
    setup: &Setup,
    directory: &Directory,
    guard: &Guard,
    at_guard: AtGuard,
) -> Result<Option<Busy>, Error> {
    if at_guard == AtGuard::Wait {
        return guard.lock(directory, &setup.names).map(|()| None);
    }
    if guard.try_lock(directory, &setup.names)? {
        return Ok(None);
    }
    let (state, record) = super::observe::behind_locked_guard(setup, directory);
    Ok(Some(Busy { state, record, at_guard: true }))
}

/// Steps 4 to 7, the guard being locked.
fn hold(
    setup: &Arc<Setup>,
    directory: &Arc<Directory>,
    guard: Locked,
    taken_back: &mut Option<TakenBack>,
) -> Result<Round, Error> {
    let last = token::last(guard.get(), directory, &setup.names, setup.naming)?;
    let desk = setup.desk(directory, guard.get());
    // Each further look is caused by somebody else's change or judgement, and their number is limited.
    for look in 0..JUDGEMENTS {
        if look > 0 {
            sys::pause(JUDGEMENT_PAUSE);
        }
        let departed = match judge_record(setup, directory)? {
            Verdict::Busy(state, record) => return Ok(Round::Busy(Busy { state, record, at_guard: false })),
            Verdict::Changed => continue,
            Verdict::OutOfReach(reason) => {
                return conclude(
                    setup,
                    directory,
                    guard,
                    Acquired::recordless(setup, token::next(last), reason),
                    taken_back,
                );
            }
            Verdict::Absent => None,
            Verdict::Departed(departed) if desk.sweep(&departed) => continue,
            Verdict::Departed(departed) => Some(departed),
        };
        let (outcome, token) = succession(departed.as_deref(), last, taken_back.as_ref());
        token::store(token, guard.get(), directory, &setup.names, setup.naming)?;
        let record = new_record(setup, token);
        match desk.publish(&record.to_json(), departed.as_deref()) {
            Ok(Publication::Done(born)) => {
                let published = Some((born, stands_for(departed.as_deref(), &outcome)));
                let acquired = Acquired { published, recordless: None, outcome, token, record };
                // Only now may others judge what we replaced.
                drop(departed);
                return conclude(setup, directory, guard, acquired, taken_back);
            }
            Ok(Publication::JudgeAgain) => {}
            Err(error) => {
                let Some(reason) = reason_to_do_without(setup.naming, &error) else { return Err(error) };
                let acquired = Acquired { published: None, recordless: Some(reason), outcome, token, record };
                return conclude(setup, directory, guard, acquired, taken_back);
            }
        }
    }
    Ok(Round::Busy(Busy { state: State::Acquiring, record: None, at_guard: false }))
}

/// Step 4; in flock naming what can't be judged is done without.
fn judge_record(setup: &Setup, directory: &Directory) -> Result<Verdict, Error> {
    match judge::judge(directory, &setup.names.record, setup.rules()) {
        Err(error @ (Error::Unsafe { .. } | Error::NotALockFile { .. })) if setup.naming == Naming::Flock => {
            Ok(Verdict::OutOfReach(error.to_string()))
        }
        verdict => verdict,
    }
}

/// In flock naming a lock is held without a record where none can be written.
fn reason_to_do_without(naming: Naming, error: &Error) -> Option<String> {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let Error::Io { source, .. } = error else { return None };
    let is_forbidden = matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem);
    (naming == Naming::Flock && is_forbidden).then(|| format!("{error}: {source}"))
}

/// How the lock is got, and step 5, from whom it is got.
fn succession(departed: Option<&Departed>, last: u64, taken_back: Option<&TakenBack>) -> (Outcome, u64) {
    let Some(departed) = departed else { return (Outcome::Fresh, token::next(last)) };
    let theirs = departed.record.as_ref().and_then(|record| record.token()).unwrap_or(0);
    let token = token::next(last.max(theirs));
    // Our own record of an earlier round stands for the one that it replaced.
    match taken_back {
        Some(ours) if ours.token == theirs => return (ours.outcome.clone(), token),
        _ => {}
    }
    if departed.is_released() {
        return (Outcome::Fresh, token);
    }
    (Outcome::Recovered(departed.record.clone()), token)
}

fn stands_for(departed: Option<&Departed>, outcome: &Outcome) -> StandsFor {
    match (departed, outcome) {
        (None, _) => StandsFor::Nobody,
        (Some(_), Outcome::Fresh) => StandsFor::Released,
        (Some(_), Outcome::Recovered(_)) => StandsFor::Dead,
    }
}

/// What steps 4 to 6 came to.
struct Acquired {
    published: Option<(Born, StandsFor)>,
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
    taken_back: &mut Option<TakenBack>,
) -> Result<Round, Error> {
    let desk = setup.desk(directory, guard.get());
    let is_named = directory.means(&setup.names.guard, guard.get().id)
        && acquired.published.as_ref().is_none_or(|(born, _)| directory.means(&setup.names.record, born.id))
        && directory.is_still_named();
    let refused = companion::refuse(directory, &setup.well_known, setup.naming, Some(guard.get()));
    if is_named && refused.is_ok() {
        *taken_back = None;
        let Acquired { published, recordless, outcome, token, record } = acquired;
        let parts = Parts {
            setup: Arc::clone(setup),
            directory: Arc::clone(directory),
            guard: guard.keep(),
            published,
            recordless,
            record,
        };
        return Ok(Round::Held(Held::new(parts, outcome, token)));
    }
    if let Some((born, stands_for)) = &acquired.published {
        desk.take_back(born, &acquired.record, *stands_for);
        if *stands_for != StandsFor::Nobody {
            *taken_back = Some(TakenBack { token: acquired.token, outcome: acquired.outcome });
        }
    }
    refused.map(|()| Round::StartOver)
}

/// The record of this process, within its limits.
fn new_record(setup: &Setup, token: u64) -> Record {
    let myself = identity::myself();
    let mut record = Record {
        pid: myself.pid,
        started_at: Some(clock::format(clock::now())),
        command: setup.command.clone().or_else(own_command),
        baton: Some(Details {
            version: record::VERSION,
            token: Some(token),
            boot_id: myself.boot_id,
            host: Some(myself.host),
            user: Some(myself.user),
            process_start: myself.process_start,
            pid_namespace: myself.pid_namespace,
            purpose: setup.purpose.clone(),
            exec: setup.ends_by_exec,
            released: false,
        }),
        ancestor: AncestorIdentity::default(),
    };
    record.fit();
    record
}

fn own_command() -> Option<String> {
    let pid = i32::try_from(sys::process_id()).ok()?;
    identity::command_line(pid).map(|command| record::limited(&command, record::MAX_COMMAND))
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
        Desk { directory, names: &self.names, access, rules: self.rules() }
    }
}
