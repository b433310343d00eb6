//! The mounted places are the filesystems they are named after, and nothing of them is left behind.

use baton_itest::places::{on_loop_image, on_overlay, tmpfs};
use baton_itest::skip::skip;
use rustix::fs::{FsWord, statfs};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `OVERLAYFS_SUPER_MAGIC` and `EXT4_SUPER_MAGIC` of `linux/magic.h`.
const OVERLAYFS: FsWord = 0x794c_7630;
const EXT4: FsWord = 0xef53;

/// Writes on the filesystem, also from a child process, and says which it is and where.
fn visit(root: &Path) -> (FsWord, PathBuf) {
    fs::write(root.join("written"), "here").expect("it is writable");
    let child = Command::new("test").arg("-e").arg(root.join("written")).status().expect("`test` starts");
    assert!(child.success(), "children see it");
    (statfs(root).expect("it is mounted").f_type, root.to_owned())
}

#[test]
fn an_overlay_is_seen_by_its_thread_and_children_only_and_gone_after() {
    match on_overlay(visit) {
        Ok((kind, root)) => assert_eq!((kind, root.exists()), (OVERLAYFS, false)),
        Err(reason) => skip(&reason),
    }
}

#[test]
fn a_loop_image_is_seen_by_its_thread_and_children_only_and_gone_after() {
    match on_loop_image("ext4", visit) {
        Ok((kind, root)) => assert_eq!((kind, root.exists()), (EXT4, false)),
        Err(reason) => skip(&reason),
    }
}

#[test]
fn a_kind_that_cannot_be_made_is_a_reason_and_no_panic() {
    let reason = on_loop_image("no-such-kind", visit).expect_err("there is none");
    assert!(!reason.is_empty());
}

#[test]
fn a_directory_on_tmpfs_is_writable_and_removed() {
    match tmpfs() {
        Ok(place) => {
            let (_, root) = visit(place.path());
            drop(place);
            assert!(!root.exists());
        }
        Err(reason) => skip(&reason),
    }
}
