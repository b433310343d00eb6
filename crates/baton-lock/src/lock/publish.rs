//! Step 6: giving the record its name, in one atomic step, already locked.
//!
//! The record is written whole under a private name, its byte 0 is locked, and only then it is named: nobody ever reads
//! half a record or finds a living holder's record unlocked (I2). Where nothing has the name the rename must not replace;
//! where a departed record is taken over the two are *exchanged*, and what came back is looked at:
//!
//! 1. P1 judges an ancestor's record: departed. An ancestor's client A judges the same, unlinks it, creates its own.
//! 2. P1 exchanges, gets A's live record instead of the one it judged, and gives it back.
//!
//! A plain rename would have destroyed A's. If P1 is killed between the exchange and the look, A's record is under
//! P1's private name; whoever recovers next finds it there and gives it back ([`sweep`]).
//!
//! Private names are random: with one for all, a publisher whose guard was deleted could name another's file.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::directory::Directory;
use super::guard::unsupported;
use super::judge::{self, Claim, Departed, Rules};
use super::naming::{Names, Naming};
use super::ticket::{Filled, Ticket};
use crate::error::Error;
use crate::record::{self, Content, Record};
use crate::sys::{self, Access, Errno, FileId, Flock, Handle, Range};

/// The permission bit of a record that is not finished: the sticky bit, which means nothing for files, and which no ancestor's client sets.
/// It tells one that is cut off from an ancestor's that was displaced half-written:
///
/// 1. P1 takes over from a dead holder, creates its private file, and is stopped. Its guard is deleted.
/// 2. P2 takes over too, sweeps, finds the file empty, unlocked and open in P1: it would take it for an ancestor's, and give it the name.
/// 3. P1 is killed. An empty file has the name, which counts as left over after 30 seconds; the dead holder's record is lost.
const UNFINISHED: u32 = 0o1000;

/// How often a record of our own is written again because somebody who sweeps was faster to lock it.
const WRITINGS: u32 = 10;

/// A record under its private name or published, byte 0 locked.
#[derive(Debug)]
pub(crate) struct Born {
    /// A ticket that became a record is known to both for a moment.
    pub(crate) handle: Arc<Handle>,
    pub(crate) id: FileId,
}

impl Born {
    /// Says that its holder is gone, to everybody: for every copy of the descriptor.
    pub(crate) fn unlock(&self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::unlock_range(&self.handle, Range::Holder);
    }
}

/// How publishing went.
#[derive(Debug)]
pub(crate) enum Publication {
    Done(Born),
    /// The name means something else by now, or our private file is gone.
    JudgeAgain,
}

/// What a record was published over, to be put back if it is taken back.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing, or a record that was marked as released: the last holder ended cleanly.
    Nothing,
    /// The record of a holder that is gone.
    Record { record: Box<Record>, bytes: Vec<u8> },
    /// What a holder that is gone left instead of a record.
    Unreadable,
}

/// The permission bits of a record, whatever the umask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordMode {
    pub(crate) bits: u32,
    /// The group that may write it too, if the file turns out to be that group's.
    pub(crate) writing_group: Option<u32>,
}

impl RecordMode {
    const GROUP_WRITES: u32 = 0o020;

    pub(crate) fn of(self, stat: &sys::Stat) -> u32 {
        if self.writing_group == Some(stat.group) { self.bits | Self::GROUP_WRITES } else { self.bits }
    }
}

/// Where records go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) names: &'a Names,
    pub(crate) naming: Naming,
    pub(crate) access: RecordMode,
    pub(crate) rules: Rules,
}

