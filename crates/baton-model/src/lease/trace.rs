//! A counterexample as a table: who, which step, and what etcd has and who believes to hold after it.

use std::fmt::Write as _;

use super::model::Action;
use super::state::{At, Contender, End, State};
use super::variant::Setting;
use crate::check::Traced;

impl Traced for Setting {
    const WIDTHS: (usize, usize) = (5, 52);

    fn describe(before: &State, action: Action) -> (String, String) {
        describe(before, action)
    }

    fn there(after: &State) -> String {
        there(after)
    }
}

fn describe(state: &State, action: Action) -> (String, String) {
    let at = |who: usize| step(state.contenders[who].at);
    let (who, what) = match action {
        Action::Comes(who) => (who, "comes, and gets a lease".to_owned()),
        Action::Tries(who) => (who, "comes, gets a lease, and will not wait".to_owned()),
        Action::Served(who) => return ("etcd".to_owned(), format!("{}: {}", name(state, who), at(who))),
        Action::Receives(who) => (who, format!("gets the answer: {}", at(who))),
        Action::Loses(who) => (who, format!("gets no answer in time, asks again: {}", at(who))),
        Action::StrayArrives(who) => {
            return ("etcd".to_owned(), format!("{}: a request LATE", name(state, who)));
        }
        Action::Wakes(who) => (who, "is woken".to_owned()),
        Action::Withdraws(who) => (who, "gives up its place".to_owned()),
        Action::Checks(who) => (who, "the job asks whether the lock is held".to_owned()),
        Action::Changes(who) => (who, "the job CHANGES the resource".to_owned()),
        Action::Saves(who) => (who, "saves its session".to_owned()),
        Action::Ends(who, end) => (who, format!("ends its job: {}", ending(end))),
        Action::Renews(who) => (who, "sends a keep-alive".to_owned()),
        Action::KeptAlive(who) => return ("etcd".to_owned(), format!("{}: keep-alive", name(state, who))),
        Action::KeptAliveInVain(who) => {
            return ("old".to_owned(), format!("{}: keep-alive, by the old leader", name(state, who)));
        }
        Action::WaiterRenews(who) | Action::RenewsAtOnce(who) => (who, "renews its lease".to_owned()),
        Action::Confirms(who) => {
            return ("etcd".to_owned(), format!("{}: confirming read", name(state, who)));
        }
        Action::IsRenewed(who) => (who, "gets the answer to its keep-alive".to_owned()),
        Action::Expires(who) => {
            return ("etcd".to_owned(), format!("{}: the lease runs out", name(state, who)));
        }
        Action::FenceExpires => return ("etcd".to_owned(), "the fence's lease runs out".to_owned()),
        Action::FenceIsLeased => return ("etcd".to_owned(), "the fence gets its lease".to_owned()),
        Action::LooksForHolder => return ("B".to_owned(), "looks who holds".to_owned()),
        Action::GrantsForFence => return ("B".to_owned(), "gets a lease for the fence".to_owned()),
        Action::Breaks => return ("B".to_owned(), "BREAKS the hold".to_owned()),
        Action::LeaderChanges => return ("etcd".to_owned(), "has a NEW LEADER".to_owned()),
        Action::Crash(who) => (who, format!("KILLED at: {}", at(who))),
        Action::Halt(who) => (who, format!("HALTED at: {}", at(who))),
        Action::Continue(who) => (who, "continued".to_owned()),
        Action::Tick(None) => return (String::new(), "a tick".to_owned()),
        Action::Tick(Some(late)) => {
            let late = name(state, late);
            return (String::new(), format!("a tick, not on {late}'s clock"));
        }
    };
    (name(state, who), what)
}

fn name(state: &State, who: usize) -> String {
    format!("C{}", state.contenders[who].name.0)
}

fn ending(end: End) -> &'static str {
    match end {
        End::Clean => "clean",
        End::Unclean => "unclean",
        End::Lost => "lost",
        End::Undone => "taken back",
        End::TooLate => "too late to hold",
    }
}

fn step(at: At) -> &'static str {
    match at {
        At::Away => "",
        At::Dead => "dead",
        At::Entering => "2 a place in the queue",
        At::Trying => "2 a place, if there is nobody",
        At::Looking => "3 look",
        At::Watching => "3 waiting",
        At::AskingToWatch => "3 a watch",
        At::WatchingInVain => "3 waiting in vain",
        At::Taking => "4 take",
        At::Marking => "the marker",
        At::Held => "holding",
        At::Checked => "holding, having asked",
        At::Saving => "save",
        At::Leaving(End::Clean) => "release, clean",
        At::Leaving(End::Unclean) => "release, unclean",
        At::Leaving(End::Lost) => "release, lost",
        At::Leaving(End::Undone) => "release, taken back",
        At::Leaving(End::TooLate) => "5 put back",
        At::Unmarking => "remove the marker",
        At::Lifting | At::LiftingFirst => "lift the fence",
        At::Revoking => "revoke the lease",
    }
}

/// etcd's keys, and who runs a job.
fn there(state: &State) -> String {
    let mut places: Vec<_> = (0..).zip(&state.contenders).filter(|(_, who)| who.key > 0).collect();
    places.sort_by_key(|(_, who)| who.key);
    let places: Vec<_> = places
        .into_iter()
        .map(|(it, who)| format!("{}: {}{}", who.key, name(state, it), lease(who.lease)))
        .collect();
    let mut text = format!("[{}]", places.join(", "));
    if state.marker > 0 {
        write!(text, " unclean {}", state.marker).expect("a string takes everything");
    }
    if let Some(fence) = state.fence {
        let left = lease(Some(fence.left).filter(|_| fence.has_lease));
        write!(text, " fence {}{left}", fence.token).expect("a string takes everything");
    }
    if state.session.0 > 0 {
        let (token, count) = state.session;
        write!(text, " session {token}.{count}").expect("a string takes everything");
    }
    for (it, who) in (0..).zip(&state.contenders).filter(|(_, who)| who.has_job()) {
        write!(text, "; {}", job(state, it, who)).expect("a string takes everything");
    }
    text
}

fn job(state: &State, it: usize, who: &Contender) -> String {
    let halted = if who.is_halted { " halted" } else { "" };
    format!("{} HOLDS {} left {}{halted}", name(state, it), who.mine, who.left)
}

fn lease(left: Option<u8>) -> String {
    left.map_or(String::new(), |left| format!(" ({left} left)"))
}
