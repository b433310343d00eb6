//! Puppets that stop or die at a chosen system call, by means of `strace`.
//!
//! Which call is the one is found out by a rehearsal: the same program is told the same, in a like place, while its calls are
//! written down. strace counts the calls of each name, and so does a [`Call`]; of those that name a file in a directory only those
//! in the lock's, or in that of its queue. Where all processes are looked through, how many other files are opened and closed depends on these, and whether
//! a lock is tried again: after that an `fcntl` (closing makes one in a debug build) or `flock` can't be chosen any more.
//!
//! SIGKILL comes before its call, which is then not made; SIGSTOP comes with it: the call is made, and the puppet stops
//! before it sees the answer. strace runs as the puppet's grandchild, so that the puppet stays the child of who started it, and
//! is waited for, continued and killed like any other.

use crate::command::ended;
use crate::places::temporary;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The calls by which the protocol changes or locks something, and `read`, by which orders come. What else it calls looks only:
/// one who dies there leaves what one who dies at the next change leaves.
const CALLS: &str = "trace=read,openat,mkdirat,fchmod,fcntl,flock,pwrite64,renameat2,unlinkat";

/// Those of them that name a file relative to a directory.
const NAMING: [&str; 4] = ["openat", "mkdirat", "renameat2", "unlinkat"];
/// Those whose number depends on what other processes do.
const UNSTEADY: [&str; 2] = ["fcntl", "flock"];

/// A system call of a rehearsed program.
#[derive(Debug, Clone)]
pub struct Call {
    name: String,
    /// Counted from 1, among all calls of that name that count.
    nth: usize,
    /// The whole line that `strace` has written, each descriptor with the path of its file.
    text: String,
}

/// Looks whether programs can be traced here.
///
/// # Errors
///
/// The reason why not.
pub fn is_possible() -> Result<(), String> {
    let output = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            Err(format!("nothing can be traced: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Err(format!("`strace` can't be started: {error}")),
    }
}

/// The command of a puppet whose calls are all written down in that file, and those of its children.
pub fn watched(puppet: &Command, notes: &Path) -> Command {
    let mut command = Command::new("strace");
    command.arg("-Dfo").arg(notes).arg(puppet.get_program()).args(puppet.get_args());
    command
}

/// Starts the program, gives it these orders one after the other, and lists the calls by which it then changes or locks
/// something; the lock is in that directory.
///
/// # Panics
///
/// When it can't be traced, or does not end well.
#[track_caller]
pub fn rehearse(puppet: &Command, directory: &Path, orders: &[&str]) -> Vec<Call> {
    let place = temporary();
    let notes = place.path().join("calls");
    let mut strace = Command::new("strace");
    strace.arg("-yo").arg(&notes).args(["-e", CALLS]).arg(puppet.get_program()).args(puppet.get_args());
    let mut child =
        strace.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("`strace` can be started");
    let mut input = child.stdin.take().expect("piped");
    for order in orders {
        writeln!(input, "{order}").expect("it listens");
    }
    drop(input);
    assert!(child.wait().expect("reaped").success(), "the rehearsal failed");
    calls(&fs::read_to_string(&notes).expect("readable"), directory)
}

/// Runs a command to its end, with an empty input, and lists all calls of these names that its first process makes from the first one on
/// that has to do with that directory.
///
/// # Panics
///
/// When it can't be traced, or does not end well.
#[track_caller]
pub fn rehearse_all(command: &Command, directory: &Path, names: &[&str]) -> Vec<Call> {
    let place = temporary();
    let notes = place.path().join("calls");
    let mut strace = Command::new("strace");
    strace.arg("-yo").arg(&notes).args(["-e", &format!("trace={}", names.join(","))]);
    let ended = ended(with_words_of(strace, command));
    assert_eq!(ended.code, Some(0), "the rehearsal failed: {}", ended.err);
    all_calls(&fs::read_to_string(&notes).expect("readable"), directory)
}

fn all_calls(notes: &str, directory: &Path) -> Vec<Call> {
    let directory = directory.display().to_string();
    let (mut counts, mut calls) = (BTreeMap::new(), Vec::new());
    for line in notes.lines() {
        let Some((name, _)) = line.split_once('(').filter(|_| !line.starts_with(['+', '-'])) else {
            continue;
        };
        let nth = counts.entry(name).or_insert(0);
        *nth += 1;
        // Before that it is being loaded.
        let is_reached = !calls.is_empty() || line.contains(&directory) && !line.starts_with("execve(");
        if is_reached {
            calls.push(Call { name: name.to_owned(), nth: *nth, text: line.to_owned() });
        }
    }
    calls
}

/// That program, started by this one, with its environment.
fn with_words_of(mut tracer: Command, command: &Command) -> Command {
    tracer.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tracer.env(name, value),
            None => tracer.env_remove(name),
        };
    }
    tracer
}

