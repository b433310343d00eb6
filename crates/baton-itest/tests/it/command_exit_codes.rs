//! What `baton` ends with: the job's own code when it ran, and otherwise one that tells why it did not.
//!
//! A wrapper that answers 0 or 1 where nothing ran makes cron, CI and `&&` believe that the job did.

use baton_itest::bystander::Bystander;
use baton_itest::command::{
    Ended, OBEDIENT, Running, baton, ended, look, next, run, status, without_notice, words_of,
};
use baton_itest::footprint::{Footprint, Watch, all_in, names_in};
use baton_itest::handwritten::put;
use baton_itest::places::{on_mounted, temporary};
use baton_itest::skip::skip;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

fn shell(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

/// Fails with that code, says why and what to do about it, and says it on standard error only.
#[track_caller]
fn must_fail(command: Command, code: i32) -> String {
    let Ended { code: actual, out, err, .. } = ended(command);
    assert_eq!((actual, out.as_str()), (Some(code), ""), "{err}");
    assert!(err.contains("error: ") && err.contains("\nhint: "), "{err}");
    err
}

#[test]
fn jobs_own_exit_code_is_passed_on() {
    let (place, lock) = new_lock();
    for code in [0, 1, 2, 3, 65, 75, 76, 126, 127, 128, 130, 255] {
        let Ended { code: actual, err, .. } = ended(run("", &lock, shell(&format!("exit {code}"))));
        assert_eq!((actual, err.as_str()), (Some(code), ""));
    }
    assert!(next(&lock).is_fresh(), "a job that fails has ended cleanly all the same");
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

/// As when a shell starts it.
#[test]
fn script_without_a_first_line_is_the_shells_and_has_the_lock() {
    let (place, lock) = new_lock();
    let script = place.path().join("job");
    put(&script, "echo in $BATON_OUTCOME; read -r _; exit 4\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut running = Running::start(run("", &lock, [&script]));
    assert_eq!(running.says(), "in fresh");
    let holders = status(&lock)["processes"].as_array().expect("a list").len();
    assert_eq!(holders, 2, "baton and the job");
    assert_eq!(running.end().code, Some(4));
}

#[test]
fn job_that_a_signal_ends_gives_128_and_its_number_and_the_next_is_recovered() {
    let (_place, lock) = new_lock();
    for (signal, number) in [("KILL", 9), ("TERM", 15), ("INT", 2), ("USR1", 10), ("RTMIN", 34)] {
        let Ended { code, err, .. } = ended(run("", &lock, shell(&format!("kill -{number} $$"))));
        assert_eq!(code, Some(128 + number), "{signal}");
        assert!(err.contains("the next runner is told *recovered*"), "{err}");
        assert_eq!(next(&lock).outcome, "recovered", "{signal}");
    }
}

#[test]
fn job_that_cannot_be_started_leaves_nothing_behind() {
    let (place, lock) = new_lock();
    let script = place.path().join("script");
    fs::write(&script, "exit 0\n").expect("written");
    let script = script.to_str().expect("text");
    for (program, code, said) in
        [("no-such-program", 127, "not found"), (script, 126, "chmod +x"), ("/", 126, "denied")]
    {
        let err = must_fail(run("", &lock, [program]), code);
        assert!(err.contains(said) && err.contains(&format!("`{program}`")), "{err}");
        assert_eq!(names_in(place.path()), ["a.lock.guard", "script"]);
        assert!(next(&lock).is_fresh());
    }
}

#[test]
fn job_that_cannot_be_started_after_a_death_leaves_the_death_to_the_next_one() {
    let (_place, lock) = new_lock();
    let dead = Running::holding(run("", &lock, OBEDIENT));
    dead.kill_all();
    let err = must_fail(run("", &lock, ["no-such-program"]), 127);
    assert!(err.contains("baton: recovered "), "{err}");
    let next = next(&lock);
    assert_eq!(next.outcome, "recovered");
}

#[test]
fn senseless_command_line_gives_2_and_touches_nothing() {
    let place = temporary();
    let lines: [&[&str]; 14] = [
        &[],
        &["frobnicate"],
        &["run", "./x"],
        &["run", "./x", "--"],
        &["run", "-n", "-w", "5", "./x", "--", "true"],
        &["run", "-w", "soon", "./x", "--", "true"],
        &["run", "-w", "-5", "./x", "--", "true"],
        &["run", "-E", "256", "./x", "--", "true"],
        &["run", "--frobnicate", "./x", "--", "true"],
        &["run", "a b", "--", "true"],
        &["run", ".hidden", "--", "true"],
        &["run", "", "--", "true"],
        &["run", "/", "--", "true"],
        &["wait", "a*b"],
    ];
    for line in lines {
        let mut command = baton();
        command.args(line).current_dir(place.path()).env("BATON_DIR", place.path());
        let Ended { code, out, err, .. } = ended(command);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{line:?}: {err}");
        assert!(!err.is_empty(), "{line:?}");
    }
    assert!(names_in(place.path()).is_empty());
}

/// The mistake that everybody makes once: the program itself can't tell which words are the job's.
#[test]
fn forgotten_dashes_before_the_job_are_told_with_the_way_to_write_it() {
    for words in [vec!["run", "./x", "true"], vec!["run", "./x", "make", "--jobs"], vec!["run", "./x"]] {
        let mut command = baton();
        command.args(&words);
        let Ended { code, err, .. } = ended(command);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("hint: ") && err.contains("`baton run LOCK -- CMD"), "{words:?}: {err}");
    }
}

/// History: the ancestor removed what it took for a malformed lock file, which made `lock ./deploy.sh` a way to lose a script.
#[test]
fn script_given_as_the_lock_is_refused_with_65_and_left_as_it_is() {
    let place = temporary();
    let script = place.path().join("deploy.sh");
    put(&script, "#!/bin/sh\necho deploying\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("set");
    let (before, changes) = (Footprint::of(&script), Watch::of_changes(place.path()));
    for options in ["", "-n", "-w 1h", "--exec"] {
        let mut command = run(options, "./deploy.sh", ["prod"]);
        command.current_dir(place.path());
        let err = must_fail(command, 65);
        assert!(err.contains("deploy.sh` is not a lock file") && err.contains("`--flock`"), "{err}");
    }
    assert_eq!(status(&script)["state"], "not_a_lock_file");
    for verb in ["status", "wait", "wait -n", "status --json"] {
        assert_eq!(ended(look(verb, &script)).code, Some(65), "{verb}");
    }
    assert_eq!(Footprint::of(&script), before);
    assert_eq!(names_in(place.path()), ["deploy.sh"]);
    assert_eq!(changes.noted(), [], "nothing was created and removed again either");
}

#[test]
fn unsafe_or_impossible_place_gives_73_before_the_job_runs() {
    let (place, lock) = new_lock();
    let open = place.path().join("open");
    fs::create_dir(&open).expect("made");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("set");
    let fifo = place.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("it starts").success());
    let link = place.path().join("link");
    symlink(&lock, &link).expect("linked");
    let before = all_in(place.path());
    let cases: [(PathBuf, &str); 5] = [
        (open.join("a.lock"), "every user may delete and replace files"),
        (fifo, "a FIFO"),
        (link, "a symbolic link"),
        (place.path().join("none/a.lock"), "No such file or directory"),
        (place.path().join("fifo/a.lock"), "Not a directory"),
    ];
    for (path, said) in cases {
        for options in ["", "-n", "-w 1h", "--exec"] {
            let err = must_fail(run(options, &path, ["echo", "ran"]), 73);
            assert!(err.contains(said), "{err}");
        }
    }
    assert_eq!(all_in(place.path()), before);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).expect("set");
    assert!(next(&open.join("a.lock")).is_fresh(), "with the sticky bit it is safe");
}

/// History: the signal by which the kernel answers a write beyond the limit killed the command without a word.
#[test]
fn limit_for_the_size_of_files_gives_73_and_ends_a_job_as_it_would_without_us() {
    let (place, lock) = new_lock();
    let limited = |bytes: u32, job: &str| {
        let mut prlimit = without_notice(Command::new("prlimit"));
        prlimit.arg(format!("--fsize={bytes}")).args(words_of(&run("", &lock, shell(job))));
        prlimit
    };
    let err = must_fail(limited(0, "exit 0"), 73);
    assert!(err.contains("a.lock") && err.contains("File too large") && err.contains("`ulimit -f`"), "{err}");
    assert!(next(&lock).is_fresh(), "it never had the lock");
    let file = place.path().join("file");
    let beyond = format!("ulimit -c 0; exec dd if=/dev/zero of={} bs=4096 count=2 2>&1", file.display());
    assert_eq!(ended(limited(4096, &beyond)).code, Some(128 + 25));
    let mut with_trap = without_notice(Command::new("sh"));
    with_trap.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).args(words_of(&limited(4096, &beyond)));
    assert_eq!(ended(with_trap).code, Some(1), "what the caller ignores stays ignored");
}

