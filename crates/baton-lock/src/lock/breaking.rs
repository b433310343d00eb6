//! Breaking: ends exactly the holder that a token names, and nobody else.
//!
//! A record's pid ends nobody: it may be another's by now, mean another in a container, or be forged. Who is ended is asked of
//! the kernel: every process that has byte 0 of that very record locked, by a descriptor of its own, which it was handed by the
//! holder; and every process that has the guard locked along with it. Each is signalled through a descriptor of the process (a
//! pidfd), so that an id that was given away meanwhile hits nobody:
//!
//! 1. B (who breaks) opens a pidfd F for id 41, which is P.
//! 2. P ends and is reaped; 41 is given to Q.
//! 3. B looks at what 41 has open: that is Q's. If Q has no lock, it is left alone. If it has one (the job of the same holder, say),
//! 4. B asks F whether its process has ended: yes. So what was seen in 3 need not be P's, and nobody is signalled; the next round
//!    opens another pidfd. Had F's process not ended in 4, its id could not have been given away before, and 3 was a look at P.
//! 5. B signals through F: P gets it, or nobody.
//!
//! Asked in the order 3, 1, 4, Q could get what P was seen to deserve. What remains is between 4 and 5: P may give the lock back of
//! itself and be signalled all the same. It is then still the process that was to be ended, a moment ago the holder; a signal is
//! aimed at a process, not at what that has open.
//!
//! Does a lock on the guard belong to this holder, and not to a contender who has it for a moment? Yes, if somebody who has the
//! record has the guard too, and the record is still locked after all have been looked at: a record's lock, once given back, is never
//! taken again, and is given back before the guard. So the guard was locked by this hold all the time, and by no other.
//!
//! Nothing is cleared. That the lock is free is believed only when guard and record were both obtained as step 3 and step 4
//! obtain them; the record stays for the next one, who is told *recovered* (I3). Where a waiter was faster, its token says so.

use std::time::{Duration, Instant};

use super::directory::Directory;
use super::guard::Guard;
use super::handle::Setup;
use super::judge::{self, Claim, Verdict};
use super::naming::Naming;
use super::observe::{self, Depth};
use crate::diagnosis::{Observation, State};
use crate::error::Error;
use crate::identity;
use crate::processes::{self, By, Listed, Process};
use crate::record::Record;
use crate::sys::{self, Handle, Range, pidfd};

/// How long after SIGKILL is waited: a process in the middle of a system call that can't be interrupted ends only after it.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// The longest pause between two looks: a holder that gives the lock back without ending makes no noise.
const PAUSE: Duration = Duration::from_millis(50);

/// How often, and with what pause, the lock is tried afterwards: contenders have the guard for a moment too.
const TRIALS: u32 = 50;
const TRIAL_PAUSE: Duration = Duration::from_millis(10);

/// How a holder is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The number of the first signal, such as that of SIGTERM.
    pub signal: i32,
    /// How long after it SIGKILL follows.
    pub grace: Duration,
}

/// What breaking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Nobody held it, or by now somebody else does: that holder had ended before.
    AlreadyEnded(Observation),
    /// The holder was ended, and the lock could be had.
    Ended {
        /// Whom signals were sent to.
        processes: Vec<Process>,
        /// Was SIGKILL needed?
        is_killed: bool,
        /// Who has it by now, if somebody was waiting.
        next: Option<Box<Record>>,
    },
    /// The holder is another one: nobody was signalled.
    OtherToken(Observation),
    /// There is no record of Baton's that names a holder: nobody was signalled.
    Nameless(Observation),
    /// This holder must or can not be ended from here: nobody was signalled.
    Refused {
        /// What was found.
        seen: Observation,
        /// Why not.
        reason: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// Signals were sent, and it is still held.
    StillHeld {
        /// Whom signals were sent to.
        processes: Vec<Process>,
        /// What is found now.
        seen: Observation,
    },
}

