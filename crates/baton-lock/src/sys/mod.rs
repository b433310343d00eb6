//! The one door to the operating system: one function per system call that the protocol uses.
//!
//! The protocol in `lock/` names system calls only through this module, so that a second implementation with the
//! same functions can take its place at compile time and the shipped protocol code itself can be explored over its
//! interleavings and crash points. For the same reason nothing here decides anything: no path is joined, no error
//! is judged, no order is chosen.
//!
//! The only additions to the bare calls are those without which a call does not do what its name says: a call that
//! a signal interrupted is made again (each ends, because every further round needs a further signal), and a short
//! write is continued.
//!
//! `unsafe` is allowed in this directory alone. Other systems have no implementation yet; `docs/platforms.md` says
//! what one needs.

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "`fcntl` and `pre_exec` have no safe form; see the blocks")]
mod linux;
#[cfg(target_os = "linux")]
use linux as imp;
#[cfg(feature = "tokio")]
#[expect(unsafe_code, reason = "tokio takes descriptors on trust; see the block")]
mod asynchronous;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "`clone` and signal masks have no safe form; see the blocks")]
mod lookout;
#[cfg(target_os = "linux")]
pub(crate) mod pidfd;

#[cfg(not(target_os = "linux"))]
compile_error!(
    "baton-lock runs on Linux so far: it needs open file description locks, an atomic exchange of two names and \
     /proc; docs/platforms.md says what a port has to supply"
);

use std::ffi::{OsStr, OsString};
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "tokio")]
pub(crate) use asynchronous::until_readable;
pub(crate) use imp::{
    Access, Errno, FileId, FileKind, Flock, Handle, Range, Signalled, Stat, boot_time, device_text,
    effective_user, file_size_limit, hand_over_at_exec, host_name, is_ignored, kill_with_parent_at_exec,
    process_id, random, real_time, unblock_signals_at_exec,
};
pub(crate) use lookout::{Awaited, Lookout};

/// What a system call answers.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Makes a call again for as long as a signal interrupts it.
fn retry<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

/// Opens a directory by its path, links followed, for use as the base of other calls only.
pub(crate) fn open_directory(path: &Path) -> Result<Handle> {
    retry(|| imp::open_directory(path))
}

/// Opens a directory by its path, links followed, so that its names can be made durable too.
pub(crate) fn open_directory_to_sync(path: &Path) -> Result<Handle> {
    retry(|| imp::open_directory_to_sync(path))
}

/// Opens the last component of a path inside `dir`: never following a link, never blocking on a FIFO.
pub(crate) fn open_at(dir: &Handle, name: &OsStr, access: Access) -> Result<Handle> {
    retry(|| imp::open_at(dir, name, access))
}

/// `fstat`.
pub(crate) fn stat(file: &Handle) -> Result<Stat> {
    retry(|| imp::stat(file))
}

/// `fstatat` without following a link.
pub(crate) fn stat_at(dir: &Handle, name: &OsStr) -> Result<Stat> {
    retry(|| imp::stat_at(dir, name))
}

/// `stat`, links followed.
pub(crate) fn stat_path(path: &Path) -> Result<Stat> {
    retry(|| imp::stat_path(path))
}

/// `fstatfs`: the magic number of the filesystem that holds the file.
pub(crate) fn filesystem_magic(file: &Handle) -> Result<u64> {
    retry(|| imp::filesystem_magic(file))
}

/// `flock`. A refused try is `Errno::WOULDBLOCK`.
pub(crate) fn flock(file: &Handle, operation: Flock) -> Result<()> {
    retry(|| imp::flock(file, operation))
}

/// Takes an exclusive open-file-description lock without waiting; `false` means that somebody else has it, or a share of it. A share of
/// one's own becomes exclusive, or stays what it is if that is refused.
pub(crate) fn try_lock_range(file: &Handle, range: Range) -> Result<bool> {
    retry(|| imp::try_lock_range(file, range))
}

/// Takes a shared open-file-description lock without waiting; `false` means that somebody else has it exclusively. If it is already
/// had, of whichever kind, it is of this kind afterwards, in one step.
pub(crate) fn try_share_range(file: &Handle, range: Range) -> Result<bool> {
    retry(|| imp::try_share_range(file, range))
}

/// Gives an open-file-description lock back.
pub(crate) fn unlock_range(file: &Handle, range: Range) -> Result<()> {
    retry(|| imp::unlock_range(file, range))
}

/// Asks, without taking anything, whether somebody else holds an open-file-description lock on the range, be it shared.
pub(crate) fn is_range_locked(file: &Handle, range: Range) -> Result<bool> {
    retry(|| imp::is_range_locked(file, range))
}

/// The same, whether somebody else holds one that is not shared.
pub(crate) fn is_range_exclusive(file: &Handle, range: Range) -> Result<bool> {
    retry(|| imp::is_range_exclusive(file, range))
}

