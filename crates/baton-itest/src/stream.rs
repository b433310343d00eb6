//! What a process says, read piece by piece, and never waited for without an end.
//!
//! A test that waits for a line which never comes would hang the whole suite; here it fails after [`PATIENCE`], with what was said
//! so far.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything in a test takes, also on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until there is something to be read, or to be told of its end.
///
/// # Panics
///
/// When nothing comes within [`PATIENCE`]; `what` says what was waited for.
#[track_caller]
pub fn await_readable(source: impl AsFd, what: &str) {
    let patience = Timespec::try_from(PATIENCE).expect("half a minute");
    let mut sources = [PollFd::new(&source, PollFlags::IN)];
    let ready = retry_on_intr(|| poll(&mut sources, Some(&patience))).expect("it can be waited for");
    assert!(ready > 0, "nothing came within {PATIENCE:?}: {what}");
}

/// Waits until a child has ended; it is not reaped.
///
/// # Panics
///
/// When it does not end in time, or has been reaped.
#[track_caller]
pub fn await_end(child: &Child) {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("not reaped yet");
    let mut sources = [PollFd::new(&process, PollFlags::IN)];
    let patience = Timespec::try_from(PATIENCE).expect("half a minute");
    let ready = retry_on_intr(|| poll(&mut sources, Some(&patience))).expect("it can be waited for");
    assert!(
        ready > 0,
        "process {} has not ended within {PATIENCE:?}: {}",
        child.id(),
        threads_of(child.id())
    );
}

/// What the kernel says of each thread of a process: its state, where in the kernel it sleeps, its signals.
fn threads_of(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let said = tasks.map(|task| {
        let read =
            |name| fs::read_to_string(task.path().join(name)).unwrap_or_else(|error| error.to_string());
        format!("\n{}\n{}\n{}", read("status"), read("wchan"), read("stack"))
    });
    said.collect()
}

/// Waits until a process is in a state, such as `T` for one that is stopped. The kernel tells only its parent, so that somebody else
/// has to look again and again.
///
/// # Panics
///
/// When it does not get there in time, or there is no such process.
#[track_caller]
pub fn await_state(pid: u32, state: char) {
    await_one_of(pid, &[state]);
}

/// Waits until a process that was told to stop has stopped, or has ended before and not been reaped.
///
/// # Panics
///
/// When it does neither in time.
#[track_caller]
pub fn await_stop(pid: u32) {
    await_one_of(pid, &['T', 'Z']);
}

#[track_caller]
fn await_one_of(pid: u32, states: &[char]) {
    let start = Instant::now();
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let fields = stat.rsplit_once(')').expect("behind the name").1;
        if fields.trim_start().starts_with(states) {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "process {pid} is never in one of the states {states:?}:{fields}"
        );
        thread::yield_now();
    }
}

/// The reading end of a pipe or of a terminal.
#[derive(Debug)]
pub struct Stream {
    source: OwnedFd,
    /// Read, and not asked for yet.
    ahead: Vec<u8>,
}

impl Stream {
    /// Reads from `source`.
    pub fn new(source: impl Into<OwnedFd>) -> Self {
        Self { source: source.into(), ahead: Vec::new() }
    }

    /// A stream that has ended.
    ///
    /// # Panics
    ///
    /// When there is no descriptor to spare.
    #[track_caller]
    pub fn of_nothing() -> Self {
        let (reader, _) = std::io::pipe().expect("a pipe");
        Self::new(reader)
    }

    /// Where it is read from.
    pub fn source(&self) -> &OwnedFd {
        &self.source
    }

    /// The next line, without its end; `None` at the end of the stream.
    ///
    /// # Panics
    ///
    /// When none comes in time, or it is not text.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        let line = self.up_to("\n")?;
        Some(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    /// Everything up to `text`, that included; `None` if the stream ends before. What follows stays to be read.
    ///
    /// # Panics
    ///
    /// When it does not come in time, or what comes is not text.
    #[track_caller]
    pub fn up_to(&mut self, text: &str) -> Option<String> {
        loop {
            let found = self.ahead.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(start) = found {
                let taken = self.ahead.drain(..start + text.len()).collect();
                return Some(String::from_utf8(taken).expect("text"));
            }
            if !self.read_more(&format!("{text:?}")) {
                return None;
            }
        }
    }

    /// Everything up to the end of the stream.
    ///
    /// # Panics
    ///
    /// When the end does not come in time, or what comes is not text.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        while self.read_more("the end") {}
        String::from_utf8(std::mem::take(&mut self.ahead)).expect("text")
    }

    #[track_caller]
    fn read_more(&mut self, awaited: &str) -> bool {
        await_readable(&self.source, &format!("{awaited}, after {:?}", String::from_utf8_lossy(&self.ahead)));
        let mut piece = [0; 4096];
        match retry_on_intr(|| rustix::io::read(&self.source, &mut piece)) {
            // A terminal that nobody has open any more answers with an error instead of an end.
            Ok(0) | Err(Errno::IO) => false,
            Ok(length) => {
                self.ahead.extend_from_slice(&piece[..length]);
                true
            }
            Err(error) => panic!("it can't be read: {error}"),
        }
    }
}
