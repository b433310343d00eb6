//! A record, with whatever content.

use crate::{assert_harmless, with_directory};
use baton_lock::{Attempt, ErrorKind, Lock, Outcome, State};
use std::fs;

/// Whatever has the record's name: it is shown harmlessly; what no client of a lock has written is refused and left alone (I6); what is
/// taken over is handed over, as it was shown, and gone after.
///
/// # Panics
///
/// When that does not hold.
pub fn record(content: &[u8]) {
    with_directory(|directory| {
        let path = directory.join("a.lock");
        fs::write(&path, content).expect("written");
        let lock = Lock::open(&path).expect("a lock");
        let seen = lock.glance();
        if let Ok(seen) = &seen {
            for shown in [seen.reason(), seen.advice()] {
                assert_harmless(&shown);
            }
        }
        match lock.try_lock() {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Content, "{error}");
                assert_harmless(&error.to_string());
                assert_eq!(fs::read(&path).expect("left alone"), content);
            }
            Ok(Attempt::Busy(busy)) => {
                assert_harmless(&busy.reason());
                assert_eq!(fs::read(&path).expect("left alone"), content);
            }
            Ok(Attempt::Held(held)) => {
                let seen = seen.expect("what can be had can be seen");
                assert!(seen.is_obtainable(), "{seen:?}");
                match held.outcome() {
                    // It is marked as released.
                    Outcome::Fresh => assert_eq!(seen.state, State::Free),
                    Outcome::Recovered(previous) => {
                        let previous = previous.as_ref().map(|record| record.to_json());
                        assert_eq!(previous, seen.record.map(|record| record.to_json()));
                    }
                }
                held.release().expect("released");
                assert!(!path.exists());
            }
        }
    });
}
