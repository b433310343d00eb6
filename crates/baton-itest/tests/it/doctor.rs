//! `baton doctor`: what it says of a filesystem is what a lock meets there.
//!
//! History: a tool that asks for the filesystem's name alone calls every local one good, and one that asks the system calls
//! believes a filesystem that answers without doing.

use baton_itest::command::{Ended, baton, ended, run};
use baton_itest::footprint::names_in;
use baton_itest::places::{on_loop_image, on_mounted, on_overlay, temporary, tmpfs};
use baton_itest::skip::skip;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn doctor(options: &str, directory: &Path) -> Ended {
    let mut command = baton();
    command.arg("doctor").args(options.split_ascii_whitespace()).arg(directory);
    ended(command)
}

#[track_caller]
fn examined(options: &str, directory: &Path) -> (Option<i32>, Value) {
    let before = names_in(directory);
    let Ended { code, out, err, .. } = doctor(&format!("--json {options}"), directory);
    assert_eq!(names_in(directory), before, "nothing is left");
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

#[track_caller]
fn is_fit(kind: &str, directory: &Path) {
    let (code, said) = examined("", directory);
    assert_eq!(
        (code, &said["isFit"], &said["filesystem"]),
        (Some(0), &json!(true), &json!(kind)),
        "{said:#}"
    );
    let checks = said["checks"].as_array().expect("a list");
    assert_eq!(checks.len(), 14);
    assert!(checks.iter().all(|check| check["outcome"] != "fails"), "{said:#}");
    assert!(checks.iter().filter(|check| check["costNs"].is_u64()).count() == 13, "{said:#}");
    let Ended { out, .. } = doctor("", directory);
    assert_eq!(out.lines().count(), 16, "filesystem, checks, verdict: {out}");
    assert!(out.ends_with(&format!("a lock can be had in `{}`\n", directory.display())), "{out}");
    assert_eq!(ended(run("", directory.join("a.lock"), ["true"])).code, Some(0), "and it can");
}

#[test]
fn filesystems_on_which_locks_work_are_fit() {
    let place = temporary();
    assert_eq!(doctor("", place.path()).code, Some(0));
    match tmpfs() {
        Ok(place) => is_fit("tmpfs", place.path()),
        Err(reason) => skip(&reason),
    }
    on_overlay(|root| is_fit("overlayfs", root)).unwrap_or_else(|reason| skip(&reason));
    on_loop_image("ext4", |root| is_fit("ext", root)).unwrap_or_else(|reason| skip(&reason));
}

#[test]
fn filesystem_without_directories_is_refused() {
    let tried = on_mounted("mqueue", "", |root| {
        let Ended { code, err, .. } = doctor("--allow-fs 0x19800202", root);
        assert_eq!(code, Some(73), "{err}");
        assert!(err.contains("cannot create a directory in"), "{err}");
    });
    tried.unwrap_or_else(|reason| skip(&reason));
}

/// On it nothing can be written to a file, which is found by trying, not by its name.
#[test]
fn filesystem_that_lacks_something_is_not_fit_and_what_it_lacks_is_named() {
    let tried = on_mounted("hugetlbfs", "", |root| {
        let (code, said) = examined("", root);
        assert_eq!(
            (code, &said["isAccepted"], &said["isFit"]),
            (Some(69), &json!(false), &json!(false)),
            "{said:#}"
        );
        let kind = said["filesystem"].as_str().expect("text").to_owned();
        let (code, said) = examined(&format!("--allow-fs {kind}"), root);
        assert_eq!(
            (code, &said["isAccepted"], &said["works"]),
            (Some(69), &json!(true), &json!(false)),
            "{said:#}"
        );
        assert_eq!(said["checks"][0]["outcome"], "fails", "{said:#}");
        assert_eq!(said["checks"][1]["outcome"], "works", "{said:#}");
        assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("another filesystem")), "{said:#}");
    });
    tried.unwrap_or_else(|reason| skip(&reason));
}

#[test]
fn directory_that_is_unsafe_or_missing_is_refused_as_a_lock_would_be() {
    let place = temporary();
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).expect("set");
    let Ended { code, err, .. } = doctor("", place.path());
    assert!(code == Some(73) && err.contains("is not safe to use"), "{err}");
    let Ended { code, err, .. } = doctor("", &place.path().join("none"));
    assert!(code == Some(73) && err.contains("No such file or directory"), "{err}");
}

#[test]
fn state_directory_is_examined_by_default_and_not_created() {
    let place = temporary();
    let mut command = baton();
    command.arg("doctor").env("BATON_DIR", place.path().join("state"));
    let Ended { code, out, .. } = ended(command);
    assert!(code == Some(0) && out.contains(&format!("`{}`", place.path().display())), "{out}");
    assert!(names_in(place.path()).is_empty());
}
