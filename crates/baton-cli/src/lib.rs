//! The `baton` command as a library, so that another executable (another store) can be the same command.
//!
//! | module | what |
//! |---|---|
//! | [`args`](mod@args) | the command line |
//! | [`exit`] | the exit codes |
//! | [`time`] | TIME as it is typed |
//! | [`failure`] | what went wrong, with its exit code and the way out |
//! | [`notice`] | what people read on standard error |
//! | [`json`] | what machines read |
//! | [`lock_argument`] | LOCK as it is typed |
//! | [`plan`] | plan files |
//! | [`run`], [`status`], [`wait`] | the verbs |
#![forbid(unsafe_code)]

pub mod args;
pub mod exit;
pub mod failure;
pub mod json;
pub mod lock_argument;
pub mod notice;
pub mod plan;
pub mod run;
pub mod status;
pub mod time;
pub mod wait;

use std::panic;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};

/// Does what the command line says.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too. A closed pipe is nobody's failure.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let code = panic::catch_unwind(|| obey(args)).unwrap_or_else(|_| {
        notice::bug();
        exit::BUG
    });
    ExitCode::from(code)
}

fn obey(args: Args) -> u8 {
    match args.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Status(args) => status::status(&args),
        Verb::Wait(args) => wait::wait(&args),
    }
}
