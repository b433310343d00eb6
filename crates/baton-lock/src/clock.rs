//! Points in time as the record and the messages spell them: ISO-8601, UTC, milliseconds.
//!
//! The ancestor writes `2026-01-31T09:30:00.000Z`, and its clients parse ours, so that this one spelling is used for
//! every time on disk. Times of day are for people; nothing that decides about exclusion compares them, but for the
//! ancestor's own records, which offer nothing better.

use std::time::{Duration, SystemTime};

use crate::sys;

/// The present moment, from the wall clock.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + sys::real_time()
}

/// Spells a time as the record does.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
/// assert_eq!(baton_lock::clock::format(time), "1970-01-01T00:00:01.500Z");
/// ```
pub fn format(time: SystemTime) -> String {
    // A time beyond the year 9999 is no time that a record could mean.
    let Ok(time) = jiff::Timestamp::try_from(time) else { return "9999-12-31T23:59:59.999Z".to_owned() };
    format!("{time:.3}")
}

/// Reads a time as written by [`format()`], or in any other ISO-8601 spelling with an offset.
///
/// ```
/// use baton_lock::clock;
/// let time = clock::parse("2026-01-31T09:30:00.250Z").expect("a time");
/// assert_eq!(clock::format(time), "2026-01-31T09:30:00.250Z");
/// assert!(clock::parse("yesterday").is_none());
/// ```
pub fn parse(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(text.parse::<jiff::Timestamp>().ok()?).ok()
}

/// How long ago `time` was by the wall clock; zero if it lies ahead.
pub fn since(time: SystemTime) -> Duration {
    now().duration_since(time).unwrap_or(Duration::ZERO)
}

/// Spells a length of time for people, in its two largest units: `3 s`, `2 min 5 s`, `4 h 12 min`, `3 d 1 h`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// assert_eq!(baton_lock::clock::spell(Duration::from_secs(125)), "2 min 5 s");
/// ```
pub fn spell(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_two_units() {
        let text = |seconds| spell(Duration::from_secs(seconds));
        assert_eq!(
            [text(0), text(59), text(125), text(4 * 3600 + 12 * 60), text(3 * 86_400 + 3600)],
            ["0 s", "59 s", "2 min 5 s", "4 h 12 min", "3 d 1 h"]
        );
    }
}
