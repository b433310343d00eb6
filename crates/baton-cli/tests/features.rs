//! What the command is built from: no async runtime, which a library's user may ask for.

use std::process::Command;

#[test]
fn command_has_no_async_runtime_in_it() {
    let tree = |more: &[&str]| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--package", "baton-cli", "--edges", "features,normal,build", "--prefix", "none"])
            .args(["--offline", "--locked"])
            .args(more)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains("baton-lock v"), "{text}{errors}");
        text.lines().any(|line| line.starts_with("tokio "))
    };
    assert!(!tree(&[]));
    assert!(tree(&["--features", "baton-lock/tokio"]), "it would be found");
}
