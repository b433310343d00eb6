//! Who this process is, in terms that another process can check: id, start, boot, pid namespace, host and user.
//!
//! A pid alone names nobody for long: it is reused, and it means something else in another pid namespace or after a
//! reboot. For Baton's own records none of this decides anything, because the kernel's lock on the record does; it is
//! there for people, for `status`, and for the ancestor's records, where a pid is all there is.
//!
//! Start times are clock ticks since the boot, as `/proc/PID/stat` gives them (field 22). They differ between time
//! namespaces, and the boot id can be overmounted: both are compared only where nothing better exists.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::{record, sys};

/// Clock ticks per second of `/proc/PID/stat`: fixed at 100 for user space on every architecture Linux has.
pub(crate) const TICKS_PER_SECOND: u64 = 100;

/// More than any of the small files under `/proc` and `/etc` that are read here.
const SMALL_FILE: usize = 4096;

/// `/etc/passwd` is read up to here to find a user's name.
const PASSWD_LIMIT: usize = 1 << 20;

/// This process, as its record says it.
#[derive(Debug)]
pub(crate) struct Myself {
    pub(crate) pid: u32,
    /// Clock ticks from the boot to the start of the process.
    pub(crate) process_start: Option<u64>,
    pub(crate) boot_id: Option<String>,
    pub(crate) pid_namespace: Option<String>,
    pub(crate) host: String,
    pub(crate) user: String,
    command: OnceLock<Option<String>>,
}

impl Myself {
    /// Its command line as it was when that was first asked, secrets redacted, as long as a record has it.
    pub(crate) fn command(&self) -> Option<&str> {
        let look_up =
            || Some(record::limited(&command_line(i32::try_from(self.pid).ok()?)?, record::MAX_COMMAND));
        self.command.get_or_init(look_up).as_deref()
    }
}

/// Says who this process is: looked up once, and again in a forked child.
pub(crate) fn myself() -> Arc<Myself> {
    static KNOWN: Mutex<Option<Arc<Myself>>> = Mutex::new(None);
    let pid = sys::process_id();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Some(myself) if myself.pid == pid => Arc::clone(myself),
        _ => Arc::clone(known.insert(Arc::new(look_up(pid)))),
    }
}

fn look_up(pid: u32) -> Myself {
    Myself {
        pid,
        process_start: read_process(Path::new("/proc/self/stat")).map(|process| process.start),
        boot_id: boot_id(),
        pid_namespace: pid_namespace(),
        host: sys::host_name(),
        user: user_name(sys::effective_user()),
        command: OnceLock::new(),
    }
}

/// This boot of this kernel, where it is to be had.
pub(crate) fn boot_id() -> Option<String> {
    small_file(Path::new("/proc/sys/kernel/random/boot_id"))
}

/// This machine, as `/etc/machine-id` says it.
pub(crate) fn machine_id() -> Option<String> {
    small_file(Path::new("/etc/machine-id"))
}

/// The pid namespace of this process, such as `pid:[4026531836]`.
pub(crate) fn pid_namespace() -> Option<String> {
    sys::link_target(Path::new("/proc/self/ns/pid")).ok()?.into_string().ok()
}

fn small_file(path: &Path) -> Option<String> {
    let text = String::from_utf8(one_line(path)?).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The name of a user from `/etc/passwd`, else `uid N`: a record is for people, and asking a name service could take
/// seconds while the lock is being acquired.
pub(crate) fn user_name(id: u32) -> String {
    let has_it = |text: &[u8]| {
        let whole = text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
        name_in(&text[..whole], id).is_some()
    };
    let bytes = sys::read_path_until(Path::new("/etc/passwd"), PASSWD_LIMIT, has_it).unwrap_or_default();
    name_in(&bytes, id).unwrap_or_else(|| format!("uid {id}"))
}

/// The first user of that number in lines of `/etc/passwd`.
fn name_in(lines: &[u8], id: u32) -> Option<String> {
    String::from_utf8_lossy(lines).lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

/// A process as `/proc/PID/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) state: u8,
    pub(crate) parent: i32,
    pub(crate) threads: u64,
    /// Clock ticks from the boot to its start.
    pub(crate) start: u64,
}

impl Process {
    /// Has it ended, so that only its entry in the table is left? A process whose first thread has ended shows `Z`
    /// too while its other threads run on, hence the look at their number.
    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }
}

