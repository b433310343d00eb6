//! Samples of several sides, taken in turn, and what they come to.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// What was measured of several sides in one run, on one filesystem.
#[derive(Debug)]
pub struct Measurement {
    /// Such as `acquire + release`.
    pub what: String,
    /// What it was measured on: a filesystem, or so many members of a cluster.
    pub filesystem: String,
    /// What its numbers are.
    pub unit: Unit,
    /// The first one is what the others are compared with.
    pub sides: Vec<Side>,
    /// What it is measured against.
    pub budgets: Vec<Budget>,
}

/// What the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Millionths of a second.
    Microseconds,
    /// Thousandths of a second.
    Milliseconds,
    /// So many in a second.
    PerSecond,
    /// Memory.
    MiB,
    /// Memory.
    KiB,
    /// Times for which a lease is granted.
    Leases,
    /// Counted.
    Requests,
    /// Of one processor.
    Percent,
}

impl Unit {
    /// As tables and plots have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::PerSecond => "per second",
            Self::MiB => "MiB",
            Self::KiB => "KiB",
            Self::Leases => "times its lease",
            Self::Requests => "requests",
            Self::Percent => "% of one processor",
        }
    }

    /// Of two numbers, is the larger one the better?
    pub fn more_is_better(self) -> bool {
        self == Self::PerSecond
    }
}

/// One of those that are compared.
#[derive(Debug)]
pub struct Side {
    /// Whom tables name; what begins with `baton` is ours, or makes the calls of ours if it ends with `by hand`.
    pub name: String,
    /// Sorted.
    pub samples: Vec<f64>,
}

impl Side {
    /// Sorts them.
    pub fn new(name: impl Into<String>, mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        Self { name: name.into(), samples }
    }

    /// The sample below which that part of all lies.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a list of some thousand samples"
    )]
    pub fn at(&self, part: f64) -> f64 {
        let place = (self.samples.len().saturating_sub(1) as f64 * part).round() as usize;
        self.samples.get(place).copied().unwrap_or(f64::NAN)
    }

    /// The sample in the middle.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// What one side may cost at most, or has to reach at least, of another.
#[derive(Debug)]
pub struct Budget {
    /// The side that is judged.
    pub ours: String,
    /// `None`: the limit is a number in the measurement's own unit.
    pub against: Option<String>,
    /// Which part of the samples is compared: 0.5 for the median.
    pub part: f64,
    /// The most that it may be, or the least that it has to be.
    pub limit: f64,
    /// What nobody can do better than, where it was measured.
    pub floor: Option<Floor>,
}

/// What the system takes of anybody who does what a budget's sides do, by sides of the same measurement that do nothing else.
#[derive(Debug)]
pub struct Floor {
    /// The side that stands for ours.
    pub ours: String,
    /// The side that stands for the one that ours is measured against; `None`: that one itself.
    pub against: Option<String>,
}

impl Floor {
    /// That side, measured against whom ours is.
    pub fn of(ours: impl Into<String>) -> Self {
        Self { ours: ours.into(), against: None }
    }

    /// One side, measured against another one: for what is to do no more of one thing than of another.
    pub fn between(ours: impl Into<String>, against: impl Into<String>) -> Self {
        Self { ours: ours.into(), against: Some(against.into()) }
    }
}

/// A budget and what became of it.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The budget.
    pub budget: &'a Budget,
    /// What was measured of ours.
    pub ours: f64,
    /// What was measured of the other side.
    pub theirs: Option<f64>,
    /// The ratio of both, or ours alone.
    pub figure: f64,
    /// Whether that is within the limit.
    pub verdict: Verdict,
    /// What was measured of the floor, if its sides were.
    pub floor: Option<Floored>,
}

/// Whether a budget is kept, and if not, whether anybody could keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit.
    Kept,
    /// Beyond it, and nothing is known that would be in the way.
    Missed,
    /// Beyond it, and so is the floor.
    OutOfReach,
}

/// What was measured of a floor.
#[derive(Clone, Copy, Debug)]
pub struct Floored {
    /// Of the side that stands for ours.
    pub ours: f64,
    /// Its ratio, or it alone, as with the budget's own figure.
    pub figure: f64,
    /// Within the budget's limit?
    pub is_within: bool,
}

