//! A session's file, with whatever content; and the ancestor's.

use crate::{assert_harmless, with_directory};
use baton_lock::session::{Store, onboard};
use std::fs;

/// It is read, or refused with where it is wrong; either way the file stays as it is. The ancestor's is normal once it has been
/// normalised.
///
/// # Panics
///
/// When that does not hold.
pub fn session(content: &[u8]) {
    with_directory(|directory| {
        let store = Store::in_directory(directory, "job").expect("a name");
        fs::create_dir_all(directory.join("sessions")).expect("made");
        fs::write(store.path(), content).expect("written");
        match store.load() {
            Ok(session) => {
                let session = session.expect("it is there");
                let known = session.steps().all(|step| session.step(&step.id).is_some());
                assert!(known, "a step that can't be found: {session:?}");
            }
            Err(error) => assert_harmless(&error.to_string()),
        }
        assert_eq!(fs::read(store.path()).expect("it is there"), content);
    });
    if let Ok(text) = str::from_utf8(content) {
        ancestors(text);
    }
}

fn ancestors(text: &str) {
    let Ok(Some(session)) = onboard::Session::normalize(text) else { return };
    let written = session.to_json();
    let again = onboard::Session::normalize(&written).expect("no error").expect("it was a session");
    assert_eq!(again.to_json(), written);
}
