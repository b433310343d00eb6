//! `baton break`: exactly the holder with that token is ended, whoever its record names, and nobody else.
//!
//! History: `kill $(jq .pid x.lock)` ends whoever has that pid by now, leaves the job of a killed wrapper at work, and is answered by
//! nobody who is stopped; `rm x.lock` ends nobody at all.

use baton_itest::command::{
    Ended, OBEDIENT, Running, baton, ended, look, next, next_by, run, seen, status, without_notice, words_of,
};
use baton_itest::places::temporary;
use baton_itest::skip::skip;
use baton_itest::stream::await_stop;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Any user that is not the one who runs the tests.
const STRANGER: u32 = 65_534;

/// A job with a process of its own in the background; both have inherited the lock.
const TWO: [&str; 3] = ["sh", "-c", r"sh -c 'echo in; exec sleep 600' & read -r _"];

/// A job that takes no notice of SIGTERM.
const STUBBORN: [&str; 3] =
    ["sh", "-c", "trap '' TERM; echo in; while :; do read -r _ || exec sleep 600; done"];

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// `baton break OPTIONS --token TOKEN --json LOCK`, with a state directory beside the lock.
fn breaking(options: &str, token: u64, lock: &Path) -> Command {
    let mut command = baton();
    command.env("BATON_DIR", lock.with_file_name("state"));
    command.arg("break").args(options.split_ascii_whitespace());
    command.args(["--json", "--token", &token.to_string()]).arg(lock);
    command
}

/// Breaks, and what it says of it.
#[track_caller]
fn broken(options: &str, token: u64, lock: &Path) -> (Option<i32>, Value) {
    let Ended { code, out, err, .. } = ended(breaking(options, token, lock));
    let said = serde_json::from_str(&out).unwrap_or_else(|error| panic!("not JSON ({error}): {out}{err}"));
    (code, said)
}

#[track_caller]
fn token_of(lock: &Path) -> u64 {
    status(lock)["record"]["baton"]["token"].as_u64().expect("a token")
}

fn pids(list: &Value) -> Vec<u64> {
    let mut pids: Vec<u64> =
        list.as_array().expect("a list").iter().filter_map(|process| process["pid"].as_u64()).collect();
    pids.sort_unstable();
    pids
}

fn audit(lock: &Path) -> Vec<Value> {
    let text = fs::read_to_string(lock.with_file_name("state/breaks.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A process that has nothing to do with any lock.
fn innocent() -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", "echo in; read -r code; exit $code"]);
    Running::holding(command)
}

/// Writes another pid into a record that is there, without giving it another inode.
#[track_caller]
fn rename_holder(record: &Path, pid: u32) {
    let mut content: Value = serde_json::from_slice(&fs::read(record).expect("there")).expect("JSON");
    content["pid"] = json!(pid);
    fs::write(record, format!("{content:#}")).expect("written");
}

#[test]
fn wrapper_and_job_are_ended_and_the_next_one_is_told() {
    for flag in ["", "--flock"] {
        let (_place, lock) = new_lock();
        let holder = Running::holding(run(flag, &lock, TWO));
        let before = seen(flag, &lock);
        assert_eq!(before["processes"].as_array().map(Vec::len), Some(3), "{before:#}");
        let token = before["record"]["baton"]["token"].as_u64().expect("a token");
        assert!(before["advice"].as_str().is_some_and(|advice| advice.contains(&format!("--token {token}"))));
        let (code, said) = broken(flag, token, &lock);
        assert_eq!(
            (code, &said["result"], &said["killed"]),
            (Some(0), &json!("ended"), &json!(false)),
            "{said:#}"
        );
        assert_eq!(pids(&said["signalled"]), pids(&before["processes"]));
        assert_eq!(holder.ends().code, Some(143));
        assert_eq!(next_by(flag, &lock).outcome, "recovered");
        let [begun, done] = &audit(&lock)[..] else { panic!("two lines: {:?}", audit(&lock)) };
        assert_eq!((&begun["event"], &done["event"]), (&json!("begun"), &json!("ended")));
        assert_eq!((&begun["token"], &begun["lock"]), (&json!(token), &json!(lock)));
        assert_eq!(pids(&begun["processes"]), pids(&before["processes"]));
    }
}

#[test]
fn job_and_what_it_left_behind_are_ended_when_the_wrapper_is_dead() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, TWO));
    holder.kill();
    let before = pids(&status(&lock)["processes"]);
    assert_eq!(before.len(), 2);
    let (code, said) = broken("", token_of(&lock), &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("ended")), "{said:#}");
    assert_eq!(pids(&said["signalled"]), before);
    assert_eq!(next(&lock).recovered_from(), Some(holder.pid()));
}

