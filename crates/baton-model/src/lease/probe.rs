//! E7, asked of each single state: is a holder that dies replaced in time?
//!
//! Two continuations are played through from every state, in which nothing goes wrong any more: everybody is killed, and one comes; or
//! only those are killed who hold or are halted, and the others go on. After either somebody has to hold before a lease's time is over once;
//! twice, if a holder was broken and nobody has yet given the fence its lease. Clocks are in time meanwhile, and etcd lets go when
//! it may.

use super::model::{Action, apply};
use super::state::{At, Awaited, Contender, Phase, Renewal, State};
use super::variant::{Mutation, Setting};

/// More steps than anybody has to do within a tick.
const STEPS: usize = 64;

pub(crate) fn is_obtained(state: &State, setting: &Setting) -> bool {
    let holds = |who: &Contender| who.has_job() || who.is_halted;
    is_obtained_without(*state, setting, |_| true) && is_obtained_without(*state, setting, holds)
}

fn is_obtained_without(mut state: State, setting: &Setting, is_killed: impl Fn(&Contender) -> bool) -> bool {
    for who in &mut state.contenders {
        if who.is_alive() && is_killed(who) {
            (who.at, who.phase, who.renewal, who.is_halted) = (At::Dead, Phase::Idle, Renewal::None, false);
        }
    }
    state.normalize(setting);
    let is_unleased = state.fence.is_some_and(|fence| !fence.has_lease);
    let patience = if is_unleased { 2 * setting.ttl } else { setting.ttl };
    for _ in 0..=patience {
        if go_on(&mut state, setting) {
            return true;
        }
        apply(&mut state, Action::Tick(None), setting);
        run_out(&mut state);
    }
    false
}

/// What is over is over, now.
fn run_out(state: &mut State) {
    for who in 0..state.contenders.len() {
        if state.contenders[who].lease == Some(0) {
            state.expire(who);
        }
    }
    state.fence = state.fence.filter(|fence| !fence.has_lease || fence.left > 0);
}

/// Everybody does what there is to be done, in turn. Does anybody hold then?
fn go_on(state: &mut State, setting: &Setting) -> bool {
    for _ in 0..STEPS {
        if state.contenders.iter().any(|who| who.at == At::Held && who.left > setting.ending()) {
            return true;
        }
        let next: Vec<Action> =
            (0..state.contenders.len()).filter_map(|who| next(state, setting, who)).collect();
        if next.is_empty() {
            break;
        }
        for action in next {
            apply(state, action, setting);
        }
        lease_fence(state, setting);
    }
    false
}

/// Whoever meets a fence gives it its lease, if it has none.
fn lease_fence(state: &mut State, setting: &Setting) {
    let is_met = state.contenders.iter().any(|who| matches!(who.awaited, Awaited::Fence(_)));
    if let Some(fence) = state.fence.as_mut().filter(|fence| !fence.has_lease && is_met)
        && !setting.is(Mutation::FenceOnlyByBreaker)
    {
        (fence.has_lease, fence.left) = (true, setting.ttl);
    }
}

fn next(state: &State, setting: &Setting, who: usize) -> Option<Action> {
    let it = &state.contenders[who];
    let is_valid = it.left > setting.ending();
    match (it.at, it.phase) {
        (At::Away | At::Dead, _) => {
            let is_free = it.lease.is_none() && it.key == 0;
            let is_alone = !state.contenders.iter().any(Contender::is_alive);
            return (is_free && is_alone).then_some(Action::Comes(who));
        }
        (_, Phase::Asked) => return Some(Action::Served(who)),
        (_, Phase::Answered(_)) => return Some(Action::Receives(who)),
        (At::Watching | At::WatchingInVain, _) if !is_valid => return Some(Action::Withdraws(who)),
        (At::Watching, _) if super::client::is_woken(state, it) => return Some(Action::Wakes(who)),
        _ => {}
    }
    let may_renew = it.left < setting.span() && it.key > 0 && it.lease.is_some_and(|left| left > 0);
    may_renew.then_some(Action::WaiterRenews(who))
}
