//! What is checked, under the names that the command line and `docs/verification.md` use, and what comes out.

use crate::check::{Extent, Report, check};
use crate::model::property;
use crate::variant::{Cleanup, Clock, Deletes, Mutation, Naming, Setting};
use crate::{lease, queue, readers};

/// What a check has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Every property holds in this number of states.
    Holds { states: usize },
    /// These do not, each with a counterexample of that many steps; all others do, in this number of states.
    BreaksOnly { broken: &'static [(&'static str, usize)], states: usize },
    /// This one does not, nor need others.
    Breaks { property: &'static str, steps: usize },
}

/// Which of the models.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    Lock(Setting),
    Queue(queue::variant::Setting),
    Readers(readers::variant::Setting),
    Lease(lease::variant::Setting),
}

/// One check.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// What is different.
    pub about: &'static str,
    /// What is set.
    pub subject: Subject,
    /// What has to come out.
    pub expected: Expected,
}

impl Case {
    /// Checks it.
    pub fn check(&self) -> Report {
        match self.subject {
            Subject::Lock(setting) => check(setting, self.extent(), 1),
            Subject::Queue(setting) => check(setting, self.extent(), 1),
            Subject::Readers(setting) => check(setting, self.extent(), 1),
            Subject::Lease(setting) => check(setting, self.extent(), 1),
        }
    }

    /// How far the check goes: to the end, unless it only has to fail.
    fn extent(&self) -> Extent {
        match self.expected {
            Expected::Holds { .. } | Expected::BreaksOnly { .. } => Extent::Everything,
            Expected::Breaks { property, .. } => Extent::Until(property),
        }
    }
}

/// Everything that is checked.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(queue::cases::CASES).chain(readers::cases::CASES).chain(lease::cases::CASES)
}

/// Finds a check by its name.
pub fn find(name: &str) -> Option<&'static Case> {
    cases().find(|case| case.name == name)
}

const fn ours(name: &'static str, about: &'static str, states: usize, setting: Setting) -> Case {
    Case { name, about, subject: Subject::Lock(setting), expected: Expected::Holds { states } }
}

const fn wrong(
    name: &'static str,
    about: &'static str,
    setting: Setting,
    property: &'static str,
    steps: usize,
) -> Case {
    Case { name, about, subject: Subject::Lock(setting), expected: Expected::Breaks { property, steps } }
}

const fn mutant(mutation: Mutation) -> Setting {
    Setting { mutation, contenders: 2, ..Setting::OURS }
}

/// With a client of the ancestor's.
const MIXED: Setting =
    Setting { contenders: 2, ancestors: 1, comings: 2, crashes: 1, deletions: 0, ..Setting::OURS };

/// The ancestor's clients among themselves.
const ANCESTORS: Setting =
    Setting { contenders: 0, ancestors: 3, comings: 4, crashes: 1, deletions: 0, ..Setting::OURS };

