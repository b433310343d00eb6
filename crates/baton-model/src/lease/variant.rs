//! What can be set, and what can be wrong.

/// What is checked: so many contenders, so many of each mishap, and what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// They come again as often as they like.
    pub contenders: usize,
    /// How many ticks a lease lasts.
    pub ttl: u8,
    pub renewals: Renewals,
    /// How many are killed.
    pub crashes: u8,
    /// How many are halted, each for any time.
    pub halts: u8,
    pub halting: Halting,
    /// How many requests or answers are late or lost.
    pub losses: u8,
    /// How many new leaders there are.
    pub leaders: u8,
    /// How many holds are broken.
    pub breaks: u8,
    /// How often a holder saves its session at most.
    pub saves: u8,
    /// Whether the job changes two resources, one that checks tokens and one that does not.
    pub has_effects: bool,
    pub clocks: Clocks,
    /// Whether waiters give up, some try without waiting, and some holds are taken back by their holder.
    pub wavers: bool,
    pub mutation: Mutation,
}

/// How a holder renews.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewals {
    /// Sending, keep-alive, confirming read and answer are four steps.
    InParts,
    /// They are one.
    Whole,
}

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// Not at all: leases of those who are killed run out, others do not. For what has nothing to do with clocks.
    Stand,
    True,
    /// A contender's is slow at times: it misses one tick in a lease's time at most.
    Slow,
}

/// What stands still when somebody is halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halting {
    /// Runner and job: its machine is suspended, or both are stopped. The job asks whether the lock is held before each change.
    Both,
    /// The runner alone; its job goes on, and asks nobody.
    Runner,
}

/// What is done otherwise than `docs/etcd.md` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    None,
    /// A lease is believed in for the whole of its time.
    NoMargin,
    /// Validity counts from when the answer came, not from the sending.
    FromAnswer,
    /// The clock stands still while its machine does.
    ClockStopsInSuspend,
    /// A keep-alive that was answered counts, whoever answered.
    Unconfirmed,
    /// The confirming read is made, but terms are not compared.
    TermsNotCompared,
    /// An answer that comes after the last moment of validity extends it all the same.
    LateAnswerExtends,
    /// Step 5 is left out: the clock is not looked at again.
    NotLookedAgain,
    /// Who comes too late for its lease in step 5 leaves its marker.
    NotPutBack,
    /// Who is first in step 3 holds, and leaves its marker then.
    HeldByLook,
    /// Step 4 compares nothing.
    TakenUncompared,
    /// The marker is put when the queue is entered.
    MarkedAtEntering,
    /// An unclean end removes the marker.
    UncleanRemovesMarker,
    /// A clean end deletes the key, and then the marker.
    EndedInTwo,
    /// That a release was carried out before is not looked for: it is taken for done.
    EndTakenForDone,
    /// The clock is not looked at again when a clean end is answered.
    EndNotLookedAgain,
    /// Whoever ends leaves its key to the end of its lease, which is revoked next. No broken variant: an amendment.
    KeyLeftToRevoke,
    /// A watch begins when the server gets to it, not at the revision that was read.
    WatchedFromNow,
    /// Who is woken goes on as the first, without another look.
    WokenIsFirst,
    /// A session is saved without comparing the key's creation.
    SavedUnderAnyKey,
    /// A session is saved without comparing its last revision.
    SavedOverAny,
    /// A break deletes the holder's key, whichever it is.
    BreaksAny,
    /// A break puts no fence.
    NoFence,
    /// The fence's lease is granted before the break, and not after it.
    FenceLeasedBefore,
    /// Nobody but the breaker gives the fence its lease.
    FenceOnlyByBreaker,
    /// A fence is lifted without comparing its token.
    LiftsAny,
    /// A holder lifts the fence as soon as it learns of it, and ends its job then.
    LiftedFirst,
    /// Old etcd: a leader that was deposed has leases revoked that it believes to have run out.
    RevokedEarly,
}

impl Setting {
    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.mutation == mutation
    }

    /// For how many ticks after the sending nobody else can own the lock.
    pub(crate) fn span(&self) -> u8 {
        if self.is(Mutation::NoMargin) { self.ttl } else { self.ttl - 1 }
    }

    /// How many of them are there to end the job.
    pub(crate) fn ending(&self) -> u8 {
        u8::from(!self.is(Mutation::NoMargin))
    }
}
