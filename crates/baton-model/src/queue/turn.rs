//! W1 to W7, step by step, as far as they touch what processes share.
//!
//! A waiter's first attempt is a newcomer's; then it takes its ticket, and sleeps for what was in its way. Looking at the queue is one
//! step: the guard is locked meanwhile, so that nobody is passed, and a ticket that comes or goes then could have done so before.

use super::state::{Actor, At, FOREIGN, File, NEWCOMER, Named, Obstacle, Request, State, Ticket, Who};
use super::variant::{Fate, Mutation, Setting, Sleep};

/// How many seconds a newcomer waits for those before at most.
const NEWCOMERS_PATIENCE: u8 = 2;

/// One actor's turn.
pub struct Turn<'a> {
    pub state: &'a mut State,
    pub who: Who,
    pub setting: &'a Setting,
}

impl Turn<'_> {
    fn me(&mut self) -> &mut Actor {
        &mut self.state.actors[usize::from(self.who)]
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.setting.mutation == mutation
    }

    fn go(&mut self, at: At) {
        self.me().at = at;
    }

    fn leave(&mut self) {
        self.state.gone(self.who);
    }

    fn own(&mut self) -> &mut File {
        let ticket = self.me().ticket.expect("it was created");
        self.state.file_mut(ticket)
    }

    /// The next system call. A flat match, in the order of the protocol.
    pub fn step(&mut self) {
        let me = *self.state.actor(self.who);
        match me.at {
            At::Idle => self.go(if usize::from(self.who) == FOREIGN { At::Sleep } else { At::Try }),
            At::Try => self.try_lock(me),
            At::MakeQueue => self.make_queue(),
            At::CreateTicket => self.create_ticket(me),
            At::LockTicket => self.lock_ticket(),
            At::List => self.list(),
            At::NameTicket => self.name_ticket(me),
            At::LockNamed => {
                self.own().locked_by = Some(self.who);
                self.lie_down(me.obstacle);
            }
            At::Sleep => self.sleep(),
            At::Asleep if self.has_lookout() => self.wake_up(me),
            At::Asleep => self.request(),
            At::ReapLookout => {
                self.state.withdraw(self.who);
                self.go(At::Try);
            }
            At::Look => self.look(me),
            At::SweepRemove => self.sweep_remove(me),
            At::GoOn => self.publish(),
            At::MoveTicket => self.move_ticket(),
            At::Conclude => self.hold(),
            At::StepBack => {
                self.own().steps_back = true;
                if !self.is(Mutation::BegunUnsaid) {
                    self.tell_those_behind(me.ticket.expect("it was created"));
                }
                self.go(At::GiveBack);
            }
            At::GiveBack => self.give_back(me),
            At::AfterYou => self.after_you(me),
            At::UnlockByte3 => {
                self.own().steps_back = false;
                self.go(At::Sleep);
            }
            At::ClearQueue => {
                self.remove_queue();
                self.publish();
            }
            At::RemoveTicket => self.remove_ticket(),
            At::UnlockTicket => {
                (self.own().locked_by, self.own().steps_back) = (None, false);
                self.me().ticket = None;
                self.go(At::RemoveQueue);
            }
            At::RemoveQueue => {
                self.remove_queue();
                if me.holds { self.go(At::Holds) } else { self.leave() }
            }
            At::Holds => {
                self.state.unlock();
                self.leave();
            }
            At::GiveUpReap => {
                self.state.withdraw(self.who);
                self.go(At::GiveUpUnlock);
            }
            At::GiveUpUnlock => {
                if self.state.lock == Some(self.who) && !self.is(Mutation::GivenUpLocked) {
                    self.state.unlock();
                }
                self.go(At::RemoveTicket);
            }
            At::Absent => unreachable!("it has no next step"),
        }
    }

    fn has_lookout(&self) -> bool {
        self.setting.sleep == Sleep::ByLookout && usize::from(self.who) != FOREIGN
    }

    /// Step 3.
    fn try_lock(&mut self, me: Actor) {
        match self.state.lock {
            None => self.state.lock = Some(self.who),
            Some(owner) if owner == self.who => {}
            Some(owner) => return self.is_refused(me, owner),
        }
        self.got();
    }

    fn got(&mut self) {
        if self.is(Mutation::NewcomerUnaware) && self.me().ticket.is_none() {
            return self.go_on();
        }
        self.go(At::Look);
    }

    /// The guard is locked. Who does not wait gives up; if it comes again at once, that is as if it had come then.
    fn is_refused(&mut self, me: Actor, owner: Who) {
        if usize::from(self.who) == NEWCOMER {
            return self.leave();
        }
        let is_held = self.state.actor(owner).holds;
        self.me().has_waited = if is_held { 0 } else { me.has_waited };
        self.me().obstacle = Obstacle::Guard;
        let steps_back = me.ticket.is_some_and(|ticket| self.state.file(ticket).steps_back);
        self.go(match me.ticket {
            None => At::MakeQueue,
            Some(_) if is_held && steps_back && self.is(Mutation::Byte3UnlockedLater) => At::UnlockByte3,
            Some(_) => At::Sleep,
        });
    }

    fn make_queue(&mut self) {
        self.state.is_queue_there = true;
        self.me().has_queue = true;
        self.go(At::CreateTicket);
    }

    fn create_ticket(&mut self, me: Actor) {
        if !me.has_queue {
            return self.go(At::MakeQueue);
        }
        let is_open = |ticket: &Ticket| {
            self.state.actors.iter().any(|who| [who.ticket, who.nearest, who.sweeps].contains(&Some(*ticket)))
        };
        let is_free = |ticket: &Ticket| self.state.file(*ticket).name.is_none() && !is_open(ticket);
        let ticket = State::tickets().find(is_free).expect("there are more files than names and descriptors");
        *self.state.file_mut(ticket) = File { name: Some(Named::Temporary), ..File::default() };
        self.state.actors.iter_mut().for_each(|who| who.news &= !bit(ticket));
        self.me().ticket = Some(ticket);
        self.go(if self.is(Mutation::NamedBeforeLocked) { At::List } else { At::LockTicket });
    }

    fn lock_ticket(&mut self) {
        if self.own().locked_by.is_some() {
            self.me().ticket = None;
            return self.go(At::MakeQueue);
        }
        let me = *self.me();
        self.own().locked_by = Some(self.who);
        self.own().steps_back = me.obstacle == Obstacle::Ahead && !self.is(Mutation::TicketUnsaid);
        self.go(At::List);
    }

    fn list(&mut self) {
        let numbers = self.state.files.iter().filter_map(|file| number(file.name));
        let largest = numbers.max().unwrap_or(0);
        self.me().largest = largest;
        self.go(At::NameTicket);
    }

    fn name_ticket(&mut self, me: Actor) {
        if self.own().name.is_none() {
            (self.own().locked_by, self.me().ticket) = (None, None);
            return self.go(At::MakeQueue);
        }
        let name = Some(Named::Number(me.largest + 1));
        if self.state.files.iter().any(|file| file.name == name) {
            self.me().largest += 1;
            return;
        }
        self.own().name = name;
        let ticket = me.ticket.expect("it was created");
        (self.me().number, self.me().largest) = (me.largest + 1, 0);
        if !self.is(Mutation::LatecomersPassed) {
            self.tell_those_behind(ticket);
        }
        if self.is(Mutation::NamedBeforeLocked) { self.go(At::LockNamed) } else { self.lie_down(me.obstacle) }
    }

    /// Whoever gives those before a second sees by this ticket that it has come since, or has begun a second of its own.
    fn tell_those_behind(&mut self, ticket: Ticket) {
        let number = self.me().number;
        let is_behind = |who: &&mut Actor| who.number == 0 || who.number > number;
        self.state.actors.iter_mut().filter(is_behind).for_each(|who| who.news |= bit(ticket));
    }

    fn lie_down(&mut self, obstacle: Obstacle) {
        self.go(match obstacle {
            Obstacle::Guard => At::Sleep,
            Obstacle::Ahead => At::AfterYou,
        });
    }

    /// W2: into the kernel's queue.
    fn sleep(&mut self) {
        self.go(At::Asleep);
        self.request();
    }

    /// By the waiter itself, or by its lookout.
    pub fn request(&mut self) {
        if !self.state.request(self.who) {
            return;
        }
        if usize::from(self.who) == FOREIGN {
            self.go(At::Holds);
        } else if self.has_lookout() {
            self.me().request = Request::Got;
        } else {
            self.got();
        }
    }

    /// W3: the lookout has told.
    fn wake_up(&mut self, me: Actor) {
        let is_late = self.is(Mutation::LookoutReapedLate) && me.request == Request::Got;
        self.go(if is_late { At::Look } else { At::ReapLookout });
    }

    /// The lookout has waited 100 ms for somebody to reap it.
    pub fn lookout_gives_back(&mut self) {
        if self.state.lock == Some(self.who) {
            self.state.unlock();
        }
        self.me().request = Request::GivenBack;
    }

    /// W5.
    fn look(&mut self, me: Actor) {
        if let Some(ticket) = self.to_sweep(&me) {
            self.state.file_mut(ticket).locked_by = Some(self.who);
            self.me().sweeps = Some(ticket);
            return self.go(At::SweepRemove);
        }
        let ahead = before(self.state, &me);
        let steps_back = |ticket: &&Ticket| self.state.file(**ticket).steps_back;
        let stepping_back = u8::try_from(ahead.iter().filter(steps_back).count()).expect("few");
        let Some(nearest) = ahead.iter().rev().find(steps_back).or(ahead.last()) else { return self.go_on() };
        let are_news = ahead.iter().any(|ticket| me.news & bit(*ticket) > 0);
        let is_anew = (me.was_held && !self.is(Mutation::NotBegunAnew)) || are_news;
        if me.has_waited > 0 && !is_anew && !self.is(Mutation::NeverPassed) {
            self.note_overtaken();
            for ticket in ahead {
                let file = self.state.file_mut(ticket);
                file.name = number(file.name).map(Named::Passed);
            }
            return self.go(At::GoOn);
        }
        let nearest = Some(*nearest);
        (self.me().nearest, self.me().times, self.me().has_waited) = (nearest, stepping_back + 1, 0);
        (self.me().was_held, self.me().was_kept, self.me().news) = (false, false, 0);
        let is_said = me.ticket.is_some() && !self.is(Mutation::SteppedBackUnsaid);
        self.go(if is_said { At::StepBack } else { At::GiveBack });
    }

    /// What is in the way and dead. Who has no number removes all that is.
    fn to_sweep(&self, me: &Actor) -> Option<Ticket> {
        let ahead = before(self.state, me);
        let is_dead = |ticket: &Ticket| {
            let file = self.state.file(*ticket);
            let is_unseen = self.is(Mutation::SweptUnseen) && me.ticket != Some(*ticket);
            (file.locked_by.is_none() || is_unseen) && file.name.is_some()
        };
        let first = ahead.iter().copied().find(is_dead);
        first.or_else(|| {
            let is_ones = |ticket: &Ticket| match self.state.file(*ticket).name {
                Some(Named::Temporary) => true,
                Some(Named::Passed(_)) => me.ticket.is_none(),
                Some(Named::Number(_)) | None => false,
            };
            State::tickets().find(|ticket| ahead.is_empty() && is_ones(ticket) && is_dead(ticket))
        })
    }

    fn sweep_remove(&mut self, me: Actor) {
        let file = self.state.file_mut(me.sweeps.expect("it was found"));
        (file.name, file.locked_by) = (None, None);
        self.me().sweeps = None;
        self.go(At::Look);
    }

    /// Nobody comes before.
    fn go_on(&mut self) {
        self.note_overtaken();
        let is_newcomer = self.me().ticket.is_none();
        if is_newcomer && self.state.is_queue_there && self.state.is_queue_empty() {
            return self.go(At::ClearQueue);
        }
        self.publish();
    }

    /// Step 6. A waiter's ticket becomes its record, by being given that name.
    fn publish(&mut self) {
        if self.me().ticket.is_some() && self.setting.ticket == Fate::Record {
            return self.go(At::MoveTicket);
        }
        self.hold();
    }

    fn move_ticket(&mut self) {
        let is_left = self.is(Mutation::PassedLeft) && is_passed(*self.own());
        if !is_left {
            self.own().name = None;
        }
        self.go(At::Conclude);
    }

    fn hold(&mut self) {
        self.me().holds = true;
        self.state.actors.iter_mut().for_each(|who| who.was_held = true);
        if self.is(Mutation::LookoutReapedLate) && self.state.lock == Some(self.who) {
            self.state.withdraw(self.who);
        }
        let me = self.me();
        (me.has_waited, me.times, me.left, me.nearest) = (0, 0, 0, None);
        let Some(ticket) = me.ticket else { return self.go(At::Holds) };
        if self.state.file(ticket).name.is_some() {
            return self.go(At::RemoveTicket);
        }
        self.me().number = 0;
        self.go(At::UnlockTicket);
    }

    /// Notes it if this one goes on though somebody came before who was never stopped. Nothing is promised to those
    /// who had a second in which the guard was kept by somebody who leaves no trace.
    fn note_overtaken(&mut self) {
        let me = *self.me();
        if me.was_kept && !self.is(Mutation::KeptCounts) {
            return;
        }
        let is_before = |who: &Actor| who.number > 0 && (me.number == 0 || who.number < me.number);
        let is_passed = |who: &Actor| who.ticket.is_some_and(|it| is_passed(*self.state.file(it)));
        let is_one = |who: &Actor| is_before(who) && who.is_asking() && !who.was_stopped && !is_passed(who);
        self.state.is_overtaken |= self.state.actors.iter().any(is_one);
    }

    fn give_back(&mut self, me: Actor) {
        if !self.is(Mutation::GuardKept) {
            self.state.unlock();
        }
        self.me().left = me.times;
        let has_to_queue = me.ticket.is_none() && usize::from(self.who) != NEWCOMER;
        self.me().obstacle = Obstacle::Ahead;
        self.go(if has_to_queue { At::MakeQueue } else { At::AfterYou });
    }

    fn after_you(&mut self, me: Actor) {
        let is_gone = is_gone(self.state, &me);
        if !is_gone && usize::from(self.who) == NEWCOMER && me.times > NEWCOMERS_PATIENCE {
            return self.leave();
        }
        let next = self.me();
        next.has_waited = if is_gone { 0 } else { me.times };
        (next.nearest, next.times, next.left) = (None, 0, 0);
        self.go(At::Try);
    }

    fn remove_ticket(&mut self) {
        let is_left = self.is(Mutation::PassedLeft) && is_passed(*self.own());
        if !is_left {
            self.own().name = None;
        }
        self.me().number = 0;
        self.go(At::UnlockTicket);
    }

    fn remove_queue(&mut self) {
        if self.state.is_queue_empty() {
            self.state.is_queue_there = false;
            self.state.actors.iter_mut().for_each(|who| who.has_queue = false);
        }
    }
}

