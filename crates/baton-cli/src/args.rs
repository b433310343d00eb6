//! The command line: what can be asked for, and the help that says so with examples.
//!
//! Every option has one meaning for all verbs that take it, and is said here once.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args as Group, FromArgMatches as _, Parser, Subcommand};

use crate::time;

mod session;
mod way_out;

pub use session::*;
pub use way_out::*;

/// One runner at a time, never a stale lock, and the next one is told how the last one ended.
#[derive(Debug, Parser)]
#[command(name = "baton", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Args {
    /// Where locks and sessions are: a directory, or `etcd://HOST:2379[,…]/PREFIX` [default: `$BATON_STORE`, else the state directory]
    #[arg(long, value_name = "STORE", global = true)]
    pub store: Option<OsString>,

    /// How long a holder that is not heard of keeps its lock, in a store with leases [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = time::parse, global = true)]
    pub lease: Option<Duration>,

    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

// Paragraphs are one line each: they are wrapped to the width of the terminal.
const EXAMPLES: &str = "\
LOCK is a path if it has a `/`, else a name in the state directory ($BATON_DIR, else $XDG_STATE_HOME/baton, else \
~/.local/state/baton). TIME is `30s`, `1m30s`, `250ms`, or a number of seconds.

Examples:
  baton run deploy -- ./deploy.sh prod         one at a time; others wait
  baton run -q -n -E 0 sync -- rsync -a a/ b/  cron: skip it while one runs
  baton run -w 30s ./tree.lock -- make         wait 30 s at most, else exit 75
  baton run --flock ./data.db -- backup        share a file with flock(1) users
  baton status deploy                          who holds it, and what to do
  baton wait -w 10m deploy && echo idle        return once free; takes nothing
  baton apply onboard.toml                     the steps of a plan, one by one
  baton apply --resume onboard.toml            where the last runner fell
  baton session list                           all such jobs, how far they are

Exit codes: the job's own, or 128+N if signal N ended it; 75 busy or timed out; 65 not a lock file; 69 the filesystem \
can't hold a lock; 73 a file or directory is unsafe; 76 the lock was lost; 126, 127 the job can't be executed, was not \
found; 2 usage.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command while holding a lock: waits for it first, releases it when the command has ended
    Run(RunArgs),
    /// Say who holds a lock, without disturbing anybody
    Status(StatusArgs),
    /// Return when a lock is free, without taking it
    Wait(WaitArgs),
    /// End the holder of a lock: its processes, after making sure that they are the ones
    Break(BreakArgs),
    /// List the locks of directories, and who holds them
    List(ListArgs),
    /// Remove what locks leave behind that were free for long
    Prune(PruneArgs),
    /// Try out whether a directory's filesystem can do what a lock needs
    Doctor(DoctorArgs),
    /// Run the steps of a plan under its lock; carry on where the last runner fell
    Apply(ApplyArgs),
    /// Take back what the steps of a plan have done, in reverse
    Undo(UndoArgs),
    /// Look at the sessions of jobs: list, show, log, report, export; reset one
    Session(SessionArgs),
}

impl Args {
    /// The command line of this process.
    ///
    /// # Errors
    ///
    /// What is wrong with it, or the help that it asks for.
    pub fn of_this_process() -> Result<Self, clap::Error> {
        let words: Vec<OsString> = std::env::args_os().collect();
        run_alone(&words).map_or_else(|| Self::try_parse_from(&words), Ok)
    }
}

/// A command line of `run` that is right, read without making the arguments of all other verbs, which takes longer than the whole lock.
/// `None` leaves it to those who can say what is wrong.
fn run_alone(words: &[OsString]) -> Option<Args> {
    let words = words.get(1..).filter(|words| words.first().is_some_and(|verb| verb == "run"))?;
    let args = run_plainly(words).or_else(|| {
        let command = RunArgs::augment_args(clap::Command::new("run"));
        RunArgs::from_arg_matches_mut(&mut command.try_get_matches_from(words).ok()?).ok()
    })?;
    Some(Args { store: None, lease: None, verb: Verb::Run(args) })
}

/// `run LOCK -- CMD…` without any option, which needs no parser: that one takes as long as the lock.
fn run_plainly(words: &[OsString]) -> Option<RunArgs> {
    let [_, lock, mark, command @ ..] = words else { return None };
    let is_lock = !lock.is_empty() && !lock.as_encoded_bytes().starts_with(b"-");
    let is_plain = is_lock && mark == "--" && !command.is_empty();
    is_plain.then(|| RunArgs { locks: vec![lock.clone()], command: command.to_vec(), ..RunArgs::default() })
}

/// What kind of lock.
#[derive(Debug, Default, Group)]
pub struct KindArgs {
    /// Lock the file or directory LOCK itself, as flock(1) does, without ever writing to it; excludes programs that use flock
    #[arg(long)]
    pub flock: bool,

    /// Accept a filesystem that is not known to be local, by the name under which it was refused, such as nfs or fuse
    #[arg(long, value_name = "TYPE", action = ArgAction::Append)]
    pub allow_fs: Vec<String>,
}

