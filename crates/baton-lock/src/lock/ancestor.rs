//! Does the process that an ancestor's record names still live? Only for these records does a pid mean anything.
//!
//! Everything that can't be known counts as held. Dead is only what the kernel calls dead: no such process, a zombie, an
//! id that by now is a mere thread's; or a process that provably is another one than the record's writer: its exact
//! identity differs, or it started more than a second after the record says that the lock was acquired. A record from
//! another host or pid namespace is never judged by the local process table.
//!
//! Clocks can be set and start ticks differ between time namespaces, so [`super::judge`] believes "dead" only if
//! nobody has the file open either, which an ancestor's client keeps open for as long as it holds.

use std::time::Duration;

use crate::diagnosis::AncestorState;
use crate::identity::{self, Process};
use crate::processes;
use crate::record::Record;
use crate::sys::{self, Signalled};

/// What is known of a record's writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is gone, or its pid is another process's by now.
    Departed,
    /// It lives, or nobody here can tell.
    Held(AncestorState),
}

/// A process may seem to start that much later than the record says: start times are rounded, and computed from two
/// clocks. The ancestor's figure.
const START_TOLERANCE: Duration = Duration::from_secs(1);

/// Judges the writer of an ancestor's record by the process table.
pub(crate) fn judge(record: &Record) -> Life {
    if let Some(elsewhere) = elsewhere(record) {
        return Life::Held(elsewhere);
    }
    let Ok(pid) = i32::try_from(record.pid) else { return Life::Departed };
    if sys::probe_process(pid) == Signalled::NoSuchProcess
        || identity::is_process_not_thread(pid) == Some(false)
    {
        return Life::Departed;
    }
    let Some(process) = identity::process(pid) else { return Life::Held(AncestorState::Unverified) };
    if process.is_zombie() || is_another(record, &process) {
        return Life::Departed;
    }
    Life::Held(AncestorState::Alive)
}

/// Was the record written where this process table says nothing?
fn elsewhere(record: &Record) -> Option<AncestorState> {
    let differs = |written: &Option<String>, ours: Option<String>, other| match (written, ours) {
        (None, _) => None,
        (Some(_), None) => Some(AncestorState::Unverified),
        (Some(written), Some(ours)) => (*written != ours).then_some(other),
    };
    differs(&record.ancestor.host, identity::machine_id(), AncestorState::OtherHost).or_else(|| {
        differs(&record.ancestor.pid_namespace, identity::pid_namespace(), AncestorState::OtherPidNamespace)
    })
}

/// Is the process that has the pid today provably not the one that wrote the record?
fn is_another(record: &Record, process: &Process) -> bool {
    if let Some(written) = record.ancestor.process_start.as_deref().and_then(start_ticks) {
        return written != process.start;
    }
    let (Some(acquired), Some(started)) = (record.started(), processes::wall_time(process.start)) else {
        return false;
    };
    started.duration_since(acquired).is_ok_and(|later| later > START_TOLERANCE)
}

/// The start ticks in `linux:<boot id>:<start ticks>`. The boot is not compared: a living process with these very
/// ticks from the boot on is the writer as far as anybody can tell, and a container may show another boot id.
fn start_ticks(identity: &str) -> Option<u64> {
    let (_boot, ticks) = identity.strip_prefix("linux:")?.rsplit_once(':')?;
    ticks.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::clock;
    use crate::record::{self, Content};

    fn record(pid: u32, started: Option<SystemTime>, more: &str) -> Record {
        let started = started.map_or("null".to_owned(), |time| format!("\"{}\"", clock::format(time)));
        let text = format!("{{\"pid\": {pid}, \"startedAt\": {started}, \"command\": null{more}}}");
        match record::classify(text.as_bytes()) {
            Content::Ancestor(record) => record,
            other => panic!("{text} is {other:?}"),
        }
    }

    fn myself() -> u32 {
        std::process::id()
    }

    const ALIVE: Life = Life::Held(AncestorState::Alive);

    #[test]
    fn living_process_that_started_before_the_record_holds() {
        assert_eq!(judge(&record(myself(), Some(clock::now()), "")), ALIVE);
    }

    #[test]
    fn process_that_started_after_the_record_is_another_one() {
        let years_ago = clock::now() - Duration::from_hours(240_000);
        assert_eq!(judge(&record(myself(), Some(years_ago), "")), Life::Departed);
    }

    #[test]
    fn living_process_whose_start_cannot_be_compared_holds() {
        assert_eq!(judge(&record(myself(), None, "")), ALIVE);
    }

    #[test]
    fn exact_identity_needs_no_clock() {
        let ticks = identity::myself().process_start.expect("readable");
        let with = |ticks: u64| format!(", \"processStartIdentity\": \"linux:b:{ticks}\"");
        let long_ago = Some(SystemTime::UNIX_EPOCH);
        assert_eq!(judge(&record(myself(), long_ago, &with(ticks))), ALIVE);
        assert_eq!(judge(&record(myself(), Some(clock::now()), &with(ticks + 1))), Life::Departed);
    }

    #[test]
    fn record_from_elsewhere_is_not_judged_by_this_process_table() {
        let dead = 0x7fff_fff0;
        assert_eq!(judge(&record(dead, None, "")), Life::Departed);
        if identity::machine_id().is_some() {
            let other = record(dead, None, ", \"hostIdentity\": \"elsewhere\"");
            assert_eq!(judge(&other), Life::Held(AncestorState::OtherHost));
        }
        let other = record(dead, None, ", \"pidNamespaceIdentity\": \"pid:[1]\"");
        assert_eq!(judge(&other), Life::Held(AncestorState::OtherPidNamespace));
    }

    #[test]
    fn thread_that_has_the_pid_is_not_the_process() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let link = std::fs::read_link("/proc/thread-self").expect("readable");
            let id: u32 = link.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a thread id");
            sender.send(id).expect("heard");
            let _ = stopped.recv();
        });
        let id = receiver.recv().expect("a thread id");
        assert_eq!(judge(&record(id, None, "")), Life::Departed);
        drop(stop);
        thread.join().expect("ends");
    }
}