/// Is the ticket that it waits for unlocked?
pub(crate) fn is_gone(state: &State, who: &Actor) -> bool {
    who.nearest.is_none_or(|ticket| state.file(ticket).locked_by.is_none())
}

/// A ticket in a set of them.
pub(crate) fn bit(ticket: Ticket) -> u8 {
    1 << ticket
}

pub(crate) fn is_passed(file: File) -> bool {
    matches!(file.name, Some(Named::Passed(_)))
}

fn number(name: Option<Named>) -> Option<u8> {
    match name {
        Some(Named::Number(number) | Named::Passed(number)) => Some(number),
        Some(Named::Temporary) | None => None,
    }
}

/// The tickets before somebody's own in their order, those apart that were passed: before who has none, all.
fn before(state: &State, me: &Actor) -> Vec<Ticket> {
    let number = |ticket: Ticket| match state.file(ticket).name {
        Some(Named::Number(number)) => Some(number),
        Some(Named::Passed(_) | Named::Temporary) | None => None,
    };
    let is_before = |number: u8| me.number == 0 || number < me.number;
    let mut ahead: Vec<_> = State::tickets()
        .filter_map(|ticket| Some((number(ticket).filter(|it| is_before(*it))?, ticket)))
        .collect();
    ahead.sort_unstable();
    ahead.into_iter().map(|(_, ticket)| ticket).collect()
}
