//! What is explored: who comes, what they find, what may go wrong.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::kernel::{Kernel, Pid};
use crate::shipped::{Attempt, Held, Lock, Naming, Options, Outcome};
use crate::sim::{self, Process};
use crate::story::{End, JOB, Told};
use crate::twin::linux::Access;

const DIRECTORY: &str = "/locks";
const NAME: &str = "l";

/// The first contender's process id.
pub(crate) const FIRST: Pid = 1;
/// Who prepares and who comes at the end.
const BEFORE: Pid = 40;
const AFTER: Pid = 41;

pub(crate) const EXT4: u64 = 0xef53;

/// One error that stands for all, and the one that is no error.
pub const SIMPLY: &[Errno] = &[Errno::IO, Errno::INTR];
/// Everything that is injected.
pub const ANYHOW: &[Errno] = &[Errno::IO, Errno::INTR, Errno::MFILE, Errno::NOSPC, Errno::NOLCK];

/// What there is before anybody comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// An empty directory.
    Nothing,
    /// A guard: somebody has held, and ended cleanly.
    CleanEnd,
    /// A holder was killed.
    DeadHolder,
    /// The same, and one who took over was killed with its record unfinished, which a child of it has open still.
    Unfinished,
    /// The first contender holds.
    Held,
}

/// What a user may delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The guard.
    Guard,
    /// The record.
    Record,
    /// The first ticket of the queue.
    Ticket,
}

/// What somebody does who finds the lock busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It gives up.
    Not,
    /// It waits in the kernel's queue for the guard, without a ticket.
    Outside,
    /// The same with a ticket; only one can, since nobody can let another one come first here.
    InQueue,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Which of the files has the well-known name.
    pub is_flock: bool,
    /// What there is before.
    pub before: Before,
    /// How many contend.
    pub contenders: u32,
    /// How often each of them asks.
    pub rounds: u8,
    /// What each does that finds it busy.
    pub waits: Waits,
    /// How a hold may end.
    pub ends: &'static [End],
    /// Whether a holder may start a job, which inherits its locks.
    pub jobs: bool,
    /// How many are killed at most.
    pub crashes: u8,
    /// How many calls fail at most.
    pub faults: u8,
    /// As what they fail.
    pub errors: &'static [Errno],
    /// How many files a user deletes at most.
    pub deletions: u8,
    /// Which.
    pub deletes: &'static [Deleted],
    /// How often one that could go on is put off for another at most, if that is limited.
    pub switches: Option<u8>,
    /// How often half a minute may pass.
    pub times: u8,
}

impl Scenario {
    /// Two contenders, each asking once, with nothing going wrong.
    pub const PLAIN: Self = Self {
        name: "plain",
        is_flock: false,
        before: Before::Nothing,
        contenders: 2,
        rounds: 1,
        waits: Waits::Not,
        ends: &[End::Release],
        jobs: false,
        crashes: 0,
        faults: 0,
        errors: SIMPLY,
        deletions: 0,
        deletes: &[Deleted::Guard, Deleted::Record],
        switches: None,
        times: 0,
    };

    fn options(&self) -> Options {
        let naming = if self.is_flock { Naming::Flock } else { Naming::Record };
        Lock::options().naming(naming).command_text("job")
    }

    fn path() -> PathBuf {
        Path::new(DIRECTORY).join(NAME)
    }

    fn ticket() -> PathBuf {
        Path::new(DIRECTORY).join(Self::queue()).join("0000000000000001")
    }

    fn queue() -> String {
        format!("{NAME}.queue")
    }

    fn guard(&self) -> PathBuf {
        let name = if self.is_flock { NAME.to_owned() } else { format!("{NAME}.guard") };
        Path::new(DIRECTORY).join(name)
    }

    pub(crate) fn record(&self) -> PathBuf {
        let name = if self.is_flock { format!("{NAME}.holder") } else { NAME.to_owned() };
        Path::new(DIRECTORY).join(name)
    }

    pub(crate) fn deletable(&self) -> Vec<Deleted> {
        let path = |deleted| match deleted {
            Deleted::Guard => self.guard(),
            Deleted::Record => self.record(),
            Deleted::Ticket => Self::ticket(),
        };
        let exists = |path: &Path| sim::with(|world| world.kernel.resolve(path).is_some());
        self.deletes.iter().copied().filter(|deleted| exists(&path(*deleted))).collect()
    }

