//! Everybody in this process who is measured: Baton, the same work by hand, and other crates.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use baton_lock::{Attempt, Lock, Naming};

use baton_bench::sample::Timed;

use crate::same_calls::{self, Opening};

pub(crate) use baton_bench::Result;

/// What is done under a lock.
pub(crate) type Work<'a> = &'a mut dyn FnMut() -> Result<()>;

/// Waits for a lock, does the work under it, and gives it back.
///
/// Whatever a client opens it opens each time, as a program does that takes a lock once, but for those that are called *kept*.
pub(crate) type Client = Box<dyn FnMut(Work<'_>) -> Result<()>>;

pub(crate) const BATON: &str = "baton";
/// Baton with one value that is opened once.
pub(crate) const BATON_KEPT: &str = "baton, kept open";
/// Baton on a file that others lock with `flock`.
pub(crate) const BATON_FLOCK: &str = "baton, flock naming";
/// A file that is created exclusively, written, and removed: what many programs call a lock. It can't be waited for.
pub(crate) const PID_FILE: &str = "pid file by hand";
pub(crate) const FLOCK: &str = "flock by hand";
/// The least that anybody does who excludes others by `flock` and says who it is by a file that is there whole, or not at all.
pub(crate) const FLOCK_AND_RECORD: &str = "flock, and a record renamed into place, by hand";

/// The system calls of Baton and nothing else.
pub(crate) const SAME_CALLS: &str = "baton's system calls, by hand";
/// The same with a directory that is opened once.
pub(crate) const SAME_CALLS_KEPT: &str = "baton's system calls, kept open, by hand";

/// Those that can wait.
pub(crate) const WAITING: [&str; 9] =
    [BATON, BATON_FLOCK, FLOCK, FLOCK_AND_RECORD, SAME_CALLS, "std", "fs4", "fslock", "fd-lock"];

/// A client by its name.
pub(crate) fn client(name: &str, path: &Path) -> Result<Client> {
    let path = path.to_owned();
    Ok(match name {
        BATON => Box::new(move |work| by_baton(&Lock::open(&path)?, work)),
        BATON_KEPT => {
            let lock = Lock::open(&path)?;
            Box::new(move |work| by_baton(&lock, work))
        }
        BATON_FLOCK => {
            Box::new(move |work| by_baton(&Lock::options().naming(Naming::Flock).open(&path)?, work))
        }
        PID_FILE => Box::new(move |work| {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&RECORD)?;
            drop(file);
            work()?;
            Ok(fs::remove_file(&path)?)
        }),
        FLOCK => Box::new(move |work| {
            let file = opened(&path)?;
            rustix::io::retry_on_intr(|| {
                rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            })?;
            work()
        }),
        FLOCK_AND_RECORD => Box::new(move |work| {
            let file = opened(&path)?;
            rustix::io::retry_on_intr(|| {
                rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            })?;
            let (temporary, record) = (path.with_extension("tmp"), path.with_extension("record"));
            let mut new = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
            new.write_all(&RECORD)?;
            fs::rename(&temporary, &record)?;
            work()?;
            Ok(fs::remove_file(&record)?)
        }),
        SAME_CALLS => Box::new(same_calls::client(&path, Opening::EachTime)?),
        SAME_CALLS_KEPT => Box::new(same_calls::client(&path, Opening::Once)?),
        "std" => Box::new(move |work| {
            let file = opened(&path)?;
            file.lock()?;
            work()?;
            Ok(file.unlock()?)
        }),
        "fs4" => Box::new(move |work| {
            let file = opened(&path)?;
            fs4::FileExt::lock(&file)?;
            work()?;
            Ok(fs4::FileExt::unlock(&file)?)
        }),
        "fslock" => Box::new(move |work| {
            let mut file = fslock::LockFile::open(&path)?;
            file.lock()?;
            work()?;
            Ok(file.unlock()?)
        }),
        "fd-lock" => Box::new(move |work| {
            let mut lock = fd_lock::RwLock::new(opened(&path)?);
            let guard = lock.write()?;
            let done = work();
            drop(guard);
            done
        }),
        other => return Err(format!("nobody here is called `{other}`").into()),
    })
}

fn by_baton(lock: &Lock, work: Work<'_>) -> Result<()> {
    let held = lock.lock()?;
    work()?;
    Ok(held.release()?)
}

fn opened(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// As long as one of Baton's records.
pub(crate) const RECORD: [u8; 320] = [b' '; 320];

/// What finds a lock held that somebody else holds without waiting for it, and says who it is where that can be said: Baton's, which is at
/// `path`, and one of `flock` at `flocked`.
pub(crate) fn finders(path: &Path, flocked: &Path) -> Vec<Timed<'static>> {
    let (ours, record, pid_file, flocked) =
        (path.to_owned(), path.to_owned(), path.to_owned(), flocked.to_owned());
    let mut find_busy = same_calls::find_busy(path);
    vec![
        (
            BATON.to_owned(),
            Box::new(move || found(matches!(Lock::open(&ours)?.try_lock()?, Attempt::Busy(_)))),
        ),
        (SAME_CALLS.to_owned(), Box::new(move || found(find_busy()? > 0))),
        (READ_BY_HAND.to_owned(), Box::new(move || read(&record))),
        (
            PID_FILE.to_owned(),
            Box::new(move || {
                let created = File::options().write(true).create_new(true).open(&pid_file);
                found(created.is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists))?;
                read(&pid_file)
            }),
        ),
        (
            "std, which can't say who".to_owned(),
            Box::new(move || found(matches!(opened(&flocked)?.try_lock(), Err(TryLockError::WouldBlock)))),
        ),
    ]
}

/// Only opened, read and closed: the least that tells who the holder is.
pub(crate) const READ_BY_HAND: &str = "record read by hand";

fn found(is_busy: bool) -> Result<()> {
    if is_busy { Ok(()) } else { Err("it was not held".into()) }
}

fn read(path: &PathBuf) -> Result<()> {
    let mut text = String::with_capacity(1024);
    File::open(path)?.read_to_string(&mut text)?;
    found(!text.is_empty())
}