#[test]
fn waiter_gets_the_lock_of_the_one_that_is_ended() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock);
    let mut waiter = Running::waiting(run("", &lock, OBEDIENT));
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("ended")), "{said:#}");
    assert_eq!(holder.ends().code, Some(143));
    assert_eq!(waiter.says(), "in");
    assert!(token_of(&lock) > token);
    // The next one is not the one that was meant.
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(65), &json!("other_token")), "{said:#}");
    assert_eq!(waiter.end().code, Some(0));
}

#[test]
fn another_token_ends_nobody() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock);
    for other in [0, 1, token - 1, token + 1, u64::MAX] {
        let (code, said) = broken("", other, &lock);
        assert_eq!((code, &said["result"]), (Some(65), &json!("other_token")), "{said:#}");
        assert!(
            said["error"]["hint"].as_str().is_some_and(|hint| hint.contains(&token.to_string())),
            "{said:#}"
        );
    }
    assert_eq!(audit(&lock), [] as [Value; 0]);
    assert_eq!(holder.end_with(3).code, Some(3), "it was left alone");
}

#[test]
fn free_and_left_over_locks_need_no_breaking() {
    let (_place, lock) = new_lock();
    assert_eq!(broken("", 7, &lock).0, Some(0), "nobody was ever there");
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock);
    holder.kill_all();
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("already_ended")), "{said:#}");
    assert_eq!(next(&lock).recovered_from(), Some(holder.pid()), "the death is still told");
    assert_eq!(broken("", token, &lock).0, Some(0));
    assert_eq!(audit(&lock), [] as [Value; 0]);
}

#[test]
fn stopped_holder_is_woken_to_end_in_its_own_way() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let job = holder.children()[0];
    holder.send_to_all(Signal::SIGSTOP);
    [holder.pid(), job].into_iter().for_each(await_stop);
    let (code, said) = broken("--grace 1h", token_of(&lock), &lock);
    assert_eq!(
        (code, &said["result"], &said["killed"]),
        (Some(0), &json!("ended"), &json!(false)),
        "{said:#}"
    );
    assert_eq!(holder.ends().code, Some(143));
    assert_eq!(next(&lock).outcome, "recovered");
}

#[test]
fn holder_that_takes_no_notice_is_killed_after_the_grace_time() {
    for grace in ["100ms", "0"] {
        let (_place, lock) = new_lock();
        let mut holder = Running::holding(run("", &lock, STUBBORN));
        holder.close_input();
        let (code, said) = broken(&format!("--grace {grace}"), token_of(&lock), &lock);
        assert_eq!(
            (code, &said["result"], &said["killed"]),
            (Some(0), &json!("ended"), &json!(true)),
            "{said:#}"
        );
        assert_eq!(next(&lock).outcome, "recovered");
    }
}

#[test]
fn signal_that_is_asked_for_is_the_one_that_comes() {
    let (_place, lock) = new_lock();
    let job = ["sh", "-c", "trap 'exit 9' USR1; echo in; while :; do read -r _ || exec sleep 600; done"];
    let holder = Running::holding(run("--exec", &lock, job));
    let (code, said) = broken("--signal usr1 --grace 1h", token_of(&lock), &lock);
    assert_eq!((code, &said["killed"]), (Some(0), &json!(false)), "{said:#}");
    assert_eq!(holder.ends().code, Some(9));
    for wrong in ["STOP", "CONT", "0", "99"] {
        assert_eq!(ended(breaking(&format!("--signal {wrong}"), 1, &lock)).code, Some(2), "{wrong}");
    }
}

#[test]
fn process_that_a_record_names_survives_unless_it_has_the_lock() {
    let (_place, lock) = new_lock();
    let innocent = innocent();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock);
    rename_holder(&lock, innocent.pid());
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("ended")), "{said:#}");
    assert!(!pids(&said["signalled"]).contains(&u64::from(innocent.pid())), "{said:#}");
    assert_eq!(holder.ends().code, Some(143));
    // The same of one that is left over: nobody has it.
    rename_holder(&lock, innocent.pid());
    assert_eq!(broken("", token, &lock).0, Some(0));
    assert_eq!(innocent.end_with(5).code, Some(5));
}

