//! Signals, time-outs and the terminal: the step's whole group is told, what was interrupted is recorded, the way on is told.

use baton_itest::command::{Ended, Running, ended, without_notice, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use baton_itest::skip::skip;
use baton_itest::terminal::{INTERRUPT, Terminal};
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Says `in` by one FIFO, and goes on when it can read from another.
const SLOW: &str = "[[step]]\nid = 'slow'\nrun = 'echo in >told; read -r _ <go'\n";
/// The same, for a step that can't be interrupted, nor what it has started.
const STUBBORN: &str =
    "[[step]]\nid = 'slow'\nrun = '''trap '' INT TERM; (flock 9; echo in >told; sleep 60) 9>held; true'''\n";

struct Held {
    job: Job,
    told: Fifo,
    go: Fifo,
}

impl Held {
    fn of(steps: &str) -> Self {
        let job = Job::of(steps);
        let (told, go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        Self { job, told, go }
    }

    #[track_caller]
    fn await_step(&self) {
        assert_eq!(self.told.written().line().as_deref(), Some("in"));
    }

    #[track_caller]
    fn start(&self, options: &str) -> Running {
        let running = Running::start(self.job.apply(options));
        self.await_step();
        running
    }
}

/// Does nobody have the file locked any more? Whoever was killed may need a moment to be gone.
fn is_free(path: &Path) -> bool {
    let status = Command::new("flock").args(["-w", "20"]).arg(path).arg("true").status();
    status.expect("`flock` starts").success()
}

fn resume(job: &Job) -> String {
    format!("baton apply --resume {}", job.plan().display())
}

#[test]
fn signal_stops_the_step_is_recorded_and_gives_128_and_its_number() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let mut held = Held::of(SLOW);
        let running = held.start("");
        running.send(signal);
        let Ended { code: actual, err, .. } = running.ends();
        assert_eq!(actual, Some(code), "{err}");
        assert!(err.contains(&format!("step `slow` stopped: it was told to stop by {signal}")), "{err}");
        assert!(err.contains(&resume(&held.job)), "{err}");
        let session = held.job.session();
        assert_eq!(
            (&session["failure"]["interrupted"], &session["attempts"][0]["end"]),
            (&true.into(), &"interrupted".into())
        );
        assert_eq!(held.job.steps(), ["slow failed"]);
        let Ended { code, err, .. } = held.job.applied("");
        assert!(code == Some(3) && err.contains("step `slow` was interrupted at "), "{err}");
        held.go.let_go();
        let said = held.job.must_apply("--resume");
        assert!(!said.contains("recovered"), "it ended cleanly: {said}");
    }
}

#[test]
fn second_interrupt_kills_a_step_that_ignores_the_first_and_all_of_its_group() {
    let held = Held::of(STUBBORN);
    let running = held.start("");
    running.send(Signal::SIGINT);
    running.send(Signal::SIGTERM);
    running.send(Signal::SIGINT);
    let Ended { code, err, .. } = running.ends();
    assert_eq!(code, Some(130), "{err}");
    assert!(is_free(&held.job.path("held")), "what it had started is gone, too");
}

/// History: once the first process of the group had ended, further signals waited until the grace time of the rest was over.
#[test]
fn second_interrupt_kills_what_a_step_has_left_that_ignores_the_first() {
    let held = Held::of(
        "[[step]]\nid = 'slow'\nrun = '''(trap '' INT; flock 9; echo in >told; sleep 60) 9>held & read -r _ <go'''\n",
    );
    let running = held.start("");
    running.send(Signal::SIGINT);
    await_reaped_or_zombie(&running);
    running.send(Signal::SIGINT);
    let Ended { code, err, .. } = running.ends();
    assert_eq!(code, Some(130), "{err}");
    assert!(is_free(&held.job.path("held")));
}

/// Waits until the step's first process has ended; its runner does not reap it before the rest of the group is gone.
#[track_caller]
fn await_reaped_or_zombie(running: &Running) {
    for child in running.children() {
        baton_itest::stream::await_state(child, 'Z');
    }
}

