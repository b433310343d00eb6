//! The steps of one contender: what it does next, and what it makes of an answer.
//!
//! A request is sent in the step before it: between an answer and the next request a contender does nothing that others could see.

use super::etcd::Server;
use super::state::{Answer, At, Awaited, Contender, End, Found, Phase, Renewal, Request, Saved, State};
use super::variant::{Mutation, Setting};

/// One contender's turn.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) who: usize,
    pub(crate) setting: &'a Setting,
}

impl Turn<'_> {
    fn me(&mut self) -> &mut Contender {
        &mut self.state.contenders[self.who]
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.setting.is(mutation)
    }

    /// Goes on to what is there to be done without asking.
    pub(crate) fn go(&mut self, at: At) {
        (self.me().at, self.me().phase) = (at, Phase::Idle);
    }

    /// Goes on to what has to be asked for, and asks.
    pub(crate) fn ask(&mut self, at: At) {
        (self.me().at, self.me().phase) = (at, Phase::Asked);
    }

    pub(crate) fn come(&mut self, waits: bool) {
        let (name, span, ttl) = (self.me().name, self.setting.span(), self.setting.ttl);
        *self.me() = Contender { name, left: span, lease: Some(ttl), ..Contender::default() };
        self.ask(if waits { At::Entering } else { At::Trying });
    }

    /// etcd gets to the request.
    pub(crate) fn serve(&mut self) {
        let request = request(self.me());
        let answer = Server { state: self.state, who: self.who, setting: self.setting }.serve(request);
        if self.is_answer_awaited(answer) {
            self.me().phase = Phase::Answered(answer);
        } else {
            self.receive(answer);
        }
    }

    /// Does it matter when the answer comes? Else that is as if the next request came later.
    fn is_answer_awaited(&mut self, answer: Answer) -> bool {
        match self.me().at {
            At::Taking | At::Marking | At::LiftingFirst | At::Unmarking | At::Leaving(End::Clean) => true,
            At::Entering | At::Trying => matches!(answer, Answer::Holds(..)),
            At::Looking => self.is(Mutation::HeldByLook),
            _ => false,
        }
    }

    /// A request that nobody waits for any more arrives.
    pub(crate) fn stray_arrives(&mut self) {
        if let Some(request) = self.me().stray.take() {
            Server { state: self.state, who: self.who, setting: self.setting }.serve(request);
        }
    }

    /// The time for an answer is over: asks again. What was asked may still arrive, or may have been carried out.
    pub(crate) fn lose(&mut self) {
        self.leave_astray();
        self.me().phase = Phase::Asked;
    }

    /// What is on its way may arrive without anybody who waits for it.
    fn leave_astray(&mut self) {
        let me = self.me();
        let request = request(me);
        let has_effect = !matches!(request, Request::Look { .. } | Request::Watch { .. });
        if me.phase == Phase::Asked && has_effect {
            me.stray = Some(request);
        }
    }

    pub(crate) fn kill(&mut self) {
        self.leave_astray();
        self.go(At::Dead);
    }

    pub(crate) fn receive_answer(&mut self) {
        if let Phase::Answered(answer) = self.me().phase {
            self.receive(answer);
        }
    }

    /// Makes of an answer what there is to be made of it. A flat match, in the order of the protocol.
    fn receive(&mut self, answer: Answer) {
        match (self.me().at, answer) {
            (At::Entering | At::Trying, Answer::Entered(mine)) => {
                self.me().mine = mine;
                self.ask(At::Looking);
            }
            (At::Entering | At::Trying, Answer::Holds(mine, session)) => {
                self.me().mine = mine;
                self.has_taken(session);
            }
            (At::Entering | At::Trying | At::Looking, Answer::No | Answer::Gone) | (At::Lifting, _) => {
                self.ask(At::Revoking);
            }
            (At::Looking, Answer::After(awaited)) => {
                self.me().awaited = awaited;
                if self.is(Mutation::WatchedFromNow) {
                    self.ask(At::AskingToWatch);
                } else {
                    self.go(At::Watching);
                }
            }
            (At::Looking, Answer::First) => self.is_first(),
            (At::AskingToWatch, Answer::Yes) => self.go(At::Watching),
            (At::AskingToWatch, _) => self.go(At::WatchingInVain),
            (At::Taking, Answer::Taken(session)) => self.has_taken(session),
            (At::Taking, _) => self.ask(At::Leaving(End::TooLate)),
            (At::Saving, Answer::Yes) => {
                let mine = self.me().mine;
                self.me().session = next_save(mine, self.me().session);
                self.go(At::Held);
            }
            // Somebody else's session is there: the key is gone, as the next renewal will say.
            (At::Saving | At::Marking, _) => self.go(At::Held),
            (At::Leaving(end), answer) => self.has_left(end, answer),
            (At::Unmarking, _) => {
                let has_ended = self.me().has_ended;
                self.state.known.faults.told_clean |= self.is_valid() && !has_ended;
                self.ask(At::Revoking);
            }
            (At::LiftingFirst, _) => self.ask(At::Leaving(End::Unclean)),
            (At::Revoking, _) => self.go(At::Away),
            (at, answer) => unreachable!("{answer:?} is no answer to {at:?}"),
        }
    }

    fn is_valid(&mut self) -> bool {
        self.me().left > self.setting.ending()
    }

    /// Step 5.
    fn has_taken(&mut self, session: Saved) {
        if !self.is_valid() && !self.is(Mutation::NotLookedAgain) {
            return self.ask(At::Leaving(End::TooLate));
        }
        self.me().session = session;
        self.is_told();
    }

    fn is_first(&mut self) {
        if !self.is(Mutation::HeldByLook) {
            return self.ask(At::Taking);
        }
        if !self.is_valid() {
            return self.ask(At::Revoking);
        }
        self.is_told();
        self.ask(At::Marking);
    }

    /// Holds from now on, and is told how the last holder ended.
    fn is_told(&mut self) {
        let (mine, found) = (self.me().mine, self.me().found.token);
        self.state.known.faults.exclusion |= !self.is_valid();
        self.note_story(mine, found);
        if !self.setting.wavers {
            self.me().found = Found::default();
        }
        self.go(At::Held);
    }

    fn note_story(&mut self, mine: u8, found: u8) {
        let known = &mut self.state.known;
        let last = if known.doubtful > 0 { known.doubtful } else { known.unclean };
        known.faults.story |= found != last;
        (known.unclean, known.half, known.doubtful) = (mine, 0, 0);
    }

    fn has_left(&mut self, end: End, answer: Answer) {
        match end {
            End::Lost => return self.ask(At::Lifting),
            End::Clean if self.is(Mutation::EndedInTwo) => return self.ask(At::Unmarking),
            End::Clean => {
                let is_looked = !self.is(Mutation::EndNotLookedAgain);
                let is_told_clean = answer == Answer::Yes && (self.is_valid() || !is_looked);
                let has_ended = self.me().has_ended;
                self.state.known.faults.told_clean |= is_told_clean && !has_ended;
            }
            End::Unclean | End::Undone | End::TooLate => {}
        }
        self.ask(At::Revoking);
    }

    /// The one it waited for is gone, or may be.
    pub(crate) fn wake(&mut self) {
        if self.is(Mutation::WokenIsFirst) {
            return self.ask(At::Taking);
        }
        self.ask(At::Looking);
    }

    /// The clock, or a renewal, says that the lock is lost: the job is ended.
    pub(crate) fn end_lost(&mut self) {
        self.leave_astray();
        let is_first = self.is(Mutation::LiftedFirst) && self.me().at != At::LiftingFirst;
        self.ask(if is_first { At::LiftingFirst } else { At::Leaving(End::Lost) });
    }

    /// The job changes both resources.
    pub(crate) fn change(&mut self) {
        let mine = self.me().mine;
        let State { known, resource, .. } = self.state;
        let is_superseded = known.largest > mine;
        known.faults.unfenced |= is_superseded;
        if mine >= *resource {
            *resource = mine;
        } else {
            known.faults.refused |= !is_superseded;
        }
        self.go(At::Held);
    }

    pub(crate) fn renew(&mut self) {
        self.me().renewal = Renewal::Sent(self.setting.span());
    }

    /// Receives the answer to a renewal.
    pub(crate) fn is_renewed(&mut self) {
        let renewal = std::mem::take(&mut self.me().renewal);
        let (is_valid, is_late) = (self.is_valid(), self.is(Mutation::LateAnswerExtends));
        match renewal {
            Renewal::Confirmed(left) => {
                let left = if self.is(Mutation::FromAnswer) { self.setting.span() } else { left };
                if is_valid || is_late {
                    self.me().left = self.me().left.max(left);
                }
                let has_job = self.me().has_job();
                self.state.known.faults.revival |= has_job && !is_valid && self.is_valid();
            }
            Renewal::Gone => {
                let ending = self.setting.ending();
                self.me().left = self.me().left.min(ending);
            }
            Renewal::None | Renewal::Sent(_) | Renewal::Answered { .. } => {
                unreachable!("it was not answered")
            }
        }
    }
}

