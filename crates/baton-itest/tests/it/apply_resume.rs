//! Which steps `baton apply` runs, and which it does not: what is recorded, what the checks say, what the command line asks for.
//!
//! The steps of these plans write their ids to `ledger` when they run, so that what ran can be compared with what had to.

use baton_itest::command::{Ended, Running, ended};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use std::fs;

/// A step that notes that it ran.
fn step(id: &str, run: &str, more: &str) -> String {
    format!("[[step]]\nid = \"{id}\"\nrun = '''echo {id} >>ledger; {run}'''\n{more}\n")
}

/// A step whose effect is a file of its name.
fn checked(id: &str) -> String {
    step(id, &format!("touch {id}"), &format!("check = 'test -e {id}'"))
}

/// What has run since this was asked last.
fn ran(job: &Job) -> Vec<String> {
    let lines = job.lines("ledger");
    let _ = fs::remove_file(job.path("ledger"));
    lines
}

/// A job that failed in its last step `last`; `fail` decides it.
fn failed(steps: &str) -> Job {
    let job = Job::of(&(steps.to_owned() + &step("last", "test ! -e fail", "")));
    fs::write(job.path("fail"), "").expect("written");
    assert_eq!(job.applied("").code, Some(1));
    fs::remove_file(job.path("fail")).expect("removed");
    ran(&job);
    job
}

#[test]
fn complete_step_is_skipped_if_its_check_passes_or_it_has_none_and_else_runs_again() {
    let job = failed(&(checked("kept") + &checked("gone") + &step("unchecked", ":", "")));
    fs::remove_file(job.path("gone")).expect("removed");
    let said = job.must_apply("--resume");
    assert_eq!(ran(&job), ["gone", "last"], "{said}");
    assert!(said.contains("kept  kept  it is complete, and its check passes"), "{said}");
    assert!(said.contains("runs  gone  its check says that its effect is gone"), "{said}");
}

#[test]
fn step_in_progress_is_complete_without_running_if_its_check_passes() {
    for (is_there, expected) in [(true, vec!["last"]), (false, vec!["slow", "last"])] {
        let slow = step("slow", "echo in >told; read -r _ <go", "check = 'test -e effect'");
        let job = Job::of(&(slow + &step("last", ":", "")));
        let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        let running = Running::start(job.apply(""));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        running.kill_with_groups();
        assert_eq!(job.steps(), ["slow in_progress", "last pending"]);
        ran(&job);
        if is_there {
            fs::write(job.path("effect"), "").expect("written");
        }
        go.let_go();
        let said = job.must_apply("--resume");
        assert_eq!(ran(&job), expected, "{said}");
        assert!(said.contains("the last runner was killed while step `slow` ran"), "{said}");
        assert!(said.contains("recovered `"), "{said}");
    }
}

/// What it published is recorded with its end: later steps would miss it.
#[test]
fn step_in_progress_that_publishes_facts_runs_again_though_its_check_passes() {
    let slow = "echo in >told; read -r _ <go; echo x=1 >>$BATON_OUTPUT";
    let slow = step("slow", slow, "check = 'true'\noutputs = ['x']");
    let job = Job::of(&(slow + &step("last", "test ${facts.x} = 1", "")));
    let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
    let running = Running::start(job.apply(""));
    assert_eq!(told.written().line().as_deref(), Some("in"));
    running.kill_with_groups();
    go.let_go();
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["slow", "slow", "last"]);
}

/// History: the earlier step could not be started while another one was recorded as in progress; each `--resume` ended with an error.
#[test]
fn effect_of_an_earlier_step_that_is_gone_after_a_kill_does_not_block_the_job() {
    let slow = step("slow", "echo in >told; read -r _ <go", "check = 'test -e effect'");
    for (is_there, expected) in [(true, vec!["first", "last"]), (false, vec!["first", "slow", "last"])] {
        for asked in ["--resume", "--only first"] {
            let job = Job::of(&(checked("first") + &slow + &step("last", ":", "")));
            let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
            let running = Running::start(job.apply(""));
            assert_eq!(told.written().line().as_deref(), Some("in"));
            running.kill_with_groups();
            ran(&job);
            fs::remove_file(job.path("first")).expect("removed");
            if is_there {
                fs::write(job.path("effect"), "").expect("written");
            }
            go.let_go();
            job.must_apply(asked);
            job.must_apply("--resume");
            assert_eq!(ran(&job), expected, "{asked}");
        }
    }
}

