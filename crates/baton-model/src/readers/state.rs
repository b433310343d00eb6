//! What there is: guards, records, the kernel's locks on them, and who asks.

use super::variant::Kind;

pub const ACTORS: usize = 3;
pub const GUARDS: usize = 2;
pub const RECORDS: usize = 6;

/// An actor's index.
pub type Who = u8;

/// Who has a file, or a byte of it, locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locked {
    /// A bit for each.
    pub shared: u8,
    pub alone: Option<Who>,
}

impl Locked {
    pub fn is_free(self) -> bool {
        self == Self::default()
    }

    /// Does nobody else have it?
    fn is_left_to(self, who: Who) -> bool {
        self.shared & !(1 << who) == 0 && self.alone.is_none_or(|other| other == who)
    }

    /// Converts what one has in one step.
    pub fn try_alone(&mut self, who: Who) -> bool {
        let is_left = self.is_left_to(who);
        if is_left {
            *self = Self { shared: 0, alone: Some(who) };
        }
        is_left
    }

    pub fn try_share(&mut self, who: Who) -> bool {
        let may = self.alone.is_none_or(|other| other == who);
        if may {
            *self = Self { shared: self.shared | 1 << who, alone: None };
        }
        may
    }

    pub fn unlock(&mut self, who: Who) {
        self.shared &= !(1 << who);
        self.alone = self.alone.filter(|other| *other != who);
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guard {
    pub locked: Locked,
    pub press: Option<Who>,
    /// The last one that it was told; 0 if none.
    pub token: u8,
}

/// What a record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    #[default]
    Nothing,
    Writer {
        token: u8,
    },
    /// With the token of a writer that had died, and was not put right after.
    Group {
        token: u8,
        unrepaired: Option<u8>,
    },
}

impl Content {
    pub fn token(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Writer { token } | Self::Group { token, .. } => token,
        }
    }

    /// Whose death an unlocked record tells.
    pub fn death(self) -> Option<u8> {
        match self {
            Self::Nothing => None,
            Self::Writer { token } => Some(token),
            Self::Group { unrepaired, .. } => unrepaired,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub holder: Locked,
    pub judge: Option<Who>,
    pub content: Content,
}

/// Where somebody is: what it does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    #[default]
    Idle,
    LockGuard,
    LookAtGuard,
    OpenRecord,
    TakeByte1,
    AskByte0,
    Join,
    LookAtJoined,
    LookAtRecord,
    Press,
    ReadToken,
    WriteToken,
    Publish,
    Unpress,
    LockPublished,
    LookAtGuardAgain,
    LookAtRecordAgain,
    Holds,
    // A writer's end.
    LookAtOwn,
    RemoveOwn,
    PutBack,
    // From writer to reader.
    Downgrade,
    DropGuard,
    ShareGuard,
    // A reader's end.
    LeaveByte1,
    LeaveAsk,
    LeaveLook,
    LeaveRemove,
    UnlockByte0,
    UnlockByte1,
    UnlockGuard,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    pub at: At,
    pub kind: Kind,
    /// It wants to share, or does by now.
    pub shares: bool,
    pub guard: Option<u8>,
    /// The record that it has open to judge or to replace.
    pub found: Option<u8>,
    /// That which it holds by.
    pub own: Option<u8>,
    pub last: u8,
    pub token: u8,
    pub holds: bool,
    /// It gives up: what it has is undone.
    pub takes_back: bool,
    pub has_press: bool,
    /// Its token was not larger than all that were held by when it published.
    pub is_low: bool,
    /// What it replaced.
    pub replaced: Content,
}

/// How the last writer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Last {
    #[default]
    Well,
    /// It has named its record, and not removed it.
    Alive(u8),
    Dead(u8),
}

/// Everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    pub guard: Option<u8>,
    pub record: Option<u8>,
    pub guards: [Guard; GUARDS],
    pub records: [Record; RECORDS],
    pub actors: [Actor; ACTORS],
    pub comings: u8,
    pub crashes: u8,
    pub is_deleted: bool,
    pub last: Last,
    /// The largest token that anybody was given, and that anybody held by.
    pub given: u8,
    pub largest: u8,
    pub is_misled: bool,
    pub is_fallen: bool,
    /// Was anybody killed, or stopped while it had byte 1?
    pub is_crashed: bool,
    pub is_hurried: bool,
}

impl State {
    pub fn actor(&self, who: Who) -> &Actor {
        &self.actors[usize::from(who)]
    }

    /// A place for a record that nobody can reach any more.
    pub fn new_record(&mut self, record: Record) -> u8 {
        let is_used = |index: u8| {
            self.record == Some(index)
                || self.actors.iter().any(|who| who.found == Some(index) || who.own == Some(index))
        };
        let index = (0..).take(RECORDS).find(|&index| !is_used(index)).expect("there are enough");
        self.records[usize::from(index)] = record;
        index
    }

    /// Forgets what nobody can reach.
    pub fn normalize(&mut self) {
        for index in 0_u8..u8::try_from(RECORDS).expect("few") {
            let is_used = self.record == Some(index)
                || self.actors.iter().any(|who| who.found == Some(index) || who.own == Some(index));
            if !is_used {
                self.records[usize::from(index)] = Record::default();
            }
        }
    }

    /// Everything that one has locked is unlocked; its files stay.
    pub fn unlock_all(&mut self, who: Who) {
        for guard in &mut self.guards {
            guard.locked.unlock(who);
            guard.press = guard.press.filter(|other| *other != who);
        }
        for record in &mut self.records {
            record.holder.unlock(who);
            record.judge = record.judge.filter(|other| *other != who);
        }
    }
}