/// Ends the holder with that token. `before` is told whom, before the first signal.
pub(crate) fn break_holder(
    setup: &Setup,
    token: u64,
    ending: Ending,
    before: impl FnOnce(&[Process]),
) -> Result<Broken, Error> {
    let seen = observe::observe(setup, Depth::Processes)?;
    match seen.state {
        State::Free | State::LeftOver => return Ok(Broken::AlreadyEnded(seen)),
        State::Held => {}
        _ => return Ok(Broken::Nameless(seen)),
    }
    let Some(target) = Target::open(setup)? else {
        // It has ended since it was looked at.
        return Ok(Broken::AlreadyEnded(observe::observe(setup, Depth::Processes)?));
    };
    match target.record.as_deref().and_then(Record::token) {
        None => return Ok(Broken::Nameless(seen)),
        Some(found) if found != token => return Ok(Broken::OtherToken(seen)),
        Some(_) => {}
    }
    if let Err(Refusal { reason, hint }) = target.check_owner(setup.naming) {
        return Ok(Broken::Refused { seen, reason, hint });
    }
    let holders = target.holders();
    if let Some(Refusal { reason, hint }) = holders.iter().find_map(|holder| target.refusal(holder)) {
        return Ok(Broken::Refused { seen, reason, hint });
    }
    if holders.is_empty() && target.is_held() {
        let reason = "none of the processes that have it can be seen from here".to_owned();
        let hint = "they are another user's, or in another pid namespace (container): break it there, or as root outside";
        return Ok(Broken::Refused { seen, reason, hint });
    }
    before(&holders.iter().map(|holder| holder.process.clone()).collect::<Vec<_>>());
    let mut pursuit = Pursuit { target: &target, signalled: Vec::new(), is_killed: false };
    pursuit.run(holders, ending);
    let Pursuit { signalled, is_killed, .. } = pursuit;
    let processes = signalled.into_iter().map(|holder| holder.process).collect();
    Ok(match let_go(setup, token)? {
        LetGo::Free => Broken::Ended { processes, is_killed, next: None },
        LetGo::ToNext(record) => Broken::Ended { processes, is_killed, next: Some(record) },
        LetGo::No => Broken::StillHeld { processes, seen: observe::observe(setup, Depth::Processes)? },
    })
}

/// The holder to be ended: its record, open so that its inode number is nobody else's meanwhile.
struct Target {
    record: Option<Box<Record>>,
    handle: Handle,
    owner: u32,
    listed: Listed,
    guard: Option<Listed>,
}

/// A process that has the lock, by a descriptor that means it for ever.
struct Holder {
    process: Process,
    handle: Handle,
}

/// Why somebody is not ended.
struct Refusal {
    reason: String,
    hint: &'static str,
}

impl Target {
    /// `None`: nobody holds it any more.
    fn open(setup: &Setup) -> Result<Option<Self>, Error> {
        let directory = Directory::open(&setup.parent, &setup.allowed)?;
        let name = &setup.names.record;
        let Some(handle) = judge::held_all_the_same(&directory, name)? else { return Ok(None) };
        let stat = sys::stat(&handle)
            .map_err(|errno| Error::io("look at the record", &directory.path_of(name), errno))?;
        let guard = Guard::open_to_look(&directory, &setup.names, setup.naming).ok().flatten();
        Ok(Some(Self {
            record: judge::held_record(&handle),
            owner: stat.owner,
            listed: Listed::of(&handle, &stat),
            guard: guard.map(|guard| guard.listed()),
            handle,
        }))
    }

    /// Does its holder still hold? In doubt it does.
    fn is_held(&self) -> bool {
        sys::is_range_locked(&self.handle, Range::Holder).unwrap_or(true)
    }

