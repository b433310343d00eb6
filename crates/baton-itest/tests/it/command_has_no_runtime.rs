//! The command is built without an async runtime, and without what the cluster's client needs: nobody who locks a file pays for them.

use std::process::Command;

/// The packages that `package` is built from, features of the rest of the workspace left out.
fn packages(package: &str, more: &[&str]) -> Vec<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.current_dir(env!("CARGO_MANIFEST_DIR"));
    tree.args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--package", package]);
    let output = tree.args(more).output().expect("started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

const RUNTIMES: [&str; 4] = ["tokio", "tonic", "prost", "prost-build"];

fn runtimes(packages: &[String]) -> Vec<&str> {
    RUNTIMES.into_iter().filter(|runtime| packages.iter().any(|package| package == runtime)).collect()
}

#[test]
fn async_runtime_is_in_no_command_but_only_in_the_librarys_feature() {
    let command = packages("baton-cli", &[]);
    assert!(command.iter().any(|package| package == "baton-lock"), "{command:?}");
    assert_eq!(runtimes(&command), Vec::<&str>::new());
    assert_eq!(
        runtimes(&packages("baton-lock", &["--features", "tokio"])),
        ["tokio"],
        "such a check can fail"
    );
}
