//! The scheduler: executes a scenario once, asking a `Chooser` at each point what comes next; and the choosers.
//!
//! | chooser | |
//! |---|---|
//! | `Everything` | depth first, each execution from its beginning; a state that was seen is not gone on from |
//! | `AtRandom` | by a seed, which a failure is repeated by |
//!
//! Two states are the same if the kernel is, the story is, and each process has had the same answers (`sim`). States are told apart by 64
//! bits of their hash: with a million of them the chance that two have the same is one in thirty-seven million.

use std::collections::{BTreeMap, HashSet};

use rustix::io::Errno;

use crate::kernel::{Pid, Until};
use crate::scenario::{Before, Deleted, FIRST, Scenario};
use crate::sim::{self, Order, Point, Process, Step};
use crate::story::{JOB, Seen};

/// What can come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Go(Pid),
    Answer(Pid, u8),
    Short(Pid),
    Fail(Pid, Errno),
    Crash(Pid),
    EndJob(Pid),
    Delete(Deleted),
    TimePasses,
}

/// Far more calls than any execution makes that ends.
const MOST_STEPS: usize = 3000;

/// Decides what comes next.
trait Chooser {
    /// What was chosen here before, where an execution is begun anew: nothing of it has to be checked again.
    fn known(&mut self) -> Option<Choice> {
        None
    }

    /// One of these. `None`: this execution leads to nothing new.
    fn choose(
        &mut self,
        among: Vec<Choice>,
        preferred: Option<Choice>,
        fingerprint: impl FnOnce() -> u64,
    ) -> Option<Choice>;
}

/// Depth first, to the end.
#[derive(Default)]
struct Everything {
    /// What could be chosen, and which of it was.
    path: Vec<(Vec<Choice>, usize)>,
    at: usize,
    seen: HashSet<u64>,
}

impl Everything {
    /// Goes on to the next execution; `false` if there is none.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((among, choice)) = self.path.pop() {
            if choice + 1 < among.len() {
                self.path.push((among, choice + 1));
                return true;
            }
        }
        false
    }
}

impl Chooser for Everything {
    fn known(&mut self) -> Option<Choice> {
        let (among, choice) = self.path.get(self.at)?;
        self.at += 1;
        Some(among[*choice])
    }

    fn choose(
        &mut self,
        among: Vec<Choice>,
        _: Option<Choice>,
        fingerprint: impl FnOnce() -> u64,
    ) -> Option<Choice> {
        if !self.seen.insert(fingerprint()) {
            return None;
        }
        let first = among[0];
        self.path.push((among, 0));
        self.at += 1;
        Some(first)
    }
}

/// By a generator of numbers (`SplitMix64`), mostly going on with the process that ran last: most faults need few changes.
pub(crate) struct AtRandom {
    state: u64,
}

impl AtRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap_or(0)
    }
}

impl Chooser for AtRandom {
    fn choose(
        &mut self,
        among: Vec<Choice>,
        preferred: Option<Choice>,
        _: impl FnOnce() -> u64,
    ) -> Option<Choice> {
        match preferred {
            Some(preferred) if self.below(8) > 0 => Some(preferred),
            _ => Some(among[self.below(among.len())]),
        }
    }
}

/// The same choices again, all of them checked.
struct Again(std::vec::IntoIter<Choice>);

impl Chooser for Again {
    fn choose(&mut self, among: Vec<Choice>, _: Option<Choice>, _: impl FnOnce() -> u64) -> Option<Choice> {
        self.0.next().filter(|choice| among.contains(choice))
    }
}

/// Keeps what another one chose.
struct Noted<'a, C> {
    chooser: &'a mut C,
    choices: Vec<Choice>,
}

impl<C: Chooser> Chooser for Noted<'_, C> {
    fn known(&mut self) -> Option<Choice> {
        let choice = self.chooser.known()?;
        self.choices.push(choice);
        Some(choice)
    }

    fn choose(
        &mut self,
        among: Vec<Choice>,
        preferred: Option<Choice>,
        fingerprint: impl FnOnce() -> u64,
    ) -> Option<Choice> {
        let choice = self.chooser.choose(among, preferred, fingerprint)?;
        self.choices.push(choice);
        Some(choice)
    }
}

/// What an exploration came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many states were told apart.
    pub states: usize,
    /// How often it was begun anew.
    pub executions: usize,
    /// Whether there is nothing left.
    pub is_complete: bool,
    /// What happened in any of them.
    pub seen: Seen,
    /// What does not hold, if anything.
    pub failure: Option<Failure>,
}

/// An execution in which something does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What.
    pub violation: String,
    /// How it came to that, one call a line.
    pub trace: String,
    /// The seed, where it was come to by chance.
    pub seed: Option<u64>,
}

