//! The private names of the ancestor's writers: `.onboard-session.<pid>.<ms>.<random>.tmp`.
//!
//! Its own clients may save without the lock, so that only age tells that nobody writes one any more.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use crate::atomic_file::PrivateNames;
use crate::sys;

/// Writing a session takes milliseconds; a process that was stopped in the middle of it for a minute makes another.
const LEFT_OVER: Duration = Duration::from_mins(1);

const START: &str = ".onboard-session.";
const END: &str = ".tmp";

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names;

impl PrivateNames for Names {
    fn make(&self, _name: &OsStr, random: u64) -> OsString {
        let (pid, time) = (sys::process_id(), sys::real_time().as_millis());
        format!("{START}{pid}.{time}.{random:016x}{END}").into()
    }

    fn is_left_over(&self, _name: &OsStr, candidate: &OsStr, age: Duration) -> bool {
        let unique = candidate.to_str().and_then(|name| name.strip_prefix(START)?.strip_suffix(END));
        let Some((pid, rest)) = unique.and_then(|unique| unique.split_once('.')) else { return false };
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_private = rest.split_once('.').is_some_and(|(time, random)| {
            is_number(time) && !random.is_empty() && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        age > LEFT_OVER && is_number(pid) && is_private
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_private_name_is_left_over_and_nothing_else_is() {
        let name = OsStr::new("onboard-session.json");
        let old = Duration::from_hours(1);
        let left_over = |candidate: &str, age| Names.is_left_over(name, OsStr::new(candidate), age);
        assert!(Names.is_left_over(name, &Names.make(name, 7), old));
        assert!(left_over(".onboard-session.41.1769853600000.k3j9x.tmp", old));
        assert!(!left_over(".onboard-session.41.1769853600000.k3j9x.tmp", Duration::from_secs(30)));
        for other in [
            "onboard-session.json",
            ".onboard-session.41.tmp",
            ".onboard-session.x.1.a.tmp",
            ".onboard-session.1.x.a.tmp",
            ".onboard-session.1.1..tmp",
            ".onboard-session.1.1.a.tmp2",
        ] {
            assert!(!left_over(other, old), "{other}");
        }
    }
}
