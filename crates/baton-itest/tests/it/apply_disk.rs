//! A full disk, directories that can't be written to, a limit for the size of files, a clock that jumps: `baton apply` says which file
//! and what to do, the session stays what it was byte for byte, and once the cause is gone the job goes on.

use baton_itest::command::{Ended, Running, ended, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::job::Job;
use baton_itest::places::on_mounted;
use baton_itest::skip::skip;
use baton_lock::clock;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// A step that notes that it ran, and then runs a script.
fn step(id: &str, script: &str) -> String {
    format!("[[step]]\nid = '{id}'\nrun = '''echo {id} >>ledger; {script}'''\n")
}

/// Notes the session as it is while the step runs.
const SEE: &str = "cp \"$BATON_DIR/sessions/job.json\" seen;";
/// Takes all that is free in the state directory.
const FILL: &str = "cat /dev/zero >\"$BATON_DIR/fill\" 2>/dev/null;";

/// Ends with this code, and says all of that on standard error.
#[track_caller]
fn must_say(ended: &Ended, code: i32, texts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{:?}: {}{}", ended.signal, ended.out, ended.err);
    for text in texts {
        assert!(ended.err.contains(text), "{text:?} is not in {}", ended.err);
    }
}

/// A job whose state directory is on a small tmpfs of its own.
fn on_small_disk(steps: &str, act: impl FnOnce(&Job) + Send) {
    let job = Job::of(steps);
    let run = on_mounted("tmpfs", "size=96k,mode=0700", |root| {
        symlink(root, job.state()).expect("linked");
        act(&job);
    });
    if let Err(reason) = run {
        skip(&reason);
    }
}

#[test]
fn disk_that_a_step_has_filled_is_told_and_the_session_is_the_one_before() {
    let steps =
        step("a", "") + &step("b", &format!("{SEE} test -e seen2 || {FILL} mv seen seen2")) + &step("c", "");
    on_small_disk(&steps, |job| {
        let file = job.session_file();
        must_say(
            &job.applied(""),
            73,
            &[file.to_str().expect("text"), "No space left on device", "free some space"],
        );
        assert_eq!(fs::read(&file).expect("there"), fs::read(job.path("seen2")).expect("there"));
        assert_eq!(job.steps(), ["a complete", "b in_progress", "c pending"]);
        // Still full: nothing runs that could not be recorded, and nothing is lost.
        let before = fs::read(&file).expect("there");
        must_say(&job.applied("--resume"), 73, &["No space left on device", "free some space"]);
        must_say(&ended(job.undo("--yes")), 73, &["No space left on device", "free some space"]);
        assert_eq!(
            (fs::read(&file).expect("there"), job.lines("ledger")),
            (before, vec!["a".into(), "b".into()])
        );
        fs::remove_file(job.state().join("fill")).expect("removed");
        job.must_apply("--resume");
        assert_eq!(job.lines("ledger"), ["a", "b", "b", "c"]);
    });
}

#[test]
fn disk_that_is_full_for_the_log_alone_is_a_warning_and_the_step_goes_on() {
    let loud = format!("{FILL} seq 20000; rm \"$BATON_DIR/fill\"");
    on_small_disk(&step("a", &loud), |job| {
        let log = job.state().join("logs/job/1-a.log");
        let said = job.must_apply("");
        for text in
            ["warning: the log `", log.to_str().expect("text"), "is not whole: No space left on device"]
        {
            assert!(said.contains(text), "{text:?} is not in {said}");
        }
        assert_eq!(job.session()["status"], "complete");
    });
}

/// Runs it without the privilege of writing everywhere, if whoever runs the tests has that.
fn unprivileged(job: &Job, command: &Command) -> Command {
    let mut setpriv = baton_itest::command::without_notice(Command::new("setpriv"));
    if rustix::process::geteuid().is_root() {
        setpriv.arg("--bounding-set=-dac_override,-dac_read_search");
    }
    setpriv.args(words_of(command)).env("BATON_DIR", job.state());
    setpriv
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
}

#[test]
fn directory_that_can_not_be_written_to_is_told_with_its_name_and_nothing_is_lost() {
    for (directory, told) in
        [("sessions", "sessions/job.json`"), ("locks", "locks/job"), ("logs/job", "logs/job`")]
    {
        let job = Job::of(&(step("a", "") + &step("b", "test -e good") + &step("c", "")));
        assert_eq!(job.applied("").code, Some(1));
        fs::write(job.path("good"), "").expect("written");
        let before = fs::read(job.session_file()).expect("there");
        let closed = job.state().join(directory);
        set_mode(&closed, 0o500);
        let refused = ended(unprivileged(&job, &job.apply("--resume")));
        set_mode(&closed, 0o700);
        must_say(&refused, 73, &[told, "Permission denied", "hint: "]);
        assert_eq!(job.lines("ledger"), ["a", "b"], "{directory}: {}", refused.err);
        if directory != "logs/job" {
            assert_eq!(fs::read(job.session_file()).expect("there"), before, "{directory}");
        }
        job.must_apply("--resume");
        assert_eq!(job.lines("ledger"), ["a", "b", "b", "c"], "{directory}");
    }
}

/// The directory was closed while the step ran: it has an effect that could not be recorded, and is asked or run again.
#[test]
fn directory_that_is_closed_while_a_step_runs_leaves_the_step_in_progress() {
    let job = Job::of(
        &(step("a", &format!("{SEE} chmod 500 \"$BATON_DIR/sessions\"; mv seen seen2")) + &step("b", "")),
    );
    let told = ended(unprivileged(&job, &job.apply("")));
    let sessions = job.state().join("sessions");
    set_mode(&sessions, 0o700);
    must_say(&told, 73, &["sessions/job.json`", "Permission denied", "hint: "]);
    assert_eq!(fs::read(job.session_file()).expect("there"), fs::read(job.path("seen2")).expect("there"));
    job.write(&(step("a", "") + &step("b", "")));
    job.must_apply("--resume");
    assert_eq!(job.lines("ledger"), ["a", "a", "b"]);
}

/// Without a history a report says less, and no job is worse off.
#[test]
fn history_that_can_not_be_written_is_a_warning() {
    let job = Job::of(&step("a", ""));
    job.must_apply("");
    let file = job.state().join("history/job.jsonl");
    set_mode(&file, 0o400);
    let before = fs::read(&file).expect("there");
    let Ended { code, err, .. } = ended(unprivileged(&job, &job.apply("")));
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("the history of `job` can't be kept: Permission denied"), "{err}");
    assert_eq!((fs::read(&file).expect("there"), job.lines("ledger").len()), (before, 2));
}

