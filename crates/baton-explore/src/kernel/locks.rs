//! `flock`, locks on bytes that belong to open file descriptions, leases; and what of them can be slept for.

use rustix::io::Errno;

use super::{Inode, Kernel, OpenId, Pid};
use crate::sim::Result;
use crate::twin::linux::Flock;

/// Bytes from, and up to but without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The locks of one file.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Locks {
    /// Who has it by `flock`, and whether alone.
    whole: Vec<(OpenId, bool)>,
    /// Who has which byte, and whether alone; sorted.
    bytes: Vec<(u64, OpenId, bool)>,
    lease: Option<OpenId>,
}

/// When a process that sleeps can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Until {
    Now,
    /// Somebody has made a call since.
    Others(u64),
    /// The file behind this descriptor can be had by `flock`, alone or along with others.
    Unflocked(i32, bool),
    /// This descriptor is readable.
    Ready(i32),
}

impl Locks {
    pub(super) fn forget(&mut self, id: OpenId) {
        self.whole.retain(|(owner, _)| *owner != id);
        self.bytes.retain(|(_, owner, _)| *owner != id);
        self.lease = self.lease.filter(|owner| *owner != id);
    }

    pub(super) fn is_leased(&self) -> bool {
        self.lease.is_some()
    }

    fn is_flocked_against(&self, id: OpenId, alone: bool) -> bool {
        self.whole.iter().any(|(owner, is_alone)| *owner != id && (alone || *is_alone))
    }

    fn is_locked_against(&self, id: OpenId, span: Span, alone: bool) -> bool {
        let is_within = |byte: u64| (span.from..span.to).contains(&byte);
        self.bytes
            .iter()
            .any(|(byte, owner, is_alone)| *owner != id && is_within(*byte) && (alone || *is_alone))
    }

    fn unlock(&mut self, id: OpenId, span: Span) {
        self.bytes.retain(|(byte, owner, _)| *owner != id || !(span.from..span.to).contains(byte));
    }

    /// Lines as `/proc/PID/fdinfo/N` has them.
    pub(super) fn lines(&self, id: OpenId, inode: Inode) -> String {
        let kind = |alone: bool| if alone { "WRITE" } else { "READ " };
        let whole =
            self.whole.iter().filter(|(owner, _)| *owner == id).map(|(_, alone)| {
                format!("lock:\t1: FLOCK  ADVISORY  {} 1 08:01:{inode} 0 EOF\n", kind(*alone))
            });
        let bytes = self.bytes.iter().filter(|(_, owner, _)| *owner == id).map(|(byte, _, alone)| {
            format!("lock:\t1: OFDLCK ADVISORY  {} -1 08:01:{inode} {byte} {byte}\n", kind(*alone))
        });
        whole.chain(bytes).collect()
    }

    /// Does anybody have it by `flock`?
    pub(super) fn is_flocked(&self) -> bool {
        !self.whole.is_empty()
    }
}

impl Kernel {
    /// `flock`, not sleeping.
    pub(crate) fn flock(&mut self, pid: Pid, descriptor: i32, operation: Flock) -> Result<()> {
        let (id, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = open.file;
        let locks = &mut self.file_mut(file).locks;
        let alone = match operation {
            Flock::Exclusive | Flock::TryExclusive => true,
            Flock::Shared | Flock::TryShared => false,
            Flock::Unlock => {
                locks.whole.retain(|(owner, _)| *owner != id);
                return Ok(());
            }
        };
        if locks.whole.contains(&(id, alone)) {
            return Ok(());
        }
        // One of the other kind is given up first, whatever comes of it.
        locks.whole.retain(|(owner, _)| *owner != id);
        if locks.is_flocked_against(id, alone) {
            return Err(Errno::WOULDBLOCK);
        }
        locks.whole.push((id, alone));
        locks.whole.sort_unstable();
        Ok(())
    }

    /// `F_OFD_SETLK`: whether it was had.
    pub(crate) fn lock_bytes(&mut self, pid: Pid, descriptor: i32, span: Span, alone: bool) -> Result<bool> {
        let (id, open) = self.opened(pid, descriptor)?;
        if open.is_path || (alone && !open.writes) {
            return Err(Errno::BADF);
        }
        let file = open.file;
        let locks = &mut self.file_mut(file).locks;
        if locks.is_locked_against(id, span, alone) {
            return Ok(false);
        }
        locks.unlock(id, span);
        locks.bytes.extend((span.from..span.to).map(|byte| (byte, id, alone)));
        locks.bytes.sort_unstable();
        Ok(true)
    }

    /// `F_OFD_SETLK` with `F_UNLCK`.
    pub(crate) fn unlock_bytes(&mut self, pid: Pid, descriptor: i32, span: Span) -> Result<()> {
        let (id, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = open.file;
        self.file_mut(file).locks.unlock(id, span);
        Ok(())
    }

    /// `F_OFD_GETLK` for a lock of one's own, alone or along with others.
    pub(crate) fn are_bytes_locked(
        &self,
        pid: Pid,
        descriptor: i32,
        span: Span,
        alone: bool,
    ) -> Result<bool> {
        let (id, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        Ok(self.files[&open.file].locks.is_locked_against(id, span, alone))
    }

    /// `F_SETLEASE` for writing: `false` if anybody else has the file open.
    pub(crate) fn lease(&mut self, pid: Pid, descriptor: i32) -> Result<bool> {
        let (id, open) = self.opened(pid, descriptor)?;
        if open.is_path {
            return Err(Errno::BADF);
        }
        let file = open.file;
        if self.files[&file].kind != crate::twin::linux::FileKind::Regular {
            return Err(Errno::INVAL);
        }
        let mut others =
            self.open.iter().filter(|(other, open)| **other != id && open.event.is_none() && !open.is_path);
        if others.any(|(_, open)| open.file == file) {
            return Ok(false);
        }
        self.file_mut(file).locks.lease = Some(id);
        Ok(true)
    }

    /// Gives a lease back.
    pub(crate) fn unlease(&mut self, pid: Pid, descriptor: i32) -> Result<()> {
        let file = self.file_of(pid, descriptor)?;
        self.file_mut(file).locks.lease = None;
        Ok(())
    }

    /// Can a process that sleeps until then go on?
    pub(crate) fn is_met(&self, pid: Pid, until: Until) -> bool {
        let locks = |descriptor| {
            let (id, open) = self.opened(pid, descriptor).ok()?;
            Some((id, &self.files[&open.file].locks))
        };
        match until {
            Until::Now | Until::Others(_) => true,
            Until::Unflocked(descriptor, alone) => {
                locks(descriptor).is_none_or(|(id, locks)| !locks.is_flocked_against(id, alone))
            }
            Until::Ready(descriptor) => self.is_ready(pid, descriptor),
        }
    }

    /// Is a descriptor readable?
    pub(crate) fn is_ready(&self, pid: Pid, descriptor: i32) -> bool {
        self.opened(pid, descriptor).is_ok_and(|(_, open)| open.event != Some(false))
    }

    /// Is byte 0 of a file locked, alone, by a descriptor of this process?
    pub(crate) fn has_byte_0(&self, pid: Pid, file: Inode) -> bool {
        let Some(process) = self.processes.get(&pid) else { return false };
        let locks = self.files.get(&file).map(|file| &file.locks);
        locks.is_some_and(|locks| {
            locks.bytes.iter().any(|(byte, owner, alone)| {
                *byte == 0 && *alone && process.descriptors.values().any(|open| open == owner)
            })
        })
    }
}
