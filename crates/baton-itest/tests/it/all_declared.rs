//! No test file is forgotten: one that `main.rs` does not declare is never compiled, and all its tests pass unseen.

use std::fs;
use std::path::Path;

#[test]
fn every_file_of_the_integration_tests_is_declared() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let main = fs::read_to_string(directory.join("main.rs")).expect("main.rs is readable");
    let declared = |name: &str| main.lines().any(|line| line.trim() == format!("mod {name};"));
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(&directory).expect("the directory is readable") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_module = path.is_dir() || path.extension().is_some_and(|extension| extension == "rs");
        if is_module && name != "main" && !declared(&name) {
            forgotten.push(name);
        }
    }
    assert!(forgotten.is_empty(), "not declared in main.rs: {forgotten:?}");
}
