//! A lock that is given back as if it had never been acquired, since the job could not be started: the next one is told what it would
//! have been told without.
//!
//! History: in flock naming each record replaces a released one, and what had replaced anything stayed as it was: after a command
//! that was not found the next one was told *recovered*.

use baton_itest::answers::{must_be_fresh, must_recover};
use baton_itest::footprint::names_in;
use baton_itest::places::temporary;
use baton_itest::scene::{Left, SCENES};

#[test]
fn undone_acquisition_is_no_death_and_an_unrepaired_death_stays_told() {
    for scene in SCENES {
        let place = temporary();
        let path = place.path().join("a.lock");
        let dead = scene.set(&path);
        let lock = scene.lock(&path);
        match scene.left {
            Left::Nothing | Left::Released => {
                let held = must_be_fresh(&lock);
                let token = held.token();
                held.undo();
                let next = must_be_fresh(&lock);
                assert!(next.token() > token);
                next.release().expect("released");
            }
            Left::Dead | Left::DeadAncestor => {
                let (held, previous) = must_recover(&lock);
                assert_eq!(previous.map(|record| record.pid), dead);
                held.undo();
                must_recover(&lock).0.release().expect("released");
                must_be_fresh(&lock).release().expect("released");
            }
        }
        assert!(names_in(place.path()).len() < 3, "{scene:?}");
    }
}
