//! What the job finds: the lock, its token and the last holder's end in its environment, its own command line in the record; and
//! where a lock is that was given by name.

use baton_itest::command::{
    Ended, OBEDIENT, Running, baton, ended, look, next, run, run_with, status, without_notice, words_of,
};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// Prints what it has of Baton's in its environment, a line each, sorted.
const ENVIRONMENT: [&str; 3] = ["sh", "-c", "env | grep ^BATON_ | sort"];

#[test]
fn job_gets_the_absolute_path_of_its_lock_however_that_was_given() {
    let (place, lock) = new_lock();
    fs::create_dir(place.path().join("sub")).expect("made");
    for given in ["./a.lock", "sub/../a.lock", lock.to_str().expect("text")] {
        let mut command = run("", given, ["sh", "-c", "echo $BATON_LOCK"]);
        command.current_dir(place.path());
        let path = PathBuf::from(ended(command).out.trim_end());
        assert!(path.is_absolute(), "{}", path.display());
        let parent = path.parent().and_then(|parent| parent.canonicalize().ok());
        assert_eq!(parent.as_deref(), place.path().canonicalize().ok().as_deref(), "{given}");
        assert_eq!(path.file_name(), lock.file_name());
    }
}

#[test]
fn every_job_gets_a_larger_token_than_the_one_before() {
    let (_place, lock) = new_lock();
    let mut last = 0;
    for _ in 0..5 {
        let token = next(&lock).token;
        assert!(token > last, "{token} after {last}");
        last = token;
        // Nor does a death, or a job that can't be started, bring an earlier one back.
        ended(run("", &lock, ["sh", "-c", "kill -9 $$"]));
        ended(run("", &lock, ["no-such-program"]));
    }
}

#[test]
fn job_is_told_of_the_last_holder_only_if_that_did_not_end_cleanly() {
    let (_place, lock) = new_lock();
    let dead = Running::holding(run_with(["--purpose", "release 4.2"], &lock, OBEDIENT));
    let record: Value = serde_json::from_slice(&fs::read(&lock).expect("published")).expect("JSON");
    dead.kill_all();
    let second = next(&lock);
    assert_eq!(second.recovered_from(), Some(dead.pid()));
    assert_eq!(second.previous, Some(record), "the whole record, as it was");
    assert!(second.err.contains(&format!("did not end cleanly: pid {} (", dead.pid())), "{}", second.err);
    let third = next(&lock);
    assert!(third.is_fresh(), "{third:?}");
    assert_eq!(third.err, "");
}

