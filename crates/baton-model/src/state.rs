//! What there is: files, the names they have, who has what open and locked, and what the next holder is to be told.
//!
//! Kernel locks are not stored with the file but with whoever has the file open, so that a process that is gone has none, and
//! that processes can be put into any order without changing anything else.

use std::hash::{Hash, Hasher};

use crate::variant::Setting;

/// The most contenders, and the most of an ancestor's clients, that a state has room for.
pub const MAX_ACTORS: usize = 3;
pub(crate) const FILES: usize = 16;
const LEFTOVERS: usize = 8;

/// An inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u8);

/// A process's name, for who reads a trace only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Name(pub u8);

impl PartialEq for Name {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Name {}
impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Name {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
impl Hash for Name {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What a file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// There is no such file: its inode is free.
    #[default]
    Free,
    /// A guard and the last token it knows.
    Guard(u8),
    /// A record of Baton's.
    Record(u8),
    /// The same, marked as released (flock naming).
    Released(u8),
    /// A record of Baton's that stands for a holder that left none that can be read.
    Standing(u8),
    /// A record of the ancestor's; does its process live?
    Ancestor { is_alive: bool },
    /// Created and not written yet; does the process that created it live?
    Empty { is_alive: bool },
}

/// Whom a holder takes over from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// The holder that had this token.
    Baton(u8),
    /// A client of the ancestor's.
    Ancestor,
    /// Nobody knows.
    Unknown,
}

/// What the next holder is to be told (I3): always as if everybody who lives were killed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    /// The last holder ended cleanly: *fresh*.
    #[default]
    Clean,
    /// It did not: *recovered*, from this one.
    Unclean(Whose),
    /// It did not, and somebody was killed while taking over from it: *recovered*, from whomever.
    Unended,
    /// Somebody was killed in the middle of taking back what it had published: either.
    Doubt,
}

/// Where a contender is: what it does next. The names are those of `docs/protocol.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// There is no such contender.
    #[default]
    Absent,
    Idle,
    CreateGuard,
    LockGuard,
    LookAtGuard,
    OpenRecord,
    TakeByte1,
    AskByte0,
    LookAtRecord,
    ReadRecord,
    AskWhoHasItOpen,
    Sweep,
    SweepAct,
    SweepLook,
    StoreToken,
    CreateTemporary,
    LockTemporary,
    GiveName,
    LookAtWhatCameBack,
    RemoveReplaced,
    ExchangeBack,
    Discard,
    LockNamed,
    LookAtGuardAgain,
    LookAtRecordAgain,
    Held,
    WriteReplacement,
    LookAtOwn,
    ExchangeReplacement,
    NameReplacement,
    LookAtOwnBack,
    LookBeforeRemoval,
    RemoveOwn,
    UnlockRecord,
    UnlockGuard,
    /// Killed while it held; its job lives and has the locks.
    JobHolds,
    /// Killed after its record was removed; its job lives and has what was not unlocked yet.
    JobLingers,
    /// Ended, though a child still has copies of the descriptors (only where unlocking is left to closing).
    ChildLingers,
}

/// Why a contender takes back what it published, or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// Step 7 failed.
    #[default]
    StartOver,
    /// The job could not be started.
    Undone,
    Clean,
    Unclean,
}

/// A contender, or what is left of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contender {
    pub at: At,
    pub name: Name,
    /// The guard it has open, and whether it has locked it.
    pub guard: Option<Inode>,
    pub has_guard: bool,
    /// The record it judges, and whether it has byte 1.
    pub judged: Option<Inode>,
    pub has_byte1: bool,
    /// Its own record, and whether it has byte 0.
    pub born: Option<Inode>,
    pub has_byte0: bool,
    /// The left-over file it has locked.
    pub swept: Option<Inode>,
    /// What is to stand in for its record, byte 0 locked.
    pub put: Option<Inode>,
    /// What its private name means.
    pub temporary: Option<Inode>,
    /// Has a user deleted one of its files since it holds?
    pub is_damaged: bool,
    pub token: u8,
    /// From whom it takes over.
    pub found: Option<Whose>,
    pub ending: Ending,
}

/// Where one of the ancestor's clients is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AncestorAt {
    #[default]
    Absent,
    Idle,
    Create,
    Write,
    Read,
    Look,
    Unlink,
    Holds,
    LookAtOwn,
    UnlinkOwn,
}

/// A client of the ancestor's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ancestor {
    pub at: AncestorAt,
    pub name: Name,
    /// Its own file, open.
    pub own: Option<Inode>,
    /// The number of the file it judged stale; the file itself is closed.
    pub remembered: Option<Inode>,
}

