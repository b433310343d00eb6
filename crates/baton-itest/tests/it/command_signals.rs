//! Signals and the terminal: what is meant for the job reaches it, once, and `baton` never stands in the way of either.
//!
//! The job is mostly `signal_teller`, which says what reaches it and who sent it.

use baton_itest::command::{Ended, OBEDIENT, Running, ended, next, run, run_with, without_notice, words_of};
use baton_itest::fifo::Fifo;
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use baton_itest::programs::helper;
use baton_itest::puppet::{in_namespaces, namespaces_are_possible};
use baton_itest::skip::skip;
use baton_itest::stream::await_state;
use baton_itest::terminal::{END, INTERRUPT, QUIT, STOP, Terminal};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use tempfile::TempDir;

fn new_lock() -> (TempDir, PathBuf) {
    let place = temporary();
    let path = place.path().join("a.lock");
    (place, path)
}

/// `baton run LOCK -- signal_teller`.
fn telling(options: &str, lock: &Path) -> Command {
    run(options, lock, [helper("signal_teller")])
}

/// The job is there, with no signal blocked.
const IN: &str = "in 0000000000000000";

/// `COMMAND ARGUMENTS…` in a shell that has done something first.
fn after(preparation: &str, command: &Command) -> Command {
    let mut shell = without_notice(Command::new("sh"));
    shell.args(["-c", &format!(r#"{preparation}; exec "$@""#), "sh"]).args(words_of(command));
    shell
}

/// Starts a command from a thread that has these signals blocked, which a program inherits.
fn started_with_blocked(signals: &[Signal], command: Command) -> Running {
    thread::scope(|scope| {
        let starting = scope.spawn(|| {
            let mut set = SigSet::empty();
            for &signal in signals {
                set.add(signal);
            }
            set.thread_block().expect("blocked");
            Running::start(command)
        });
        starting.join().expect("started")
    })
}

fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id");
    nix::sys::signal::kill(Pid::from_raw(pid), signal).expect("sent");
}

/// History: the signals that `baton` reads were blocked in the job too, because the standard library no longer resets the mask.
/// A job could be ended neither by SIGTERM nor by Ctrl-C.
#[test]
fn job_starts_with_no_signal_blocked_whatever_its_wrapper_or_the_caller_has_blocked() {
    let blocked = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGALRM];
    for options in ["", "--close", "--until-closed"] {
        let (_place, lock) = new_lock();
        let mut unblocked = Running::start(telling(options, &lock));
        assert_eq!(unblocked.says(), IN, "{options}");
        unblocked.end();
        let mut running = started_with_blocked(&blocked, telling(options, &lock));
        assert_eq!(running.says(), IN, "{options}");
        assert_eq!(running.end().code, Some(0));
    }
}

/// Rust programs ignore it; a job such as `yes | head` is to end by it.
#[test]
fn job_does_not_ignore_the_end_of_its_reader() {
    let (_place, lock) = new_lock();
    for options in ["", "--close", "--until-closed", "--exec"] {
        let out = ended(run(options, &lock, ["grep", "SigIgn", "/proc/self/status"])).out;
        let ignored = out.split_whitespace().nth(1).and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let bit = 1 << (Signal::SIGPIPE as i32 - 1);
        assert!(ignored.is_some_and(|mask| mask & bit == 0), "{options}: {out}");
    }
}

/// The clean-up is a job too.
#[test]
fn clean_up_starts_with_no_signal_blocked() {
    let (_place, lock) = new_lock();
    ended(run("", &lock, ["sh", "-c", "kill -9 $$"]));
    let command = run_with(["--on-recovered", "kill $$"], &lock, ["true"]);
    assert_eq!(ended(command).code, Some(143));
}

#[test]
fn signal_that_is_sent_to_baton_reaches_the_job_once() {
    let (_place, lock) = new_lock();
    let mut running = Running::start(telling("", &lock));
    assert_eq!(running.says(), IN);
    let signals =
        [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGCONT];
    for signal in signals {
        running.send(signal);
        // Passed on by `baton`, so that it is the sender. The next answer is to the next signal: none is told twice.
        assert_eq!(
            running.says(),
            format!("{} {}", signal.as_str().trim_start_matches("SIG"), running.pid())
        );
    }
    running.send(Signal::SIGTERM);
    assert_eq!(running.says(), format!("TERM {}", running.pid()));
    assert_eq!(running.end().code, Some(7), "its own exit code, since it ended by itself");
    assert!(next(&lock).is_fresh());
}

/// History: there the leaders of the session and of the process group can be out of sight and have no id, which ended `baton` at the
/// first signal, and left its job behind.
#[test]
fn signal_reaches_the_job_where_its_session_is_outside_the_pid_namespace() {
    if let Err(reason) = namespaces_are_possible() {
        return skip(&reason);
    }
    let (_place, lock) = new_lock();
    let mut running = Running::start(without_notice(in_namespaces(&telling("", &lock))));
    assert_eq!(running.says(), IN);
    let inside = running.children();
    assert_eq!(inside.len(), 1);
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGCONT, Signal::SIGTERM] {
        kill(inside[0], signal);
        assert_eq!(running.says(), format!("{} 1", signal.as_str().trim_start_matches("SIG")));
    }
    let Ended { code, err, .. } = running.end();
    assert_eq!((code, err.as_str()), (Some(1), ""), "that of the program around it");
    assert!(next(&lock).is_fresh());
}

