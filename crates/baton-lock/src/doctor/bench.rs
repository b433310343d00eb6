//! The trials, in their order: each makes the calls that the protocol makes, and says what was seen instead where that is wrong.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::second::{Lockable, Second};
use super::{Check, GUARD, Outcome, RECORD};
use crate::lock::{Attempt, Lock};
use crate::processes::{self, By, Listed};
use crate::sys::{self, Access, Errno, Handle, Range};

/// How often a call is made to measure it; what is told is the median.
const MEASURED: usize = 25;

/// How long, with what pause, a lock may still be there after its holder was killed: the kernel drops it before the death is told.
const RELEASES: u32 = 50;
const RELEASE_PAUSE: Duration = Duration::from_millis(2);

/// Which of the two locks, of guard and record.
type Pick = for<'a> fn(&'a Handle, &'a Handle) -> Lockable<'a>;
const FLOCK: Pick = |guard, _| Lockable::Flock(guard);
const RANGE: Pick = |_, record| Lockable::Range(record);

const REFUSED: &str = "it is refused though nobody has it";

/// What a trial came to: what it costs, or what was seen instead.
type Trial = Result<Option<Duration>, String>;

/// The files on which all is tried out.
pub(super) struct Bench {
    path: PathBuf,
    directory: Handle,
    guard: Handle,
    record: Handle,
    second: Second,
}

impl Bench {
    pub(super) fn new(scratch: &Path, second: Command) -> io::Result<Self> {
        let directory = sys::open_directory(scratch)?;
        let create = |name: &str| sys::open_at(&directory, OsStr::new(name), Access::CreateNew);
        let (guard, record) = (create(GUARD)?, create(RECORD)?);
        let second = Second::start(second, scratch)?;
        Ok(Self { path: scratch.to_owned(), directory, guard, record, second })
    }

    pub(super) fn run(mut self, kind: &str) -> Vec<Check> {
        let needed = |what, trial: Trial| {
            let (outcome, cost) =
                trial.map_or_else(|seen| (Outcome::Fails(seen), None), |cost| (Outcome::Works, cost));
            Check { what, outcome, cost }
        };
        let wished = |what, trial: Trial, instead: &str| {
            let (outcome, cost) = trial.map_or_else(
                |seen| (Outcome::Limited(format!("{instead} ({seen})")), None),
                |cost| (Outcome::Works, cost),
            );
            Check { what, outcome, cost }
        };
        vec![
            needed("what is written is read", self.write_and_read()),
            needed("flock keeps another process out", self.excludes(FLOCK)),
            needed("byte locks keep another process out", self.excludes(RANGE)),
            wished("flock can be shared", self.is_shared(FLOCK), "`run --shared` is not to be used there"),
            wished(
                "byte locks can be shared",
                self.is_shared(RANGE),
                "`run --shared` is not to be used there",
            ),
            wished(
                "the process table says who has a lock",
                self.is_seen(),
                "`status` and `break` can't tell which processes have it",
            ),
            needed("both are given back when their process is killed", self.is_given_back()),
            needed("rename does not replace, where told so", self.rename_noreplace()),
            needed("two names are exchanged in one step", self.rename_exchange()),
            needed("a name means the file that is open", self.name_means_file()),
            wished(
                "the kernel says whether a file is open elsewhere",
                self.lease(),
                "the process table stands in, which shows only what can be seen from here",
            ),
            needed("a file is made durable", sync(&self.record)),
            needed("a directory is made durable", self.sync_directory()),
            needed("a lock is acquired and released", self.acquire(kind)),
        ]
    }

    fn write_and_read(&self) -> Trial {
        const TEXT: &[u8] = b"{ }";
        sys::write_start(&self.record, TEXT).map_err(told)?;
        if sys::read_start(&self.record, TEXT.len() + 1).map_err(told)? != TEXT {
            return Err("something else is read".to_owned());
        }
        median(|| sys::write_start(&self.record, TEXT))
    }

    fn excludes(&mut self, pick: Pick) -> Trial {
        let ours = pick(&self.guard, &self.record);
        if !ours.lock().map_err(told)? {
            return Err(REFUSED.to_owned());
        }
        if self.second.gets("try", ours.name())? {
            return Err("another process got it too".to_owned());
        }
        ours.unlock().map_err(told)?;
        if !self.second.gets("try", ours.name())? {
            return Err("it is still refused after it was given back".to_owned());
        }
        median(|| ours.lock().and_then(|_| ours.unlock()))
    }

    fn is_shared(&mut self, pick: Pick) -> Trial {
        let ours = pick(&self.guard, &self.record);
        if !ours.share().map_err(told)? {
            return Err(REFUSED.to_owned());
        }
        if !self.second.gets("share", ours.name())? {
            return Err("another process was refused its share".to_owned());
        }
        if self.second.gets("try", ours.name())? {
            return Err("another process got it alone".to_owned());
        }
        ours.lock().map_err(told)?;
        let is_shared = self.second.gets("share", ours.name())?;
        ours.unlock().map_err(told)?;
        if is_shared {
            return Err("another process got a share of what was had alone".to_owned());
        }
        median(|| ours.share().and_then(|_| ours.unlock()))
    }

