//! Time: a lease lasts a few ticks of etcd's clock, and a tick of etcd's is one of everybody's, or none if that clock is slow.
//!
//! What etcd lets pass is a lower bound: a lease whose time is over runs out at any time after. So a clock of the leader's that stands still, and
//! one that is slow, need no steps of their own. A contender's clock that is fast loses early, which harms nobody; one that
//! is slow skips a tick, and not another one within a lease's time.
//!
//! Whoever is not halted ends its job in time once the lock is lost: no tick passes the last moment for that. That is an assumption, and
//! the last tick of validity is there for it.

use super::state::{Contender, Renewal, State};
use super::variant::{Clocks, Mutation, Setting};

/// Whose clock skips this tick; an index, or nobody's.
pub(crate) type Late = Option<usize>;

/// Does any time still run?
pub(crate) fn is_anything_timed(state: &State) -> bool {
    let is_timed = |who: &Contender| has_timer(who) || who.lease.is_some_and(|left| left > 0);
    state.contenders.iter().any(is_timed) || state.fence.is_some_and(|fence| fence.left > 0)
}

fn has_timer(who: &Contender) -> bool {
    who.left > 0 || who.renewal != Renewal::None
}

/// May that clock be late?
pub(crate) fn may_be_late(who: &Contender, setting: &Setting) -> bool {
    setting.clocks == Clocks::Slow && who.lag == 0 && has_timer(who)
}

/// Does everybody who runs do in time what has to be done before this tick?
pub(crate) fn may_pass(state: &State, late: Late) -> bool {
    let in_time =
        |(who, it): (usize, &Contender)| it.is_halted || !it.has_job() || it.left != 1 || late == Some(who);
    state.contenders.iter().enumerate().all(in_time)
}

pub(crate) fn pass(state: &mut State, late: Late, setting: &Setting) {
    for (who, it) in state.contenders.iter_mut().enumerate() {
        it.lease = it.lease.map(|left| left.saturating_sub(1));
        it.lag = it.lag.saturating_sub(1);
        if late == Some(who) {
            it.lag = setting.ttl - 1;
        } else if !(it.is_halted && setting.is(Mutation::ClockStopsInSuspend)) {
            count_down(it, setting);
        }
    }
    if let Some(fence) = &mut state.fence {
        fence.left = fence.left.saturating_sub(1);
    }
    state.breaker.left = state.breaker.left.saturating_sub(1);
}

fn count_down(who: &mut Contender, setting: &Setting) {
    who.left = who.left.saturating_sub(1);
    // One that is no longer good for anything is as none.
    let ending = setting.ending();
    let counts_later = setting.is(Mutation::FromAnswer);
    let later = |left: u8| Some(left.saturating_sub(1)).filter(|left| *left > ending || counts_later);
    who.renewal = match who.renewal {
        Renewal::Sent(left) => later(left).map_or(Renewal::None, Renewal::Sent),
        Renewal::Answered { left, is_current } => {
            later(left).map_or(Renewal::None, |left| Renewal::Answered { left, is_current })
        }
        Renewal::Confirmed(left) => later(left).map_or(Renewal::None, Renewal::Confirmed),
        other @ (Renewal::None | Renewal::Gone) => other,
    };
}