#[test]
fn job_that_dies_of_a_signal_sent_to_baton_gives_128_and_the_signal() {
    let (_place, lock) = new_lock();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let running = Running::holding(run("", &lock, ["sh", "-c", "echo in; read -r _; exit 0"]));
        running.send(signal);
        let Ended { code, err, .. } = running.ends();
        assert_eq!(code, Some(128 + signal as i32), "{err}");
        assert!(err.contains(&format!("was ended by {signal}")), "{err}");
        assert_eq!(next(&lock).outcome, "recovered");
    }
}

#[test]
fn signal_that_comes_while_it_waits_ends_baton_and_nothing_was_touched() {
    let (place, lock) = new_lock();
    let holder = Running::holding(run("", &lock, OBEDIENT));
    let before = names_in(place.path());
    for options in ["", "-w 1h"] {
        let waiter = Running::waiting(run(options, &lock, ["echo", "ran"]));
        waiter.send(Signal::SIGTERM);
        let Ended { signal, out, .. } = waiter.ends();
        assert_eq!((signal, out.as_str()), (Some(15), ""));
        // Its place in the queue counts for nothing from now on, and goes with the next one who acquires.
        let names = names_in(place.path());
        assert_eq!(
            names.iter().filter(|name| *name != "a.lock.queue").collect::<Vec<_>>(),
            before.iter().collect::<Vec<_>>()
        );
    }
    holder.end();
    assert!(next(&lock).is_fresh());
    assert_eq!(names_in(place.path()), ["a.lock.guard"]);
}

#[test]
fn signal_that_came_before_the_job_was_started_ends_it_unstarted_and_leaves_nothing() {
    let (place, lock) = new_lock();
    let report = place.path().join("report");
    let command = run(&format!("--report {}", report.display()), &lock, ["echo", "ran"]);
    let pending = after("kill -TERM $$", &command);
    let Ended { code, out, err, .. } = started_with_blocked(&[Signal::SIGTERM], pending).end();
    assert_eq!((code, out.as_str()), (Some(143), ""));
    assert!(err.contains("SIGTERM came before the job was started"), "{err}");
    let report: Value = serde_json::from_slice(&fs::read(report).expect("written")).expect("JSON");
    assert_eq!((&report["result"], &report["exitCode"]), (&"interrupted".into(), &143.into()));
    assert!(next(&lock).is_fresh());
}

/// `nohup baton run …` of somebody who logs out: the hang-up can come at any moment, and means nothing.
#[test]
fn ignored_hangup_ends_neither_the_job_nor_its_start() {
    let (_place, lock) = new_lock();
    let mut nohup = without_notice(Command::new("nohup"));
    nohup.args(words_of(&run("", &lock, OBEDIENT)));
    let mut running = Running::holding(nohup);
    running.send(Signal::SIGHUP);
    running.send_to_all(Signal::SIGHUP);
    running.tell("5");
    assert_eq!(running.end().code, Some(5));
    let pending = after("trap '' HUP; kill -HUP $$", &run("", &lock, ["echo", "ran"]));
    let Ended { code, out, .. } = started_with_blocked(&[Signal::SIGHUP], pending).end();
    assert_eq!((code, out.as_str()), (Some(0), "ran\n"));
}

/// Then the kernel reaps children itself, and nobody learns how they ended.
#[test]
fn exit_status_is_right_where_the_caller_ignores_the_ends_of_children() {
    let (_place, lock) = new_lock();
    let ignoring = |command: &Command| {
        let mut env = without_notice(Command::new("env"));
        env.arg("--ignore-signal=CHLD").args(words_of(command));
        ended(env)
    };
    let mut grep = Command::new("grep");
    grep.args(["SigIgn", "/proc/self/status"]);
    let out = ignoring(&grep).out;
    let ignored = out.split_whitespace().nth(1).and_then(|mask| u64::from_str_radix(mask, 16).ok());
    assert!(ignored.is_some_and(|mask| mask & (1 << 16) != 0), "ignored: {out}");
    assert_eq!(ignoring(&run("", &lock, ["sh", "-c", "exit 7"])).code, Some(7));
    assert_eq!(ignoring(&run("", &lock, ["sh", "-c", "kill -9 $$"])).code, Some(137));
    assert_eq!(next(&lock).outcome, "recovered");
}

