//! What etcd does with a request: each is one transaction, carried out whole.

use super::state::{
    Answer, At, Awaited, Contender, End, Fence, Found, Renewal, Request, Revision, Saved, State,
};
use super::variant::{Mutation, Setting};

/// etcd, asked by one contender.
pub(crate) struct Server<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) who: usize,
    pub(crate) setting: &'a Setting,
}

impl Server<'_> {
    fn client(&mut self) -> &mut Contender {
        &mut self.state.contenders[self.who]
    }

    /// Carries it out, perhaps not for the first time.
    pub(crate) fn serve(&mut self, request: Request) -> Answer {
        match request {
            Request::Enter { only_if_first } => self.enter(only_if_first),
            Request::Look { mine } => self.look(mine),
            Request::Watch { awaited } => {
                if self.state.is_there(awaited) {
                    Answer::Yes
                } else {
                    Answer::No
                }
            }
            Request::Take { mine, found } => self.take(mine, found),
            Request::Save { mine, over, now } => self.save(mine, over, now),
            Request::Leave { mine, end, found } => self.leave(mine, end, found),
            Request::Unmark { mine } => {
                if self.state.marker == mine {
                    self.state.put_marker(0);
                    self.note_clean_end(mine);
                }
                Answer::Yes
            }
            Request::Lift { mine } => {
                let is_any = self.setting.is(Mutation::LiftsAny);
                self.state.fence = self.state.fence.filter(|fence| fence.token != mine && !is_any);
                Answer::Yes
            }
            Request::Revoke => {
                (self.client().lease, self.client().key) = (None, 0);
                Answer::Yes
            }
        }
    }

    /// Step 2: who finds nobody takes the lock at once.
    fn enter(&mut self, only_if_first: bool) -> Answer {
        let key = self.client().key;
        if key > 0 {
            let is_taken = self.state.marker == key;
            return if is_taken { Answer::Holds(key, self.state.session) } else { Answer::Entered(key) };
        }
        let is_busy = self.state.contenders.iter().any(|who| who.key > 0) || self.state.fence.is_some();
        if self.client().lease.is_none() || (only_if_first && is_busy) {
            return Answer::No;
        }
        let revision = self.state.next_revision();
        self.client().key = revision;
        if is_busy || self.setting.is(Mutation::HeldByLook) {
            if self.setting.is(Mutation::MarkedAtEntering) {
                self.state.put_marker(revision);
            }
            return Answer::Entered(revision);
        }
        let token = self.state.marker;
        self.state.put_marker(revision);
        self.client().found = Found { token, is_old: true };
        self.note_taken(revision);
        Answer::Holds(revision, self.state.session)
    }

    fn look(&mut self, mine: Revision) -> Answer {
        if self.client().key != mine {
            return Answer::Gone;
        }
        match (self.state.before(mine), self.state.fence) {
            (0, None) => {
                let token = self.state.marker;
                self.client().found = Found { token, is_old: false };
                Answer::First
            }
            (0, Some(fence)) => Answer::After(Awaited::Fence(fence.token)),
            (before, _) => Answer::After(Awaited::Key(before)),
        }
    }

    fn take(&mut self, mine: Revision, found: Found) -> Answer {
        let is_so = self.client().key == mine
            && (!found.is_old || self.setting.is(Mutation::WokenIsFirst))
            && self.state.fence.is_none();
        let is_any = self.setting.is(Mutation::TakenUncompared) || self.setting.is(Mutation::HeldByLook);
        if !is_so && !is_any {
            let is_own = self.state.marker == mine;
            return if is_own { Answer::Taken(self.state.session) } else { Answer::No };
        }
        if self.state.marker == mine {
            return Answer::Taken(self.state.session);
        }
        self.state.put_marker(mine);
        self.note_taken(mine);
        Answer::Taken(self.state.session)
    }

    fn save(&mut self, mine: Revision, over: Saved, now: Saved) -> Answer {
        let is_holder = self.state.has_key(mine) || self.setting.is(Mutation::SavedUnderAnyKey);
        let is_unchanged = self.state.session == over || self.setting.is(Mutation::SavedOverAny);
        if is_holder && is_unchanged {
            let is_stale = mine < self.state.known.largest || now < self.state.session;
            self.state.known.faults.session |= is_stale;
            self.state.session = now;
        }
        // What is there already was saved by the same request before.
        if self.state.session == now { Answer::Yes } else { Answer::No }
    }

    /// One transaction. If it is carried out again, the marker says how it ended.
    fn leave(&mut self, mine: Revision, end: End, found: Found) -> Answer {
        if self.client().key != mine {
            let is_unclean = self.state.marker == mine && !self.setting.is(Mutation::EndTakenForDone);
            return if is_unclean { Answer::No } else { Answer::Yes };
        }
        if !self.setting.is(Mutation::KeyLeftToRevoke) {
            self.client().key = 0;
        }
        match end {
            End::Clean if self.setting.is(Mutation::EndedInTwo) => {}
            End::Clean => {
                self.state.put_marker(0);
                self.note_clean_end(mine);
            }
            End::Unclean | End::Lost if self.setting.is(Mutation::UncleanRemovesMarker) => {
                self.state.put_marker(0);
            }
            End::Unclean | End::Lost => {}
            End::Undone | End::TooLate => self.put_back(mine, end, found),
        }
        Answer::Yes
    }

    fn put_back(&mut self, mine: Revision, end: End, found: Found) {
        if !(end == End::TooLate && self.setting.is(Mutation::NotPutBack)) {
            self.state.put_marker(found.token);
        }
        let known = &mut self.state.known;
        if known.half == mine {
            (known.half, known.doubtful) = (known.doubtful, 0);
        }
        if known.unclean == mine {
            known.unclean = found.token;
        }
    }

    fn note_taken(&mut self, mine: Revision) {
        let is_by_look = self.setting.is(Mutation::HeldByLook);
        let is_asking = matches!(self.client().at, At::Entering | At::Trying | At::Taking | At::Dead);
        let is_out_of_turn = self.state.before(mine) > 0;
        let known = &mut self.state.known;
        known.faults.double |= !is_asking && !is_by_look;
        known.faults.order |= is_out_of_turn;
        known.faults.token |= mine <= known.largest;
        known.largest = known.largest.max(mine);
        if !is_by_look {
            (known.doubtful, known.half) = (known.half, mine);
        }
    }

    fn note_clean_end(&mut self, mine: Revision) {
        if self.state.known.unclean == mine {
            self.state.known.unclean = 0;
        }
        if self.client().mine == mine {
            self.client().has_ended = true;
        }
    }

    /// A whole renewal of one that does not hold yet. One whose parts come later leaves less validity to the same lease, and so does a
    /// grant: nobody could get more by that.
    pub(crate) fn renew_waiter(&mut self) {
        let (span, ttl) = (self.setting.span(), self.setting.ttl);
        let me = self.client();
        (me.left, me.lease) = (me.left.max(span), me.lease.map(|_| ttl));
    }

    /// A keep-alive. One for a lease whose time is over waits until that was revoked.
    pub(crate) fn keep_alive(&mut self, left: u8) {
        let ttl = self.setting.ttl;
        self.client().lease = self.client().lease.map(|_| ttl);
        self.answer_keep_alive(left, true);
    }

    /// The same by a leader that was deposed: nobody else learns of it.
    pub(crate) fn keep_alive_in_vain(&mut self, left: u8) {
        self.answer_keep_alive(left, self.setting.is(Mutation::TermsNotCompared));
    }

    fn answer_keep_alive(&mut self, left: u8, is_current: bool) {
        self.client().renewal = if self.setting.is(Mutation::Unconfirmed) {
            Renewal::Confirmed(left)
        } else {
            Renewal::Answered { left, is_current }
        };
    }

    /// The linearizable read that confirms it, or not.
    pub(crate) fn confirm(&mut self, left: u8, is_current: bool) {
        let me = self.client();
        me.renewal = match (me.key == me.mine, is_current) {
            (false, _) => Renewal::Gone,
            (true, true) => Renewal::Confirmed(left),
            (true, false) => Renewal::None,
        };
    }
}