#[test]
fn nobody_breaks_the_job_in_which_it_runs_itself() {
    let (place, lock) = new_lock();
    let (program, state) = (baton_itest::programs::baton(), place.path().join("state"));
    let script = r#"BATON_DIR="$2" "$1" break --token "$BATON_TOKEN" "$BATON_LOCK"; echo "said $?""#;
    let job: [&std::ffi::OsStr; 6] =
        ["sh".as_ref(), "-c".as_ref(), script.as_ref(), "sh".as_ref(), program.as_ref(), state.as_ref()];
    // Without the wrapper the shell itself has it.
    for options in ["", "--exec", "--close"] {
        let Ended { code, out, err, .. } = ended(run(options, &lock, job));
        assert_eq!((code, out.as_str()), (Some(0), "said 75\n"), "{err}");
        assert!(err.contains("this command runs inside its job"), "{err}");
    }
}

#[test]
fn what_has_no_token_is_not_broken() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock);
    // Without its record nothing says whose lock on the guard that is.
    fs::remove_file(&lock).expect("removed");
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(75), &json!("nameless")), "{said:#}");
    assert_eq!(holder.end_with(4).code, Some(4));
    let client = innocent();
    let record = json!({ "pid": client.pid(), "startedAt": null, "command": "onboard" });
    baton_itest::handwritten::put_record(&lock, &record);
    let (code, said) = broken("", token, &lock);
    assert_eq!((code, &said["result"]), (Some(75), &json!("nameless")), "{said:#}");
    assert_eq!(client.end_with(6).code, Some(6));
}

#[test]
fn lock_whose_guard_was_deleted_is_broken_by_its_record() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    fs::remove_file(lock.with_file_name("a.lock.guard")).expect("removed");
    let (code, said) = broken("", token_of(&lock), &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("ended")), "{said:#}");
    assert_eq!(holder.ends().code, Some(143));
}

/// A command as the first process of a pid namespace of its own, which ends with `unshare`.
fn isolated(command: &Command) -> Command {
    let mut unshare = without_notice(Command::new("unshare"));
    unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).args(words_of(command));
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            unshare.env(name, value);
        }
    }
    unshare
}

fn no_namespace() -> bool {
    let Ended { code, err, .. } = ended(isolated(&Command::new("true")));
    if code != Some(0) {
        skip(&format!("no pid namespace: {}", err.trim()));
    }
    code != Some(0)
}

/// The wrapper is killed, its job lives on, and another process is given the wrapper's id.
#[test]
fn process_that_was_given_the_id_of_a_dead_holder_survives() {
    if no_namespace() {
        return;
    }
    let (place, lock) = new_lock();
    let script = r#"
        baton=$0 lock=$1
        mkfifo fifo; exec 9<>fifo
        "$baton" run "$lock" -- sh -c 'echo $BATON_TOKEN >token; echo in; exec sleep 600' >fifo &
        wrapper=$!
        read -r _ <&9
        kill -KILL $wrapper; wait $wrapper
        tries=0
        while [ $tries -lt 200 ]; do
            tries=$((tries + 1))
            echo $((wrapper - 1)) >/proc/sys/kernel/ns_last_pid || exit 99
            sleep 600 9<&- &
            heir=$!
            [ $heir = $wrapper ] && break
            kill -KILL $heir; wait $heir
        done
        [ $heir = $wrapper ] || exit 98
        "$baton" break --json --token "$(cat token)" "$lock"
        code=$?
        kill -0 $heir && echo "survived $code"
        kill -KILL $heir"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(baton_itest::programs::baton()).arg(&lock);
    let mut command = isolated(&command);
    command.current_dir(place.path()).env("BATON_DIR", place.path().join("state"));
    let Ended { code, out, err, .. } = ended(command);
    if code == Some(99) {
        skip(&format!("ids can't be chosen here: {}", err.trim()));
        return;
    }
    let (said, survived) = out.rsplit_once("survived").unwrap_or_else(|| panic!("{code:?} {out} {err}"));
    assert_eq!(survived, " 0\n");
    let said: Value = serde_json::from_str(said).expect("JSON");
    assert_eq!(said["signalled"].as_array().map(Vec::len), Some(1), "the job alone: {said:#}");
    assert_eq!(next(&lock).outcome, "recovered");
}

#[test]
fn holder_in_a_container_is_ended_from_outside_and_not_the_other_way_round() {
    if no_namespace() {
        return;
    }
    let (_place, lock) = new_lock();
    let holder = Running::holding(isolated(&run("", &lock, OBEDIENT)));
    let (code, said) = broken("", token_of(&lock), &lock);
    assert_eq!((code, &said["result"]), (Some(0), &json!("ended")), "{said:#}");
    assert!(holder.ends().out.is_empty());
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let Ended { code, out, .. } = ended(isolated(&breaking("", token_of(&lock), &lock)));
    assert!(code == Some(75) && out.contains("can be seen from here"), "{out}");
    assert_eq!(holder.end_with(3).code, Some(3));
}

