//! Contenders as processes: starts them, kills some while they race for one lock, and reports what the oracle saw.
//!
//! One thread does everything, and that is the point: between a kill and the oracle's look at the dead one's line
//! nothing else is heard, which is what makes the verdict sound (see [`crate::oracle`]). Whatever is killed
//! is reaped and replaced at once, so that the number of contenders is constant.
//!
//! All choices come from one seed, printed at the start; `BATON_ITEST_SEED` sets it. The same seed repeats
//! the choices, not the schedule of the kernel.
//!
//! Children are ended through their own handles only, whichever way the race ends, a panic included.

use crate::oracle::{MemberId, Oracle};
use fastrand::Rng;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Who is killed, and when.
#[derive(Debug, Clone, Copy)]
pub enum Kills {
    /// Nobody.
    None,
    /// One after each pause of random length: half of the time one that is inside, if there is one, else anyone.
    AtRandom {
        /// The mean length of a pause; twice that is the longest.
        mean_pause: Duration,
    },
    /// Everyone who comes in, while inside: a barrier, since all the others are then waiting and find
    /// one and the same stale lock. Nobody is answered, so nobody ever leaves.
    EveryHolder {
        /// The longest time for which one stays inside, so that a second one is seen to come in.
        linger: Duration,
    },
}

/// A race, and when it is over: at the first limit that is reached.
#[derive(Debug, Clone, Copy)]
pub struct Race {
    /// How many processes contend at a time.
    pub contenders: usize,
    /// Who is killed, and when.
    pub kills: Kills,
    /// The longest duration of the race.
    pub duration: Duration,
    /// Enough acquisitions.
    pub max_acquisitions: u64,
    /// Enough overlaps: for algorithms that are expected to lose.
    pub max_overlaps: u64,
    /// Where all random choices come from; see [`seed`].
    pub seed: u64,
}

/// What happened in a race.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed of the race.
    pub seed: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// How many times anyone came in.
    pub acquisitions: u64,
    /// How many contenders were killed.
    pub kills: u64,
    /// How many of those were inside at that moment, as far as had been heard.
    pub kills_inside: u64,
    /// How many times anyone came in while somebody else was inside.
    pub overlaps: u64,
    /// The first few overlaps, in words.
    pub described: Vec<String>,
    /// The longest time in which nobody came in.
    pub longest_gap: Duration,
    /// Contenders that ended by themselves; the first one ends the race.
    pub deaths: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} acquisitions, {} kills ({} inside), {} overlaps in {:.1?}, longest gap {:.1?}",
            self.seed,
            self.acquisitions,
            self.kills,
            self.kills_inside,
            self.overlaps,
            self.elapsed,
            self.longest_gap
        )?;
        self.described.iter().chain(&self.deaths).try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Returns the seed that `BATON_ITEST_SEED` names, else a new one.