    fn is_shared(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.is_shared())
    }

    /// The record's owner must be who breaks; root may break what another user holds, in the naming that users share.
    fn check_owner(&self, naming: Naming) -> Result<(), Refusal> {
        let me = sys::effective_user();
        if self.owner == me || (me == 0 && naming == Naming::Flock) {
            return Ok(());
        }
        Err(Refusal {
            reason: format!("its record belongs to {}", identity::user_name(self.owner)),
            hint: "ask that user to break it, or to end the holder",
        })
    }

    /// All processes that can be seen to have it, each after the order of the module's header.
    fn holders(&self) -> Vec<Holder> {
        let record = std::slice::from_ref(&self.listed);
        let mut holders = having(record, By::HolderByte);
        // Those who share the lock have each a lock of his own on the guard; in flock naming others may too, who have nothing to do with
        // these: that one has it along with the record says nothing of the rest.
        let Some(guard) = self.guard.as_ref().filter(|_| !self.is_shared()) else { return holders };
        let guard = std::slice::from_ref(guard);
        let is_its_guard = |holders: &[Holder]| {
            holders.iter().any(|one| processes::holds(one.process.pid, guard, By::AnyLock))
        };
        if is_its_guard(&holders) {
            let others = having(guard, By::AnyLock);
            if self.is_held() {
                let known: Vec<u32> = holders.iter().map(|holder| holder.process.pid).collect();
                holders.extend(others.into_iter().filter(|other| !known.contains(&other.process.pid)));
            }
        }
        holders
    }

    /// Whoever must not be ended, though it has the lock.
    fn refusal(&self, holder: &Holder) -> Option<Refusal> {
        let pid = holder.process.pid;
        let refuse = |reason: String, hint| Some(Refusal { reason, hint });
        if processes::own_ancestry().contains(&pid) {
            return refuse(
                format!("this command runs inside its job: pid {pid} has it, and is above this process"),
                "run it from outside that job, or let the job end by itself",
            );
        }
        if pid == 1 {
            return refuse(
                "pid 1, the first process here, has it".to_owned(),
                "stop the container or the machine, or end it from outside the container",
            );
        }
        let (me, user) = (sys::effective_user(), identity::real_user(pid));
        // Root ends what has been handed down by root's own holder, whoever it runs as; else the record's owner's alone, so that
        // nobody's daemon is ended because it was sent a descriptor of somebody else's record.
        if user == Some(self.owner) || (me == 0 && self.owner == 0) {
            return None;
        }
        let whose = user.map_or_else(|| "unknown".to_owned(), identity::user_name);
        refuse(
            format!("pid {pid} has it, whose user ({whose}) is not the record's owner"),
            "ask that user to end it, or break it as root",
        )
    }
}

/// The processes that have such a lock on one of `files`, by the order of the module's header.
fn having(files: &[Listed], by: By) -> Vec<Holder> {
    let verified = |pid| {
        // Saves a pidfd for each of the many that have nothing to do with it; decides nothing.
        if !processes::holds(pid, files, by) || processes::shares_with_its_parent(pid) {
            return None;
        }
        let handle = pidfd::open(pid).ok()?;
        let has_it = processes::holds(pid, files, by);
        let process = Process::describe(pid);
        let is_the_same = matches!(pidfd::has_ended(&handle), Ok(false));
        (has_it && is_the_same).then_some(Holder { process, handle })
    };
    processes::pids().into_iter().filter_map(verified).collect()
}

/// The holder's processes being ended.
struct Pursuit<'a> {
    target: &'a Target,
    signalled: Vec<Holder>,
    is_killed: bool,
}

