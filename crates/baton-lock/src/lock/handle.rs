//! The lock as its user opens it: path, naming, and what contending for it depends on.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::acquire;
use super::breaking::{self, Broken, Ending};
use super::cancel::Cancel;
use super::directory::Directory;
use super::held::Held;
use super::judge::{Claim, Malformed, Rules};
use super::naming::{Names, Naming};
use super::observe::{self, Depth};
use super::prune::{self, Pruned, Pruning};
use super::survey;
use super::wait::{self, Attempt, Limit, OnBusy};
use crate::diagnosis::Observation;
use crate::error::Error;
use crate::processes::{self, Process};
use crate::record::Record;
use crate::sys::FileId;
use crate::{record, redact};

/// A lock, named by a path; not held, only known.
///
/// One value can be used by several threads and acquired any number of times; each acquisition is one of its own, so that
/// two threads of one process exclude each other like two processes.
///
/// # Examples
///
/// ```
/// use baton_lock::{Attempt, Lock, Outcome};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let lock = Lock::open(directory.path().join("deploy.lock"))?;
/// match lock.try_lock()? {
///     Attempt::Held(held) => {
///         assert_eq!(*held.outcome(), Outcome::Fresh);
///         // … the job, which may compare held.token() …
///         held.release()?;
///     }
///     Attempt::Busy(holder) => eprintln!("{}", holder.reason()),
/// }
/// # Ok(())
/// # }
/// ```
///
/// Clones are the same lock, and share what is open.
#[derive(Clone, Debug)]
pub struct Lock {
    setup: Arc<Setup>,
}

/// What all acquisitions of one [`Lock`] share.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The well-known path, absolute, links unresolved: the directory is opened anew if it is swapped.
    pub(crate) path: PathBuf,
    pub(crate) parent: PathBuf,
    pub(crate) well_known: OsString,
    pub(crate) naming: Naming,
    pub(crate) names: Names,
    pub(crate) malformed: Malformed,
    pub(crate) allowed: Vec<String>,
    pub(crate) command: Option<String>,
    pub(crate) purpose: Option<String>,
    pub(crate) ends_by_exec: bool,
    directory: Mutex<Option<Arc<Directory>>>,
}

impl Setup {
    /// Step 1: the directory, opened at its first use, and anew when the path leads elsewhere by then.
    pub(crate) fn directory(&self) -> Result<Arc<Directory>, Error> {
        let mut known = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = known.as_ref().filter(|directory| directory.is_still_named()) {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(Directory::open(&self.parent, &self.allowed)?);
        *known = Some(Arc::clone(&directory));
        Ok(directory)
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules { shared: self.naming == Naming::Flock, malformed: self.malformed, claim: Claim::Exclusive }
    }
}

/// How a [`Lock`] is opened.
///
/// # Examples
///
/// ```
/// use baton_lock::{Lock, Naming};
/// let lock = Lock::options().naming(Naming::Flock).purpose("nightly build").open("/srv/tree")?;
/// assert_eq!(lock.naming(), Naming::Flock);
/// # Ok::<(), baton_lock::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until `open`"]
pub struct Options {
    naming: Naming,
    malformed: Malformed,
    allowed: Vec<String>,
    command: Option<String>,
    purpose: Option<String>,
    ends_by_exec: bool,
}

impl Options {
    /// Which of the two files has the well-known name. Default: [`Naming::Record`].
    pub fn naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Why the lock is acquired, for the record; secrets are redacted, 1 KiB at most.
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.purpose = Some(record::limited(&purpose.into(), record::MAX_PURPOSE));
        self
    }

    /// The command that runs under the lock, for the record; secrets are redacted, 4 KiB at most. Default: the command line
    /// of this process.
    pub fn command(mut self, argv: &[String]) -> Self {
        self.command = Some(record::limited(&redact::command(argv), record::MAX_COMMAND));
        self
    }

    /// The same for who has only its description: secrets are redacted, nothing is quoted.
    pub fn command_text(mut self, text: impl Into<String>) -> Self {
        self.command = Some(record::limited(&text.into(), record::MAX_COMMAND));
        self
    }

