//! A session's file, explored: one writer who changes it a few times, killed or without power before each of its calls, and in each way in
//! which a power cut can end (`kernel`); also after any one call has failed. Whoever comes then reads, and goes on.
//!
//! Nobody else is there meanwhile, so that there are no orders to be explored. What a kill or a power cut leaves is a kernel, which is a
//! value: the writer is not begun anew, but goes on afterwards in its own. What was checked already is known by a hash and left out.
//!
//! | what | module |
//! |---|---|
//! | what is explored, and in which order | here |
//! | who writes, who comes afterwards, and what they must find | `script` |

mod script;

use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::rc::Rc;

use rustix::io::Errno;

use crate::explore::{AtRandom, Failure};
use crate::kernel::{Kernel, PowerCut};
use crate::scenario::EXT4;
use crate::shipped::session::Session;
use crate::sim::{self, Order, Point, Process, Step};
use script::{Found, LOCKS, Progress, WRITER};

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// What is in it.
    pub about: &'static str,
    /// Whether any one call fails, in each way that it can.
    pub fails: bool,
    /// Whether the state directory is there before.
    pub has_state: bool,
    /// Whether what the lock wrote is durable by the time the session is opened.
    pub lock_is_durable: bool,
    /// More outcomes than these are checked.
    pub outcomes: usize,
}

const SAVED: Case = Case {
    name: "saved",
    about: "one takes the lock, makes the directory, and changes the session three times",
    fails: false,
    has_state: true,
    lock_is_durable: true,
    outcomes: 5_000,
};

/// All of them.
pub const CASES: &[Case] = &[
    SAVED,
    Case {
        name: "saved-failing",
        about: "the same; any one call fails, in any way, or does a part",
        fails: true,
        outcomes: 40_000,
        ..SAVED
    },
    Case {
        name: "state-made",
        about: "the same where not even the state directory is there; the lock is elsewhere",
        has_state: false,
        ..SAVED
    },
    Case {
        name: "saved-at-once",
        about: "the same as `saved`, and what the lock wrote may be lost too",
        lock_is_durable: false,
        outcomes: 10_000,
        ..SAVED
    },
];

/// Finds a case by its name.
pub fn find(name: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.name == name)
}

/// Ends of one power cut that are all looked at; of more, as many as [`BY_CHANCE`].
const FEW: usize = 2000;
const BY_CHANCE: usize = 300;

/// What an exploration came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How often the writer was begun.
    pub executions: usize,
    /// How many kernels, left by a kill or a power cut, somebody came to.
    pub outcomes: usize,
    /// How many power cuts had too many ends to look at all of them.
    pub sampled: usize,
    /// The sessions that were found, by their revisions: 0 is none.
    pub found: std::collections::BTreeSet<u64>,
    /// How many changes failed.
    pub failed: usize,
    /// What does not hold, if anything.
    pub failure: Option<Failure>,
}

/// Explores a case.
pub fn explored(case: &Case, mutant: Option<usize>) -> Report {
    let report = Exploration::new(case, mutant, false).run();
    if report.failure.is_none() {
        return report;
    }
    // Once more, and told.
    Exploration::new(case, mutant, true).run()
}

struct Exploration<'a> {
    case: &'a Case,
    mutant: Option<usize>,
    is_traced: bool,
    seen: HashSet<u64>,
    revisions: Vec<Session>,
    report: Report,
}

impl<'a> Exploration<'a> {
    fn new(case: &'a Case, mutant: Option<usize>, is_traced: bool) -> Self {
        Self {
            case,
            mutant,
            is_traced,
            seen: HashSet::new(),
            revisions: Vec::new(),
            report: Report::default(),
        }
    }

    fn run(mut self) -> Report {
        if let Err(violation) = self.explore() {
            let trace = sim::with(|world| world.trace());
            self.report.failure = Some(Failure { violation, trace, seed: None });
        }
        self.report
    }

    fn explore(&mut self) -> Result<(), String> {
        // What each revision says has to be known before it is looked for.
        self.execute(None, false)?;
        let calls = self.execute(None, true)?;
        if !self.case.fails {
            return Ok(());
        }
        for (number, point) in calls.iter().enumerate() {
            let short = point.may_be_short.then_some(Order::Short);
            for order in short.into_iter().chain(point.faults.iter().map(|errno| Order::Fail(*errno))) {
                self.execute(Some((number, order)), true)?;
            }
        }
        Ok(())
    }

