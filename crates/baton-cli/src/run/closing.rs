//! `--until-closed`: the lock is held until every process that inherited it has ended or closed it.
//!
//! The job inherits, besides the lock, the write end of a pipe. Whoever keeps the lock's descriptors keeps that one too, and
//! the read end is told when the last copy is gone: by the kernel, a kill included, and without a look at any process.

use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;

use baton_lock::escape;
use baton_lock::store::StoredLock;
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;

use crate::notice::Notices;

/// The pipe whose write end the job inherits.
#[derive(Debug)]
pub(super) struct Closing {
    ours: PipeReader,
    theirs: OwnedFd,
}

impl Closing {
    /// Makes it. Whatever is started from now on inherits the write end.
    pub(super) fn new() -> io::Result<Self> {
        let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // This process has one thread, which starts one program: the job.
        rustix::io::fcntl_setfd(&theirs, FdFlags::empty())?;
        Ok(Self { ours: ours.into(), theirs })
    }

    /// Waits until the last copy of the write end is closed.
    pub(super) fn wait(self, locks: &[Box<dyn StoredLock>], notices: Notices) {
        let Self { mut ours, theirs } = self;
        drop(theirs);
        if is_open(&ours) {
            for lock in locks {
                tell(&**lock, notices);
            }
        }
        // Somebody may write to it, which means nothing. An error means that nobody can be waited for any more.
        let _ = io::copy(&mut ours.by_ref(), &mut io::sink());
    }
}

/// Is there still somebody who has the other end?
fn is_open(ours: &PipeReader) -> bool {
    let mut poll = [rustix::event::PollFd::new(ours, rustix::event::PollFlags::IN)];
    let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(rustix::event::poll(&mut poll, Some(&at_once)), Ok(0))
}

/// Says who is still there.
fn tell(lock: &dyn StoredLock, notices: Notices) {
    let processes = lock.observe().map(|seen| seen.processes).unwrap_or_default();
    let others = processes.iter().filter(|process| process.pid != std::process::id());
    let names: Vec<String> = others.map(baton_lock::Process::summary).collect();
    let who = if names.is_empty() { "what it left behind".to_owned() } else { names.join("; ") };
    let lock = escape::path(lock.path());
    notices.say(&format!("the job has ended; {lock} stays held until these have closed it: {who}"), None);
}
