//! Copies the library's source beside this crate's own, with its system calls replaced by simulated ones.
//!
//! What is explored has to be what is shipped. So nothing is written anew: `crates/baton-lock/src` is copied as it is, but for
//!
//! - `sys/linux.rs`, `sys/lookout.rs` and `sys/pidfd.rs`, in whose place `src/twin/` stands; `sys/mod.rs`, which calls them, stays;
//! - paths: `crate::` means the copy, and `std::os::fd::` the simulated descriptors;
//! - numbers of repetitions ([`SMALL`]), each of which multiplies what there is to explore;
//! - the places where a mutant differs: `if broken(n) { … } else { as shipped }`, all of them in one build.
//!
//! A second, untouched copy of `sys/` is what the simulation is compared with. What can't be applied fails the build and says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[path = "src/mutants.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the same file is a module of the library, which uses all of it"
)]
mod mutants;

use mutants::{Change, MUTANTS};

/// Repetitions made fewer: file, as shipped, as explored. Each is a loop whose further rounds do the same again.
const SMALL: &[(&str, &str, &str)] = &[
    ("lock/acquire.rs", "const JUDGEMENTS: u32 = 50;", "const JUDGEMENTS: u32 = 4;"),
    ("lock/companion.rs", "const LOOKS: u32 = 10;", "const LOOKS: u32 = 2;"),
    ("lock/judge.rs", "const MOMENTS: u32 = 5;", "const MOMENTS: u32 = 2;"),
    ("lock/judge.rs", "const READERS_MOMENTS: u32 = 100;", "const READERS_MOMENTS: u32 = 2;"),
    ("lock/publish.rs", "const WRITINGS: u32 = 10;", "const WRITINGS: u32 = 3;"),
    ("lock/ticket.rs", "const TICKETS: u32 = 10_000;", "const TICKETS: u32 = 3;"),
    ("lock/wait.rs", "const SETTLING: u32 = 10;", "const SETTLING: u32 = 1;"),
    ("lock/wait.rs", "const STARTS: u32 = 1000;", "const STARTS: u32 = 6;"),
    ("atomic_file/replace.rs", "const MOMENTS: u32 = 50;", "const MOMENTS: u32 = 2;"),
];

/// The files of `sys/` that have a twin here.
const TWINS: &[&str] = &["linux", "lookout", "pidfd"];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    let source = here.join("../baton-lock/src");
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rerun-if-changed=src/twin");
    println!("cargo::rerun-if-changed=src/mutants.rs");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(feature, values(\"tokio\"))");
    for copy in ["shipped", "real"] {
        let _ = fs::remove_dir_all(out.join(copy));
    }
    copy_all(&source, Path::new(""), &out.join("shipped"))?;
    for twin in TWINS {
        compare(&source.join(format!("sys/{twin}.rs")), &here.join(format!("src/twin/{twin}.rs")))?;
        let stands_in = format!("pub(crate) use crate::twin::{twin}::*;\n");
        fs::write(out.join(format!("shipped/sys/{twin}.rs")), stands_in)?;
    }
    copy_system_calls(&source.join("sys"), &out.join("real"))
}

fn copy_all(source: &Path, below: &Path, out: &Path) -> io::Result<()> {
    fs::create_dir_all(out.join(below))?;
    for entry in fs::read_dir(source.join(below))? {
        let path = below.join(entry?.file_name());
        if source.join(&path).is_dir() {
            copy_all(source, &path, out)?;
        } else {
            let text = fs::read_to_string(source.join(&path))?;
            let name = path.to_str().expect("the library's files have plain names");
            fs::write(out.join(&path), explored(name, text))?;
        }
    }
    Ok(())
}

