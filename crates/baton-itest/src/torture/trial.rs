//! What is done to them: one contestant, one filesystem, one ordeal, for some time.

use super::contestants::{ALL, Contestant, Foreign, OURS};
use super::grounds::Ground;
use crate::race::{Kills, Race, Report};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How many contend at a time.
const CONTENDERS: usize = 12;
/// The mean pause between two kills or stops.
const PAUSE: Duration = Duration::from_millis(5);
/// Longer than the 2 s after which a lock without a heartbeat is taken for stale; few stops are that long.
const LONGEST_STOP: Duration = Duration::from_secs(3);
/// The longest time for which a holder that will be killed stays.
const LINGER: Duration = Duration::from_millis(2);
/// The longest pause between two deletions. Each that comes in the middle of an acquisition makes it start over,
/// and with twelve on two processors one takes milliseconds: in a shorter time hardly anybody would get it at all.
const DELETERS_PAUSE: Duration = Duration::from_millis(20);

/// What is done to contenders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ordeal {
    /// They are killed and stopped at random.
    Kills,
    /// Whoever gets the lock is killed; all others wait for it, and wake on one stale file.
    Barrier,
    /// Somebody deletes that file every now and then, and they are killed and stopped.
    Deleted(&'static str),
}

impl fmt::Display for Ordeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kills => write!(f, "kills, stops"),
            Self::Barrier => write!(f, "barrier"),
            Self::Deleted(file) => write!(f, "`{file}` deleted, kills, stops"),
        }
    }
}

/// How long a trial takes: until the first of these.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// So long.
    pub duration: Duration,
    /// So many acquisitions.
    pub acquisitions: u64,
}

/// One trial.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// Who.
    pub contestant: Contestant,
    /// Where.
    pub ground: Ground,
    /// What is done to them.
    pub ordeal: Ordeal,
}

/// What a contestant has to know to be started.
pub(super) struct Site<'a> {
    directory: &'a Path,
    pub(super) ordeal: Ordeal,
    pub(super) ground: Ground,
    pub(super) foreign: Option<&'a Foreign>,
}

impl Site<'_> {
    pub(super) fn lock(&self) -> PathBuf {
        self.directory.join("a.lock")
    }

    /// Where records are deleted nobody can be told what the last one came to.
    pub(super) fn story(&self) -> &'static str {
        match self.ordeal {
            Ordeal::Deleted("a.lock" | "a.lock.holder") => "untold",
            Ordeal::Kills | Ordeal::Barrier | Ordeal::Deleted(_) => "exact",
        }
    }
}

/// Everybody on the first of these filesystems in every ordeal; on the others Baton in all but the deletions, and who compares with it.
pub fn trials(grounds: &[Ground]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (index, &ground) in grounds.iter().enumerate() {
        let is_first = index == 0;
        let count = if is_first { ALL.len() } else { OURS.len() + 2 };
        for contestant in ALL.into_iter().take(count) {
            let deletions = contestant.deletable.iter().filter(|_| is_first);
            let ordeals = [Ordeal::Kills, Ordeal::Barrier];
            for ordeal in ordeals.into_iter().chain(deletions.map(|file| Ordeal::Deleted(file))) {
                trials.push(Trial { contestant, ground, ordeal });
            }
        }
    }
    trials
}

impl Trial {
    /// Is it one of Baton's?
    pub fn is_ours(&self) -> bool {
        OURS.iter().any(|ours| ours.name == self.contestant.name)
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// The reason why that is not possible here.
    ///
    /// # Panics
    ///
    /// When the race can't be run to its end.
    pub fn run(&self, limit: Limit, seed: u64, foreign: Option<&Foreign>) -> Result<Report, String> {
        self.ground.run(|directory| self.run_in(directory, limit, seed, foreign))?
    }

    /// As [`Trial::run`], in a directory that is there already, whatever it is on.
    ///
    /// # Errors
    ///
    /// As [`Trial::run`].
    ///
    /// # Panics
    ///
    /// As [`Trial::run`].
    pub fn run_in(
        &self,
        directory: &Path,
        limit: Limit,
        seed: u64,
        foreign: Option<&Foreign>,
    ) -> Result<Report, String> {
        let site = Site { directory, ordeal: self.ordeal, ground: self.ground, foreign };
        let cast = (self.contestant.cast)(&site)?;
        let kills = match self.ordeal {
            Ordeal::Barrier => Kills::EveryHolder { linger: LINGER },
            Ordeal::Kills | Ordeal::Deleted(_) => {
                Kills::AndStops { mean_pause: PAUSE, longest_stop: LONGEST_STOP }
            }
        };
        let race = Race {
            contenders: CONTENDERS,
            kills,
            duration: limit.duration,
            max_acquisitions: limit.acquisitions,
            max_overlaps: u64::MAX,
            seed,
        };
        let deleted = match self.ordeal {
            Ordeal::Deleted(file) => Some(directory.join(file)),
            Ordeal::Kills | Ordeal::Barrier => None,
        };
        let report = while_deleting(deleted, || race.run_to_the_end(cast));
        report.map_err(|error| format!("the race can't be run: {error}"))
    }
}

/// Runs `f` while somebody deletes that file, or directory, every now and then.
fn while_deleting<T>(target: Option<PathBuf>, f: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        if let Some(target) = target {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    // Most of the time there is one. A directory is the other kind of lock file.
                    let _ = fs::remove_file(&target).or_else(|_| fs::remove_dir_all(&target));
                    thread::sleep(DELETERS_PAUSE.mul_f64(fastrand::f64()));
                }
            });
        }
        // However it ends, the deleter has to.
        let _end = EndsWith(&is_over);
        f()
    })
}

struct EndsWith<'a>(&'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
