//! Who may do what in a state, and what has to be true of each.

use stateright::{Model, Property};

use super::probe;
use super::state::{
    ACTORS, Actor, At, FILES, FOREIGN, File, HOLDER, NEWCOMER, Named, Request, State, WAITERS, Who,
};
use super::turn::{Turn, is_gone, is_passed};
use super::variant::{Mutation, Setting, Sleep};
use crate::state::Name;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its next system call.
    Step(Who),
    /// A lookout that was woken tries again.
    LookoutTries(Who),
    LookoutGivesBack(Who),
    GiveUp(Who),
    Crash(Who),
    Stop(Who),
    Continue(Who),
    /// A second is over.
    Tick,
}

/// The properties, as they are named in reports.
pub mod property {
    pub const EXCLUSION: &str = "I1 exclusion";
    pub const BORN_LOCKED: &str = "I2 a ticket is born locked";
    pub const IN_TURN: &str = "I8 in turn";
    pub const NOT_HELD_UP: &str = "I9 nobody holds up the queue";
    pub const NOTHING_LEFT: &str = "I10 a wait leaves nothing";
}

impl Setting {
    fn start(&self) -> State {
        let mut state = State {
            lock: Some(Who::try_from(HOLDER).expect("few")),
            is_queue_there: false,
            files: [File::default(); FILES],
            actors: [Actor::default(); ACTORS],
            crashes: self.crashes,
            stops: self.stops,
            surrenders: self.surrenders,
            is_overtaken: false,
            is_crashed: false,
        };
        for (name, who) in (0..).zip(&mut state.actors) {
            who.name = Name(name);
        }
        (state.actors[HOLDER].at, state.actors[HOLDER].holds) = (At::Holds, true);
        state.actors[WAITERS][..self.waiters].iter_mut().for_each(|who| who.at = At::Idle);
        for (who, comes) in [(NEWCOMER, self.has_newcomer), (FOREIGN, self.has_foreign)] {
            state.actors[who].at = if comes { At::Idle } else { At::Absent };
        }
        state
    }
}

impl Model for Setting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let now = immediate(state, self);
        if now.iter().all(|action| matches!(action, Action::Tick))
            && state.actors.iter().any(|who| who.left > 0)
        {
            actions.push(Action::Tick);
        }
        actions.extend(now);
        for (who, actor) in (0..).zip(&state.actors) {
            match actor.at {
                At::Absent => continue,
                At::Idle => {
                    actions.push(Action::Step(who));
                    continue;
                }
                At::Holds => actions.push(Action::Step(who)),
                _ => {}
            }
            let is_ones = WAITERS.contains(&usize::from(who));
            if actor.is_stopped {
                actions.push(Action::Continue(who));
            } else if is_ones && !actor.holds && state.stops > 0 && !is_in_kernel(self, actor) {
                actions.push(Action::Stop(who));
            }
            if may_give_up(self, state, who) {
                actions.push(Action::GiveUp(who));
            }
            // One that holds in peace only releases.
            if state.crashes > 0
                && usize::from(who) != FOREIGN
                && actor.at != At::Holds
                && has_anything(state, who)
            {
                actions.push(Action::Crash(who));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        apply(&mut state, action, self);
        state.normalize();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(property::EXCLUSION, |_, state: &State| {
                state.actors.iter().filter(|who| who.is_holder()).count() <= 1
            }),
            Property::always(property::BORN_LOCKED, |_, state: &State| {
                (0..).zip(&state.actors).all(|(who, actor)| is_born_locked(state, who, actor))
            }),
            Property::always(property::IN_TURN, |_, state: &State| !state.is_overtaken),
            Property::always(property::NOT_HELD_UP, |setting: &Setting, state: &State| {
                probe::is_obtained(state, setting)
            }),
            Property::always(property::NOTHING_LEFT, |setting: &Setting, state: &State| {
                let are_gone = state.actors.iter().all(|who| !who.is_alive()) && !state.is_crashed;
                (!are_gone || probe::is_nothing_left(state)) && probe::is_swept(state, setting)
            }),
        ];
        properties.extend(vacuity(self));
        properties
    }
}

