//! Step 4: what the file at the record's name means for who wants the lock.
//!
//! Whether a Baton holder lives is asked of the kernel: it keeps a lock on byte 0 of the record, born before the record
//! had its name. Who judges takes byte 1 and only *asks* for byte 0, so that judging never looks like holding to
//! anybody else. Where byte 0 is free, its content says what it is: a record of ours whose holder died, an ancestor's,
//! something cut off, or nothing that a lock's client has written, which is never touched.
//!
//! The order of the two questions matters. P1 is stopped between publishing and naming:
//!
//! 1. P2 opens the record of a dead P0. P1 replaces it by its own, locked. P2 asks for P0's byte 0: free.
//! 2. P2 asks whether the name still means that file: no. It judges again, and finds P1's byte 0 locked.
//!
//! Asked the other way round, both answers could be true of different moments.
//!
//! Who wants to share the lock is told of a group of readers that it can join ([`super::group`]), where a writer is told *busy*.

use std::ffi::OsStr;
use std::time::Duration;

use super::ancestor;
use super::directory::Directory;
use super::group::Group;
use super::publish::Found;
use super::token;
use crate::diagnosis::{AncestorState, State};
use crate::error::Error;
use crate::filesystem::Reach;
use crate::identity;
use crate::processes::{self, Listed};
use crate::record::{self, Content, Record};
use crate::sys::{self, Access, Errno, FileId, FileKind, Flock, Handle, Range, Stat};

/// What a file that is no record of a lock means at the record's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It is never touched, unless it can be a record that was cut off.
    #[default]
    Refused,
    /// The ancestor's rule, for a path that is only ever a lock: whatever it is, once it is older than 30 seconds it
    /// counts as left over and is replaced. It must still be a regular file of the caller's with one link and at most
    /// 64 KiB.
    AgesOut,
}

/// How old, by its time stamp, an incomplete record is when nobody can be writing it any more. The ancestor's figure:
/// its clients create the file and write it with two calls, between which they can be stopped.
pub(crate) const INCOMPLETE_FOR: Duration = Duration::from_secs(30);

/// How often a file that somebody has open for a moment is looked at again, and with what pause.
const MOMENTS: u32 = 5;
const MOMENT: Duration = Duration::from_millis(2);

/// The same for one that only readers are seen to have open.
const READERS_MOMENTS: u32 = 100;
const READERS_MOMENT: Duration = Duration::from_millis(5);

/// What judging depends on, besides the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Records of other users are looked at, not refused: flock naming.
    pub(crate) shared: bool,
    pub(crate) malformed: Malformed,
    pub(crate) claim: Claim,
}

/// How a lock is wanted or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// By nobody else: a writer.
    Exclusive,
    /// Along with others who share it: a reader.
    Shared,
}

/// What the record's name means.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Nothing has the name.
    Absent,
    /// Its holder is gone: it may be replaced while this is kept.
    Departed(Box<Departed>),
    /// Somebody holds the lock, or that can't be ruled out.
    Busy(State, Option<Box<Record>>),
    /// Others share it, who can be joined; only for one who wants to share it.
    Group(Group, Box<Record>),
    /// The name changed its meaning meanwhile, or somebody else judges: look again.
    Changed,
    /// In flock naming: no record can be published there, and nobody holds the one that is there.
    OutOfReach {
        /// Why not.
        reason: String,
        /// The token that can be read there, else zero.
        token: u64,
    },
}

impl Verdict {
    /// The token that the record names, else zero.
    pub(crate) fn token(&self) -> u64 {
        match self {
            Self::Departed(departed) => departed.record.as_ref().map_or(0, |record| token::of(record)),
            Self::OutOfReach { token, .. } => *token,
            Self::Absent | Self::Busy(..) | Self::Group(..) | Self::Changed => 0,
        }
    }

    /// Does nobody hold the lock, as far as the record says?
    pub(crate) fn is_obtainable(&self) -> bool {
        match self {
            Self::Absent | Self::Departed(_) | Self::OutOfReach { .. } | Self::Group(..) => true,
            Self::Busy(..) | Self::Changed => false,
        }
    }
}

