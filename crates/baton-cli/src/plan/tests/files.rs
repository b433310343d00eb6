//! Plans as files: which of them are read, and what they are called.

use std::fs;
use std::os::unix::fs::symlink;

use super::super::{Error, MAX_FILE, Plan};
use super::HEAD;
use crate::exit;

const STEP: &str = "[[step]]\nid = \"a\"\nrun = \"true\"\n";

#[test]
fn plan_is_known_by_its_real_path_and_runs_beside_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let real = directory.path().canonicalize().expect("a path").join("real.toml");
    fs::write(&real, format!("{HEAD}{STEP}")).expect("written");
    let link = directory.path().join("link.toml");
    symlink(&real, &link).expect("a link");
    let plan = Plan::load(&link).expect("a plan");
    assert_eq!(plan.path, real);
    assert_eq!(plan.steps[0].directory, real.parent().expect("a directory"));
}

#[test]
fn errors_call_the_file_as_it_was_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("p.toml");
    fs::write(&path, HEAD).expect("written");
    let error = Plan::load(&path).expect_err("no steps");
    assert!(
        error.to_string().contains(&format!("\n{}:1:1: the plan has no `step`", path.display())),
        "{error}"
    );
    assert_eq!(error.exit_code(), exit::CONTENT);
}

#[test]
fn what_is_no_plan_file_is_told_with_what_is_expected() {
    let directory = tempfile::tempdir().expect("a directory");
    let error = Plan::load(directory.path()).expect_err("a directory");
    assert!(
        error.to_string().ends_with("is not a plan: it is a directory, expected a regular file"),
        "{error}"
    );
    assert_eq!(error.exit_code(), exit::CONTENT);
    let error = Plan::load(&directory.path().join("gone")).expect_err("nothing");
    assert!(matches!(error, Error::Unreadable { .. }) && error.hint().is_some(), "{error}");
    assert_eq!(error.exit_code(), exit::UNSAFE, "nobody knows what is in it");
}

#[test]
fn plan_of_the_largest_size_is_read_and_a_larger_one_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut text = format!("{HEAD}{STEP}#");
    text.push_str(&"x".repeat(MAX_FILE - text.len()));
    fs::write(file.path(), &text).expect("written");
    assert!(Plan::load(file.path()).is_ok());
    fs::write(file.path(), text + "x").expect("written");
    let error = Plan::load(file.path()).expect_err("too large").to_string();
    assert!(error.ends_with("it is too large, expected a file of at most 1024 KiB"), "{error}");
}
