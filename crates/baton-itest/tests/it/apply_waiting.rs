//! Waiting for a runner of the same job: who has to wait says whom for, and decides by the session that is there afterwards. A step that
//! outlives its runner is waited for like one.

use baton_itest::command::{Ended, Running, ended, status};
use baton_itest::fifo::Fifo;
use baton_itest::footprint::names_in;
use baton_itest::job::Job;
use nix::sys::signal::Signal;
use std::fs;

/// The first of two steps waits until it is told to go on, unless it finds a file `fast`; the second fails without a file `good`.
const STEPS: &str = "description = 'release 4.2'
[[step]]
id = 'slow'
run = '''echo slow >>ledger; test -e fast || { echo in >told; read -r _ <go; }'''
undo = 'echo undo slow >>ledger'
[[step]]
id = 'last'
run = 'echo last >>ledger; test -e good'
";

/// A job whose first runner is in its first step.
struct Contested {
    job: Job,
    told: Fifo,
    go: Fifo,
}

impl Contested {
    fn new() -> (Self, Running) {
        let job = Job::of(STEPS);
        let (told, go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        let contested = Self { job, told, go };
        let first = Running::start(contested.job.apply(""));
        contested.await_step();
        contested.put("fast");
        (contested, first)
    }

    #[track_caller]
    fn await_step(&self) {
        assert_eq!(self.told.written().line().as_deref(), Some("in"));
    }

    fn put(&self, name: &str) {
        fs::write(self.job.path(name), "").expect("written");
    }

    /// Lets the first runner's first step end.
    fn let_go(&mut self) {
        self.go.let_go();
    }

    #[track_caller]
    fn refused(&self, options: &str, code: i32) -> Ended {
        let ended = self.job.applied(options);
        assert_eq!(ended.code, Some(code), "{options}: {}", ended.err);
        ended
    }
}

#[test]
fn who_does_not_want_to_wait_is_told_who_runs_it_and_gets_75_or_what_it_asked_for() {
    let (mut contested, first) = Contested::new();
    let before = fs::read(contested.job.session_file()).expect("there");
    let pid = first.pid();
    for (options, code) in
        [("-n", 75), ("-w 0", 75), ("-n -E 9", 9), ("--resume -n", 75), ("-w 50ms", 75), ("-w 50ms -E 0", 0)]
    {
        let Ended { err, out, .. } = contested.refused(options, code);
        let who = format!("is held by pid {pid} (");
        for text in [&who, " since 20", "purpose: release 4.2, token ", "hint: "] {
            assert!(err.contains(text), "{options}: {text:?} is not in {err}");
        }
        assert_eq!((err.contains("gave up after "), out.as_str()), (options.contains("50ms"), ""), "{err}");
    }
    for options in ["-q -n", "-q -w 50ms"] {
        let Ended { out, err, .. } = contested.refused(options, 75);
        assert_eq!((out.as_str(), err.as_str()), ("", ""), "{options}");
    }
    let Ended { code, err, .. } = ended(contested.job.undo("--yes -n -E 8"));
    assert!(code == Some(8) && err.contains(&format!("is held by pid {pid} (")), "{err}");
    assert_eq!(fs::read(contested.job.session_file()).expect("there"), before);
    contested.put("good");
    contested.let_go();
    assert_eq!(first.end().code, Some(0));
    assert_eq!(contested.job.lines("ledger"), ["slow", "last"]);
}

#[test]
fn quiet_waiter_says_nothing_and_runs() {
    let (mut contested, first) = Contested::new();
    contested.put("good");
    let second = Running::start(contested.job.apply("-q"));
    contested.let_go();
    assert_eq!(first.end().code, Some(0));
    let Ended { code, out, err, .. } = second.end();
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "", ""));
    assert_eq!(contested.job.lines("ledger"), ["slow", "last", "slow", "last"]);
}

