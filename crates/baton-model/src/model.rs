//! Who may do what in a state, and what has to be true of each: the invariants of `docs/protocol.md` by their numbers.

use stateright::{Model, Property};

use crate::ancestor;
use crate::contender::Turn;
use crate::probe;
use crate::state::{AncestorAt, At, Contender, Ending, Inode, State, Story};
use crate::variant::{Deletes, Mutation, Setting};

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A contender's next system call.
    Step(usize),
    /// A holder begins to end its hold.
    End(usize, Ending),
    Crash(usize),
    /// Killed, and the job lives that it had handed its locks to.
    CrashWithJob(usize),
    JobEnds(usize),
    /// A forked child of a holder drops its copy.
    ChildDrops(usize),
    DeleteGuard,
    DeleteRecord,
    AncestorSteps(usize),
    AncestorCrashes(usize),
}

/// The properties, as they are named in reports.
pub mod property {
    pub const EXCLUSION: &str = "I1 exclusion";
    pub const MIXED: &str = "exclusion among Baton's and the ancestor's";
    pub const ANCESTORS: &str = "exclusion among the ancestor's";
    pub const LOST: &str = "of two holders one is told that it has lost";
    pub const BORN_LOCKED: &str = "I2 born locked";
    pub const STORY: &str = "I3 the story is told";
    pub const TOKENS: &str = "I4 tokens grow";
    pub const NOT_STUCK: &str = "I5 nobody is stuck";
    pub const RELEASE: &str = "a release removes what it looked at";
    pub const UNTOUCHED: &str = "I6 a living one's file is kept";
}

impl Model for Setting {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (who, contender) in state.contenders.iter().enumerate() {
            contender_actions(self, state, who, contender, actions);
        }
        for (who, ancestor) in state.ancestors.iter().enumerate() {
            let comes = ancestor.at != AncestorAt::Idle || state.comings > 0;
            if ancestor.at != AncestorAt::Absent && comes {
                actions.push(Action::AncestorSteps(who));
                if ancestor.at != AncestorAt::Idle && state.crashes > 0 {
                    actions.push(Action::AncestorCrashes(who));
                }
            }
        }
        if state.deletions > 0 {
            if state.guard.is_some() && may_delete_guard(self, state) {
                actions.push(Action::DeleteGuard);
            }
            if state.record.is_some() && may_delete_record(self, state) {
                actions.push(Action::DeleteRecord);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Step(who) => self.turn(&mut state, who).step(),
            Action::End(who, ending) => self.turn(&mut state, who).take_back(ending),
            Action::Crash(who) => {
                self.turn(&mut state, who).crash(false);
                state.crashes -= 1;
            }
            Action::CrashWithJob(who) => {
                self.turn(&mut state, who).crash(true);
                state.crashes -= 1;
            }
            Action::JobEnds(who) => state.contenders[who] = state.contenders[who].gone(),
            Action::ChildDrops(who) => {
                (state.contenders[who].has_guard, state.contenders[who].has_byte0) = (false, false);
            }
            Action::DeleteGuard => {
                let guard = state.guard.take();
                deleted(&mut state, guard);
            }
            Action::DeleteRecord => {
                state.is_meddled = true;
                let record = state.record.take();
                deleted(&mut state, record);
            }
            Action::AncestorSteps(who) => ancestor::step(&mut state, who, self),
            Action::AncestorCrashes(who) => {
                ancestor::crash(&mut state, who);
                state.crashes -= 1;
            }
        }
        state.normalize(self.are_numbers_reused);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![];
        if self.contenders > 0 {
            properties.extend(ours());
            properties.push(if self.deletes == Deletes::Both {
                Property::always(property::LOST, |_, state: &State| are_all_but_one_lost(state))
            } else {
                Property::always(property::EXCLUSION, |_, state: &State| state.holders() <= 1)
            });
            properties.extend(vacuity(self));
        }
        if self.ancestors > 0 {
            properties.push(Property::always(property::ANCESTORS, |_, state: &State| {
                state.ancestors_holding() <= 1
            }));
            properties.push(Property::sometimes("one of the ancestor's holds", |_, state: &State| {
                state.ancestors_holding() > 0
            }));
        }
        if self.contenders > 0 && self.ancestors > 0 {
            properties.push(Property::always(property::MIXED, |_, state: &State| {
                state.holders() == 0 || state.ancestors_holding() == 0
            }));
            properties.push(Property::always(property::RELEASE, |_, state: &State| !state.faults.raced));
            properties
                .push(Property::always(property::UNTOUCHED, |_, state: &State| !state.faults.destroyed));
        }
        properties
    }
}

impl Setting {
    fn turn<'a>(&'a self, state: &'a mut State, who: usize) -> Turn<'a> {
        Turn { state, who, setting: self }
    }
}