#[test]
fn report_that_cannot_be_written_gives_73_before_the_job_runs() {
    let (place, lock) = new_lock();
    for report in ["none/report", "."] {
        let mut command = run(&format!("--report {report}"), &lock, ["echo", "ran"]);
        command.current_dir(place.path());
        let err = must_fail(command, 73);
        assert!(err.contains(&format!("cannot write the report `{report}`")), "{err}");
    }
    assert!(names_in(place.path()).is_empty());
}

#[test]
fn filesystem_that_nobody_knows_gives_69_with_the_way_to_opt_in() {
    let shown = on_mounted("hugetlbfs", "", |root| {
        let lock = root.join("a.lock");
        for command in [run("", &lock, ["true"]), look("status", &lock), look("wait", &lock)] {
            let err = must_fail(command, 69);
            assert!(err.contains("--allow-fs 0x958458f6"), "{err}");
        }
        assert!(names_in(root).is_empty());
        let Ended { code, out, .. } = ended(look("status --allow-fs 0x958458f6", &lock));
        assert_eq!(code, Some(0), "{out}");
    });
    shown.unwrap_or_else(|reason| skip(&reason));
}

#[test]
fn busy_gives_75_or_what_was_asked_for_and_says_who_has_it() {
    let (_place, lock) = new_lock();
    let holder = Running::holding(run("--purpose release", &lock, OBEDIENT));
    let cases = [
        ("-n", 75, ""),
        ("-w 0", 75, ""),
        ("-w 0ms", 75, ""),
        ("-w 30ms", 75, "gave up after "),
        ("-n -E 0", 0, ""),
        ("-w 0 -E 9", 9, ""),
        ("-w 30ms -E 9", 9, "gave up after "),
    ];
    for (options, code, said) in cases {
        let Ended { code: actual, out, err, .. } = ended(run(options, &lock, ["echo", "ran"]));
        assert_eq!((actual, out.as_str()), (Some(code), ""), "{options}: {err}");
        let who = format!("is held by pid {} (", holder.pid());
        for part in [said, &who, "sh -c", "purpose: release", ", token ", "\nhint: ", "`baton wait "] {
            assert!(err.contains(part), "{options}: {part:?} in {err}");
        }
        let quiet = ended(run(&format!("-q {options}"), &lock, ["echo", "ran"]));
        assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (Some(code), "", ""), "{options}");
    }
    assert_eq!(holder.end().code, Some(0));
    assert_eq!(ended(run("-n -E 9", &lock, ["true"])).code, Some(0), "the lock was free");
    assert_eq!(ended(run("-n -E 9", &lock, ["false"])).code, Some(1), "the job's own");
}

#[test]
fn lock_file_of_the_flock_program_gives_75_and_the_hint_at_flock_naming() {
    let (_place, lock) = new_lock();
    let program = Bystander::flocking(&lock);
    let Ended { code, err, .. } = ended(run("-n", &lock, ["true"]));
    assert_eq!(code, Some(75));
    assert!(err.contains("is locked with flock by pid") && err.contains("`--flock`"), "{err}");
    program.end();
}

/// A name in the state directory that can't be created is a place that can't be used, not a bug.
#[test]
fn state_directory_that_cannot_be_created_gives_73() {
    let place = temporary();
    fs::write(place.path().join("file"), "").expect("written");
    let mut command = run("", "deploy", ["true"]);
    command.env("BATON_DIR", place.path().join("file/state"));
    let err = must_fail(command, 73);
    assert!(err.contains("file/state/locks`"), "{err}");
    let mut command = run("", "deploy", ["true"]);
    command.env_remove("HOME");
    let err = must_fail(command, 2);
    assert!(err.contains("HOME"), "{err}");
}
