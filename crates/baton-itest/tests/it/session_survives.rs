//! The session's file is the old one or the new one, whole, whatever is killed at whatever moment, and whatever fails.
//!
//! The moments are all those before a system call: `strace` kills the writer at its first call of a kind, its second, …
//! until it comes through. It also makes single calls fail as a full or a broken disk does.

use baton_itest::footprint::names_in;
use baton_itest::places::{on_mounted, temporary};
use baton_itest::programs::helper;
use baton_itest::puppet::Puppet;
use baton_itest::skip::skip;
use baton_lock::session::{Session, Status, StepStatus, Store};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

/// All that a writer asks of the system where a file is concerned.
const CALLS: [&str; 18] = [
    "openat",
    "newfstatat",
    "fstat",
    "statx",
    "mkdir",
    "flock",
    "fcntl",
    "pread64",
    "pwrite64",
    "fchmod",
    "fsync",
    "renameat",
    "renameat2",
    "unlinkat",
    "getdents64",
    "close",
    "getrandom",
    "write",
];

fn puppet(before: &[&str], state: &Path) -> Command {
    let program = helper("session_puppet");
    let mut command = match before {
        [] => Command::new(program),
        [wrapper, arguments @ ..] => {
            let mut command = Command::new(wrapper);
            command.args(arguments).arg(program);
            command
        }
    };
    command.arg("--state").arg(state).args(["--name", "job"]).stderr(Stdio::null());
    command
}

/// One that holds the lock and has started the session afresh.
fn started(before: &[&str], state: &Path) -> Puppet {
    let mut puppet = Puppet::start(puppet(before, state));
    for order in ["hold", "open", "fresh"] {
        let answer = puppet.tell(order);
        assert!(answer["error"].is_null(), "{order}: {answer}");
    }
    puppet
}

fn load(state: &Path) -> Option<Session> {
    let store = Store::in_directory(state, "job").expect("a name");
    store.load().unwrap_or_else(|error| panic!("{error}"))
}

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !found {
        skip("`strace` is not installed");
    }
    found
}