/// Where the files of the lock `a.lock` are.
fn places(directory: &Path) -> [PathBuf; 3] {
    [directory.to_owned(), directory.join("a.lock.queue"), directory.join("a.lock.readers")]
}

fn calls(notes: &str, directory: &Path) -> Vec<Call> {
    let opened = format!("\"{}\"", directory.display());
    let below = places(directory).map(|place| format!("<{}>, ", place.display()));
    let (mut counts, mut calls) = (BTreeMap::new(), Vec::new());
    let (mut is_told, mut is_steady) = (false, true);
    for line in notes.lines() {
        let Some((name, _)) = line.split_once('(') else { continue };
        if line.starts_with("read(0<") {
            // At the end of its input it releases what it holds, which nobody told it to.
            if line.ends_with(" = 0") {
                break;
            }
            is_told = true;
        }
        is_steady &= !line.contains("\"/proc\"");
        if NAMING.contains(&name)
            && !line.contains(&opened)
            && !below.iter().any(|below| line.contains(below))
        {
            continue;
        }
        let nth = counts.entry(name).or_insert(0);
        *nth += 1;
        let call = Call { name: name.to_owned(), nth: *nth, text: line.to_owned() };
        if is_told && call.changes_something() && (is_steady || !UNSTEADY.contains(&name)) {
            calls.push(call);
        }
    }
    calls
}

impl Call {
    fn changes_something(&self) -> bool {
        match &*self.name {
            "read" => false,
            "openat" => self.text.contains("O_CREAT"),
            "fcntl" => self.text.contains("F_OFD_SETLK"),
            _ => true,
        }
    }

    /// Does it give the file of this name to a temporary, replacing what has the name or not?
    pub fn gives_name(&self, name: &str) -> bool {
        self.name == "renameat2" && self.text.contains(&format!("\"{name}\", RENAME_"))
    }

    /// Does it move a file out of the directory of this name, to one whose name begins like this?
    pub fn moves(&self, from: &str, beginning: &str) -> bool {
        let is_from = self.text.contains(&format!("/{from}>, \"0"));
        self.name == "renameat2" && is_from && self.text.contains(&format!(">, \"{beginning}"))
    }

    /// Does it remove a file whose name begins like this?
    pub fn removes(&self, beginning: &str) -> bool {
        self.name == "unlinkat" && self.text.contains(&format!(">, \"{beginning}"))
    }

    /// Is it the system call of that name?
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The command of a puppet that dies before this call.
    pub fn killing(&self, puppet: &Command, directory: &Path) -> Command {
        self.signalling("KILL", puppet, directory)
    }

    /// A command that dies before this call, one of all that it makes.
    pub fn killing_command(&self, command: &Command) -> Command {
        let Self { name, nth, .. } = self;
        let mut strace = Command::new("strace");
        strace.args(["-D", "-o", "/dev/null", "-e", &format!("trace={name}")]);
        strace.args(["-e", &format!("inject={name}:signal=KILL:when={nth}")]);
        with_words_of(strace, command)
    }

    /// The command of a puppet that stops after this call.
    pub fn stopping(&self, puppet: &Command, directory: &Path) -> Command {
        self.signalling("STOP", puppet, directory)
    }