/// Which lock.
#[derive(Debug, Group)]
pub struct LockArgs {
    /// What kind.
    #[command(flatten)]
    pub kind: KindArgs,

    /// A path (with a `/`), or a name in the state directory
    #[arg(value_name = "LOCK")]
    pub lock: OsString,
}

/// How long to wait for a lock, and what to say meanwhile.
#[derive(Debug, Default, Group)]
pub struct WaitingArgs {
    /// Don't wait: if the lock is busy, exit at once
    #[arg(short = 'n', long = "nonblock", conflicts_with = "wait")]
    pub nonblock: bool,

    /// Wait so long at most; 0 means don't wait
    #[arg(short, long, value_name = "TIME", value_parser = time::parse)]
    pub wait: Option<Duration>,

    /// Exit with this code if the lock is busy or the wait timed out [default: 75]
    #[arg(short = 'E', long = "conflict-exit-code", value_name = "CODE")]
    pub busy_code: Option<u8>,

    /// Print no notices: neither who is waited for nor who was recovered from; errors are still told
    #[arg(short, long)]
    pub quiet: bool,
}

/// `baton run`.
#[derive(Debug, Default, Group)]
#[command(after_help = RUN_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub struct RunArgs {
    /// How to wait.
    #[command(flatten)]
    pub waiting: WaitingArgs,

    /// Hold the lock along with others who share it, and never beside one who does not: many may read, one alone may write
    #[arg(short, long)]
    pub shared: bool,

    /// Replace baton by the command: one process fewer, but its end can't be told from a crash
    #[arg(long, conflicts_with_all = ["close", "until_closed", "report"])]
    pub exec: bool,

    /// Don't let the command inherit the lock: if baton is killed, the lock is free though the command may still run
    #[arg(long)]
    pub close: bool,

    /// Hold the lock until every process that inherited it has ended or closed it, daemons left behind included
    #[arg(long, conflicts_with = "close")]
    pub until_closed: bool,

    /// Why the lock is held, for those who wait
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,

    /// First run this shell command if the last holder did not end cleanly; if it fails, the job does not run
    #[arg(long, value_name = "CMD", conflicts_with = "shared")]
    pub on_recovered: Option<OsString>,

    /// Write what happened to FILE, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// What kind of lock.
    #[command(flatten)]
    pub kind: KindArgs,

    /// A path (with a `/`), or a name in the state directory; of several, all are held
    #[arg(value_name = "LOCK", required = true)]
    pub locks: Vec<OsString>,

    /// The command and its arguments, after `--`
    #[arg(value_name = "CMD", last = true, required = true)]
    pub command: Vec<OsString>,
}

const RUN_EXAMPLES: &str = "\
The job inherits the lock: if baton itself is killed, the lock stays held until the job has ended too. It finds \
BATON_LOCK, BATON_TOKEN (a fencing token: larger than that of every earlier holder), BATON_SHARED=1 with --shared, and BATON_OUTCOME (`fresh`, or \
`recovered` if the last holder died; then BATON_PREVIOUS is its record) in its environment.

Several LOCKs are taken in an order of their own, the same for everybody, so that nobody waits for \
somebody who waits for him; BATON_LOCKS is then all of them as JSON, the other variables are about the first, or the first one that was \
recovered.

Examples:
  baton run deploy -- ./deploy.sh prod
  baton run -q -n -E 0 sync -- rsync -a a/ b/  cron: skip it while one runs
  baton run -w 5m --purpose 'release 4.2' ./tree.lock -- make release
  baton run --on-recovered 'git reset --hard' ./tree.lock -- ./update
  baton run --close web -- systemctl restart web
  baton run --exec worker -- ./worker          no process of baton beside it
  baton run ./a.lock ./b.lock -- ./merge       hold both
  baton run -s ./tree.lock -- ./check          beside others who share it";

/// `baton status`.
#[derive(Debug, Group)]
#[command(after_help = STATUS_EXAMPLES)]
pub struct StatusArgs {
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Which lock.
    #[command(flatten)]
    pub lock: LockArgs,
}

const STATUS_EXAMPLES: &str = "\
Exit codes: 0 free or left over by a holder that died; 75 held, or it can't be told; 65 not a lock file; 69 the filesystem \
can't hold a lock; 73 unsafe.

Examples:
  baton status deploy
  baton status --json ./tree.lock | jq -r .state
  baton status deploy >/dev/null && echo 'nobody deploys'";

/// `baton wait`.
#[derive(Debug, Group)]
#[command(after_help = WAIT_EXAMPLES)]
pub struct WaitArgs {
    /// How to wait.
    #[command(flatten)]
    pub waiting: WaitingArgs,

    /// Which lock.
    #[command(flatten)]
    pub lock: LockArgs,
}

const WAIT_EXAMPLES: &str = "\
Another one may take the lock the moment it is free; to do something while nobody else does, use `baton run`.

