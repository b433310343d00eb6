//! `baton session …` on what `baton apply` really leaves: by a job that runs, has failed, was killed, is half undone, is complete; by another
//! program, a newer version, a broken disk. What it says to type next is typed, and does what it says.

use baton_itest::command::{Ended, Running, ended, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::footprint::{Footprint, names_in};
use baton_itest::job::Job;
use baton_itest::programs;
use baton_itest::skip::skip;
use baton_itest::terminal::Terminal;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// The second of three steps fails without a file `good`, and waits with a file `slow`; its undo waits with a file `slow`.
const STEPS: &str = "[[step]]
id = 'a'
run = 'echo a; echo port=8080 >>$BATON_OUTPUT'
outputs = ['port']
[[step]]
id = 'b'
run = 'echo of b; if test -e slow; then echo in >told; read -r _ <go; fi; test -e good'
undo = 'if test -e slow; then echo in >told; read -r _ <go; fi'
[[step]]
id = 'c'
run = 'echo of c'
";

struct Case {
    job: Job,
    told: Fifo,
    go: Fifo,
}

impl Case {
    fn new() -> Self {
        let job = Job::of(STEPS);
        let (told, go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        Self { job, told, go }
    }

    fn put(&self, name: &str) {
        fs::write(self.job.path(name), "").expect("written");
    }

    fn take(&self, name: &str) {
        fs::remove_file(self.job.path(name)).expect("removed");
    }

    /// Starts it, and waits until it is in its second step.
    #[track_caller]
    fn in_step(&self, command: Command) -> Running {
        self.put("slow");
        let running = Running::start(command);
        assert_eq!(self.told.written().line().as_deref(), Some("in"));
        self.take("slow");
        running
    }

    /// What a verb prints, which must end well and change nothing.
    #[track_caller]
    fn says(&self, words: &str) -> String {
        let before = Footprint::of(&self.job.session_file());
        let Ended { code, out, err, .. } = self.job.asked(words);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{words}: {out}");
        assert_eq!(Footprint::of(&self.job.session_file()), before, "{words}");
        out
    }

    #[track_caller]
    fn json(&self, words: &str) -> Value {
        let said = self.says(words);
        let value: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!(value["schema"], 1);
        value
    }

    /// All that can be asked, by text and as JSON, says the same: its status, how its last attempt ended, what is next.
    #[track_caller]
    fn must_be(&self, status: &str, end: &str, done: u64, next: &str) {
        let listed = self.json("list --json")["sessions"][0].clone();
        let shown = self.json("show --json job");
        let is_running = Value::from(end == "running");
        for seen in [&listed, &shown] {
            assert_eq!(
                (&seen["status"], &seen["stepsDone"], &seen["isRunning"]),
                (&status.into(), &done.into(), &is_running)
            );
            assert_eq!(seen["failure"], self.job.session()["failure"]);
        }
        let last = shown["attempts"].as_array().and_then(|all| all.last()).expect("one");
        assert_eq!(last["end"], end, "{shown:#}");
        let next = if next == "wait" {
            "baton wait job".to_owned()
        } else {
            format!("baton {next} {}", self.job.plan().display())
        };
        assert_eq!(shown["next"]["command"], next.as_str());
        let words = status.replace('_', " ");
        let (list, show) = (self.says("list"), self.says("show job"));
        let row = list.lines().nth(1).expect("a row");
        assert!(
            row.starts_with("job ") && row.contains(&format!("{done} of 3")) && row.contains(&words),
            "{list}"
        );
        for text in
            [&format!("session `job`: {words}, {done} of 3 steps done"), &format!("next: {next}\n"), "port"]
        {
            assert!(show.contains(text), "{text:?} is not in {show}");
        }
        let exported = self.json("export job");
        assert_eq!(exported["session"], self.job.session());
        assert_eq!(
            exported["history"].as_array().map(Vec::len),
            Some(self.job.lines("state/history/job.jsonl").len())
        );
        let page = self.says("report -o - job");
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    }

    /// What `show` says to type next, as a shell takes it.
    #[track_caller]
    fn next(&self) -> Command {
        let next = self.json("show --json job")["next"]["command"].as_str().expect("a command").to_owned();
        let mut shell = baton_itest::command::without_notice(Command::new("sh"));
        let programs = programs::baton();
        let path = format!(
            "{}:{}",
            programs.parent().expect("a directory").display(),
            std::env::var("PATH").expect("set")
        );
        shell.args(["-c", &next]).env("BATON_DIR", self.job.state()).env("PATH", path);
        shell
    }
}

#[test]
fn job_that_runs_fails_is_killed_and_comes_to_its_end_is_shown_as_what_it_is() {
    let mut case = Case::new();
    let running = case.in_step(case.job.apply(""));
    let pid = running.pid();
    case.must_be("in_progress", "running", 1, "wait");
    assert!(case.says("list").contains(&format!("pid {pid}")));
    assert!(case.says("show job").contains(&format!("pid {pid} (")));
    assert!(case.says("log job b").contains("of b\n"), "its log is there while it runs");
    case.go.let_go();
    let failed = running.end();
    assert_eq!((failed.code, failed.err.contains("recovered")), (Some(1), false), "nobody disturbed it");
    case.must_be("failed", "failed", 1, "apply --resume");
    assert!(case.says("log job").ends_with("of b\n"), "that of the failed step");
    assert!(case.says("show job").contains("step `b` stopped it: it ended with exit code 1"));

    let running = case.in_step(case.job.apply("--resume"));
    running.kill_with_groups();
    case.must_be("in_progress", "crashed", 1, "apply --resume");
    assert_eq!(case.json("show --json job")["attempts"][1]["killedStep"], "b");
    case.put("good");
    let done = ended(case.next());
    assert_eq!(done.code, Some(0), "{}", done.err);
    case.must_be("complete", "complete", 3, "apply");
    assert!(case.says("log job").ends_with("of c\n"), "that of the last step");
    assert!(case.says("log job a --attempt 1").ends_with("a\n"));
    assert_eq!(case.says("log --path job b --attempt 2").trim_end(), case.job.text("state/logs/job/2-b.log"));

    // Once more, from the first step, because that is what it says.
    let first = case.job.session()["sessionId"].clone();
    assert_eq!(ended(case.next()).code, Some(0));
    assert_ne!(case.job.session()["sessionId"], first);
}

#[test]
fn job_that_is_half_undone_is_shown_as_that_and_what_is_next_takes_back_the_rest() {
    let case = Case::new();
    case.put("good");
    case.job.must_apply("");
    let running = case.in_step(case.job.undo("--yes"));
    case.must_be("in_progress", "running", 2, "wait");
    running.kill_with_groups();
    case.must_be("in_progress", "crashed", 2, "undo");
    // It has to be confirmed, and nobody is there to be asked.
    let asked = ended(case.next());
    assert_eq!(asked.code, Some(3), "{}", asked.err);
    assert_eq!(ended(case.job.undo("--yes")).code, Some(0));
    assert!(case.says("show job").contains("0 of 3 steps done"));
}

#[test]
fn wait_that_is_next_while_it_runs_returns_when_it_has_ended() {
    let mut case = Case::new();
    case.put("good");
    let running = case.in_step(case.job.apply(""));
    let waiting = Running::waiting(case.next());
    case.go.let_go();
    assert_eq!(running.end().code, Some(0));
    assert_eq!(waiting.end().code, Some(0));
    case.must_be("complete", "complete", 3, "apply");
}

/// What is in the session's place, what is said of it, and the exit code of who looks.
const STRANGE: [(&str, &str, i32); 4] = [
    ("{\n  \"baton\": { \"version\": 1,", "is corrupt at byte ", 65),
    ("", "is corrupt", 65),
    ("{ \"baton\": { \"version\": 9, \"token\": 1, \"revision\": 1 } }", "has version 9, newer than", 65),
    ("{ \"name\": \"some-package\", \"version\": \"1.0.0\" }", "is not a session", 65),
];

#[test]
fn session_that_is_no_session_is_told_by_every_verb_and_left_alone_until_a_reset_keeps_it() {
    for (content, told, code) in STRANGE {
        let job = Job::of(STEPS);
        assert_eq!(job.applied("").code, Some(1));
        fs::copy(job.session_file(), job.state().join("sessions/sound.json")).expect("copied");
        fs::write(job.session_file(), content).expect("written");
        let before = Footprint::of(&job.session_file());
        for words in [
            "show job",
            "show --json job",
            "log job",
            "export job",
            "export -o out job",
            "report job",
            "list",
            "list --json",
        ] {
            let Ended { code: actual, out, err, .. } = job.asked(words);
            assert_eq!(actual, Some(code), "{words}: {out}{err}");
            for text in [told, job.session_file().to_str().expect("text"), "hint: "] {
                assert!(err.contains(text), "{words}: {text:?} is not in {err}");
            }
            assert_eq!(Footprint::of(&job.session_file()), before, "{words}");
            // One that can't be read hides none of the others.
            assert_eq!(out.contains("sound"), words.starts_with("list"), "{words}: {out}");
            assert_eq!(out.contains("unreadable"), words.starts_with("list"), "{words}: {out}");
        }
        assert!(!job.path("out").exists() && !job.path("job-report.html").exists());
        assert!(job.asked("log job b").out.ends_with("of b\n"), "a log needs no session");
        assert_eq!(job.asked("reset job").code, Some(3));
        assert_eq!(Footprint::of(&job.session_file()), before);
        let Ended { code, err, .. } = job.asked("reset --yes job");
        assert_eq!(code, Some(0), "{content:?}: {err}");
        let names = names_in(&job.state().join("sessions"));
        let kept = names.iter().find(|name| name.contains(".kept")).expect("kept");
        assert!(err.contains(kept.as_str()), "{err}");
        assert_eq!(fs::read_to_string(job.state().join("sessions").join(kept)).expect("there"), content);
        fs::write(job.path("good"), "").expect("written");
        job.must_apply("");
        assert_eq!(job.session()["attempts"][0]["number"], 1);
    }
}

#[test]
fn what_is_no_regular_file_is_never_opened_and_stays_until_a_reset() {
    for kind in ["fifo", "link", "directory"] {
        let job = Job::of(STEPS);
        assert_eq!(job.applied("").code, Some(1));
        let file = job.session_file();
        fs::rename(&file, job.path("precious")).expect("moved");
        let precious = fs::read(job.path("precious")).expect("there");
        let _fifo = match kind {
            "fifo" => Some(Fifo::new(file.clone())),
            "link" => symlink(job.path("precious"), &file).map(|()| None).expect("linked"),
            _ => fs::create_dir(&file).map(|()| None).expect("made"),
        };
        let before = Footprint::of(&file);
        for words in ["show job", "show --json job", "log job", "export job", "report job", "list"] {
            let Ended { code, out, err, .. } = job.asked(words);
            assert_eq!(code, Some(73), "{kind} {words}: {out}{err}");
            assert!(
                err.contains("sessions/job.json` is not safe to use: it is ") && err.contains("hint: "),
                "{kind} {words}: {err}"
            );
            assert_eq!(Footprint::of(&file), before, "{kind} {words}");
        }
        assert_eq!(ended(job.apply("")).code, Some(73));
        assert_eq!(Footprint::of(&file), before, "{kind}");
        // By its name alone: whoever asks for that wants it out of the way.
        assert_eq!(job.asked("reset --yes job").code, Some(0), "{kind}");
        let names = names_in(&job.state().join("sessions"));
        assert!(names.len() == 1 && names[0].contains(".kept"), "{kind}: {names:?}");
        assert_eq!(fs::read(job.path("precious")).expect("there"), precious, "{kind}");
    }
}

#[test]
fn nothing_there_is_told_with_what_begins_a_session() {
    let job = Job::of(STEPS);
    for words in ["show job", "show --json job", "log job", "log job b", "export job", "report job"] {
        let Ended { code, out, err, .. } = job.asked(words);
        assert_eq!((code, out.as_str()), (Some(65), ""), "{words}: {err}");
        assert!(err.contains("hint: "), "{words}: {err}");
    }
    let Ended { code, out, err, .. } = job.asked("list");
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.contains("`baton apply PLAN` begins one"), "{err}");
    assert_eq!(job.asked("list --json").out, "{\n  \"schema\": 1,\n  \"sessions\": []\n}\n");
    assert_eq!(job.asked("reset job").code, Some(0));
    assert!(!job.state().exists(), "looking makes nothing");
}

#[test]
fn reset_asks_on_a_terminal_and_then_all_begins_anew() {
    for (options, answer, code) in [("", "n", 3), ("", "\x04", 3), ("", "y", 0), ("--yes", "", 0)] {
        let case = Case::new();
        assert_eq!(case.job.applied("").code, Some(1));
        let before = Footprint::of(&case.job.session_file());
        let reset = case.job.session_verb(&format!("reset {options} job"));
        let mut with_state = Command::new("env");
        with_state.arg(format!("BATON_DIR={}", case.job.state().display())).args(words_of(&reset));
        let mut shell = match Terminal::with_shell() {
            Ok(shell) => shell,
            Err(reason) => return skip(&reason),
        };
        shell.types_command(&with_state);
        if !answer.is_empty() {
            shell.shows("session `job` is failed, 1 of 3 steps done");
            shell.shows("[y/N] ");
            // It has the lock while it asks, so that what it asks about stays what it is.
            assert_eq!(case.job.applied("--resume -n").code, Some(75));
            shell.types(if answer == "\x04" { answer } else { "x" });
            if answer != "\x04" {
                shell.types(&format!("\x7f{answer}\n"));
            }
        }
        shell.shows("$ ");
        shell.types("echo code $?\n");
        shell.shows(&format!("code {code}\r\n"));
        if code == 0 {
            assert!(!case.job.session_file().exists() && !case.job.state().join("logs/job").exists());
            case.put("good");
            assert!(!case.job.must_apply("").contains("recovered"));
            assert_eq!(case.job.session()["attempts"][0]["number"], 1);
        } else {
            assert_eq!(Footprint::of(&case.job.session_file()), before);
        }
    }
}

#[test]
fn reset_waits_for_who_runs_the_job_and_sets_aside_what_it_left() {
    let mut case = Case::new();
    let running = case.in_step(case.job.apply(""));
    let reset = Running::waiting(case.job.session_verb("reset --yes job"));
    let before = case.job.session();
    assert_eq!(before["status"], "in_progress");
    case.go.let_go();
    assert_eq!(running.end().code, Some(1));
    let Ended { code, err, .. } = reset.end();
    assert_eq!(code, Some(0), "{err}");
    assert!(!case.job.session_file().exists());
    let sessions = case.job.state().join("sessions");
    let kept = names_in(&sessions).pop().expect("kept");
    let kept: Value = serde_json::from_slice(&fs::read(sessions.join(kept)).expect("there")).expect("JSON");
    assert_eq!((&kept["status"], &kept["sessionId"]), (&"failed".into(), &before["sessionId"]));
}
