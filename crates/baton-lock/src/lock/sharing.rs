//! Steps 3 to 7 for a reader: as in [`super::acquire`], with the guard shared, and by joining a group where there is one.
//!
//! Whoever waits and has waited longer comes first, as for a writer; but a reader looks for him *before* it touches the guard: the kernel
//! grants a share while a writer sleeps in its queue, so that readers one after the other could keep that writer out for ever. For the
//! same reason it waits for as long as the lock is held, not for a second: a writer who can't come is not stopped.
//!
//! 1. R1 holds. W comes, takes a ticket, sleeps in the kernel's queue for the guard. R2 comes.
//! 2. R2 finds W's ticket, and asks for the guard *exclusively*, which is granted only if nobody has it: refused, it is held. R2 takes a ticket
//!    and sleeps until W's ticket is gone, or nobody has the guard.
//! 3. R1 releases. W gets the guard, and its ticket goes: R2 wakes, has nobody before it, and sleeps in the kernel's queue for a share.
//! 4. Or W is stopped: R2 wakes because nobody has the guard, gets it exclusively, so that it is free, and gives W a second (W5).
//!
//! Other readers' tickets are in no reader's way: those before it that run come in too, in whatever order, and those that are stopped
//! keep nobody out. So of the readers behind one writer all come in when it releases.
//!
//! Several readers can publish at the same time, each with its share of the guard. Who gets its record named has founded the group, and the
//! others join it. But the guard remembers the last token, and two who write it could leave the smaller one. So byte 0 of the guard, the
//! *press*, is locked before step 4 comes to its last verdict, and until the record is published:
//!
//! 1. R1 reads 5, R2 reads 5. R2 makes 7 of it by its clock, R1 made 6 before. R2 writes 7, publishes, releases. R1 writes 6.
//! 2. The clock is set back. The next writer makes 7 of 6. *With the press R1 reads 7, or writes before R2 reads.*
//!
//! In flock naming the guard remembers nothing, and the record's name alone decides.

use std::sync::Arc;

use super::acquire::{self, Approach, At, Busy, JUDGEMENT_PAUSE, JUDGEMENTS, Locked, Round, Turn};
use super::directory::Directory;
use super::group::{self, Group};
use super::guard::Guard;
use super::handle::Setup;
use super::held::{Hold, Outcome, Parts, Share};
use super::judge::{Claim, Departed, Rules, Verdict};
use super::naming::Naming;
use super::publish::{Born, Desk, Found, Publication};
use super::queue::{Ahead, Queue};
use super::ticket::Ticket;
use super::{companion, observe, token};
use crate::diagnosis::State;
use crate::error::Error;
use crate::record::Record;
use crate::sys::{self, Range};

/// Steps 3 to 7, once. The guard may be locked by its descriptor already, by somebody who has waited for it.
pub(super) fn enter(approach: Approach, setup: &Arc<Setup>, turn: Turn<'_>) -> Result<Round, Error> {
    let Approach { directory, guard } = &approach;
    // Here it matters only whether there is anybody; what is seen is looked at again with the guard locked.
    if let Some(ahead) = acquire::who_is_ahead(setup, directory, guard, turn, 0) {
        return let_first(approach, setup, turn, ahead);
    }
    if !guard.try_lock(directory, &setup.names, Claim::Shared)? {
        let (state, record) = observe::behind_locked_guard(setup, directory);
        return Ok(Round::Busy(Busy { state, record, at: At::Guard(approach) }));
    }
    inside(approach, setup)
}

