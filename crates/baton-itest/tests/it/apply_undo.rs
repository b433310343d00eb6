//! `baton undo`: the last step first, only what was done, on from where it was killed; then a plain apply starts afresh.
//!
//! The steps of these plans write to `ledger` what they run, `undo` before it where that takes something back.

use baton_itest::command::{Ended, Running, ended, without_notice, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use baton_itest::skip::skip;
use nix::sys::signal::Signal;
use std::fs;
use std::process::{Command, Stdio};

/// A step that notes when it runs and when it is taken back, each with more to do.
fn step(id: &str, run: &str, undo: &str) -> String {
    format!(
        "[[step]]\nid = '{id}'\nrun = '''echo {id} >>ledger; {run}'''\nundo = '''echo undo {id} >>ledger; {undo}'''\n"
    )
}

/// Four of them; while the third is taken back it says `in` and waits.
fn with_slow_undo() -> String {
    let slow = "test -e fast || { echo in >told; read -r _ <go; }";
    step("a", ":", ":") + &step("b", ":", ":") + &step("c", ":", slow) + &step("d", ":", ":")
}

/// What was noted since this was asked last.
fn noted(job: &Job) -> Vec<String> {
    let lines = job.lines("ledger");
    let _ = fs::remove_file(job.path("ledger"));
    lines
}

#[track_caller]
fn must_undo(job: &Job) -> String {
    let Ended { code, out, err, .. } = ended(job.undo("--yes"));
    assert_eq!(code, Some(0), "{out}{err}");
    out + &err
}

fn resume_undo(job: &Job) -> String {
    format!("baton undo {}", job.plan().display())
}

/// All of it is undone: nothing is, and a plain apply runs everything, unasked.
#[track_caller]
fn starts_afresh(job: &Job, ids: &[&str]) {
    let is_left = |step: &String| step.ends_with(" pending") || step.ends_with(" skipped");
    assert!(job.steps().iter().all(is_left), "{:?}", job.steps());
    let session = job.session();
    let last = session["attempts"].as_array().and_then(|all| all.last()).expect("one");
    assert_eq!((&last["purpose"], &last["end"]), (&"undo".into(), &"complete".into()));
    noted(job);
    assert!(must_undo(job).contains("nothing to undo"));
    job.must_apply("");
    assert_eq!(noted(job), ids);
    assert_ne!(job.session()["sessionId"], session["sessionId"]);
}

#[test]
fn what_was_done_is_undone_the_last_first_and_nothing_else() {
    let steps = step("a", ":", ":")
        + &step("skipped", ":", ":")
        + "when = 'test -e wanted'\n[[step]]\nid = 'bare'\nrun = ['true']\n"
        + &step("half", "test -e good", ":")
        + &step("never", ":", ":");
    let job = Job::of(&steps);
    assert_eq!(job.applied("").code, Some(1));
    noted(&job);
    let said = must_undo(&job);
    assert_eq!(noted(&job), ["undo half", "undo a"], "{said}");
    assert!(said.contains("undone bare  it has no `undo`"), "{said}");
    fs::write(job.path("good"), "").expect("written");
    starts_afresh(&job, &["a", "half", "never"]);
    // A complete session, too.
    must_undo(&job);
    assert_eq!(noted(&job), ["undo never", "undo half", "undo a"]);
    assert_eq!(job.session()["status"], "in_progress");
}

#[test]
fn undo_that_was_killed_goes_on_with_the_step_it_was_killed_in() {
    for is_runner_only in [false, true] {
        let job = Job::of(&with_slow_undo());
        let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        job.must_apply("");
        noted(&job);
        let running = Running::start(job.undo("--yes"));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        if is_runner_only {
            running.kill();
            // Its command works on, and keeps everybody out.
            let Ended { code, err, .. } = ended(job.undo("--yes -n"));
            assert_eq!(code, Some(75), "{err}");
            fs::write(job.path("fast"), "").expect("written");
            go.let_go();
        } else {
            running.kill_with_groups();
            fs::write(job.path("fast"), "").expect("written");
        }
        assert_eq!(job.steps(), ["a complete", "b complete", "c complete", "d pending"]);
        assert_eq!(noted(&job), ["undo d", "undo c"]);
        let Ended { code, err, .. } = job.applied("");
        assert!(code == Some(3) && err.contains(&resume_undo(&job)), "half of it is taken back: {err}");
        let said = must_undo(&job);
        assert!(said.contains("recovered `"), "{said}");
        assert_eq!(noted(&job), ["undo c", "undo b", "undo a"], "{said}");
        starts_afresh(&job, &["a", "b", "c", "d"]);
    }
}

#[test]
fn job_that_is_half_undone_can_be_carried_on_instead() {
    let job = Job::of(&with_slow_undo());
    let (told, _go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
    job.must_apply("");
    let running = Running::start(job.undo("--yes"));
    assert_eq!(told.written().line().as_deref(), Some("in"));
    running.kill_with_groups();
    noted(&job);
    job.must_apply("--resume");
    assert_eq!(noted(&job), ["d"], "what was not taken back is still there, as far as is recorded");
}

#[test]
fn undo_that_fails_stops_there_and_goes_on_there_once_that_is_repaired() {
    let job = Job::of(
        &(step("a", ":", ":") + &step("b", ":", "echo why >&2; test -e good") + &step("c", ":", ":")),
    );
    job.must_apply("");
    noted(&job);
    for _ in 0..2 {
        let Ended { code, err, .. } = ended(job.undo("--yes"));
        assert_eq!(code, Some(1), "{err}");
        let failed = "step `b` could not be undone: it ended with exit code 1; its last words: why";
        let log = job.state().join("logs/job");
        for text in [failed, &resume_undo(&job), log.to_str().expect("text"), "  | why"] {
            assert!(err.contains(text), "{text:?} is not in {err}");
        }
        assert_eq!(job.steps(), ["a complete", "b complete", "c pending"]);
    }
    assert_eq!(noted(&job), ["undo c", "undo b", "undo b"]);
    let shown = job.asked("show job").out;
    assert!(shown.contains(&resume_undo(&job)), "{shown}");
    fs::write(job.path("good"), "").expect("written");
    must_undo(&job);
    assert_eq!(noted(&job), ["undo b", "undo a"]);
    starts_afresh(&job, &["a", "b", "c"]);
}

#[test]
fn undo_that_is_told_to_stop_says_how_it_goes_on() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let job = Job::of(&with_slow_undo());
        let (told, _go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        job.must_apply("");
        noted(&job);
        let running = Running::start(job.undo("--yes"));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        running.send(signal);
        let Ended { code: actual, err, .. } = running.ends();
        assert_eq!(actual, Some(code), "{err}");
        assert!(err.contains(&resume_undo(&job)) && !err.contains("--resume"), "{err}");
        assert_eq!(job.session()["attempts"][1]["end"], "interrupted");
        noted(&job);
        fs::write(job.path("fast"), "").expect("written");
        let said = must_undo(&job);
        assert!(!said.contains("recovered"), "it ended cleanly: {said}");
        assert_eq!(noted(&job), ["undo c", "undo b", "undo a"]);
    }
}

/// History: only a command that ran was told; where no step had one any more, the signal was not looked at.
#[test]
fn signal_that_comes_between_two_commands_stops_it_before_the_next_step() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        return skip("`strace` is not installed");
    }
    let job = Job::of(&("[[step]]\nid = 'bare'\nrun = ['true']\n".to_owned() + &step("b", ":", ":")));
    job.must_apply("");
    // The second time that the session is written, it is recorded that `b` is undone.
    let inject = "inject=renameat:signal=SIGTERM:when=2";
    let mut strace = without_notice(Command::new("strace"));
    strace.args(["-o", "/dev/null", "-e", "trace=renameat", "-e", inject]).args(words_of(&job.undo("--yes")));
    strace.env("BATON_DIR", job.state());
    let Ended { code, err, .. } = ended(strace);
    assert_eq!(code, Some(143), "{err}");
    assert!(err.contains(&resume_undo(&job)) && !err.contains("--resume"), "{err}");
    assert_eq!(job.steps(), ["bare complete", "b pending"]);
    must_undo(&job);
    assert_eq!(job.steps(), ["bare pending", "b pending"]);
}

