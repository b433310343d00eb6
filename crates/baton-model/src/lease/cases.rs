//! What is checked of leases, and what comes out.

use super::model::property;
use super::variant::{Clocks, Halting, Mutation, Renewals, Setting};
use crate::catalogue::{Case, Expected, Subject};

const fn ours(name: &'static str, about: &'static str, states: usize, setting: Setting) -> Case {
    Case { name, about, subject: Subject::Lease(setting), expected: Expected::Holds { states } }
}

const fn wrong(
    name: &'static str,
    about: &'static str,
    setting: Setting,
    property: &'static str,
    steps: usize,
) -> Case {
    Case { name, about, subject: Subject::Lease(setting), expected: Expected::Breaks { property, steps } }
}

/// As the page says, which has no more to offer here.
const fn limit(
    name: &'static str,
    about: &'static str,
    broken: &'static [(&'static str, usize)],
    states: usize,
    setting: Setting,
) -> Case {
    Case { name, about, subject: Subject::Lease(setting), expected: Expected::BreaksOnly { broken, states } }
}

/// A lease of four ticks: renewed for three, lost after two.
const TIMED: Setting = Setting {
    contenders: 2,
    ttl: 4,
    renewals: Renewals::InParts,
    crashes: 0,
    halts: 0,
    halting: Halting::Both,
    losses: 0,
    leaders: 0,
    breaks: 0,
    saves: 0,
    has_effects: false,
    clocks: Clocks::True,
    wavers: false,
    mutation: Mutation::None,
};

const SLOW: Setting = Setting { clocks: Clocks::Slow, ..TIMED };

/// A lease of three ticks, of which the first is the valid one.
const SHORT: Setting = Setting { ttl: 3, ..TIMED };

/// The same, and a renewal is one step.
const WHOLE: Setting = Setting { renewals: Renewals::Whole, ..SHORT };

/// The order of the queue, clocks apart.
const QUEUE: Setting = Setting { contenders: 3, crashes: 2, clocks: Clocks::Stand, ..WHOLE };

const SAVES: Setting = Setting { contenders: 2, saves: 2, losses: 1, ..QUEUE };
const HALTED: Setting = Setting { halts: 1, has_effects: true, ..WHOLE };
const BREAKS: Setting = Setting { breaks: 1, ..SHORT };

const fn mutant(mutation: Mutation, setting: Setting) -> Setting {
    Setting { mutation, ..setting }
}

