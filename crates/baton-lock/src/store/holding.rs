//! What a hold is made of, whoever keeps it: the part of [`Held`](crate::Held) that differs from store to store.

use std::any::Any;
use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use crate::error::Error;
use crate::lock::{Integrity, Naming};
use crate::record::Record;

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The next holder is told *fresh*.
    Clean,
    /// The next holder is told *recovered*, with the record of this one.
    Unclean,
    /// As if it had never been acquired: the next holder is told what this one was told.
    Undone,
}

/// A hold as its store keeps it. [`Held`](crate::Held) is what its user has: it ends it exactly once, and in a forked
/// child it only drops it: dropped, this may close what it has open, and nothing else.
pub trait Holding: Any + Debug + Send + Sync {
    /// The lock's place: a path, or the URL of the store and the name, written as one.
    fn path(&self) -> &Path;

    /// The record by which this holder is known to others.
    fn record(&self) -> &Record;

    /// Looks whether the hold still is what it was.
    ///
    /// # Errors
    ///
    /// If that can't be told.
    fn verify(&self) -> Result<Integrity, Error>;

    /// Ends the hold. After it, whatever it answers, this process does not hold the lock any more.
    ///
    /// # Errors
    ///
    /// If a clean end could not be left behind: then the next holder is told *recovered*.
    fn end(self: Box<Self>, end: End) -> Result<(), Error>;

    /// Which of the lock's two files has its path; `None` where there are no files.
    fn naming(&self) -> Option<Naming> {
        None
    }

    /// Why there is no record that others can see, if there is none.
    fn recordless(&self) -> Option<&str> {
        None
    }

    /// What a child has to inherit to hold the lock along. None: a child holds nothing, and has to be ended before its parent lets go.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }

    /// A descriptor that becomes readable as soon as the hold is lost, and stays so. None: the lock can't be lost to another one while
    /// the holder lives.
    fn lost(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// How long after now nobody else can hold the lock, though this hold may be lost already. What runs under it has to be gone by
    /// then. None: for as long as the holder lives.
    fn time_left(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::lock::{Held, Outcome};

    /// A hold that tells how it ended.
    #[derive(Debug)]
    struct Telling {
        path: PathBuf,
        record: Record,
        ended: Sender<End>,
    }

    impl Holding for Telling {
        fn path(&self) -> &Path {
            &self.path
        }

        fn record(&self) -> &Record {
            &self.record
        }

        fn verify(&self) -> Result<Integrity, Error> {
            Ok(Integrity::Intact)
        }

        fn end(self: Box<Self>, end: End) -> Result<(), Error> {
            self.ended.send(end).expect("somebody listens");
            Ok(())
        }
    }

    fn telling() -> (Held, Receiver<End>) {
        let (ended, told) = channel();
        let record = crate::Lock::options().record(Some(7));
        let holding = Telling { path: "store://host/deploy".into(), record, ended };
        (Held::new(holding, Outcome::Fresh, 7), told)
    }

    fn endings(end: impl FnOnce(Held)) -> Vec<End> {
        let (held, told) = telling();
        // The panic of one of them is meant.
        let _ = catch_unwind(AssertUnwindSafe(|| end(held)));
        told.iter().collect()
    }

    #[test]
    fn every_hold_ends_once_and_as_its_user_says() {
        assert_eq!(endings(|held| held.release().expect("released")), [End::Clean]);
        assert_eq!(endings(Held::abandon), [End::Unclean]);
        assert_eq!(endings(Held::undo), [End::Undone]);
        assert_eq!(endings(drop), [End::Clean]);
        assert_eq!(endings(|_held| panic!("meant")), [End::Unclean]);
    }

    #[test]
    fn hold_of_a_store_is_known_again_by_that_store_only() {
        let (held, told) = telling();
        assert_eq!(held.kept_as::<Telling>().map(|holding| holding.path.as_path()), Some(held.path()));
        assert!(held.kept_as::<crate::lock::Parts>().is_none());
        assert!(held.lost().is_none() && held.descriptors().is_empty());
        drop(held);
        assert_eq!(told.iter().count(), 1);
    }
}
