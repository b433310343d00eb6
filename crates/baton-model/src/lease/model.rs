//! Who may do what in a state, and what has to be true of each.

use stateright::{Model, Property};

use super::client::{Turn, is_woken};
use super::etcd::Server;
use super::probe;
use super::state::{At, Breaker, Contender, End, MOST, Phase, Renewal, State};
use super::time::{self, Late};
use super::variant::{Clocks, Halting, Mutation, Renewals, Setting};
use crate::state::Name;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Comes(usize),
    /// The same, and it will not wait.
    Tries(usize),
    /// etcd carries out what it asked for.
    Served(usize),
    /// It receives the answer.
    Receives(usize),
    /// It gives up waiting for an answer, and asks again.
    Loses(usize),
    /// What nobody waits for any more arrives.
    StrayArrives(usize),
    Wakes(usize),
    /// A waiter gives up, or finds its lease over.
    Withdraws(usize),
    Checks(usize),
    Changes(usize),
    Saves(usize),
    Ends(usize, End),
    Renews(usize),
    /// The whole of it.
    RenewsAtOnce(usize),
    KeptAlive(usize),
    /// A whole renewal of one that does not hold yet.
    WaiterRenews(usize),
    /// By a leader that was deposed.
    KeptAliveInVain(usize),
    /// The read that confirms a keep-alive is carried out.
    Confirms(usize),
    IsRenewed(usize),
    Expires(usize),
    FenceExpires,
    /// Somebody gives the fence its lease.
    FenceIsLeased,
    LooksForHolder,
    /// A lease for the fence is granted too early (a broken variant).
    GrantsForFence,
    Breaks,
    LeaderChanges,
    Crash(usize),
    Halt(usize),
    Continue(usize),
    /// Time goes on; one clock may be late.
    Tick(Late),
}

/// The properties, as they are named in reports.
pub mod property {
    pub const EXCLUSION: &str = "E2 nobody believes in a lock that another has";
    pub const IN_TIME: &str = "E2 a job has ended before another begins";
    pub const REVIVAL: &str = "E3 who was lost stays lost";
    pub const ORDER: &str = "E1 in turn";
    pub const STORY: &str = "E5 the story is told";
    pub const TOLD_CLEAN: &str = "E5 who is told that it ended cleanly did";
    pub const DOUBLE: &str = "E6 nobody takes what it does not ask for";
    pub const TOKENS: &str = "tokens grow";
    pub const SESSION: &str = "no stale save is accepted";
    pub const BROKEN: &str = "a break ends the hold that it saw";
    pub const NOT_STUCK: &str = "E7 nobody waits for ever";
    pub const UNFENCED: &str = "nothing stale reaches a resource that does not look at tokens";
    pub const FENCED: &str = "who holds is not refused by one that does";
}

