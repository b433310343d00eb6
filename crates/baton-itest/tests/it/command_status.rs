//! `baton status`: every state that can be made here, in words and as JSON, each with its exit code; nothing is created and nobody is
//! disturbed by a look.

use baton_itest::bystander::Bystander;
use baton_itest::command::{
    Ended, OBEDIENT, Running, baton, ended, look, next, run, run_with, status, words_of,
};
use baton_itest::footprint::{Watch, all_in};
use baton_itest::handwritten::{NO_PROCESS, ancestors, make_old, put, put_record, with};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use serde_json::json;
use std::any::Any;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// Whoever keeps a state as it is.
type Keeper = Box<dyn Any>;

/// A state, its exit code, and what makes it.
type Case = (&'static str, i32, fn(&Path) -> Keeper);

const CASES: [Case; 11] = [
    ("free", 0, |_| Box::new(())),
    ("free", 0, |lock| {
        next(lock);
        Box::new(())
    }),
    ("left_over", 0, |lock| {
        ended(run("", lock, ["sh", "-c", "kill -9 $$"]));
        Box::new(())
    }),
    ("left_over", 0, |lock| {
        put(lock, "");
        make_old(lock);
        Box::new(())
    }),
    ("held", 75, |lock| Box::new(Running::holding(run("", lock, OBEDIENT)))),
    ("incomplete", 75, |lock| {
        put(lock, "{\n  \"pid\": 41");
        Box::new(())
    }),
    ("foreign_flock", 75, |lock| Box::new(Bystander::flocking(lock))),
    ("open_elsewhere", 75, |lock| {
        put(lock, "");
        make_old(lock);
        Box::new(Bystander::having_open(lock))
    }),
    ("ancestor_alive", 75, |lock| Box::new(Puppet::holding("v1", lock))),
    ("not_a_lock_file", 65, |lock| {
        put(lock, "#!/bin/sh\n");
        Box::new(())
    }),
    ("unsafe", 73, |lock| {
        symlink("elsewhere", lock).expect("linked");
        Box::new(())
    }),
];

#[test]
fn every_state_has_its_word_its_exit_code_and_a_way_forward() {
    for (word, code, make) in CASES {
        let (place, lock) = new_lock();
        let _keeper = make(&lock);
        let before = all_in(place.path());
        let changes = Watch::of_changes(place.path());
        let Ended { code: actual, out, err, .. } = ended(look("status --json", &lock));
        assert_eq!((actual, err.as_str()), (Some(code), ""), "{word}: {out}");
        let seen: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((&seen["schema"], &seen["state"]), (&json!(1), &json!(word)), "{seen:#}");
        assert_eq!((&seen["obtainable"], &seen["naming"]), (&json!(code == 0), &json!("record")), "{seen:#}");
        assert_eq!(seen["lock"], lock.to_str().expect("text"));
        let text = ended(look("status", &lock));
        assert_eq!((text.code, text.err.as_str()), (Some(code), ""), "{word}");
        assert!(seen["reason"].is_string() && seen["advice"].is_string(), "{seen:#}");
        assert!(
            text.out.contains("\nhint: ") && text.out.contains(lock.to_str().expect("text")),
            "{}",
            text.out
        );
        assert_eq!(all_in(place.path()), before, "{word}: nothing is created");
        assert_eq!(changes.noted(), [], "{word}: nor for a moment");
    }
}

#[test]
fn lock_in_a_directory_that_does_not_exist_is_free() {
    let place = temporary();
    let Ended { code, out, .. } = ended(look("status", place.path().join("none/a.lock")));
    assert_eq!(code, Some(0), "{out}");
    assert!(fs::read_dir(place.path()).expect("readable").next().is_none());
}

#[test]
fn error_is_told_as_json_too() {
    let place = temporary();
    fs::write(place.path().join("file"), "").expect("written");
    let Ended { code, out, err, .. } = ended(look("status --json", place.path().join("file/a.lock")));
    assert_eq!(code, Some(73), "{err}");
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["schema"], 1);
    assert!(told["error"].is_string() && told["hint"].is_string() && err.contains("error: "), "{told}");
}

/// Whoever asks is not to be in the way of whoever acts.
#[test]
fn looks_never_make_a_free_lock_busy_or_a_holder_unsure() {
    let (_place, lock) = new_lock();
    next(&lock);
    let mut looking = Command::new("sh");
    let script = r#"until test -e "$0"; do "$@" >/dev/null; done; exit 0"#;
    let stop = lock.with_file_name("stop");
    looking.args(["-c", script]).arg(&stop).arg(baton().get_program()).arg("status").arg(&lock);
    let looking = Running::start(looking);
    for _ in 0..40 {
        let Ended { code, err, .. } = ended(run("-n --close", &lock, ["true"]));
        assert_eq!((code, err.as_str()), (Some(0), ""));
    }
    fs::write(stop, "").expect("written");
    let Ended { code, err, .. } = looking.end();
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(next(&lock).is_fresh());
}

#[test]
fn status_lists_who_has_it_with_their_commands() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run_with(["--purpose", "release 4.2"], &lock, OBEDIENT));
    let out = ended(look("status", &lock)).out;
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].contains(&format!("is held by pid {} (", holder.pid())), "{out}");
    let has_it: Vec<&&str> = lines.iter().filter(|line| line.starts_with("  has it: pid ")).collect();
    assert_eq!(has_it.len(), 2, "baton and its job: {out}");
    assert!(lines.last().is_some_and(|line| line.contains(&format!("`baton wait {}`", lock.display()))));
}