#[test]
fn signal_between_steps_or_in_a_check_stops_it_and_the_way_on_is_told() {
    let steps = format!(
        "[[step]]\nid = 'a'\nrun = ['true']\ncheck = 'test ! -e slow || {{ echo in >told; read -r _ <go; }}'\n{}",
        "[[step]]\nid = 'b'\nrun = 'test -e good'\n"
    );
    let held = Held::of(&steps);
    assert_eq!(held.job.applied("").code, Some(1));
    fs::write(held.job.path("slow"), "").expect("written");
    let running = held.start("--resume");
    running.send(Signal::SIGTERM);
    let Ended { code, err, .. } = running.ends();
    assert_eq!(code, Some(143), "{err}");
    assert!(err.contains(&resume(&held.job)), "{err}");
    assert_eq!(held.job.steps(), ["a complete", "b failed"], "what is done stays done");
    assert_eq!(held.job.session()["attempts"][1]["end"], "interrupted");
}

#[test]
fn signal_while_it_waits_to_try_again_ends_the_wait() {
    let held = Held::of("[[step]]\nid = 'a'\nrun = 'echo in >told; exit 1'\nretries = 5\nbackoff = '1h'\n");
    let mut running = held.start("");
    while !running.says().contains("the next one in ") {}
    running.send(Signal::SIGINT);
    let Ended { code, err, .. } = running.ends();
    assert!(code == Some(130) && err.contains("while it waited to be tried again"), "{err}");
}