fn next_save(mine: u8, last: (u8, u8)) -> (u8, u8) {
    (mine, if last.0 == mine { last.1 + 1 } else { 1 })
}

/// What it asks for.
pub(crate) fn request(who: &Contender) -> Request {
    let Contender { mine, found, session, awaited, .. } = *who;
    match who.at {
        At::Entering => Request::Enter { only_if_first: false },
        At::Trying => Request::Enter { only_if_first: true },
        At::Looking => Request::Look { mine },
        At::AskingToWatch => Request::Watch { awaited },
        At::Taking | At::Marking => Request::Take { mine, found },
        At::Saving => Request::Save { mine, over: session, now: next_save(mine, session) },
        At::Leaving(end) => Request::Leave { mine, end, found },
        At::Unmarking => Request::Unmark { mine },
        At::Lifting | At::LiftingFirst => Request::Lift { mine },
        At::Revoking => Request::Revoke,
        // Asks for nothing: it is not looked at.
        At::Away | At::Dead | At::Watching | At::WatchingInVain | At::Held | At::Checked => {
            Request::Look { mine }
        }
    }
}

/// Waits for somebody: is it there still?
pub(crate) fn is_woken(state: &State, who: &Contender) -> bool {
    who.at == At::Watching && (who.awaited == Awaited::Nothing || !state.is_there(who.awaited))
}