/// What must not have happened, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A holder was told the wrong story.
    pub wrong_story: bool,
    /// A holder's token was not larger than every earlier one's.
    pub token_fell: bool,
    /// Baton destroyed the file of a living client of the ancestor's.
    pub destroyed: bool,
    /// A release removed what was put at the record's name after it had looked.
    pub raced: bool,
    /// Two held at once: whose end the next one is to be told of is nobody's to say any more.
    pub muddled: bool,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub files: [File; FILES],
    /// What the files are called in traces, and how many there have been.
    pub labels: [Name; FILES],
    pub created: Name,
    /// What the two well-known names mean.
    pub guard: Option<Inode>,
    pub record: Option<Inode>,
    /// What killed publishers left under private names.
    pub leftovers: [Option<Inode>; LEFTOVERS],
    pub contenders: [Contender; MAX_ACTORS],
    pub ancestors: [Ancestor; MAX_ACTORS],
    pub story: Story,
    /// Has somebody but Baton removed a record since the last holder began? Then nothing is promised by I3.
    pub is_meddled: bool,
    /// The largest token of any holder yet.
    pub largest: u8,
    /// What the clock says, where it can be trusted.
    pub clock: u8,
    pub faults: Faults,
    /// How many crashes and deletions are still to come at most.
    pub crashes: u8,
    pub deletions: u8,
    /// How often one of the ancestor's clients will still come.
    pub comings: u8,
}

impl State {
    pub fn new(setting: &Setting) -> Self {
        let Setting { contenders, ancestors, crashes, deletions, comings, .. } = *setting;
        let mut state = Self {
            files: [File::Free; FILES],
            labels: [Name(0); FILES],
            created: Name(0),
            guard: None,
            record: None,
            leftovers: [None; LEFTOVERS],
            contenders: [Contender::default(); MAX_ACTORS],
            ancestors: [Ancestor::default(); MAX_ACTORS],
            story: Story::Clean,
            is_meddled: false,
            largest: 0,
            clock: 0,
            faults: Faults::default(),
            crashes,
            deletions,
            comings,
        };
        for (name, contender) in (1..).zip(&mut state.contenders[..contenders]) {
            *contender = Contender { at: At::Idle, name: Name(name), ..Contender::default() };
        }
        for (name, ancestor) in (1..).zip(&mut state.ancestors[..ancestors]) {
            *ancestor = Ancestor { at: AncestorAt::Idle, name: Name(name), ..Ancestor::default() };
        }
        state
    }

    pub fn file(&self, inode: Inode) -> File {
        self.files[inode.0 as usize]
    }

    /// A new file. A number that somebody remembers though the file is gone is given to the very next one, as ext4 does.
    pub fn create(&mut self, file: File) -> Inode {
        let is_free = |inode: &Inode| self.file(*inode) == File::Free;
        let reused = self.ancestors.iter().filter_map(|ancestor| ancestor.remembered).find(is_free);
        let inode = reused.unwrap_or_else(|| {
            let free = self.files.iter().position(|file| *file == File::Free);
            Inode(u8::try_from(free.expect("there are more files than names and descriptors")).expect("few"))
        });
        self.files[inode.0 as usize] = file;
        self.created = Name(self.created.0.wrapping_add(1));
        self.labels[inode.0 as usize] = self.created;
        inode
    }

    pub fn is_guard_locked(&self, inode: Inode) -> bool {
        self.contenders.iter().any(|who| who.has_guard && who.guard == Some(inode))
    }

    pub fn is_byte0_locked(&self, inode: Inode) -> bool {
        self.contenders.iter().any(|who| {
            (who.has_byte0 && who.born == Some(inode)) || who.put == Some(inode) || who.swept == Some(inode)
        })
    }

    pub fn is_byte1_locked(&self, inode: Inode) -> bool {
        self.contenders
            .iter()
            .any(|who| (who.has_byte1 && who.judged == Some(inode)) || who.swept == Some(inode))
    }

    /// Leaves a file under a private name that nobody minds any more.
    pub fn leave(&mut self, inode: Inode) {
        let place = self.leftovers.iter_mut().find(|place| place.is_none());
        *place.expect("crashes are few") = Some(inode);
    }

    /// Does it take over from, or take back, a file that has not the record's name any more? Then what it does next may still
    /// belong to the time before that file was removed.
    pub fn is_unsettled(&self, who: &Contender) -> bool {
        let has_unnamed =
            [who.judged, who.born].into_iter().flatten().any(|inode| Some(inode) != self.record);
        has_unnamed && !who.holds()
    }

    /// How many Baton holders there are.
    pub fn holders(&self) -> usize {
        self.contenders.iter().filter(|who| who.holds()).count()
    }

    /// How many of the ancestor's clients hold.
    pub fn ancestors_holding(&self) -> usize {
        self.ancestors.iter().filter(|who| who.at == AncestorAt::Holds).count()
    }
}

impl Contender {
    pub fn holds(&self) -> bool {
        matches!(self.at, At::Held | At::JobHolds)
    }

    /// Is its process alive?
    pub fn is_alive(&self) -> bool {
        !matches!(self.at, At::Absent | At::Idle | At::JobHolds | At::JobLingers | At::ChildLingers)
    }

    /// Its process is gone, or it has given up; nothing is left of it.
    #[must_use = "it is put in its place by whoever asks"]
    pub fn gone(&self) -> Self {
        Self { at: At::Idle, name: self.name, ..Self::default() }
    }
}