/// A record whose holder is gone, with byte 1 of it locked, so that nobody else can come to the same verdict.
#[derive(Debug)]
pub(crate) struct Departed {
    handle: Handle,
    id: FileId,
    bytes: Vec<u8>,
    /// Whose it was, where it can be read.
    pub(crate) record: Option<Box<Record>>,
}

impl Departed {
    /// Was it of readers, who may be listed still?
    pub(crate) fn is_of_readers(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.is_shared())
    }

    /// Did nobody die? It was marked as released, or is of readers, who leave nothing half done.
    pub(crate) fn tells_of_nobody(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.tells_of_nobody())
    }

    /// The record of who died: of readers that of the writer before them.
    pub(crate) fn whose(&self) -> Option<&Record> {
        let record = self.record.as_deref()?;
        let dead = record.unrepaired().unwrap_or(record);
        Some(dead).filter(|dead| !dead.stands_for_unknown())
    }

    /// Was it Baton's?
    pub(crate) fn is_batons(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.baton.is_some())
    }

    /// Is a file that came back from an exchange the one that was judged, unchanged?
    pub(crate) fn is(&self, stat: &Stat) -> bool {
        stat.id == self.id
            && sys::read_start(&self.handle, record::MAX_READ + 1).is_ok_and(|bytes| bytes == self.bytes)
    }

    /// What is to be put back if what replaces it is taken back.
    pub(crate) fn found(mut self) -> Found {
        if self.tells_of_nobody() {
            return Found::Nothing;
        }
        let Some(dead) = self.whose() else { return Found::Unreadable };
        let is_own = self.record.as_deref().is_some_and(|record| record.unrepaired().is_none());
        let record = Box::new(dead.clone());
        let bytes = if is_own { std::mem::take(&mut self.bytes) } else { record.to_json().into_bytes() };
        Found::Record { record, bytes }
    }

    /// Lets others judge it again.
    pub(crate) fn unlock(&self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::unlock_range(&self.handle, Range::Judge);
        let _ = sys::flock(&self.handle, Flock::Unlock);
    }
}

impl Drop for Departed {
    fn drop(&mut self) {
        // Closing is not enough: a child that was forked meanwhile, in another thread, has the descriptor too.
        self.unlock();
    }
}

/// Judges the record's name. On an error nothing was touched, and nothing that was not a lock file was read.
pub(crate) fn judge(directory: &Directory, name: &OsStr, rules: Rules) -> Result<Verdict, Error> {
    let Some(seen) = directory.look(name)? else { return Ok(Verdict::Absent) };
    check(directory, name, rules, &seen)?;
    let failed = |errno| Error::io("open the record", &directory.path_of(name), errno);
    let handle = match directory.open_file(name, Access::ReadWrite) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(Verdict::Changed),
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) if rules.shared => {
            return glance(directory, name, rules);
        }
        Err(errno) => return Err(failed(errno)),
    };
    let stat = sys::stat(&handle).map_err(failed)?;
    if stat.links == 0 {
        return Ok(Verdict::Changed);
    }
    check(directory, name, rules, &stat)?;
    if !sys::try_lock_range(&handle, Range::Judge).map_err(failed)? {
        return verdict_while_others_judge(&handle, rules, failed);
    }
    let is_held = sys::is_range_locked(&handle, Range::Holder).map_err(failed);
    if !matches!(is_held, Ok(false)) {
        // Which gives back byte 1.
        let group = Group::new(handle, stat.id);
        return is_held.map(|_| group.verdict(rules));
    }
    let departed = Box::new(Departed { handle, id: stat.id, bytes: Vec::new(), record: None });
    if !directory.means(name, &departed.handle, stat.id)? {
        return Ok(Verdict::Changed);
    }
    judge_content(directory, name, rules, departed, &stat)
}

