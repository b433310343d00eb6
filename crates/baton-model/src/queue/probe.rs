//! Asked of each single state, by playing on from it: is a lock that nobody has got by somebody, and is anything left behind?

use super::model::{Action, immediate};
use super::state::{Actor, At, HOLDER, NEWCOMER, State, Who};
use super::turn::Turn;
use super::variant::Setting;

/// More steps than all of them need.
const PATIENCE: usize = 400;

/// If nobody comes, gives up, or is killed, stopped or continued any more: does somebody who runs and waits get the lock?
///
/// Of a lock that is held, or that somebody has who was stopped the moment he got it, nothing is asked.
pub fn is_obtained(state: &State, setting: &Setting) -> bool {
    if is_taken(state) || !state.actors[..NEWCOMER].iter().any(|who| who.is_asking() && !who.is_stopped) {
        return true;
    }
    [false, true].into_iter().all(|is_backwards| play(*state, setting, is_backwards))
}

fn is_taken(state: &State) -> bool {
    let has_it = |who: Who| {
        let actor = state.actor(who);
        actor.is_holder() || (actor.is_stopped && actor.at != At::Asleep)
    };
    state.lock.is_some_and(has_it)
}

/// Everybody goes on in turn; time passes when nobody can.
fn play(mut state: State, setting: &Setting, is_backwards: bool) -> bool {
    for _ in 0..PATIENCE {
        let mut actions = immediate(&state, setting);
        let is_idle_work = |action: &Action| match action {
            Action::LookoutGivesBack(who) => !state.actor(*who).is_stopped,
            _ => false,
        };
        actions.retain(|action| !is_idle_work(action));
        if is_backwards {
            actions.reverse();
        }
        let before = state;
        let mut done = vec![];
        for action in actions {
            if immediate(&state, setting).contains(&action) {
                super::model::apply(&mut state, action, setting);
                done.push(action);
            }
            if state.actors.iter().any(Actor::is_holder) {
                return true;
            }
        }
        if done.is_empty() {
            super::model::apply(&mut state, Action::Tick, setting);
            if state == before {
                return false;
            }
        }
    }
    false
}

/// If everybody is killed, and one comes then: does it get the lock, and is nothing left?
pub fn is_swept(state: &State, setting: &Setting) -> bool {
    let mut state = *state;
    for who in (0..).take(state.actors.len()) {
        state.kill(who);
    }
    state.normalize();
    let who = Who::try_from(HOLDER).expect("few");
    state.actors[HOLDER].at = At::Try;
    for _ in 0..PATIENCE {
        Turn { state: &mut state, who, setting }.step();
        match state.actors[HOLDER].at {
            At::Holds => return is_nothing_left(&state),
            At::Absent => return false,
            _ => {}
        }
    }
    false
}

pub fn is_nothing_left(state: &State) -> bool {
    state.is_queue_empty() && !state.is_queue_there
}
