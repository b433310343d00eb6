//! What has to be seen, so that nothing is true only because nothing happens.

use stateright::{Expectation, Property};

use super::state::{Answer, At, Awaited, Contender, End, Phase, Renewal, Request, State};
use super::variant::{Clocks, Halting, Renewals, Setting};

type Seen = (bool, &'static str, fn(&Setting, &State) -> bool);

pub(crate) fn seen(setting: &Setting) -> Vec<Property<Setting>> {
    let all = always_seen(setting).into_iter().chain(seen_with(setting));
    all.filter(|(is_asked, ..)| *is_asked)
        .map(|(_, name, condition)| Property { expectation: Expectation::Sometimes, name, condition })
        .collect()
}

fn always_seen(setting: &Setting) -> [Seen; 6] {
    let is_in_parts = setting.renewals == Renewals::InParts;
    let has_time = setting.clocks != Clocks::Stand;
    [
        (true, "one holds after a clean end", |_, state| {
            any(state, |who| who.has_ended) && any(state, |who| is_taken(who) && who.found.token == 0)
        }),
        (true, "one recovers", |_, state| any(state, |who| is_taken(who) && who.found.token > 0)),
        (has_time && setting.ending() > 0, "one loses it by its clock", |setting, state| {
            any(state, |who| who.has_job() && who.left == setting.ending())
        }),
        (has_time, "one comes too late to hold", |_, state| {
            any(state, |who| who.at == At::Leaving(End::TooLate))
        }),
        (setting.breaks > 0 && is_in_parts, "one finds its key gone", |_, state| {
            any(state, |who| who.renewal == Renewal::Gone)
        }),
        (setting.contenders > 2, "one is woken in the middle of the queue", |_, state| {
            any(state, |who| {
                matches!(who.awaited, Awaited::Key(key) if !state.has_key(key)) && state.before(who.key) > 0
            })
        }),
    ]
}

fn seen_with(setting: &Setting) -> [Seen; 11] {
    [
        (setting.crashes > 0, "one dies that has taken the lock, and was not told", |_, state| {
            state.known.half > 0
                && !any(state, |who| matches!(who.at, At::Entering | At::Trying | At::Taking))
        }),
        (setting.halts > 0, "another holds while one is halted", |_, state| {
            any(state, |who| who.is_halted && who.has_job() && who.mine < state.known.largest)
        }),
        (setting.losses > 0, "a request is carried out, and may be again", |_, state| {
            any(state, |who| matches!(who.stray, Some(Request::Take { mine, .. }) if mine == state.marker))
        }),
        (
            setting.leaders > 0 && setting.renewals == Renewals::InParts,
            "a renewal does not count",
            |_, state| any(state, |who| matches!(who.renewal, Renewal::Answered { is_current: false, .. })),
        ),
        (setting.breaks > 0, "a broken one's job goes on", |_, state| {
            any(state, |who| who.has_job() && has_fence(state, who))
        }),
        (setting.breaks > 0, "a broken one lifts the fence", |_, state| {
            any(state, |who| who.at == At::Lifting && has_fence(state, who))
        }),
        (setting.breaks > 0, "one waits for the fence", |_, state| {
            any(state, |who| matches!(who.awaited, Awaited::Fence(_)))
        }),
        (setting.saves > 0, "one saves over another's session", |_, state| {
            any(state, |who| who.at == At::Saving && who.session.0 > 0 && who.session.0 < who.mine)
        }),
        (setting.saves > 0 && setting.halts > 0, "a stale save is on its way", |_, state| {
            let is_stale = |mine| mine < state.known.largest;
            any(state, |who| who.at == At::Saving && who.phase == Phase::Asked && is_stale(who.mine))
                || any(state, |who| matches!(who.stray, Some(Request::Save { mine, .. }) if is_stale(mine)))
        }),
        (
            setting.has_effects && (setting.halts > 0 || setting.halting == Halting::Runner),
            "one that holds no more is refused by a resource",
            |_, state| any(state, |who| who.at == At::Checked && who.mine < state.resource),
        ),
        (setting.wavers, "one tries, and finds it taken", |_, state| {
            any(state, |who| who.at == At::Trying && state.before(u8::MAX) > 0)
        }),
    ]
}

fn is_taken(who: &Contender) -> bool {
    matches!(who.phase, Phase::Answered(Answer::Taken(_) | Answer::Holds(..)))
}

fn any(state: &State, is_one: impl Fn(&Contender) -> bool) -> bool {
    state.contenders.iter().any(is_one)
}

fn has_fence(state: &State, who: &Contender) -> bool {
    state.fence.is_some_and(|fence| fence.token == who.mine)
}
