//! Contenders as processes: starts them, kills and stops some while they race for one lock, and reports what was seen.
//!
//! One thread does everything. Whatever is killed is waited for and replaced at once, so that the number of contenders is
//! constant. A race can be run to its end: then everybody is asked to end, and some newcomers have to get the lock. If they do,
//! whoever was still blocked, [`PATIENCE`] later, was not woken; if they don't, the lock is stuck.
//!
//! All choices come from one seed, printed at the start; `BATON_ITEST_SEED` sets it. The same seed repeats
//! the choices, not the schedule of the kernel.
//!
//! Children are ended through their own handles only, or as the process group that each leads, whichever way the race ends, a
//! panic included; so that its id can't be another's, a leader is reaped last.

use crate::board::Fate;
use crate::command::is_any_alive;
use crate::oracle::{Counts, Oracle, Seat};
use crate::stream::PATIENCE;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fmt;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether anything has changed. Nothing depends on how exact that is.
const TICK: Duration = Duration::from_millis(1);

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
    /// The same, but every other one is stopped instead, and continued after a time of random length.
    AndStops {
        /// The mean length of a pause; twice that is the longest.
        mean_pause: Duration,
        /// The longest time for which one is stopped.
        longest_stop: Duration,
    },
    /// Everyone who comes in, while inside: a barrier, since all the others are then waiting and find
    /// one and the same stale lock. Nobody leaves by itself.
    EveryHolder {
        /// The longest time for which one stays inside, so that a second one is seen to come in.
        linger: Duration,
    },
}

/// What a contender is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// One process, which contends until it is asked to end.
    Single,
    /// A process that waits for another, the contender, as whose wrapper in a namespace it serves: killed and stopped together.
    Nested,
    /// A command that acquires, runs a job and releases, once; the job is who says that it is inside. It is killed alone or with its
    /// job. Ended, it is replaced.
    Wrapper,
}

/// A race, and when it is over: at the first limit that is reached.
#[derive(Debug, Clone, Copy)]
pub struct Race {
    /// How many contend at a time.
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
    /// How long it took, without its end.
    pub elapsed: Duration,
    /// How many times anyone came in, before the end.
    pub acquisitions: u64,
    /// How many contenders were killed.
    pub kills: u64,
    /// How many of those were inside at that moment, as far as had been heard.
    pub kills_inside: u64,
    /// How many were stopped for a time.
    pub stops: u64,
    /// How many times anyone came in while somebody else was inside.
    pub overlaps: u64,
    /// How many times anyone was told that its predecessor had died.
    pub recoveries: u64,
    /// How many times that was wrong, or anyone was not told so though it was.
    pub wrong: u64,
    /// How many times a token did not grow.
    pub fallen: u64,
    /// How many were still waiting at the end though the lock could be had.
    pub not_woken: u64,
    /// How many were left at the end where nobody could have the lock any more.
    pub stuck: u64,
    /// The first few of all that, in words.
    pub described: Vec<String>,
    /// The longest time in which nobody came in.
    pub longest_gap: Duration,
    /// Contenders that ended by themselves; the first one ends the race.
    pub deaths: Vec<String>,
}

impl Report {
    /// How many times anything happened that a lock must not let happen.
    pub fn violations(&self) -> u64 {
        self.overlaps + self.wrong + self.fallen + self.not_woken + self.stuck
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} acquisitions, {} recoveries, {} kills ({} inside), {} stops; {} overlaps, {} wrong outcomes, \
             {} fallen tokens, {} not woken, {} stuck in {:.1?}, longest gap {:.1?}",
            self.seed,
            self.acquisitions,
            self.recoveries,
            self.kills,
            self.kills_inside,
            self.stops,
            self.overlaps,
            self.wrong,
            self.fallen,
            self.not_woken,
            self.stuck,
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
    /// Runs the race among processes that `contender` describes; their standard input is the board.
    ///
    /// # Errors
    ///
    /// When a contender can't be started. That they overlapped, or one ended by
    /// itself, is no error here but in the report.
    pub fn run(&self, contender: impl Fn() -> Command) -> io::Result<Report> {
        let mut course = self.course(|_| (Make::Single, contender()))?;
        course.pass_all()?;
        course.report()
    }

    /// As [`Race::run`], with contenders of any make, who are asked to end when it is over; the one described may depend on chance.
    ///
    /// # Errors
    ///
    /// As [`Race::run`].
    pub fn run_to_the_end(&self, cast: impl Fn(&mut Rng) -> (Make, Command)) -> io::Result<Report> {
        self.run_to_the_end_within(PATIENCE, cast)
    }

