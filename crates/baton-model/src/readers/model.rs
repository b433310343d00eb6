//! Who may do what in a state, and what has to be true of each.

use stateright::{Model, Property};

use super::state::{Actor, At, Content, Last, State, Who};
use super::turn::Turn;
use super::variant::{Deletes, Mutation, Setting};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its next system call.
    Step(Who),
    /// It has tried for byte 1 for long enough, and leaves without.
    Hurry(Who),
    Crash(Who),
    Delete,
}

/// The properties, as they are named in reports.
pub mod property {
    pub const EXCLUSION: &str = "I1 exclusion";
    pub const TOLD: &str = "I3 the story is told";
    pub const TOKENS: &str = "I4 tokens grow";
    pub const NOTHING_LEFT: &str = "the last one out clears up";
}

impl Model for Setting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State { comings: self.comings, crashes: self.crashes, ..State::default() };
        for (who, kind) in state.actors.iter_mut().zip(self.cast) {
            who.kind = kind;
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (who, actor) in (0..).zip(&state.actors) {
            let is_idle = actor.at == At::Idle;
            if (!is_idle || state.comings > 0) && !is_blocked(*self, state, actor) {
                actions.push(Action::Step(who));
            }
            if !is_idle && state.crashes > 0 {
                actions.push(Action::Crash(who));
            }
            if actor.at == At::LeaveByte1 && is_blocked(*self, state, actor) {
                actions.push(Action::Hurry(who));
            }
        }
        let is_there = match self.deletes {
            Deletes::Nothing => false,
            Deletes::Guard => state.guard.is_some(),
            Deletes::Record => state.record.is_some(),
        };
        if is_there && !state.is_deleted {
            actions.push(Action::Delete);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Step(who) => Turn { state: &mut state, who, setting: self }.step(),
            Action::Hurry(who) => {
                state.actors[usize::from(who)].at = At::UnlockByte0;
                state.is_hurried = true;
            }
            Action::Crash(who) => Turn { state: &mut state, who, setting: self }.crash(),
            Action::Delete => {
                state.is_deleted = true;
                match self.deletes {
                    Deletes::Guard => state.guard = None,
                    _ => state.record = None,
                }
            }
        }
        state.normalize();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(property::EXCLUSION, |_, state: &State| {
                let holders = || state.actors.iter().filter(|who| who.holds);
                holders().count() <= 1 || holders().all(|who| who.shares)
            }),
            // As long as nobody but Baton removes records.
            Property::always(property::TOLD, |setting: &Setting, state: &State| {
                setting.deletes == Deletes::Record || !state.is_misled
            }),
            Property::always(property::TOKENS, |_, state: &State| !state.is_fallen),
            Property::always(property::NOTHING_LEFT, |_, state: &State| {
                let are_gone = state.actors.iter().all(|who| who.at == At::Idle);
                let is_disturbed = state.is_crashed || state.is_hurried;
                !are_gone || is_disturbed || state.record.is_none()
            }),
        ];
        properties.extend(vacuity(*self));
        properties
    }
}

/// What waits for somebody else.
fn is_blocked(setting: Setting, state: &State, actor: &Actor) -> bool {
    let own = actor.own.map(|own| state.records[usize::from(own)]);
    let guard = actor.guard.map(|guard| state.guards[usize::from(guard)]);
    match actor.at {
        At::LeaveByte1 => {
            setting.mutation != Mutation::LeavesWithoutByte1 && own.is_some_and(|own| own.judge.is_some())
        }
        At::ShareGuard => guard.is_some_and(|guard| guard.locked.alone.is_some()),
        At::LockPublished => own.is_some_and(|own| own.holder.alone.is_some()),
        _ => false,
    }
}

fn is_left_by_readers(state: &State) -> bool {
    let record = state.record.map(|index| state.records[usize::from(index)]);
    record.is_some_and(|record| matches!(record.content, Content::Group { .. }) && record.holder.is_free())
}

/// What has to be seen, so that nothing above is true only because nothing happens.
fn vacuity(setting: Setting) -> Vec<Property<Setting>> {
    let mut seen = vec![Property::sometimes("two share it", |_, state: &State| {
        state.actors.iter().filter(|who| who.holds && who.shares).count() > 1
    })];
    if setting.cast.iter().any(|kind| *kind != super::variant::Kind::Reader) {
        seen.push(Property::sometimes("a writer holds it", |_, state: &State| {
            state.actors.iter().any(|who| who.holds && !who.shares)
        }));
    }
    if setting.crashes > 0 {
        seen.push(Property::sometimes("readers leave a record", |_, state: &State| {
            is_left_by_readers(state)
        }));
        seen.push(Property::sometimes("readers are told of a death", |_, state: &State| {
            matches!(state.last, Last::Dead(_)) && state.actors.iter().any(|who| who.holds && who.shares)
        }));
    }
    if setting.deletes == Deletes::Guard {
        seen.push(Property::sometimes("two guards are locked", |_, state: &State| {
            state.guards.iter().all(|guard| !guard.locked.is_free())
        }));
    }
    seen
}
