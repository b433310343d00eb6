//! Benchmarks: both sides of every row in one run, in turn, so that a machine whose speed drifts moves both.
//!
//! `cargo run --release -p baton-bench [-- --rounds N]` prints a Markdown table, on the default temporary filesystem and on
//! tmpfs; with `--json` one object. Speed is never a test: a shared machine is noisy, and a figure is only ever a ratio of two
//! medians that were measured side by side.
#![forbid(unsafe_code)]

mod sample;
mod transitions;

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// How often each side is measured.
const ROUNDS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = match arguments.iter().position(|word| word == "--rounds") {
        Some(at) => arguments.get(at + 1).ok_or("`--rounds` needs a number")?.parse()?,
        None => ROUNDS,
    };
    let mut rows = Vec::new();
    for (filesystem, place) in places() {
        rows.extend(transitions::rows(&filesystem, &place, rounds)?);
    }
    let mut out = std::io::stdout().lock();
    if arguments.iter().any(|word| word == "--json") {
        writeln!(out, "{:#}", sample::as_json(&rows, rounds))?;
    } else {
        write!(out, "{}", sample::as_table(&rows, rounds))?;
    }
    Ok(())
}

/// The filesystems that are there, by name.
fn places() -> Vec<(String, PathBuf)> {
    let named = |place: &Path| {
        let magic = rustix::fs::statfs(place).ok()?.f_type;
        let name = match magic {
            0xef53 => "ext4".to_owned(),
            0x0102_1994 => "tmpfs".to_owned(),
            0x794c_7630 => "overlayfs".to_owned(),
            other => format!("{other:#x}"),
        };
        Some((name, place.to_owned()))
    };
    let mut places: Vec<_> =
        [std::env::temp_dir(), PathBuf::from("/dev/shm")].iter().filter_map(|place| named(place)).collect();
    places.dedup_by(|one, other| one.0 == other.0);
    places
}
