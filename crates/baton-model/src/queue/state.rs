//! What there is: the lock, the tickets, and who asks.

use super::turn::bit;
use crate::state::Name;

pub(crate) const ACTORS: usize = 6;
pub(crate) const FILES: usize = 6;

/// An actor's index.
pub type Who = u8;
/// A ticket's index.
pub type Ticket = u8;

/// Who holds when it begins, and does not come again.
pub const HOLDER: usize = 0;
/// The waiters.
pub const WAITERS: std::ops::Range<usize> = 1..4;
/// One that does not wait.
pub const NEWCOMER: usize = 4;
/// A client of `flock`, which knows nothing of the queue.
pub const FOREIGN: usize = 5;

/// Where somebody is: what it does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Has not come, or has gone.
    #[default]
    Absent,
    Idle,
    Try,
    MakeQueue,
    CreateTicket,
    LockTicket,
    List,
    NameTicket,
    LockNamed,
    Sleep,
    /// In the kernel's queue, by itself or by its lookout.
    Asleep,
    Look,
    SweepRemove,
    GoOn,
    /// The ticket gets the record's name.
    MoveTicket,
    /// The looks after that.
    Conclude,
    StepBack,
    GiveBack,
    /// Asleep until somebody before is gone, or the time is over.
    AfterYou,
    UnlockByte3,
    ClearQueue,
    ReapLookout,
    RemoveTicket,
    UnlockTicket,
    RemoveQueue,
    Holds,
    GiveUpReap,
    GiveUpUnlock,
}

/// A request for the guard in the kernel, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    #[default]
    None,
    /// Blocked by the lock, or by another request, which came before.
    Blocked(Option<Who>),
    /// To be tried again.
    Woken,
    /// A lookout has got the guard, and told.
    Got,
    /// It has given it back since.
    GivenBack,
}

/// The name of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named {
    Temporary,
    Number(u8),
    Passed(u8),
}

/// A ticket's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    pub name: Option<Named>,
    /// Who has byte 2: its waiter, or whoever sweeps it.
    pub locked_by: Option<Who>,
    /// Is byte 3 locked?
    pub steps_back: bool,
}

/// What was in the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    #[default]
    Guard,
    Ahead,
}

/// One who asks for the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    pub at: At,
    pub name: Name,
    pub request: Request,
    pub is_stopped: bool,
    /// Was it ever stopped, since it came?
    pub was_stopped: bool,
    pub ticket: Option<Ticket>,
    /// The number of its ticket, 0 while it has none.
    pub number: u8,
    /// Does its handle of the queue mean the queue?
    pub has_queue: bool,
    pub largest: u8,
    pub obstacle: Obstacle,
    /// Whom it waits for, and for how long at most and still.
    pub nearest: Option<Ticket>,
    pub times: u8,
    pub left: u8,
    /// For how long those before have had time.
    pub has_waited: u8,
    /// The tickets before its own that have been taken since, or whose waiters have begun a second of their own.
    pub news: u8,
    /// Has one of Baton's held in that time, or since? The token tells.
    pub was_held: bool,
    /// Was the guard kept for some of that time by somebody who did not hold as Baton does: a client of `flock`, or one stopped just then?
    /// Nothing tells.
    pub was_kept: bool,
    pub sweeps: Option<Ticket>,
    pub holds: bool,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Who has the guard.
    pub lock: Option<Who>,
    pub is_queue_there: bool,
    pub files: [File; FILES],
    pub actors: [Actor; ACTORS],
    pub crashes: u8,
    pub stops: u8,
    pub surrenders: u8,
    /// Somebody who was never stopped, nor passed, was overtaken.
    pub is_overtaken: bool,
    /// Was anybody killed?
    pub is_crashed: bool,
}

impl Actor {
    pub fn is_alive(&self) -> bool {
        !matches!(self.at, At::Absent | At::Idle)
    }

    /// Does it hold, in its own way?
    pub fn is_holder(&self) -> bool {
        self.holds || self.at == At::Holds
    }

    /// Does it ask for the lock, or wait for it?
    pub fn is_asking(&self) -> bool {
        let is_leaving = matches!(
            self.at,
            At::GiveUpReap | At::GiveUpUnlock | At::RemoveTicket | At::UnlockTicket | At::RemoveQueue
        );
        self.is_alive() && !self.is_holder() && !is_leaving
    }
}

