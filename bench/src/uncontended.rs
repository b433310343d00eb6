//! A lock that nobody else wants: taken and given back, and found held.

use baton_lock::Lock;

use crate::contender::{Contender, Kind};
use crate::peers::{
    self, BATON, BATON_FLOCK, BATON_KEPT, FLOCK, FLOCK_AND_RECORD, PID_FILE, READ_BY_HAND, Result,
    SAME_CALLS, SAME_CALLS_KEPT,
};
use baton_bench::place::Place;
use baton_bench::sample::{Budget, Floor, Measurement, Side, Timed, Unit, in_turn};

/// How often a client in another language does it each time it is its turn.
const PIECE: usize = 20;

pub(crate) fn measurements(place: &Place, rounds: usize, others: &[Kind]) -> Result<Vec<Measurement>> {
    Ok(vec![acquire_and_release(place, rounds, others)?, found_busy(place, rounds)?])
}

fn acquire_and_release(place: &Place, rounds: usize, others: &[Kind]) -> Result<Measurement> {
    let directory = place.directory()?;
    let path = |name: &str| directory.path().join(format!("{}.lock", name.replace([' ', ','], "-")));
    let mut sides: Vec<Timed<'_>> = Vec::new();
    let ours = [BATON, BATON_KEPT, BATON_FLOCK];
    let by_hand = [PID_FILE, FLOCK_AND_RECORD, SAME_CALLS, SAME_CALLS_KEPT, FLOCK];
    for name in ours.into_iter().chain(by_hand).chain(["std", "fs4", "fslock", "fd-lock"]) {
        let mut client = peers::client(name, &path(name))?;
        sides.push((name.to_owned(), Box::new(move || client(&mut || Ok(())))));
    }
    let mut sides = in_turn(rounds, &mut sides)?;
    // They time themselves, a few at a time, since an order to another process takes longer than what is measured.
    for kind in others {
        let mut contender = Contender::start(kind, &path(kind.name()))?;
        let mut samples = Vec::new();
        contender.cycle(PIECE)?;
        while samples.len() < rounds.min(400) {
            samples.extend(contender.cycle(PIECE)?);
        }
        sides.push(Side::new(kind.name(), samples));
    }
    let against = |ours: &str, limit, floor: &str| Budget {
        ours: ours.to_owned(),
        against: Some(PID_FILE.to_owned()),
        part: 0.5,
        limit,
        floor: Some(Floor::of(floor)),
    };
    let is_tmpfs = place.filesystem == "tmpfs";
    Ok(Measurement {
        what: "acquire + release, nobody else there".to_owned(),
        filesystem: place.filesystem.clone(),
        unit: Unit::Microseconds,
        sides,
        budgets: vec![
            against(BATON, if is_tmpfs { 2.5 } else { 2.0 }, SAME_CALLS),
            against(BATON_KEPT, 1.6, SAME_CALLS_KEPT),
        ],
    })
}

fn found_busy(place: &Place, rounds: usize) -> Result<Measurement> {
    let directory = place.directory()?;
    let path = directory.path().join("a.lock");
    let lock = Lock::open(&path)?;
    let _held = lock.lock()?;
    // For those who only know `flock`.
    let other = directory.path().join("other.lock");
    let file = std::fs::File::create(&other)?;
    file.lock()?;
    let mut sides = peers::finders(&path, &other);
    Ok(Measurement {
        what: "a held lock found busy, its holder reported".to_owned(),
        filesystem: place.filesystem.clone(),
        unit: Unit::Microseconds,
        sides: in_turn(rounds, &mut sides)?,
        budgets: vec![Budget {
            ours: BATON.to_owned(),
            against: Some(READ_BY_HAND.to_owned()),
            part: 0.5,
            limit: 2.0,
            floor: Some(Floor::of(SAME_CALLS)),
        }],
    })
}