///
/// # Panics
///
/// When the variable is not a number.
pub fn seed() -> u64 {
    match std::env::var("BATON_ITEST_SEED") {
        Ok(text) => text.parse().expect("BATON_ITEST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    }
}

impl Race {
    /// Runs the race among processes that `contender` describes; their standard input is the line to the oracle.
    ///
    /// # Errors
    ///
    /// When a contender can't be started, or says what is not in the protocol. That they overlapped, or one ended by
    /// itself, is no error here but in the report.
    pub fn run(&self, contender: impl Fn() -> Command) -> io::Result<Report> {
        eprintln!("race of {} contenders, seed {}", self.contenders, self.seed);
        let mut course = Course::new(*self, contender);
        for _ in 0..self.contenders {
            course.start()?;
        }
        while course.is_on() {
            match self.kills {
                Kills::None => course.pass(self.duration)?,
                Kills::AtRandom { mean_pause } => {
                    let pause = course.rng.u64(0..=nanos(mean_pause).saturating_mul(2));
                    course.pass(Duration::from_nanos(pause))?;
                    course.kill_someone()?;
                }
                Kills::EveryHolder { linger } => course.kill_holders(linger)?,
            }
        }
        let report = course.report();
        eprintln!("{report}");
        Ok(report)
    }
}

/// A race that is being run.
struct Course<F> {
    race: Race,
    contender: F,
    rng: Rng,
    /// Before the oracle, so that they are dead before their lines close and none complains of that.
    runners: Vec<Runner>,
    oracle: Oracle,
    deadline: Instant,
    kills: u64,
    kills_inside: u64,
    deaths: Vec<String>,
}

/// One contending process, which ends with this value.
struct Runner {
    id: MemberId,
    child: Child,
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Both fail only for a child that was reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<F: Fn() -> Command> Course<F> {
    fn new(race: Race, contender: F) -> Self {
        Self {
            race,
            contender,
            rng: Rng::with_seed(race.seed),
            oracle: Oracle::new(),
            runners: Vec::with_capacity(race.contenders),
            deadline: Instant::now() + race.duration,
            kills: 0,
            kills_inside: 0,
            deaths: Vec::new(),
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let (id, far) = self.oracle.admit("starting")?;
        // The command owns the far end until it is dropped, here, at the end of the statement.
        let child = (self.contender)().stdin(Stdio::from(OwnedFd::from(far))).spawn()?;
        self.oracle.rename(id, format!("pid {}", child.id()));
        self.runners.push(Runner { id, child });
        Ok(())
    }

    fn is_on(&self) -> bool {
        let tally = self.oracle.tally();
        Instant::now() < self.deadline
            && tally.acquisitions < self.race.max_acquisitions
            && tally.overlaps < self.race.max_overlaps
            && self.deaths.is_empty()
    }

    /// Lets them race for a while.
    fn pass(&mut self, time: Duration) -> io::Result<()> {
        let until = self.deadline.min(Instant::now() + time);
        while self.is_on() && Instant::now() < until {
            self.listen(until)?;
            self.oracle.answer()?;
        }
        Ok(())
    }

    fn listen(&mut self, until: Instant) -> io::Result<()> {
        self.oracle.listen(until.saturating_duration_since(Instant::now()))?;
        for index in (0..self.runners.len()).rev() {
            if !self.oracle.is_open(self.runners[index].id) {
                let mut runner = self.runners.swap_remove(index);
                let (pid, status) = (runner.child.id(), runner.child.wait()?);
                self.deaths.push(format!("pid {pid} ended by itself: {status}"));
            }
        }
        Ok(())
    }

    fn kill_someone(&mut self) -> io::Result<()> {
        // What was said before the kill is judged before the kill.
        self.listen(Instant::now())?;
        self.oracle.answer()?;
        let inside = self.oracle.inside();
        let inside = self.runners.iter().position(|runner| inside.contains(&runner.id));
        let victim = match inside {
            Some(index) if self.rng.bool() => index,
            _ if self.runners.is_empty() => return Ok(()),
            _ => self.rng.usize(..self.runners.len()),
        };
        self.kill(victim)
    }

    /// One round of the barrier: waits for a holder, gives a rival the time to come in too, kills all who did.
    fn kill_holders(&mut self, linger: Duration) -> io::Result<()> {
        while self.is_on() && self.oracle.inside().is_empty() {
            self.listen(self.deadline)?;
        }
        let linger = Duration::from_nanos(self.rng.u64(0..=nanos(linger)));
        let until = self.deadline.min(Instant::now() + linger);
        while self.is_on() && Instant::now() < until {
            self.listen(until)?;
        }
        for id in self.oracle.inside() {
            if let Some(index) = self.runners.iter().position(|runner| runner.id == id) {
                self.kill(index)?;
            }
        }
        Ok(())
    }

    /// Kills, reaps, reads the line to its end, and only then starts another and listens again.
    fn kill(&mut self, index: usize) -> io::Result<()> {
        let mut victim = self.runners.swap_remove(index);
        self.kills += 1;
        self.kills_inside += u64::from(self.oracle.inside().contains(&victim.id));
        victim.child.kill()?;
        victim.child.wait()?;
        self.oracle.bury(victim.id)?;
        self.start()
    }

    fn report(self) -> Report {
        let tally = self.oracle.tally();
        Report {
            seed: self.race.seed,
            elapsed: tally.elapsed(),
            acquisitions: tally.acquisitions,
            kills: self.kills,
            kills_inside: self.kills_inside,
            overlaps: tally.overlaps,
            described: tally.described.clone(),
            longest_gap: tally.longest_gap(),
            deaths: self.deaths,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