/// As another user, who may not be able to reach the program where it was built: from a copy of it in `place`.
fn by_stranger(user: u32, command: &Command, place: &Path) -> Command {
    let copy = place.join("baton");
    fs::copy(command.get_program(), &copy).expect("copied");
    let mut setpriv = without_notice(Command::new("setpriv"));
    let id = user.to_string();
    setpriv.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(copy).args(command.get_args());
    setpriv
}

/// Becomes another user, and keeps byte 0 of a file locked, as a holder does, until its input ends.
const LOCKING: &str = "import fcntl, os, struct, sys; user = int(sys.argv[2]); \
    os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user); \
    file = os.open(sys.argv[1], os.O_RDWR); \
    fcntl.fcntl(file, 37, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 1, 0)); print('in', flush=True); sys.stdin.read()";

/// A process of that user that has byte 0 of a file locked.
#[track_caller]
fn locking(path: &Path, user: u32) -> Running {
    let mut python = Command::new("python3");
    python.args(["-c", LOCKING]).arg(path).arg(user.to_string());
    Running::holding(python)
}

#[test]
fn record_forged_by_another_user_ends_nobody() {
    if !nix::unistd::geteuid().is_root() {
        skip("not root: there is no second user to forge a record");
        return;
    }
    let (place, lock) = new_lock();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o1777)).expect("sticky");
    let innocent = innocent();
    let record = json!({ "pid": innocent.pid(), "startedAt": null, "command": "x",
        "baton": { "version": 1, "token": 7 } });
    let forge = |path: &Path, owner: u32| {
        fs::write(path, format!("{record:#}")).expect("written");
        chown(path, Some(owner), Some(owner)).expect("given away");
        locking(path, owner)
    };
    // In default naming a lock belongs to one user.
    let forger = forge(&lock, STRANGER);
    let Ended { code, err, .. } = ended(breaking("", 7, &lock));
    assert!(code == Some(73) && err.contains("belongs to"), "{err}");
    // So also where the guard is ours, and locked.
    fs::write(lock.with_file_name("a.lock.guard"), "").expect("written");
    let flocker = baton_itest::bystander::Bystander::flocking(&lock.with_file_name("a.lock.guard"));
    let (code, said) = broken("", 7, &lock);
    assert_eq!((code, &said["result"]), (Some(75), &json!("refused")), "{said:#}");
    flocker.end();
    assert_eq!(forger.end().code, Some(0), "not even the forger");
    // In flock naming another user may hold; a third one does not end that, and root ends that user's processes alone.
    let shared = place.path().join("shared");
    fs::write(&shared, "").expect("written");
    let forger = forge(&place.path().join("shared.holder"), STRANGER);
    let mut third = by_stranger(STRANGER - 1, &breaking("--flock", 7, &shared), place.path());
    third.env("BATON_DIR", place.path().join("third"));
    let Ended { code, out, err, .. } = ended(third);
    assert!(code == Some(75) && out.contains("\"refused\""), "{out}{err}");
    assert_eq!(forger.end().code, Some(0));
    let of_root = locking(&place.path().join("shared.holder"), 0);
    let (code, said) = broken("--flock", 7, &shared);
    assert_eq!((code, &said["result"]), (Some(75), &json!("refused")), "{said:#}");
    assert!(said["error"]["message"].as_str().is_some_and(|said| said.contains("not the record's owner")));
    assert_eq!(of_root.end().code, Some(0));
    let forger = forge(&place.path().join("shared.holder"), STRANGER);
    assert_eq!(broken("--flock", 7, &shared).0, Some(0));
    assert_eq!(forger.ends().signal, Some(15), "it really held");
    assert_eq!(innocent.end_with(5).code, Some(5));
}

#[test]
fn what_is_said_to_people_names_who_was_ended_and_what_to_do() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let token = token_of(&lock).to_string();
    let told = |token: &str| {
        let mut command = look("break", &lock);
        command.args(["--token", token]).env("BATON_DIR", lock.with_file_name("state"));
        ended(command)
    };
    let Ended { code, out, err, .. } = told("1");
    assert_eq!((code, out.as_str()), (Some(65), ""));
    assert!(err.contains("the holder with token 1 is gone") && err.contains("\nhint: wait for it"), "{err}");
    let Ended { code, out, err, .. } = told(&token);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(&format!("ended: pid {} (", holder.pid())) && out.ends_with(" is free\n"), "{out}");
}