#[test]
fn always_step_runs_in_every_attempt_and_after_a_kill_too() {
    let always = step(
        "always",
        "if test -e slow; then echo in >told; read -r _ <go; fi",
        "always = true\ncheck = 'true'",
    );
    let job = failed(&always);
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["always", "last"]);
    let job = failed(&always);
    fs::write(job.path("slow"), "").expect("written");
    let (told, mut go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
    let running = Running::start(job.apply("--resume"));
    assert_eq!(told.written().line().as_deref(), Some("in"));
    running.kill_with_groups();
    ran(&job);
    go.let_go();
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["always", "last"], "what its check finds may be an earlier attempt's");
}

#[test]
fn changed_finished_step_is_refused_with_the_difference_unless_that_is_accepted() {
    let job = failed(&step("build", "make x", "env = { A = '1' }").replace("make x", ": x"));
    job.write(&(step("build", ": y", "env = { A = '1' }") + &step("last", ":", "")));
    let before = fs::read(job.session_file()).expect("readable");
    for options in ["--resume", "--resume --yes", "--from last", "--only last"] {
        let Ended { code, err, .. } = job.applied(options);
        assert_eq!(code, Some(3), "{options}: {err}");
        let difference =
            "step `build`: `run` was `echo build >>ledger; : x`, is now `echo build >>ledger; : y`";
        assert!(err.contains(difference) && err.contains("--accept-changes"), "{err}");
        assert_eq!(fs::read(job.session_file()).expect("readable"), before);
    }
    assert!(ran(&job).is_empty());
    job.must_apply("--resume --accept-changes");
    assert_eq!(ran(&job), ["last"], "it counts as finished all the same");
}

#[test]
fn finished_step_that_is_gone_from_the_plan_is_refused_and_pending_ones_may_change() {
    let job = failed(&step("first", ":", ""));
    job.write(&(step("first", ":", "") + &step("new", ":", "") + &step("last", "true", "")));
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["new", "last"]);
    let job = failed(&(step("first", ":", "") + &step("second", ":", "")));
    job.write(&(step("first", ":", "") + &step("last", "test ! -e fail", "")));
    let Ended { code, err, .. } = job.applied("--resume");
    assert!(code == Some(3) && err.contains("second"), "{err}");
    job.must_apply("--resume --accept-changes");
    assert_eq!(ran(&job), ["last"]);
}

#[test]
fn from_runs_that_step_and_all_after_it_and_only_that_step_alone() {
    let job = failed(&(checked("a") + &checked("b")));
    let Ended { code, err, .. } = job.applied("--from missing");
    assert!(code == Some(2) && err.contains("no step `missing`"), "{err}");
    job.must_apply("--only a");
    assert_eq!(ran(&job), ["a"]);
    assert_eq!(job.steps(), ["a complete", "b complete", "last failed"]);
    job.must_apply("--from b");
    assert_eq!(ran(&job), ["b", "last"]);
    assert_eq!(job.session()["status"], "complete");
    job.must_apply("--from a");
    assert_eq!(ran(&job), ["a", "b", "last"], "a complete one, too");
    job.must_apply("--only b");
    assert_eq!(ran(&job), ["b"]);
    assert_eq!(job.session()["status"], "complete");
    assert_eq!(job.session()["attempts"][4]["purpose"], "rerun");
}

#[test]
fn from_a_step_before_which_not_all_is_finished_is_refused() {
    let job = Job::of(&(checked("a") + &checked("b")));
    let Ended { code, err, .. } = job.applied("--from b");
    assert!(code == Some(3) && err.contains("step `a` comes before and is not finished"), "{err}");
    job.must_apply("--from a");
    assert_eq!(ran(&job), ["a", "b"]);
}

#[test]
fn only_one_step_without_a_session_leaves_the_others_pending() {
    let job = Job::of(&(checked("a") + &checked("b")));
    job.must_apply("--only b");
    assert_eq!(
        (ran(&job), job.steps()),
        (vec!["b".to_owned()], vec!["a pending".into(), "b complete".into()])
    );
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["a"]);
}