    /// One execution of the writer, with one of its calls failing; all of its calls.
    fn execute(&mut self, fault: Option<(usize, Order)>, is_cut: bool) -> Result<Vec<Point>, String> {
        self.report.executions += 1;
        let progress = Rc::new(RefCell::new(Progress::knowing(&self.revisions)));
        self.begin();
        let (told, case) = (Rc::clone(&progress), *self.case);
        let mut writer = Process::new(WRITER, move || script::write(&case, &told));
        let mut calls = Vec::new();
        let mut step = writer.resume(Order::Go);
        loop {
            if let Some(complaint) = progress.borrow_mut().complaint.take() {
                return Err(complaint);
            }
            if is_cut && progress.borrow().has_lock {
                self.cut(&progress.borrow())?;
            }
            let Step::At(point) = step else { break };
            let mut order = Order::Go;
            if progress.borrow().has_lock {
                if let Some((_, fails)) = fault.filter(|(number, _)| *number == calls.len()) {
                    order = fails;
                    // Whoever is interrupted, or does a part, has no reason to fail.
                    let is_error = !matches!(order, Order::Short | Order::Fail(Errno::INTR));
                    progress.borrow_mut().may_fail = is_error;
                }
                calls.push(point);
            }
            step = writer.resume(order);
        }
        self.report.failed += progress.borrow().failed;
        self.revisions.clone_from(&progress.borrow().revisions);
        Ok(calls)
    }

    fn begin(&self) {
        let mut kernel = Kernel::new(EXT4);
        kernel.keep_account();
        kernel.prepare_directory(Path::new(LOCKS), 0o755);
        kernel.forbidden = Some("s.queue".into());
        if self.case.has_state {
            kernel.prepare_directory(Path::new(script::STATE), 0o700);
        }
        kernel.settle();
        sim::start(kernel, self.mutant, self.is_traced);
        sim::with(|world| world.kernel.start(WRITER));
    }

    /// The writer is killed here, or the power fails.
    fn cut(&mut self, progress: &Progress) -> Result<(), String> {
        let mut kernel = sim::with(|world| world.kernel.clone());
        kernel.end(WRITER);
        let mut hasher = DefaultHasher::new();
        (&kernel, progress.floor, progress.ceiling).hash(&mut hasher);
        if !self.seen.insert(hasher.finish()) {
            return Ok(());
        }
        let written = self.come(&kernel, progress, "      THE WRITER IS KILLED".to_owned())?;
        self.cut_power(&written.0, &Progress::saved(&written.1))?;
        self.cut_power(&kernel, progress)
    }

    fn cut_power(&mut self, kernel: &Kernel, progress: &Progress) -> Result<(), String> {
        let cut = kernel.power_cut();
        let all = cut.ways().try_fold(1_usize, usize::checked_mul).unwrap_or(usize::MAX);
        let count = if all > FEW { BY_CHANCE } else { all };
        self.report.sampled += usize::from(all > FEW);
        let mut chance = AtRandom::new(self.report.outcomes as u64);
        for number in 0..count {
            let ways = if all > FEW { by_chance(&cut, &mut chance) } else { numbered(&cut, number) };
            let told = || format!("      THE POWER FAILS: {}", kernel.describe(&cut, &ways));
            let told = if self.is_traced { told() } else { String::new() };
            self.come(&kernel.after(&cut, &ways), progress, told)?;
        }
        Ok(())
    }

    /// Somebody comes, and goes on: what there is then, and what was saved.
    fn come(
        &mut self,
        kernel: &Kernel,
        progress: &Progress,
        told: String,
    ) -> Result<(Kernel, Found), String> {
        self.report.outcomes += 1;
        let before = sim::with(|world| {
            let before = world.put_in_place(kernel.clone());
            world.tell(told);
            before
        });
        let found = script::come(progress);
        let kernel = sim::with(|world| world.put_back(before, found.is_ok()));
        let (revision, saved) = found?;
        self.report.found.insert(revision);
        Ok((kernel, saved))
    }
}

/// The ways of that number, the first of which is that nothing survives.
fn numbered(cut: &PowerCut, mut number: usize) -> Vec<usize> {
    let digit = |ways| {
        let way = number % ways;
        number /= ways;
        way
    };
    cut.ways().map(digit).collect()
}

fn by_chance(cut: &PowerCut, chance: &mut AtRandom) -> Vec<usize> {
    cut.ways().map(|ways| chance.below(ways)).collect()
}
