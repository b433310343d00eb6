//! A waiter whose ticket had become its record loses power, together with all others: the next one is told *recovered*.
//!
//! The record was written over what the ticket had said. ext4 can have the new name and the new length on disk and not yet the new text: then
//! what has the record's name is the ticket's old text with NULs behind it, which nobody has written like that.

use baton_itest::answers::must_recover;
use baton_itest::places::{after_a_power_cut, on_loop_image};
use baton_itest::puppet::Puppet;
use baton_itest::skip::skip;
use baton_lock::Lock;
use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What has the record's name after a power cut just when a waiter has got the lock, whose ticket was on disk by then.
fn cut(root: &Path) -> Result<(), String> {
    let path = root.join("a.lock");
    let (mut holder, _) = Puppet::holding("baton", &path);
    let (mut waiter, _) = Puppet::waiting("baton", &path, "lock");
    rustix::fs::syncfs(File::open(root).expect("there")).expect("synced");
    holder.tell("release");
    assert!(waiter.answer().expect("it lives")["held"].is_object(), "it is handed the lock");
    let whole = fs::read(&path).expect("readable");
    // Somebody else's, which takes the names along.
    File::create(root.join("other")).and_then(|file| file.sync_all()).expect("synced");
    let left = after_a_power_cut(root).join("a.lock");
    let found = fs::read(&left).expect("its name was taken along");
    if found == whole {
        return Err("the record was on disk before its time".to_owned());
    }
    assert_eq!(found.len(), whole.len(), "its length was taken along");
    // As if the machine had been started since.
    let before = FileTimes::new().set_modified(SystemTime::now() - Duration::from_hours(2));
    File::options().write(true).open(&left).and_then(|file| file.set_times(before)).expect("set");
    let (held, _) = must_recover(&Lock::open(&left).expect("a path"));
    held.release().expect("released");
    Ok(())
}

#[test]
fn ticket_that_had_become_a_record_is_no_strangers_file_after_a_power_cut() {
    if let Err(reason) = on_loop_image("ext4", cut).and_then(|shown| shown) {
        skip(&reason);
    }
}
