//! `cargo run -p baton-model --release -- list | check NAME… | explore OPTIONS`: see `docs/verification.md`.

use std::process::ExitCode;

mod command;

fn main() -> ExitCode {
    command::run(command::parse())
}