/// Asks the kernel whether the file is open by any other open file description, in whatever process or namespace. Only its owner
/// may ask; an error means that the kernel does not say.
pub(crate) fn is_open_elsewhere(file: &Handle) -> Result<bool> {
    retry(|| imp::is_open_elsewhere(file))
}

/// Reads from the start of the file up to `limit` bytes.
pub(crate) fn read_start(file: &Handle, limit: usize) -> Result<Vec<u8>> {
    read_start_until(file, limit, |_| false)
}

/// The same, until what was read is whole by what it says itself: then the end is not asked for, which takes a call more.
pub(crate) fn read_start_until(
    file: &Handle,
    limit: usize,
    is_whole: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    read_up_to(limit, is_whole, |buffer, offset| retry(|| imp::read_at(file, buffer, offset as u64)))
}

/// Reads with `read`, which is given a buffer and how much there is before it, until the end, `limit` bytes, or until it is whole.
///
/// What is read here is mostly a few hundred bytes long, for which room on the stack costs less than a buffer of its own.
fn read_up_to(
    limit: usize,
    is_whole: impl Fn(&[u8]) -> bool,
    mut read: impl FnMut(&mut [u8], usize) -> Result<usize>,
) -> Result<Vec<u8>> {
    const FIRST: usize = 1024;
    let mut first = [0; FIRST];
    let mut bytes = Vec::new();
    let mut filled = 0;
    while filled < limit {
        let more = if filled == 0 {
            let more = read(&mut first[..limit.min(FIRST)], 0)?;
            bytes.extend_from_slice(&first[..more]);
            more
        } else {
            if filled == bytes.len() {
                bytes.resize(limit.min(filled.saturating_mul(4).max(FIRST)), 0);
            }
            read(&mut bytes[filled..], filled)?
        };
        filled += more;
        if more == 0 || is_whole(&bytes[..filled]) {
            break;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes all of `bytes` at the start of the file.
pub(crate) fn write_start(file: &Handle, bytes: &[u8]) -> Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match retry(|| imp::write_at(file, &bytes[written..], written as u64))? {
            // A regular file that takes nothing and reports no error would keep this loop for ever.
            0 => return Err(Errno::IO),
            more => written += more,
        }
    }
    Ok(())
}

/// The same of several parts, one behind the other.
pub(crate) fn write_parts(file: &Handle, parts: &[&[u8]]) -> Result<()> {
    /// The kernel takes no more at once (`IOV_MAX`).
    const MOST: usize = 1024;
    if let [bytes] = parts {
        return write_start(file, bytes);
    }
    let mut all: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let (mut left, mut written) = (&mut all[..], 0);
    // Those that are empty are over at once.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match retry(|| imp::write_parts_at(file, &left[..left.len().min(MOST)], written))? {
            // As above.
            0 => return Err(Errno::IO),
            more => {
                written += more as u64;
                IoSlice::advance_slices(&mut left, more);
            }
        }
    }
    Ok(())
}

/// `renameat2` with `RENAME_NOREPLACE`.
pub(crate) fn rename_noreplace(dir: &Handle, from: &OsStr, to: &OsStr) -> Result<()> {
    move_noreplace(dir, from, dir, to)
}

/// The same, from one directory to another one of the same filesystem.
pub(crate) fn move_noreplace(from: &Handle, name: &OsStr, to: &Handle, new_name: &OsStr) -> Result<()> {
    retry(|| imp::move_noreplace(from, name, to, new_name))
}

/// `renameat`: whatever has the new name loses it, in one step.
pub(crate) fn rename_replacing(dir: &Handle, from: &OsStr, to: &OsStr) -> Result<()> {
    retry(|| imp::rename_replacing(dir, from, to))
}

/// `renameat2` with `RENAME_EXCHANGE`.
pub(crate) fn rename_exchange(dir: &Handle, one: &OsStr, other: &OsStr) -> Result<()> {
    retry(|| imp::rename_exchange(dir, one, other))
}

/// `fsync`: of a file its content, of a directory its names.
pub(crate) fn sync(file: &Handle) -> Result<()> {
    retry(|| imp::sync(file))
}

/// `unlinkat`.
pub(crate) fn unlink(dir: &Handle, name: &OsStr) -> Result<()> {
    retry(|| imp::unlink(dir, name))
}

/// `fchmod`.
pub(crate) fn change_mode(file: &Handle, mode: u32) -> Result<()> {
    retry(|| imp::change_mode(file, mode))
}

/// `kcmp`: have two processes one table of descriptors? Answered for those alone whose descriptors may be looked at.
pub(crate) fn share_descriptors(one: u32, other: u32) -> Result<bool> {
    retry(|| imp::share_descriptors(one, other))
}

/// Sets the times of its last access and change to now, by the kernel's clock.
pub(crate) fn touch(file: &Handle) -> Result<()> {
    retry(|| imp::touch(file))
}

/// `mkdirat`. The mode is less the umask.
pub(crate) fn make_directory(dir: &Handle, name: &OsStr, mode: u32) -> Result<()> {
    retry(|| imp::make_directory(dir, name, mode))
}