const HOSTILE: &str = "a\u{1b}[2J\u{7}\nbaton: forged \u{202e}\u{9b}31m";

/// Anybody who can write to the directory can write a record, and it ends up on somebody's terminal or in a log.
#[test]
fn hostile_record_is_never_shown_raw() {
    let living = with(ancestors(std::process::id()), json!({ "command": HOSTILE, "hostIdentity": HOSTILE }));
    let dead = with(
        ancestors(NO_PROCESS),
        json!({ "command": HOSTILE, "baton": { "version": 1, "host": HOSTILE, "user": HOSTILE, "purpose": HOSTILE, "token": 5 } }),
    );
    for record in [living, dead] {
        let place = temporary();
        let lock = place.path().join("a\u{1b}[31m.lock");
        put_record(&lock, &record);
        let mut said = Vec::new();
        for command in [
            look("status", &lock),
            look("status --json", &lock),
            look("wait -n", &lock),
            run("-n", &lock, ["no-such-program"]),
            run_with(["-n", "--on-recovered", "false"], &lock, ["true"]),
            run("-n", &lock, ["true"]),
        ] {
            let Ended { out, err, .. } = ended(command);
            said.extend([out, err]);
        }
        for text in said {
            let is_raw = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(is_raw), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with("baton: forged")), "{text:?}");
        }
    }
}

#[test]
fn json_of_a_hostile_record_means_what_is_on_the_disk() {
    let (_place, lock) = new_lock();
    put_record(&lock, &with(ancestors(NO_PROCESS), json!({ "command": HOSTILE })));
    assert_eq!(status(&lock)["record"]["command"], HOSTILE);
}

#[test]
fn job_still_gets_a_hostile_record_as_it_is() {
    let (_place, lock) = new_lock();
    put_record(&lock, &with(ancestors(NO_PROCESS), json!({ "command": HOSTILE })));
    assert_eq!(next(&lock).previous.expect("recovered")["command"], HOSTILE);
}

#[test]
fn closed_pipe_is_nobodys_failure() {
    let (_place, lock) = new_lock();
    let lines: [&[&str]; 7] = [
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["status", "./a.lock"],
        &["status", "--json", "./a.lock"],
        &["wait", "./a.lock"],
        &["run", "./a.lock", "--", "true"],
    ];
    for line in lines {
        for how in ["closed pipe", ">&- 2>&-"] {
            let mut command = Command::new("sh");
            let script =
                if how == "closed pipe" { r#"read -r _; exec "$@""# } else { r#"exec "$@" >&- 2>&-"# };
            command.args(["-c", script, "sh"]).arg(baton().get_program()).args(line);
            command.current_dir(lock.parent().expect("a directory"));
            let mut running = Running::start(command);
            running.stop_listening();
            assert_eq!(running.end().code, Some(0), "{line:?} {how}");
        }
    }
}

#[test]
fn failure_that_nobody_can_be_told_keeps_its_exit_code() {
    let (_place, lock) = new_lock();
    let _holder = Running::holding(run("", &lock, OBEDIENT));
    for (command, code) in [
        (look("status", &lock), 75),
        (look("wait -n", &lock), 75),
        (run("-n", &lock, ["true"]), 75),
        (run("-w 30ms", &lock, ["true"]), 75),
        (run("--frobnicate", &lock, ["true"]), 2),
    ] {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"read -r _; exec "$@""#, "sh"]).args(words_of(&command));
        let mut running = Running::start(shell);
        running.stop_listening();
        assert_eq!(running.end().code, Some(code), "{command:?}");
    }
}

/// A job that must not see a signal that only its wrapper's output caused.
#[test]
fn job_runs_to_its_end_though_nobody_reads_the_wrappers_messages() {
    let (place, lock) = new_lock();
    ended(run("", &lock, ["sh", "-c", "kill -9 $$"]));
    let mark = place.path().join("mark");
    let mut shell = Command::new("sh");
    let job = run("", &lock, ["touch", mark.to_str().expect("text")]);
    shell.args(["-c", r#"read -r _; exec "$@""#, "sh"]).args(words_of(&job));
    let mut running = Running::start(shell);
    running.stop_listening();
    assert_eq!(running.end().code, Some(0));
    assert!(mark.exists());
    assert_eq!(status(&lock)["state"], "free");
}

fn help(words: &[&str], columns: &str) -> String {
    let mut command = baton();
    command.args(words).arg("--help").env("COLUMNS", columns);
    let Ended { code, out, err, .. } = ended(command);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{words:?}");
    out
}

/// History: paragraphs that were broken by hand and then wrapped again had every second line of two words.
#[test]
fn help_has_examples_and_fits_the_terminal() {
    for words in [&[][..], &["run"], &["status"], &["wait"]] {
        let wide = help(words, "100");
        assert!(wide.contains("Examples:\n  baton ") && !wide.contains('\u{1b}'), "{wide}");
        let lines = wide.lines().chain(["", ""]).collect::<Vec<&str>>();
        for pair in lines.windows(2) {
            let is_prose = |line: &str| line.starts_with(|c: char| c.is_alphanumeric());
            let is_broken = is_prose(pair[0]) && is_prose(pair[1]) && pair[0].chars().count() < 80;
            assert!(!is_broken, "{pair:?} in {wide}");
        }
    }
    let narrow = help(&[], "80");
    assert!(narrow.contains(" -n -E 0 "), "cron's skip-if-busy is among the examples: {narrow}");
    let examples =
        narrow.split_once("Examples:\n").expect("there are").1.split_once("\n\n").expect("they end").0;
    assert!(examples.lines().all(|line| line.starts_with("  baton ")), "a line each: {examples}");
}
