//! A lock that is waited for by a child of this process, so that the wait has a descriptor and can be given up.
//!
//! The kernel lets a process sleep until a lock is free, and wakes it without anybody polling; but that sleep has no descriptor
//! and no deadline, and a thread in it can be called back only by a signal with a handler, which is the program's to install
//! and not a library's. So a child sleeps in its place: it shares memory and descriptors with this process, so that nothing is
//! copied and no descriptor is kept open by it; it has all signals blocked, so that no handler ever runs in it; it makes system
//! calls only, touches nothing but its own stack, dies with the thread that started it, and is killed and reaped here in any
//! case. Its end is not announced by SIGCHLD, so that nobody who waits for children of his own ever meets it.
//!
//! It locks through the very descriptor that is waited with, and a lock belongs to the open file description: what it gets is
//! ours. If this process is stopped it does not come to collect; then the child gives the lock back after [`HAND_OVER`], so that
//! others pass. The order in which this can't go wrong:
//!
//! 1. The child gets the lock, tells, and waits. We wake up, kill it, and reap it: from here on nobody but us unlocks.
//! 2. We try the lock with the same descriptor: it is granted if we have it already, and if it is free.
//! 3. Had the child given it back before it was killed, the try may be refused: then we wait again.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::Result;
use super::imp::{self, Errno, Handle, Range};

/// How long a lock that was got for a process that does not come for it is kept. That takes some 10 µs; where it takes longer, because
/// the process is stopped or the machine busy, it costs the process nothing but its place in the kernel's queue.
const HAND_OVER: Duration = Duration::from_millis(100);

/// Far more than the few calls need, in a debug build too.
const STACK: usize = 64 * 1024;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// To have the file locked with `flock`, exclusively.
    Flock,
    /// To have it locked with `flock` along with others who share it.
    SharedFlock,
    /// That nobody has it locked with `flock`: it is locked and unlocked again.
    NoFlock,
    /// That nobody has locked these bytes of it exclusively: the same.
    NoRange(Range),
    /// That nobody has locked them at all: the same, and the file has to be open for writing.
    NoShareOf(Range),
}

/// A child that waits for a lock. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Lookout {
    /// Readable once it has ended.
    child: OwnedFd,
    id: Pid,
    /// Readable once it has the lock for us.
    told: OwnedFd,
    errand: Box<Errand>,
    stack: Vec<u8>,
    owner: u32,
}

/// What the child reads.
#[derive(Debug)]
struct Errand {
    file: RawFd,
    told: RawFd,
    awaited: Awaited,
    parent: Option<Pid>,
}

impl Lookout {
    /// Starts to wait. `file` must stay open until this is dropped.
    pub(crate) fn start(file: &Handle, awaited: Awaited) -> Result<Self> {
        let told = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let parent = Pid::from_raw(i32::try_from(imp::process_id()).unwrap_or(0));
        let errand = Box::new(Errand { file: file.as_raw_fd(), told: told.as_raw_fd(), awaited, parent });
        let mut stack = vec![0_u8; STACK];
        let (id, child) = clone(&errand, &mut stack)?;
        Ok(Self { child, id, told, errand, stack, owner: imp::process_id() })
    }

    /// What becomes readable when there is something to be looked at again.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.told.as_fd(), self.child.as_fd()]
    }
}