/// What the one in front has done is not known before it has ended: each of these was started when the session was in progress.
#[test]
fn who_has_waited_decides_by_what_it_then_finds() {
    for (is_good, options, code, ran, said) in [
        (true, "", 0, 4, "complete"),
        (true, "--resume", 0, 2, "`job` is complete: there is nothing to resume"),
        (true, "--only last", 0, 3, "complete"),
        (false, "", 3, 2, "step `last` failed at "),
        (false, "--resume", 1, 3, "step `last` failed: "),
        (false, "--fresh", 1, 4, "step `last` failed: "),
    ] {
        let (mut contested, first) = Contested::new();
        if is_good {
            contested.put("good");
        }
        let second = Running::waiting(contested.job.apply(options));
        contested.let_go();
        assert_eq!(first.end().code, Some(i32::from(!is_good)));
        let ended = second.end();
        assert_eq!(ended.code, Some(code), "{options}: {}{}", ended.out, ended.err);
        assert!((ended.out + &ended.err).contains(said), "{options}");
        assert_eq!(contested.job.lines("ledger").len(), ran, "{options}");
    }
}

#[test]
fn who_waits_for_one_that_is_killed_carries_on_and_undo_takes_back_what_it_finds() {
    let (contested, first) = Contested::new();
    contested.put("good");
    let second = Running::waiting(contested.job.apply("--resume"));
    first.kill_with_groups();
    let Ended { code, out, err, .. } = second.end();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("recovered `"), "{err}");
    assert_eq!(contested.job.lines("ledger"), ["slow", "slow", "last"]);

    let (mut contested, first) = Contested::new();
    let undo = Running::waiting(contested.job.undo("--yes"));
    contested.let_go();
    assert_eq!(first.end().code, Some(1));
    assert_eq!(undo.end().code, Some(0));
    assert_eq!(contested.job.lines("ledger"), ["slow", "last", "undo slow"]);
}

#[test]
fn interrupt_while_it_waits_ends_it_and_leaves_nothing_behind() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut contested, first) = Contested::new();
        contested.put("good");
        let before = fs::read(contested.job.session_file()).expect("there");
        let second = Running::waiting(contested.job.apply("--resume"));
        second.send(signal);
        let ended = second.ends();
        // A shell makes 130 or 143 of it.
        assert_eq!((ended.code, ended.signal), (None, Some(signal as i32)), "{}", ended.err);
        assert_eq!(fs::read(contested.job.session_file()).expect("there"), before);
        contested.let_go();
        let Ended { code, err, .. } = first.end();
        assert_eq!((code, err.as_str()), (Some(0), ""), "nobody disturbed it");
        let next = contested.job.must_apply("");
        assert!(!next.contains("recovered"), "it never had the lock: {next}");
        let left = names_in(&contested.job.state().join("locks"));
        assert_eq!(left, ["job.guard"]);
    }
}

#[test]
fn step_that_outlives_its_killed_runner_keeps_everybody_out_until_it_ends() {
    let (mut contested, first) = Contested::new();
    contested.put("good");
    let step = first.children();
    first.kill();
    let lock = contested.job.state().join("locks/job");
    let seen = status(&lock);
    assert_eq!((&seen["state"], &seen["obtainable"]), (&"held".into(), &false.into()), "{seen}");
    assert_eq!(seen["processes"][0]["pid"], step[0], "{seen}");
    for command in [
        contested.job.apply("-n"),
        contested.job.apply("--resume -n"),
        contested.job.apply("--fresh --yes -n"),
        contested.job.undo("--yes -n"),
        contested.job.session_verb("reset --yes -n job"),
    ] {
        let Ended { code, err, .. } = ended(command);
        assert_eq!(code, Some(75), "{err}");
        assert!(err.contains("now in the hands of") && err.contains(&format!("pid {}", step[0])), "{err}");
    }
    assert_eq!(contested.job.steps(), ["slow in_progress", "last pending"]);
    let second = Running::waiting(contested.job.apply("--resume"));
    assert_eq!(contested.job.lines("ledger"), ["slow"]);
    contested.let_go();
    let Ended { code, out, err, .. } = second.end();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("recovered `"), "{err}");
    // Nobody saw it end, and it has no check: it runs again, after its end and not beside it.
    assert_eq!(contested.job.lines("ledger"), ["slow", "slow", "last"]);
}