/// Explores everything, up to so many executions.
pub fn everything(scenario: &Scenario, mutant: Option<usize>, most: usize) -> Report {
    let mut chooser = Everything::default();
    let mut report = Report::default();
    while report.executions < most {
        report.executions += 1;
        if !step_report(scenario, mutant, &mut chooser, None, &mut report) {
            break;
        }
        if !chooser.advance() {
            report.is_complete = true;
            break;
        }
    }
    report.states = chooser.seen.len();
    report
}

/// Explores at random: one execution for each seed.
pub fn at_random(scenario: &Scenario, mutant: Option<usize>, seeds: std::ops::Range<u64>) -> Report {
    let mut report = Report::default();
    for seed in seeds {
        report.executions += 1;
        if !step_report(scenario, mutant, &mut AtRandom::new(seed), Some(seed), &mut report) {
            break;
        }
    }
    report
}

/// One execution; `false` if something does not hold.
fn step_report(
    scenario: &Scenario,
    mutant: Option<usize>,
    chooser: &mut impl Chooser,
    seed: Option<u64>,
    report: &mut Report,
) -> bool {
    let mut noted = Noted { chooser, choices: Vec::new() };
    let ended = Execution::begin(scenario, mutant, false).run(&mut noted);
    report.seen.add(ended.seen);
    let Some(violation) = ended.violation else { return true };
    let choices = std::mem::take(&mut noted.choices).into_iter();
    let again = Execution::begin(scenario, mutant, true).run(&mut Again(choices));
    let violation = match again.violation {
        Some(same) if same == violation => violation,
        other => format!(
            "{violation}; made again it came to {other:?}: the simulation depends on something it should not"
        ),
    };
    report.failure = Some(Failure { violation, trace: again.trace, seed });
    false
}

/// What an execution came to.
struct Ended {
    violation: Option<String>,
    trace: String,
    seen: Seen,
}

struct Execution<'a> {
    scenario: &'a Scenario,
    processes: BTreeMap<Pid, (Process, Point)>,
    jobs: Vec<Pid>,
    crashes: u8,
    faults: u8,
    deletions: u8,
    times: u8,
    switches: Option<u8>,
    last: Option<Pid>,
}

impl<'a> Execution<'a> {
    fn begin(scenario: &'a Scenario, mutant: Option<usize>, is_traced: bool) -> Self {
        let processes = scenario.begin(mutant, is_traced);
        let mut execution = Self {
            scenario,
            processes: BTreeMap::new(),
            jobs: Vec::new(),
            crashes: scenario.crashes,
            faults: scenario.faults,
            deletions: scenario.deletions,
            times: scenario.times,
            switches: scenario.switches,
            last: None,
        };
        for (pid, mut process) in processes {
            if let Step::At(point) = process.resume(Order::Go) {
                execution.processes.insert(pid, (process, point));
            }
        }
        execution
    }

    fn run(mut self, chooser: &mut impl Chooser) -> Ended {
        let mut steps = 0;
        let is_at_the_end = loop {
            if sim::with(|world| world.story.violation().is_some()) {
                break false;
            }
            if self.processes.is_empty() && self.jobs.is_empty() {
                break true;
            }
            if let Some(known) = chooser.known() {
                self.make(known);
                continue;
            }
            steps += 1;
            let choices = self.choices();
            if choices.is_empty() || steps > MOST_STEPS {
                let who: Vec<_> = self.processes.keys().collect();
                sim::with(|world| world.story.note(format!("I5 nobody is stuck: {who:?} wait for ever")));
                break false;
            }
            let preferred = self.last.map(Choice::Go).filter(|last| choices.contains(last));
            let Some(choice) = chooser.choose(choices, preferred, || self.fingerprint()) else { break false };
            self.make(choice);
            self.scenario.check();
        };
        self.processes.clear();
        if is_at_the_end {
            self.scenario.conclude();
        }
        sim::with(|world| Ended {
            violation: world.story.violation().map(ToOwned::to_owned),
            trace: world.trace(),
            seen: world.story.seen,
        })
    }

    fn fingerprint(&self) -> u64 {
        let ready: Vec<_> =
            self.processes.iter().map(|(pid, (_, point))| (*pid, is_ready(*pid, point))).collect();
        let left = (self.crashes, self.faults, self.deletions, self.times);
        let bound = self.switches.map(|switches| (switches, self.last));
        sim::with(|world| world.fingerprint((ready, &self.jobs, left, bound)))
    }