impl State {
    pub fn actor(&self, who: Who) -> &Actor {
        &self.actors[usize::from(who)]
    }

    pub fn file(&self, ticket: Ticket) -> &File {
        &self.files[usize::from(ticket)]
    }

    pub(crate) fn file_mut(&mut self, ticket: Ticket) -> &mut File {
        &mut self.files[usize::from(ticket)]
    }

    /// All tickets, with or without a name.
    pub fn tickets() -> impl Iterator<Item = Ticket> {
        (0..).take(FILES)
    }

    pub fn is_queue_empty(&self) -> bool {
        self.files.iter().all(|file| file.name.is_none())
    }

    /// Everything that a dead process had is unlocked; its files stay.
    pub fn kill(&mut self, who: Who) {
        self.withdraw(who);
        if self.lock == Some(who) {
            self.unlock();
        }
        for file in self.files.iter_mut().filter(|file| file.locked_by == Some(who)) {
            (file.locked_by, file.steps_back) = (None, false);
        }
        self.is_crashed = true;
        self.gone(who);
    }

    pub(crate) fn gone(&mut self, who: Who) {
        let me = &mut self.actors[usize::from(who)];
        *me = Actor { name: me.name, ..Actor::default() };
    }

    /// Forgets files that have neither a name nor anybody who has them open, and puts waiters and files into an order: no step and
    /// no property asks which of two is called what.
    pub fn normalize(&mut self) {
        let mut is_used = self.files.map(|file| file.name.is_some());
        for ticket in self.actors.iter().flat_map(|who| [who.ticket, who.nearest, who.sweeps]).flatten() {
            is_used[usize::from(ticket)] = true;
        }
        for (ticket, (file, is_used)) in (0..).zip(self.files.iter_mut().zip(is_used)) {
            if !is_used {
                *file = File::default();
            }
            if file.name.is_none() {
                self.actors.iter_mut().for_each(|who| who.news &= !bit(ticket));
            }
        }
        self.order_waiters();
        self.order_files(is_used);
    }

    fn order_waiters(&mut self) {
        let seen = *self;
        let is_locked = |who: Who| seen.lock == Some(who);
        let blocked = |who: &Actor| match who.request {
            Request::Blocked(on) => (1, u8::from(on.is_some())),
            Request::None => (0, 0),
            Request::Woken => (2, 0),
            Request::Got => (3, 0),
            Request::GivenBack => (4, 0),
        };
        let mut order = [0_u8, 1, 2, 3, 4, 5];
        order[WAITERS].sort_by_key(|who| {
            let actor = seen.actor(*who);
            let file = actor.ticket.map(|ticket| seen.file(ticket).name);
            let time = (actor.times, actor.left, actor.has_waited, actor.largest);
            (
                actor.at,
                actor.number,
                file,
                blocked(actor),
                is_locked(*who),
                actor.is_stopped,
                actor.was_stopped,
                time,
            )
        });
        let new = |old: Who| {
            let place = order.iter().position(|who| *who == old).expect("each is in the order");
            Who::try_from(place).expect("few")
        };
        self.actors = order.map(|old| seen.actors[usize::from(old)]);
        for who in &mut self.actors {
            if let Request::Blocked(Some(on)) = &mut who.request {
                *on = new(*on);
            }
        }
        self.lock = self.lock.map(new);
        for file in &mut self.files {
            file.locked_by = file.locked_by.map(new);
        }
    }

    fn order_files(&mut self, is_used: [bool; FILES]) {
        let seen = *self;
        let mut order = [0_u8, 1, 2, 3, 4, 5];
        order.sort_by_key(|ticket| (!is_used[usize::from(*ticket)], *seen.file(*ticket)));
        let new = |old: Ticket| {
            let place = order.iter().position(|ticket| *ticket == old).expect("each is in the order");
            Ticket::try_from(place).expect("few")
        };
        self.files = order.map(|old| seen.files[usize::from(old)]);
        for who in &mut self.actors {
            let news = (0..).zip(order).filter(|(_, old)| who.news & bit(*old) > 0);
            who.news = news.map(|(new, _)| bit(new)).sum();
            for ticket in [&mut who.ticket, &mut who.nearest, &mut who.sweeps] {
                *ticket = ticket.map(new);
            }
        }
    }
}
