//! What it costs to record one event of a session, against the same bytes written durably by hand, and how both grow with the
//! number of steps.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use baton_lock::session::{Actor, Begin, Event, PlannedStep, Store, Writer};
use baton_lock::{Attempt, Held, Lock};
use rustix::fs::{self as sys, CWD, FlockOperation, Mode, OFlags};
use rustix::io;
use tempfile::TempDir;

use crate::peers::{Result, SAME_CALLS};
use baton_bench::place::Place;
use baton_bench::sample::{Budget, Floor, Measurement, Side, Timed, Unit, in_turn};

/// With so many steps.
const STEPS: [usize; 4] = [10, 100, 1000, 10_000];

pub(crate) fn measurements(place: &Place, rounds: usize, steps: &[usize]) -> Result<Vec<Measurement>> {
    let mut measurements = Vec::new();
    let mut all: Vec<Timed<'_>> = Vec::new();
    for &steps in steps {
        let mut job = Job::of(place.path(), steps)?;
        let mut by_hand = ByHand::like(&job)?;
        let mut same_calls = SameCalls::like(&job)?;
        let kib = job.bytes.len().div_ceil(1024);
        let mut sides: Vec<Timed<'_>> = vec![
            (OURS.to_owned(), Box::new(move || job.transition())),
            (BY_HAND.to_owned(), Box::new(move || by_hand.write())),
            (SAME_CALLS.to_owned(), Box::new(move || same_calls.write())),
        ];
        measurements.push(measurement(
            place,
            format!("one transition of a session of {steps} steps ({kib} KiB), durable"),
            in_turn(rounds, &mut sides)?,
            vec![budget(OURS, BY_HAND, 1.2, Floor::of(SAME_CALLS))],
        ));
        let mut other = Job::of(place.path(), steps)?;
        let mut by_hand = ByHand::like(&other)?;
        all.push((with(steps), Box::new(move || other.transition())));
        all.push((with_by_hand(steps), Box::new(move || by_hand.write())));
    }
    // The long ones first, since what follows one finds the processor's caches full of it.
    all.reverse();
    let mut growth = in_turn(rounds, &mut all)?;
    growth.reverse();
    // However it is written, so much the bytes alone take.
    let floor = Floor::between(with_by_hand(1000), with_by_hand(10));
    measurements.push(measurement(
        place,
        "one transition, by the number of steps".to_owned(),
        growth,
        vec![budget(&with(1000), &with(10), 2.0, floor)],
    ));
    Ok(measurements)
}

/// The numbers of steps that are measured; in a short run the small ones.
pub(crate) fn steps(is_short: bool) -> &'static [usize] {
    if is_short { &STEPS[..3] } else { &STEPS }
}

const OURS: &str = "baton";
const NAME: &str = "job.json";
const BY_HAND: &str = "write + fsync + rename + fsync(dir) of the same bytes";

fn with(steps: usize) -> String {
    format!("{steps} steps")
}

fn with_by_hand(steps: usize) -> String {
    format!("{steps} steps, by hand")
}

fn budget(ours: &str, against: &str, limit: f64, floor: Floor) -> Budget {
    Budget { ours: ours.to_owned(), against: Some(against.to_owned()), part: 0.5, limit, floor: Some(floor) }
}

fn measurement(place: &Place, what: String, sides: Vec<Side>, budgets: Vec<Budget>) -> Measurement {
    Measurement { what, filesystem: place.filesystem.clone(), unit: Unit::Microseconds, sides, budgets }
}

/// A session whose first step is started over and over, half of all steps being complete.
struct Job {
    place: TempDir,
    held: Held,
    writer: Writer,
    bytes: Vec<u8>,
}

impl Job {
    fn of(place: &Path, steps: usize) -> Result<Self> {
        let place = TempDir::with_prefix_in("baton-bench-", place)?;
        fs::create_dir(place.path().join("locks"))?;
        let store = Store::in_directory(place.path(), "job")?;
        let Attempt::Held(held) = Lock::open(store.lock_path())?.try_lock()? else {
            return Err("the lock of a new directory is busy".into());
        };
        let mut writer = store.open(&held)?;
        let digest = "0".repeat(64);
        let planned = (0..steps).map(|n| PlannedStep::with_digest(format!("step-{n}"), &digest)).collect();
        let mut events =
            vec![Event::fresh_start(Begin::new("job", "/plan.toml", planned, Actor::of(&held)))?];
        for n in 1..=steps / 2 {
            events.push(Event::step_started(format!("step-{n}")));
            events.push(Event::step_completed(format!("step-{n}"), [("fact", "value")]));
        }
        writer.apply_all(&held, events)?;
        let bytes = fs::read(store.path())?;
        Ok(Self { place, held, writer, bytes })
    }

    fn transition(&mut self) -> Result<()> {
        self.writer.apply(&self.held, Event::step_started("step-0"))?;
        Ok(())
    }
}

/// The same number of bytes, replaced durably without any question asked.
struct ByHand {
    place: TempDir,
    directory: File,
    bytes: Vec<u8>,
}

impl ByHand {
    fn like(job: &Job) -> Result<Self> {
        let parent = job.place.path().parent().ok_or("a temporary directory is in another one")?;
        let place = TempDir::with_prefix_in("baton-bench-", parent)?;
        let directory = File::open(place.path())?;
        Ok(Self { place, directory, bytes: job.bytes.clone() })
    }

    fn write(&mut self) -> Result<()> {
        let (temporary, target) = (self.place.path().join("temporary"), self.place.path().join("target"));
        let mut file = File::create_new(&temporary)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        self.directory.sync_all()?;
        Ok(())
    }
}

/// A transition's system calls, in their order, and nothing between them: the floor.
struct SameCalls {
    /// Removed with it.
    _place: TempDir,
    directory: OwnedFd,
    path: PathBuf,
    /// What was written last; it stays open.
    current: OwnedFd,
    bytes: Vec<u8>,
    serial: u64,
}

impl SameCalls {
    fn like(job: &Job) -> Result<Self> {
        let parent = job.place.path().parent().ok_or("a temporary directory is in another one")?;
        let place = TempDir::with_prefix_in("baton-bench-", parent)?;
        fs::create_dir(place.path().join("sessions"))?;
        let path = place.path().join("sessions").join(NAME);
        let current = File::create_new(&path)?.into();
        let directory = File::open(place.path().join("sessions"))?.into();
        Ok(Self { _place: place, directory, path, current, bytes: job.bytes.clone(), serial: 0 })
    }

    fn write(&mut self) -> Result<()> {
        self.serial += 1;
        let temporary = format!(".{NAME}.{:016x}.tmp", self.serial);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Whoever replaces it excludes all others who do.
        sys::flock(&self.current, FlockOperation::NonBlockingLockExclusive)?;
        let new = sys::openat(&self.directory, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        if io::pwrite(&new, &self.bytes, 0)? < self.bytes.len() {
            return Err("a short write".into());
        }
        sys::fstat(&new)?;
        sys::fsync(&new)?;
        // Is it still what was written last, and where it was?
        sys::statat(CWD, &self.path, sys::AtFlags::empty())?;
        sys::renameat(&self.directory, &temporary, &self.directory, NAME)?;
        sys::fsync(&self.directory)?;
        self.current = new;
        Ok(())
    }
}