    /// Accepts a filesystem that is not known to be local, by its name in [`Error::Filesystem`]. Locks there may not
    /// exclude contenders on other hosts.
    pub fn allow_filesystem(mut self, kind: impl Into<String>) -> Self {
        self.allowed.push(kind.into());
        self
    }

    /// What a file that is no lock file means at the record's name. Default: [`Malformed::Refused`].
    pub fn malformed(mut self, malformed: Malformed) -> Self {
        self.malformed = malformed;
        self
    }

    /// The holder is about to be replaced by another program, which can't end the hold cleanly; the record says so.
    pub fn ends_by_exec(mut self, ends_by_exec: bool) -> Self {
        self.ends_by_exec = ends_by_exec;
        self
    }

    /// The record of this process as it would hold a lock that was opened with these options, within a record's limits; for stores that
    /// are no directory.
    pub fn record(&self, token: Option<u64>) -> Record {
        acquire::record_by(self.command.clone(), self.purpose.clone(), self.ends_by_exec, token)
    }

    /// What was asked for that only files can do, as it is spelled on a command line.
    pub fn only_for_files(&self) -> Option<&'static str> {
        match self.naming {
            Naming::Flock => Some("--flock"),
            Naming::Record => (!self.allowed.is_empty()).then_some("--allow-fs"),
        }
    }

    /// All locks that have files in a directory, in the order of their names; each is opened with these options and its own naming.
    ///
    /// # Errors
    ///
    /// If the directory can't be read, is unsafe, or is on a filesystem that is not known to be local.
    pub fn all_in(self, directory: impl AsRef<Path>) -> Result<Vec<Lock>, Error> {
        let opened = Directory::open(directory.as_ref(), &self.allowed)?;
        let named = survey::names(&opened)?.into_iter();
        named.map(|(name, naming)| self.clone().naming(naming).open(directory.as_ref().join(name))).collect()
    }

    /// Names the lock. Nothing is opened or created until it is acquired or observed.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] if the path has no last component, as `/` or `a/..`; [`Error::Io`] if it is relative and the
    /// working directory is gone.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Lock, Error> {
        let path = path.as_ref();
        let invalid = |reason| Error::InvalidName { name: path.to_string_lossy().into_owned(), reason };
        if path.as_os_str().is_empty() {
            return Err(invalid("it is empty"));
        }
        let absolute = std::path::absolute(path).map_err(|source| Error::Io {
            path: path.to_owned(),
            action: "find out the working directory for",
            source,
        })?;
        let mut parts = absolute.components();
        let Some(Component::Normal(well_known)) = parts.next_back() else {
            return Err(invalid("the path does not end in a name"));
        };
        let (well_known, parent) = (well_known.to_owned(), parts.as_path().to_owned());
        let names = Names::new(self.naming, &well_known);
        let setup = Setup {
            path: parent.join(&well_known),
            parent,
            well_known,
            naming: self.naming,
            names,
            malformed: self.malformed,
            allowed: self.allowed,
            command: self.command,
            purpose: self.purpose,
            ends_by_exec: self.ends_by_exec,
            directory: Mutex::new(None),
        };
        Ok(Lock { setup: Arc::new(setup) })
    }
}

/// Which lock it is: see [`Lock::identity`]. The order has no meaning but that it is the same for everybody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    directory: (u64, u64),
    name: OsString,
}

impl Identity {
    /// That of a lock in a store that is no directory, all of whose locks it tells apart by name.
    pub fn in_store(name: impl Into<OsString>) -> Self {
        Self { directory: (0, 0), name: name.into() }
    }
}

/// What is called once can be called by who may call it again.
pub(super) fn once(
    on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
) -> impl FnMut(&Observation) -> ControlFlow<()> {
    let mut on_busy = Some(on_busy);
    move |seen| on_busy.take().map_or(ControlFlow::Continue(()), |on_busy| on_busy(seen))
}

pub(super) fn limit(deadline: Option<Instant>) -> Limit {
    deadline.map_or(Limit::Never, Limit::At)
}

impl Lock {
    pub(crate) fn setup(&self) -> &Arc<Setup> {
        &self.setup
    }