/// Opens a directory inside `dir`, never following a link, so that its names can be listed.
pub(crate) fn open_directory_at(dir: &Handle, name: &OsStr) -> Result<Handle> {
    retry(|| imp::open_directory_at(dir, name))
}

/// `unlinkat` of a directory, which must be empty.
pub(crate) fn remove_directory(dir: &Handle, name: &OsStr) -> Result<()> {
    retry(|| imp::remove_directory(dir, name))
}

/// The names in a directory that are wanted, without `.` and `..`.
pub(crate) fn names_in(dir: &Handle, is_wanted: impl Fn(&OsStr) -> bool) -> Result<Vec<OsString>> {
    retry(|| imp::names_in(dir, &is_wanted))
}

/// Lets the calling thread sleep.
pub(crate) fn pause(time: Duration) {
    imp::pause(time);
}

/// `poll` for reading: sleeps until one of the descriptors is readable or has ended, or the time is over; whether one is. A signal
/// that comes meanwhile ends the sleep too: `false`.
pub(crate) fn is_ready(descriptors: &[BorrowedFd<'_>], most: Option<Duration>) -> Result<bool> {
    match imp::is_ready(descriptors, most) {
        Err(Errno::INTR) => Ok(false),
        answer => answer,
    }
}

/// A descriptor that becomes readable once and for all by [`set_event`].
pub(crate) fn event() -> Result<Handle> {
    retry(imp::event)
}

/// Makes it readable.
pub(crate) fn set_event(event: &Handle) -> Result<()> {
    retry(|| imp::set_event(event))
}

/// A descriptor that becomes readable after that time.
pub(crate) fn timer(after: Duration) -> Result<Handle> {
    retry(|| imp::timer(after))
}

/// A descriptor that becomes readable when the file that has this name now is written to, renamed, or loses a name, or its mode
/// or times are changed; opening, reading and locking it are not noted. There are 128 of them per user by default.
pub(crate) fn watch(dir: &Handle, name: &OsStr) -> Result<Handle> {
    retry(|| imp::watch(dir, name))
}

/// Signal 0: does a process of this id exist?
pub(crate) fn probe_process(pid: i32) -> Signalled {
    imp::probe_process(pid)
}

/// Reads a small file by its absolute path (`/proc`, `/etc`), at most `limit` bytes.
pub(crate) fn read_path(path: &Path, limit: usize) -> Result<Vec<u8>> {
    read_path_until(path, limit, |_| false)
}

/// The same, until what was read is whole by what it says itself.
pub(crate) fn read_path_until(
    path: &Path,
    limit: usize,
    is_whole: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    retry(|| imp::read_path(path, limit, &is_whole))
}

/// `readlink` by absolute path.
pub(crate) fn link_target(path: &Path) -> Result<OsString> {
    retry(|| imp::link_target(path))
}

/// The names in a directory given by its absolute path (`/proc`).
pub(crate) fn names_in_path(path: &Path) -> Result<Vec<OsString>> {
    retry(|| imp::names_in_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_up_to_the_limit_is_read_however_it_comes() {
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(50_000).collect();
        for piece in [1, 1000, 4096, 100_000] {
            for limit in [0, 1, 4095, 4096, 4097, 20_000, 50_000, 60_000] {
                let read = read_up_to(limit, |_| false, in_pieces(&all, piece));
                assert_eq!(read, Ok(all[..limit.min(all.len())].to_vec()), "{piece} {limit}");
            }
        }
    }

    #[test]
    fn more_parts_than_the_kernel_takes_at_once_are_written_one_behind_the_other() {
        let file = tempfile::tempfile().expect("a file");
        let numbers: Vec<String> = (0..3000_u32).map(|number| number.to_string()).collect();
        let parts: Vec<&[u8]> = numbers.iter().flat_map(|number| [number.as_bytes(), b""]).collect();
        let handle = Handle::from(file);
        write_parts(&handle, &parts).expect("written");
        assert_eq!(read_start(&handle, 100_000), Ok(parts.concat()));
    }

    #[test]
    fn what_is_whole_is_not_asked_for_its_end_and_what_comes_in_pieces_is_read_on() {
        let all = b"whole}";
        for piece in [1, 2, 6, 100] {
            let mut calls = 0;
            let read = read_up_to(
                100,
                |bytes| bytes.ends_with(b"}"),
                |buffer: &mut [u8], offset| {
                    calls += 1;
                    in_pieces(all, piece)(buffer, offset)
                },
            );
            assert_eq!(read, Ok(all.to_vec()), "{piece}");
            assert_eq!(calls, all.len().div_ceil(piece), "{piece}");
        }
    }

    fn in_pieces(all: &[u8], piece: usize) -> impl FnMut(&mut [u8], usize) -> Result<usize> + '_ {
        move |buffer, offset| {
            let rest = &all[offset..];
            let length = piece.min(buffer.len()).min(rest.len());
            buffer[..length].copy_from_slice(&rest[..length]);
            Ok(length)
        }
    }
}