#[test]
fn job_that_is_stopped_and_continued_is_still_waited_for() {
    let (_place, lock) = new_lock();
    for stop in ["STOP", "TSTP"] {
        let script = format!("echo $$; kill -{stop} $$; echo back; exit 3");
        let mut running = Running::start(run("", &lock, ["sh", "-c", &script]));
        let job = running.says().parse().expect("a process id");
        await_state(job, 'T');
        assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75), "still held");
        running.send(Signal::SIGCONT);
        assert_eq!(running.says(), "back");
        assert_eq!(running.end().code, Some(3));
    }
}

#[test]
fn interrupt_typed_at_the_terminal_reaches_the_job_once_and_from_the_terminal() {
    let (_place, lock) = new_lock();
    let mut terminal = match Terminal::running(&telling("", &lock)) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    terminal.shows(IN);
    let baton = terminal.pid();
    for (key, name) in [(INTERRUPT, "INT"), (QUIT, "QUIT")] {
        // Asleep, it no longer passes on all that came while the job was being started. Stopped, it can't pass on anything before
        // the job has told what reached it from the terminal.
        await_state(baton, 'S');
        kill(baton, Signal::SIGSTOP);
        await_state(baton, 'T');
        terminal.types(key);
        terminal.shows(&format!("{name} terminal\r\n"));
        // Signals are read in the order of their numbers: what there is to be passed on comes before this one.
        kill(baton, Signal::SIGCONT);
        let shown = terminal.shows(&format!("CONT {baton}\r\n"));
        assert!(!shown.contains(name), "{shown:?}");
    }
    terminal.types(END);
    terminal.rest();
    assert!(next(&lock).is_fresh());
}

/// History: `timeout` and `setsid` make themselves a process group of their own, which the terminal's keys do not reach; Ctrl-C
/// ended neither such a job nor `baton`.
#[test]
fn interrupt_typed_at_the_terminal_reaches_a_job_that_left_the_process_group() {
    let (_place, lock) = new_lock();
    let job: [OsString; 2] = ["setsid".into(), helper("signal_teller").into()];
    let mut terminal = match Terminal::running(&run("", &lock, job)) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    terminal.shows(IN);
    terminal.types(INTERRUPT);
    terminal.shows(&format!("INT {}\r\n", terminal.pid()));
    terminal.types(END);
    terminal.rest();
    assert!(next(&lock).is_fresh());
}

#[test]
fn stop_key_stops_the_job_with_the_lock_held_and_fg_continues_it() {
    let (_place, lock) = new_lock();
    let mut shell = match Terminal::with_shell() {
        Ok(shell) => shell,
        Err(reason) => return skip(&reason),
    };
    shell.types_command(&telling("", &lock));
    shell.shows(IN);
    shell.types(STOP);
    shell.shows("Stopped");
    shell.shows("$ ");
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75), "still held");
    shell.types("fg\n");
    shell.shows("CONT ");
    shell.types(INTERRUPT);
    shell.shows("INT terminal");
    shell.types(END);
    shell.shows("$ ");
    shell.types("echo code $?\n");
    shell.shows("code 0\r\n");
    assert!(next(&lock).is_fresh());
}

/// Some full-screen programs stop themselves alone. The shell would wait for `baton` for ever.
#[test]
fn job_that_stops_itself_gives_the_terminal_back_to_the_shell_until_fg() {
    let (place, lock) = new_lock();
    let script = place.path().join("job");
    fs::write(&script, "echo in; kill -TSTP $$; echo back; read -r _; exit 4\n").expect("written");
    let mut shell = match Terminal::with_shell() {
        Ok(shell) => shell,
        Err(reason) => return skip(&reason),
    };
    let script = script.to_str().expect("text");
    shell.types_command(&run("", &lock, ["sh", script]));
    shell.shows("in\r\n");
    shell.shows("Stopped");
    shell.shows("$ ");
    assert_eq!(ended(run("-n", &lock, ["true"])).code, Some(75), "still held");
    shell.types("fg\n");
    shell.shows("back\r\n");
    shell.types("\n");
    shell.shows("$ ");
    shell.types("echo code $?\n");
    shell.shows("code 4\r\n");
}

/// History: where `baton` leads the session, as under `ssh -t` or in a window of its own, the hang-up reaches nobody else, and was
/// swallowed: a job that reads nothing went on for ever, with the lock.
#[test]
fn terminal_that_hangs_up_ends_the_job_and_the_next_is_recovered() {
    let (place, lock) = new_lock();
    // It reads from elsewhere, so that it is not the end of its input that ends it.
    let fifo = Fifo::new(place.path().join("fifo"));
    let job = ["sh", "-c", r#"echo in; exec cat "$0""#, fifo.path().to_str().expect("text")];
    let mut terminal = match Terminal::running(&run("", &lock, job)) {
        Ok(terminal) => terminal,
        Err(reason) => return skip(&reason),
    };
    terminal.shows("in");
    terminal.hang_up();
    assert_eq!(next(&lock).outcome, "recovered");
}