/// Judges the record of flock naming: what can't be one of the lock's is done without, unless a holder has it locked.
///
/// A record counts only if whoever wrote it could have held the lock. Otherwise:
///
/// 1. The guard is P1's own, mode 0600, in a directory where everybody may create files. P2 can't open it, and can hold it never.
/// 2. P2 creates a record beside it: busy for ever, or *recovered* from whomever P2 likes.
pub(crate) fn judge_beside(
    directory: &Directory,
    name: &OsStr,
    rules: Rules,
    guard: &Stat,
) -> Result<Verdict, Error> {
    let out_of_reach = |reason| Ok(Verdict::OutOfReach { reason, token: 0 });
    match directory.look(name) {
        Ok(Some(seen)) if is_strangers(&seen, guard) => out_of_reach(format!(
            "{} belongs to {}, who can't open the guard",
            crate::escape::path(&directory.path_of(name)),
            identity::user_name(seen.owner)
        )),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::InvalidFilename => {
            out_of_reach("with the ending `.holder` the name is too long for the filesystem".to_owned())
        }
        Err(error) => Err(error),
        Ok(_) => match judge(directory, name, rules) {
            Err(error @ (Error::Unsafe { .. } | Error::NotALockFile { .. })) => {
                match held_all_the_same(directory, name)? {
                    Some(handle) => Ok(Verdict::Busy(State::Held, held_record(&handle))),
                    None => out_of_reach(error.to_string()),
                }
            }
            verdict => verdict,
        },
    }
}

/// Can this file's owner not have held the lock?
pub(crate) fn is_strangers(record: &Stat, guard: &Stat) -> bool {
    const OTHERS_MAY_OPEN: u32 = 0o066;
    let is_known = [sys::effective_user(), guard.owner, 0].contains(&record.owner);
    !is_known && guard.mode & OTHERS_MAY_OPEN == 0
}

/// A file that can't be judged, such as one that got a second name, if a holder has it locked all the same.
pub(crate) fn held_all_the_same(directory: &Directory, name: &OsStr) -> Result<Option<Handle>, Error> {
    match directory.look(name)? {
        Some(seen) if seen.kind == FileKind::Regular => {}
        _ => return Ok(None),
    }
    let failed = |errno| Error::io("look at the record", &directory.path_of(name), errno);
    let handle = match directory.open_file(name, Access::Read) {
        Ok(handle) => handle,
        Err(Errno::NOENT | Errno::ACCESS | Errno::PERM | Errno::LOOP) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let is_held = sys::is_range_locked(&handle, Range::Holder).map_err(failed)?;
    Ok(is_held.then_some(handle))
}

/// Somebody else has byte 1. If byte 0 is taken as well the answer is known already, but to one who might join.
fn verdict_while_others_judge(
    handle: &Handle,
    rules: Rules,
    failed: impl Fn(Errno) -> Error,
) -> Result<Verdict, Error> {
    if !sys::is_range_locked(handle, Range::Holder).map_err(failed)? {
        return Ok(Verdict::Changed);
    }
    let record = held_record(handle);
    let may_join = rules.claim == Claim::Shared && record.as_ref().is_some_and(|record| record.is_shared());
    Ok(if may_join { Verdict::Changed } else { Verdict::Busy(State::Held, record) })
}

/// The record of a living holder, for the message.
pub(crate) fn held_record(handle: &Handle) -> Option<Box<Record>> {
    // It has had its name, and so was whole, before it could be opened.
    let bytes = sys::read_start_until(handle, record::MAX_READ, |text| text.ends_with(record::END)).ok()?;
    match record::classify(&bytes) {
        Content::Baton(record) => Some(Box::new(record)),
        _ => None,
    }
}

/// Looks at a record that can't be opened for writing: only whether it is held can be told.
fn glance(directory: &Directory, name: &OsStr, rules: Rules) -> Result<Verdict, Error> {
    let path = directory.path_of(name);
    let handle = match directory.open_file(name, Access::Read) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(Verdict::Changed),
        // The guard is locked by us and the record says nothing: the guard alone has to do.
        Err(Errno::ACCESS | Errno::PERM) => {
            let reason = format!("{} belongs to another user", crate::escape::path(&path));
            return Ok(Verdict::OutOfReach { reason, token: 0 });
        }
        Err(errno) => return Err(Error::io("open the record", &path, errno)),
    };
    let failed = |errno| Error::io("look at the record", &path, errno);
    let stat = sys::stat(&handle).map_err(failed)?;
    check(directory, name, rules, &stat)?;
    if sys::is_range_locked(&handle, Range::Holder).map_err(failed)? {
        return Ok(Group::new(handle, stat.id).verdict(rules));
    }
    if !directory.means(name, &handle, stat.id)? {
        return Ok(Verdict::Changed);
    }
    let owner = identity::user_name(stat.owner);
    let reason = format!("{} belongs to {owner} and can't be written", crate::escape::path(&path));
    let token = held_record(&handle).map_or(0, |record| token::of(&record));
    Ok(Verdict::OutOfReach { reason, token })
}

