//! `--flock`: the user's own file is the lock, shared with `flock(1)` and whatever else locks it so, and never written to.

use baton_itest::bystander::Bystander;
use baton_itest::command::{Ended, OBEDIENT, Running, ended, look, next, next_by, run, run_with, seen};
use baton_itest::footprint::{Footprint, all_in, names_in};
use baton_itest::places::temporary;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What people lock: a script, a data file, a directory.
fn things() -> [(TempDir, PathBuf); 3] {
    ["deploy.sh", "data.db", "tree"].map(|name| {
        let place = temporary();
        let path = place.path().join(name);
        match name {
            "tree" => {
                fs::create_dir(&path).expect("made");
                fs::write(path.join("inside"), "content").expect("written");
            }
            _ => fs::write(&path, "#!/bin/sh\necho deploying\n").expect("written"),
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        (place, path)
    })
}

fn holder_file(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).expect("text");
    path.with_file_name(format!("{name}.holder"))
}

fn flock(path: &Path) -> Option<i32> {
    let mut command = Command::new("flock");
    command.args(["-n", "-E", "99"]).arg(path).arg("true");
    ended(command).code
}

#[test]
fn flock_program_and_baton_exclude_each_other_both_ways_and_nothing_is_written() {
    for (place, path) in things() {
        let before = Footprint::of(&path);
        let holder = Running::holding(run("--flock --purpose backup", &path, OBEDIENT));
        assert_eq!(flock(&path), Some(99));
        let record: Value =
            serde_json::from_slice(&fs::read(holder_file(&path)).expect("published")).expect("JSON");
        assert_eq!(
            (record["pid"].as_u64(), &record["baton"]["purpose"]),
            (Some(holder.pid().into()), &"backup".into())
        );
        let Ended { code, err, .. } = ended(run("--flock -n", &path, ["true"]));
        assert_eq!(code, Some(75));
        assert!(err.contains(&format!("is held by pid {} (", holder.pid())), "{err}");
        assert!(err.contains("`baton wait --flock "), "the advice is for this naming: {err}");
        assert_eq!(holder.end().code, Some(0));
        assert_eq!(flock(&path), Some(0));
        let program = Bystander::flocking(&path);
        let Ended { code, err, .. } = ended(run("--flock -n", &path, ["true"]));
        assert_eq!(code, Some(75));
        assert!(err.contains("is locked with flock by pid") && err.contains("`flock -n "), "{err}");
        assert_eq!(seen("--flock", &path)["state"], "foreign_flock");
        assert_eq!(ended(look("wait -n --flock", &path)).code, Some(75));
        let waiter = Running::waiting(run("--flock", &path, ["echo", "ran"]));
        let idler = Running::waiting(look("wait --flock", &path));
        program.end();
        assert_eq!(waiter.end().out, "ran\n");
        assert_eq!(idler.end().code, Some(0));
        assert_eq!(Footprint::of(&path), before, "content, mode and times");
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        assert_eq!(names_in(place.path()), [name.to_owned(), format!("{name}.holder")]);
    }
}

#[test]
fn directory_locked_by_flock_naming_is_not_changed_inside() {
    let [_, _, (_place, tree)] = things();
    let before = all_in(&tree);
    assert!(next_by("--flock", &tree).is_fresh());
    assert_eq!(all_in(&tree), before);
}

#[test]
fn death_is_told_in_flock_naming_too() {
    for (_place, path) in things() {
        let holder = Running::holding(run("--flock", &path, OBEDIENT));
        holder.kill_all();
        let next = next_by("--flock", &path);
        assert_eq!(next.recovered_from(), Some(holder.pid()));
        assert!(next_by("--flock", &path).is_fresh());
        assert!(next_by("--flock", &path).token > next.token);
    }
}

#[test]
fn file_that_is_not_there_is_created_empty_and_stays() {
    let place = temporary();
    let path = place.path().join("new.lock");
    assert!(next_by("--flock", &path).is_fresh());
    assert_eq!(fs::read(&path).expect("created"), b"");
    assert_eq!(flock(&path), Some(0));
}

#[test]
fn job_whose_wrapper_is_killed_still_excludes_the_flock_program() {
    let [(_place, path), ..] = things();
    let mut holder = Running::holding(run("--flock", &path, OBEDIENT));
    holder.kill();
    assert_eq!(flock(&path), Some(99));
    holder.close_input();
    assert_eq!(next_by("--flock", &path).recovered_from(), Some(holder.pid()));
}

/// The two namings lock different files, so that mixing them would exclude nobody.
#[test]
fn mixing_the_namings_is_refused_with_65_and_the_way_to_agree() {
    for (first, second) in [("", "--flock"), ("--flock", "")] {
        let place = temporary();
        let path = place.path().join("a.lock");
        let holder = Running::holding(run(first, &path, OBEDIENT));
        let before = names_in(place.path());
        for command in [
            run(second, &path, ["echo", "ran"]),
            run(&format!("-n {second}"), &path, ["echo", "ran"]),
            look(&format!("status {second}"), &path),
            look(&format!("wait {second}"), &path),
        ] {
            let Ended { code, out, err, .. } = ended(command);
            assert_eq!((code, out.as_str()), (Some(65), ""), "{err}");
            assert!(err.contains("in use as a lock of the other naming"), "{err}");
            assert!(err.contains("\nhint: ") && err.contains("all with `--flock`, or all without"), "{err}");
        }
        assert_eq!(names_in(place.path()), before);
        assert_eq!(holder.end().code, Some(0));
    }
}

#[test]
fn name_in_the_state_directory_can_be_locked_in_flock_naming() {
    let place = temporary();
    let mut command = run_with(["--flock"], "deploy", ["true"]);
    command.env("BATON_DIR", place.path());
    assert_eq!(ended(command).code, Some(0));
    assert_eq!(names_in(&place.path().join("locks")), ["deploy", "deploy.holder"]);
    let mut mixed = run("", "deploy", ["true"]);
    mixed.env("BATON_DIR", place.path());
    assert_eq!(ended(mixed).code, Some(65));
    assert!(next(&place.path().join("other")).is_fresh());
}