/// The text of a file as it is explored.
fn explored(name: &str, mut text: String) -> String {
    for (_, shipped, small) in SMALL.iter().filter(|(file, ..)| *file == name) {
        text = replace_once(name, &text, shipped, small);
    }
    for (shipped, switch) in switches(name) {
        text = replace_once(name, &text, shipped, &switch);
    }
    let mut text = text
        .replace("crate::", "crate::shipped::")
        .replace("crate::shipped::sim::", "crate::sim::")
        .replace("std::os::fd::", "crate::sim::fd::")
        // Its own tests are run where it is.
        .replace("#[cfg(test)]", "#[cfg(any())]");
    if name == "lib.rs" {
        text = without_lines(
            &text,
            &["//!", "#![", "/// The README's example", "struct Readme;", "#[cfg(doctest)]", "#[doc = "],
        );
    }
    if name == "lib.rs" {
        text = replace_once(name, &text, "\nmod sys;", "\npub(crate) mod sys;");
    }
    if name == "sys/mod.rs" {
        text = without_lines(&text, &["#[expect(unsafe_code"]);
    }
    text
}

/// What stands for each text that is changed: the choice between what is shipped and what the mutants have there.
fn switches(name: &str) -> BTreeMap<&'static str, String> {
    let mut switches: BTreeMap<&'static str, String> = BTreeMap::new();
    let changes = MUTANTS.iter().enumerate().flat_map(|(number, mutant)| {
        mutant.changes.iter().filter(|change| change.file == name).map(move |change| (number, change))
    });
    for (number, Change { shipped, broken, .. }) in changes {
        let is_broken = format!("crate::sim::is_broken({number})");
        let switch = switches.entry(shipped).or_default();
        if broken.contains("BROKEN") {
            assert!(switch.is_empty(), "two mutants change in their own ways:\n{shipped}");
            *switch = broken.replace("BROKEN", &is_broken);
        } else {
            write!(switch, "if {is_broken} {{ {broken} }} else ").expect("into memory");
        }
    }
    for (shipped, switch) in &mut switches {
        if switch.ends_with(" else ") {
            write!(switch, "{{ {shipped} }}").expect("into memory");
        }
    }
    switches
}

fn replace_once(file: &str, text: &str, from: &str, to: &str) -> String {
    let found = text.matches(from).count();
    assert!(
        found == 1,
        "crates/baton-explore: what is replaced in crates/baton-lock/src/{file} is there {found} times instead of once; bring \
         src/mutants.rs or build.rs up to date with it:\n{from}"
    );
    text.replacen(from, to, 1)
}

fn without_lines(text: &str, beginnings: &[&str]) -> String {
    let kept = text.lines().filter(|line| !beginnings.iter().any(|beginning| line.starts_with(beginning)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// Nothing that is explored comes to these.
const WITHOUT_TWIN: &[&str] = &["await_range"];

/// Every function of the real file has to have a twin.
fn compare(real: &Path, twin: &Path) -> io::Result<()> {
    let (real_text, twin_text) = (fs::read_to_string(real)?, fs::read_to_string(twin)?);
    let twins = functions(&twin_text);
    let missing: Vec<_> = functions(&real_text)
        .into_iter()
        .filter(|name| !twins.contains(name) && !WITHOUT_TWIN.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "{} has functions that {} lacks: {}. Add each there, as one `sim::call` on the simulated kernel (`src/kernel/`), and to the \
         comparison with the real kernel (`src/conformance.rs`)",
        real.display(),
        twin.display(),
        missing.join(", ")
    );
    Ok(())
}

fn functions(text: &str) -> Vec<&str> {
    let names = text.lines().filter_map(|line| {
        let rest = ["pub(super) fn ", "pub(crate) fn ", "    pub(crate) fn "]
            .iter()
            .find_map(|beginning| line.strip_prefix(beginning))?;
        rest.split(['(', '<']).next()
    });
    names.collect()
}

/// The real `sys/`, which uses nothing of the library.
fn copy_system_calls(source: &Path, out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    for entry in fs::read_dir(source)? {
        let name = entry?.file_name();
        let text = fs::read_to_string(source.join(&name))?;
        let text = if name == "mod.rs" { without_lines(&text, &["//!"]) } else { text };
        let text = text.replace("#[cfg(test)]", "#[cfg(any())]");
        fs::write(out.join(&name), text)?;
    }
    Ok(())
}
