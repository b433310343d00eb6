//! `baton apply` killed at any moment, hundreds of times, and resumed: the end is that of a run which nobody disturbed.
//!
//! The plan is `examples/onboard-fast.toml`. Its steps watch over each other, with a lock that Baton knows nothing of, and write
//! down what must never be: two of them at once, one that runs before those it builds on, one that runs again though its check would
//! pass. All choices come from one seed, which is printed; `BATON_ITEST_SEED` sets it.

use baton_itest::command::{Ended, Running, ended, status};
use baton_itest::footprint::names_in;
use baton_itest::job::Job;
use baton_itest::race::seed;
use baton_lock::session::{Session, Status, StepStatus, Store};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const STEPS: [&str; 7] =
    ["preflight", "gateway", "sandbox", "provider_selection", "inference", "openclaw", "policies"];
/// Kills of one of two threads. Some 30 ms each.
const KILLS: u32 = 250;
/// After so many in one job it is left alone: an end has to be reached, to be compared.
const KILLS_OF_A_JOB: u32 = 8;

/// What was seen.
#[derive(Debug, Default)]
struct Tally {
    jobs: u32,
    kills: u32,
    /// Only the runner, so that the step went on.
    of_runners: u32,
    /// While a step was recorded as in progress.
    in_steps: u32,
    /// While it was taken back.
    in_undo: u32,
}

/// A job, and what has to hold from one look at it to the next.
struct Watched {
    job: Job,
    written: (u64, u64),
}

impl Watched {
    fn new() -> Self {
        let job = Job::of_example("onboard-fast");
        fs::create_dir(job.path("watch")).expect("made");
        Self { job, written: (0, 0) }
    }

    fn with_places(&self, mut command: Command) -> Command {
        command.env("ONBOARD_DIR", self.job.path("site")).env("ONBOARD_WATCH", self.job.path("watch"));
        command
    }

    fn resume(&self) -> Command {
        let options = if self.job.session_file().exists() { "--resume" } else { "" };
        self.with_places(self.job.apply(options))
    }

    fn undo(&self) -> Command {
        self.with_places(self.job.undo("--yes"))
    }

    /// Reads the session, which is whole at any moment, and never older than before.
    fn look(&mut self) -> Option<Session> {
        let store = Store::in_directory(self.job.state(), "onboard-fast").expect("a name");
        let session = store.load().expect("readable")?;
        let written = (session.token(), session.revision());
        assert!(written.0 >= self.written.0 && written.1 >= self.written.1, "{written:?} {:?}", self.written);
        self.written = written;
        Some(session)
    }

    /// Nothing was written down that must never be; tokens grow from runner to runner, as do the numbers of attempts.
    fn assert_right(&self) {
        let wrong = self.job.lines("watch/wrong");
        assert!(wrong.is_empty(), "{wrong:#?}\n{:#?}", self.job.lines("watch/ledger"));
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let lines = self.job.lines("watch/ledger");
        let runners: Vec<(u64, u64)> = lines
            .iter()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .map(|words| (number(words[0]), number(words[1])))
            .collect();
        for pair in runners.windows(2) {
            let [(token, attempt), next] = pair else { unreachable!("two of them") };
            let is_same = *next == (*token, *attempt);
            assert!(is_same || (next.0 > *token && next.1 > *attempt), "{pair:?}\n{lines:#?}");
        }
    }

    /// What it has set up, file by file.
    fn set_up(&self) -> BTreeMap<String, String> {
        let names = names_in(&self.job.path("site")).into_iter().filter(|name| name != "gateway.pid");
        let here = self.job.place().to_string_lossy().into_owned();
        names
            .map(|name| {
                let content = fs::read_to_string(self.job.path("site").join(&name)).expect("readable");
                (name, content.replace(&here, "HERE"))
            })
            .collect()
    }

