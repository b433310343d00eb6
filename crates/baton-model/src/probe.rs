//! I5, asked of each single state: could somebody have the lock, if nobody holds it and nobody cleans up?
//!
//! Not as an `eventually` property, which a checker that keeps a set of visited states answers wrongly on graphs with cycles, and
//! these have many. Instead two continuations are played through from every state: everybody who is in the middle of something is
//! killed; and everybody goes on with it, in turn. After either somebody has to hold, or one who comes then has to get it.

use crate::contender::Turn;
use crate::state::{AncestorAt, At, State};
use crate::variant::Setting;

/// More system calls than one contender needs, whatever it finds.
const PATIENCE: usize = 200;

/// Is the lock held by somebody, or can it be had?
pub fn is_obtainable(state: &State, setting: &Setting) -> bool {
    is_taken(state) || (survives_kill(*state, setting) && survives_completion(*state, setting))
}

/// By a holder, by a job that outlived one, or by a client of the ancestor's that lives and has its file.
fn is_taken(state: &State) -> bool {
    state.contenders.iter().any(|who| who.holds() || who.at == At::JobLingers)
        || state.ancestors.iter().any(|who| who.own.is_some())
}

fn survives_kill(mut state: State, setting: &Setting) -> bool {
    for who in 0..state.contenders.len() {
        if state.contenders[who].is_alive() {
            Turn { state: &mut state, who, setting }.crash(false);
        }
    }
    // A client of the ancestor's that has no file has nothing.
    for who in &mut state.ancestors {
        if who.at != AncestorAt::Absent {
            who.at = AncestorAt::Idle;
        }
    }
    state.normalize(setting.are_numbers_reused);
    newcomer_succeeds(state, setting)
}

/// In turn, since one who judges again and again waits for another to go on.
fn survives_completion(mut state: State, setting: &Setting) -> bool {
    for _ in 0..PATIENCE {
        let mut is_anybody_busy = false;
        for who in 0..state.contenders.len() {
            if state.contenders[who].is_alive() {
                Turn { state: &mut state, who, setting }.step();
                is_anybody_busy = true;
            }
            if state.contenders[who].at == At::Held {
                return true;
            }
        }
        if !is_anybody_busy {
            return newcomer_succeeds(state, setting);
        }
    }
    false
}

fn newcomer_succeeds(mut state: State, setting: &Setting) -> bool {
    let Some(who) = state.contenders.iter().position(|who| who.at == At::Idle) else { return true };
    play(&mut state, who, setting)
}

/// Lets one go on alone until it holds, or has given up.
fn play(state: &mut State, who: usize, setting: &Setting) -> bool {
    for _ in 0..PATIENCE {
        Turn { state, who, setting }.step();
        match state.contenders[who].at {
            At::Held => return true,
            At::Idle | At::ChildLingers => return false,
            _ => {}
        }
    }
    false
}
