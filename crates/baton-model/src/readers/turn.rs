//! The steps of one who asks for the lock, by their numbers in `docs/protocol.md`.

use super::state::{Actor, At, Content, Last, Locked, Record, State, Who};
use super::variant::{Kind, Mutation, Setting};

/// One who does a step.
pub struct Turn<'a> {
    pub state: &'a mut State,
    pub who: Who,
    pub setting: &'a Setting,
}

impl Turn<'_> {
    fn me(&mut self) -> &mut Actor {
        &mut self.state.actors[usize::from(self.who)]
    }

    fn i(&self) -> &Actor {
        self.state.actor(self.who)
    }

    fn go(&mut self, at: At) {
        self.me().at = at;
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.setting.mutation == mutation
    }

    fn guard(&self) -> usize {
        usize::from(self.i().guard.expect("it is open"))
    }

    fn found(&mut self) -> &mut Record {
        let index = self.i().found.expect("it is open");
        &mut self.state.records[usize::from(index)]
    }

    fn own(&mut self) -> &mut Record {
        let index = self.i().own.expect("it is published or joined");
        &mut self.state.records[usize::from(index)]
    }

    /// A reader's lock, or a writer's, on a record that is just being written.
    fn born(&self, shares: bool, content: Content) -> Record {
        let mut holder = Locked::default();
        if shares && !self.is(Mutation::GuardOnly) {
            holder.try_share(self.who);
        } else if !shares {
            holder.try_alone(self.who);
        }
        Record { holder, judge: None, content }
    }

    /// Refused: it goes. Whoever it is comes again from the beginning.
    fn refused(&mut self) {
        let who = self.who;
        if let Some(found) = self.i().found {
            let record = &mut self.state.records[usize::from(found)];
            record.judge = record.judge.filter(|other| *other != who);
        }
        let guard = self.guard();
        let press = &mut self.state.guards[guard].press;
        *press = press.filter(|other| *other != who);
        self.me().found = None;
        self.go(At::UnlockGuard);
    }

    pub fn step(&mut self) {
        match self.i().at {
            At::Idle => self.open_guard(),
            At::LockGuard => self.lock_guard(),
            At::LookAtGuard if self.state.guard == self.i().guard => self.go(At::OpenRecord),
            At::OpenRecord => self.open_record(),
            At::TakeByte1 => self.take_byte_1(),
            At::AskByte0 => self.ask_byte_0(),
            At::Join => self.join(),
            At::LookAtJoined => self.look_at_joined(),
            At::LookAtRecord if self.state.record == self.i().found => self.judged(),
            At::LookAtGuard | At::LookAtRecord => self.refused(),
            At::Press => self.press(),
            At::ReadToken => self.read_token(),
            At::WriteToken => self.write_token(),
            At::Publish => self.publish(),
            At::Unpress => self.unpress(),
            At::LookAtGuardAgain if self.state.guard == self.i().guard => self.go(At::LookAtRecordAgain),
            At::LookAtRecordAgain if self.state.record == self.i().own => self.hold(),
            At::LookAtGuardAgain | At::LookAtRecordAgain => self.take_back(),
            At::Holds => self.end(),
            At::LookAtOwn => self.look_at_own(),
            At::RemoveOwn => self.remove_own(),
            At::PutBack => self.put_back(),
            At::Downgrade => self.downgrade(),
            At::LockPublished => self.lock_published(),
            At::DropGuard => self.drop_guard(),
            At::ShareGuard => self.share_guard(),
            At::LeaveByte1 => self.leave_byte_1(),
            At::LeaveAsk => self.leave_ask(),
            At::LeaveLook => self.leave_look(),
            At::LeaveRemove => self.leave_remove(),
            At::UnlockByte0 => self.unlock_byte_0(),
            At::UnlockByte1 => self.unlock_byte_1(),
            At::UnlockGuard => self.unlock_guard(),
        }
    }

    fn open_guard(&mut self) {
        self.state.comings -= 1;
        let named = *self.state.guard.get_or_insert(u8::from(self.state.is_deleted));
        let kind = self.i().kind;
        *self.me() = Actor {
            kind,
            shares: kind == Kind::Reader,
            guard: Some(named),
            at: At::LockGuard,
            ..Actor::default()
        };
    }

    fn lock_guard(&mut self) {
        let (who, guard, shares) = (self.who, self.guard(), self.i().shares);
        let locked = &mut self.state.guards[guard].locked;
        let is_locked = if shares { locked.try_share(who) } else { locked.try_alone(who) };
        if shares && self.is(Mutation::RecordOnly) {
            self.state.guards[guard].locked.unlock(who);
        }
        if is_locked { self.go(At::LookAtGuard) } else { self.refused() }
    }

    fn open_record(&mut self) {
        self.me().found = self.state.record;
        match self.state.record {
            Some(_) => self.go(At::TakeByte1),
            None => self.judged(),
        }
    }

    fn take_byte_1(&mut self) {
        let who = self.who;
        if self.found().judge.is_some() {
            // It would look again in a moment.
            self.me().found = None;
            return self.refused();
        }
        self.found().judge = Some(who);
        self.go(At::AskByte0);
    }

    fn ask_byte_0(&mut self) {
        let is_group = matches!(self.found().content, Content::Group { .. });
        let (locked, shares) = (self.found().holder, self.i().shares);
        if locked.is_free() {
            self.go(At::LookAtRecord);
        } else if shares && is_group {
            self.go(At::Join);
        } else {
            self.refused();
        }
    }

    fn join(&mut self) {
        let who = self.who;
        if self.found().holder.try_share(who) {
            self.me().own = self.i().found;
            self.go(At::LookAtJoined);
        } else {
            self.refused();
        }
    }

    fn look_at_joined(&mut self) {
        let who = self.who;
        if self.is(Mutation::GuardOnly) {
            self.own().holder.unlock(who);
        }
        let known = self.state.guards[self.guard()].token;
        let is_named = self.state.record == self.i().own;
        let Content::Group { token, unrepaired } = self.own().content else { unreachable!("it was asked") };
        // One of readers who have another guard, which was deleted, and who will find that out.
        let is_old = token < known && !self.is(Mutation::OldJoined);
        if is_named && !is_old {
            self.found().judge = None;
            self.me().found = None;
            self.me().token = token;
            self.told(unrepaired);
            self.go(if self.i().has_press { At::Unpress } else { At::LookAtGuardAgain });
        } else {
            self.own().holder.unlock(who);
            self.me().own = None;
            self.refused();
        }
    }

    /// Step 4 has come to *absent* or *departed*.
    fn judged(&mut self) {
        if !self.i().shares || self.i().has_press || self.is(Mutation::NoPress) {
            return self.go(At::ReadToken);
        }
        if self.i().found.is_some() {
            self.found().judge = None;
            self.me().found = None;
        }
        self.go(At::Press);
    }

    fn press(&mut self) {
        let (who, guard) = (self.who, self.guard());
        if self.state.guards[guard].press.is_some() {
            return self.refused();
        }
        self.state.guards[guard].press = Some(who);
        self.me().has_press = true;
        // Somebody may have published meanwhile.
        self.go(At::OpenRecord);
    }

    fn read_token(&mut self) {
        let guard = self.guard();
        let theirs = if self.i().found.is_some() { self.found().content.token() } else { 0 };
        let clock = if self.setting.is_clock_useless { 0 } else { self.state.given };
        // Who comes later has a later clock, though it knows less.
        let wins = if self.setting.is_clock_useless { u8::from(self.who == 1) } else { 0 };
        self.me().last = self.state.guards[guard].token.max(theirs).max(clock) + wins;
        self.me().token = self.i().last + 1;
        self.state.given = self.state.given.max(self.i().token);
        self.go(At::WriteToken);
    }

    fn write_token(&mut self) {
        let (guard, token) = (self.guard(), self.i().token);
        self.state.guards[guard].token = token;
        self.go(At::Publish);
    }

    fn publish(&mut self) {
        if self.state.record != self.i().found {
            return self.refused();
        }
        let replaced = if self.i().found.is_some() { self.found().content } else { Content::Nothing };
        let mut death = replaced.death();
        if self.is(Mutation::ReadersMourned) && matches!(replaced, Content::Group { .. }) {
            death = Some(replaced.token());
        }
        let (token, shares) = (self.i().token, self.i().shares);
        self.told(death);
        let unrepaired = death.filter(|_| !self.is(Mutation::DeathForgotten));
        let content = if shares { Content::Group { token, unrepaired } } else { Content::Writer { token } };
        let record = self.born(shares, content);
        let own = self.state.new_record(record);
        self.state.record = Some(own);
        if self.i().found.is_some() {
            self.found().judge = None;
        }
        let me = self.me();
        (me.found, me.own, me.replaced) = (None, Some(own), replaced);
        if !shares {
            self.state.last = Last::Alive(token);
        }
        // What does not pass step 7 is nobody's token.
        self.me().is_low = token <= self.state.largest;
        self.go(if shares { At::Unpress } else { At::LookAtGuardAgain });
    }

    fn unpress(&mut self) {
        let (who, guard) = (self.who, self.guard());
        let press = &mut self.state.guards[guard].press;
        *press = press.filter(|other| *other != who);
        self.go(At::LookAtGuardAgain);
    }

    /// Is what it is told true?
    fn told(&mut self, death: Option<u8>) {
        let is_true = match self.state.last {
            Last::Well => death.is_none(),
            Last::Dead(token) => death == Some(token),
            // It is in the middle of removing its record, or of putting it back.
            Last::Alive(token) => death.is_none_or(|dead| dead == token),
        };
        self.state.is_misled |= !is_true;
    }

    fn hold(&mut self) {
        let token = self.i().token;
        self.state.is_fallen |= token < self.state.largest || self.i().is_low;
        self.state.largest = self.state.largest.max(token);
        self.me().holds = true;
        self.go(At::Holds);
    }

    fn take_back(&mut self) {
        self.me().takes_back = true;
        self.go(if self.i().shares { At::LeaveByte1 } else { At::LookAtOwn });
    }

    fn end(&mut self) {
        let next = match (self.i().kind, self.i().shares) {
            (_, true) => At::LeaveByte1,
            (Kind::Downgrader, false) => At::Downgrade,
            (_, false) => At::LookAtOwn,
        };
        if next != At::Downgrade {
            self.me().holds = false;
        }
        self.go(next);
    }

    fn look_at_own(&mut self) {
        let is_named = self.state.record == self.i().own;
        let puts_back = self.i().takes_back && self.i().replaced.death().is_some();
        match (is_named, puts_back) {
            (true, true) => self.go(At::PutBack),
            (true, false) => self.go(At::RemoveOwn),
            (false, _) => {
                self.ended();
                self.go(At::UnlockByte0);
            }
        }
    }

    /// What a writer has left of itself is gone.
    fn ended(&mut self) {
        if self.state.last == Last::Alive(self.i().token) {
            self.state.last = match self.i().replaced.death().filter(|_| self.i().takes_back) {
                Some(death) => Last::Dead(death),
                None => Last::Well,
            };
        }
    }

    fn remove_own(&mut self) {
        // By name.
        self.state.record = None;
        self.ended();
        self.go(At::UnlockByte0);
    }

    fn put_back(&mut self) {
        let death = self.i().replaced.death().expect("there is one");
        let record = Record { content: Content::Writer { token: death }, ..Record::default() };
        let put = self.state.new_record(record);
        self.state.record = Some(put);
        self.ended();
        self.go(At::UnlockByte0);
    }

    fn downgrade(&mut self) {
        let who = self.who;
        if self.state.record != self.i().own {
            // It is held as before.
            self.me().kind = Kind::Writer;
            return self.go(At::Holds);
        }
        let token = self.i().token;
        let mut record = self.born(true, Content::Group { token, unrepaired: None });
        let is_late = self.is(Mutation::DowngradedUnlocked);
        if is_late {
            record.holder.unlock(who);
        }
        let new = self.state.new_record(record);
        self.own().holder.unlock(who);
        self.state.record = Some(new);
        self.state.last = Last::Well;
        let me = self.me();
        (me.own, me.shares) = (Some(new), true);
        self.go(if is_late { At::LockPublished } else { At::DropGuard });
    }

    fn lock_published(&mut self) {
        let who = self.who;
        if self.own().holder.try_share(who) {
            self.go(At::DropGuard);
        }
    }

    /// The kernel promises no more than that the old lock goes before the new one comes.
    fn drop_guard(&mut self) {
        let (who, guard) = (self.who, self.guard());
        self.state.guards[guard].locked.unlock(who);
        self.go(At::ShareGuard);
    }

    fn share_guard(&mut self) {
        let (who, guard) = (self.who, self.guard());
        if self.state.guards[guard].locked.try_share(who) {
            self.go(At::Holds);
        }
    }

    fn leave_byte_1(&mut self) {
        let who = self.who;
        if self.is(Mutation::LeavesWithoutByte1) {
            return self.go(At::LeaveAsk);
        }
        if self.own().judge.is_none() {
            self.own().judge = Some(who);
            self.go(At::LeaveAsk);
        }
    }

    fn leave_ask(&mut self) {
        let who = self.who;
        if self.is(Mutation::RemovedByAnyone) {
            return self.go(At::LeaveLook);
        }
        let is_last = self.own().holder.try_alone(who);
        self.go(if is_last { At::LeaveLook } else { At::UnlockByte0 });
    }

    fn leave_look(&mut self) {
        let is_named = self.state.record == self.i().own;
        self.go(if is_named { At::LeaveRemove } else { At::UnlockByte0 });
    }

    fn leave_remove(&mut self) {
        // By name, as well as by exchange: what has it is what was looked at, unless somebody deleted it.
        self.state.record = match self.own().content.death() {
            None => None,
            Some(token) => {
                let record = Record { content: Content::Writer { token }, ..Record::default() };
                Some(self.state.new_record(record))
            }
        };
        self.go(At::UnlockByte0);
    }

    fn unlock_byte_0(&mut self) {
        let who = self.who;
        self.own().holder.unlock(who);
        self.go(if self.i().shares { At::UnlockByte1 } else { At::UnlockGuard });
    }

    fn unlock_byte_1(&mut self) {
        let who = self.who;
        let judge = &mut self.own().judge;
        *judge = judge.filter(|other| *other != who);
        self.go(At::UnlockGuard);
    }

    fn unlock_guard(&mut self) {
        let (who, guard) = (self.who, self.guard());
        self.state.guards[guard].locked.unlock(who);
        self.gone();
    }

    pub fn gone(&mut self) {
        let kind = match self.i().kind {
            // A downgrade that was given up leaves it a writer for that time only.
            Kind::Writer if self.setting.cast[usize::from(self.who)] == Kind::Downgrader => Kind::Downgrader,
            kind => kind,
        };
        *self.me() = Actor { kind, ..Actor::default() };
    }

    pub fn crash(&mut self) {
        let who = self.who;
        self.state.unlock_all(who);
        if self.state.last == Last::Alive(self.i().token) && !self.i().shares {
            self.state.last = Last::Dead(self.i().token);
        }
        self.state.crashes -= 1;
        self.state.is_crashed = true;
        self.gone();
    }
}