fn ours() -> [Property<Setting>; 4] {
    [
        Property::always(property::BORN_LOCKED, |setting: &Setting, state: &State| {
            setting.mutation == Mutation::GuardOnly
                || state.contenders.iter().all(|who| is_born_locked(state, who))
        }),
        Property::always(property::STORY, |_, state: &State| !state.faults.wrong_story),
        Property::always(property::TOKENS, |_, state: &State| !state.faults.token_fell),
        Property::always(property::NOT_STUCK, |setting: &Setting, state: &State| {
            probe::is_obtainable(state, setting)
        }),
    ]
}

/// What has to be seen, so that nothing above is true only because nothing happens.
fn vacuity(setting: &Setting) -> Vec<Property<Setting>> {
    let mut seen = vec![
        Property::sometimes("got fresh, again", |_, state: &State| {
            is_held(state, |who| who.found.is_none() && who.token > 0) && state.largest > 0
        }),
        Property::sometimes("recovered", |_, state: &State| is_held(state, |who| who.found.is_some())),
        Property::sometimes("ended cleanly", |_, state: &State| {
            state.story == Story::Clean && state.largest > 0
        }),
    ];
    if setting.deletes == Deletes::Both {
        seen.push(Property::sometimes("two hold", |_, state: &State| state.holders() == 2));
    }
    if setting.crashes > 0 {
        seen.push(Property::sometimes("a job outlives its parent", |_, state: &State| {
            state.contenders.iter().any(|who| who.at == At::JobHolds)
        }));
        seen.push(Property::sometimes("killed with a private name", |_, state: &State| {
            state.leftovers.iter().any(Option::is_some)
        }));
    }
    if setting.deletions > 0 {
        seen.push(Property::sometimes("held damaged", |_, state: &State| {
            is_held(state, |who| (state.guard == who.guard) != (state.record == who.born))
        }));
        seen.push(Property::sometimes("taken back in step 7", |_, state: &State| {
            state.contenders.iter().any(|who| {
                who.born.is_some()
                    && who.ending == Ending::StartOver
                    && matches!(who.at, At::LookBeforeRemoval | At::UnlockRecord)
            })
        }));
    }
    seen
}

fn is_held(state: &State, holds: impl Fn(&Contender) -> bool) -> bool {
    state.contenders.iter().any(|who| who.at == At::Held && holds(who))
}

/// Is its record locked, if it has its name and its holder has not ended?
fn is_born_locked(state: &State, who: &Contender) -> bool {
    let is_named = who.born.is_some() && who.born == state.record;
    let is_ours = matches!(
        who.at,
        At::LookAtWhatCameBack
            | At::RemoveReplaced
            | At::LockNamed
            | At::LookAtGuardAgain
            | At::LookAtRecordAgain
            | At::Held
            | At::JobHolds
    );
    !is_named || !is_ours || who.has_byte0
}

fn are_all_but_one_lost(state: &State) -> bool {
    let is_intact = |who: &&Contender| state.guard == who.guard || state.record == who.born;
    state.contenders.iter().filter(|who| who.holds()).filter(is_intact).count() <= 1
}

fn contender_actions(
    setting: &Setting,
    state: &State,
    who: usize,
    contender: &Contender,
    actions: &mut Vec<Action>,
) {
    match contender.at {
        At::Absent => return,
        At::JobHolds | At::JobLingers | At::ChildLingers => return actions.push(Action::JobEnds(who)),
        At::Held => {
            let endings = [Ending::Clean, Ending::Unclean, Ending::Undone];
            actions.extend(endings.map(|ending| Action::End(who, ending)));
            if setting.mutation == Mutation::ChildUnlocks && contender.has_guard {
                actions.push(Action::ChildDrops(who));
            }
        }
        _ => actions.push(Action::Step(who)),
    }
    // Killed with nothing in hand is the same as given up.
    if contender.is_alive() && (contender.has_guard || contender.judged.is_some()) && state.crashes > 0 {
        actions.push(Action::Crash(who));
        if contender.at == At::Held || (contender.ending == Ending::Clean && contender.has_guard) {
            actions.push(Action::CrashWithJob(who));
        }
    }
}

fn may_delete_guard(setting: &Setting, state: &State) -> bool {
    match setting.deletes {
        Deletes::Guard | Deletes::Both => true,
        Deletes::Record => false,
        Deletes::OneOfBoth => !state.contenders.iter().any(|who| who.is_damaged && who.guard == state.guard),
    }
}

fn may_delete_record(setting: &Setting, state: &State) -> bool {
    match setting.deletes {
        Deletes::Record | Deletes::Both => true,
        Deletes::Guard => false,
        Deletes::OneOfBoth => !state.contenders.iter().any(|who| who.is_damaged && who.born == state.record),
    }
}

/// A user has deleted that file: who holds with it is damaged.
fn deleted(state: &mut State, inode: Option<Inode>) {
    state.deletions -= 1;
    for who in &mut state.contenders {
        who.is_damaged |= has_hold(who) && (who.guard == inode || who.born == inode);
    }
}

/// From *held* until everything is unlocked.
fn has_hold(who: &Contender) -> bool {
    who.holds() || (who.born.is_some() && who.ending != Ending::StartOver)
}
