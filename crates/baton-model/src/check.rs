//! Checking one setting of any model, and what comes of it.

use std::fmt::Write as _;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model, Path};

/// A model whose counterexamples can be read.
pub trait Traced:
    Model<State: Clone + Hash + PartialEq + Send + Sync + 'static, Action: Clone + PartialEq + Send + Sync>
    + Copy
    + Send
    + Sync
    + 'static
{
    /// How wide the columns are of who did something, and of what was done.
    const WIDTHS: (usize, usize);

    /// Who takes the action, and what it is.
    fn describe(before: &Self::State, action: Self::Action) -> (String, String);

    /// What there is after an action.
    fn there(after: &Self::State) -> String;

    /// One line per action.
    fn trace(path: &Path<Self::State, Self::Action>) -> String {
        let (names, steps) = Self::WIDTHS;
        let mut text = String::new();
        for (number, pair) in (1..).zip(path.clone().into_vec().windows(2)) {
            let [(before, Some(action)), (after, _)] = pair else { continue };
            let (who, what) = Self::describe(before, action.clone());
            let line = format!("{number:3}  {who:<names$} {what:<steps$} {}", Self::there(after));
            writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
        }
        text
    }
}

/// How far a check goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Until this property fails.
    Until(&'static str),
    /// Through every state, whatever is wrong on the way.
    Everything,
}

/// A property that does not hold, with a shortest counterexample.
#[derive(Debug)]
pub struct Broken {
    pub property: &'static str,
    pub steps: usize,
    pub trace: String,
}

/// What a check came to.
#[derive(Debug)]
pub struct Report {
    /// Different states, those apart that differ only in who is called what.
    pub states: usize,
    /// The properties that do not hold.
    pub broken: Vec<Broken>,
    /// What should have been seen and was not.
    pub unseen: Vec<&'static str>,
}

/// Checks one setting.
pub fn check<M: Traced>(setting: M, extent: Extent, threads: usize) -> Report {
    let finish = match extent {
        Extent::Until(property) => HasDiscoveries::AnyOf([property].into()),
        Extent::Everything => HasDiscoveries::All,
    };
    let checker = setting.checker().threads(threads).finish_when(finish).spawn_bfs().join();
    let discoveries = checker.discoveries();
    let (mut broken, mut unseen) = (vec![], vec![]);
    for property in setting.properties() {
        match (property.expectation.discovery_is_failure(), discoveries.get(property.name)) {
            (true, Some(_)) if matches!(extent, Extent::Until(name) if name != property.name) => {}
            (true, Some(path)) => broken.push(shortest(setting, property.name, path)),
            (false, None) => unseen.push(property.name),
            (true, None) | (false, Some(_)) => {}
        }
    }
    broken.sort_by_key(|broken| broken.steps);
    Report { states: checker.unique_state_count(), broken, unseen }
}

/// A counterexample as short as any. The checker keeps the last one that it came upon, not the first: so it is asked again for a
/// shorter one, until there is none.
fn shortest<M: Traced>(setting: M, name: &'static str, known: &Path<M::State, M::Action>) -> Broken {
    let shorter = |path: &Path<M::State, M::Action>| {
        let finish = HasDiscoveries::AnyOf([name].into());
        // A path's first state has depth 1, and states of the limiting depth are not looked at.
        let depth = path.clone().into_states().len();
        setting.checker().finish_when(finish).target_max_depth(depth).spawn_bfs().join().discovery(name)
    };
    let mut shortest = known.clone();
    while let Some(path) = shorter(&shortest) {
        shortest = path;
    }
    Broken { property: name, trace: M::trace(&shortest), steps: shortest.into_actions().len() }
}