    /// As [`Race::run_to_the_end`], for those of whom some are known not to end.
    ///
    /// # Errors
    ///
    /// As [`Race::run`].
    pub fn run_to_the_end_within(
        &self,
        patience: Duration,
        cast: impl Fn(&mut Rng) -> (Make, Command),
    ) -> io::Result<Report> {
        let mut course = self.course(cast)?;
        course.pass_all()?;
        course.close(patience)?;
        course.report()
    }

    fn course<F: Fn(&mut Rng) -> (Make, Command)>(&self, cast: F) -> io::Result<Course<F>> {
        eprintln!("race of {} contenders, seed {}", self.contenders, self.seed);
        let mut course = Course::new(*self, cast)?;
        for _ in 0..self.contenders {
            course.start()?;
        }
        Ok(course)
    }
}

/// A race that is being run.
struct Course<F> {
    race: Race,
    cast: F,
    rng: Rng,
    runners: Vec<Runner>,
    /// Those who were killed but for something that they had started, and so sit there still.
    remains: Vec<(Seat, Pid)>,
    oracle: Oracle,
    counts: Counts,
    deadline: Instant,
    is_closing: bool,
    elapsed: Option<Duration>,
    acquisitions: Option<u64>,
    kills: u64,
    kills_inside: u64,
    stops: u64,
    not_woken: u64,
    stuck: u64,
    deaths: Vec<String>,
}

/// One contender, which ends with this value.
struct Runner {
    seat: Seat,
    make: Make,
    child: Child,
    continued_at: Option<Instant>,
}