impl State {
    /// Changes the marker: what was read before is old.
    fn put_marker(&mut self, token: Revision) {
        self.marker = token;
        for who in &mut self.contenders {
            who.found.is_old = true;
            if let Some(Request::Take { found, .. } | Request::Leave { found, .. }) = &mut who.stray {
                found.is_old = true;
            }
        }
    }

    /// Is what somebody waits for still there?
    pub(crate) fn is_there(&self, awaited: Awaited) -> bool {
        match awaited {
            Awaited::Nothing => false,
            Awaited::Key(key) => self.has_key(key),
            Awaited::Fence(token) => self.fence.is_some_and(|fence| fence.token == token),
        }
    }

    /// A new leader: every lease runs its whole time again, and the old one does not know yet.
    pub(crate) fn change_leader(&mut self, setting: &Setting) {
        self.leaders -= 1;
        self.has_deposed = true;
        for who in &mut self.contenders {
            who.lease = who.lease.map(|_| setting.ttl);
            if let Renewal::Answered { is_current, .. } = &mut who.renewal {
                *is_current = false;
            }
        }
        if let Some(fence) = &mut self.fence {
            fence.left = if fence.has_lease { setting.ttl } else { fence.left };
        }
    }

    /// A lease runs out, and the key with it.
    pub(crate) fn expire(&mut self, who: usize) {
        (self.contenders[who].lease, self.contenders[who].key) = (None, 0);
    }

    /// Deletes the holder's key, if it is still the one with that token, and puts the fence.
    pub(crate) fn commit_break(&mut self, setting: &Setting) {
        let breaker = std::mem::take(&mut self.breaker);
        let meant = if setting.is(Mutation::BreaksAny) { self.first_key() } else { breaker.token };
        let Some(place) = self.place_mut(meant) else { return };
        place.key = 0;
        self.known.faults.wrong_break |= meant != breaker.token;
        let is_early = setting.is(Mutation::FenceLeasedBefore);
        let left = if is_early { breaker.left } else { setting.ttl };
        let fence = Fence { token: breaker.token, has_lease: is_early, left };
        self.fence = (!setting.is(Mutation::NoFence)).then_some(fence);
    }

    fn first_key(&self) -> Revision {
        self.contenders.iter().map(|who| who.key).filter(|key| *key > 0).min().unwrap_or(0)
    }
}