/// What has to be seen, so that nothing above is true only because nothing happens.
fn vacuity(setting: &Setting) -> Vec<Property<Setting>> {
    let mut seen = vec![
        Property::sometimes("all wait", |setting: &Setting, state: &State| {
            state.actors[WAITERS].iter().filter(|who| who.number > 0).count() == setting.waiters
        }),
        Property::sometimes("one lets another come first", |_, state: &State| {
            state.actors[WAITERS].iter().any(|who| who.at == At::AfterYou)
        }),
        Property::sometimes("the queue has gone, and is made again", |_, state: &State| {
            state.actors[WAITERS].iter().any(|who| who.at == At::CreateTicket && !who.has_queue)
        }),
        Property::sometimes("all are gone", |_, state: &State| {
            state.actors.iter().all(|who| who.at == At::Absent)
        }),
    ];
    if setting.stops > 0 {
        seen.push(Property::sometimes("one is passed, and comes after all", |_, state: &State| {
            let is_passed = |who: &Actor| who.ticket.is_some_and(|it| is_passed(*state.file(it)));
            let has_come = |who: &Actor| who.holds || who.at == At::MoveTicket;
            state.actors[WAITERS].iter().any(|who| has_come(who) && is_passed(who))
        }));
    }
    if setting.crashes > 0 {
        seen.push(Property::sometimes("a dead one's ticket is swept", |_, state: &State| {
            state
                .actors
                .iter()
                .any(|who| who.sweeps.is_some_and(|it| matches!(state.file(it).name, Some(Named::Number(_)))))
        }));
        seen.push(Property::sometimes("a dead one's temporary is swept", |_, state: &State| {
            state
                .actors
                .iter()
                .any(|who| who.sweeps.is_some_and(|it| state.file(it).name == Some(Named::Temporary)))
        }));
    }
    if setting.has_newcomer {
        seen.push(Property::sometimes("a newcomer lets a waiter come first", |_, state: &State| {
            state.actors[NEWCOMER].at == At::AfterYou
        }));
        seen.push(Property::sometimes("a newcomer gets it", |_, state: &State| state.actors[NEWCOMER].holds));
    }
    if setting.has_foreign {
        seen.push(Property::sometimes("a client of flock comes before a waiter", |_, state: &State| {
            state.actors[FOREIGN].at == At::Holds && state.actors[WAITERS].iter().any(|who| who.number > 0)
        }));
    }
    if setting.sleep == Sleep::ByLookout {
        seen.push(Property::sometimes("a lookout gives back", |_, state: &State| {
            state.actors[WAITERS].iter().any(|who| who.request == Request::GivenBack)
        }));
        if setting.surrenders > 0 {
            seen.push(Property::sometimes("one gives up that has got the guard", |_, state: &State| {
                (0..).zip(&state.actors).any(|(who, it)| it.at == At::GiveUpUnlock && state.lock == Some(who))
            }));
        }
    }
    seen
}

/// Has it been woken by the kernel? It tries again before any signal is looked at.
fn is_in_kernel(setting: &Setting, actor: &Actor) -> bool {
    setting.sleep == Sleep::InCall && actor.request == Request::Woken
}

fn is_born_locked(state: &State, who: Who, actor: &Actor) -> bool {
    let file = actor.ticket.map(|ticket| state.file(ticket));
    file.is_none_or(|file| {
        !matches!(file.name, Some(Named::Number(_) | Named::Passed(_))) || file.locked_by == Some(who)
    })
}

fn has_anything(state: &State, who: Who) -> bool {
    let actor = state.actor(who);
    state.lock == Some(who) || actor.ticket.is_some() || actor.has_queue
}