impl Desk<'_> {
    /// Publishes a record where there is none, or over one that was judged departed. If possible that of who has waited is its ticket.
    pub(crate) fn publish(
        &self,
        json: &[u8],
        over: Option<&Departed>,
        ticket: Option<&Ticket>,
    ) -> Result<Publication, Error> {
        if let Some(ticket) = ticket
            && let Some(published) = self.publish_ticket(json, over, ticket)?
        {
            return Ok(published);
        }
        let Some((temporary, born)) = self.write(json, self.rules.claim)? else {
            return Ok(Publication::JudgeAgain);
        };
        let named = match over {
            None => self.name_first(&temporary),
            Some(departed) => self.exchange(&temporary, |stat| departed.is(stat)),
        };
        self.conclude(&temporary, born, named)
    }

    /// Publishes a ticket. `None`: it can't be; it is no record then.
    ///
    /// It is looked at by its name before, and in step 7 again. Were another waiter's given the record's name in between, for which somebody has
    /// to remove ours and the other one to be given the same number, that would be a record whose holder is gone: *recovered*, in doubt. In a
    /// takeover, where the dead holder's record is at stake, it is looked at on its way too.
    fn publish_ticket(
        &self,
        json: &[u8],
        over: Option<&Departed>,
        ticket: &Ticket,
    ) -> Result<Option<Publication>, Error> {
        let aside = over.map(|_| self.directory.temporary(&self.names.record)).transpose()?;
        let Some(filled) = ticket.fill(json, self.access) else { return Ok(None) };
        let published = match over.zip(aside) {
            None => Ok(self.name_ticket(ticket, &filled)),
            Some((departed, aside)) => self.exchange_ticket(ticket, &filled, &aside, departed),
        };
        match published {
            Ok(Some(true)) => return Ok(Some(Publication::Done(filled.born))),
            Ok(_) | Err(_) => filled.born.unlock(),
        }
        published.map(|named| named.map(|_| Publication::JudgeAgain))
    }

    /// Whether it has the name; `None` if it can't be moved.
    fn name_ticket(&self, ticket: &Ticket, filled: &Filled) -> Option<bool> {
        match ticket.move_to(filled, &self.directory.handle, &self.names.record) {
            Ok(()) => Some(true),
            Err(errno) => (errno == Errno::EXIST).then_some(false),
        }
    }

    /// The same in a takeover, by way of a private name: what comes back may be somebody's who lives, and a ticket's name is swept.
    fn exchange_ticket(
        &self,
        ticket: &Ticket,
        filled: &Filled,
        aside: &OsStr,
        departed: &Departed,
    ) -> Result<Option<bool>, Error> {
        let dir = &self.directory.handle;
        if ticket.move_aside(filled, dir, aside).is_err() {
            return Ok(None);
        }
        let exchanged = self.exchange(aside, |stat| departed.is(stat));
        if !matches!(exchanged, Ok(true)) {
            ticket.move_back(filled, dir, aside);
        }
        exchanged.map(Some)
    }

    /// Publishes a record over our own one, or anew if that one is gone. `JudgeAgain`: the name is somebody else's.
    pub(crate) fn publish_over_own(
        &self,
        json: &[u8],
        own: &Born,
        claim: Claim,
    ) -> Result<Publication, Error> {
        for _ in 0..WRITINGS {
            let Some((temporary, born)) = self.write(json, claim)? else { continue };
            let named = match self.directory.means(&self.names.record, &own.handle, own.id) {
                Ok(true) => self.exchange(&temporary, |stat| stat.id == own.id),
                Ok(false) => self.name_first(&temporary),
                Err(error) => Err(error),
            };
            return self.conclude(&temporary, born, named);
        }
        Ok(Publication::JudgeAgain)
    }

    fn conclude(
        &self,
        temporary: &OsStr,
        born: Born,
        named: Result<bool, Error>,
    ) -> Result<Publication, Error> {
        match named {
            Ok(true) => Ok(Publication::Done(born)),
            Ok(false) => {
                self.discard(temporary, &born);
                Ok(Publication::JudgeAgain)
            }
            Err(error) => {
                self.discard(temporary, &born);
                Err(error)
            }
        }
    }

    /// Writes the record under a private name and locks it. `None`: somebody who sweeps took it for left over in the moment
    /// before it was locked.
    fn write(&self, json: &[u8], claim: Claim) -> Result<Option<(OsString, Born)>, Error> {
        let temporary = self.directory.temporary(&self.names.record)?;
        let handle = sys::open_at(&self.directory.handle, &temporary, Access::CreateUnfinished)
            .map_err(|errno| self.failed("create a record in", errno))?;
        let locked = match claim {
            Claim::Exclusive => sys::try_lock_range(&handle, Range::Holder),
            Claim::Shared => sys::try_share_range(&handle, Range::Holder),
        };
        let written = match locked {
            Ok(false) => return Ok(None),
            Ok(true) => self.fill(&handle, json),
            Err(errno) => Err(errno),
        };
        match written {
            Ok(stat) => Ok(Some((temporary, Born { id: stat.id, handle: Arc::new(handle) }))),
            Err(errno) => {
                // Left behind, it would be swept away by the next one who recovers.
                let _ = sys::unlink(&self.directory.handle, &temporary);
                let _ = sys::unlock_range(&handle, Range::Holder);
                Err(self.failed("write the record", errno))
            }
        }
    }

    fn fill(&self, handle: &Handle, json: &[u8]) -> sys::Result<sys::Stat> {
        sys::write_start(handle, json)?;
        let stat = sys::stat(handle)?;
        // The last step before it may get its name: it is finished.
        sys::change_mode(handle, self.access.of(&stat))?;
        Ok(stat)
    }

    fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::io(action, &self.directory.path_of(&self.names.record), errno)
    }

    /// Names it where nothing has the name. `false`: something has it, or our file is gone.
    fn name_first(&self, temporary: &OsStr) -> Result<bool, Error> {
        match sys::rename_noreplace(&self.directory.handle, temporary, &self.names.record) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST | Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.rename_failed(errno)),
        }
    }

    /// Exchanges it with what has the name, and looks at what came back. `false`: the name was gone, our file was, or
    /// what came back is not what was expected and has its name again.
    fn exchange(&self, temporary: &OsStr, is_expected: impl Fn(&sys::Stat) -> bool) -> Result<bool, Error> {
        match sys::rename_exchange(&self.directory.handle, temporary, &self.names.record) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(self.rename_failed(errno)),
        }
        match sys::stat_at(&self.directory.handle, temporary) {
            Ok(stat) if is_expected(&stat) => {
                // It is open and locked by us; without its name nobody finds it again. Should this fail, it is a record
                // of a departed holder under a private name, which the next one who recovers removes.
                let _ = sys::unlink(&self.directory.handle, temporary);
                Ok(true)
            }
            Ok(_) => self.give_back(temporary).map(|()| false),
            // Somebody removed what came back: that is no different from having removed it before.
            Err(Errno::NOENT) => Ok(true),
            Err(errno) => {
                // Not known, it may be anybody's; and if it is the dead holder's, that one's record has to be told to the next one. Of two
                // failures the first is told.
                let _ = self.give_back(temporary);
                Err(self.failed("look at what was replaced by", errno))
            }
        }
    }

    /// Gives a displaced file its name back.
    fn give_back(&self, temporary: &OsStr) -> Result<(), Error> {
        let dir = &self.directory.handle;
        match sys::rename_exchange(dir, temporary, &self.names.record) {
            Ok(()) => Ok(()),
            // Our own record is gone from the name: then the name is free, unless another one has come. In that case the
            // displaced file is kept under the private name, where nothing of ours deletes it.
            Err(Errno::NOENT) => match sys::rename_noreplace(dir, temporary, &self.names.record) {
                Ok(()) | Err(Errno::EXIST | Errno::NOENT) => Ok(()),
                Err(errno) => Err(self.rename_failed(errno)),
            },
            Err(errno) => Err(self.rename_failed(errno)),
        }
    }

    fn rename_failed(&self, errno: Errno) -> Error {
        match errno {
            // What a filesystem answers that does not know these two kinds of rename.
            Errno::INVAL => unsupported(self.directory, &self.names.record, errno),
            errno => self.failed("give its name to the record", errno),
        }
    }

    /// Removes a file that was not published; only if the private name still means it.
    fn discard(&self, temporary: &OsStr, born: &Born) {
        if self.directory.means(temporary, &born.handle, born.id).unwrap_or(false) {
            // Left behind, it would be swept away by the next one who recovers.
            let _ = sys::unlink(&self.directory.handle, temporary);
        }
        born.unlock();
    }

    /// Takes a published record back: the next one finds what this one found. In flock naming the token stays known.
    ///
    /// Where that is not possible (the disk is full) our record stays, unlocked: the next one is told *recovered* from us.
    pub(crate) fn put_back(&self, born: &Born, found: &Found, ours: &Record) {
        let _ = self.put_in_place(born, found, ours, Claim::Exclusive);
        born.unlock();
    }

    /// The same, the record's lock apart: whether it was possible. What is put there is locked for a moment.
    pub(crate) fn put_in_place(
        &self,
        born: &Born,
        found: &Found,
        ours: &Record,
        claim: Claim,
    ) -> Result<(), Error> {
        let token = ours.token().unwrap_or(0);
        let instead = match (found, self.naming) {
            (Found::Nothing, Naming::Record) => None,
            (Found::Nothing, Naming::Flock) => Some(ours.released().to_json().into_bytes()),
            // In default naming the guard keeps the token.
            (Found::Record { bytes, .. }, Naming::Record) => Some(bytes.clone()),
            (Found::Record { record, .. }, Naming::Flock) => {
                Some(record.with_token_from(token).to_json().into_bytes())
            }
            (Found::Unreadable, _) => Some(ours.standing_for_unknown().to_json().into_bytes()),
        };
        let Some(json) = instead else { return self.try_remove_own(born) };
        match self.publish_over_own(&json, born, claim)? {
            Publication::Done(put) => put.unlock(),
            // The name is somebody else's by now: theirs stays.
            Publication::JudgeAgain => {}
        }
        Ok(())
    }

    /// Removes our record if its name still means it. Errors are the caller's to judge.
    pub(crate) fn try_remove_own(&self, born: &Born) -> Result<(), Error> {
        if !self.directory.means(&self.names.record, &born.handle, born.id)? {
            return Ok(());
        }
        match sys::unlink(&self.directory.handle, &self.names.record) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove the record", errno)),
        }
    }

    /// Removes what crashed publishers left under private names. `true`: an ancestor's record was found there and has its
    /// name back, so that the name has to be judged again.
    pub(crate) fn sweep(&self, departed: &Departed) -> Result<bool, Error> {
        let is_temporary = |name: &OsStr| {
            Names::is_temporary(&self.names.record, name) || Names::is_temporary(&self.names.guard, name)
        };
        let temporaries = match sys::names_in(&self.directory.handle, is_temporary) {
            Ok(names) => names,
            // A directory that may be searched but not listed: nothing can be found in it.
            Err(Errno::ACCESS) => return Ok(false),
            Err(errno) => return Err(self.failed("look for what was left over beside", errno)),
        };
        // Not `any`: all of them are looked at.
        Ok(temporaries.iter().filter(|name| self.sweep_one(name, departed)).count() > 0)
    }

    fn sweep_one(&self, name: &OsStr, departed: &Departed) -> bool {
        let Some(abandoned) = self.abandoned(name) else { return false };
        // Under the guard's temporary names nothing was ever displaced.
        let is_records = Names::is_temporary(&self.names.record, name);
        match abandoned.content {
            Content::Incomplete if abandoned.is_unfinished => {
                // Not being able to remove it harms nobody.
                let _ = sys::unlink(&self.directory.handle, name);
                false
            }
            // An ancestor's client creates its file and writes it with two calls. One that has it open may live.
            Content::Incomplete if judge::used(&abandoned.handle).is_some() => {
                is_records && self.give_name_back(name, departed)
            }
            Content::Baton(_) | Content::Incomplete => {
                // Not being able to remove it harms nobody.
                let _ = sys::unlink(&self.directory.handle, name);
                false
            }
            Content::Ancestor(_) => is_records && self.give_name_back(name, departed),
            Content::Foreign => false,
        }
    }

    /// Displaced by a publisher that was killed before it could give it back; its owner may live. Of Baton's own dead record,
    /// which has the name, nothing is lost: it only ever stood in for this one.
    fn give_name_back(&self, name: &OsStr, departed: &Departed) -> bool {
        departed.is_batons() && matches!(self.exchange(name, |stat| departed.is(stat)), Ok(true))
    }

    /// A private file that can be a record and that nobody has locked.
    fn abandoned(&self, name: &OsStr) -> Option<Abandoned> {
        let seen = self.directory.look(name).ok()??;
        judge::check(self.directory, name, self.rules, &seen).ok()?;
        let handle = self.directory.open_file(name, Access::ReadWrite).ok()?;
        let stat = sys::stat(&handle).ok()?;
        judge::check(self.directory, name, self.rules, &stat).ok()?;
        if !sys::try_lock_range(&handle, Range::Both).ok()? {
            return None;
        }
        let is_unfinished = stat.mode & UNFINISHED != 0;
        let mut abandoned = Abandoned { handle, content: Content::Foreign, is_unfinished };
        abandoned.content = record::classify(&sys::read_start(&abandoned.handle, record::MAX_READ).ok()?);
        self.directory.means(name, &abandoned.handle, stat.id).ok()?.then_some(abandoned)
    }
}

/// A left-over private file, both bytes locked for as long as this is kept: its publisher, if it lives after all, finds
/// byte 0 refused and makes another, so that it can't be given the record's name meanwhile.
struct Abandoned {
    handle: Handle,
    content: Content,
    /// It was ours, and never had the record's name.
    is_unfinished: bool,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        // Fails only for a descriptor that is not open; it is.
        let _ = sys::unlock_range(&self.handle, Range::Both);
        // `judge::used` may have taken it.
        let _ = sys::flock(&self.handle, Flock::Unlock);
    }
}