/// Others come first: unless it is free and they had their time.
fn let_first(approach: Approach, setup: &Arc<Setup>, turn: Turn<'_>, ahead: Ahead) -> Result<Round, Error> {
    let Approach { directory, guard } = &approach;
    drop(ahead);
    if !guard.try_lock(directory, &setup.names, Claim::Exclusive)? {
        return behind(approach, setup, turn);
    }
    let Approach { directory, guard } = approach;
    let guard = Locked::new(guard);
    if !directory.means(&setup.names.guard, &guard.get().handle, guard.get().id)? {
        return Ok(Round::StartOver);
    }
    let verdict = acquire::judge_record(setup, &directory, guard.get(), Claim::Exclusive)?;
    let theirs = verdict.token();
    match verdict {
        // The guard was deleted.
        Verdict::Busy(state, record) => {
            return Ok(Round::Busy(Busy { state, record, at: At::Record(directory, guard.get().stat) }));
        }
        Verdict::Changed | Verdict::Group(..) => {
            sys::pause(JUDGEMENT_PAUSE);
            return Ok(Round::StartOver);
        }
        Verdict::Absent | Verdict::Departed(_) | Verdict::OutOfReach { .. } => {}
    }
    let last = token::last(guard.get(), &directory, &setup.names, setup.naming)?.max(theirs);
    if let Some(ahead) = acquire::not_yet(setup, &directory, guard.get(), turn, last) {
        return Ok(Round::NotYet(ahead));
    }
    let approach = Approach { directory, guard: guard.keep() };
    if !approach.guard.try_lock(&approach.directory, &setup.names, Claim::Shared)? {
        return Ok(Round::StartOver);
    }
    inside(approach, setup)
}

/// It is held, and others come first: or did, a moment ago. R2 and R3 let W come first, who is stopped:
///
/// 1. R3 looks at the queue. R2's second is over: it has the guard exclusively, passes W, shares the guard, and holds.
/// 2. R3 is refused the guard. Slept it now until W is gone or the guard free, it would wait for R2, whom it can join.
///
/// So it looks again with a share of the guard: nobody is passed then, for who passes has it exclusively. Who has no share to be had sleeps
/// for that. If it is passed between this look and the sleep, its ticket has another name when the sleep is to begin; if later, that ends it.
fn behind(approach: Approach, setup: &Arc<Setup>, turn: Turn<'_>) -> Result<Round, Error> {
    let Approach { directory, guard } = &approach;
    let is_shared = guard.try_lock(directory, &setup.names, Claim::Shared)?;
    let (state, record) = observe::behind_locked_guard(setup, directory);
    if !is_shared {
        return Ok(Round::Busy(Busy { state, record, at: At::Guard(approach) }));
    }
    match acquire::who_is_ahead(setup, directory, guard, turn, 0) {
        None => inside(approach, setup),
        Some(ahead) => {
            guard.unlock();
            Ok(Round::Behind(ahead, approach, state, record))
        }
    }
}

/// The guard being shared.
fn inside(approach: Approach, setup: &Arc<Setup>) -> Result<Round, Error> {
    let Approach { directory, guard } = approach;
    let guard = Locked::new(guard);
    if !directory.means(&setup.names.guard, &guard.get().handle, guard.get().id)? {
        return Ok(Round::StartOver);
    }
    companion::refuse(&directory, &setup.well_known, setup.naming, Some(guard.get()))?;
    let reader = Reader { setup, directory, guard };
    let mut state = State::Acquiring;
    let mut record = None;
    // Each further look is caused by somebody else's change or judgement, and their number is limited.
    for look in 0..JUDGEMENTS {
        if look > 0 {
            sys::pause(JUDGEMENT_PAUSE);
        }
        match reader.look()? {
            Looked::Got(got) => return reader.conclude(*got),
            Looked::Again | Looked::Free => {}
            Looked::Pressed => return Ok(reader.busy_press()),
            Looked::Busy(theirs, named) => {
                (state, record) = (theirs, named);
                break;
            }
        }
    }
    let at = At::Record(Arc::clone(&reader.directory), reader.guard.get().stat);
    Ok(Round::Busy(Busy { state, record, at }))
}

/// A reader that has its share of the guard.
struct Reader<'a> {
    setup: &'a Arc<Setup>,
    directory: Arc<Directory>,
    guard: Locked,
}

