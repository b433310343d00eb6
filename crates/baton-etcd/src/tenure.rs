//! How long a lease is good for on this side, and that its end is noticed.
//!
//! etcd keeps a lease of `T` at least until `T` after it got the request that renewed it, which is no earlier than
//! when that was sent. So a holder that counts from the moment of *sending*, by a clock that goes on during suspend,
//! knows a moment before which nobody else can own the lock, whatever became of the answers:
//!
//! ```text
//! sent                                  valid until        nobody else before    etcd lets go, at the earliest
//!  |------------------ 3/4 T -----------------|------------------|---- T/100 ----|
//!                                             lost: job is stopped          drift
//! ```
//!
//! From `valid until` on the lock is *lost*, for good, though etcd may still have the lease: the last quarter is there
//! to end the job. The hundredth is for clocks that run at different rates; NTP slews by 1/2000 at most.
//!
//! The descriptor that tells of it is a timer of the kernel's, set to that moment: it needs no thread of ours to run in time, and
//! a process that was stopped or suspended beyond it finds it readable when it wakes up. Once lost, never held again:
//! an answer that comes too late extends nothing.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::{Error, clock::Moment, error::Loss};

/// Is it still good, until when, or how was it lost?
#[derive(Debug)]
pub(crate) struct Tenure {
    state: Mutex<State>,
    alarm: OwnedFd,
}

#[derive(Debug)]
struct State {
    valid: Moment,
    /// Nobody else owns it before.
    exclusive: Moment,
    lost: Option<Loss>,
    /// Why the last renewal failed, if it did.
    failed: Option<String>,
}

/// How long after it was sent a renewal is believed in.
pub(crate) fn validity(ttl: Duration) -> Duration {
    ttl * 3 / 4
}

/// How long after a renewal was sent nobody else can own the lock, clocks going wrong as far as is allowed for.
fn exclusivity(ttl: Duration) -> Duration {
    ttl * 99 / 100
}

impl Tenure {
    /// One that begins with a lease that was asked for at `sent`.
    pub(crate) fn new(sent: Moment, ttl: Duration) -> Result<Self, Error> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let alarm = timerfd_create(TimerfdClockId::Boottime, flags)
            .map_err(|error| Error::io("create a timer", error))?;
        let (valid, exclusive) = (sent.after(validity(ttl)), sent.after(exclusivity(ttl)));
        let tenure = Self { state: Mutex::new(State { valid, exclusive, lost: None, failed: None }), alarm };
        tenure.set_alarm(valid);
        Ok(tenure)
    }

    /// Renewed by a request that was sent then. Answers whether that came in time.
    pub(crate) fn extend(&self, sent: Moment, ttl: Duration) -> bool {
        let mut state = self.state();
        self.look(&mut state);
        if state.lost.is_none() {
            state.valid = state.valid.max(sent.after(validity(ttl)));
            state.exclusive = state.exclusive.max(sent.after(exclusivity(ttl)));
            state.failed = None;
            self.set_alarm(state.valid);
        }
        state.lost.is_none()
    }

    /// Keeps why a renewal failed, for the message if it comes to that.
    pub(crate) fn failed(&self, reason: String) {
        self.state().failed = Some(reason);
    }

    /// Lost otherwise than by time.
    pub(crate) fn lose(&self, loss: Loss) {
        let mut state = self.state();
        self.look(&mut state);
        if state.lost.is_none() {
            state.lost = Some(loss);
            self.set_alarm(Moment(Duration::from_nanos(1)));
        }
    }

    /// How it was lost, if it was; the clock is asked first.
    pub(crate) fn lost(&self) -> Option<Loss> {
        let mut state = self.state();
        self.look(&mut state);
        state.lost.clone()
    }

    /// Until when it is good, as far as is known.
    pub(crate) fn valid(&self) -> Moment {
        self.state().valid
    }

    /// For how long from now nobody else owns it.
    pub(crate) fn exclusive(&self) -> Duration {
        self.state().exclusive.left()
    }

    fn look(&self, state: &mut State) {
        if state.lost.is_none() && state.valid.is_past() {
            state.lost = Some(Loss::Expired { reason: state.failed.take() });
            self.set_alarm(Moment(Duration::from_nanos(1)));
        }
    }

    fn set_alarm(&self, at: Moment) {
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let when = Itimerspec { it_interval: once, it_value: at.timespec() };
        // Fails only for a time that is none or a descriptor that is not a timer.
        let _ = timerfd_settime(&self.alarm, TimerfdTimerFlags::ABSTIME, &when);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Tenure {
    /// Readable once it is lost.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn is_told(tenure: &Tenure) -> bool {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(tenure, PollFlags::IN)], Some(&zero)).expect("polled") == 1
    }

    /// As if it had been asked for long ago.
    fn past() -> Moment {
        Moment(Duration::from_millis(1))
    }

    #[test]
    fn tenure_is_lost_at_its_time_without_anybody_looking() {
        let tenure = Tenure::new(past(), Duration::from_millis(1)).expect("a timer");
        assert!(is_told(&tenure));
        assert_eq!(tenure.lost(), Some(Loss::Expired { reason: None }));
    }

    #[test]
    fn renewal_that_comes_too_late_extends_nothing() {
        let tenure = Tenure::new(past(), Duration::from_millis(1)).expect("a timer");
        assert!(!tenure.extend(Moment::now(), LONG));
        assert!(tenure.lost().is_some() && is_told(&tenure));
    }

    #[test]
    fn renewal_in_time_extends_from_when_it_was_sent() {
        let tenure = Tenure::new(Moment::now(), LONG).expect("a timer");
        let sent = Moment::now();
        assert!(tenure.extend(sent, 2 * LONG));
        assert_eq!(tenure.valid(), sent.after(LONG * 3 / 2));
        assert!(!is_told(&tenure) && tenure.lost().is_none());
        // An older one than the last says nothing new.
        assert!(tenure.extend(past(), LONG));
        assert_eq!(tenure.valid(), sent.after(LONG * 3 / 2));
    }

    #[test]
    fn what_is_gone_is_told_at_once_and_for_good() {
        let tenure = Tenure::new(Moment::now(), LONG).expect("a timer");
        tenure.lose(Loss::Gone);
        assert!(is_told(&tenure) && !tenure.extend(Moment::now(), LONG));
        assert_eq!(tenure.lost(), Some(Loss::Gone));
    }
}