    pub(crate) fn delete(&self, deleted: Deleted) {
        let path = match deleted {
            Deleted::Guard => self.guard(),
            Deleted::Record => self.record(),
            Deleted::Ticket => Self::ticket(),
        };
        sim::with(|world| {
            world.tell(format!("      a user deletes {}", path.display()));
            world.kernel.delete(&path);
            world.story.was_meddled_with(deleted);
            world.has_happened();
        });
    }

    /// Prepares the world, and the contenders in it.
    pub(crate) fn begin(&self, mutant: Option<usize>, is_traced: bool) -> Vec<(Pid, Process)> {
        let mut kernel = Kernel::new(EXT4);
        kernel.prepare_directory(Path::new(DIRECTORY), 0o755);
        if self.waits != Waits::InQueue {
            kernel.forbidden = Some(Self::queue().into());
        }
        sim::start(kernel, mutant, is_traced);
        sim::with(|world| world.story.is_flock = self.is_flock);
        self.prepare();
        let mut held = (self.before == Before::Held).then(|| self.held_by_the_first());
        let contenders = (FIRST..=self.contenders).map(|pid| {
            let (scenario, options) = (self.clone(), self.options());
            if let Some(held) = held.take() {
                return (pid, Process::new(pid, move || scenario.go_on(pid, held)));
            }
            sim::with(|world| world.kernel.start(pid));
            (pid, Process::new(pid, move || scenario.contend(pid, &options)))
        });
        contenders.collect()
    }

    fn prepare(&self) {
        match self.before {
            Before::Nothing | Before::Held => {}
            Before::CleanEnd => alone(BEFORE, || self.hold_once(BEFORE)),
            Before::DeadHolder | Before::Unfinished => alone(BEFORE, || {
                if let Some(held) = self.ask(BEFORE, &self.options().open(Self::path()).expect("a path")) {
                    std::mem::forget(held);
                }
                sim::with(|world| world.story.died(BEFORE, true, None));
            }),
        }
        if self.before == Before::Unfinished {
            Self::leave_unfinished();
        }
    }

    fn held_by_the_first(&self) -> Held {
        let mut held = None;
        undisturbed(FIRST, || held = self.ask(FIRST, &self.options().open(Self::path()).expect("a path")));
        held.expect("nobody else is there")
    }

    fn leave_unfinished() {
        const CHILD: Pid = 42;
        let name = format!(".{NAME}.0123456789abcdef.tmp");
        sim::with(|world| {
            world.kernel.start(CHILD);
            let directory = world.kernel.open_path(CHILD, Path::new(DIRECTORY), true).expect("it is there");
            let made = world.kernel.open_at(CHILD, directory, name.as_ref(), Access::CreateUnfinished);
            made.expect("it is made");
        });
    }

    fn hold_once(&self, pid: Pid) {
        let lock = self.options().open(Self::path()).expect("a path");
        if let Some(held) = self.ask(pid, &lock) {
            Self::end(pid, held, End::Release);
        }
    }

    fn contend(&self, pid: Pid, options: &Options) {
        let lock = options.clone().open(Self::path()).expect("a path");
        for _ in 0..self.rounds {
            if let Some(held) = self.ask(pid, &lock) {
                self.work(pid, held);
            }
        }
        drop(lock);
        Self::leave(pid);
    }

    /// The rest, for one who holds already.
    fn go_on(&self, pid: Pid, held: Held) {
        self.work(pid, held);
        Self::leave(pid);
    }

    fn leave(pid: Pid) {
        sim::with(|world| {
            let descriptors = world.kernel.descriptors(pid);
            world.story.leaves(pid, descriptors);
        });
    }

    /// Asks for the lock, and tells the story.
    fn ask(&self, pid: Pid, lock: &Lock) -> Option<Held> {
        sim::with(|world| {
            world.kernel.next_round(pid);
            world.story.asks(pid);
        });
        let attempt = match self.waits {
            Waits::Not => lock.try_lock(),
            Waits::Outside | Waits::InQueue => lock.lock().map(Attempt::Held),
        };
        match attempt {
            Ok(Attempt::Held(held)) => {
                let told = match held.outcome() {
                    Outcome::Fresh => Told::Fresh,
                    Outcome::Recovered(record) => {
                        Told::Recovered(record.as_ref().and_then(|record| record.token()))
                    }
                };
                sim::with(|world| {
                    world.tell(format!("P{pid}  HOLDS ({told:?}, token {})", held.token()));
                    world.story.holds(pid, told, held.token());
                    if self.deletions > 0 {
                        // A deleted guard and a clock that stands still are two faults, of which nothing is promised.
                        world.kernel.now += std::time::Duration::from_millis(1);
                    }
                });
                Some(held)
            }
            Ok(Attempt::Busy(_)) => {
                sim::with(|world| {
                    world.tell(format!("P{pid}  finds it busy"));
                    world.story.found_busy(pid);
                });
                None
            }
            Err(error) => {
                sim::with(|world| {
                    let error = error.in_one_line();
                    world.tell(format!("P{pid}  fails: {error}"));
                    world.story.failed(pid, &error);
                });
                None
            }
        }
    }

