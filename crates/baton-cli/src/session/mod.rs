//! `baton session …`: what is known of a job, for people and programs, and setting it aside.
//!
//! All but `reset` only read, and take no lock: the session's file is whole at any moment, and who runs the job is asked of its
//! lock without disturbing anybody. What is read was written by steps, by other versions, or by whoever could write there:
//! it is escaped wherever it is shown.
//!
//! | question | module |
//! |---|---|
//! | where a session is, and that it is there | `place` |
//! | who runs it now | `runner` |
//! | what became of each attempt, from session and history | `story` |
//! | what to type next | `next` |
//! | words, times, cells | `words` |
//! | the verbs | `list`, `show`, `log`, `reset`, `export`, `report` |
//! | where a document is written to | `output` |

mod export;
mod list;
mod log;
mod next;
mod output;
mod place;
mod report;
mod reset;
mod runner;
mod show;
mod story;
#[cfg(test)]
mod tests;
mod words;

use baton_lock::store::Store;

use crate::args::{SessionArgs, SessionVerb};
use crate::notice;

/// Does what is asked; gives back the exit code.
pub fn session(args: &SessionArgs, store: &dyn Store) -> u8 {
    let done = match &args.verb {
        SessionVerb::List(args) => list::list(args, store),
        SessionVerb::Show(args) => show::show(args, store),
        SessionVerb::Log(args) => log::log(args, store),
        SessionVerb::Reset(args) => reset::reset(args, store),
        SessionVerb::Export(args) => export::export(args, store),
        SessionVerb::Report(args) => report::report(args, store),
    };
    done.unwrap_or_else(|failure| {
        notice::failure(&failure);
        failure.code
    })
}
