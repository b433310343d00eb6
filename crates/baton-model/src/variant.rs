//! What is checked: our protocol, and what is wrong in variants of it, by the name each has on the command line.

/// A deviation from the protocol, each of which some property has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// The protocol as it is specified.
    None,
    /// The record is not locked, and nobody asks whether it is.
    GuardOnly,
    /// There is no guard.
    RecordOnly,
    /// The record gets its name, and then its lock.
    NamedBeforeLocked,
    /// Release unlocks, and then removes the record.
    UnlockedBeforeRemoved,
    /// Judging does not take byte 1.
    JudgedUnlocked,
    /// Step 3 does not look at the guard's name after locking it. Nothing but time is lost: step 7 looks again.
    GuardNotLookedAt,
    /// Step 7 does not look at the guard's name.
    GuardNotLookedAtAgain,
    /// Step 7 does not look at the record's name.
    RecordNotLookedAtAgain,
    /// Step 4 does not look at the record's name after asking for byte 0.
    RecordNotLookedAt,
    /// A departed record is replaced by a plain rename.
    PlainRename,
    /// What came back from the exchange is not looked at.
    CameBackUnseen,
    /// The token is not stored in the guard.
    TokenForgotten,
    /// An unclean end removes the record.
    RemovedAtUncleanEnd,
    /// Unlocking is left to closing.
    ClosedOnly,
    /// A forked child that drops its copy unlocks.
    ChildUnlocks,
    /// What step 7 finds out of place stays published.
    NotTakenBack,
    /// Step 7 takes back by removing, whatever it replaced.
    TakenBackByRemoval,
    /// Release removes what has the record's name, without looking.
    RemovedUnseen,
    /// An ancestor's record that a killed publisher displaced is removed like everything else left over.
    AncestorSwept,
    /// An ancestor's record is judged by its pid alone, and its content before it is written counts as left over.
    OpenFileIgnored,
}

/// How the ancestor's clients remove what they judge stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cleanup {
    /// By name.
    Unconditional,
    /// By name, after a look whether the name still has the number first seen.
    InodeChecked,
}

/// What the clock is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// It is later at each acquisition than at the one before.
    Advances,
    /// It was set back: only what is stored counts.
    SetBack,
}

/// What a user deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletes {
    Guard,
    Record,
    /// Either of the two, but never the second one of a lock that is held.
    OneOfBoth,
    /// Both.
    Both,
}

/// The names of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    Default,
    Flock,
}

/// One thing to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    pub contenders: usize,
    pub ancestors: usize,
    /// How often one of the ancestor's clients comes.
    pub comings: u8,
    pub crashes: u8,
    pub deletions: u8,
    pub deletes: Deletes,
    pub naming: Naming,
    pub clock: Clock,
    pub cleanup: Cleanup,
    pub are_numbers_reused: bool,
    pub mutation: Mutation,
}

impl Setting {
    /// Our protocol, with nobody else about.
    pub const OURS: Self = Self {
        contenders: 3,
        ancestors: 0,
        comings: 3,
        crashes: 2,
        deletions: 1,
        deletes: Deletes::OneOfBoth,
        naming: Naming::Default,
        clock: Clock::Advances,
        cleanup: Cleanup::InodeChecked,
        are_numbers_reused: true,
        mutation: Mutation::None,
    };
}