/// Starts the child: its id and its descriptor.
fn clone(errand: &Errand, stack: &mut [u8]) -> Result<(Pid, OwnedFd)> {
    const ALIGNMENT: usize = 16;
    let top = stack.as_mut_ptr_range().end;
    // Stacks grow downwards on every architecture of Linux that Rust has a standard library for.
    let top = top.wrapping_sub(top.addr() % ALIGNMENT);
    let mut descriptor: c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_PIDFD;
    let argument = std::ptr::from_ref(errand).cast_mut().cast::<c_void>();
    let id = with_all_signals_blocked(|| {
        // SAFETY: the child runs `stand` on a stack of its own and reads `errand`; both are kept by the `Lookout`, which frees them
        // only after it has reaped the child, and `stand` keeps to what its own comment says.
        let id = unsafe { libc::clone(stand, top.cast(), flags, argument, &raw mut descriptor) };
        if id == -1 { Err(last_error()) } else { Ok(id) }
    })??;
    let id = Pid::from_raw(id).ok_or(Errno::IO)?;
    if descriptor == -1 {
        // A kernel before 5.2 does not know the flag. The child is ours and not reaped: the id is its.
        let _ = rustix::process::kill_process(id, Signal::KILL);
        reap(id)?;
        return Err(Errno::NOSYS);
    }
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok((id, unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// The child. It shares this process's memory, thread-local storage included, with the thread that started it: so it makes
/// direct system calls only, never the C library's, which would write `errno`, and neither allocates nor panics.
extern "C" fn stand(errand: *mut c_void) -> c_int {
    // SAFETY: `clone` has passed a pointer to an `Errand` that lives until this child is reaped.
    let errand = unsafe { &*errand.cast::<Errand>() };
    // Whoever is gone by now can't have been waited for: the request came too late for it.
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err()
        || rustix::process::getppid() != errand.parent
    {
        return 1;
    }
    // SAFETY: both are open for as long as the `Lookout` is, and the table of descriptors is shared.
    let [file, told] = [errand.file, errand.told].map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let answer = match errand.awaited {
        Awaited::Flock => keep(file, told, FlockOperation::LockExclusive),
        Awaited::SharedFlock => keep(file, told, FlockOperation::LockShared),
        Awaited::NoFlock => {
            flock(file, FlockOperation::LockExclusive).and_then(|()| flock(file, FlockOperation::Unlock))
        }
        Awaited::NoRange(range) => imp::await_range(file, range, false),
        Awaited::NoShareOf(range) => imp::await_range(file, range, true),
    };
    c_int::from(answer.is_err())
}

/// Gets the lock, tells, and gives it back if nobody comes for it.
fn keep(file: BorrowedFd<'_>, told: BorrowedFd<'_>, kind: FlockOperation) -> Result<()> {
    flock(file, kind)?;
    rustix::io::write(told, &1_u64.to_ne_bytes())?;
    let time = Timespec { tv_sec: 0, tv_nsec: HAND_OVER.subsec_nanos().into() };
    rustix::event::poll(&mut [], Some(&time))?;
    flock(file, FlockOperation::Unlock)
}

fn flock(file: BorrowedFd<'_>, operation: FlockOperation) -> Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::flock(file, operation))
}

fn with_all_signals_blocked<T>(act: impl FnOnce() -> T) -> Result<T> {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises the first set before it is read, and the call fills in the second.
    let answer = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
    };
    if answer != 0 {
        return Err(Errno::from_raw_os_error(answer));
    }
    let done = act();
    // SAFETY: the set was filled in by the call above. It can't fail for a set that was in force.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    Ok(done)
}

/// Waits for the end of the child, which announces itself to nobody who does not ask for such ones.
fn reap(id: Pid) -> Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    match rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(id), options)) {
        // Somebody in this process waits for everything and was faster: it has ended.
        Ok(_) | Err(Errno::CHILD) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if imp::process_id() != self.owner {
            // A forked child has copies; the one who waits is its parent's.
            return;
        }
        // Fails only for one that has ended.
        let _ = rustix::process::pidfd_send_signal(&self.child, Signal::KILL);
        if reap(self.id).is_err() {
            // It may still run on what would be freed.
            std::mem::forget(std::mem::take(&mut self.stack));
            let errand = Errand { file: -1, told: -1, awaited: Awaited::NoFlock, parent: None };
            std::mem::forget(std::mem::replace(&mut self.errand, Box::new(errand)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::super::{Flock, flock, is_ready, stat};
    use super::*;

    fn opened(path: &Path) -> Handle {
        File::options().create(true).truncate(false).write(true).read(true).open(path).expect("opened").into()
    }

    fn is_locked_by_others(file: &Handle) -> bool {
        flock(file, Flock::TryExclusive) == Err(Errno::WOULDBLOCK)
    }

    fn ended(lookout: &Lookout) {
        assert_eq!(is_ready(&lookout.descriptors()[1..], Some(Duration::from_secs(30))), Ok(true));
    }

    #[test]
    fn lock_that_the_child_got_is_ours_once_it_is_gone() {
        let place = tempfile::tempdir().expect("a place");
        let [holder, ours, other] = [(); 3].map(|()| opened(&place.path().join("file")));
        flock(&holder, Flock::TryExclusive).expect("free");
        let lookout = Lookout::start(&ours, Awaited::Flock).expect("started");
        assert_eq!(is_ready(&lookout.descriptors(), Some(Duration::ZERO)), Ok(false));
        flock(&holder, Flock::Unlock).expect("unlocked");
        assert_eq!(is_ready(&lookout.descriptors(), Some(Duration::from_secs(30))), Ok(true));
        drop(lookout);
        flock(&ours, Flock::TryExclusive).expect("ours");
        assert!(is_locked_by_others(&other));
        assert!(stat(&ours).is_ok(), "descriptors are shared, and none was closed");
    }

    #[test]
    fn lock_that_nobody_comes_for_is_given_back() {
        let place = tempfile::tempdir().expect("a place");
        let [ours, other] = [(); 2].map(|()| opened(&place.path().join("file")));
        let lookout = Lookout::start(&ours, Awaited::Flock).expect("started");
        ended(&lookout);
        flock(&other, Flock::TryExclusive).expect("free");
    }

    #[test]
    fn wait_that_is_given_up_leaves_no_child_and_no_lock() {
        let place = tempfile::tempdir().expect("a place");
        let [holder, ours, other] = [(); 3].map(|()| opened(&place.path().join("file")));
        flock(&holder, Flock::TryExclusive).expect("free");
        let lookout = Lookout::start(&ours, Awaited::Flock).expect("started");
        let id = lookout.id;
        drop(lookout);
        assert_eq!(rustix::process::test_kill_process(id), Err(Errno::SRCH));
        flock(&holder, Flock::Unlock).expect("unlocked");
        flock(&other, Flock::TryExclusive).expect("free");
    }

    #[test]
    fn end_of_a_lock_on_a_byte_is_waited_for_without_keeping_it() {
        let place = tempfile::tempdir().expect("a place");
        let [holder, ours, other] = [(); 3].map(|()| opened(&place.path().join("file")));
        assert_eq!(imp::try_lock_range(&holder, Range::Holder), Ok(true));
        let lookout = Lookout::start(&ours, Awaited::NoRange(Range::Holder)).expect("started");
        assert_eq!(is_ready(&lookout.descriptors(), Some(Duration::ZERO)), Ok(false));
        imp::unlock_range(&holder, Range::Holder).expect("unlocked");
        ended(&lookout);
        assert_eq!(imp::try_lock_range(&other, Range::Holder), Ok(true));
    }
}
