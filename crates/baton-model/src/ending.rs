//! How a contender ends: what step 7 takes back, a release, an unclean end, and a kill.

use crate::contender::Turn;
use crate::state::{At, Contender, Ending, File, Inode, Story, Whose};
use crate::variant::{Mutation, Naming};

impl Turn<'_> {
    /// Begins to end a hold, or to undo what did not become one.
    pub fn take_back(&mut self, ending: Ending) {
        self.me().ending = ending;
        let (found, mutation, naming) = (self.me().found, self.setting.mutation, self.setting.naming);
        self.go(match (ending, naming) {
            (Ending::Unclean, _) if mutation == Mutation::RemovedAtUncleanEnd => At::LookBeforeRemoval,
            (Ending::Unclean, _) => At::UnlockRecord,
            (Ending::Clean, Naming::Default) if mutation == Mutation::UnlockedBeforeRemoved => {
                At::UnlockRecord
            }
            (Ending::Clean, Naming::Default) if mutation == Mutation::RemovedUnseen => At::RemoveOwn,
            (Ending::StartOver, _) if mutation == Mutation::NotTakenBack => At::UnlockRecord,
            (_, _) if mutation == Mutation::TakenBackByRemoval => At::LookBeforeRemoval,
            (Ending::Clean, Naming::Default) => At::LookBeforeRemoval,
            (_, Naming::Default) if found.is_none() => At::LookBeforeRemoval,
            (_, _) => At::WriteReplacement,
        });
    }

    pub(crate) fn write_replacement(&mut self, me: Contender) {
        let is_flock = self.setting.naming == Naming::Flock;
        let file = match me.found.filter(|_| me.ending != Ending::Clean) {
            None => File::Released(me.token),
            Some(Whose::Baton(_)) if is_flock => File::Record(me.token),
            Some(Whose::Baton(token)) => File::Record(token),
            Some(Whose::Ancestor) => File::Ancestor { is_alive: false },
            Some(Whose::Unknown) => File::Standing(me.token),
        };
        let inode = Some(self.state.create(file));
        (self.me().put, self.me().temporary) = (inode, inode);
        self.go(At::LookAtOwn);
    }

    pub(crate) fn exchange_replacement(&mut self, me: Contender) {
        if self.state.record.is_none() || me.temporary.is_none() {
            return self.discard_replacement();
        }
        if self.state.record == me.born {
            self.ended(me);
        }
        self.swap();
        self.go(At::LookAtOwnBack);
    }

    pub(crate) fn name_replacement(&mut self, me: Contender) {
        if self.state.record.is_some() || me.temporary.is_none() {
            return self.discard_replacement();
        }
        self.ended(me);
        self.swap();
        self.go(At::UnlockRecord);
    }

    pub(crate) fn look_at_own_back(&mut self, me: Contender) {
        if me.temporary.is_some() && me.temporary != me.born {
            self.swap();
        }
        self.discard_replacement();
    }

    fn discard_replacement(&mut self) {
        let (put, born) = (self.me().put, self.me().born);
        if let Some(kept) =
            self.me().temporary.take().filter(|kept| Some(*kept) != put && Some(*kept) != born)
        {
            self.state.leave(kept);
        }
        self.go(At::UnlockRecord);
    }

    pub(crate) fn look_before_removal(&mut self, me: Contender) {
        self.go(if self.state.record == me.born { At::RemoveOwn } else { At::UnlockRecord });
    }

    pub(crate) fn remove_own(&mut self, me: Contender) {
        if let Some(removed) = self.state.record.take() {
            self.note_removal(removed, me);
        }
        self.ended(me);
        let is_late = self.is(Mutation::UnlockedBeforeRemoved) && me.ending == Ending::Clean;
        if is_late { self.leave() } else { self.go(At::UnlockRecord) }
    }

    /// A stated limit: what is put there between look and removal is removed. Only somebody who deletes ours lets it in.
    fn note_removal(&mut self, removed: Inode, me: Contender) {
        let was_looked_at = !self.is(Mutation::RemovedUnseen) && !self.is(Mutation::UnlockedBeforeRemoved);
        if was_looked_at && Some(removed) != me.born {
            (self.state.is_meddled, self.state.faults.raced) = (true, true);
        } else {
            self.destroy(removed);
        }
    }

    /// What the next one is to be told, from the moment when the record is taken away or marked.
    fn ended(&mut self, me: Contender) {
        let is_told_by_token = self.setting.naming == Naming::Flock;
        let story = match me.found {
            None => Story::Clean,
            Some(Whose::Baton(_)) if is_told_by_token => Story::Unclean(Whose::Baton(me.token)),
            Some(whose) => Story::Unclean(whose),
        };
        self.state.story = match (me.ending, self.state.story) {
            (Ending::Clean, _) => Story::Clean,
            (Ending::Undone, _) => story,
            (Ending::StartOver, Story::Unclean(whose)) if Some(whose) == me.found => story,
            (Ending::StartOver | Ending::Unclean, unchanged) => unchanged,
        };
    }

    pub(crate) fn unlock_record(&mut self, me: Contender) {
        let is_late = self.is(Mutation::UnlockedBeforeRemoved) && me.ending == Ending::Clean;
        let is_closed_only = self.is(Mutation::ClosedOnly);
        let me = self.me();
        (me.put, me.found) = (None, None);
        if !is_closed_only {
            me.has_byte0 = false;
        }
        if !is_late && !is_closed_only {
            (me.born, me.temporary, me.token) = (None, None, 0);
        }
        me.at = At::UnlockGuard;
    }

    pub(crate) fn unlock_guard(&mut self, me: Contender) {
        if self.is(Mutation::ClosedOnly) {
            return self.go(At::ChildLingers);
        }
        if self.is(Mutation::UnlockedBeforeRemoved) && me.ending == Ending::Clean {
            self.me().has_guard = false;
            return self.go(At::LookBeforeRemoval);
        }
        self.leave();
    }

    /// Killed; where it had handed its locks to a job, that has them for as long as it lives.
    pub fn crash(&mut self, has_job: bool) {
        let me = *self.me();
        self.state.story = self.story_after_crash(me);
        if let Some(kept) = me.temporary {
            self.state.leave(kept);
        }
        let left = Contender {
            at: if is_before_removal(&me) { At::JobHolds } else { At::JobLingers },
            temporary: None,
            put: None,
            ending: Ending::StartOver,
            found: None,
            ..me
        };
        *self.me() = if has_job { left } else { me.gone() };
    }

    /// As the table of crash points has it.
    fn story_after_crash(&self, me: Contender) -> Story {
        let was_clean = self.state.story == Story::Clean;
        let is_named = self.state.record == me.born && me.born.is_some();
        match me.at {
            At::LookAtWhatCameBack | At::RemoveReplaced | At::ExchangeBack
                if me.temporary != me.judged && me.temporary.is_some() =>
            {
                Story::Doubt
            }
            // Removed by somebody, or displaced for a moment.
            At::LockNamed | At::LookAtGuardAgain | At::LookAtRecordAgain if !is_named => Story::Doubt,
            At::LookAtWhatCameBack
            | At::RemoveReplaced
            | At::LockNamed
            | At::LookAtGuardAgain
            | At::LookAtRecordAgain
                if is_named =>
            {
                if was_clean {
                    Story::Unclean(Whose::Baton(me.token))
                } else {
                    Story::Unended
                }
            }
            At::WriteReplacement
            | At::LookAtOwn
            | At::ExchangeReplacement
            | At::NameReplacement
            | At::LookBeforeRemoval
            | At::RemoveOwn
                if matches!(me.ending, Ending::StartOver | Ending::Undone) =>
            {
                if me.found.is_none() {
                    Story::Doubt
                } else {
                    Story::Unended
                }
            }
            _ => self.state.story,
        }
    }
}

/// Does its record still say that it holds?
fn is_before_removal(me: &Contender) -> bool {
    matches!(me.at, At::Held | At::LookBeforeRemoval | At::RemoveOwn)
}