impl Measurement {
    /// The side of that name.
    pub fn side(&self, name: &str) -> Option<&Side> {
        self.sides.iter().find(|side| side.name == name)
    }

    /// The budgets of which both sides were measured.
    pub fn kept(&self) -> Vec<Judged<'_>> {
        self.budgets.iter().filter_map(|budget| self.judge(budget)).collect()
    }

    fn judge<'a>(&self, budget: &'a Budget) -> Option<Judged<'a>> {
        let ours = self.side(&budget.ours)?.at(budget.part);
        let theirs = match &budget.against {
            Some(name) => Some(self.side(name)?.at(budget.part)),
            None => None,
        };
        let figure = theirs.map_or(ours, |theirs| ours / theirs);
        let floor = self.floored(budget);
        let verdict = match floor {
            _ if self.is_within(figure, budget) => Verdict::Kept,
            Some(Floored { is_within: false, .. }) => Verdict::OutOfReach,
            _ => Verdict::Missed,
        };
        Some(Judged { budget, ours, theirs, figure, verdict, floor })
    }

    fn floored(&self, budget: &Budget) -> Option<Floored> {
        let floor = budget.floor.as_ref()?;
        let ours = self.side(&floor.ours)?.at(budget.part);
        let figure = match floor.against.as_ref().or(budget.against.as_ref()) {
            Some(name) => ours / self.side(name)?.at(budget.part),
            None => ours,
        };
        // Without samples there is no figure.
        figure.is_finite().then(|| Floored { ours, figure, is_within: self.is_within(figure, budget) })
    }

    fn is_within(&self, figure: f64, budget: &Budget) -> bool {
        if self.unit.more_is_better() { figure >= budget.limit } else { figure <= budget.limit }
    }

    /// For programs.
    pub fn as_json(&self) -> Value {
        let sides: Vec<Value> = self
            .sides
            .iter()
            .map(|side| {
                json!({
                    "name": side.name, "samples": side.samples.len(), "p25": side.at(0.25), "p50": side.median(),
                    "p75": side.at(0.75), "p99": side.at(0.99),
                })
            })
            .collect();
        let budgets: Vec<Value> = self
            .kept()
            .iter()
            .map(|kept| {
                json!({
                    "ours": kept.budget.ours, "against": kept.budget.against, "part": kept.budget.part,
                    "limit": kept.budget.limit, "figure": kept.figure, "kept": kept.verdict == Verdict::Kept,
                    "floor": kept.floor_as_json(),
                })
            })
            .collect();
        json!({
            "what": self.what, "filesystem": self.filesystem, "unit": self.unit.name(), "sides": sides,
            "budgets": budgets,
        })
    }
}

impl Judged<'_> {
    fn floor_as_json(&self) -> Option<Value> {
        let (Floor { ours, against }, measured) = (self.budget.floor.as_ref()?, self.floor?);
        let against = against.as_ref().or(self.budget.against.as_ref());
        let Floored { figure, is_within, .. } = measured;
        Some(json!({ "ours": ours, "against": against, "figure": figure, "within": is_within }))
    }
}

/// A side that is measured by calling it: its name, and what it does once.
pub type Timed<'a> = (String, Box<dyn FnMut() -> Result<()> + 'a>);

/// Times the sides in turn, so that a machine whose speed drifts moves all of them. The first tenth warms caches and does not count.
///
/// # Errors
///
/// If one fails.
pub fn in_turn(rounds: usize, sides: &mut [Timed<'_>]) -> Result<Vec<Side>> {
    let mut samples = vec![Vec::with_capacity(rounds); sides.len()];
    let warm = rounds / 10 + 1;
    for round in 0..rounds + warm {
        for ((_, work), samples) in sides.iter_mut().zip(&mut samples) {
            let started = Instant::now();
            work()?;
            let taken = started.elapsed();
            if round >= warm {
                samples.push(micros(taken));
            }
        }
    }
    Ok(sides.iter().zip(samples).map(|((name, _), samples)| Side::new(name.clone(), samples)).collect())
}

/// In microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
