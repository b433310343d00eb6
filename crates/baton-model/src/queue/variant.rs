//! What is checked of the queue: as it is specified, and what is wrong in variants of it.

/// A deviation from the protocol, each of which some property has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// The queue as it is specified.
    None,
    /// A ticket gets its name, and then its lock.
    NamedBeforeLocked,
    /// Tickets that are in the way are removed without asking for their lock.
    SweptUnseen,
    /// Those before are waited for without end.
    NeverPassed,
    /// The guard is kept while those before are waited for.
    GuardKept,
    /// A newcomer does not look for the queue.
    NewcomerUnaware,
    /// Byte 3 is not locked by who lets others come first.
    SteppedBackUnsaid,
    /// The waiter goes on while its lookout lives, and reaps it once it holds.
    LookoutReapedLate,
    /// The lookout does not give back what it got.
    LookoutKeeps,
    /// Who gives up does not unlock what was got meanwhile.
    GivenUpLocked,
    /// A ticket is removed by the name it was given only, not by the one it has when it was passed.
    PassedLeft,
    /// Byte 3 is unlocked once somebody else holds.
    Byte3UnlockedLater,
    /// A ticket that is taken to let others come first is born without byte 3.
    TicketUnsaid,
    /// A second counts even if somebody held in it.
    NotBegunAnew,
    /// Those are passed too who came after the second had begun.
    LatecomersPassed,
    /// Who begins a second does not touch its ticket.
    BegunUnsaid,
    /// Nothing wrong, but more asked: that those before keep their turn though in the second they had the guard was kept without a trace.
    KeptCounts,
}

/// How waiters sleep at the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sleep {
    /// In the call itself, without end.
    InCall,
    /// By a lookout: they may give up.
    ByLookout,
}

/// What becomes of the ticket of who gets the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It becomes the record.
    Record,
    /// It is removed, once the lock is held: a reader's, or one that can't be moved.
    Removed,
}

/// One thing to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    pub waiters: usize,
    pub sleep: Sleep,
    pub ticket: Fate,
    /// Does one come that does not wait?
    pub has_newcomer: bool,
    /// Does a client of `flock` come?
    pub has_foreign: bool,
    pub crashes: u8,
    pub stops: u8,
    /// How many give up at most.
    pub surrenders: u8,
    pub mutation: Mutation,
}
