//! A counterexample as a table: who, which step, and what the two names mean after it.

use std::fmt::Write as _;

use crate::check::Traced;
use crate::model::Action;
use crate::state::{AncestorAt, At, Contender, Ending, File, Inode, State, Whose};
use crate::variant::Setting;

impl Traced for Setting {
    const WIDTHS: (usize, usize) = (9, 52);

    fn describe(before: &State, action: Action) -> (String, String) {
        describe(before, action)
    }

    fn there(after: &State) -> String {
        names(after)
    }
}

fn describe(state: &State, action: Action) -> (String, String) {
    let ours = |who: usize| format!("P{}", state.contenders[who].name.0);
    let theirs = |who: usize| format!("A{}", state.ancestors[who].name.0);
    match action {
        Action::Step(who) => (ours(who), step(state.contenders[who].at).to_owned()),
        Action::End(who, Ending::Clean) => (ours(who), "begins to release".to_owned()),
        Action::End(who, Ending::Undone) => (ours(who), "begins to undo".to_owned()),
        Action::End(who, _) => (ours(who), "begins to end uncleanly".to_owned()),
        Action::Crash(who) => (ours(who), format!("KILLED before: {}", step(state.contenders[who].at))),
        Action::CrashWithJob(who) => (ours(who), "KILLED, its job has the locks".to_owned()),
        Action::JobEnds(who) => (ours(who), "its job or child ends".to_owned()),
        Action::ChildDrops(who) => (ours(who), "a forked child of it drops its copy".to_owned()),
        Action::DeleteGuard => ("user".to_owned(), "deletes the guard".to_owned()),
        Action::DeleteRecord => ("user".to_owned(), "deletes the record".to_owned()),
        Action::AncestorSteps(who) => (theirs(who), ancestors_step(state.ancestors[who].at).to_owned()),
        Action::AncestorCrashes(who) => {
            (theirs(who), format!("KILLED before: {}", ancestors_step(state.ancestors[who].at)))
        }
    }
}

/// A step by its number and name in `docs/protocol.md`.
fn step(at: At) -> &'static str {
    match at {
        At::Absent => "",
        At::Idle => "comes: 1, 2 open the guard",
        At::CreateGuard => "2 create the guard",
        At::LockGuard => "3 lock the guard",
        At::LookAtGuard => "3 look at the guard's name",
        At::OpenRecord => "4 open the record",
        At::TakeByte1 => "4 take byte 1",
        At::AskByte0 => "4 ask for byte 0",
        At::LookAtRecord => "4 look at the record's name",
        At::ReadRecord => "4 read the record",
        At::AskWhoHasItOpen => "4.5 ask who has it open",
        At::Sweep => "6 look for what was left over",
        At::SweepAct => "6 remove it, or give it its name back",
        At::SweepLook => "6 look at what came back for it",
        At::StoreToken => "5 take a token",
        At::CreateTemporary => "6 create a temporary",
        At::LockTemporary => "6 lock its byte 0 and write it",
        At::GiveName => "6 give it the record's name",
        At::LookAtWhatCameBack => "6 look at what came back",
        At::RemoveReplaced => "6 remove what came back",
        At::ExchangeBack => "6 exchange back",
        At::Discard => "6 discard the temporary",
        At::LockNamed => "6 lock byte 0 of what has its name",
        At::LookAtGuardAgain => "7 look at the guard's name",
        At::LookAtRecordAgain => "7 look at the record's name",
        At::Held => "holds",
        At::WriteReplacement => "take back: write what was found",
        At::LookAtOwn => "take back: look at the record's name",
        At::ExchangeReplacement => "take back: exchange it with our record",
        At::NameReplacement => "take back: give it the record's name",
        At::LookAtOwnBack => "take back: look at what came back",
        At::LookBeforeRemoval => "release: look at the record's name",
        At::RemoveOwn => "release: remove the record",
        At::UnlockRecord => "release: unlock byte 0",
        At::UnlockGuard => "release: unlock the guard",
        At::JobHolds | At::JobLingers | At::ChildLingers => "its job or child ends",
    }
}

fn ancestors_step(at: AncestorAt) -> &'static str {
    match at {
        AncestorAt::Absent => "",
        AncestorAt::Idle => "comes",
        AncestorAt::Create => "create the record",
        AncestorAt::Write => "write it",
        AncestorAt::Read => "read the record, ask for its pid",
        AncestorAt::Look => "look whether it still is that inode",
        AncestorAt::Unlink => "unlink the record, as stale",
        AncestorAt::Holds => "begins to release",
        AncestorAt::LookAtOwn => "release: look at the record's name",
        AncestorAt::UnlinkOwn => "release: unlink the record",
    }
}

/// What the two names mean, and who holds.
fn names(state: &State) -> String {
    let guard = state.guard.map_or("none".to_owned(), |inode| guard(state, inode));
    let record = state.record.map_or("none".to_owned(), |inode| record(state, inode));
    let holds = |who: &&Contender| who.holds();
    let ours = state.contenders.iter().filter(holds).map(holder);
    let theirs = state.ancestors.iter().filter(|who| who.at == AncestorAt::Holds);
    let theirs = theirs.map(|who| format!("A{} HOLDS", who.name.0));
    let holders: Vec<_> = ours.chain(theirs).collect();
    format!("guard {guard}; record {record}  {}", holders.join(", "))
}

fn holder(who: &Contender) -> String {
    let whose = match who.found {
        None => "fresh".to_owned(),
        Some(Whose::Baton(token)) => format!("recovered from token {token}"),
        Some(Whose::Ancestor) => "recovered from an ancestor's".to_owned(),
        Some(Whose::Unknown) => "recovered from nobody known".to_owned(),
    };
    let job = if who.at == At::JobHolds { "'s job" } else { "" };
    format!("P{}{job} HOLDS, token {}, {whose}", who.name.0, who.token)
}

fn guard(state: &State, inode: Inode) -> String {
    let File::Guard(token) = state.file(inode) else {
        return format!("#{}", state.labels[inode.0 as usize].0);
    };
    let owner = state.contenders.iter().find(|who| who.has_guard && who.guard == Some(inode));
    let label = state.labels[inode.0 as usize].0;
    format!(
        "#{label} token {token}{}",
        owner.map_or(String::new(), |who| format!(" locked by P{}", who.name.0))
    )
}

fn record(state: &State, inode: Inode) -> String {
    let says = match state.file(inode) {
        File::Free | File::Guard(_) => "nothing".to_owned(),
        File::Record(token) => format!("token {token}"),
        File::Released(token) => format!("token {token}, released"),
        File::Standing(token) => format!("token {token}, stands for one unknown"),
        File::Ancestor { is_alive } => format!("an ancestor's, {}", if is_alive { "living" } else { "dead" }),
        File::Empty { .. } => "empty".to_owned(),
    };
    let mut locks = String::new();
    for who in &state.contenders {
        let has_0 = (who.has_byte0 && who.born == Some(inode)) || who.put == Some(inode);
        let has_1 = who.has_byte1 && who.judged == Some(inode);
        for (byte, has) in [(0, has_0), (1, has_1)] {
            if has || who.swept == Some(inode) {
                write!(locks, ", byte {byte}: P{}", who.name.0).expect("a string takes everything");
            }
        }
    }
    format!("#{} {says}{locks}", state.labels[inode.0 as usize].0)
}