/// Everything that is checked.
pub const CASES: &[Case] = &[
    ours("lease", "2 contenders, slow clocks, one killed", 177_417, Setting { crashes: 1, ..SLOW }),
    ours("lease-leader", "2 contenders, a new leader", 47_849, Setting { leaders: 1, ..TIMED }),
    ours(
        "lease-leader-slow",
        "2 contenders, slow clocks, a new leader, a short lease",
        57_356,
        Setting { leaders: 1, clocks: Clocks::Slow, ..SHORT },
    ),
    limit(
        "lease-late",
        "2 contenders, a request or an answer late or lost, a short lease",
        &[(property::DOUBLE, 7)],
        68_906,
        Setting { losses: 1, ..WHOLE },
    ),
    ours(
        "lease-late-amended",
        "the same, and whoever ends leaves its key to its lease, which it revokes",
        59_335,
        mutant(Mutation::KeyLeftToRevoke, Setting { losses: 1, ..WHOLE }),
    ),
    limit(
        "lease-late-killed",
        "2 contenders that may waver, two requests or answers late or lost, two killed; clocks apart",
        &[(property::DOUBLE, 7)],
        100_644,
        Setting { contenders: 2, losses: 2, wavers: true, ..QUEUE },
    ),
    ours("lease-broken", "2 contenders, one hold broken, a short lease", 116_624, BREAKS),
    ours(
        "lease-broken-slow",
        "2 contenders, slow clocks, one hold broken, a short lease",
        249_591,
        Setting { breaks: 1, clocks: Clocks::Slow, ..WHOLE },
    ),
    ours(
        "lease-broken-killed",
        "3 contenders, one hold broken, one killed; clocks apart",
        18_557,
        Setting { crashes: 1, breaks: 1, ..QUEUE },
    ),
    ours(
        "lease-queue",
        "3 contenders that may waver, two killed; clocks apart",
        31_561,
        Setting { wavers: true, ..QUEUE },
    ),
    ours(
        "lease-wavering",
        "2 contenders that may waver, one killed, a short lease",
        58_257,
        Setting { wavers: true, crashes: 1, ..WHOLE },
    ),
    limit(
        "lease-session",
        "2 contenders that save their sessions twice, one request or answer late or lost, two killed; clocks apart",
        &[(property::DOUBLE, 7)],
        35_989,
        SAVES,
    ),
    ours(
        "lease-session-halted",
        "2 contenders that save their sessions, one halted, a short lease",
        66_348,
        Setting { saves: 1, halts: 1, ..WHOLE },
    ),
    ours(
        "lease-whole-time",
        "a lease is believed in for its whole time, and clocks are true",
        43_841,
        mutant(Mutation::NoMargin, Setting { crashes: 1, ..TIMED }),
    ),
    limit(
        "lease-halted",
        "2 contenders, one halted together with its job",
        &[(property::UNFENCED, 13)],
        42_743,
        HALTED,
    ),
    limit(
        "lease-runner-halted",
        "2 contenders, one halted while its job goes on",
        &[(property::UNFENCED, 12)],
        43_793,
        Setting { halting: Halting::Runner, ..HALTED },
    ),
    limit(
        "lease-revoked-early",
        "etcd before 3.4.31 and 3.5.13: a leader that was deposed has leases revoked too early",
        &[
            (property::EXCLUSION, 7),
            (property::IN_TIME, 7),
            (property::STORY, 7),
            (property::UNFENCED, 9),
            (property::TOLD_CLEAN, 10),
        ],
        40_113,
        mutant(
            Mutation::RevokedEarly,
            Setting { leaders: 1, has_effects: true, contenders: 2, crashes: 0, ..QUEUE },
        ),
    ),
    wrong(
        "lease-no-margin",
        "believed in for its whole time, a clock being slow",
        mutant(Mutation::NoMargin, SLOW),
        property::EXCLUSION,
        10,
    ),
    wrong(
        "lease-from-answer",
        "validity counts from when the answer came",
        mutant(Mutation::FromAnswer, SLOW),
        property::IN_TIME,
        14,
    ),
    wrong(
        "lease-clock-suspended",
        "the clock stands still while its machine does",
        mutant(Mutation::ClockStopsInSuspend, Setting { halts: 1, ..WHOLE }),
        property::EXCLUSION,
        10,
    ),
    wrong(
        "lease-unconfirmed",
        "a keep-alive counts, whoever answered",
        mutant(Mutation::Unconfirmed, Setting { leaders: 1, ..TIMED }),
        property::EXCLUSION,
        20,
    ),
    wrong(
        "lease-terms-not-compared",
        "a keep-alive is confirmed by a read, but terms are not compared",
        mutant(Mutation::TermsNotCompared, Setting { leaders: 1, ..TIMED }),
        property::EXCLUSION,
        23,
    ),
    wrong(
        "lease-late-answer",
        "an answer that comes too late extends it",
        mutant(Mutation::LateAnswerExtends, TIMED),
        property::REVIVAL,
        9,
    ),
    wrong(
        "lease-not-looked-again",
        "step 5 does not look at the clock",
        mutant(Mutation::NotLookedAgain, WHOLE),
        property::EXCLUSION,
        4,
    ),
    wrong(
        "lease-not-put-back",
        "step 5 leaves its marker",
        mutant(Mutation::NotPutBack, WHOLE),
        property::STORY,
        8,
    ),
    wrong(
        "lease-held-by-look",
        "who is first holds, and leaves its marker then",
        mutant(Mutation::HeldByLook, Setting { crashes: 1, ..WHOLE }),
        property::STORY,
        13,
    ),
    wrong(
        "lease-taken-uncompared",
        "step 4 compares nothing",
        mutant(Mutation::TakenUncompared, WHOLE),
        property::TOKENS,
        14,
    ),
    wrong(
        "lease-marked-at-entering",
        "the marker is put on entering the queue",
        mutant(Mutation::MarkedAtEntering, Setting { crashes: 1, ..WHOLE }),
        property::STORY,
        10,
    ),
    wrong(
        "lease-unclean-removes",
        "an unclean end removes the marker",
        mutant(Mutation::UncleanRemovesMarker, WHOLE),
        property::STORY,
        8,
    ),
    wrong(
        "lease-ended-in-two",
        "a clean end deletes the key, and then the marker",
        mutant(Mutation::EndedInTwo, WHOLE),
        property::TOLD_CLEAN,
        10,
    ),
    wrong(
        "lease-end-taken-for-done",
        "a release that finds its key gone is taken for done",
        mutant(Mutation::EndTakenForDone, BREAKS),
        property::TOLD_CLEAN,
        8,
    ),
    wrong(
        "lease-end-not-looked-again",
        "the clock is not looked at again when a clean end is answered",
        mutant(Mutation::EndNotLookedAgain, WHOLE),
        property::TOLD_CLEAN,
        12,
    ),
    wrong(
        "lease-watched-from-now",
        "a watch begins when etcd gets to it",
        mutant(Mutation::WatchedFromNow, TIMED),
        property::NOT_STUCK,
        4,
    ),
    wrong(
        "lease-woken-is-first",
        "3 contenders: who is woken takes the lock without a look",
        mutant(Mutation::WokenIsFirst, QUEUE),
        property::ORDER,
        11,
    ),
    wrong(
        "lease-saved-under-any-key",
        "a save does not compare the key",
        mutant(Mutation::SavedUnderAnyKey, SAVES),
        property::SESSION,
        9,
    ),
    wrong(
        "lease-saved-over-any",
        "a save does not compare the session's revision",
        mutant(Mutation::SavedOverAny, SAVES),
        property::SESSION,
        9,
    ),
    wrong(
        "lease-breaks-any",
        "a break does not compare the token",
        mutant(Mutation::BreaksAny, BREAKS),
        property::BROKEN,
        9,
    ),
    wrong(
        "lease-no-fence",
        "a break puts no fence",
        mutant(Mutation::NoFence, BREAKS),
        property::EXCLUSION,
        7,
    ),
    wrong(
        "lease-fence-leased-before",
        "the fence's lease is granted before the break",
        mutant(Mutation::FenceLeasedBefore, BREAKS),
        property::EXCLUSION,
        8,
    ),
    wrong(
        "lease-fence-unleased",
        "only the breaker gives the fence its lease",
        mutant(Mutation::FenceOnlyByBreaker, BREAKS),
        property::NOT_STUCK,
        4,
    ),
    wrong(
        "lease-lifts-any",
        "a fence is lifted whosever it is",
        mutant(Mutation::LiftsAny, BREAKS),
        property::IN_TIME,
        14,
    ),
    wrong(
        "lease-lifted-first",
        "a fence is lifted before the job has ended",
        mutant(Mutation::LiftedFirst, BREAKS),
        property::IN_TIME,
        10,
    ),
];