fn may_give_up(setting: &Setting, state: &State, who: Who) -> bool {
    let actor = state.actor(who);
    if actor.is_stopped {
        return false;
    }
    let may_wait = setting.sleep == Sleep::ByLookout && WAITERS.contains(&usize::from(who));
    match actor.at {
        At::Asleep => may_wait && state.surrenders > 0,
        At::AfterYou => (may_wait && state.surrenders > 0) || usize::from(who) == NEWCOMER,
        _ => false,
    }
}

/// What those do who run, and lookouts, without being asked.
pub(crate) fn immediate(state: &State, setting: &Setting) -> Vec<Action> {
    let mut actions = vec![];
    for (who, actor) in (0..).zip(&state.actors) {
        let is_lookout = setting.sleep == Sleep::ByLookout && usize::from(who) != FOREIGN;
        let is_ready = match actor.at {
            At::Absent | At::Idle | At::Holds => false,
            At::Asleep if is_lookout => matches!(actor.request, Request::Got | Request::GivenBack),
            At::Asleep => actor.request == Request::Woken,
            At::AfterYou => actor.left == 0 || is_gone(state, actor),
            _ => true,
        };
        if is_ready && !actor.is_stopped {
            actions.push(Action::Step(who));
        }
        if is_lookout {
            match actor.request {
                Request::Woken => actions.push(Action::LookoutTries(who)),
                Request::Got if setting.mutation != Mutation::LookoutKeeps => {
                    actions.push(Action::LookoutGivesBack(who));
                }
                _ => {}
            }
        }
    }
    actions
}

pub(crate) fn apply(state: &mut State, action: Action, setting: &Setting) {
    let is_traceless = |who: Who| usize::from(who) == FOREIGN || state.actor(who).is_stopped;
    if action == Action::Tick && state.lock.is_some_and(is_traceless) {
        state.actors.iter_mut().for_each(|who| who.was_kept = true);
    }
    act(state, action, setting);
    for who in &mut state.actors {
        let has_time = who.times > 0 || who.has_waited > 0;
        who.was_held &= has_time;
        who.was_kept &= has_time;
        who.news *= u8::from(has_time);
    }
}

fn act(state: &mut State, action: Action, setting: &Setting) {
    match action {
        Action::Step(who) => Turn { state, who, setting }.step(),
        Action::LookoutTries(who) => Turn { state, who, setting }.request(),
        Action::LookoutGivesBack(who) => Turn { state, who, setting }.lookout_gives_back(),
        Action::GiveUp(who) => give_up(state, who),
        Action::Crash(who) => {
            state.kill(who);
            state.crashes -= 1;
        }
        Action::Stop(who) => {
            stop(state, who, setting);
            state.stops -= 1;
        }
        Action::Continue(who) => state.actors[usize::from(who)].is_stopped = false,
        // A second later nobody has had his time any more.
        Action::Tick => {
            for who in &mut state.actors {
                (who.left, who.has_waited) = (who.left.saturating_sub(1), 0);
            }
        }
    }
}

fn give_up(state: &mut State, who: Who) {
    if usize::from(who) == NEWCOMER {
        return state.gone(who);
    }
    state.surrenders -= 1;
    let me = &mut state.actors[usize::from(who)];
    (me.nearest, me.times, me.left) = (None, 0, 0);
    me.at = if me.at == At::Asleep { At::GiveUpReap } else { At::RemoveTicket };
}

/// One that sleeps in the kernel's queue itself leaves it, and comes again when it is continued; a lookout is not stopped.
fn stop(state: &mut State, who: Who, setting: &Setting) {
    if setting.sleep == Sleep::InCall && state.actor(who).at == At::Asleep {
        state.withdraw(who);
        state.actors[usize::from(who)].at = At::Sleep;
    }
    let me = &mut state.actors[usize::from(who)];
    (me.is_stopped, me.was_stopped) = (true, true);
}