fn limited(job: &Job, command: &Command, bytes: u32) -> Command {
    let mut prlimit = baton_itest::command::without_notice(Command::new("prlimit"));
    prlimit.arg(format!("--fsize={bytes}")).args(words_of(command)).env("BATON_DIR", job.state());
    prlimit
}

/// History: writing beyond the limit is answered by a signal that kills; the runner died of its step's log.
#[test]
fn limit_for_the_size_of_files_cuts_the_log_and_kills_nobody() {
    let job = Job::of(&(step("a", "seq 20000") + &step("b", "")));
    let Ended { code, signal, out, err } = ended(limited(&job, &job.apply(""), 16 << 10));
    assert_eq!((code, signal), (Some(0), None), "{out}{err}");
    assert!(err.contains("1-a.log` is not whole: File too large"), "{err}");
    assert_eq!(job.session()["status"], "complete");
    assert_eq!(fs::metadata(job.state().join("logs/job/1-a.log")).expect("there").len(), 16 << 10);
}

#[test]
fn limit_for_the_size_of_files_that_a_session_exceeds_is_told_and_the_session_is_the_one_before() {
    let facts = format!("{SEE} mv seen seen2; printf 'x=%06000d\\n' 1 >>$BATON_OUTPUT");
    let job = Job::of(&(step("a", &facts) + "outputs = ['x']\n" + &step("b", "")));
    let told = ended(limited(&job, &job.apply(""), 7000));
    must_say(&told, 73, &["sessions/job.json`", "File too large", "ulimit -f"]);
    assert_eq!(fs::read(job.session_file()).expect("there"), fs::read(job.path("seen2")).expect("there"));
    job.must_apply("--resume");
    assert_eq!(job.lines("ledger"), ["a", "a", "b"]);
}