    fn signalling(&self, signal: &str, puppet: &Command, directory: &Path) -> Command {
        let Self { name, nth, .. } = self;
        let mut command = Command::new("strace");
        command.args(["-D", "-o", "/dev/null", "-e", &format!("trace={name}")]);
        command.args(["-e", &format!("inject={name}:signal={signal}:when={nth}")]);
        if NAMING.contains(&&**name) {
            for place in places(directory) {
                command.arg("-P").arg(place);
            }
        }
        command.arg(puppet.get_program()).args(puppet.get_args());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str = "read(3</lib/libc.so.6>, \"\\177ELF\", 832) = 832\n\
        openat(AT_FDCWD</>, \"libc.so.6\", O_RDONLY|O_CLOEXEC) = 3</lib/libc.so.6>\n\
        flock(3</x>, LOCK_EX) = 0\n\
        read(0<pipe:[1]>, \"try\\n\", 8192) = 4\n\
        openat(AT_FDCWD</>, \"/place\", O_RDONLY|O_PATH) = 3</place>\n\
        openat(3</place>, \".a.lock.0.tmp\", O_RDWR|O_CREAT|O_EXCL, 0600) = 5</place/.a.lock.0.tmp>\n\
        fcntl(5</place/.a.lock.0.tmp>, F_GETFD) = 0x1 (flags FD_CLOEXEC)\n\
        fcntl(5</place/.a.lock.0.tmp>, F_OFD_SETLK, {l_type=F_WRLCK}) = 0\n\
        openat(AT_FDCWD</>, \"/proc\", O_RDONLY|O_CLOEXEC|O_DIRECTORY) = 6</proc>\n\
        openat(6</proc>, \".\", O_RDONLY|O_CREAT) = 7</proc>\n\
        fcntl(5</place/.a.lock.0.tmp>, F_OFD_SETLK, {l_type=F_UNLCK}) = 0\n\
        renameat2(3</place>, \".a.lock.0.tmp\", 3</place>, \"a.lock\", RENAME_EXCHANGE) = 0\n\
        unlinkat(3</place>, \".a.lock.0.tmp\", 0) = 0\n\
        flock(4</place/a.lock.guard>, LOCK_UN) = 0\n\
        pwrite64(4</place/a.lock.guard>, \"baton\", 5, 0) = 5\n\
        read(0<pipe:[1]>, \"\", 8192) = 0\n\
        pwrite64(4</place/a.lock.guard>, \"baton\", 5, 0) = 5\n\
        +++ exited with 0 +++\n";

    #[test]
    fn changes_after_the_first_order_are_listed_with_their_numbers() {
        let found: Vec<(String, usize)> =
            calls(NOTES, Path::new("/place")).into_iter().map(|call| (call.name, call.nth)).collect();
        let expected = [("openat", 2), ("fcntl", 2), ("renameat2", 1), ("unlinkat", 1), ("pwrite64", 1)];
        assert_eq!(found, expected.map(|(name, nth)| (name.to_owned(), nth)));
    }

    #[test]
    fn all_calls_from_the_first_one_in_the_directory_on_are_listed_with_their_numbers() {
        let found: Vec<(String, usize)> =
            all_calls(NOTES, Path::new("/place")).into_iter().map(|call| (call.name, call.nth)).collect();
        assert_eq!(found.first(), Some(&("openat".to_owned(), 2)));
        assert_eq!(found.last(), Some(&("pwrite64".to_owned(), 2)));
        assert_eq!(found.len(), NOTES.lines().count() - 5);
    }

    #[test]
    fn names_that_are_given_and_taken_away_are_told_apart() {
        let calls = calls(NOTES, Path::new("/place"));
        let count = |is_meant: fn(&Call) -> bool| calls.iter().filter(|call| is_meant(call)).count();
        assert_eq!(count(|call| call.gives_name("a.lock")), 1);
        assert_eq!(count(|call| call.gives_name("a.lock.guard")), 0);
        assert_eq!(count(|call| call.removes(".a.lock.")), 1);
        assert_eq!(count(|call| call.removes("a.lock\"")), 0);
    }
}