impl Pursuit<'_> {
    /// Signals all of them, and who joins them meanwhile, until none has the lock or the time is over.
    ///
    /// Ends: by the clock, however fast a holder forks.
    fn run(&mut self, mut holders: Vec<Holder>, ending: Ending) {
        let started = Instant::now();
        loop {
            let elapsed = started.elapsed();
            if elapsed >= ending.grace {
                for holder in &holders {
                    signal(holder, pidfd::KILL);
                }
                self.is_killed = true;
            }
            for holder in holders {
                if !self.knows(&holder) {
                    if !self.is_killed {
                        signal(&holder, ending.signal);
                    }
                    self.signalled.push(holder);
                }
            }
            if elapsed >= ending.grace.saturating_add(AFTER_KILL) {
                return;
            }
            self.pause(ending.grace.saturating_sub(elapsed));
            holders = self.target.holders();
            holders.retain(|holder| self.target.refusal(holder).is_none());
            if holders.is_empty() && !self.target.is_held() {
                return;
            }
        }
    }

    /// Was it signalled before? Ids decide nothing here: that of one who has ended may be another's.
    fn knows(&self, holder: &Holder) -> bool {
        self.signalled.iter().any(|known| {
            known.process.pid == holder.process.pid && matches!(pidfd::has_ended(&known.handle), Ok(false))
        })
    }

    fn pause(&self, left: Duration) {
        let running: Vec<&Handle> = self
            .signalled
            .iter()
            .map(|holder| &holder.handle)
            .filter(|handle| matches!(pidfd::has_ended(handle), Ok(false)))
            .collect();
        pidfd::wait(&running, if left.is_zero() { PAUSE } else { PAUSE.min(left) });
    }
}

/// Signals a process, and wakes it if it is stopped, so that it can end in its own way.
fn signal(holder: &Holder, number: i32) {
    // Either fails only for one that has ended, or whose user has changed since: then it is found still to hold.
    let _ = pidfd::send(&holder.handle, number);
    let is_stopped = i32::try_from(holder.process.pid)
        .ok()
        .and_then(identity::process)
        .is_some_and(|process| process.state == b'T');
    if is_stopped {
        let _ = pidfd::send(&holder.handle, pidfd::CONTINUE);
    }
}

/// Whether the lock can be had afterwards.
enum LetGo {
    Free,
    ToNext(Box<Record>),
    No,
}

/// Obtains guard and record as an acquisition does, up to step 4, and gives them back.
fn let_go(setup: &Setup, token: u64) -> Result<LetGo, Error> {
    for trial in 0..TRIALS {
        if trial > 0 {
            sys::pause(TRIAL_PAUSE);
        }
        let directory = setup.directory()?;
        let Some(guard) = Guard::open(&directory, &setup.names, setup.naming)? else {
            // Somebody has deleted it. An acquisition makes another; the record alone tells.
            match judge::held_all_the_same(&directory, &setup.names.record)? {
                None => return Ok(LetGo::Free),
                Some(_) => continue,
            }
        };
        if guard.try_lock(&directory, &setup.names, Claim::Exclusive)? {
            let tried = obtain(setup, &directory, &guard, token);
            guard.unlock();
            match tried? {
                LetGo::No => {}
                answer => return Ok(answer),
            }
        } else if let Some(next) = next_holder(&directory, setup, token)? {
            return Ok(LetGo::ToNext(next));
        }
    }
    Ok(LetGo::No)
}

/// The guard being locked.
fn obtain(setup: &Setup, directory: &Directory, guard: &Guard, token: u64) -> Result<LetGo, Error> {
    if !directory.means(&setup.names.guard, &guard.handle, guard.id)? {
        return Ok(LetGo::No);
    }
    let verdict = match setup.naming {
        Naming::Record => judge::judge(directory, &setup.names.record, setup.rules())?,
        Naming::Flock => judge::judge_beside(directory, &setup.names.record, setup.rules(), &guard.stat)?,
    };
    Ok(match verdict {
        // Byte 1 is ours until the verdict is dropped, and byte 0 is free.
        Verdict::Absent | Verdict::Departed(_) | Verdict::OutOfReach { .. } => LetGo::Free,
        Verdict::Changed | Verdict::Group(..) => LetGo::No,
        Verdict::Busy(..) => next_holder(directory, setup, token)?.map_or(LetGo::No, LetGo::ToNext),
    })
}

/// Another holder than the one with the token.
fn next_holder(directory: &Directory, setup: &Setup, token: u64) -> Result<Option<Box<Record>>, Error> {
    let handle = judge::held_all_the_same(directory, &setup.names.record)?;
    let record = handle.as_ref().and_then(judge::held_record);
    Ok(record.filter(|record| record.token().is_some_and(|theirs| theirs != token)))
}
