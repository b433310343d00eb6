//! Waiting for a lock where people can see it: whom for, how long already, and why it was given up.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::ops::ControlFlow;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use baton_lock::store::{OnBusy, StoredLock};
use baton_lock::{Attempt, Cancel, Error, Held, HeldShared, Observation, clock};

use crate::args::WaitingArgs;
use crate::failure::Failure;
use crate::notice::Notices;
use crate::time;

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Not at all.
    Now,
    /// Until then.
    At(Instant),
    /// For as long as it takes.
    Never,
}

impl Limit {
    /// As the command line says.
    pub fn of(args: &WaitingArgs) -> Self {
        match args.wait {
            _ if args.nonblock => Self::Now,
            Some(Duration::ZERO) => Self::Now,
            Some(wait) => time::deadline(wait).map_or(Self::Never, Self::At),
            None => Self::Never,
        }
    }

    /// When it ends; `None` if it has no end, or there is nothing to wait for.
    pub fn deadline(self) -> Option<Instant> {
        match self {
            Self::At(deadline) => Some(deadline),
            Self::Now | Self::Never => None,
        }
    }
}

/// Who is looked for where a lock is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Whoever a message names.
    Holder,
    /// All who have it, and who waits: for programs, since it takes the whole process table.
    Everybody,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub(crate) enum Answer<H = Held> {
    Held(H),
    /// Somebody else has it.
    Busy(Box<Observation>),
    /// It was waited for in vain.
    TimedOut(Box<Observation>),
    /// The process above this one with that id holds it: waiting would never end.
    HeldByOwnAncestor(Box<Observation>, u32),
}

impl<H> Answer<H> {
    pub(super) fn map<T>(self, with: impl FnOnce(H) -> T) -> Answer<T> {
        match self {
            Self::Held(held) => Answer::Held(with(held)),
            Self::Busy(seen) => Answer::Busy(seen),
            Self::TimedOut(seen) => Answer::TimedOut(seen),
            Self::HeldByOwnAncestor(seen, pid) => Answer::HeldByOwnAncestor(seen, pid),
        }
    }
}

/// Acquires a lock within the limit, and says whom it waits for.
pub(crate) fn acquire(lock: &dyn StoredLock, limit: Limit, notices: Notices) -> Result<Answer, Failure> {
    acquire_unless(lock, limit, notices, Look::Holder, None)
}

/// The same, given up if that happens: then it has timed out.
pub(crate) fn acquire_unless(
    lock: &dyn StoredLock,
    limit: Limit,
    notices: Notices,
    look: Look,
    cancel: Option<&Cancel>,
) -> Result<Answer, Failure> {
    ask(lock, limit, notices, look, |on_busy| match limit {
        Limit::Now => lock.try_lock(),
        limit => lock.lock_with(limit.deadline(), cancel, on_busy),
    })
}

/// The same, along with others who share the lock.
pub(super) fn share_unless(
    lock: &dyn StoredLock,
    limit: Limit,
    notices: Notices,
    look: Look,
    cancel: Option<&Cancel>,
) -> Result<Answer<HeldShared>, Failure> {
    ask(lock, limit, notices, look, |on_busy| match limit {
        Limit::Now => lock.try_lock_shared(),
        limit => lock.lock_shared_with(limit.deadline(), cancel, on_busy),
    })
}

fn ask<H>(
    lock: &dyn StoredLock,
    limit: Limit,
    notices: Notices,
    look: Look,
    acquire: impl FnOnce(OnBusy<'_>) -> Result<Attempt<H>, Error>,
) -> Result<Answer<H>, Failure> {
    let mut ticker = None;
    let mut own_ancestor = None;
    let mut on_busy = |seen: &Observation| {
        own_ancestor = lock.held_by_own_ancestor();
        if own_ancestor.is_some() {
            return ControlFlow::Break(());
        }
        if notices == Notices::Silenced {
            return ControlFlow::Continue(());
        }
        let place = seen.place_in_words();
        let seen = whose(lock, seen, look);
        notices.say(&format!("waiting: {}{place}", seen.reason()), None);
        ticker = Some(Ticker::start(notices));
        ControlFlow::Continue(())
    };
    let attempt = acquire(&mut on_busy);
    if let Some(ticker) = ticker {
        ticker.stop();
    }
    Ok(match (attempt?, own_ancestor) {
        (Attempt::Held(held), _) => Answer::Held(held),
        (Attempt::Busy(seen), Some(pid)) => Answer::HeldByOwnAncestor(seen, pid),
        (Attempt::Busy(seen), None) => {
            let seen = Box::new(whose(lock, &seen, look));
            if limit == Limit::Now {
                lock.held_by_own_ancestor()
                    .map_or(Answer::Busy(seen.clone()), |pid| Answer::HeldByOwnAncestor(seen, pid))
            } else {
                Answer::TimedOut(seen)
            }
        }
    })
}

/// Whose a lock is that was found busy: the record names who acquired it, the process table also knows who has it now.
fn whose(lock: &dyn StoredLock, seen: &Observation, look: Look) -> Observation {
    let now = match look {
        Look::Holder => lock.observe_holder(seen),
        Look::Everybody => lock.observe(),
    };
    // Free by now is no answer to who was in the way.
    now.ok().filter(|now| !now.is_obtainable()).unwrap_or_else(|| seen.clone())
}

/// Says that a lock is busy, and what to do; `after` is how long it was waited for.
pub fn tell_busy(seen: &Observation, after: Option<Duration>, notices: Notices) {
    let gave_up = after.map(|after| format!("gave up after {}: ", clock::spell(after))).unwrap_or_default();
    notices.say(&format!("{gave_up}{}", seen.reason()), Some(&seen.advice()));
}

/// Says that a process above this one holds the lock, so that waiting for it would never end.
pub(crate) fn tell_deadlock(seen: &Observation, pid: u32, notices: Notices) {
    let own = if pid == std::process::id() {
        "this very process has inherited it"
    } else {
        "a process above this one"
    };
    notices.say(
        &format!("{}; that is pid {pid}, {own}: waiting for it would never end", seen.reason()),
        Some("don't ask for a lock inside a job that holds it; if the two must not exclude each other, use two locks"),
    );
}

/// Shows on a terminal, once a second, how long the wait has taken; says nothing elsewhere.
#[derive(Debug)]
pub struct Ticker(Option<(Sender<()>, JoinHandle<()>)>);

impl Ticker {
    /// Starts it. The thread ends with [`stop`](Self::stop): it is the command's, no library's.
    pub fn start(notices: Notices) -> Self {
        if notices == Notices::Silenced || !stderr().is_terminal() {
            return Self(None);
        }
        let (stop, stopped) = mpsc::channel();
        let started = Instant::now();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                show(&format!("waiting for {}", clock::spell(started.elapsed())));
            }
            show("");
        });
        Self(Some((stop, thread)))
    }

    /// Stops it and clears its line.
    pub fn stop(self) {
        if let Some((stop, thread)) = self.0 {
            drop(stop);
            // It ends when it finds the sender gone.
            let _ = thread.join();
        }
    }
}

/// Replaces the last line of the terminal.
fn show(text: &str) {
    // `\x1b[K` clears to the end of the line. A terminal that is gone is no reason to fail.
    let _ = write!(stderr(), "\r{text}\x1b[K");
}