impl Setting {
    fn start(&self) -> State {
        let mut state = State {
            crashes: self.crashes,
            halts: self.halts,
            losses: self.losses,
            leaders: self.leaders,
            breaks: self.breaks,
            ..State::default()
        };
        for (name, who) in (1..).zip(&mut state.contenders) {
            who.name = Name(name);
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
        let present = state.contenders.iter().filter(|who| !is_absent(who)).count();
        for (who, it) in state.contenders.iter().enumerate() {
            if is_absent(it) {
                // One of those who are not there is as good as another.
                let is_first = state.contenders[..who].iter().all(|other| !is_absent(other));
                if is_first && present < self.contenders {
                    actions.push(Action::Comes(who));
                    if self.wavers {
                        actions.push(Action::Tries(who));
                    }
                }
                continue;
            }
            network(self, state, who, actions);
            if !it.is_alive() {
                continue;
            }
            mishaps(state, who, actions);
            let job_goes_on = !it.is_halted || self.halting == Halting::Runner;
            if job_goes_on {
                job(self, it, who, actions);
            }
            if !it.is_halted {
                steps(self, state, who, actions);
            }
        }
        elsewhere(self, state, actions);
        ticks(self, state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        apply(&mut state, action, self);
        note_exclusion(&mut state, self);
        state.normalize(self);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(property::EXCLUSION, |_, state: &State| !state.known.faults.exclusion),
            Property::always(property::IN_TIME, |_, state: &State| !state.known.faults.in_time),
            Property::always(property::REVIVAL, |_, state: &State| !state.known.faults.revival),
            Property::always(property::ORDER, |_, state: &State| !state.known.faults.order),
            Property::always(property::STORY, |_, state: &State| !state.known.faults.story),
            Property::always(property::TOLD_CLEAN, |_, state: &State| !state.known.faults.told_clean),
            Property::always(property::DOUBLE, |_, state: &State| !state.known.faults.double),
            Property::always(property::TOKENS, |_, state: &State| !state.known.faults.token),
            Property::always(property::SESSION, |_, state: &State| !state.known.faults.session),
            Property::always(property::BROKEN, |_, state: &State| !state.known.faults.wrong_break),
            Property::always(property::UNFENCED, |_, state: &State| !state.known.faults.unfenced),
            Property::always(property::FENCED, |_, state: &State| !state.known.faults.refused),
            Property::always(property::NOT_STUCK, |setting: &Setting, state: &State| {
                probe::is_obtained(state, setting)
            }),
        ];
        properties.extend(super::vacuity::seen(self));
        properties
    }
}

fn is_absent(who: &Contender) -> bool {
    who.at == At::Away && who.lease.is_none() && who.key == 0
}

/// What reaches etcd, and what comes back.
fn network(setting: &Setting, state: &State, who: usize, actions: &mut Vec<Action>) {
    let it = &state.contenders[who];
    if it.phase == Phase::Asked {
        actions.push(Action::Served(who));
    }
    if it.stray.is_some() {
        actions.push(Action::StrayArrives(who));
    }
    match it.renewal {
        Renewal::Sent(_) if it.lease != Some(0) => {
            actions.push(Action::KeptAlive(who));
            if state.has_deposed {
                actions.push(Action::KeptAliveInVain(who));
            }
        }
        Renewal::Answered { .. } => actions.push(Action::Confirms(who)),
        _ => {}
    }
    let is_early = setting.is(Mutation::RevokedEarly) && state.has_deposed;
    let is_dead = setting.clocks == Clocks::Stand && it.at == At::Dead;
    if it.lease == Some(0) || ((is_early || is_dead) && it.lease.is_some()) {
        actions.push(Action::Expires(who));
    }
}

fn mishaps(state: &State, who: usize, actions: &mut Vec<Action>) {
    let it = &state.contenders[who];
    // A look that is lost is looked again; a killed one that has nothing leaves nothing.
    let has_effect = !matches!(it.at, At::Looking | At::AskingToWatch);
    if state.losses > 0 && it.phase != Phase::Idle && has_effect && !it.is_halted {
        actions.push(Action::Loses(who));
    }
    if state.crashes > 0 && it.lease.is_some() {
        actions.push(Action::Crash(who));
    }
    if it.is_halted {
        actions.push(Action::Continue(who));
    } else if state.halts > 0 && it.has_job() {
        // One that runs no job has no time to keep: it is as good as halted whenever others go on.
        actions.push(Action::Halt(who));
    }
}

/// What the job does.
fn job(setting: &Setting, it: &Contender, who: usize, actions: &mut Vec<Action>) {
    let saved = if it.session.0 == it.mine { it.session.1 } else { 0 };
    let goes_on = it.left > setting.ending() || setting.halting == Halting::Runner;
    match it.at {
        At::Held if goes_on && setting.has_effects => actions.push(Action::Checks(who)),
        At::Checked => actions.push(Action::Changes(who)),
        _ => {}
    }
    if it.at == At::Held && saved < setting.saves {
        actions.push(Action::Saves(who));
    }
}

/// What the contender itself does.
fn steps(setting: &Setting, state: &State, who: usize, actions: &mut Vec<Action>) {
    let it = &state.contenders[who];
    if matches!(it.phase, Phase::Answered(_)) {
        actions.push(Action::Receives(who));
    }
    let is_valid = it.left > setting.ending();
    match it.at {
        At::Watching | At::WatchingInVain => {
            if is_woken(state, it) {
                actions.push(Action::Wakes(who));
            }
            if !is_valid || setting.wavers {
                actions.push(Action::Withdraws(who));
            }
        }
        At::Held if is_valid => {
            actions.extend([End::Clean, End::Unclean].map(|end| Action::Ends(who, end)));
            if setting.wavers {
                actions.push(Action::Ends(who, End::Undone));
            }
        }
        At::Held | At::Checked | At::Saving if !is_valid => actions.push(Action::Ends(who, End::Lost)),
        _ => {}
    }
    renewals(setting, it, who, actions);
}

fn renewals(setting: &Setting, it: &Contender, who: usize, actions: &mut Vec<Action>) {
    let waits = matches!(it.at, At::Watching | At::WatchingInVain | At::Looking | At::Taking);
    let is_valid = it.left > setting.ending();
    if waits && is_valid && it.key == it.mine && it.lease.is_some_and(|left| left > 0) {
        actions.push(Action::WaiterRenews(who));
    }
    match (it.renewal, setting.renewals) {
        (Renewal::None, Renewals::InParts) if it.has_job() && is_valid => actions.push(Action::Renews(who)),
        (Renewal::None, Renewals::Whole) if it.has_job() && is_valid && it.lease != Some(0) => {
            actions.push(Action::RenewsAtOnce(who));
        }
        (Renewal::Confirmed(_) | Renewal::Gone, _) => actions.push(Action::IsRenewed(who)),
        _ => {}
    }
}

/// What the breaker does, the leader, and who looks at a fence.
fn elsewhere(setting: &Setting, state: &State, actions: &mut Vec<Action>) {
    if let Some(fence) = state.fence {
        if !fence.has_lease && !setting.is(Mutation::FenceOnlyByBreaker) {
            actions.push(Action::FenceIsLeased);
        }
        let is_there = state
            .contenders
            .iter()
            .any(|who| who.is_alive() && [who.mine, who.told()].contains(&fence.token));
        let is_over = fence.left == 0 || (setting.clocks == Clocks::Stand && !is_there);
        if fence.has_lease && is_over {
            actions.push(Action::FenceExpires);
        }
    }
    if state.leaders > 0 {
        actions.push(Action::LeaderChanges);
    }
    if state.breaker != Breaker::default() {
        actions.push(Action::Breaks);
        if setting.is(Mutation::FenceLeasedBefore) && state.breaker.left == 0 {
            actions.push(Action::GrantsForFence);
        }
    } else if state.breaks > 0 && state.holder().is_some() {
        actions.push(Action::LooksForHolder);
    }
}

fn ticks(setting: &Setting, state: &State, actions: &mut Vec<Action>) {
    if setting.clocks == Clocks::Stand || !time::is_anything_timed(state) {
        return;
    }
    let is_late = |who: &usize| time::may_be_late(&state.contenders[*who], setting);
    let late = (0..MOST).filter(is_late).map(Some);
    actions.extend(
        std::iter::once(None).chain(late).filter(|late| time::may_pass(state, *late)).map(Action::Tick),
    );
}

/// A flat match.
pub(crate) fn apply(state: &mut State, action: Action, setting: &Setting) {
    let turn = |state, who| Turn { state, who, setting };
    match action {
        Action::Comes(who) => turn(state, who).come(true),
        Action::Tries(who) => turn(state, who).come(false),
        Action::Served(who) => turn(state, who).serve(),
        Action::Receives(who) => turn(state, who).receive_answer(),
        Action::Loses(who) => {
            state.losses -= 1;
            turn(state, who).lose();
        }
        Action::StrayArrives(who) => turn(state, who).stray_arrives(),
        Action::Wakes(who) => turn(state, who).wake(),
        Action::Withdraws(who) => turn(state, who).ask(At::Revoking),
        Action::Checks(who) => turn(state, who).go(At::Checked),
        Action::Changes(who) => turn(state, who).change(),
        Action::Saves(who) => turn(state, who).ask(At::Saving),
        Action::Ends(who, End::Lost) => turn(state, who).end_lost(),
        Action::Ends(who, end) => turn(state, who).ask(At::Leaving(end)),
        Action::Renews(who) => turn(state, who).renew(),
        Action::RenewsAtOnce(who) => {
            let parts = [Action::Renews, Action::KeptAlive, Action::Confirms, Action::IsRenewed];
            for part in parts {
                apply(state, part(who), setting);
            }
        }
        Action::KeptAlive(who) | Action::Confirms(who) => renewal(state, who, setting),
        Action::WaiterRenews(who) => Server { state, who, setting }.renew_waiter(),
        Action::KeptAliveInVain(who) => {
            if let Renewal::Sent(left) = state.contenders[who].renewal {
                Server { state, who, setting }.keep_alive_in_vain(left);
            }
        }
        Action::IsRenewed(who) => turn(state, who).is_renewed(),
        Action::Expires(who) => state.expire(who),
        Action::FenceExpires => state.fence = None,
        Action::FenceIsLeased => state.fence.iter_mut().for_each(|fence| fence.has_lease = true),
        Action::LooksForHolder => {
            state.breaks -= 1;
            state.breaker.token = state.holder().unwrap_or(0);
        }
        Action::GrantsForFence => state.breaker.left = setting.ttl,
        Action::Breaks => state.commit_break(setting),
        Action::LeaderChanges => state.change_leader(setting),
        Action::Crash(who) => {
            state.crashes -= 1;
            turn(state, who).kill();
        }
        Action::Halt(who) => {
            state.halts -= 1;
            state.contenders[who].is_halted = true;
        }
        Action::Continue(who) => state.contenders[who].is_halted = false,
        Action::Tick(late) => time::pass(state, late, setting),
    }
}

/// etcd's part in a renewal: first the keep-alive, then the read.
fn renewal(state: &mut State, who: usize, setting: &Setting) {
    let renewal = state.contenders[who].renewal;
    let mut server = Server { state, who, setting };
    match renewal {
        Renewal::Sent(left) => server.keep_alive(left),
        Renewal::Answered { left, is_current } => server.confirm(left, is_current),
        Renewal::None | Renewal::Confirmed(_) | Renewal::Gone => {}
    }
}

/// Once somebody has taken the lock, nobody with a smaller token believes in it, nor runs a job; those apart that were halted beyond
/// their lease.
fn note_exclusion(state: &mut State, setting: &Setting) {
    let largest = state.known.largest;
    let mut is_superseded = state.contenders.iter().filter(|who| who.has_job() && who.mine < largest);
    let believes = is_superseded.clone().any(|who| who.left > setting.ending());
    let runs = is_superseded.any(|who| who.left > 0 && !who.is_halted);
    state.known.faults.exclusion |= believes;
    state.known.faults.in_time |= runs;
}