#[test]
fn dry_run_runs_nothing_not_even_checks_and_writes_nothing() {
    let job = failed(&step("a", ":", "check = 'echo check >>ledger'\nwhen = 'echo when >>ledger'"));
    ran(&job);
    let before = fs::read(job.session_file()).expect("readable");
    for (options, code, text) in [
        ("--dry-run", 3, "is not finished: 1 of 2 steps are done; step `last` failed at "),
        ("--dry-run --resume", 0, "would carry on: 1 of 2 steps are done"),
        ("--dry-run --fresh", 0, "would start from the first step"),
        ("--dry-run --only a", 0, "would run again what was asked for"),
    ] {
        let Ended { code: actual, out, err, .. } = job.applied(options);
        assert_eq!(actual, Some(code), "{options}: {out}{err}");
        assert!(out.contains(text), "{out}");
    }
    let out = job.applied("--dry-run --resume").out;
    assert!(out.contains("check a") && out.contains("run   last"), "{out}");
    assert_eq!(fs::read(job.session_file()).expect("readable"), before);
    assert!(ran(&job).is_empty());
    let fresh = Job::of(&step("a", ":", ""));
    fresh.must_apply("--dry-run");
    assert!(!fresh.state().exists());
}

#[test]
fn step_that_does_not_apply_is_skipped_and_asked_again_at_the_next_attempt() {
    let job = failed(&(step("never", ":", "when = 'test -e wanted'") + &step("b", ":", "")));
    assert_eq!(job.steps(), ["never skipped", "b complete", "last failed"]);
    fs::write(job.path("wanted"), "").expect("written");
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["never", "last"]);
}

/// History: a `when` that refers to a fact that was not published, or whose program is not there, counted as *no*, and the step was left
/// out without a word.
#[test]
fn when_that_cannot_be_asked_is_an_error_of_the_step() {
    let publisher = step("publisher", ":", "outputs = ['x']");
    for (when, message) in [
        ("when = ['test', '${facts.x}', '=', '1']", "`x`"),
        ("when = ['./no-such-program']", "`./no-such-program` can't be run"),
        ("when = 'sleep 60'\ntimeout = '100ms'", "took longer than"),
    ] {
        let job = Job::of(&(publisher.clone() + &step("asked", ":", when)));
        let Ended { code, err, .. } = job.applied("");
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("step `asked` failed") && err.contains(message), "{err}");
        assert_eq!(job.steps(), ["publisher complete", "asked failed"]);
        assert_eq!(ran(&job), ["publisher"]);
    }
}

#[test]
fn step_is_tried_as_often_as_it_says_with_longer_and_longer_pauses() {
    let job = Job::of(&step("a", "test $(wc -l <ledger) = 3", "retries = 2\nbackoff = '10ms'"));
    let said = job.must_apply("");
    assert_eq!(ran(&job).len(), 3);
    assert!(said.contains("try 1 failed: it ended with exit code 1; the next one in 0.0 s"), "{said}");
    assert_eq!(job.session()["steps"][0]["attempts"], 3);
    let job = Job::of(&step("a", "exit 7", "retries = 2\nbackoff = '1ms'"));
    let Ended { code, err, .. } = job.applied("");
    assert!(code == Some(1) && err.contains("it ended with exit code 7"), "{err}");
    assert_eq!(ran(&job).len(), 3);
}

#[test]
fn facts_reach_later_steps_by_environment_and_by_reference_and_nobody_else() {
    let publishing =
        "printf 'port=80 80\\nnotes<<END\\none\\ntwo\\nEND\\n' >>$BATON_OUTPUT; echo ${port-none} >before";
    let steps = step("publisher", publishing, "outputs = ['port', 'notes']")
        + &step(
            "shell",
            "echo \"$port|${facts.port}|$notes\" >shell; ls -d \"${BATON_OUTPUT%/*}\" >/dev/null",
            "",
        )
        + "[[step]]\nid = \"argv\"\nrun = ['sh', '-c', 'echo \"$1\" >argv', 'sh', '<${facts.port}>']\n";
    let job = Job::of(&steps);
    job.must_apply("");
    assert_eq!(job.lines("before"), ["none"]);
    assert_eq!(job.lines("shell"), ["80 80|80 80|one", "two"]);
    assert_eq!(job.lines("argv"), ["<80 80>"]);
}