    fn work(&self, pid: Pid, held: Held) {
        let has_none = sim::with(|world| !world.kernel.is_alive(pid + JOB));
        if self.jobs && has_none && sim::choose(2) == 1 {
            sim::with(|world| {
                world.tell(format!("P{pid}  starts J{}", pid + JOB));
                world.kernel.fork(pid, pid + JOB);
            });
        }
        let ends = u8::try_from(self.ends.len()).unwrap_or(u8::MAX);
        let end = self.ends[usize::from(sim::choose(ends))];
        Self::end(pid, held, end);
    }

    fn end(pid: Pid, held: Held, end: End) {
        sim::with(|world| {
            world.tell(format!("P{pid}  ENDS ({end:?})"));
            world.story.begins_to_end(pid, end);
        });
        let ended = match end {
            End::Release => held.release(),
            End::Abandon => {
                held.abandon();
                Ok(())
            }
            End::Undo => {
                held.undo();
                Ok(())
            }
        };
        let error = ended.err().map(|error| error.in_one_line());
        sim::with(|world| world.story.has_ended(pid, error.as_deref()));
    }

    /// What has to hold in each state.
    pub(crate) fn check(&self) {
        let record = self.record();
        sim::with(|world| {
            let record = world.kernel.resolve(&record);
            world.story.check_born_locked(&world.kernel, record);
        });
    }

    fn is_disturbed(&self) -> bool {
        self.crashes + self.faults + self.deletions > 0
    }

    /// What has to hold in the end: one who comes gets the lock, and nothing is left lying about.
    pub(crate) fn conclude(&self) {
        let mut is_held = false;
        alone(AFTER, || {
            let lock = self.options().open(Self::path()).expect("a path");
            let scenario = Self { waits: Waits::Not, ..self.clone() };
            if let Some(held) = scenario.ask(AFTER, &lock) {
                is_held = true;
                Self::end(AFTER, held, End::Release);
            }
        });
        sim::with(|world| {
            if !is_held {
                world.story.note("I5 nobody is stuck: a newcomer does not get the lock".to_owned());
            }
            let is_swept = world.story.is_told_recovered || !self.is_disturbed();
            let there = world.kernel.names(Path::new(DIRECTORY));
            if is_swept
                && there
                    .iter()
                    .any(|name| name.as_encoded_bytes().ends_with(b".tmp") || **name == *Self::queue())
            {
                world.story.note(format!("something is left lying about: {there:?}"));
            }
        });
    }
}

/// Runs a process that nobody else is there with.
pub(crate) fn alone(pid: Pid, run: impl FnOnce()) {
    undisturbed(pid, run);
    sim::with(|world| world.kernel.end(pid));
}

/// Starts a process, which nobody disturbs so far.
fn undisturbed(pid: Pid, run: impl FnOnce()) {
    sim::with(|world| {
        world.kernel.start(pid);
        world.is_alone = true;
        world.switch_to(Some(pid));
    });
    run();
    sim::with(|world| {
        world.switch_to(None);
        world.is_alone = false;
    });
}

/// Asks for a lock on a filesystem of that magic number, which may be opted into by its name: what comes of it, and which names are there then.
pub fn asked_on(magic: u64, allowed: Option<&str>) -> (String, Vec<String>) {
    let mut kernel = Kernel::new(magic);
    kernel.prepare_directory(Path::new(DIRECTORY), 0o755);
    sim::start(kernel, None, false);
    let mut answer = (String::new(), Vec::new());
    alone(FIRST, || {
        let options = Lock::options().command_text("job");
        let options = allowed.iter().fold(options, |options, kind| options.allow_filesystem(*kind));
        let attempt = options.open(Path::new(DIRECTORY).join(NAME)).and_then(|lock| lock.try_lock());
        let names = sim::with(|world| world.kernel.names(Path::new(DIRECTORY)));
        answer.1 = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        answer.0 = match attempt {
            Ok(Attempt::Held(_)) => "held".to_owned(),
            Ok(Attempt::Busy(_)) => "busy".to_owned(),
            Err(error) => error.in_one_line(),
        };
    });
    answer
}