/// Looks at a process of this pid namespace; `None` if it is not to be seen.
pub(crate) fn process(pid: i32) -> Option<Process> {
    read_process(&proc_path(pid, "stat"))
}

/// `/proc/PID/LEAF`.
pub(crate) fn proc_path(pid: i32, leaf: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{leaf}"))
}

fn read_process(path: &Path) -> Option<Process> {
    parse_stat(&one_line(path)?)
}

/// Reads a file that ends with its first line, without asking whether there is more.
fn one_line(path: &Path) -> Option<Vec<u8>> {
    sys::read_path_until(path, SMALL_FILE, |text| text.ends_with(b"\n")).ok()
}

/// Reads `/proc/PID/stat`. The second field, the program's name, may hold blanks and parentheses: fields are counted
/// from behind the last closing one.
fn parse_stat(bytes: &[u8]) -> Option<Process> {
    let end_of_name = bytes.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&bytes[end_of_name + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 of the manual's numbering.
    Some(Process {
        state: *fields.first()?.as_bytes().first()?,
        parent: fields.get(1)?.parse().ok()?,
        threads: fields.get(17)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}

/// Is `id` the id of a whole process? Signal 0 and `/proc/ID` answer for a single thread too, but a record names a
/// process. `None` if it can't be told.
pub(crate) fn is_process_not_thread(id: i32) -> Option<bool> {
    let bytes = sys::read_path(&proc_path(id, "status"), SMALL_FILE).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let group = text.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
    Some(group.trim().parse::<i32>().ok()? == id)
}

/// The user who has started a process, whatever rights that has been given since; `None` if it can't be told. The owner of
/// `/proc/PID` is not asked: that is root where a process may not be looked into.
pub(crate) fn real_user(id: u32) -> Option<u32> {
    let bytes = sys::read_path(&PathBuf::from(format!("/proc/{id}/status")), SMALL_FILE).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let users = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_ascii_whitespace().next()?.parse().ok()
}

/// The command line of a process, its arguments joined by blanks; empty for kernel threads and zombies.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let bytes = sys::read_path(&proc_path(pid, "cmdline"), SMALL_FILE).ok()?;
    let arguments: Vec<String> = bytes
        .split(|&byte| byte == 0)
        .filter(|argument| !argument.is_empty())
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    (!arguments.is_empty()).then(|| crate::redact::command(&arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = b"41 (a) b (c) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 3 0 8812 0 0";
        assert_eq!(parse_stat(line), Some(Process { state: b'S', parent: 7, threads: 3, start: 8812 }));
    }

    #[test]
    fn truncated_stat_is_no_process() {
        assert_eq!(parse_stat(b"41 (sh) S 7 1"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn process_whose_first_thread_ended_is_not_a_zombie() {
        let process = Process { state: b'Z', parent: 1, threads: 2, start: 1 };
        assert!(!process.is_zombie());
        assert!(Process { threads: 1, ..process }.is_zombie());
    }

    #[test]
    fn this_process_is_known_to_itself() {
        let myself = myself();
        assert_eq!(myself.pid, std::process::id());
        let pid = i32::try_from(myself.pid).expect("a pid fits");
        assert_eq!(process(pid).map(|process| process.start), myself.process_start);
        assert_eq!(is_process_not_thread(pid), Some(true));
        assert!(command_line(pid).is_some());
        assert_eq!(
            real_user(myself.pid),
            Some(sys::stat_path(Path::new("/proc/self")).expect("there").owner)
        );
    }

    #[test]
    fn unknown_user_is_shown_by_number() {
        assert_eq!(user_name(4_000_000_001), "uid 4000000001");
        assert_eq!(user_name(0), "root");
    }
}
