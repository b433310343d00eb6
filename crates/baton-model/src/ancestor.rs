//! The ancestor's clients: a lock that is a file, whose holder has to be guessed dead.
//!
//! As shipped: create exclusively, write, keep the descriptor. Who finds the file looks whether its process lives, and if not
//! removes it by name and tries again; either at once, or after a look whether the name still has the number first seen. The
//! one is a client of an older version, the other of a newer one.

use crate::state::{Ancestor, AncestorAt, File, State, Story, Whose};
use crate::variant::{Cleanup, Setting};

/// The next call of one client.
pub fn step(state: &mut State, who: usize, setting: &Setting) {
    let me = state.ancestors[who];
    state.ancestors[who].at = match me.at {
        AncestorAt::Idle => {
            state.comings -= 1;
            AncestorAt::Create
        }
        AncestorAt::Create if state.record.is_some() => AncestorAt::Read,
        AncestorAt::Create => {
            state.record = Some(state.create(File::Empty { is_alive: true }));
            state.ancestors[who].own = state.record;
            AncestorAt::Write
        }
        AncestorAt::Write => {
            let own = me.own.expect("it was created");
            state.files[own.0 as usize] = File::Ancestor { is_alive: true };
            state.story = Story::Unclean(Whose::Ancestor);
            state.is_meddled &= state.contenders.iter().any(|who| state.is_unsettled(who));
            AncestorAt::Holds
        }
        AncestorAt::Read => read(state, who, setting),
        AncestorAt::Look if state.record == me.remembered => AncestorAt::Unlink,
        AncestorAt::Look => {
            state.ancestors[who].remembered = None;
            AncestorAt::Create
        }
        AncestorAt::Unlink => {
            state.record = None;
            state.is_meddled = true;
            state.ancestors[who].remembered = None;
            AncestorAt::Create
        }
        AncestorAt::Holds => AncestorAt::LookAtOwn,
        AncestorAt::LookAtOwn if state.record == me.own => AncestorAt::UnlinkOwn,
        AncestorAt::LookAtOwn => return end(state, who),
        AncestorAt::UnlinkOwn => {
            state.is_meddled |= state.record != me.own;
            state.record = None;
            return end(state, who);
        }
        AncestorAt::Absent => unreachable!("nobody is there"),
    };
}

fn read(state: &mut State, who: usize, setting: &Setting) -> AncestorAt {
    let Some(record) = state.record else { return AncestorAt::Create };
    let is_alive = match state.file(record) {
        File::Ancestor { is_alive } | File::Empty { is_alive } => is_alive,
        // By the pid: so a job that outlives its parent does not count.
        File::Record(token) | File::Released(token) | File::Standing(token) => {
            state.contenders.iter().any(|contender| contender.is_alive() && contender.token == token)
        }
        File::Guard(_) | File::Free => true,
    };
    if is_alive {
        return AncestorAt::Idle;
    }
    state.ancestors[who].remembered = Some(record);
    match setting.cleanup {
        Cleanup::Unconditional => AncestorAt::Unlink,
        Cleanup::InodeChecked => AncestorAt::Look,
    }
}

/// It has released, and its process ends.
fn end(state: &mut State, who: usize) {
    state.story = Story::Clean;
    close(state, who);
}

/// Killed.
pub fn crash(state: &mut State, who: usize) {
    let me = state.ancestors[who];
    if me.at == AncestorAt::Write {
        state.story = if state.record == me.own { Story::Unclean(Whose::Unknown) } else { Story::Doubt };
    }
    close(state, who);
}

fn close(state: &mut State, who: usize) {
    let me = state.ancestors[who];
    if let Some(own) = me.own {
        let file = &mut state.files[own.0 as usize];
        *file = match *file {
            File::Ancestor { .. } => File::Ancestor { is_alive: false },
            File::Empty { .. } => File::Empty { is_alive: false },
            other => other,
        };
    }
    state.ancestors[who] = Ancestor { at: AncestorAt::Idle, name: me.name, ..Ancestor::default() };
}
