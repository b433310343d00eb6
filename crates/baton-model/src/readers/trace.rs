//! A counterexample as a table: who, which step, and what there is after it.

use std::fmt::Write as _;

use super::model::Action;
use super::state::{Content, Locked, State, Who};
use super::variant::{Kind, Setting};
use crate::check::Traced;

impl Traced for Setting {
    const WIDTHS: (usize, usize) = (4, 28);

    fn describe(before: &State, action: Action) -> (String, String) {
        describe(before, action)
    }

    fn there(after: &State) -> String {
        there(after)
    }
}

fn describe(state: &State, action: Action) -> (String, String) {
    match action {
        Action::Step(who) => (name(state, who), format!("{:?}", state.actor(who).at)),
        Action::Hurry(who) => (name(state, who), "leaves without byte 1".to_owned()),
        Action::Crash(who) => (name(state, who), format!("KILLED before {:?}", state.actor(who).at)),
        Action::Delete => ("user".to_owned(), "deletes the file".to_owned()),
    }
}

fn name(state: &State, who: Who) -> String {
    let letter = if state.actor(who).kind == Kind::Reader { 'R' } else { 'W' };
    format!("{letter}{who}")
}

fn locked(state: &State, locked: Locked) -> String {
    let sharing = (0..).zip(&state.actors).filter(|(who, _)| locked.shared & (1 << who) != 0);
    let names: Vec<_> = sharing.map(|(who, _)| name(state, who)).collect();
    match locked.alone {
        Some(who) => format!("{} alone", name(state, who)),
        None if names.is_empty() => "free".to_owned(),
        None => names.join("+"),
    }
}

fn there(state: &State) -> String {
    let guard = state.guard.map_or("none".to_owned(), |index| {
        format!("#{index} {}", locked(state, state.guards[usize::from(index)].locked))
    });
    let record = state.record.map_or("none".to_owned(), |index| {
        let record = state.records[usize::from(index)];
        let content = match record.content {
            Content::Nothing => String::new(),
            Content::Writer { token } => format!("writer {token}"),
            Content::Group { token, unrepaired: None } => format!("group {token}"),
            Content::Group { token, unrepaired: Some(dead) } => format!("group {token} after {dead}"),
        };
        format!("#{index} {content}, {}", locked(state, record.holder))
    });
    let mut text = format!("guard {guard}; record {record}");
    for (who, _) in (0..).zip(&state.actors).filter(|(_, who)| who.holds) {
        write!(text, "; {} HOLDS", name(state, who)).expect("a string takes everything");
    }
    text
}