#[test]
fn step_that_ran_with_another_value_of_a_fact_runs_again() {
    let publisher = step(
        "publisher",
        "echo port=$(cat port) >>$BATON_OUTPUT",
        "outputs = ['port']\ncheck = 'test -e there'",
    );
    let steps = publisher + &step("user", "echo ${facts.port} >used", "") + &step("other", ":", "");
    let job = Job::without_plan();
    for name in ["there", "fail"] {
        fs::write(job.path(name), "").expect("written");
    }
    fs::write(job.path("port"), "1\n").expect("written");
    job.write(&(steps + &step("last", "test ! -e fail", "")));
    assert_eq!(job.applied("").code, Some(1));
    ran(&job);
    fs::remove_file(job.path("there")).expect("removed");
    assert_eq!(job.applied("--resume").code, Some(1));
    assert_eq!(ran(&job), ["publisher", "last"], "the same value");
    fs::write(job.path("port"), "2\n").expect("written");
    fs::remove_file(job.path("fail")).expect("removed");
    job.must_apply("--resume");
    assert_eq!(ran(&job), ["publisher", "user", "last"]);
    assert_eq!(job.lines("used"), ["2"]);
}

#[test]
fn output_that_was_not_declared_or_is_malformed_fails_the_step() {
    for (line, message) in [("y=1", "`y`"), ("nonsense", "line 1"), ("x=${facts", "")] {
        let job = Job::of(&step("a", &format!("echo '{line}' >>$BATON_OUTPUT"), "outputs = ['x']"));
        let Ended { code, err, .. } = job.applied("");
        if message.is_empty() {
            assert_eq!(code, Some(0), "{err}");
            continue;
        }
        assert!(code == Some(1) && err.contains(message), "{err}");
        assert_eq!(job.session()["facts"].as_object().map(serde_json::Map::len), Some(0));
    }
}

#[test]
fn step_that_cannot_be_started_fails_with_the_reason() {
    for (step, message) in [
        ("id = 'a'\nrun = ['./no-such-program']", "`./no-such-program` can't be run: No such file"),
        ("id = 'a'\nrun = ['true']\ncwd = 'missing'", "its directory `"),
        ("id = 'a'\nrun = ['/']", "`/` can't be run: Permission denied"),
    ] {
        let job = Job::of(&format!("[[step]]\n{step}\n"));
        let Ended { code, err, .. } = job.applied("");
        assert!(code == Some(1) && err.contains(message), "{err}");
        assert_eq!(job.steps(), ["a failed"]);
    }
}

#[test]
fn plain_apply_starts_afresh_after_a_complete_run_and_after_one_that_did_nothing() {
    let job = Job::of(&checked("a"));
    job.must_apply("");
    let first = job.session()["sessionId"].clone();
    let said = job.must_apply("--resume");
    assert!(said.contains("`job` is complete"), "{said}");
    assert_eq!(ran(&job), ["a"]);
    job.must_apply("");
    assert_eq!(ran(&job), ["a"], "all of it again: that it is complete is no reason not to do it once more");
    assert_ne!(job.session()["sessionId"], first);
    assert_eq!(job.session()["attempts"][0]["number"], 2);
}

#[test]
fn steps_run_where_the_plan_is_and_know_what_they_are_part_of() {
    let script = "pwd >where; echo \"$BATON_STEP $BATON_ATTEMPT $BATON_OUTCOME ${BATON_PLAN##*/} ${BATON_LOCK##*/} $BATON_TOKEN\" >what";
    let job = Job::of(&step("a", script, ""));
    let mut command = job.apply("");
    command.current_dir("/");
    assert_eq!(ended(command).code, Some(0));
    assert_eq!(job.lines("where"), [job.place().canonicalize().expect("there").to_str().expect("text")]);
    let token = &job.session()["baton"]["token"];
    assert_eq!(job.lines("what"), [format!("a 1 fresh job.toml job {token}")]);
}
