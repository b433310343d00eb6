//! The `baton` command as a library, so that another executable (another store) can be the same command.
//!
//! | module | what |
//! |---|---|
//! | [`args`](mod@args) | the command line |
//! | [`chosen`] | which store is meant, and whose program knows it |
//! | [`exit`] | the exit codes |
//! | [`time`] | TIME as it is typed |
//! | [`failure`] | what went wrong, with its exit code and the way out |
//! | [`notice`] | what people read on standard error |
//! | `ask` | what whoever sits at the terminal is asked |
//! | `harmless` | what a step printed, as a terminal may show it |
//! | [`json`] | what machines read |
//! | [`file_size_limit`] | writing beyond it is an error, and no end |
//! | [`first_process`] | what is different where there is no process above |
//! | [`lock_argument`] | LOCK as it is typed |
//! | [`plain_file`] | files of the state directory, and nothing else of their name |
//! | [`history`] | what happened in each attempt of a job |
//! | [`plan`] | plan files |
//! | [`run`], [`status`], [`wait`], [`breaking`], [`list`], [`prune`], [`doctor`], [`apply`], [`session`] | the verbs |
#![forbid(unsafe_code)]

pub mod apply;
pub mod args;
mod ask;
pub mod breaking;
pub mod chosen;
pub mod doctor;
pub mod exit;
pub mod failure;
pub mod file_size_limit;
pub mod first_process;
mod harmless;
pub mod history;
pub mod json;
pub mod list;
pub mod lock_argument;
pub mod notice;
pub mod plain_file;
pub mod plan;
pub mod prune;
pub mod run;
pub mod session;
pub mod status;
pub mod time;
pub mod wait;

use std::panic;
use std::process::ExitCode;

use clap::error::ErrorKind;

use args::{Args, Verb};
use chosen::{Chosen, Opener};

/// Does what the command line says.
pub fn main() -> ExitCode {
    main_with(chosen::directory_or_other_program)
}

/// The same with other stores.
pub fn main_with(open: Opener) -> ExitCode {
    let args = match Args::of_this_process() {
        Ok(args) => args,
        Err(error) => {
            // Help and version come this way too. A closed pipe is nobody's failure.
            let _ = error.print();
            if is_about_the_job(&error) {
                notice::hint("the command comes after `--`: `baton run LOCK -- CMD…`");
            }
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let code = panic::catch_unwind(|| obey(&args, open)).unwrap_or_else(|_| {
        notice::bug();
        exit::BUG
    });
    ExitCode::from(code)
}

/// Is it about what `--` is for? Without it the job's words can't be told from ours.
fn is_about_the_job(error: &clap::Error) -> bool {
    let mut words = std::env::args_os().skip(1);
    let is_run = words.by_ref().take(3).any(|verb| verb == "run");
    let is_kind = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument);
    is_run && is_kind && !words.any(|word| word == "--")
}

fn obey(args: &Args, open: Opener) -> u8 {
    // Before anything else is done: it may be another program that does it.
    if let Some(store) = &args.store {
        notice::name_store(store);
    }
    let store = match Chosen::of(args).and_then(|chosen| open(&chosen)) {
        Ok(store) => store,
        Err(failure) => return failure.tell(false),
    };
    let store = &*store;
    // Where that is refused, they do nothing, as without.
    let _ = first_process::heed_signals();
    let _ = file_size_limit::heed();
    match &args.verb {
        Verb::Run(args) => run::run(args, store),
        Verb::Status(args) => status::status(args, store),
        Verb::Wait(args) => wait::wait(args, store),
        Verb::Break(args) => breaking::break_holder(args, store),
        Verb::List(args) => list::list(args, store),
        Verb::Prune(args) => prune::prune(args, store),
        Verb::Doctor(args) => doctor::doctor(args, store),
        Verb::Apply(args) => apply::apply(args, store),
        Verb::Undo(args) => apply::undo(args, store),
        Verb::Session(args) => session::session(args, store),
    }
}