/// What a look at the record came to.
enum Looked {
    Got(Box<Got>),
    Again,
    /// A record can be published.
    Free,
    /// Another reader has the press.
    Pressed,
    Busy(State, Option<Box<Record>>),
}

/// What steps 4 to 6 came to.
struct Got {
    born: Option<Born>,
    recordless: Option<String>,
    outcome: Outcome,
    token: u64,
    group: Record,
}

impl Reader<'_> {
    fn desk(&self) -> Desk<'_> {
        let desk = self.setup.desk(&self.directory, self.guard.get());
        Desk { rules: Rules { claim: Claim::Shared, ..desk.rules }, ..desk }
    }

    /// Step 4, and once more with the press where a record can be published: others may have done so meanwhile.
    fn look(&self) -> Result<Looked, Error> {
        let looked = self.look_with(None)?;
        if !matches!(looked, Looked::Free) {
            return Ok(looked);
        }
        match Press::take(self.setup, &self.directory, self.guard.get())? {
            Some(press) => self.look_with(Some(&press)),
            None => Ok(Looked::Pressed),
        }
    }

    fn look_with(&self, press: Option<&Press<'_>>) -> Result<Looked, Error> {
        let verdict = acquire::judge_record(self.setup, &self.directory, self.guard.get(), Claim::Shared)?;
        let departed = match verdict {
            Verdict::Busy(state, record) => return Ok(Looked::Busy(state, record)),
            Verdict::Changed => return Ok(Looked::Again),
            Verdict::Group(group, record) => return self.join(group, *record),
            Verdict::OutOfReach { reason, token } => {
                let token = token::next(self.last_token()?.max(token));
                return Ok(Looked::Got(Box::new(self.recordless(reason, token))));
            }
            Verdict::Absent => None,
            Verdict::Departed(departed) => Some(departed),
        };
        if press.is_none() { Ok(Looked::Free) } else { self.publish(departed.as_deref()) }
    }

    /// Joins a group, unless our guard knows of a later token than the group's:
    ///
    /// 1. R has taken a token, 6, and is stopped. Somebody deletes its guard. W creates another, is given 7, holds, and releases.
    /// 2. R publishes its group, with 6, and is about to find its guard gone. R2, with W's guard, joins it just then.
    ///
    /// Only then: what is written to the guard under the press is published before that is given back.
    fn join(&self, group: Group, record: Record) -> Result<Looked, Error> {
        let guard = self.guard.get();
        let known = match self.setup.naming {
            Naming::Record => token::stored(guard, &self.directory, &self.setup.names)?,
            Naming::Flock => 0,
        };
        if record.token().unwrap_or(0) < known {
            return Ok(Looked::Again);
        }
        let joined = group.join(&self.directory, &self.setup.names.record)?;
        Ok(joined.map_or(Looked::Again, |born| Looked::Got(Box::new(Got::joined(born, record)))))
    }

    fn last_token(&self) -> Result<u64, Error> {
        token::last(self.guard.get(), &self.directory, &self.setup.names, self.setup.naming)
    }

    /// Steps 5 and 6, the press being ours.
    fn publish(&self, departed: Option<&Departed>) -> Result<Looked, Error> {
        let (setup, desk) = (self.setup, self.desk());
        if let Some(dead) = departed.filter(|departed| !departed.tells_of_nobody())
            && desk.sweep(dead)?
        {
            return Ok(Looked::Again);
        }
        let (outcome, token) = acquire::succession(departed, self.last_token()?);
        token::store(token, self.guard.get(), &self.directory, &setup.names, setup.naming)?;
        let own = acquire::new_record(setup, token);
        let unrepaired = match &outcome {
            Outcome::Fresh => None,
            Outcome::Recovered(Some(dead)) => Some(dead.as_ref().clone()),
            Outcome::Recovered(None) => Some(own.standing_for_unknown()),
        };
        let group = own.of_group(unrepaired.as_ref());
        match desk.publish(group.to_json().as_bytes(), departed, None) {
            Ok(Publication::Done(born)) => {
                // The list of those before, if they were killed.
                Queue::clear(&self.directory, &setup.names.readers, &self.guard.get().stat);
                let got = Got { born: Some(born), recordless: None, outcome, token, group };
                Ok(Looked::Got(Box::new(got)))
            }
            Ok(Publication::JudgeAgain) => Ok(Looked::Again),
            Err(error) => match acquire::reason_to_do_without(setup.naming, &error) {
                Some(reason) => Ok(Looked::Got(Box::new(self.recordless(reason, token)))),
                None => Err(error),
            },
        }
    }

    fn recordless(&self, reason: String, token: u64) -> Got {
        let group = acquire::new_record(self.setup, token).of_group(None);
        Got { born: None, recordless: Some(reason), outcome: Outcome::Fresh, token, group }
    }

    /// Step 7, and a place in the list of readers.
    fn conclude(self, got: Got) -> Result<Round, Error> {
        let Got { born, recordless, outcome, token, group } = got;
        let published = born.map(|born| (born, Found::Nothing));
        let looked = acquire::look_again(self.setup, &self.directory, self.guard.get(), published.as_ref());
        if !matches!(looked, Ok(true)) {
            if let Some((born, _)) = &published {
                // Others may have joined by now: it is theirs then.
                group::leave(&self.desk(), born, &group)?;
            }
            return looked.map(|_| Round::StartOver);
        }
        let record = acquire::new_record(self.setup, token).shared();
        let listed = list(self.setup, &self.directory, self.guard.get(), &record);
        let parts = Parts {
            setup: Arc::clone(self.setup),
            directory: self.directory,
            guard: self.guard.keep(),
            published,
            recordless,
            record,
            share: Some(Share { group, listed }),
            place: None,
        };
        Ok(Round::Held(Hold::new(parts, outcome, token)))
    }

    /// The guard is given back, so that it can be waited for the press without it.
    fn busy_press(self) -> Round {
        let approach = Approach { directory: self.directory, guard: self.guard.keep() };
        approach.guard.unlock();
        Round::Busy(Busy { state: State::Acquiring, record: None, at: At::Press(approach) })
    }
}

