//! The simulated kernel answers as the real one does.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use baton_explore::conformance;
use baton_explore::scenario;
use baton_itest::places;
use baton_itest::skip::skip;

/// How many sequences of calls on each filesystem.
const SEQUENCES: u64 = 1500;

/// One at a time. Another test that starts a program (`mkfs`) just then has, from `fork` to `exec`, a copy of every descriptor of this
/// process; and the kernel says, truly, that a file is open elsewhere.
static ALONE: Mutex<()> = Mutex::new(());

fn agree_in(place: &Path) {
    for seed in 0..SEQUENCES {
        let directory = place.join("calls");
        std::fs::create_dir(&directory).expect("made");
        if let Err(difference) = conformance::agree(&directory, seed) {
            panic!("{difference}");
        }
        std::fs::remove_dir_all(&directory).expect("removed");
    }
}

fn or_skipped(test: impl FnOnce() -> Result<(), String>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(reason) = test() {
        skip(&reason);
    }
}

#[test]
fn simulated_kernel_answers_as_the_real_one_on_ext4() {
    or_skipped(|| places::on_loop_image("ext4", agree_in));
}

#[test]
fn simulated_kernel_answers_as_the_real_one_on_tmpfs() {
    or_skipped(|| places::tmpfs().map(|place| agree_in(place.path())));
}

#[test]
fn simulated_kernel_answers_as_the_real_one_on_overlayfs() {
    or_skipped(|| places::on_overlay(agree_in));
}

#[test]
fn filesystems_of_other_hosts_are_refused_by_their_names_and_nothing_is_left_there() {
    for (magic, name) in [(0x6969, "nfs"), (0xff53_4d42, "cifs"), (0xfe53_4d42, "smb2"), (0x0102_1997, "9p")]
    {
        let (answer, names) = scenario::asked_on(magic, None);
        assert!(answer.contains(&format!("`{name}`")) || answer.contains(name), "{answer}");
        assert_eq!(names, [""; 0], "{name}");
        let (answer, names) = scenario::asked_on(magic, Some(name));
        assert_eq!(
            (answer.as_str(), names.as_slice()),
            ("held", ["l", "l.guard"].map(str::to_owned).as_slice())
        );
    }
}