    /// From here on the second process has both.
    fn is_seen(&mut self) -> Trial {
        let got = self.second.gets("hold", GUARD)? && self.second.gets("hold", RECORD)?;
        let listed = |file| Ok::<_, String>(Listed::of(file, &sys::stat(file).map_err(told)?));
        let (guard, record) = (listed(&self.guard)?, listed(&self.record)?);
        let pid = self.second.child.id();
        let is_seen = got
            && processes::holds(pid, &[guard], By::AnyLock)
            && processes::holds(pid, &[record], By::HolderByte);
        if is_seen { Ok(None) } else { Err("the second process is not shown with its locks".to_owned()) }
    }

    fn is_given_back(&mut self) -> Trial {
        if !sys::is_range_locked(&self.record, Range::Holder).map_err(told)? {
            return Err("the lock of another process is not told when asked for".to_owned());
        }
        let started = Instant::now();
        self.second.kill()?;
        // Each further round is a round of waiting for the kernel, and their number is limited.
        for _ in 0..RELEASES {
            let both = [FLOCK, RANGE].map(|pick| pick(&self.guard, &self.record));
            if both[0].lock().map_err(told)? && both[1].lock().map_err(told)? {
                let cost = started.elapsed();
                both.iter().try_for_each(|lock| lock.unlock()).map_err(told)?;
                return Ok(Some(cost));
            }
            sys::pause(RELEASE_PAUSE);
        }
        Err("they are still refused though their process is dead".to_owned())
    }

    fn create(&self, name: &str) -> Result<Handle, String> {
        sys::open_at(&self.directory, OsStr::new(name), Access::CreateNew).map_err(told)
    }

    fn rename_noreplace(&self) -> Trial {
        let [from, to] = ["from", "to"].map(OsStr::new);
        let _files = (self.create("from")?, self.create("to")?);
        match sys::rename_noreplace(&self.directory, from, to) {
            Err(Errno::EXIST) => {}
            Ok(()) => return Err("it replaced a file that was there".to_owned()),
            Err(errno) => return Err(told(errno)),
        }
        sys::unlink(&self.directory, to).map_err(told)?;
        let mut names = (from, to);
        median(|| {
            sys::rename_noreplace(&self.directory, names.0, names.1)?;
            names = (names.1, names.0);
            Ok(())
        })
    }

    fn rename_exchange(&self) -> Trial {
        let [one, other] = ["one", "other"].map(OsStr::new);
        let (first, _second) = (self.create("one")?, self.create("other")?);
        sys::rename_exchange(&self.directory, one, other).map_err(told)?;
        let is_there =
            sys::stat_at(&self.directory, other).and_then(|named| Ok(named.id == sys::stat(&first)?.id));
        if !is_there.map_err(told)? {
            return Err("the names mean the same files as before".to_owned());
        }
        median(|| sys::rename_exchange(&self.directory, one, other))
    }

    fn name_means_file(&self) -> Trial {
        let id = sys::stat(&self.guard).map_err(told)?.id;
        sys::write_start(&self.guard, b"x").map_err(told)?;
        let named = sys::stat_at(&self.directory, OsStr::new(GUARD)).map_err(told)?.id;
        if named != id {
            return Err("its number changes while it is open".to_owned());
        }
        median(|| sys::stat_at(&self.directory, OsStr::new(GUARD)).map(drop))
    }

    fn lease(&self) -> Trial {
        // The second process, which had them open too, is dead.
        if sys::is_open_elsewhere(&self.record).map_err(told)? {
            return Err("a file that nobody else has open is called open".to_owned());
        }
        median(|| sys::is_open_elsewhere(&self.record).map(drop))
    }

    fn sync_directory(&self) -> Trial {
        let directory = sys::open_directory_to_sync(&self.path).map_err(told)?;
        median(|| sys::sync(&directory))
    }

    fn acquire(&self, kind: &str) -> Trial {
        let lock = Lock::options().allow_filesystem(kind).open(self.path.join("lock"));
        let lock = lock.map_err(|error| error.to_string())?;
        let once = || match lock.try_lock() {
            Ok(Attempt::Held(held)) => held.release().map_err(|error| error.to_string()),
            Ok(Attempt::Busy(holder)) => Err(holder.reason()),
            Err(error) => Err(error.to_string()),
        };
        median_of(once)
    }
}

fn sync(file: &Handle) -> Trial {
    median(|| sys::write_start(file, b"{ }").and_then(|()| sys::sync(file)))
}

fn told(errno: Errno) -> String {
    io::Error::from(errno).to_string()
}

fn median(mut call: impl FnMut() -> sys::Result<()>) -> Trial {
    median_of(|| call().map_err(told))
}

fn median_of(mut call: impl FnMut() -> Result<(), String>) -> Trial {
    let mut costs = [Duration::ZERO; MEASURED];
    for cost in &mut costs {
        let started = Instant::now();
        call()?;
        *cost = started.elapsed();
    }
    costs.sort_unstable();
    Ok(Some(costs[MEASURED / 2]))
}