impl Got {
    fn joined(born: Born, group: Record) -> Self {
        let token = group.token().unwrap_or(0);
        let outcome = match group.unrepaired() {
            None => Outcome::Fresh,
            Some(dead) if dead.stands_for_unknown() => Outcome::Recovered(None),
            Some(dead) => Outcome::Recovered(Some(Box::new(dead.clone()))),
        };
        Self { born: Some(born), recordless: None, outcome, token, group }
    }
}

/// Puts a reader into the list of those who hold the lock. On an error it holds all the same, and is not listed.
pub(super) fn list(
    setup: &Setup,
    directory: &Arc<Directory>,
    guard: &Guard,
    record: &Record,
) -> Result<Ticket, Error> {
    Ticket::take(directory, &setup.names.readers, &guard.stat, record, false)
}

/// The right to write the guard, among readers.
struct Press<'a>(Option<&'a Guard>);

impl<'a> Press<'a> {
    /// `None`: another reader has it.
    fn take(setup: &Setup, directory: &Directory, guard: &'a Guard) -> Result<Option<Self>, Error> {
        if setup.naming == Naming::Flock {
            return Ok(Some(Self(None)));
        }
        match sys::try_lock_range(&guard.handle, Range::Holder) {
            Ok(is_taken) => Ok(is_taken.then_some(Self(Some(guard)))),
            Err(errno) => {
                Err(Error::io("lock the guard's first byte", &directory.path_of(&setup.names.guard), errno))
            }
        }
    }
}

impl Drop for Press<'_> {
    fn drop(&mut self) {
        if let Some(guard) = self.0 {
            // Fails only for a descriptor that is not open; it is.
            let _ = sys::unlock_range(&guard.handle, Range::Holder);
        }
    }
}
