//! TIME as it is typed: `30s`, `1m30s`, `250ms`; a bare number is seconds, fractions allowed.
//!
//! One spelling for every option and every plan, so that nobody has to remember which of them takes which.

use std::time::{Duration, Instant};

use jiff::SignedDuration;

/// Reads a length of time.
///
/// # Errors
///
/// What is expected, in one line, if the text is none: also for a negative or an immeasurably long one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// assert_eq!(baton_cli::time::parse("1m30s"), Ok(Duration::from_secs(90)));
/// assert_eq!(baton_cli::time::parse("0.25"), Ok(Duration::from_millis(250)));
/// assert!(baton_cli::time::parse("soon").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as `30s`, `1m30s`, `250ms`, or a number of seconds".to_owned();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let time = if is_number {
        text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    } else {
        text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok())
    };
    time.ok_or_else(expected)
}

/// The moment that lies `time` ahead; `None` if the clock does not reach that far, which is as good as never.
pub fn deadline(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_bare_seconds_are_read() {
        let read = |text| parse(text).map(|time| time.as_millis());
        assert_eq!(
            ["30s", "1m30s", "250ms", "2h", "90", "0.5", ".5", "0"].map(read),
            [30_000, 90_000, 250, 7_200_000, 90_000, 500, 500, 0].map(Ok)
        );
    }

    #[test]
    fn what_is_no_length_of_time_is_told_with_what_is_expected() {
        for text in
            ["", "x", "-1", "-5s", "1e3", "1.2.3", ".", "5 parsecs", "NaN", "inf", "99999999999999999999999"]
        {
            assert!(parse(text).is_err_and(|error| error.contains("30s")), "{text:?}");
        }
    }

    #[test]
    fn time_beyond_the_clock_is_never() {
        assert!(deadline(Duration::MAX).is_none());
        assert!(deadline(Duration::from_secs(1)).is_some());
    }
}