    fn choices(&self) -> Vec<Choice> {
        // What concerns nobody else need not be tried before and after everything that others do.
        if let Some((pid, (_, point))) =
            self.processes.iter().find(|(_, (_, point))| point.concerns_nobody_else)
        {
            let mut choices = vec![Choice::Go(*pid)];
            choices.extend(self.failing(*pid, point));
            return choices;
        }
        let mut choices = Vec::new();
        for (pid, (_, point)) in self.able() {
            if point.answers > 1 {
                choices.extend((0..point.answers).map(|answer| Choice::Answer(*pid, answer)));
            } else {
                choices.push(Choice::Go(*pid));
            }
        }
        if choices.is_empty() {
            // All who are left pause or sleep: pauses end.
            let pausing =
                self.processes.iter().filter(|(_, (_, point))| matches!(point.until, Until::Others(_)));
            choices.extend(pausing.map(|(pid, _)| Choice::Go(*pid)));
        }
        choices.extend(self.processes.iter().flat_map(|(pid, (_, point))| self.failing(*pid, point)));
        if self.crashes > 0 {
            choices.extend(self.processes.keys().map(|pid| Choice::Crash(*pid)));
        }
        choices.extend(self.jobs.iter().map(|job| Choice::EndJob(*job)));
        if self.deletions > 0 && !self.processes.is_empty() {
            choices.extend(self.scenario.deletable().iter().map(|deleted| Choice::Delete(*deleted)));
        }
        if self.times > 0 && !self.processes.is_empty() {
            choices.push(Choice::TimePasses);
        }
        choices
    }

    /// Those who can go on, and may.
    fn able(&self) -> impl Iterator<Item = (&Pid, &(Process, Point))> {
        let only = (self.switches == Some(0)).then(|| self.ready_last()).flatten();
        let may = move |pid| only.is_none_or(|only| only == pid);
        self.processes.iter().filter(move |(pid, (_, point))| may(**pid) && is_ready(**pid, point))
    }

    /// Who went on last, if it could again.
    fn ready_last(&self) -> Option<Pid> {
        let last = self.last?;
        let (_, point) = self.processes.get(&last)?;
        is_ready(last, point).then_some(last)
    }

    /// How the next call of a process may fail.
    fn failing(&self, pid: Pid, point: &Point) -> Vec<Choice> {
        if self.faults == 0 {
            return Vec::new();
        }
        // Contenders that come are alike: where one call fails, it may as well be one of the first one's.
        if self.scenario.faults == 1 && pid != FIRST && self.scenario.before != Before::Held {
            return Vec::new();
        }
        let faults = point.faults.iter().filter(|errno| self.scenario.errors.contains(errno));
        let short = point.may_be_short.then_some(Choice::Short(pid));
        short.into_iter().chain(faults.map(|errno| Choice::Fail(pid, *errno))).collect()
    }

    fn make(&mut self, choice: Choice) {
        match choice {
            Choice::Go(pid) => self.resume(pid, Order::Go),
            Choice::Answer(pid, answer) => self.resume(pid, Order::Answer(answer)),
            Choice::Short(pid) => {
                self.faults -= 1;
                self.resume(pid, Order::Short);
            }
            Choice::Fail(pid, errno) => {
                self.faults -= 1;
                self.resume(pid, Order::Fail(errno));
            }
            Choice::Crash(pid) => {
                self.crashes -= 1;
                self.crash(pid);
            }
            Choice::EndJob(job) => {
                self.jobs.retain(|known| *known != job);
                sim::with(|world| {
                    world.tell(format!("J{job}  ends"));
                    world.kernel.end(job);
                    world.story.job_ended(job);
                    world.has_happened();
                });
            }
            Choice::Delete(deleted) => {
                self.deletions -= 1;
                self.scenario.delete(deleted);
            }
            Choice::TimePasses => {
                self.times -= 1;
                sim::with(|world| {
                    world.tell("      31 s pass");
                    world.kernel.now += std::time::Duration::from_secs(31);
                    world.has_happened();
                });
            }
        }
    }

    fn resume(&mut self, pid: Pid, order: Order) {
        if let Some(switches) = self.switches
            && self.ready_last().is_some_and(|last| last != pid)
        {
            self.switches = Some(switches.saturating_sub(1));
        }
        self.last = Some(pid);
        let Some((process, point)) = self.processes.get_mut(&pid) else { return };
        match process.resume(order) {
            Step::At(next) => *point = next,
            Step::Ended => {
                self.processes.remove(&pid);
            }
        }
        let job = pid + JOB;
        if !self.jobs.contains(&job) && sim::with(|world| world.kernel.is_alive(job)) {
            self.jobs.push(job);
        }
    }

    fn crash(&mut self, pid: Pid) {
        let record = self.scenario.record();
        sim::with(|world| {
            world.tell(format!("P{pid}  IS KILLED"));
            let published = world.kernel.resolve(&record).and_then(|file| world.kernel.author(file));
            let is_published = published == Some((pid, world.kernel.round(pid)));
            let round = world.kernel.round(pid);
            let job = Some(pid + JOB)
                .filter(|job| world.kernel.is_alive(*job) && world.kernel.round(*job) == round);
            world.story.died(pid, is_published, job);
            world.has_happened();
        });
        self.processes.remove(&pid);
    }
}

fn is_ready(pid: Pid, point: &Point) -> bool {
    match point.until {
        Until::Others(since) => sim::with(|world| world.has_gone_on(since)),
        until => sim::with(|world| world.kernel.is_met(pid, until)),
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.holds = self.holds.max(other.holds);
        self.recovered |= other.recovered;
        self.busy |= other.busy;
        self.orphan |= other.orphan;
        self.failed |= other.failed;
    }
}