/// Refuses what can't be a record, by what `fstat` says; nothing of it was read.
pub(crate) fn check(directory: &Directory, name: &OsStr, rules: Rules, stat: &Stat) -> Result<(), Error> {
    let refuse = |reason: String, hint| Err(Error::Unsafe { path: directory.path_of(name), reason, hint });
    if stat.kind != FileKind::Regular {
        return refuse(
            format!("it is {}, where the lock's record would be", stat.kind.describe()),
            "choose another path for the lock; this one was neither opened nor changed",
        );
    }
    let me = sys::effective_user();
    if !rules.shared && stat.owner != me {
        return refuse(
            format!("it belongs to {}, not to {}", identity::user_name(stat.owner), identity::user_name(me)),
            "a lock of default naming belongs to one user: use another path, or share one by flock naming (`--flock`)",
        );
    }
    if stat.links > 1 {
        return refuse(
            "it has a second name (hard link)".to_owned(),
            "find and judge the other name (`find -samefile`), or choose another path for the lock",
        );
    }
    if stat.size > record::MAX_READ as u64 {
        return refuse(
            format!("it has {} bytes, more than the 65536 that a lock file may have", stat.size),
            "choose another path for the lock; this one was neither read nor changed",
        );
    }
    Ok(())
}

fn judge_content(
    directory: &Directory,
    name: &OsStr,
    rules: Rules,
    mut departed: Box<Departed>,
    stat: &Stat,
) -> Result<Verdict, Error> {
    departed.bytes = sys::read_start(&departed.handle, record::MAX_READ + 1)
        .map_err(|errno| Error::io("read the record", &directory.path_of(name), errno))?;
    match record::classify(&departed.bytes) {
        Content::Baton(record) => {
            if directory.reach == Reach::OptedIn && is_other_hosts(&record) {
                return Ok(Verdict::Busy(State::OtherHost, Some(Box::new(record))));
            }
            departed.record = Some(Box::new(record));
            Ok(Verdict::Departed(departed))
        }
        // In flock naming no client of a lock writes anything but whole records of Baton's, except when the power fails.
        Content::Ancestor(_) if rules.shared => Err(not_a_lock_file(directory, name)),
        Content::Incomplete if rules.shared && stat.owner != sys::effective_user() => {
            Err(not_a_lock_file(directory, name))
        }
        Content::Ancestor(record) => Ok(judge_ancestor(directory, departed, record)),
        Content::Incomplete => Ok(judge_incomplete(departed, stat)),
        Content::Foreign if rules.malformed == Malformed::AgesOut => Ok(judge_incomplete(departed, stat)),
        Content::Foreign => Err(not_a_lock_file(directory, name)),
    }
}

pub(crate) fn not_a_lock_file(directory: &Directory, name: &OsStr) -> Error {
    Error::NotALockFile {
        path: directory.path_of(name),
        reason: "no client of a lock has written its content".to_owned(),
        hint: "nothing was changed; choose another path for the lock, or use flock naming (`--flock`) to lock this very \
               file without ever writing to it",
    }
}

/// A kernel lock taken on another host may be unseen here. The host's name counts too: boot ids can be overmounted.
pub(crate) fn is_other_hosts(record: &Record) -> bool {
    let Some(baton) = &record.baton else { return false };
    let myself = identity::myself();
    baton.boot_id != myself.boot_id && baton.host.as_deref() != Some(&myself.host)
}

fn judge_ancestor(directory: &Directory, mut departed: Box<Departed>, record: Record) -> Verdict {
    let record = Box::new(record);
    if directory.reach == Reach::OptedIn {
        return Verdict::Busy(State::Ancestor(AncestorState::Unverified), Some(record));
    }
    if let ancestor::Life::Held(state) = ancestor::judge(&record) {
        return Verdict::Busy(State::Ancestor(state), Some(record));
    }
    match in_use(&departed) {
        // An ancestor's client keeps its descriptor: whatever the clocks say, this one lives.
        Some(State::OpenElsewhere) if has_open(record.pid, &departed) => {
            Verdict::Busy(State::Ancestor(AncestorState::Alive), Some(record))
        }
        Some(state) => Verdict::Busy(state, Some(record)),
        None => {
            departed.record = Some(record);
            Verdict::Departed(departed)
        }
    }
}

