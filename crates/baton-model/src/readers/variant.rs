//! What is checked of shared locks: as they are specified, and what is wrong in variants of it.

use super::state::ACTORS;

/// What somebody wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    #[default]
    Reader,
    Writer,
    /// A writer that becomes a reader before it ends.
    Downgrader,
}

/// Which file the user deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletes {
    Nothing,
    Guard,
    Record,
}

/// A deviation from the protocol, each of which some property has to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    None,
    /// A reader has no share of the record.
    GuardOnly,
    /// A reader has no share of the guard.
    RecordOnly,
    /// Who leaves does not take byte 1.
    LeavesWithoutByte1,
    /// Who leaves removes the record though others share it.
    RemovedByAnyone,
    /// A group does not carry the record of a dead writer.
    DeathForgotten,
    /// A record that readers have left is taken for a death.
    ReadersMourned,
    /// Readers write the guard without the press.
    NoPress,
    /// A group is joined though the guard knows a larger token.
    OldJoined,
    /// A group's record that replaces a writer's gets its name, and then its lock.
    DowngradedUnlocked,
}

/// One thing to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// Who comes; each again and again.
    pub cast: [Kind; ACTORS],
    /// How many times anybody comes.
    pub comings: u8,
    pub crashes: u8,
    pub deletes: Deletes,
    /// Does the clock stand still, so that only the guard and the record say which token is the next?
    pub is_clock_useless: bool,
    pub mutation: Mutation,
}