/// What is checked of the lock.
const CASES: &[Case] = &[
    ours(
        "ours",
        "3 contenders, 2 crashes, one deletion of either file at any moment",
        711_800,
        Setting::OURS,
    ),
    ours(
        "ours-undisturbed",
        "3 contenders, 3 crashes, no deletion",
        14_533,
        Setting { crashes: 3, deletions: 0, ..Setting::OURS },
    ),
    ours(
        "ours-guard",
        "2 contenders, 2 crashes, the guard deleted twice",
        773_159,
        Setting { deletions: 2, deletes: Deletes::Guard, contenders: 2, ..Setting::OURS },
    ),
    ours(
        "ours-record",
        "3 contenders, 2 crashes, the record deleted three times",
        82_216,
        Setting { deletions: 3, deletes: Deletes::Record, ..Setting::OURS },
    ),
    ours(
        "ours-clock-set-back",
        "the same, and the clock was set back",
        82_216,
        Setting { deletions: 3, deletes: Deletes::Record, clock: Clock::SetBack, ..Setting::OURS },
    ),
    ours(
        "ours-flock-naming",
        "flock naming: 3 contenders, 2 crashes, the record deleted three times",
        202_870,
        Setting { deletions: 3, deletes: Deletes::Record, naming: Naming::Flock, ..Setting::OURS },
    ),
    ours(
        "both-deleted",
        "2 contenders, both files deleted: two can hold, and all but one of them can tell",
        136_982,
        Setting { contenders: 2, crashes: 0, deletions: 2, deletes: Deletes::Both, ..Setting::OURS },
    ),
    Case {
        name: "deleted-in-step-7",
        about: "2 contenders, one file deleted in step 7, the other while held",
        subject: Subject::Lock(Setting { contenders: 2, crashes: 0, deletions: 2, ..Setting::OURS }),
        expected: Expected::BreaksOnly { broken: &[(property::EXCLUSION, 24)], states: 136_982 },
    },
    wrong("guard-only", "the record is not locked", mutant(Mutation::GuardOnly), property::EXCLUSION, 28),
    wrong("record-only", "there is no guard", mutant(Mutation::RecordOnly), property::EXCLUSION, 13),
    wrong(
        "named-before-locked",
        "the record gets its name, and then its lock",
        mutant(Mutation::NamedBeforeLocked),
        property::BORN_LOCKED,
        9,
    ),
    wrong(
        "unlocked-before-removed",
        "release unlocks, and then removes the record",
        mutant(Mutation::UnlockedBeforeRemoved),
        property::STORY,
        44,
    ),
    wrong(
        "judged-unlocked",
        "judging takes no lock: byte 1 is left out",
        mutant(Mutation::JudgedUnlocked),
        property::STORY,
        55,
    ),
    wrong(
        "guard-not-looked-at-again",
        "step 7 does not look at the guard's name",
        mutant(Mutation::GuardNotLookedAtAgain),
        property::TOKENS,
        24,
    ),
    wrong(
        "record-not-looked-at",
        "step 4 does not look at the record's name",
        mutant(Mutation::RecordNotLookedAt),
        property::STORY,
        59,
    ),
    wrong(
        "record-not-looked-at-again",
        "step 7 does not look at the record's name",
        Setting { deletions: 2, ..mutant(Mutation::RecordNotLookedAtAgain) },
        property::EXCLUSION,
        22,
    ),
    wrong(
        "token-forgotten",
        "the guard is not told the token, and the clock is useless",
        Setting { deletions: 0, clock: Clock::SetBack, ..mutant(Mutation::TokenForgotten) },
        property::TOKENS,
        25,
    ),
    wrong(
        "removed-at-unclean-end",
        "an unclean end removes the record",
        mutant(Mutation::RemovedAtUncleanEnd),
        property::STORY,
        25,
    ),
    wrong(
        "closed-only",
        "unlocking is left to closing, and a child has copies",
        mutant(Mutation::ClosedOnly),
        property::NOT_STUCK,
        10,
    ),
    wrong(
        "child-unlocks",
        "a forked child that drops its copy unlocks",
        mutant(Mutation::ChildUnlocks),
        property::EXCLUSION,
        23,
    ),
    wrong(
        "not-taken-back",
        "what step 7 finds out of place stays published",
        mutant(Mutation::NotTakenBack),
        property::STORY,
        30,
    ),
    wrong(
        "taken-back-by-removal",
        "step 7 removes its record, whatever that replaced",
        mutant(Mutation::TakenBackByRemoval),
        property::STORY,
        40,
    ),
    wrong(
        "removed-unseen",
        "with an ancestor's client: release removes what has the record's name",
        Setting { mutation: Mutation::RemovedUnseen, deletions: 1, ..MIXED },
        property::UNTOUCHED,
        16,
    ),
    wrong(
        "plain-rename",
        "with an ancestor's client: a departed record is replaced by a plain rename",
        Setting { mutation: Mutation::PlainRename, ..MIXED },
        property::UNTOUCHED,
        23,
    ),
    wrong(
        "ancestor-came-back-unseen",
        "with an ancestor's client: what came back is not looked at",
        Setting { mutation: Mutation::CameBackUnseen, ..MIXED },
        property::UNTOUCHED,
        24,
    ),
    wrong(
        "ancestor-swept",
        "with an ancestor's client: its record, left over, is removed",
        Setting { mutation: Mutation::AncestorSwept, ..MIXED },
        property::UNTOUCHED,
        35,
    ),
    wrong(
        "open-file-ignored",
        "with an ancestor's client: nobody asks who has its file open",
        Setting { mutation: Mutation::OpenFileIgnored, ..MIXED },
        property::UNTOUCHED,
        19,
    ),
    wrong(
        "ancestor-unconditional",
        "3 of the ancestor's clients: unlink what is stale, by name",
        Setting { cleanup: Cleanup::Unconditional, ..ANCESTORS },
        property::ANCESTORS,
        15,
    ),
    wrong(
        "ancestor-inode-checked",
        "3 of the ancestor's clients: the same, after a look at its inode",
        Setting { are_numbers_reused: false, ..ANCESTORS },
        property::ANCESTORS,
        17,
    ),
    wrong(
        "ancestor-inode-reused",
        "3 of the ancestor's clients: the same, inodes being reused",
        ANCESTORS,
        property::ANCESTORS,
        17,
    ),
    Case {
        name: "mixed-unconditional",
        about: "2 of ours, and a client of the ancestor's that unlinks by name",
        subject: Subject::Lock(Setting { cleanup: Cleanup::Unconditional, ..MIXED }),
        expected: Expected::BreaksOnly {
            broken: &[(property::MIXED, 18), (property::RELEASE, 30), (property::STORY, 43)],
            states: 343_085,
        },
    },
    Case {
        name: "mixed-inode-checked",
        about: "2 of ours, and a client of the ancestor's that looks at the inode first",
        subject: Subject::Lock(MIXED),
        expected: Expected::BreaksOnly {
            broken: &[(property::MIXED, 19), (property::RELEASE, 31), (property::STORY, 44)],
            states: 374_363,
        },
    },
];