/// History: what `nohup` has the caller ignore stopped the step.
#[test]
fn hangup_that_the_caller_ignores_stops_nothing() {
    let mut held = Held::of(SLOW);
    let mut nohup = without_notice(Command::new("nohup"));
    nohup.args(words_of(&held.job.apply(""))).env("BATON_DIR", held.job.state());
    let running = Running::start(nohup);
    held.await_step();
    running.send_to_all(Signal::SIGHUP);
    held.go.let_go();
    let Ended { code, err, .. } = running.end();
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn time_out_ends_the_whole_group_also_those_that_ignore_it() {
    for trap in ["", "trap '' TERM;"] {
        let step = format!(
            "[[step]]\nid = 'slow'\nrun = '''{trap} (flock 9; sleep 60) 9>held & wait'''\ntimeout = '300ms'\n"
        );
        let job = Job::of(&step);
        let Ended { code, err, .. } = job.applied("");
        assert!(code == Some(1) && err.contains("it took longer than"), "{err}");
        assert!(is_free(&job.path("held")));
    }
}

/// History: it was read for as long as there was something to read, and whatever else there was to be done had to wait.
#[test]
fn step_that_never_stops_writing_is_ended_in_time() {
    let job = Job::of("[[step]]\nid = 'loud'\nrun = ['yes']\ntimeout = '300ms'\n");
    let Ended { code, err, .. } = job.applied("");
    assert!(code == Some(1) && err.contains("it took longer than"), "{err}");
    let job = Job::of("[[step]]\nid = 'loud'\nrun = 'yes & echo $! >pid; exit 0'\n");
    job.must_apply("");
}

/// History: a signal that came in the grace time after a time-out was passed on, and then the step was tried again.
#[test]
fn interrupt_after_a_time_out_is_no_reason_to_try_again() {
    let step = "[[step]]\nid = 'slow'\nrun = '''trap 'echo in >told' TERM; while :; do read -r _ <go; done'''\n\
                timeout = '100ms'\nretries = 9\nbackoff = '1h'\n";
    let held = Held::of(step);
    let running = held.start("");
    running.send(Signal::SIGINT);
    let Ended { code, err, .. } = running.ends();
    assert_eq!(code, Some(130), "{err}");
}

#[test]
fn output_that_a_daemon_keeps_open_and_the_lock_it_has_inherited_hold_nobody_up() {
    let job = Job::of("[[step]]\nid = 'a'\nrun = 'setsid sh -c \"read -r _ <go\" & echo started'\n");
    let mut go = Fifo::new(job.path("go"));
    job.must_apply("");
    job.must_apply("-n");
    go.let_go();
    go.let_go();
}

/// `baton` in a shell in a terminal.
fn in_shell(command: &Command, job: &Job) -> Result<Terminal, String> {
    let mut with_state = Command::new("env");
    with_state.arg(format!("BATON_DIR={}", job.state().display())).args(words_of(command));
    let mut shell = Terminal::with_shell()?;
    shell.types_command(&with_state);
    Ok(shell)
}

#[test]
fn interrupt_typed_at_the_terminal_stops_the_step_and_a_second_one_kills_it() {
    for (steps, times) in [(SLOW, 1), (STUBBORN, 2)] {
        let held = Held::of(steps);
        let mut shell = match in_shell(&held.job.apply(""), &held.job) {
            Ok(shell) => shell,
            Err(reason) => return skip(&reason),
        };
        held.await_step();
        for _ in 0..times {
            shell.types(INTERRUPT);
        }
        shell.shows("stopped: it was told to stop by SIGINT");
        shell.shows("baton apply --resume ");
        shell.shows("$ ");
        shell.types("echo code $?\n");
        shell.shows("code 130\r\n");
        assert_eq!(held.job.session()["failure"]["interrupted"], true);
    }
}

const FAILING: &str =
    "[[step]]\nid = 'a'\nrun = 'echo a >>ledger'\n[[step]]\nid = 'b'\nrun = 'test -e good'\n";

#[test]
fn terminal_asks_what_to_do_with_an_unfinished_session_and_obeys() {
    for (answer, ledger, code) in [("r", 1, 0), ("x\nfresh", 2, 0), ("c", 1, 3), ("\x04", 1, 3)] {
        let job = Job::of(FAILING);
        assert_eq!(job.applied("").code, Some(1));
        fs::write(job.path("good"), "").expect("written");
        let mut shell = match in_shell(&job.apply(""), &job) {
            Ok(shell) => shell,
            Err(reason) => return skip(&reason),
        };
        shell.shows("`job` is not finished: 1 of 2 steps are done; step `b` failed at ");
        shell.shows("do nothing (c)?");
        shell.types(&format!("{answer}{}", if answer == "\x04" { "" } else { "\n" }));
        shell.shows("$ ");
        shell.types("echo code $?\n");
        shell.shows(&format!("code {code}\r\n"));
        assert_eq!(job.lines("ledger").len(), ledger, "{answer:?}");
    }
}

#[test]
fn terminal_asks_before_what_is_done_is_thrown_away_or_undone_unless_told_yes() {
    for (options, is_undo) in [("--fresh", false), ("", true)] {
        for (answer, code) in [("n", 3), ("y", 1)] {
            let job = Job::of(FAILING);
            assert_eq!(job.applied("").code, Some(1));
            let command = if is_undo { job.undo(options) } else { job.apply(options) };
            let mut shell = match in_shell(&command, &job) {
                Ok(shell) => shell,
                Err(reason) => return skip(&reason),
            };
            shell.shows("[y/N] ");
            shell.types(&format!("{answer}\n"));
            shell.shows("$ ");
            shell.types("echo code $?\n");
            let code = if is_undo && answer == "y" { 0 } else { code };
            shell.shows(&format!("code {code}\r\n"));
        }
    }
    let job = Job::of(FAILING);
    assert_eq!(job.applied("").code, Some(1));
    let mut shell = match in_shell(&job.apply("--fresh --yes"), &job) {
        Ok(shell) => shell,
        Err(reason) => return skip(&reason),
    };
    let shown = shell.shows("carries on here");
    assert!(!shown.contains("[y/N]"), "{shown}");
}

#[test]
fn terminal_shows_which_step_of_how_many_runs() {
    let held = Held::of(SLOW);
    let mut terminal = match Terminal::running(&held.job.apply("")) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    held.await_step();
    terminal.shows("[1/1] slow 0 s  echo in >told");
    terminal.shows("[1/1] slow 1 s");
    terminal.types(INTERRUPT);
    terminal.rest();
    assert_eq!(ended(held.job.apply("")).code, Some(3));
}
