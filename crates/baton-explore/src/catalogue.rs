//! What is explored, under the names that `docs/verification.md` uses.

use rustix::io::Errno;

use crate::scenario::{ANYHOW, Before, Deleted, Scenario, Waits};
use crate::story::End;

const ENDS: &[End] = &[End::Release, End::Abandon, End::Undo];

/// Two come where a lock was released before.
const CLEAN: Scenario = Scenario { before: Before::CleanEnd, ..Scenario::PLAIN };
/// Two come where a holder was killed.
const DEAD: Scenario = Scenario { before: Before::DeadHolder, ..Scenario::PLAIN };

/// One holds, and another one comes and waits in the queue.
const WAITER: Scenario =
    Scenario { before: Before::Held, waits: Waits::InQueue, ends: ENDS, ..Scenario::PLAIN };

/// Who finds a deleted guard's record locked has to wait for that, which nobody can here.
const BUT_THE_GUARD: &[Deleted] = &[Deleted::Record, Deleted::Ticket];
const GUARD: &[Deleted] = &[Deleted::Guard];

/// How far a scenario is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// To the end, with more than so many states.
    Everything(usize),
    /// By so many executions at random.
    AtRandom(u64),
}

/// A scenario, and how far it is explored.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is explored; its name is this case's.
    pub scenario: Scenario,
    /// What is in it.
    pub about: &'static str,
    /// How far.
    pub extent: Extent,
}

const fn everything(scenario: Scenario, about: &'static str, states: usize) -> Case {
    Case { scenario, about, extent: Extent::Everything(states) }
}

const fn at_random(scenario: Scenario, about: &'static str, executions: u64) -> Case {
    Case { scenario, about, extent: Extent::AtRandom(executions) }
}

/// All of them.
pub const CASES: &[Case] = &[
    everything(
        Scenario { name: "first", crashes: 1, ..Scenario::PLAIN },
        "two come where nothing is; one may be killed",
        100_000,
    ),
    everything(
        Scenario { name: "takeover", crashes: 2, ..DEAD },
        "two come after a holder that was killed; both may be killed",
        10_000,
    ),
    everything(
        Scenario { name: "ends", crashes: 1, ends: ENDS, ..DEAD },
        "the same, one may be killed, and holds end in each way",
        20_000,
    ),
    everything(
        Scenario { name: "jobs", crashes: 1, jobs: true, ..DEAD },
        "the same, one may be killed, and may have started a job that inherits the lock",
        20_000,
    ),
    everything(
        Scenario { name: "waiting", waits: Waits::Outside, crashes: 1, ..CLEAN },
        "two wait for it in the kernel's queue; one may be killed",
        10_000,
    ),
    everything(
        Scenario { name: "handed-on", crashes: 2, jobs: true, ..WAITER },
        "one holds, another one waits in the queue; both may be killed, holds end in each way, jobs may inherit",
        50_000,
    ),
    everything(
        Scenario { name: "handed-on-flock-naming", crashes: 2, is_flock: true, ..WAITER },
        "the same in flock naming, without jobs",
        20_000,
    ),
    everything(
        Scenario { name: "handed-on-failing", faults: 1, errors: ANYHOW, ..WAITER },
        "the same, nobody is killed, and any one call fails, in any way, or does a part",
        100_000,
    ),
    everything(
        Scenario { name: "handed-on-deleted", deletions: 1, deletes: BUT_THE_GUARD, crashes: 1, ..WAITER },
        "the same, one may be killed, and a user deletes the record or the ticket",
        50_000,
    ),
    everything(
        Scenario {
            name: "alone",
            contenders: 1,
            rounds: 2,
            faults: 1,
            errors: ANYHOW,
            ends: ENDS,
            jobs: true,
            ..DEAD
        },
        "one comes twice after a holder that was killed; any one call fails, in any way, or does a part",
        20_000,
    ),
    everything(
        Scenario { name: "unfinished", contenders: 1, before: Before::Unfinished, ..Scenario::PLAIN },
        "one comes after a holder that was killed, and one that was killed in taking over and left a child",
        10,
    ),
    everything(
        Scenario { name: "failing", faults: 1, errors: &[Errno::IO], ..DEAD },
        "two come after a holder that was killed; any one call fails or does a part",
        100_000,
    ),
    everything(
        Scenario { name: "flock-naming", is_flock: true, crashes: 1, ends: ENDS, ..DEAD },
        "flock naming: two come after a holder that was killed; one may be killed, and holds end in each way",
        10_000,
    ),
    everything(
        Scenario {
            name: "guard-deleted",
            deletions: 1,
            deletes: GUARD,
            crashes: 1,
            switches: Some(2),
            ..CLEAN
        },
        "two come, one may be killed, the guard is deleted; who could go on is put off twice at most",
        50_000,
    ),
    everything(
        Scenario { name: "takeover-guard-deleted", deletions: 1, deletes: GUARD, switches: Some(3), ..DEAD },
        "the same after a holder that was killed, nobody else is; who could go on is put off three times at most",
        50_000,
    ),
    at_random(
        Scenario { name: "three-guard-deleted", contenders: 3, deletions: 1, deletes: GUARD, ..DEAD },
        "three come after a holder that was killed; the guard is deleted",
        4_000,
    ),
    at_random(
        Scenario {
            name: "many",
            contenders: 4,
            rounds: 3,
            crashes: 3,
            faults: 2,
            errors: ANYHOW,
            ends: ENDS,
            jobs: true,
            ..DEAD
        },
        "four come three times; three may be killed, two calls may fail, jobs may inherit",
        2_000,
    ),
    at_random(
        Scenario {
            name: "many-deleted",
            contenders: 3,
            rounds: 2,
            crashes: 2,
            deletions: 1,
            ends: ENDS,
            ..DEAD
        },
        "three come twice; two may be killed, and a user deletes guard or record",
        2_000,
    ),
];

/// Finds a case by its name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.scenario.name == name)
}
