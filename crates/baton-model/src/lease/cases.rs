//! What is checked of leases, and what comes out.

use super::model::property;
use super::variant::{Halting, Mutation, Setting};
use crate::catalogue::{Case, Expected, Subject};

const fn ours(name: &'static str, about: &'static str, states: usize, setting: Setting) -> Case {
    Case { name, about, subject: Subject::Lease(setting), expected: Expected::Holds { states } }
}

const PLAIN: Setting = Setting {
    contenders: 2,
    crashes: 1,
    halts: 0,
    halting: Halting::Both,
    losses: 0,
    leaders: 0,
    breaks: 0,
    saves: 0,
    has_effects: false,
    drifts: false,
    wavers: false,
    mutation: Mutation::None,
};

/// Everything that is checked.
pub const CASES: &[Case] = &[
    ours("lease", "2 contenders", 0, PLAIN),
    ours("lease-drift", "drift", 0, Setting { drifts: true, ..PLAIN }),
    ours("lease-losses", "loss", 0, Setting { losses: 1, ..PLAIN }),
    ours("lease-leaders", "leaders", 0, Setting { leaders: 1, drifts: true, ..PLAIN }),
    ours("lease-breaks", "breaks", 0, Setting { breaks: 1, drifts: true, ..PLAIN }),
    ours("lease-saves", "saves", 0, Setting { saves: 2, losses: 1, halts: 1, ..PLAIN }),
    ours("lease-effects", "effects", 0, Setting { has_effects: true, halts: 1, drifts: true, ..PLAIN }),
    ours("lease-queue", "queue", 0, Setting { contenders: 3, ..PLAIN }),
];