#[test]
fn step_that_was_in_progress_is_undone_too_and_its_runner_was_killed() {
    for is_runner_only in [false, true] {
        let steps = step("a", "echo x=7 >>$BATON_OUTPUT", "echo $x >undone_with") + "outputs = ['x']\n";
        let slow = step("b", "echo in >told; read -r _ <go; echo end of b >>ledger", "echo $x >>undone_with");
        let job = Job::of(&(steps + &slow + &step("c", ":", ":")));
        let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        let running = Running::start(job.apply(""));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        if is_runner_only {
            running.kill();
            let undo = Running::waiting(job.undo("--yes"));
            go.let_go();
            let Ended { code, out, err, .. } = undo.end();
            assert_eq!(code, Some(0), "{out}{err}");
            assert_eq!(noted(&job), ["a", "b", "end of b", "undo b", "undo a"]);
        } else {
            running.kill_with_groups();
            must_undo(&job);
            assert_eq!(noted(&job), ["a", "b", "undo b", "undo a"]);
        }
        assert_eq!(
            job.lines("undone_with"),
            ["7"],
            "facts are there until the step that published them is undone"
        );
        assert_eq!(job.session()["facts"].as_object().map(serde_json::Map::len), Some(0));
        go.let_go();
        starts_afresh(&job, &["a", "b", "end of b", "c"]);
    }
}
