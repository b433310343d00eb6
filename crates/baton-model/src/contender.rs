//! A contender's steps, one system call each, in the order and by the names of `docs/protocol.md`.
//!
//! Left out, because nothing of it is shared before it is named: writing and setting the mode of a temporary, the guard's own
//! temporary. A judgement that fails is tried again without end, where the code gives up after some time.

use crate::state::{At, Contender, Ending, File, Inode, State, Story, Whose};
use crate::variant::{Clock, Mutation, Naming, Setting};

/// One contender's turn.
pub struct Turn<'a> {
    pub state: &'a mut State,
    pub who: usize,
    pub setting: &'a Setting,
}

impl Turn<'_> {
    pub(crate) fn me(&mut self) -> &mut Contender {
        &mut self.state.contenders[self.who]
    }

    pub(crate) fn is(&self, mutation: Mutation) -> bool {
        self.setting.mutation == mutation
    }

    pub(crate) fn go(&mut self, at: At) {
        self.me().at = at;
    }

    /// Closes everything, and is another process the next time.
    pub(crate) fn leave(&mut self) {
        *self.me() = self.me().gone();
    }

    /// The next system call. A flat match, in the order of the protocol.
    pub fn step(&mut self) {
        let me = *self.me();
        match me.at {
            At::Idle if self.is(Mutation::RecordOnly) => self.open_record(),
            At::Idle => self.open_guard(),
            At::CreateGuard => self.create_guard(),
            At::LockGuard => self.lock_guard(me),
            At::LookAtGuard if self.state.guard == me.guard => self.go(At::OpenRecord),
            At::LookAtGuard => self.leave(),
            At::OpenRecord => self.open_record(),
            At::TakeByte1 => self.take_byte1(me),
            At::AskByte0 if me.judged.is_some_and(|inode| self.state.is_byte0_locked(inode)) => self.leave(),
            At::AskByte0 if self.is(Mutation::RecordNotLookedAt) => self.go(At::ReadRecord),
            At::AskByte0 => self.go(At::LookAtRecord),
            At::LookAtRecord if self.state.record == me.judged => self.go(At::ReadRecord),
            At::LookAtRecord => self.judge_again(),
            At::ReadRecord => self.read_record(me),
            At::AskWhoHasItOpen => self.ask_who_has_it_open(me),
            At::Sweep => self.sweep(me),
            At::SweepAct => self.sweep_act(me),
            At::SweepLook => self.sweep_look(me),
            At::StoreToken => self.store_token(me),
            At::CreateTemporary => self.create_temporary(),
            At::LockTemporary => self.lock_temporary(me),
            At::GiveName => self.give_name(me),
            At::LookAtWhatCameBack => self.look_at_what_came_back(me),
            At::RemoveReplaced => self.remove_replaced(me),
            At::ExchangeBack => self.exchange_back(),
            At::Discard => self.discard(me),
            At::LockNamed => {
                self.me().has_byte0 = true;
                self.go(At::LookAtGuardAgain);
            }
            At::LookAtGuardAgain => self.look_at_guard_again(me),
            At::LookAtRecordAgain if self.state.record == me.born => self.hold(me),
            At::LookAtRecordAgain => self.take_back(Ending::StartOver),
            At::WriteReplacement => self.write_replacement(me),
            At::LookAtOwn if self.state.record == me.born => self.go(At::ExchangeReplacement),
            At::LookAtOwn => self.go(At::NameReplacement),
            At::ExchangeReplacement => self.exchange_replacement(me),
            At::NameReplacement => self.name_replacement(me),
            At::LookAtOwnBack => self.look_at_own_back(me),
            At::LookBeforeRemoval => self.look_before_removal(me),
            At::RemoveOwn => self.remove_own(me),
            At::UnlockRecord => self.unlock_record(me),
            At::UnlockGuard => self.unlock_guard(me),
            At::Absent | At::Held | At::JobHolds | At::JobLingers | At::ChildLingers => {
                unreachable!("these have no next step of their own")
            }
        }
    }

    fn open_guard(&mut self) {
        let guard = self.state.guard;
        self.me().guard = guard;
        self.go(if guard.is_some() { At::LockGuard } else { At::CreateGuard });
    }

    fn create_guard(&mut self) {
        if self.state.guard.is_some() {
            return self.leave();
        }
        self.state.guard = Some(self.state.create(File::Guard(0)));
        self.open_guard();
    }

    fn lock_guard(&mut self, me: Contender) {
        if me.guard.is_some_and(|inode| self.state.is_guard_locked(inode)) {
            return self.leave();
        }
        self.me().has_guard = true;
        self.go(if self.is(Mutation::GuardNotLookedAt) { At::OpenRecord } else { At::LookAtGuard });
    }

    fn open_record(&mut self) {
        let record = self.state.record;
        self.me().judged = record;
        self.go(match (record, self.setting.mutation) {
            (None, _) => At::StoreToken,
            (Some(_), Mutation::GuardOnly) => At::LookAtRecord,
            (Some(_), Mutation::JudgedUnlocked) => At::AskByte0,
            (Some(_), _) => At::TakeByte1,
        });
    }

    fn judge_again(&mut self) {
        let me = self.me();
        (me.judged, me.has_byte1, me.swept, me.found) = (None, false, None, None);
        me.at = At::OpenRecord;
    }

    fn take_byte1(&mut self, me: Contender) {
        let inode = me.judged.expect("it was opened");
        if !self.state.is_byte1_locked(inode) {
            self.me().has_byte1 = true;
            return self.go(At::AskByte0);
        }
        if self.state.is_byte0_locked(inode) { self.leave() } else { self.judge_again() }
    }

    fn read_record(&mut self, me: Contender) {
        let file = self.state.file(me.judged.expect("it was opened"));
        self.me().found = whose(file);
        self.go(match file {
            File::Released(_) => At::StoreToken,
            File::Ancestor { .. } | File::Empty { .. } => At::AskWhoHasItOpen,
            File::Record(_) | File::Standing(_) | File::Guard(_) | File::Free => At::Sweep,
        });
    }

    /// The pid is not asked: from another pid namespace it says nothing. Thirty seconds may always have passed.
    fn ask_who_has_it_open(&mut self, me: Contender) {
        let is_open = self.state.ancestors.iter().any(|ancestor| ancestor.own == me.judged);
        if is_open && !self.is(Mutation::OpenFileIgnored) { self.leave() } else { self.go(At::Sweep) }
    }

    /// Takes both bytes of one left-over file that something is to be done with.
    fn sweep(&mut self, me: Contender) {
        let is_batons = me.judged.is_some_and(|inode| is_batons(self.state.file(inode)));
        let has_use = |inode: &Inode| {
            let is_locked = self.state.is_byte0_locked(*inode) || self.state.is_byte1_locked(*inode);
            let is_removed = self.is_removed_when_left_over(self.state.file(*inode));
            !is_locked && (is_removed || is_batons)
        };
        let others = self.state.contenders.iter().enumerate().filter(|(index, _)| *index != self.who);
        let temporaries = others.filter_map(|(_, other)| other.temporary);
        let found = self.state.leftovers.into_iter().flatten().chain(temporaries).find(has_use);
        self.me().swept = found;
        self.go(if found.is_some() { At::SweepAct } else { At::StoreToken });
    }

    fn is_removed_when_left_over(&self, file: File) -> bool {
        is_batons(file)
            || file == File::Empty { is_alive: false }
            || (self.is(Mutation::AncestorSwept) && matches!(file, File::Ancestor { .. }))
    }

    fn sweep_act(&mut self, me: Contender) {
        let swept = me.swept.expect("it was found");
        if self.is_removed_when_left_over(self.state.file(swept)) {
            self.destroy(swept);
            self.forget_private_name(swept);
            self.me().swept = None;
            return self.go(At::Sweep);
        }
        if self.state.record.is_none() || !self.forget_private_name(swept) {
            self.me().swept = None;
            return self.go(At::StoreToken);
        }
        self.me().temporary = self.state.record.replace(swept);
        self.go(At::SweepLook);
    }

    /// Takes a file's private name away from it.
    fn forget_private_name(&mut self, inode: Inode) -> bool {
        let temporaries = self.state.contenders.iter_mut().map(|other| &mut other.temporary);
        let mut names = self.state.leftovers.iter_mut().chain(temporaries);
        let name = names.find(|name| **name == Some(inode));
        name.is_some_and(|name| name.take().is_some())
    }

    fn sweep_look(&mut self, me: Contender) {
        if me.temporary.is_none() || me.temporary == me.judged {
            self.me().temporary = None;
            return self.judge_again();
        }
        self.swap();
        if let Some(kept) = self.me().temporary.take() {
            self.state.leave(kept);
        }
        self.me().swept = None;
        self.go(At::StoreToken);
    }

    /// Exchanges the record's name and the private one; where nothing has the record's name, gives it.
    pub(crate) fn swap(&mut self) {
        let temporary = self.me().temporary;
        if temporary.is_some() {
            self.me().temporary = std::mem::replace(&mut self.state.record, temporary);
        }
    }

    fn store_token(&mut self, me: Contender) {
        let guards = me.guard.map_or(0, |inode| token_of(self.state.file(inode)));
        let records = me.judged.map_or(0, |inode| token_of(self.state.file(inode)));
        let last = guards.max(records);
        let token = match self.setting.clock {
            Clock::Advances => last.max(self.state.clock) + 1,
            Clock::SetBack => last + 1,
        };
        if self.setting.clock == Clock::Advances {
            self.state.clock = token;
        }
        let is_kept = self.setting.naming == Naming::Default && !self.is(Mutation::TokenForgotten);
        if let Some(guard) = me.guard.filter(|_| is_kept) {
            self.state.files[guard.0 as usize] = File::Guard(token);
        }
        self.me().token = token;
        self.go(At::CreateTemporary);
    }

    fn create_temporary(&mut self) {
        let inode = Some(self.state.create(File::Empty { is_alive: false }));
        (self.me().born, self.me().temporary) = (inode, inode);
        self.go(At::LockTemporary);
    }

    fn lock_temporary(&mut self, me: Contender) {
        let inode = me.born.expect("it was created");
        if self.state.is_byte0_locked(inode) {
            if let Some(kept) = self.me().temporary.take() {
                self.state.leave(kept);
            }
            return self.go(At::Discard);
        }
        self.me().has_byte0 = !(self.is(Mutation::GuardOnly) || self.is(Mutation::NamedBeforeLocked));
        self.state.files[inode.0 as usize] = File::Record(me.token);
        self.go(At::GiveName);
    }

    fn give_name(&mut self, me: Contender) {
        let is_there = self.state.record.is_some();
        if me.temporary.is_none() {
            return self.go(At::Discard);
        }
        match me.judged {
            None if is_there => self.go(At::Discard),
            None => {
                self.swap();
                self.named();
            }
            Some(_) if self.is(Mutation::PlainRename) => {
                if let Some(replaced) = self.state.record {
                    self.destroy(replaced);
                }
                self.swap();
                self.me().temporary = None;
                self.named();
            }
            Some(_) if !is_there => self.go(At::Discard),
            Some(_) => {
                self.swap();
                let is_seen = !self.is(Mutation::CameBackUnseen);
                self.go(if is_seen { At::LookAtWhatCameBack } else { At::RemoveReplaced });
            }
        }
    }

    /// What departed may be judged by others from now on.
    fn named(&mut self) {
        let next = match self.setting.mutation {
            Mutation::NamedBeforeLocked => At::LockNamed,
            Mutation::GuardNotLookedAtAgain | Mutation::RecordOnly => At::LookAtRecordAgain,
            _ => At::LookAtGuardAgain,
        };
        let me = self.me();
        (me.judged, me.has_byte1) = (None, false);
        me.at = next;
    }

    fn look_at_what_came_back(&mut self, me: Contender) {
        let Some(back) = me.temporary else { return self.named() };
        let is_it = me.judged == Some(back) && whose(self.state.file(back)) == me.found;
        self.go(if is_it { At::RemoveReplaced } else { At::ExchangeBack });
    }

    fn remove_replaced(&mut self, me: Contender) {
        if let Some(replaced) = me.temporary {
            self.destroy(replaced);
        }
        self.me().temporary = None;
        self.named();
    }

    /// Notes it if it is the file of one who lives.
    pub(crate) fn destroy(&mut self, inode: Inode) {
        if self.state.ancestors.iter().any(|ancestor| ancestor.own == Some(inode)) {
            self.state.faults.destroyed = true;
        }
    }

    fn exchange_back(&mut self) {
        self.swap();
        self.go(At::Discard);
    }

    fn discard(&mut self, me: Contender) {
        if let Some(kept) = self.me().temporary.take().filter(|inode| Some(*inode) != me.born) {
            self.state.leave(kept);
        }
        (self.me().born, self.me().has_byte0, self.me().token) = (None, false, 0);
        self.judge_again();
    }

    fn look_at_guard_again(&mut self, me: Contender) {
        if self.state.guard != me.guard {
            return self.take_back(Ending::StartOver);
        }
        if self.is(Mutation::RecordNotLookedAtAgain) { self.hold(me) } else { self.go(At::LookAtRecordAgain) }
    }

    /// Step 7 has found everything in place.
    fn hold(&mut self, me: Contender) {
        let state = &mut *self.state;
        let is_right = match state.story {
            Story::Clean => me.found.is_none(),
            Story::Unclean(whose) => me.found == Some(whose),
            Story::Unended => me.found.is_some(),
            Story::Doubt => true,
        };
        state.faults.wrong_story |= !is_right && !state.is_meddled && !state.faults.muddled;
        state.faults.token_fell |= me.token <= state.largest;
        state.largest = state.largest.max(me.token);
        state.story = Story::Unclean(Whose::Baton(me.token));
        state.is_meddled &= state.contenders.iter().any(|who| state.is_unsettled(who));
        self.go(At::Held);
    }
}

fn is_batons(file: File) -> bool {
    matches!(file, File::Record(_) | File::Released(_) | File::Standing(_))
}

/// From whom one takes over who finds this; nobody, if it is marked released.
fn whose(file: File) -> Option<Whose> {
    match file {
        File::Record(token) => Some(Whose::Baton(token)),
        File::Ancestor { .. } => Some(Whose::Ancestor),
        File::Empty { .. } | File::Standing(_) => Some(Whose::Unknown),
        File::Released(_) | File::Guard(_) | File::Free => None,
    }
}

fn token_of(file: File) -> u8 {
    match file {
        File::Guard(token) | File::Record(token) | File::Released(token) | File::Standing(token) => token,
        File::Free | File::Ancestor { .. } | File::Empty { .. } => 0,
    }
}