#[test]
fn variables_of_an_outer_lock_never_reach_an_inner_job() {
    let (place, outer) = new_lock();
    let inner = place.path().join("inner.lock");
    ended(run("", &outer, ["sh", "-c", "kill -9 $$"]));
    let mut job = Command::new("sh");
    job.args(["-c", r#"env | grep -c ^BATON_PREVIOUS=; exec "$@""#, "sh"]);
    job.args(words_of(&run("", &inner, ENVIRONMENT)));
    let Ended { code, out, err, .. } = ended(run("", &outer, words_of(&job)));
    assert_eq!(code, Some(0), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "1", "the outer job is told");
    assert_eq!(lines[1], format!("BATON_LOCK={}", inner.display()));
    assert_eq!(lines[2], "BATON_OUTCOME=fresh");
    assert!(lines[3].starts_with("BATON_TOKEN=") && lines.len() == 4, "{lines:?}");
}

#[test]
fn job_has_the_arguments_directory_and_descriptors_that_it_was_given() {
    let (place, lock) = new_lock();
    let script = r#"printf '<%s>' "$@"; pwd; read -r line; echo "$line"; echo err >&2"#;
    let odd = ["a b", "", "*", "--", "-n", "$HOME", "ü\n"];
    let mut command = run("", &lock, ["sh", "-c", script, "sh"].iter().chain(&odd));
    command.current_dir(place.path());
    let mut running = Running::start(command);
    running.tell("input");
    let Ended { code, out, err, .. } = running.end();
    let directory = place.path().canonicalize().expect("there");
    let said = format!("<{}>", odd.join("><"));
    assert_eq!((code, err.as_str()), (Some(0), "err\n"));
    assert_eq!(out, format!("{said}{}\ninput\n", directory.display()));
}

#[test]
fn record_names_the_job_and_why_it_runs_and_goes_with_it() {
    let (place, lock) = new_lock();
    let holder = Running::holding(run_with(["--purpose", "release 4.2"], &lock, OBEDIENT));
    let record = status(&lock)["record"].clone();
    assert_eq!(record["pid"], holder.pid());
    assert!(record["command"].as_str().is_some_and(|text| text.starts_with("sh -c ")), "{record}");
    assert_eq!(record["baton"]["purpose"], "release 4.2");
    assert!(record["baton"].get("exec").is_none(), "{record}");
    holder.end();
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

/// Anybody may read a process table; a record lies on the disk, and `status` output ends in tickets.
#[test]
fn secrets_of_the_command_line_are_neither_in_the_record_nor_in_any_message() {
    const SECRETS: [&str; 4] = ["hunter2a", "hunter2b", "hunter2c", "hunter2d"];
    let (place, lock) = new_lock();
    let script = "echo in; read -r code; exit ${code:-0}";
    let job = [
        "sh",
        "-c",
        script,
        "deploy",
        "--token",
        "hunter2a",
        "FOO_TOKEN=hunter2b",
        "--password=hunter2c",
        "https://user:hunter2d@example.com/x",
    ];
    let holder = Running::holding(run("", &lock, job));
    let mut texts = vec![
        fs::read_to_string(&lock).expect("published"),
        ended(look("status", &lock)).out,
        ended(look("status --json", &lock)).out,
        ended(run("-n", &lock, ["true"])).err,
        ended(run("-w 10ms", &lock, ["true"])).err,
        ended(look("wait -n", &lock)).err,
    ];
    let report = place.path().join("report");
    ended(run(&format!("-n --report {}", report.display()), &lock, ["true"]));
    texts.push(fs::read_to_string(report).expect("written"));
    // Also of a job whose wrapper is gone, which is shown from the process table.
    holder.kill();
    texts.push(ended(look("status", &lock)).out);
    holder.kill_all();
    texts.push(next(&lock).err);
    for text in texts {
        assert!(text.contains("deploy") && !text.is_empty(), "it names the job: {text}");
        assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{text}");
    }
}

fn in_home(place: &Path, variables: &[(&str, &str)], lock: &str) -> Ended {
    let mut command = run("", lock, ["sh", "-c", "echo $BATON_LOCK"]);
    command.env_remove("HOME");
    for (name, directory) in variables {
        command.env(name, place.join(directory));
    }
    ended(command)
}

#[test]
fn name_is_a_lock_in_the_most_specific_state_directory() {
    let place = temporary();
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[("HOME", "h")], "h/.local/state/baton/locks"),
        (&[("HOME", "h"), ("XDG_STATE_HOME", "x")], "x/baton/locks"),
        (&[("HOME", "h"), ("XDG_STATE_HOME", "x"), ("BATON_DIR", "b")], "b/locks"),
    ];
    for (variables, directory) in cases {
        let directory = place.path().join(directory);
        let Ended { code, out, err, .. } = in_home(place.path(), variables, "deploy-prod_2.1");
        assert_eq!(code, Some(0), "{err}");
        assert_eq!(Path::new(out.trim_end()), directory.join("deploy-prod_2.1"));
        assert_eq!(names_in(&directory), ["deploy-prod_2.1.guard"]);
    }
}

/// What is in it names users, commands and purposes; and whoever may write there could end the exclusion.
#[test]
fn state_directory_is_created_for_its_owner_alone_whatever_the_umask() {
    let place = temporary();
    let state = place.path().join("state/baton");
    let mut command = without_notice(Command::new("sh"));
    command.args(["-c", r#"umask 0; exec "$0" run deploy -- true"#]);
    command.arg(baton().get_program()).env("BATON_DIR", &state);
    let Ended { code, err, .. } = ended(command);
    assert_eq!(code, Some(0), "{err}");
    for directory in [state.clone(), state.join("locks"), place.path().join("state")] {
        let mode = fs::metadata(&directory).expect("created").permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{}", directory.display());
    }
}

#[test]
fn looking_at_a_name_creates_no_state_directory() {
    let place = temporary();
    for verb in ["status", "status --json", "wait", "wait -n"] {
        let mut command = look(verb, "deploy");
        command.env("BATON_DIR", place.path().join("state"));
        assert_eq!(ended(command).code, Some(0), "{verb}");
        assert!(names_in(place.path()).is_empty(), "{verb}");
    }
}
