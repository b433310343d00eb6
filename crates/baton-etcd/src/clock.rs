//! The clock that leases are measured by on this side: time since the boot, suspends included.
//!
//! The wall clock can be set, and `CLOCK_MONOTONIC`, which `std::time::Instant` reads, stands still while the machine
//! is suspended: a laptop that wakes up would believe in a lease that ran out hours ago.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment: the time since the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Duration);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        Self(Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(now.tv_nsec).unwrap_or(0)))
    }

    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// How long it is until then; nothing if it is past.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_sub(Self::now().0)
    }

    pub(crate) fn is_past(self) -> bool {
        Self::now() >= self
    }

    /// As the kernel takes it.
    pub(crate) fn timespec(self) -> Timespec {
        Timespec {
            tv_sec: i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(self.0.subsec_nanos()),
        }
    }
}
