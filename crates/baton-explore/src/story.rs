//! What is true of an execution beside what the kernel knows: who holds, how the last one ended, and what was promised.
//!
//! It is told by the scripts in the moments between two calls, so that nobody sees it and it costs no step; what does not agree with
//! `docs/protocol.md` is kept as the first violation, by the number of the invariant.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::kernel::{Inode, Kernel, Pid};
use crate::scenario::Deleted;
use crate::sim::Order;

/// Where a process is, as far as the lock is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Asking,
    Holding {
        token: u64,
    },
    /// The holder is gone, its job has the locks.
    JobHolds,
    Ending,
    /// The holder was killed while it ended: its job may have one of the locks still.
    JobLingers,
}

/// How a hold is ended by who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Cleanly.
    Release,
    /// Uncleanly.
    Abandon,
    /// As if it had never been.
    Undo,
}

/// What the next one has to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Last {
    #[default]
    Clean,
    /// By the record of the holder of that token, where it is known.
    Unclean(Option<u64>),
    /// Either is right.
    InDoubt,
}

/// What a holder was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Fresh,
    /// With the token of the record that it was given, if any.
    Recovered(Option<u64>),
}

#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
#[derive(Debug, Default, Hash)]
pub(crate) struct Story {
    phases: BTreeMap<Pid, Phase>,
    last: Last,
    /// Whose end that was; what becomes of it later changes nothing any more once another one has held.
    last_by: Option<Pid>,
    /// What was true before each one held, in case it is undone.
    before: BTreeMap<Pid, Last>,
    last_token: u64,
    /// Those who ask, and are not alone.
    contested: BTreeSet<Pid>,
    /// In whose present round a call was made to fail.
    faulted: BTreeSet<Pid>,
    /// Somebody but Baton has removed a file.
    is_disturbed: bool,
    /// It was a record: I3 promises nothing from here on.
    is_meddled: bool,
    /// Who has held, been recovered from, and so on: that something happens at all.
    pub(crate) seen: Seen,
    /// In flock naming.
    pub(crate) is_flock: bool,
    /// The last one who held was told *recovered*.
    pub(crate) is_told_recovered: bool,
    violation: Option<String>,
}

/// What has happened in an execution, so that nothing is true only because nothing happens.
#[expect(clippy::struct_excessive_bools, reason = "each is something that may have happened")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Holds, at most 3.
    pub holds: u8,
    /// A hold that was got from one that did not end cleanly.
    pub recovered: bool,
    /// An attempt that found the lock busy.
    pub busy: bool,
    /// A job that outlived the holder that it was started by.
    pub orphan: bool,
    /// An attempt that failed.
    pub failed: bool,
}

impl Story {
    fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub(crate) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(crate) fn phase(&self, pid: Pid) -> Option<Phase> {
        self.phases.get(&pid).copied()
    }

    pub(crate) fn asks(&mut self, pid: Pid) {
        self.faulted.remove(&pid);
        self.contested.remove(&pid);
        if !self.phases.is_empty() {
            self.contested.insert(pid);
            self.contested.extend(self.phases.keys());
        }
        self.phases.insert(pid, Phase::Asking);
    }

    pub(crate) fn holds(&mut self, pid: Pid, told: Told, token: u64) {
        let other = self.phases.iter().find(|(other, phase)| {
            **other != pid && matches!(phase, Phase::Holding { .. } | Phase::JobHolds)
        });
        if let Some((other, phase)) = other {
            self.violated(format!("I1 exclusion: P{pid} holds, and P{other} does ({phase:?})"));
        }
        if token <= self.last_token {
            self.violated(format!("I4 tokens grow: P{pid} has {token} after {}", self.last_token));
        }
        let is_right = self.is_meddled
            || match (self.last, told) {
                (Last::InDoubt, _)
                | (Last::Clean, Told::Fresh)
                | (Last::Unclean(None), Told::Recovered(_)) => true,
                (Last::Unclean(Some(token)), Told::Recovered(said)) => said == Some(token),
                (Last::Clean, Told::Recovered(_)) | (Last::Unclean(_), Told::Fresh) => false,
            };
        if !is_right {
            self.violated(format!(
                "I3 the story is told: the last end was {:?}, and P{pid} is told {told:?}",
                self.last
            ));
        }
        self.seen.holds = (self.seen.holds + 1).min(3);
        self.seen.recovered |= matches!(told, Told::Recovered(_));
        self.is_told_recovered = matches!(told, Told::Recovered(_));
        self.last_token = self.last_token.max(token);
        self.before.insert(pid, if self.last == Last::InDoubt { told.into() } else { self.last });
        self.last = Last::Unclean(Some(token));
        self.last_by = Some(pid);
        self.phases.insert(pid, Phase::Holding { token });
    }