/// The last revision that a puppet said was written, if it was killed; `None` if it came through.
fn killed_at(state: &Path, call: &str, when: u32) -> Option<u64> {
    let inject = format!("inject={call}:signal=SIGKILL:when={when}");
    let trace = format!("trace={call}");
    let mut puppet =
        Puppet::start(puppet(&["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject], state));
    let mut written = 0;
    for order in
        ["hold", "open", "fresh", "start a", "complete a 100", "start b", "fail b", "start b", "release"]
    {
        let Some(answer) = puppet.tell_and_see(order) else { return Some(written) };
        assert!(answer["error"].is_null(), "{order}: {answer}");
        written = answer["revision"].as_u64().unwrap_or(written);
    }
    None
}

#[test]
fn writer_killed_before_any_system_call_leaves_the_old_session_or_the_new_one() {
    if !has_strace() {
        return;
    }
    let (mut old, mut new, mut left_over) = (0, 0, 0);
    for call in CALLS {
        for when in 1.. {
            let place = temporary();
            let Some(written) = killed_at(place.path(), call, when) else { break };
            let found = load(place.path()).map_or(0, |session| session.revision());
            assert!(found == written || found == written + 1, "{call} {when}: {found} after {written}");
            old += u32::from(found == written);
            new += u32::from(found > written);
            let sessions = place.path().join("sessions");
            let is_left_over = |name: &String| name.starts_with(".job.json.");
            left_over += u32::from(sessions.exists() && names_in(&sessions).iter().any(is_left_over));
            carried_on(place.path(), found);
        }
    }
    // Each of 6 changes is killed before its write, its sync and its rename, and after.
    assert!(old > 50 && new > 20 && left_over > 20, "{old} {new} {left_over}");
}

/// The next holder finds the session, and nothing of the dead one's is left.
fn carried_on(state: &Path, found: u64) {
    let mut next = Puppet::start(puppet(&[], state));
    assert!(next.tell("hold")["held"].is_u64());
    assert_eq!(next.tell("open")["revision"], found);
    let order = if found == 0 { "fresh" } else { "begin" };
    assert_eq!(next.tell(order)["revision"], found + 1);
    assert_eq!(names_in(&state.join("sessions")), ["job.json"]);
}

/// No test can cut the power, but what survives it is decided by the order of these calls.
#[test]
fn content_is_synced_before_it_is_named_and_the_name_before_the_change_returns() {
    if !has_strace() {
        return;
    }
    let place = temporary();
    let log = place.path().join("calls");
    let log_name = log.to_str().expect("text");
    let wrapper = ["strace", "-y", "-o", log_name, "-e", "trace=pwrite64,fsync,renameat,renameat2,write"];
    let mut puppet = started(&wrapper, place.path());
    assert_eq!(puppet.tell("start a")["revision"], 2);
    let log = fs::read_to_string(log).expect("readable");
    let concerned = |line: &&str| line.contains("/sessions") || line.contains("revision");
    let calls: Vec<&str> = log.lines().filter(concerned).collect();
    let [.., written, synced, named, directory_synced, answered] = calls[..] else { panic!("{log}") };
    assert!(written.starts_with("pwrite64(") && written.contains(".tmp>"), "{written}");
    assert!(synced.starts_with("fsync(") && synced.contains(".tmp>"), "{synced}");
    assert!(named.starts_with("renameat(") && named.contains("\"job.json\""), "{named}");
    assert!(
        directory_synced.starts_with("fsync(") && directory_synced.contains("/sessions>"),
        "{directory_synced}"
    );
    assert!(answered.starts_with("write(1<"), "{answered}");
}

/// Whoever made the directory may have been killed before its name was synced; what was written into it after that was lost with it.
#[test]
fn directory_that_a_killed_one_made_is_made_durable_by_the_next() {
    if !has_strace() {
        return;
    }
    let place = temporary();
    let state = place.path().join("state");
    fs::create_dir_all(state.join("sessions")).expect("made");
    let log = place.path().join("calls");
    let log_name = log.to_str().expect("text");
    drop(started(&["strace", "-y", "-o", log_name, "-e", "trace=fsync,renameat"], &state));
    let log = fs::read_to_string(log).expect("readable");
    let is_synced = |line: &&str| line.starts_with("fsync(") && line.contains("/state>");
    let before_the_first: Vec<&str> = log.lines().take_while(|line| !line.contains("job.json")).collect();
    assert!(before_the_first.iter().any(is_synced), "{log}");
}

#[test]
fn call_that_fails_is_told_and_leaves_the_session_as_it_was() {
    if !has_strace() {
        return;
    }
    // The calls of the second change. Before it: the guard's and the record's, those of the first change, and an `fsync` each
    // for the names of the directory that was made and of the one that it was made in.
    for (call, error, when, cause) in [
        ("pwrite64", "ENOSPC", 4, "No space left"),
        ("pwrite64", "EDQUOT", 4, "quota"),
        ("pwrite64", "EIO", 4, "Input/output error"),
        ("fsync", "EIO", 5, "Input/output error"),
        ("fsync", "ENOSPC", 5, "No space left"),
        ("renameat", "EIO", 1, "Input/output error"),
        ("renameat", "ENOSPC", 1, "No space left"),
        ("fchmod", "EPERM", 4, "not permitted"),
    ] {
        let place = temporary();
        let state = place.path();
        let inject = format!("inject={call}:error={error}:when={when}");
        let wrapper =
            ["strace", "-o", "/dev/null", "-e", "trace=pwrite64,fsync,renameat,fchmod", "-e", &inject];
        let masked = ["sh", "-c", "umask 0277; exec \"$@\"", "sh"];
        let before: Vec<&str> = if call == "fchmod" {
            // Only then the mode has to be changed.
            masked.iter().chain(&wrapper).copied().collect()
        } else {
            wrapper.to_vec()
        };
        let mut puppet = started(&before, state);
        let file = state.join("sessions/job.json");
        let before = fs::read(&file).expect("written");
        let answer = puppet.tell("start a");
        assert_told(&answer, cause);
        assert_eq!(fs::read(&file).expect("there"), before, "{call} {error}");
        assert_eq!(names_in(&state.join("sessions")), ["job.json"], "{call} {error}");
        assert_eq!(puppet.tell("start a")["revision"], 2, "the next one comes through");
    }
}

#[track_caller]
fn assert_told(answer: &Value, cause: &str) {
    let error = &answer["error"];
    let text = error["text"].as_str().unwrap_or_else(|| panic!("no error: {answer}"));
    assert!(text.contains("/sessions/job.json`"), "{text}");
    let told = error["cause"].as_str().unwrap_or_default();
    assert!(told.to_lowercase().contains(&cause.to_lowercase()), "{answer}");
}

#[test]
fn directory_that_can_not_be_synced_is_told_and_the_new_session_is_there() {
    if !has_strace() {
        return;
    }
    let place = temporary();
    let wrapper = ["strace", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=6"];
    let mut puppet = started(&wrapper, place.path());
    let answer = puppet.tell("start a");
    assert_told(&answer, "Input/output error");
    assert!(answer["error"]["text"].as_str().expect("one").contains("make durable"), "{answer}");
    let session = load(place.path()).expect("one");
    assert_eq!(session.step("a").expect("there").status, StepStatus::InProgress);
    assert_eq!(puppet.tell("complete a 0")["revision"], 3, "the writer knows what is there");
}

#[test]
fn full_disk_is_told_with_the_way_out_and_the_session_stays() {
    let run = on_mounted("tmpfs", "size=32k,mode=0755", |root| {
        let mut puppet = started(&[], root);
        puppet.tell("start a");
        let before = load(root);
        let answer = puppet.tell("complete a 30000");
        assert_told(&answer, "No space left");
        assert!(answer["error"]["hint"].as_str().expect("one").contains("free some space"), "{answer}");
        assert_eq!(load(root), before);
        assert_eq!(names_in(&root.join("sessions")), ["job.json"]);
        assert!(puppet.tell("fail a")["revision"].is_u64(), "there is room for that");
        assert_eq!(load(root).expect("one").status(), Status::Failed);
    });
    if let Err(reason) = run {
        skip(&reason);
    }
}

#[test]
fn limit_for_the_size_of_files_is_told_and_kills_nobody() {
    let place = temporary();
    let mut puppet = started(&["prlimit", "--fsize=3000"], place.path());
    puppet.tell("start a");
    let before = load(place.path());
    let answer = puppet.tell("complete a 3000");
    assert_told(&answer, "File too large");
    assert!(answer["error"]["hint"].as_str().expect("one").contains("ulimit -f"), "{answer}");
    assert_eq!(load(place.path()), before);
    assert!(puppet.tell("complete a 10")["revision"].is_u64());
}

#[test]
fn directory_that_became_read_only_is_told_and_the_session_stays() {
    let place = temporary();
    // Permissions don't stop root, so that for root another user is the writer.
    let user = rustix::process::geteuid().is_root().then_some(65_534);
    chown(place.path(), user, user).expect("given away");
    let mut command = puppet(&[], place.path());
    command.args(user.map(|user| format!("--uid={user}")).iter().flat_map(|option| option.split('=')));
    let mut puppet = Puppet::start(command);
    for order in ["hold", "open", "fresh"] {
        puppet.tell(order);
    }
    let sessions = place.path().join("sessions");
    let before = fs::read(sessions.join("job.json")).expect("written");
    fs::set_permissions(&sessions, fs::Permissions::from_mode(0o500)).expect("set");
    let answer = puppet.tell("start a");
    assert_told(&answer, "Permission denied");
    assert_eq!(answer["error"]["kind"], "Unsafe");
    assert_eq!(fs::read(sessions.join("job.json")).expect("there"), before);
    fs::set_permissions(&sessions, fs::Permissions::from_mode(0o700)).expect("set");
    assert_eq!(puppet.tell("start a")["revision"], 2);
}
