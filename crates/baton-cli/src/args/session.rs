//! `baton session …`: what can be asked of a job's session.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

use super::WaitingArgs;

/// `baton session`.
#[derive(Debug, Group)]
#[command(after_help = SESSION_EXAMPLES)]
pub struct SessionArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: SessionVerb,
}

const SESSION_EXAMPLES: &str = "\
NAME is the plan's name. All but `reset` take no lock and change nothing.

Exit codes: 0 done; 65 there is no such session or log, or it can't be read; 73 a file or directory is unsafe or can't be \
written; 2 usage; `reset` also 3 it has to be confirmed, 75 somebody runs the job.

Examples:
  baton session list                    all jobs, how far they are, who runs them
  baton session show onboard            one job in full, and what to type next
  baton session log onboard             what its failed or last step printed
  baton session report onboard          a page for the browser";

/// The verbs below `session`.
#[derive(Debug, Subcommand)]
pub enum SessionVerb {
    /// List all sessions: how far they are, what went wrong, who runs them now
    List(SessionListArgs),
    /// Show a session in full, and what to type next
    Show(SessionShowArgs),
    /// Print what a step printed
    Log(SessionLogArgs),
    /// Set a session aside, so that the next `baton apply` starts from the first step
    Reset(SessionResetArgs),
    /// Write session and history as one JSON document
    Export(SessionExportArgs),
    /// Write a page for the browser: steps on a time line, who ran them, what failed
    Report(SessionReportArgs),
}

/// `baton session list`.
#[derive(Debug, Group)]
#[command(after_help = "Examples:
  baton session list
  baton session list --json | jq -r '.sessions[] | select(.status == \"failed\").name'")]
pub struct SessionListArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `baton session show`.
#[derive(Debug, Group)]
#[command(after_help = "Examples:
  baton session show onboard
  baton session show --json onboard | jq -r .next.command")]
pub struct SessionShowArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// The session, by the name of its plan
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `baton session log`.
#[derive(Debug, Group)]
#[command(after_help = "Without STEP, it is the log of the step that failed, else of the one that ran last.

Examples:
  baton session log onboard
  baton session log onboard inference --attempt 2
  less \"$(baton session log --path onboard)\"")]
pub struct SessionLogArgs {
    /// That of attempt N [default: the last one that ran the step]
    #[arg(long, value_name = "N")]
    pub attempt: Option<u64>,

    /// Print where the log is instead
    #[arg(long)]
    pub path: bool,

    /// The session, by the name of its plan
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The step
    #[arg(value_name = "STEP")]
    pub step: Option<String>,
}

/// `baton session reset`.
#[derive(Debug, Group)]
#[command(after_help = "\
Takes the job's lock. Nothing is deleted: session and logs are kept under other names, which are told. What the steps have \
done is not taken back; for that there is `baton undo`.

Examples:
  baton session reset onboard
  baton session reset --yes -n onboard")]
pub struct SessionResetArgs {
    /// How to wait.
    #[command(flatten)]
    pub waiting: WaitingArgs,

    /// Don't ask for confirmation
    #[arg(short, long)]
    pub yes: bool,

    /// The session, by the name of its plan
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `baton session export`.
#[derive(Debug, Group)]
#[command(after_help = "Examples:
  baton session export onboard | jq '.session.steps[] | {id, status}'
  baton session export -o onboard.json onboard")]
pub struct SessionExportArgs {
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The session, by the name of its plan
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `baton session report`.
#[derive(Debug, Group)]
#[command(after_help = "The page is one file that needs nothing else: no network, no script.

Examples:
  baton session report onboard
  baton session report -o /srv/www/onboard.html onboard")]
pub struct SessionReportArgs {
    /// Write to FILE; `-` is standard output [default: NAME-report.html]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The session, by the name of its plan
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::args::Args;

    #[test]
    fn every_verb_below_session_has_examples_in_its_help() {
        let command = Args::command();
        let session = command.find_subcommand("session").expect("a verb");
        for verb in session.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  baton session "), "{}", verb.get_name());
        }
    }
}