    pub(crate) fn begins_to_end(&mut self, pid: Pid, end: End) {
        if let Some(Phase::Holding { token }) = self.phase(pid) {
            self.last = match end {
                End::Release => Last::Clean,
                End::Abandon => Last::Unclean(Some(token)),
                End::Undo => match self.before.get(&pid).copied().unwrap_or_default() {
                    // The record that is put back has the token of who puts it back: the guard does not keep it.
                    Last::Unclean(_) if self.is_flock => Last::Unclean(None),
                    before => before,
                },
            };
        }
        self.phases.insert(pid, Phase::Ending);
    }

    pub(crate) fn has_ended(&mut self, pid: Pid, error: Option<&str>) {
        if let Some(error) = error
            && !self.faulted.contains(&pid)
        {
            self.violated(format!("the way out: P{pid} can't release, though nothing failed: {error}"));
        }
        self.phases.remove(&pid);
    }

    pub(crate) fn found_busy(&mut self, pid: Pid) {
        self.seen.busy = true;
        self.phases.remove(&pid);
        if !self.contested.contains(&pid) {
            self.violated(format!(
                "I5 nobody is stuck: P{pid} finds the lock busy, and nobody else is there"
            ));
        }
    }

    pub(crate) fn failed(&mut self, pid: Pid, error: &str) {
        self.seen.failed = true;
        if !self.faulted.contains(&pid) {
            self.violated(format!("P{pid} fails, though nothing of its calls did: {error}"));
        }
        self.phases.remove(&pid);
    }

    /// A call was answered.
    pub(crate) fn made_a_call(&mut self, pid: Pid, order: Order) {
        let Order::Fail(errno) = order else { return };
        if errno != Errno::INTR {
            self.faulted.insert(pid);
            if self.phase(pid) == Some(Phase::Ending) && self.last_by == Some(pid) {
                self.last = Last::InDoubt;
            }
        }
    }

    /// A user has removed a file.
    pub(crate) fn was_meddled_with(&mut self, deleted: Deleted) {
        self.is_disturbed = true;
        self.is_meddled |= deleted == Deleted::Record;
    }

    /// A process was killed, before the kernel knows.
    pub(crate) fn died(&mut self, pid: Pid, published: bool, job: Option<Pid>) {
        match self.phases.remove(&pid) {
            Some(Phase::Holding { .. }) => {
                if let Some(job) = job {
                    self.seen.orphan = true;
                    self.phases.insert(job, Phase::JobHolds);
                }
            }
            Some(Phase::Ending) => {
                if self.last_by == Some(pid) {
                    self.last = Last::InDoubt;
                }
                if let Some(job) = job {
                    self.phases.insert(job, Phase::JobLingers);
                }
            }
            Some(Phase::Asking) if self.faulted.contains(&pid) => self.last = Last::InDoubt,
            // It has its record at the name, and did not come to hold: the next one is told of that.
            Some(Phase::Asking) if published => {
                self.last = Last::Unclean(None);
                self.last_by = None;
            }
            _ => {}
        }
    }

    pub(crate) fn job_ended(&mut self, job: Pid) {
        self.phases.remove(&job);
    }

    /// I2, in any state: a record that has its name is whole, and locked for as long as its holder has not begun to end.
    pub(crate) fn check_born_locked(&mut self, kernel: &Kernel, record: Option<Inode>) {
        let Some(record) = record else { return };
        let Some((pid, round)) = kernel.author(record) else { return };
        let holder = if kernel.is_alive(pid) { pid } else { pid + JOB };
        let is_his = kernel.round(holder) == round && kernel.is_alive(holder);
        let is_at_it = match self.phase(holder) {
            // It may be taking back what it has published.
            Some(Phase::Asking) => !self.is_disturbed && !self.faulted.contains(&pid),
            Some(Phase::Holding { .. } | Phase::JobHolds) => true,
            _ => false,
        };
        if !is_his || !is_at_it {
            return;
        }
        let bytes = kernel.bytes(record);
        if !(bytes.starts_with(b"{") && bytes.ends_with(b"}")) {
            self.violated(format!("I2 born locked: the record of P{pid} has its name, and is not whole"));
        }
        if !kernel.has_byte_0(holder, record) {
            self.violated(format!(
                "I2 born locked: the record of P{pid} has its name, and byte 0 is not locked"
            ));
        }
    }

    pub(crate) fn leaves(&mut self, pid: Pid, descriptors: usize) {
        if descriptors > 0 {
            self.violated(format!("P{pid} has left, and {descriptors} descriptors are still open"));
        }
    }

    pub(crate) fn note(&mut self, violation: String) {
        self.violated(violation);
    }
}

/// What the job of a process is more than it.
pub(crate) const JOB: Pid = 50;

impl From<Told> for Last {
    fn from(told: Told) -> Self {
        match told {
            Told::Fresh => Self::Clean,
            Told::Recovered(token) => Self::Unclean(token),
        }
    }
}
