//! What there is: etcd's keys, and contenders with their clocks.
//!
//! All times are counted down, and all revisions are ranks, numbered anew after each step in their order: a revision is only ever
//! compared, or made larger than all. So any number of rounds is a finite number of states.
//!
//! A contender has one lease and one key; one that starts over is one that goes, and another one that comes.

use crate::state::Name;

/// The most contenders.
pub const MOST: usize = 3;

/// A revision, or what was created at it; 0 is none.
pub type Revision = u8;

/// What the session says: who saved it, and for the how many-th time.
pub type Saved = (Revision, u8);

/// Where somebody is: what it has asked for last, or what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Not there; what it has left at etcd may be.
    #[default]
    Away,
    /// Killed: nobody revokes its lease.
    Dead,
    Entering,
    /// Entering, if nobody else is there.
    Trying,
    Looking,
    Watching,
    /// Its watch is on its way.
    AskingToWatch,
    /// It watches for what has happened before.
    WatchingInVain,
    Taking,
    /// Puts the marker, holding already (a broken variant).
    Marking,
    /// Holds; its job runs, and may do something.
    Held,
    /// Its job has asked whether the lock is held, and changes something next.
    Checked,
    Saving,
    Leaving(End),
    /// The second half of a clean end (a broken variant).
    Unmarking,
    Lifting,
    /// Lifts the fence, and ends its job then (a broken variant).
    LiftingFirst,
    Revoking,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    Clean,
    Unclean,
    /// It was lost: the fence is to be lifted, if there is one.
    Lost,
    /// Taken back by its holder.
    Undone,
    /// It came too late to hold.
    TooLate,
}

/// The one request that somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// None.
    #[default]
    Idle,
    Asked,
    Answered(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It was done.
    Yes,
    /// What was compared was not so.
    No,
    Entered(Revision),
    /// Entered, and taken at once; and what the session says.
    Holds(Revision, Saved),
    Gone,
    After(Awaited),
    First,
    /// Done, and what the session says.
    Taken(Saved),
}

/// A request as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    Enter { only_if_first: bool },
    Look { mine: Revision },
    Watch { awaited: Awaited },
    Take { mine: Revision, found: Found },
    Save { mine: Revision, over: Saved, now: Saved },
    Leave { mine: Revision, end: End, found: Found },
    Unmark { mine: Revision },
    Lift { mine: Revision },
    Revoke,
}

/// What somebody watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Awaited {
    #[default]
    Nothing,
    /// The key created then.
    Key(Revision),
    /// The fence of the holder with that token.
    Fence(Revision),
}

/// The marker as somebody read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    pub token: Revision,
    /// It was changed since.
    pub is_old: bool,
}

/// A renewal on its way; what it would extend the validity to is counted down meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Renewal {
    #[default]
    None,
    Sent(u8),
    /// The keep-alive was answered; by the leader that is one still?
    Answered {
        left: u8,
        is_current: bool,
    },
    Confirmed(u8),
    Gone,
}

/// One contender, and what etcd has of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contender {
    pub name: Name,
    pub at: At,
    pub phase: Phase,
    pub is_halted: bool,
    /// For how many ticks of its own clock nobody else can own the lock.
    pub left: u8,
    pub renewal: Renewal,
    /// Before so many ticks its clock is not late again.
    pub lag: u8,
    /// The creation revision of its key, as it was told.
    pub mine: Revision,
    pub awaited: Awaited,
    pub found: Found,
    /// What the session says as far as it knows.
    pub session: Saved,
    /// Its clean end was carried out.
    pub has_ended: bool,
    /// A request of its that nobody waits for any more, and that may still arrive.
    pub stray: Option<Request>,
    /// What etcd lets pass at least before its lease runs out.
    pub lease: Option<u8>,
    pub key: Revision,
}

impl Contender {
    /// Runs a job under the lock?
    pub fn has_job(&self) -> bool {
        matches!(self.at, At::Held | At::Marking | At::Checked | At::Saving | At::LiftingFirst)
    }

    /// The token of a hold that it is about to be told of.
    pub fn told(&self) -> Revision {
        if let Phase::Answered(Answer::Holds(token, _)) = self.phase { token } else { 0 }
    }

    pub fn is_alive(&self) -> bool {
        !matches!(self.at, At::Away | At::Dead)
    }
}

/// In the place of a holder that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    pub token: Revision,
    pub has_lease: bool,
    /// What has to pass at least before its lease runs out; the earliest that this can have been granted is the break.
    pub left: u8,
}

/// Somebody who breaks the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breaker {
    /// The token that it wants to break.
    pub token: Revision,
    /// What is left of a lease that was granted too early (a broken variant).
    pub left: u8,
}

/// What must not happen, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each may happen or not")]
pub struct Faults {
    pub exclusion: bool,
    pub in_time: bool,
    pub revival: bool,
    pub story: bool,
    pub token: bool,
    pub order: bool,
    pub session: bool,
    pub double: bool,
    pub wrong_break: bool,
    pub told_clean: bool,
    pub unfenced: bool,
    pub refused: bool,
}

/// What the properties have to know of what was; no step looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Known {
    /// The last holder, if it has not ended cleanly.
    pub unclean: Revision,
    /// Who has taken the lock, and was not told so yet.
    pub half: Revision,
    /// The one before that had taken it so.
    pub doubtful: Revision,
    /// The largest token with which the lock was taken.
    pub largest: Revision,
    pub faults: Faults,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub contenders: [Contender; MOST],
    /// The token of the last holder that has not ended cleanly.
    pub marker: Revision,
    pub fence: Option<Fence>,
    pub session: Saved,
    /// The largest token that a resource has seen that looks at them.
    pub resource: Revision,
    /// A leader that was deposed, and does not know it, answers keep-alives.
    pub has_deposed: bool,
    pub breaker: Breaker,
    pub crashes: u8,
    pub halts: u8,
    pub losses: u8,
    pub leaders: u8,
    pub breaks: u8,
    pub known: Known,
}

impl State {
    /// A revision larger than all.
    pub(crate) fn next_revision(&mut self) -> Revision {
        let mut last = 0;
        self.each_revision(|revision| last = last.max(*revision));
        last + 1
    }

    /// The contender, if there is one, whose key was created then.
    pub(crate) fn place_mut(&mut self, key: Revision) -> Option<&mut Contender> {
        self.contenders.iter_mut().find(|who| key > 0 && who.key == key)
    }

    pub(crate) fn has_key(&self, key: Revision) -> bool {
        key > 0 && self.contenders.iter().any(|who| who.key == key)
    }

    /// The key created last before that one; 0 if there is none.
    pub(crate) fn before(&self, key: Revision) -> Revision {
        self.contenders.iter().map(|who| who.key).filter(|other| *other < key).max().unwrap_or(0)
    }

    /// The one that holds, as etcd's keys say.
    pub(crate) fn holder(&self) -> Option<Revision> {
        let first = self.contenders.iter().map(|who| who.key).filter(|key| *key > 0).min()?;
        (first == self.marker).then_some(first)
    }
}