Examples:
  baton wait deploy
  baton wait -w 10m deploy || echo 'still deploying'";

/// How `apply` and `undo` tell what they do.
#[derive(Debug, Group)]
pub struct TellingArgs {
    /// Print one JSON object per event, for programs
    #[arg(long)]
    pub json: bool,

    /// Also show what the steps print, without secrets
    #[arg(short, long, conflicts_with = "json")]
    pub verbose: bool,
}

/// `baton apply`.
#[derive(Debug, Group)]
#[command(after_help = APPLY_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
pub struct ApplyArgs {
    /// How to wait.
    #[command(flatten)]
    pub waiting: WaitingArgs,

    /// Carry on where the last runner stopped
    #[arg(long, group = "choice")]
    pub resume: bool,

    /// Start from the first step, whatever was done before
    #[arg(long, group = "choice")]
    pub fresh: bool,

    /// Run STEP and all after it again; those before it must be finished
    #[arg(long, value_name = "STEP", group = "choice")]
    pub from: Option<String>,

    /// Run STEP again, and nothing else
    #[arg(long, value_name = "STEP", group = "choice")]
    pub only: Option<String>,

    /// Count finished steps as finished though the plan has changed them
    #[arg(long)]
    pub accept_changes: bool,

    /// Say what would run and why; run nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Don't ask for confirmation; chooses nothing
    #[arg(short, long)]
    pub yes: bool,

    /// How to tell.
    #[command(flatten)]
    pub telling: TellingArgs,

    /// The plan file (TOML)
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
}

const APPLY_EXAMPLES: &str = "\
The plan's name names its lock and its session. A step that is complete is run again only if its `check` says that its effect is \
gone. Nothing unfinished is resumed or thrown away unasked: on a terminal you are asked, elsewhere the exit code is 3.

Exit codes: 0 complete; 1 a step failed; 3 a decision is needed; 65 the plan or its session is wrong; 73 a file can't be read \
or written; 75 somebody else runs it; 76 the lock was lost; 129, 130, 131, 143 told to stop by a signal.

Examples:
  baton apply onboard.toml
  baton apply --resume onboard.toml          after a failure, a kill, a reboot
  baton apply --from inference onboard.toml  this step and all after it again
  baton apply --dry-run onboard.toml         what would run, and why";

/// `baton undo`.
#[derive(Debug, Group)]
#[command(after_help = UNDO_EXAMPLES)]
pub struct UndoArgs {
    /// How to wait.
    #[command(flatten)]
    pub waiting: WaitingArgs,

    /// Don't ask for confirmation
    #[arg(short, long)]
    pub yes: bool,

    /// How to tell.
    #[command(flatten)]
    pub telling: TellingArgs,

    /// The plan file (TOML)
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
}

const UNDO_EXAMPLES: &str = "\
Runs the `undo` commands of the steps that were done, or begun and not finished, the last one first. It stops at the first that \
fails; called again, it goes on there.

Exit codes: 0 undone, or nothing to undo; 1 an `undo` failed; 3 it has to be confirmed; else as `baton apply`.

Examples:
  baton undo onboard.toml
  baton undo --yes onboard.toml              without being asked";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_verb_has_examples_in_its_help() {
        for verb in Args::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:\n  baton "), "{}", verb.get_name());
        }
    }

    #[test]
    fn short_way_to_run_says_the_same_as_the_long_one_or_nothing() {
        let read = |words: &[OsString]| {
            let long = Args::try_parse_from(words).ok();
            (run_alone(words).map(|args| format!("{args:?}")), long.map(|args| format!("{args:?}")))
        };
        let right = [
            "x -- true",
            "./x -- a --flock -- -n",
            "help -- --",
            "-q -n -E 0 x -- a -n --",
            "--flock -w 1m30s --purpose p --close x -- b",
            "--exec x -- c",
            "-s x -- c",
            "x ./y z -- d",
        ];
        for words in right.map(|words| format!("baton run {words}")) {
            let (short, long) = read(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
            assert!(short.is_some() && short == long, "{words}: {short:?} {long:?}");
        }
        let others = [
            "",
            "run",
            "run --help",
            "run -h x -- a",
            "run --version",
            "run x",
            "run x --",
            "run -- a",
            "run -n -w 5 x -- a",
            "status x",
            "--version",
        ];
        for words in others.map(|words| format!("baton {words}")) {
            let (short, _) = read(&words.split(' ').map(OsString::from).collect::<Vec<_>>());
            assert_eq!(short, None, "{words}");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for words in [
            "-n -w 5",
            "--exec --close",
            "--exec --until-closed",
            "--exec --report r",
            "--close --until-closed",
            "-s --on-recovered true",
        ] {
            let words = format!("baton run {words} x -- true");
            assert!(Args::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
        assert!(Args::try_parse_from(["baton", "run", "x", "true"]).is_err(), "no `--`");
        assert!(Args::try_parse_from(["baton", "run", "x", "--"]).is_err(), "no command");
    }
}
