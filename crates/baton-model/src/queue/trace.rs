//! A counterexample as a table: who, which step, and what the queue and the kernel have after it.

use std::fmt::Write as _;

use super::model::Action;
use super::state::{Actor, At, FOREIGN, File, HOLDER, NEWCOMER, Named, Request, State, Who};
use super::variant::Setting;
use crate::check::Traced;

impl Traced for Setting {
    const WIDTHS: (usize, usize) = (3, 45);

    fn describe(before: &State, action: Action) -> (String, String) {
        describe(before, action)
    }

    fn there(after: &State) -> String {
        there(after)
    }
}

fn describe(state: &State, action: Action) -> (String, String) {
    let at = |who| step(usize::from(who), state.actor(who));
    match action {
        Action::Step(who) => (name(state, who), at(who).to_owned()),
        Action::LookoutTries(who) => (name(state, who), "its lookout tries again".to_owned()),
        Action::LookoutGivesBack(who) => (name(state, who), "its lookout gives the guard back".to_owned()),
        Action::GiveUp(who) => (name(state, who), "gives up".to_owned()),
        Action::Crash(who) => (name(state, who), format!("KILLED before: {}", at(who))),
        Action::Stop(who) => (name(state, who), format!("STOPPED before: {}", at(who))),
        Action::Continue(who) => (name(state, who), "continued".to_owned()),
        Action::Tick => (String::new(), "a second is over".to_owned()),
    }
}

fn name(state: &State, who: Who) -> String {
    match usize::from(who) {
        HOLDER => "P".to_owned(),
        NEWCOMER => "N".to_owned(),
        FOREIGN => "F".to_owned(),
        _ => format!("W{}", state.actor(who).name.0),
    }
}

fn step(who: usize, actor: &Actor) -> &'static str {
    match actor.at {
        At::Absent => "",
        At::Idle => "comes",
        At::Try => "3 try the guard",
        At::MakeQueue => "W1 make the queue",
        At::CreateTicket => "W1 create a ticket",
        At::LockTicket => "W1 lock its byte 2",
        At::List => "W1 look for the largest number",
        At::NameTicket => "W1 give it the next number",
        At::LockNamed => "W1 lock byte 2 of what has its name",
        At::Sleep if who == FOREIGN => "flock",
        At::Sleep => "W2 ask for the guard, and sleep",
        At::Asleep => "W2 wakes up",
        At::Look => "W5 look at the queue",
        At::SweepRemove => "W5 remove a dead one's ticket",
        At::MoveTicket => "6 give the ticket the record's name",
        At::Conclude => "7 look again: held",
        At::GoOn => "W5 go on, those before being passed",
        At::StepBack => "W5 lock byte 3 of the own ticket",
        At::GiveBack => "W5 give back the guard",
        At::AfterYou => "W5 wakes up",
        At::UnlockByte3 => "W5 unlock byte 3",
        At::ClearQueue => "W5 remove the directory",
        At::ReapLookout => "W3 kill and reap the lookout",
        At::RemoveTicket => "W6 remove the ticket",
        At::UnlockTicket => "W6 unlock it",
        At::RemoveQueue => "W6 remove the directory",
        At::Holds => "releases",
        At::GiveUpReap => "W7 kill and reap the lookout",
        At::GiveUpUnlock => "W7 unlock the guard",
    }
}

/// Who has the guard, who is in the kernel's queue for it, and the tickets.
fn there(state: &State) -> String {
    let owner = state.lock.map_or("free".to_owned(), |who| {
        format!("{}{}", name(state, who), if state.actor(who).holds { " HOLDS" } else { "" })
    });
    let mut chain = String::new();
    let mut blocker = None;
    while let Some(next) = (0..).zip(&state.actors).find(|(_, who)| who.request == Request::Blocked(blocker))
    {
        write!(chain, " < {}", name(state, next.0)).expect("a string takes everything");
        blocker = Some(next.0);
    }
    let woken = (0..).zip(&state.actors).filter(|(_, who)| who.request == Request::Woken);
    for (who, _) in woken {
        write!(chain, " woken {}", name(state, who)).expect("a string takes everything");
    }
    let tickets: Vec<_> =
        state.files.iter().filter_map(|file| Some(ticket(state, *file, file.name?))).collect();
    format!("guard {owner}{chain}; queue [{}]", tickets.join(", "))
}

fn ticket(state: &State, file: File, named: Named) -> String {
    let named = match named {
        Named::Temporary => "tmp".to_owned(),
        Named::Number(number) => format!("{number}"),
        Named::Passed(number) => format!("{number}.passed"),
    };
    let owner = file.locked_by.map_or("dead".to_owned(), |who| name(state, who));
    format!("{named}: {owner}{}", if file.steps_back { " byte 3" } else { "" })
}
