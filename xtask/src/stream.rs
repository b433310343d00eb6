//! Shows what a command prints while reading it line by line.
//!
//! Both of its outputs go into one pipe, so that cargo's announcements (standard error) and the words of the test
//! programs (standard output) arrive in the order in which they were written.
//!
//! A test may leave a process behind that holds the pipe open; reading to its end would then wait for that process,
//! perhaps for ever. So the end is the exit of the command, plus [`GRACE`] for what is still in the pipe.

use std::{
    io::{self, BufRead, BufReader, PipeReader, Write},
    mem,
    process::{Child, Command, ExitStatus},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

/// How long to read on after the command's exit: the pipe's last 64 KiB take milliseconds, even on a loaded machine.
const GRACE: Duration = Duration::from_secs(5);

enum Event {
    Line(Vec<u8>),
    Exited(io::Result<ExitStatus>),
}

/// What had become of the pipe when reading stopped.
#[derive(Debug, PartialEq, Eq)]
enum Pipe {
    Closed,
    HeldOpen,
}

/// Runs `command`, copies what it prints to standard output, and gives each line to `each`, without its line end.
///
/// # Errors
///
/// The command cannot be started or waited for.
pub(crate) fn show(command: Command, mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let (status, pipe) = follow(command, GRACE, |line| {
        // Nobody may be reading any more (`| head`): the tests and their exit code still matter.
        let _ = io::stdout().write_all(line);
        each(String::from_utf8_lossy(line).trim_end_matches(['\n', '\r']));
    })?;
    if pipe == Pipe::HeldOpen {
        println!("xtask: a test left a process behind that holds its output open; not waiting for it");
    }
    Ok(status)
}

fn follow(mut command: Command, grace: Duration, each: impl FnMut(&[u8])) -> io::Result<(ExitStatus, Pipe)> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // It holds the pipe's write ends; while it lives there is no end of file.
    drop(command);

    let (sender, events) = mpsc::channel();
    let lines = sender.clone();
    thread::spawn(move || send_lines(reader, &lines));
    thread::spawn(move || send_exit(child, &sender));
    receive(&events, grace, each)
}

fn send_lines(reader: PipeReader, events: &Sender<Event>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        if events.send(Event::Line(mem::take(&mut line))).is_err() {
            return;
        }
    }
}

fn send_exit(mut child: Child, events: &Sender<Event>) {
    // The other side hangs up only after it has had this very event.
    let _ = events.send(Event::Exited(child.wait()));
}

fn receive(
    events: &Receiver<Event>,
    grace: Duration,
    mut each: impl FnMut(&[u8]),
) -> io::Result<(ExitStatus, Pipe)> {
    let status = loop {
        match events.recv().map_err(io::Error::other)? {
            Event::Line(line) => each(&line),
            Event::Exited(status) => break status?,
        }
    };
    // Ends even if what was left behind prints without a pause: the deadline stands.
    let deadline = Instant::now() + grace;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match events.recv_timeout(left) {
            Ok(Event::Line(line)) => each(&line),
            // There is one exit, and it has come.
            Ok(Event::Exited(_)) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok((status, Pipe::Closed)),
            Err(RecvTimeoutError::Timeout) => break,
        }
    }
    Ok((status, Pipe::HeldOpen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_of_both_outputs_keep_their_order() {
        let mut printed = Vec::new();
        let script = shell("echo one; echo two >&2; echo three; printf four; exit 7");
        let (status, pipe) =
            follow(script, GRACE, |line| printed.extend_from_slice(line)).expect("`sh` runs");
        assert_eq!(printed, b"one\ntwo\nthree\nfour");
        assert_eq!((status.code(), pipe), (Some(7), Pipe::Closed));
    }

    #[test]
    fn a_process_left_behind_is_not_waited_for() {
        // `cat` lives until `life` is dropped, which is after the assertion.
        let (stdin, life) = io::pipe().expect("a pipe");
        let mut script = shell("exec 3<&0; cat <&3 & echo started");
        script.stdin(stdin);
        let (status, pipe) = follow(script, Duration::ZERO, |_| {}).expect("`sh` runs");
        assert_eq!((status.success(), pipe), (true, Pipe::HeldOpen));
        drop(life);
    }
}