    fn assert_complete(&mut self) {
        let session = self.look().expect("a session");
        assert_eq!(session.status(), Status::Complete);
        assert!(session.steps().all(|step| step.status == StepStatus::Complete));
        assert_eq!(session.facts().count(), 3);
        assert_eq!(names_in(&self.job.state().join("sessions")), ["onboard-fast.json"]);
        let logs = names_in(&self.job.state().join("logs/onboard-fast"));
        assert!(!logs.iter().any(|name| name.ends_with(".output")), "{logs:?}");
        // Left over, if it was killed between the record of its end and the release: nobody ran after that one.
        assert_eq!(status(&self.job.state().join("locks/onboard-fast"))["obtainable"], true);
    }

    /// Starts it, and kills it some time later, if it has not ended by then; with whether it has been killed.
    fn disturb(&mut self, command: Command, longest: Duration, random: &mut Rng, tally: &mut Tally) -> bool {
        let runner = Running::start(command);
        thread::sleep(longest.mul_f64(random.f64()));
        let is_runner_only = random.bool();
        if is_runner_only {
            runner.kill();
        } else {
            runner.kill_with_groups();
        }
        let session = self.look();
        let Ended { code, signal, err, .. } = runner.ends();
        if signal.is_none() {
            assert_eq!(code, Some(0), "{err}");
            return false;
        }
        tally.kills += 1;
        tally.of_runners += u32::from(is_runner_only);
        tally.in_steps += u32::from(session.is_some_and(|session| session.step_in_progress().is_some()));
        true
    }

    fn must_end_well(&self, command: Command) {
        let Ended { code, out, err, .. } = ended(command);
        assert_eq!(code, Some(0), "{out}{err}");
        self.assert_right();
    }
}

/// How long an undisturbed run takes, and what it sets up.
fn undisturbed() -> (Duration, BTreeMap<String, String>) {
    let mut watched = Watched::new();
    let start = Instant::now();
    watched.must_end_well(watched.resume());
    let took = start.elapsed();
    watched.assert_complete();
    let set_up = watched.set_up();
    watched.must_end_well(watched.undo());
    let steps = watched.job.lines("watch/ledger").len();
    assert_eq!(steps, 2 * STEPS.len(), "each once, and once taken back");
    (took, set_up)
}

/// One job after the other, each killed some times until it is complete, and some times until it is taken back.
fn disturbed(seed: u64, took: Duration, right: &BTreeMap<String, String>) -> Tally {
    let (mut random, mut tally) = (Rng::with_seed(seed), Tally::default());
    while tally.kills < KILLS {
        let mut watched = Watched::new();
        let limit = tally.kills + KILLS_OF_A_JOB;
        while tally.kills < limit {
            let command = watched.resume();
            if !watched.disturb(command, took, &mut random, &mut tally) {
                break;
            }
        }
        watched.must_end_well(watched.resume());
        watched.assert_complete();
        assert_eq!(watched.set_up(), *right);
        let (limit, before) = (tally.kills + 2, tally.kills);
        while tally.kills < limit {
            let command = watched.undo();
            if !watched.disturb(command, took, &mut random, &mut tally) {
                break;
            }
        }
        tally.in_undo += tally.kills - before;
        watched.must_end_well(watched.undo());
        assert!(!watched.job.path("site").exists(), "nothing is left of it");
        tally.jobs += 1;
    }
    tally
}

#[test]
fn runner_killed_hundreds_of_times_and_resumed_comes_to_the_same_end() {
    let (took, right) = undisturbed();
    let seed = seed();
    eprintln!("seed {seed}; undisturbed it takes {took:?}");
    let start = Instant::now();
    let tallies = thread::scope(|scope| {
        let threads = [0, 1].map(|n| {
            scope.spawn({
                let right = &right;
                move || disturbed(seed ^ n, took, right)
            })
        });
        threads.map(|thread| thread.join().expect("no thread of it failed"))
    });
    for tally in &tallies {
        eprintln!("{tally:?}");
        // Else nothing was shown.
        assert!(tally.of_runners > 0 && tally.of_runners < tally.kills, "{tally:?}");
        assert!(tally.in_steps > KILLS / 10 && tally.in_undo > 0, "{tally:?}");
    }
    eprintln!("in {:?}", start.elapsed());
}
