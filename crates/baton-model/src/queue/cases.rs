//! What is checked of the queue, and what comes out.

use super::model::property;
use super::variant::{Fate, Mutation, Setting, Sleep};
use crate::catalogue::{Case, Expected, Subject};

const fn ours(name: &'static str, about: &'static str, states: usize, setting: Setting) -> Case {
    Case { name, about, subject: Subject::Queue(setting), expected: Expected::Holds { states } }
}

const fn wrong(
    name: &'static str,
    about: &'static str,
    setting: Setting,
    property: &'static str,
    steps: usize,
) -> Case {
    Case { name, about, subject: Subject::Queue(setting), expected: Expected::Breaks { property, steps } }
}

/// Those who wait sleep in the call; one is stopped, and one killed.
const IN_CALL: Setting = Setting {
    waiters: 3,
    sleep: Sleep::InCall,
    ticket: Fate::Record,
    has_newcomer: false,
    has_foreign: false,
    crashes: 1,
    stops: 1,
    surrenders: 0,
    mutation: Mutation::None,
};

/// With one that does not wait, and none that is stopped.
const NEWCOMER: Setting = Setting { has_newcomer: true, stops: 0, ..IN_CALL };

/// With a client of `flock` and one that does not wait.
const FLOCK: Setting = Setting { waiters: 2, has_newcomer: true, has_foreign: true, ..IN_CALL };

/// Those who wait have lookouts, and one gives up; with one that does not wait.
const LOOKOUTS: Setting =
    Setting { waiters: 2, sleep: Sleep::ByLookout, has_newcomer: true, surrenders: 1, ..IN_CALL };

/// With one that is stopped and one that does not wait.
const BESIDE: Setting = Setting { has_newcomer: true, crashes: 0, ..IN_CALL };

/// With one that is stopped.
const fn mutant(mutation: Mutation) -> Setting {
    Setting { mutation, crashes: 0, ..IN_CALL }
}

/// Everything that is checked.
pub const CASES: &[Case] = &[
    ours("queue", "3 waiters, one stopped, one killed", 196_582, IN_CALL),
    ours(
        "queue-removed",
        "the same, where tickets do not become records",
        169_388,
        Setting { ticket: Fate::Removed, ..IN_CALL },
    ),
    ours("queue-stops", "3 waiters, two stopped", 434_307, Setting { stops: 2, crashes: 0, ..IN_CALL }),
    ours("queue-newcomer", "3 waiters, one killed, and one that does not wait", 278_562, NEWCOMER),
    ours("queue-newcomer-stops", "3 waiters, one stopped, and one that does not wait", 1_055_250, BESIDE),
    ours(
        "queue-flock",
        "2 waiters, one stopped, one killed, one that does not wait, a client of `flock`",
        230_839,
        FLOCK,
    ),
    ours(
        "queue-lookouts",
        "3 waiters with lookouts, one stopped, one that gives up",
        482_457,
        Setting { waiters: 3, crashes: 0, has_newcomer: false, ..LOOKOUTS },
    ),
    ours(
        "queue-lookouts-killed",
        "2 waiters with lookouts, one stopped, one killed, one that gives up, one that does not wait",
        131_468,
        LOOKOUTS,
    ),
    wrong(
        "queue-latecomers-passed",
        "who came after the second had begun is passed too",
        Setting { has_newcomer: true, ..mutant(Mutation::LatecomersPassed) },
        property::IN_TURN,
        24,
    ),
    wrong(
        "queue-locked-second",
        "a second counts though somebody held in it",
        mutant(Mutation::NotBegunAnew),
        property::IN_TURN,
        36,
    ),
    wrong(
        "queue-flock-between",
        "more is asked: that a second in which a client of `flock` held does not count",
        Setting { mutation: Mutation::KeptCounts, stops: 0, crashes: 0, ..FLOCK },
        property::IN_TURN,
        20,
    ),
    wrong(
        "queue-stopped-between",
        "more is asked: that a second in which one was stopped that had the guard and did not hold does not count",
        mutant(Mutation::KeptCounts),
        property::IN_TURN,
        28,
    ),
    wrong(
        "queue-ticket-unsaid",
        "a ticket taken to let others come first is born without byte 3",
        mutant(Mutation::TicketUnsaid),
        property::IN_TURN,
        31,
    ),
    wrong(
        "queue-byte-3-unlocked",
        "byte 3 is unlocked once somebody else holds",
        Setting { mutation: Mutation::Byte3UnlockedLater, ..BESIDE },
        property::IN_TURN,
        46,
    ),
    wrong(
        "queue-begun-unsaid",
        "who begins a second does not touch its ticket",
        mutant(Mutation::BegunUnsaid),
        property::IN_TURN,
        33,
    ),
    wrong(
        "queue-named-before-locked",
        "a ticket gets its name, and then its lock",
        mutant(Mutation::NamedBeforeLocked),
        property::BORN_LOCKED,
        6,
    ),
    wrong(
        "queue-swept-unseen",
        "tickets in the way are removed without asking for their lock",
        mutant(Mutation::SweptUnseen),
        property::IN_TURN,
        13,
    ),
    wrong(
        "queue-newcomer-unaware",
        "a newcomer does not look for the queue",
        mutant(Mutation::NewcomerUnaware),
        property::IN_TURN,
        10,
    ),
    wrong(
        "queue-stepped-back-unsaid",
        "who lets others come first does not lock byte 3",
        mutant(Mutation::SteppedBackUnsaid),
        property::IN_TURN,
        32,
    ),
    wrong(
        "queue-never-passed",
        "those before are waited for without end",
        mutant(Mutation::NeverPassed),
        property::NOT_HELD_UP,
        10,
    ),
    wrong(
        "queue-guard-kept",
        "the guard is kept while those before are waited for",
        mutant(Mutation::GuardKept),
        property::IN_TURN,
        22,
    ),
    wrong(
        "queue-lookout-keeps",
        "a lookout does not give back what it got",
        Setting { mutation: Mutation::LookoutKeeps, ..LOOKOUTS },
        property::NOT_HELD_UP,
        11,
    ),
    wrong(
        "queue-lookout-reaped-late",
        "a waiter goes on while its lookout lives",
        Setting { mutation: Mutation::LookoutReapedLate, ..LOOKOUTS },
        property::EXCLUSION,
        18,
    ),
    wrong(
        "queue-given-up-locked",
        "who gives up does not unlock what was got meanwhile",
        Setting { mutation: Mutation::GivenUpLocked, ..LOOKOUTS },
        property::NOT_HELD_UP,
        11,
    ),
    wrong(
        "queue-passed-left",
        "a ticket is removed by the first of its two names only",
        mutant(Mutation::PassedLeft),
        property::NOTHING_LEFT,
        37,
    ),
];
