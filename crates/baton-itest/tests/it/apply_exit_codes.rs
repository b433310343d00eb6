//! How `baton apply` and `baton undo` end, and what they say: exit codes, the file, the step, the reason, the way out.

use baton_itest::command::{Ended, baton, ended};
use baton_itest::footprint::{Footprint, names_in};
use baton_itest::job::Job;
use std::fs;

const GOOD: &str = "[[step]]\nid = 'a'\nrun = ['true']\n";
const BAD: &str = "[[step]]\nid = 'a'\nrun = ['true']\n[[step]]\nid = 'b'\nrun = 'echo why >&2; exit 5'\n";

/// Ends with this code, and says all of that on standard error.
#[track_caller]
fn must_end(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}{}", ended.out, ended.err);
    for text in texts {
        assert!(ended.err.contains(text), "{text:?} is not in {}", ended.err);
    }
}

#[test]
fn complete_plan_is_0_and_a_failed_step_1_with_its_last_words_its_log_and_what_to_type() {
    let job = Job::of(GOOD);
    must_end(&job.applied(""), 0, &[]);
    let job = Job::of(BAD);
    let failed = job.applied("");
    let resume = format!("`baton apply --resume {}` carries on here", job.plan().display());
    let log = job.state().join("logs/job/1-b.log");
    let texts = [
        "  | why",
        "error: step `b` failed: it ended with exit code 5; its last words: why",
        &resume,
        log.to_str().expect("text"),
    ];
    must_end(&failed, 1, &texts);
    assert!(fs::read_to_string(log).expect("a log").contains("why\n"));
}

#[test]
fn unfinished_session_off_a_terminal_is_3_and_names_step_time_reason_and_the_commands() {
    let job = Job::of(BAD);
    job.applied("");
    let plan = job.plan().display();
    let recorded = job.session()["failure"]["recordedAt"].as_str().expect("a time").to_owned();
    let story = format!("step `b` failed at {recorded}: it ended with exit code 5; its last words: why");
    let commands =
        ["--resume", "--fresh", "--dry-run --resume"].map(|option| format!("baton apply {option} {plan}"));
    let texts = [&story, &commands[0], &commands[1], &commands[2]].map(String::as_str);
    for options in ["", "--yes"] {
        let before = fs::read(job.session_file()).expect("readable");
        must_end(&job.applied(options), 3, &texts);
        assert_eq!(fs::read(job.session_file()).expect("readable"), before);
    }
    must_end(&Job::of(GOOD).applied("--resume"), 3, &["there is no session of `job` to resume"]);
}

#[test]
fn command_line_that_makes_no_sense_is_2() {
    let job = Job::of(GOOD);
    for options in [
        "--resume --fresh",
        "--from a --only a",
        "-n -w 5",
        "--json --verbose",
        "--from b",
        "--only b",
        "-w soon",
    ] {
        must_end(&job.applied(options), 2, &[]);
    }
    assert!(!job.state().exists(), "nothing was done");
    let mut without_plan = baton();
    without_plan.arg("apply");
    must_end(&ended(without_plan), 2, &["<PLAN>"]);
}

#[test]
fn wrong_plan_is_65_with_every_error_and_nothing_is_waited_for_or_created() {
    let job = Job::of("[[step]]\nid = 'a'\nrun = ['true']\nchek = 1\ntimeout = 'soon'\n");
    must_end(&job.applied(""), 65, &["2 errors", "job.toml:6:1: unknown key `chek`", "job.toml:7:11: "]);
    assert!(!job.state().exists());
    let mut missing = baton();
    missing.args(["apply", "no-such-plan.toml"]);
    must_end(&ended(missing), 73, &["cannot read the plan `no-such-plan.toml`", "hint: correct the path"]);
}

#[test]
fn corrupt_and_newer_sessions_are_65_and_kept_until_fresh_sets_them_aside() {
    let corrupt: &[u8] = b"{\n  \"baton\": { \"version\": 1,";
    let newer: &[u8] = br#"{ "baton": { "version": 2, "token": 1, "revision": 1 } }"#;
    for (content, texts) in [(corrupt, ["line 2", "byte"]), (newer, ["version 2", "newer"])] {
        let job = Job::of(GOOD);
        job.must_apply("");
        fs::write(job.session_file(), content).expect("written");
        let before = Footprint::of(&job.session_file());
        for command in [job.apply(""), job.apply("--resume"), job.undo("--yes"), job.apply("--dry-run")] {
            let ended = ended(command);
            must_end(&ended, 65, &texts);
            must_end(&ended, 65, &[job.session_file().to_str().expect("text"), "hint: "]);
            assert_eq!(Footprint::of(&job.session_file()), before);
            assert!(!ended.err.contains("recovered"), "nobody died: {}", ended.err);
        }
        let said = job.must_apply("--fresh");
        assert!(said.contains("the session that was there is kept as "), "{said}");
        let names = names_in(&job.state().join("sessions"));
        let kept = names.iter().find(|name| name.contains(".kept")).expect("kept");
        assert_eq!(fs::read(job.state().join("sessions").join(kept)).expect("readable"), content);
        assert_eq!(job.session()["status"], "complete");
    }
}

/// History: whoever was refused left the lock as if it had died with it, so that the next one was told *recovered*.
#[test]
fn same_name_from_another_path_is_65_and_names_both_and_nobody_died() {
    let job = Job::of(BAD);
    job.applied("");
    let other = job.path("other.toml");
    fs::copy(job.plan(), &other).expect("copied");
    let both = [job.plan().to_str().expect("text"), other.to_str().expect("text")];
    for options in [vec!["apply"], vec!["apply", "--resume"], vec!["apply", "--fresh"], vec!["undo", "--yes"]]
    {
        let mut command = baton();
        command.args(&options).arg(&other).env("BATON_DIR", job.state());
        let mut texts = vec![both[0]];
        texts.extend((options[0] == "apply").then_some(both[1]));
        must_end(&ended(command), 65, &texts);
    }
    let next = job.applied("--resume");
    must_end(&next, 1, &[]);
    assert!(!next.err.contains("recovered"), "{}", next.err);
}

#[test]
fn undo_off_a_terminal_has_to_be_confirmed() {
    let job = Job::of(BAD);
    job.applied("");
    let before = fs::read(job.session_file()).expect("readable");
    must_end(&ended(job.undo("")), 3, &["b, a", "baton undo --yes "]);
    assert_eq!(fs::read(job.session_file()).expect("readable"), before);
    must_end(&ended(job.undo("--yes")), 0, &[]);
    must_end(&ended(job.undo("")), 0, &["nothing to undo"]);
}

#[test]
fn path_with_blanks_is_quoted_in_the_commands_to_type() {
    let job = Job::of(BAD);
    let directory = job.path("with blanks");
    fs::create_dir(&directory).expect("made");
    let plan = directory.join("it's.toml");
    fs::copy(job.plan(), &plan).expect("copied");
    let mut command = baton();
    command.arg("apply").arg(&plan).env("BATON_DIR", job.state());
    let quoted = format!("baton apply --resume '{}/with blanks/it'\\''s.toml'", job.place().display());
    must_end(&ended(command), 1, &[&quoted]);
}