const CENTURY: Duration = Duration::from_hours(100 * 8766);

/// All times in a text, as if the clock had been that wrong when they were written.
fn shifted(text: &str, to: impl Fn(SystemTime) -> SystemTime) -> String {
    let mut out = String::new();
    let mut rest = text;
    // A time is 24 characters long, ASCII, and begins with a digit.
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(time) = from.get(..24).and_then(clock::parse) {
            out.push_str(&clock::format(to(time)));
            rest = &from[24..];
        } else {
            let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            out.push_str(&from[..end]);
            rest = &from[end..];
        }
    }
    out + rest
}

/// Nobody can set the clock for a test alone. What a clock that jumped leaves behind are files with times of another age.
#[test]
fn clock_that_jumps_between_attempts_stops_nobody() {
    let ages: [fn(SystemTime) -> SystemTime; 2] = [|time| time + CENTURY, |time| time - CENTURY / 4];
    for to in ages {
        let slow = "test -e fast || { echo in >told; read -r _ <go; }";
        let job =
            Job::of(&(step("a", "") + &step("b", slow) + "check = 'test -e effect'\n" + &step("c", "")));
        let (told, _go) = (Fifo::new(job.path("told")), Fifo::new(job.path("go")));
        let running = Running::start(job.apply(""));
        assert_eq!(told.written().line().as_deref(), Some("in"));
        running.kill_with_groups();
        fs::write(job.path("fast"), "").expect("written");
        let written = job.session();
        for file in ["sessions/job.json", "history/job.jsonl", "locks/job"] {
            let file = job.state().join(file);
            let text = fs::read_to_string(&file).expect("there");
            let moved = shifted(&text, to);
            assert_ne!(moved, text);
            fs::write(&file, moved).expect("written");
        }
        for words in ["list", "show job", "show --json job", "export job", "report -o - job"] {
            let Ended { code, err, .. } = job.asked(words);
            assert_eq!((code, err.as_str()), (Some(0), ""), "{words}");
        }
        must_say(&job.applied(""), 3, &["the runner was killed while step `b` ran, begun at ", "--resume"]);
        job.must_apply("--resume");
        assert_eq!(job.lines("ledger"), ["a", "b", "b", "c"]);
        let session = job.session();
        assert!(session["baton"]["token"].as_u64() > written["baton"]["token"].as_u64(), "{session}");
        assert_eq!(
            (&session["attempts"][1]["number"], &session["attempts"][1]["end"]),
            (&2.into(), &"complete".into())
        );
        let shown = job.asked("show --json job").out;
        assert!(!shown.contains("\"durationMs\": -"), "{shown}");
        assert_eq!(ended(job.undo("--yes")).code, Some(0));
        job.must_apply("");
    }
}

/// The clock was a century ahead when the tokens were given, and is right again: they still grow.
#[test]
fn tokens_grow_when_the_clock_is_set_back() {
    let job = Job::of(&(step("a", "") + &step("b", "test -e good")));
    assert_eq!(job.applied("").code, Some(1));
    fs::write(job.path("good"), "").expect("written");
    let token = job.session()["baton"]["token"].as_u64().expect("a number");
    let ahead = token + u64::try_from(CENTURY.as_micros()).expect("small");
    for file in ["sessions/job.json", "locks/job.guard"] {
        let file = job.state().join(file);
        let text = fs::read_to_string(&file).expect("there");
        let moved = text.replace(&token.to_string(), &ahead.to_string());
        assert_ne!(moved, text, "{}", file.display());
        fs::write(&file, moved).expect("written");
    }
    let said = job.must_apply("--resume");
    assert_eq!(job.session()["baton"]["token"], ahead + 1, "{said}");
    assert!(!said.contains("warning"), "nothing was lost: {said}");
    job.must_apply("");
    assert_eq!(job.session()["baton"]["token"], ahead + 2);
}
