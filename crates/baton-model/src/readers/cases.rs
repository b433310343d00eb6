//! What is checked of shared locks, and what comes out.

use super::model::property;
use super::variant::{Deletes, Kind, Mutation, Setting};
use crate::catalogue::{Case, Expected, Subject};

const fn ours(name: &'static str, about: &'static str, states: usize, setting: Setting) -> Case {
    Case { name, about, subject: Subject::Readers(setting), expected: Expected::Holds { states } }
}

const fn wrong(
    name: &'static str,
    about: &'static str,
    setting: Setting,
    property: &'static str,
    steps: usize,
) -> Case {
    Case { name, about, subject: Subject::Readers(setting), expected: Expected::Breaks { property, steps } }
}

/// Two readers and a writer, one of whom is killed.
const TWO_AND_ONE: Setting = Setting {
    cast: [Kind::Reader, Kind::Reader, Kind::Writer],
    comings: 4,
    crashes: 1,
    deletes: Deletes::Nothing,
    is_clock_useless: false,
    mutation: Mutation::None,
};

const DOWNGRADER: Setting = Setting { cast: [Kind::Reader, Kind::Writer, Kind::Downgrader], ..TWO_AND_ONE };

const fn mutant(mutation: Mutation) -> Setting {
    Setting { mutation, ..TWO_AND_ONE }
}

/// Everything that is checked.
pub const CASES: &[Case] = &[
    ours("shared", "2 readers, a writer, 2 of them killed", 206_600, Setting { crashes: 2, ..TWO_AND_ONE }),
    ours(
        "shared-guard",
        "2 readers, a writer, one of them killed, the guard deleted",
        392_393,
        Setting { deletes: Deletes::Guard, comings: 3, ..TWO_AND_ONE },
    ),
    ours(
        "shared-record",
        "2 readers, a writer, one of them killed, the record deleted",
        562_552,
        Setting { deletes: Deletes::Record, ..TWO_AND_ONE },
    ),
    ours(
        "shared-clock-useless",
        "2 readers, a writer, and no clock",
        65_515,
        Setting { crashes: 0, is_clock_useless: true, ..TWO_AND_ONE },
    ),
    ours(
        "shared-downgrade",
        "a reader, a writer, a writer that becomes a reader, one of them killed",
        35_656,
        DOWNGRADER,
    ),
    ours(
        "shared-downgrade-guard",
        "the same, and the guard deleted",
        177_983,
        Setting { deletes: Deletes::Guard, comings: 3, ..DOWNGRADER },
    ),
    wrong(
        "shared-guard-only",
        "readers have no share of the record",
        Setting { deletes: Deletes::Guard, ..mutant(Mutation::GuardOnly) },
        property::EXCLUSION,
        25,
    ),
    wrong(
        "shared-record-only",
        "readers have no share of the guard",
        Setting { deletes: Deletes::Record, ..mutant(Mutation::RecordOnly) },
        property::EXCLUSION,
        22,
    ),
    wrong(
        "shared-leave-without-byte-1",
        "who leaves does not take byte 1",
        mutant(Mutation::LeavesWithoutByte1),
        property::NOTHING_LEFT,
        34,
    ),
    wrong(
        "shared-removed-by-anyone",
        "who leaves removes the record, though others are left",
        Setting { deletes: Deletes::Guard, crashes: 0, ..mutant(Mutation::RemovedByAnyone) },
        property::EXCLUSION,
        35,
    ),
    wrong(
        "shared-death-forgotten",
        "a group does not carry the record of a dead writer",
        mutant(Mutation::DeathForgotten),
        property::TOLD,
        31,
    ),
    wrong(
        "shared-readers-mourned",
        "what readers leave is taken for a death",
        mutant(Mutation::ReadersMourned),
        property::TOLD,
        20,
    ),
    wrong(
        "shared-no-press",
        "readers write the guard without the press, and there is no clock",
        Setting { crashes: 0, is_clock_useless: true, ..mutant(Mutation::NoPress) },
        property::TOKENS,
        25,
    ),
    wrong(
        "shared-old-joined",
        "a group is joined though the guard knows a larger token",
        Setting { deletes: Deletes::Guard, crashes: 0, ..mutant(Mutation::OldJoined) },
        property::TOKENS,
        34,
    ),
    wrong(
        "shared-downgraded-unlocked",
        "a group's record replaces a writer's, and is locked then",
        Setting { mutation: Mutation::DowngradedUnlocked, deletes: Deletes::Guard, ..DOWNGRADER },
        property::EXCLUSION,
        24,
    ),
];