    fn acquire(
        &self,
        limit: Limit,
        cancel: Option<&Cancel>,
        on_busy: Option<OnBusy<'_>>,
    ) -> Result<Attempt, Error> {
        let attempt = wait::acquire(&self.setup, Claim::Exclusive, limit, cancel, on_busy)?;
        Ok(attempt.map(|hold| Held { hold }))
    }

    /// Names a lock with the default options. Nothing is opened or created until it is acquired or observed.
    ///
    /// # Errors
    ///
    /// As [`Options::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::options().open(path)
    }

    /// Options to open a lock with.
    pub fn options() -> Options {
        Options::default()
    }

    /// The well-known path, absolute, links unresolved.
    pub fn path(&self) -> &Path {
        &self.setup.path
    }

    /// Which of the two files has that path.
    pub fn naming(&self) -> Naming {
        self.setup.naming
    }

    /// Tries to acquire the lock, without waiting for a holder.
    ///
    /// Where somebody is just acquiring it, looks again for up to 10 ms, to say who it is; for up to 100 ms where the guard was
    /// deleted and somebody was stopped while judging the record. Who waits comes first: where the lock is free and somebody waits
    /// for it, that one has a second to come, and is passed if it is stopped. In flock naming `processes` of a busy answer are empty;
    /// [`observe`](Self::observe) looks for them.
    ///
    /// # Errors
    ///
    /// Whatever makes it impossible to tell who holds it, or to hold it; see [`Error`]. Nothing stays changed then, but for a
    /// guard that may have been created.
    pub fn try_lock(&self) -> Result<Attempt, Error> {
        self.acquire(Limit::Now, None, None)
    }

    /// Acquires the lock, waiting for as long as it takes.
    ///
    /// # Order
    ///
    /// Waiters get the lock in the order in which they came, whichever of these functions they called. One that is killed is
    /// skipped; one that is stopped is passed when the lock has been free for a second, and gets it after it was continued. Clients
    /// of `flock`, which don't know of the queue, come in between.
    ///
    /// # Waking
    ///
    /// The thread sleeps until the kernel wakes it; nothing is looked at in the meantime, no signal handler is installed and no
    /// thread is started. Where a wait has a deadline or can be given up, a child process sleeps in the kernel in its place: it
    /// shares memory and descriptors, so that it costs about as much as a thread, sends no SIGCHLD, and ends with the wait.
    /// `docs/protocol.md` names the three cases in which the kernel tells nobody, and the lock is looked at once a second.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock(&self) -> Result<Held, Error> {
        loop {
            match self.acquire(Limit::Never, None, None)? {
                Attempt::Held(held) => return Ok(held),
                // Only a caller that breaks off gets this answer without a limit.
                Attempt::Busy(_) => {}
            }
        }
    }

    /// Acquires the lock, waiting until `deadline` at the latest; otherwise as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_until(&self, deadline: Instant) -> Result<Attempt, Error> {
        self.acquire(Limit::At(deadline), None, None)
    }

    /// Acquires the lock, waiting until `deadline` if there is one. `on_busy` is called once, when the lock is first found
    /// busy and a place in the queue was taken, which is told; if it breaks, that is the answer.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_with(
        &self,
        deadline: Option<Instant>,
        on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
    ) -> Result<Attempt, Error> {
        self.acquire(limit(deadline), None, Some(&mut once(on_busy)))
    }

    /// Acquires the lock, waiting until `deadline` if there is one, or until it is given up from outside: then the answer is
    /// busy, and [`Cancel::is_cancelled`] says why. Otherwise as [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_cancellable(&self, deadline: Option<Instant>, cancel: &Cancel) -> Result<Attempt, Error> {
        self.acquire(limit(deadline), Some(cancel), None)
    }

    /// As [`lock_cancellable`](Self::lock_cancellable), with `on_busy` as of [`lock_with`](Self::lock_with).
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn lock_cancellable_with(
        &self,
        deadline: Option<Instant>,
        cancel: &Cancel,
        on_busy: impl FnOnce(&Observation) -> ControlFlow<()>,
    ) -> Result<Attempt, Error> {
        self.acquire(limit(deadline), Some(cancel), Some(&mut once(on_busy)))
    }

    /// Which lock it is, whichever way its path is spelled: for taking several in one order.
    ///
    /// Whoever takes several locks in the order of their identities never waits for somebody who waits for him. The identity is
    /// good for as long as this value lives and the directory is not replaced; in flock naming two names (hard links) of one guard
    /// have two.
    ///
    /// # Errors
    ///
    /// If the directory can't be opened or is not fit for a lock.
    pub fn identity(&self) -> Result<Identity, Error> {
        let FileId { device, inode } = self.setup.directory()?.id();
        Ok(Identity { directory: (device, inode), name: self.setup.well_known.clone() })
    }

    /// Waits until the lock could be had, or can't be a lock at all, the deadline has passed, or it is given up from outside;
    /// says what it is then. Takes neither the lock nor a place in the queue. Another one may take it the next moment.
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    pub fn wait_until_free(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Observation, Error> {
        wait::until_free(&self.setup, deadline, cancel)
    }

    /// Looks again at a lock that was found busy, disturbing nobody, to say whose it is: the process that `seen` names by its record is
    /// asked whether it has the lock still, and only if not, every process that can be seen is. So `processes` names that one alone
    /// where it has it, and others that have it along are not looked for; nor is the queue.
    ///
    /// [`observe`](Self::observe) always reads the whole process table, which takes milliseconds where there are many processes.
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    pub fn observe_holder(&self, seen: &Observation) -> Result<Observation, Error> {
        let depth = match &seen.record {
            None => Depth::Processes,
            // That of all who share it names none of them; its first one need not be there any more.
            Some(record) if record.is_shared() => return self.observe(),
            Some(record) => Depth::Holder(record.pid),
        };
        observe::observe(&self.setup, depth)
    }

    /// Says what state the lock is in, disturbing nobody: nothing is created, written or locked.
    ///
    /// # Errors
    ///
    /// If the directory can't be looked at, is on a filesystem without trustworthy locks, or the path is in use in the other
    /// naming. A missing directory is no error: a lock in it is free.
    pub fn observe(&self) -> Result<Observation, Error> {
        observe::observe(&self.setup, Depth::Processes)
    }

    /// Says what state the lock is in, without a look at the processes: cheap enough to be repeated. The observation's
    /// `processes` are empty, and a lock that only a process of another pid namespace betrays may seem free.
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe).
    pub fn glance(&self) -> Result<Observation, Error> {
        observe::observe(&self.setup, Depth::Files)
    }

    /// Removes the files of this lock if it is free and was not used for that long: the guard, or in flock naming the record. Its
    /// tokens go on above the last one all the same, and left-over records stay.
    ///
    /// # Errors
    ///
    /// As [`try_lock`](Self::try_lock).
    pub fn prune(&self, unused: Duration, pruning: Pruning) -> Result<Pruned, Error> {
        prune::prune(&self.setup, unused, pruning)
    }

    /// Ends the holder that has this token, and nobody else: every process that has the holder's own locks, each known by a
    /// descriptor of it before it is signalled, never by its pid alone. First by the signal that `ending` names, and where that
    /// is not enough, after its time, by SIGKILL. `before` is told whom, before the first signal.
    ///
    /// The record stays: the next holder is told *recovered*, unless this one ended cleanly.
    ///
    /// # Errors
    ///
    /// As [`observe`](Self::observe), and whatever makes it impossible to tell whether the lock is free afterwards.
    pub fn break_holder(
        &self,
        token: u64,
        ending: Ending,
        before: impl FnOnce(&[Process]),
    ) -> Result<Broken, Error> {
        breaking::break_holder(&self.setup, token, ending, before)
    }

    /// The pid of this process or of the nearest process above it that holds this lock: waiting for it would never end.
    pub fn held_by_own_ancestor(&self) -> Option<u32> {
        let (files, by) = observe::holders_files(&self.setup);
        processes::own_ancestry().into_iter().find(|&pid| processes::holds(pid, &files, by))
    }
}