fn has_open(pid: u32, departed: &Departed) -> bool {
    sys::stat(&departed.handle)
        .is_ok_and(|stat| processes::has_open(pid, &Listed::of(&departed.handle, &stat)))
}

fn judge_incomplete(departed: Box<Departed>, stat: &Stat) -> Verdict {
    if let Some(state) = in_use(&departed) {
        return Verdict::Busy(state, None);
    }
    match ages_out_in(stat) {
        None => Verdict::Departed(departed),
        Some(left) => Verdict::Busy(State::Incomplete { ages_out_in: left }, None),
    }
}

/// How long a file is still too young to be left over; `None` if it is old, older than this boot, or from the future.
pub(crate) fn ages_out_in(stat: &Stat) -> Option<Duration> {
    let now = sys::real_time();
    let age = now.checked_sub(stat.modified)?;
    if age > sys::boot_time() {
        return None;
    }
    INCOMPLETE_FOR.checked_sub(age).filter(|left| !left.is_zero())
}

/// Does anybody use this file in another way than Baton does: by `flock`, or by having it open? An exclusive `flock` is kept on
/// it until it is replaced.
fn in_use(departed: &Departed) -> Option<State> {
    used(&departed.handle)
}

/// The same of any file.
pub(crate) fn used(handle: &Handle) -> Option<State> {
    if for_more_than_a_moment(|| sys::flock(handle, Flock::TryExclusive).is_err()) {
        return Some(State::ForeignFlock);
    }
    let is_open = for_more_than_a_moment(|| is_open_elsewhere(handle)) && stays_open_elsewhere(handle);
    is_open.then_some(State::OpenElsewhere)
}

/// Does a file stay open elsewhere, though nobody who can be seen can write it? Who only reads it, as one who observes the lock does,
/// is about to close it, and is given time for that also where all processors are busy. The kernel still has the last word: while it
/// says that the file is open it may be in use by somebody who can't be seen.
fn stays_open_elsewhere(handle: &Handle) -> bool {
    for _ in 0..READERS_MOMENTS {
        if for_more_than_a_moment(|| can_be_written_elsewhere(handle)) {
            return true;
        }
        sys::pause(READERS_MOMENT);
        if !is_open_elsewhere(handle) {
            return false;
        }
    }
    true
}

fn can_be_written_elsewhere(handle: &Handle) -> bool {
    sys::stat(handle).is_ok_and(|stat| processes::others_can_write(handle, &Listed::of(handle, &stat)))
}

/// Is it still so when looked at a few times? Whoever just reads a file has it open for a moment.
pub(crate) fn for_more_than_a_moment(is_so: impl Fn() -> bool) -> bool {
    (0..MOMENTS).all(|round| {
        if round > 0 {
            sys::pause(MOMENT);
        }
        is_so()
    })
}

/// The kernel knows of everybody; the process table, which stands in where it does not say, of those that can be seen.
fn is_open_elsewhere(handle: &Handle) -> bool {
    sys::is_open_elsewhere(handle).unwrap_or_else(|_| {
        let Ok(stat) = sys::stat(handle) else { return true };
        processes::others_have_open(handle, &Listed::of(handle, &stat))
    })
}

/// Opens the record for reading, as step 4 does: looked at first, and looked at again. `None`: nothing has the name.
pub(crate) fn open_to_look(
    directory: &Directory,
    name: &OsStr,
    rules: Rules,
) -> Result<Option<(Handle, Stat)>, Error> {
    let Some(seen) = directory.look(name)? else { return Ok(None) };
    check(directory, name, rules, &seen)?;
    let failed = |errno| Error::io("open the record", &directory.path_of(name), errno);
    let handle = match directory.open_file(name, Access::Read) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let stat = sys::stat(&handle).map_err(failed)?;
    check(directory, name, rules, &stat)?;
    Ok(Some((handle, stat)))
}