impl Runner {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal; what was reaped before is nobody any more.
    fn send(&self, signal: Signal) {
        // It fails only for those who have ended, whom it need not reach.
        let _ = match self.make {
            Make::Single => kill_process(self.pid(), signal),
            Make::Nested | Make::Wrapper => kill_process_group(self.pid(), signal),
        };
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // Not once it is reaped: its id could be another's then.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.send(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl<F: Fn(&mut Rng) -> (Make, Command)> Course<F> {
    fn new(race: Race, cast: F) -> io::Result<Self> {
        Ok(Self {
            race,
            cast,
            rng: Rng::with_seed(race.seed),
            runners: Vec::with_capacity(race.contenders),
            remains: Vec::new(),
            oracle: Oracle::new()?,
            counts: Counts::default(),
            deadline: Instant::now() + race.duration,
            is_closing: false,
            elapsed: None,
            acquisitions: None,
            kills: 0,
            kills_inside: 0,
            stops: 0,
            not_woken: 0,
            stuck: 0,
            deaths: Vec::new(),
        })
    }

    fn start(&mut self) -> io::Result<()> {
        let (make, mut command) = (self.cast)(&mut self.rng);
        if make != Make::Single {
            command.process_group(0);
        }
        let seat = match self.oracle.admit(&mut command)? {
            Some(seat) => seat,
            None => self.await_seat(&mut command)?,
        };
        let child = command.spawn()?;
        self.runners.push(Runner { seat, make, child, continued_at: None });
        Ok(())
    }

    fn await_seat(&mut self, command: &mut Command) -> io::Result<Seat> {
        self.clear_remains(Instant::now() + PATIENCE)?;
        self.oracle
            .admit(command)?
            .ok_or_else(|| io::Error::other("all seats are taken by what outlived its wrapper"))
    }

    /// Takes back the seats of those of whom nothing is left, and waits until that is so for all.
    fn clear_remains(&mut self, limit: Instant) -> io::Result<()> {
        while !self.remains.is_empty() {
            let groups: Vec<i32> = self.remains.iter().map(|(_, group)| group.as_raw_pid()).collect();
            let is_left = is_any_alive(&groups);
            let mut is_left = is_left.into_iter();
            let gone: Vec<_> = self.remains.extract_if(.., |_| is_left.next() == Some(false)).collect();
            for (seat, _) in gone {
                self.oracle.vacate(seat)?;
            }
            if Instant::now() >= limit {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        Ok(())
    }

    fn is_on(&self) -> bool {
        Instant::now() < self.deadline
            && self.counts.acquisitions < self.race.max_acquisitions
            && self.counts.overlaps < self.race.max_overlaps
            && self.deaths.is_empty()
    }

    fn pass_all(&mut self) -> io::Result<()> {
        match self.race.kills {
            Kills::EveryHolder { .. } => self.oracle.let_holders_stay()?,
            Kills::None | Kills::AtRandom { .. } | Kills::AndStops { .. } => {}
        }
        while self.is_on() {
            match self.race.kills {
                Kills::None => self.pass(self.race.duration)?,
                Kills::AtRandom { mean_pause } => {
                    self.pause(mean_pause)?;
                    self.kill_someone()?;
                }
                Kills::AndStops { mean_pause, longest_stop } => {
                    self.pause(mean_pause)?;
                    if self.rng.bool() { self.kill_someone()? } else { self.stop_someone(longest_stop)? }
                }
                Kills::EveryHolder { linger } => self.kill_holders(linger)?,
            }
        }
        self.elapsed = Some(self.oracle.elapsed());
        self.acquisitions = Some(self.oracle.count()?.acquisitions);
        Ok(())
    }

    fn pause(&mut self, mean: Duration) -> io::Result<()> {
        let pause = self.rng.u64(0..=nanos(mean).saturating_mul(2));
        self.pass(Duration::from_nanos(pause))
    }

    /// Lets them race for a while.
    fn pass(&mut self, time: Duration) -> io::Result<()> {
        let until = self.deadline.min(Instant::now() + time);
        while self.is_on() {
            self.look()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(TICK));
        }
        Ok(())
    }

    /// Sees who has ended, and who is to be continued.
    fn look(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for index in (0..self.runners.len()).rev() {
            let runner = &mut self.runners[index];
            if runner.continued_at.is_some_and(|at| at <= now) {
                runner.continued_at = None;
                runner.send(Signal::CONT);
            }
            if let Some(status) = runner.child.try_wait()? {
                let runner = self.runners.swap_remove(index);
                self.has_ended(&runner, status)?;
            }
        }
        self.counts = self.oracle.count()?;
        Ok(())
    }

    fn has_ended(&mut self, runner: &Runner, status: ExitStatus) -> io::Result<()> {
        let is_well = match runner.make {
            Make::Single | Make::Nested => self.is_closing && status.success(),
            // Done; busy; its job died by its own hand.
            Make::Wrapper => matches!(status.code(), Some(0 | 75 | 137)),
        };
        if !is_well {
            self.deaths.push(format!("pid {} ended by itself: {status}", runner.child.id()));
        }
        if runner.make == Make::Wrapper && status.success() {
            self.oracle.released(runner.seat)?;
        }
        self.oracle.vacate(runner.seat)?;
        if runner.make == Make::Wrapper && !self.is_closing && self.deaths.is_empty() {
            self.start()?;
        }
        Ok(())
    }

    /// Half of the time one that is inside, if there is one.
    fn choose(&mut self) -> io::Result<Option<usize>> {
        self.look()?;
        let inside = self.oracle.inside()?;
        let inside = self.runners.iter().position(|runner| inside.contains(&runner.seat));
        Ok(match inside {
            Some(index) if self.rng.bool() => Some(index),
            _ if self.runners.is_empty() => None,
            _ => Some(self.rng.usize(..self.runners.len())),
        })
    }

    fn kill_someone(&mut self) -> io::Result<()> {
        let Some(victim) = self.choose()? else { return Ok(()) };
        let is_alone = self.runners[victim].make == Make::Wrapper && self.rng.bool();
        if is_alone { self.kill_alone(victim) } else { self.kill(victim) }
    }

    fn stop_someone(&mut self, longest: Duration) -> io::Result<()> {
        let Some(victim) = self.choose()? else { return Ok(()) };
        // Most are short, so that many are seen; their square has the longest as its longest.
        let time = longest.mul_f64(self.rng.f64().powi(4));
        let runner = &mut self.runners[victim];
        if runner.continued_at.is_none() {
            runner.continued_at = Some(Instant::now() + time);
            runner.send(Signal::STOP);
            self.stops += 1;
        }
        Ok(())
    }

    /// One round of the barrier: waits for a holder, gives a rival the time to come in too, kills all who did.
    fn kill_holders(&mut self, linger: Duration) -> io::Result<()> {
        while self.is_on() && self.oracle.inside()?.is_empty() {
            self.look()?;
            thread::sleep(TICK / 8);
        }
        let linger = Duration::from_nanos(self.rng.u64(0..=nanos(linger)));
        thread::sleep(linger);
        self.look()?;
        for seat in self.oracle.inside()? {
            if let Some(index) = self.runners.iter().position(|runner| runner.seat == seat) {
                self.kill(index)?;
            }
        }
        Ok(())
    }

    /// Kills one with all that it has started, waits for it, and starts another.
    fn kill(&mut self, index: usize) -> io::Result<()> {
        let mut victim = self.runners.swap_remove(index);
        self.note_kill(&victim)?;
        self.oracle.doom(victim.seat)?;
        if victim.make == Make::Wrapper {
            self.oracle.set_wrapper(victim.seat, Fate::Doomed)?;
        }
        victim.send(Signal::KILL);
        let status = victim.child.wait()?;
        self.bury(&victim, status)
    }

    /// Kills a wrapper, whose job lives on.
    fn kill_alone(&mut self, index: usize) -> io::Result<()> {
        let mut victim = self.runners.swap_remove(index);
        self.note_kill(&victim)?;
        self.oracle.set_wrapper(victim.seat, Fate::Doomed)?;
        victim.child.kill()?;
        // A job that is stopped with it would stay so.
        victim.send(Signal::CONT);
        let status = victim.child.wait()?;
        // One that was faster has released, or is free to be judged either way.
        if status.signal().is_some() {
            self.oracle.set_wrapper(victim.seat, Fate::Dead)?;
        }
        self.bury(&victim, status)
    }

    fn note_kill(&mut self, victim: &Runner) -> io::Result<()> {
        self.kills += 1;
        self.kills_inside += u64::from(self.oracle.inside()?.contains(&victim.seat));
        Ok(())
    }

    fn bury(&mut self, victim: &Runner, status: ExitStatus) -> io::Result<()> {
        match victim.make {
            Make::Single => self.oracle.vacate(victim.seat)?,
            Make::Wrapper if status.success() => {
                self.oracle.released(victim.seat)?;
                self.oracle.vacate(victim.seat)?;
            }
            Make::Nested | Make::Wrapper => self.remains.push((victim.seat, victim.pid())),
        }
        if self.remains.len() > 2 * self.race.contenders {
            self.clear_remains(Instant::now())?;
        }
        self.start()
    }

    /// Asks everybody to end, and finds out about those who can't.
    fn close(&mut self, patience: Duration) -> io::Result<()> {
        if !self.deaths.is_empty() {
            return Ok(());
        }
        self.is_closing = true;
        self.oracle.set_closing(true)?;
        for runner in &mut self.runners {
            runner.continued_at = None;
            runner.send(Signal::CONT);
        }
        let limit = Instant::now() + patience;
        while !self.runners.is_empty() && Instant::now() < limit {
            self.look()?;
            thread::sleep(TICK);
        }
        let blocked = self.runners.len() as u64;
        match (self.newcomers_get_it(patience)?, blocked) {
            (true, _) => self.not_woken += blocked,
            // Nobody waits who could not give up, and nobody gets it.
            (false, 0) => self.stuck += self.race.contenders as u64,
            (false, _) => self.stuck += blocked,
        }
        self.clear_remains(Instant::now() + PATIENCE)
    }

    /// Can the lock be had by any of some who were not there before?
    fn newcomers_get_it(&mut self, patience: Duration) -> io::Result<bool> {
        let before = self.oracle.count()?.acquisitions;
        self.is_closing = false;
        self.oracle.set_closing(false)?;
        // Some of them may only observe.
        for _ in 0..self.race.contenders.div_ceil(2) {
            self.start()?;
        }
        let limit = Instant::now() + patience;
        while Instant::now() < limit && self.deaths.is_empty() {
            self.look()?;
            if self.counts.acquisitions > before {
                return Ok(true);
            }
            thread::sleep(TICK);
        }
        Ok(false)
    }

    fn report(mut self) -> io::Result<Report> {
        // What is still to be heard is counted when it is dead.
        for runner in std::mem::take(&mut self.runners) {
            let seat = runner.seat;
            self.oracle.doom(seat)?;
            drop(runner);
            self.oracle.vacate(seat)?;
        }
        let counts = self.oracle.count()?;
        let report = Report {
            seed: self.race.seed,
            elapsed: self.elapsed.unwrap_or_else(|| self.oracle.elapsed()),
            acquisitions: self.acquisitions.unwrap_or(counts.acquisitions),
            kills: self.kills,
            kills_inside: self.kills_inside,
            stops: self.stops,
            overlaps: counts.overlaps,
            recoveries: counts.recoveries,
            wrong: counts.wrong,
            fallen: counts.fallen,
            not_woken: self.not_woken,
            stuck: self.stuck,
            described: self.oracle.described(),
            longest_gap: self.oracle.longest_gap(),
            deaths: self.deaths,
        };
        eprintln!("{report}");
        Ok(report)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
