//! Processes that puppets start, with the lock handed over to them or without, and that outlive their puppet.
//!
//! Such a process is nobody's child once its puppet is dead: it can't be waited for, and its id may be another's as
//! soon as it is gone. So it is known by a descriptor, opened while it surely lives. It does nothing for a minute, which is
//! how long one survives a test program that is killed itself.

use crate::puppet::Puppet;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;

/// A running process that a puppet has started; ended with the value at the latest.
#[derive(Debug)]
pub struct Heir(OwnedFd);

impl Heir {
    /// Tells a puppet that holds the lock to start a process that inherits it.
    ///
    /// # Panics
    ///
    /// When it does not come to that.
    #[track_caller]
    pub fn of(puppet: &mut Puppet) -> Self {
        Self::started_by(puppet, "spawn-heir")
    }

    /// Tells a puppet to start a process like any other, to which nothing is handed over.
    ///
    /// # Panics
    ///
    /// When it does not come to that.
    #[track_caller]
    pub fn without_the_lock(puppet: &mut Puppet) -> Self {
        Self::started_by(puppet, "spawn-plain")
    }

    #[track_caller]
    fn started_by(puppet: &mut Puppet, order: &str) -> Self {
        let answer = puppet.tell(order);
        let pid = answer["spawned"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.unwrap_or_else(|| panic!("nothing was started: {answer}"));
        Self(pidfd_open(pid, PidfdFlags::empty()).expect("its puppet has not waited for it"))
    }

    /// Kills it, and waits until all that it had open is closed.
    ///
    /// # Panics
    ///
    /// When that is not possible.
    pub fn end(self) {
        self.kill().expect("killed");
    }

    fn kill(&self) -> rustix::io::Result<()> {
        match pidfd_send_signal(&self.0, Signal::KILL) {
            // It is gone already.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error),
        }
        // Readable as soon as it is a zombie.
        rustix::io::retry_on_intr(|| {
            rustix::event::poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None).map(drop)
        })
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        // Nobody is there to be told, and it ends by itself.
        let _ = self.kill();
    }
}
