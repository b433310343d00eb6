//! What it costs to record one event of a session, against the same bytes written durably by hand, and how that grows with the
//! number of steps.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use baton_lock::session::{Actor, Begin, Event, PlannedStep, Store, Writer};
use baton_lock::{Attempt, Held, Lock};
use tempfile::TempDir;

use crate::sample::Row;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) fn rows(filesystem: &str, place: &Path, rounds: usize) -> Result<Vec<Row>> {
    let (mut ten, mut other_ten, mut thousand) =
        (Job::of(place, 10)?, Job::of(place, 10)?, Job::of(place, 1000)?);
    let mut by_hand = ByHand::like(&ten)?;
    let mut by_hand_thousand = ByHand::like(&thousand)?;
    Ok(vec![
        Row::measure(
            "one step transition, durable (10 steps)",
            "write + fsync + rename + fsync(dir) of the same bytes by hand",
            filesystem,
            1.2,
            rounds,
            || ten.transition(),
            || by_hand.write(),
        )?,
        Row::measure(
            "the same in a session of 1,000 steps",
            "the same bytes by hand",
            filesystem,
            1.2,
            rounds,
            || thousand.transition(),
            || by_hand_thousand.write(),
        )?,
        Row::measure(
            "one transition in a session of 1,000 steps",
            "one in a session of 10",
            filesystem,
            2.0,
            rounds,
            || thousand.transition(),
            || other_ten.transition(),
        )?,
    ])
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
