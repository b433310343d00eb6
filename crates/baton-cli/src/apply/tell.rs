//! What people and programs see of an attempt, and what is kept of it in the history.
//!
//! Each event is told in one of three ways: on a terminal, with the running step and its time in the last line; elsewhere as plain
//! lines; with `--json` as one object a line. The same object goes to `history/NAME.jsonl`, from which reports are made: the
//! session itself only knows how each step stands, not how it came there.
//!
//! Nothing here can fail an attempt: a reader that is gone, a full disk under the history, are no reason to stop a job.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use baton_lock::redact::Secrets;
use baton_lock::session::{End, Purpose, Session};
use baton_lock::store::Store;
use baton_lock::{clock, escape};

use super::log::Log;
use super::runner::{Fault, FaultCause};
use super::step::Reason;
use crate::args::TellingArgs;
use crate::history::{Entry, Event, FailureCause, How, Journal};
use crate::notice::{self, Notices};
use crate::plan::{Plan, Role, Step};
use crate::run::job::Ended;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// With the running step in the last line.
    Terminal,
    /// A line per event.
    Lines,
    /// An object per event.
    Json,
    /// Failures alone.
    Silent,
}

/// Who tells.
pub(super) struct Teller {
    manner: Manner,
    is_verbose: bool,
    journal: Option<Journal>,
    name: String,
    plan: String,
    secrets: Secrets,
    steps: usize,
    attempt: u64,
    purpose: Purpose,
    /// Whether the last line of the terminal is to be replaced.
    has_status: bool,
    /// Whether it was said what to type.
    is_way_told: bool,
    ran: usize,
    left: usize,
    since: std::time::Instant,
}

impl Teller {
    pub(super) fn open(place: &dyn Store, plan: &Plan, args: &TellingArgs, notices: Notices) -> Self {
        let manner = match notices {
            _ if args.json => Manner::Json,
            Notices::Silenced => Manner::Silent,
            Notices::Shown if io::stdout().is_terminal() => Manner::Terminal,
            Notices::Shown => Manner::Lines,
        };
        let state = place.state().unwrap_or_default();
        let cannot = |error: &io::Error| {
            notice::warning(&format!("the history of `{}` can't be kept: {error}", plan.name));
        };
        let journal = Journal::open(&state, &plan.name).inspect_err(cannot).ok();
        Self {
            manner,
            is_verbose: args.verbose,
            journal,
            name: plan.name.clone(),
            plan: escape::shell(&plan.path),
            secrets: plan.secrets(),
            steps: plan.steps.len(),
            attempt: 0,
            purpose: Purpose::Apply,
            has_status: false,
            is_way_told: false,
            ran: 0,
            left: 0,
            since: std::time::Instant::now(),
        }
    }

    pub(super) fn begun(&mut self, session: &Session) {
        let Some(attempt) = session.open_attempt() else { return };
        self.attempt = attempt.number;
        self.purpose = attempt.purpose;
        self.event(Event::AttemptBegun {
            purpose: attempt.purpose,
            outcome: attempt.outcome,
            token: attempt.token,
            pid: attempt.pid,
            host: attempt.host.clone(),
            user: attempt.user.clone(),
            plan: session.plan().to_owned(),
            session: session.session_id().to_owned(),
            steps: session.steps().map(|step| step.id.clone()).collect(),
        });
    }

    /// A step that does not have to run.
    pub(super) fn left(&mut self, step: &Step, why: &str) {
        self.left += 1;
        self.line(step, DIM, "kept", why);
    }

    pub(super) fn started(&mut self, step: &Step, number: u32, reason: Reason) {
        let (id, why) = (step.id.clone(), reason.as_str().to_owned());
        self.event(Event::StepStarted { step: id, number, reason: why });
        match self.manner {
            Manner::Terminal => {
                // Why a step runs is said where it does not go without saying; of a second try it was said.
                if number == 1 && reason != Reason::NotYet {
                    self.line(step, DIM, "runs", reason.as_str());
                }
                self.running(step, Role::Run, Duration::ZERO);
            }
            Manner::Lines if number > 1 => self.line(step, DIM, "runs", &format!("try {number}")),
            Manner::Lines => self.line(step, DIM, "runs", reason.as_str()),
            Manner::Json | Manner::Silent => {}
        }
    }

    /// That command of it still runs.
    pub(super) fn running(&mut self, step: &Step, role: Role, time: Duration) {
        if self.manner != Manner::Terminal {
            return;
        }
        let command = step.command(role).map(|command| command.redacted(&self.secrets)).unwrap_or_default();
        let command = escape::text(&command);
        let what = if role == Role::Run { String::new() } else { format!("{}: ", role.key()) };
        let text = format!("{} {} {}  {what}{command}", self.place(step), step.id, clock::spell(time));
        self.status(&text);
    }

    /// `took` is `None` if its check found that its effect is there though its runner was killed.
    pub(super) fn completed(&mut self, step: &Step, took: Option<Duration>) {
        let how = if took.is_some() { How::Ran } else { How::Check };
        let duration_ms = took.map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.event(Event::StepCompleted { step: step.id.clone(), how, duration_ms });
        if let Some(took) = took {
            self.ran += 1;
            self.line(step, GOOD, "done", &format!("in {}", spell(took)));
        } else {
            self.left += 1;
            self.line(step, GOOD, "done", "its check finds its effect, though its runner was killed");
        }
    }

    pub(super) fn skipped(&mut self, step: &Step, why: &str) {
        self.event(Event::StepSkipped { step: step.id.clone(), reason: why.to_owned() });
        self.left += 1;
        self.line(step, DIM, "skip", why);
    }

    /// A try failed, and another one follows.
    pub(super) fn tried(&mut self, step: &Step, fault: &Fault, number: u32, pause: Duration) {
        let message = self.secrets.failure(&fault.message);
        self.failure_event(step, &message, fault.cause, number);
        let message = escape::text(&message);
        let pause = format!("{:.1} s", pause.as_secs_f64());
        self.line(step, BAD, "again", &format!("try {number} failed: {message}; the next one in {pause}"));
    }

    /// It failed for good: why, the end of its log, and what to type.
    pub(super) fn failed(&mut self, step: &Step, message: &str, cause: FaultCause, number: u32, log: &Log) {
        self.failure_event(step, message, cause, number);
        self.is_way_told = true;
        self.clear();
        if self.manner == Manner::Json {
            return;
        }
        let message = escape::text(message);
        let verb = if matches!(cause, FaultCause::Interrupted(_)) { "stopped" } else { "failed" };
        self.show_tail(log);
        notice::bad(&format!("step `{}` {verb}: {message}", step.id));
        notice::hint(&format!(
            "`baton apply --resume {}` carries on here; the whole log is {}",
            self.plan,
            escape::path(log.path())
        ));
    }

    fn failure_event(&mut self, step: &Step, message: &str, cause: FaultCause, number: u32) {
        let (cause, ended) = match cause {
            FaultCause::Error(ended) => (FailureCause::Error, ended),
            FaultCause::Timeout => (FailureCause::Timeout, None),
            FaultCause::Interrupted(signal) => {
                (FailureCause::Interrupted, Some(Ended::Signal(signal as i32)))
            }
        };
        let (exit_code, signal) = match ended {
            Some(Ended::Code(code)) => (Some(i32::from(code)), None),
            Some(Ended::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let (step, message) = (step.id.clone(), message.to_owned());
        self.event(Event::StepFailed { step, message, cause, exit_code, signal, number });
    }

    pub(super) fn undone(&mut self, step: &Step) {
        self.event(Event::StepUndone { step: step.id.clone() });
        self.ran += 1;
        let what = if step.undo.is_some() { "" } else { "it has no `undo`" };
        self.line(step, GOOD, "undone", what);
    }

    /// An undo failed: why, and the end of its log.
    pub(super) fn not_undone(&mut self, step: &Step, fault: &Fault, log: &Log) {
        let message = self.secrets.failure(&fault.message);
        self.is_way_told = true;
        self.failure_event(step, &message, fault.cause, 1);
        self.clear();
        if self.manner != Manner::Json {
            self.show_tail(log);
            notice::bad(&format!("step `{}` could not be undone: {}", step.id, escape::text(&message)));
            notice::hint(&format!(
                "`baton undo {}` goes on here; the whole log is {}",
                self.plan,
                escape::path(log.path())
            ));
        }
    }

    /// `to_do` is how many steps are not finished.
    pub(super) fn ended(&mut self, end: End, code: u8, to_do: usize) {
        let word = match end {
            End::Complete => "complete",
            End::Failed => "failed",
            End::Interrupted => "interrupted",
        };
        self.event(Event::AttemptEnded { end, exit_code: code });
        self.clear();
        if end == End::Interrupted && !self.is_way_told && self.manner != Manner::Json {
            let (verb, does) = match self.purpose {
                Purpose::Undo => ("undo", "takes back the rest"),
                Purpose::Apply | Purpose::Rerun => ("apply --resume", "carries on"),
            };
            notice::hint(&format!("`baton {verb} {}` {does}", self.plan));
        }
        if !matches!(self.manner, Manner::Terminal | Manner::Lines) {
            return;
        }
        let (ran, left) = (counted(self.ran), self.left);
        let took = spell(self.since.elapsed());
        let line = match end {
            End::Complete if self.purpose == Purpose::Undo => {
                format!("{GOOD}{}: undone{GOOD:#} ({ran}, {took})", self.name)
            }
            End::Complete if to_do > 0 => {
                let to_do = counted(to_do);
                format!("{GOOD}{}: done as asked{GOOD:#} ({ran} ran, {took}), {to_do} still to do", self.name)
            }
            End::Complete => {
                format!("{GOOD}{}: complete{GOOD:#} ({ran} ran, {left} left as they were, {took})", self.name)
            }
            End::Failed | End::Interrupted => {
                format!("{BAD}{}: {word}{BAD:#} (attempt {}, {took})", self.name, self.attempt)
            }
        };
        write(&line);
    }

    /// A notice in between.
    pub(super) fn notice(&mut self, text: &str) {
        self.clear();
        if matches!(self.manner, Manner::Terminal | Manner::Lines) {
            notice::line(text);
        }
    }

    /// What a step has printed, redacted.
    pub(super) fn output(&mut self, bytes: &[u8]) {
        if self.is_verbose && !bytes.is_empty() && self.manner != Manner::Json {
            self.clear();
            let _ = io::stdout().write_all(bytes);
        }
    }

    fn show_tail(&self, log: &Log) {
        if self.is_verbose {
            return;
        }
        for line in log.last_lines() {
            notice::raw(&format!("{DIM}  | {}{DIM:#}", escape::text(&line)));
        }
    }

    fn place(&self, step: &Step) -> String {
        format!("[{}/{}]", step.position + 1, self.steps)
    }

    fn line(&mut self, step: &Step, style: Style, word: &str, what: &str) {
        if !matches!(self.manner, Manner::Terminal | Manner::Lines) {
            return;
        }
        self.clear();
        let mut line = format!("{} {style}{word:<5}{style:#} {}", self.place(step), step.id);
        if !what.is_empty() {
            // Writing to a string can't fail.
            let _ = write!(line, "  {DIM}{what}{DIM:#}");
        }
        write(&line);
    }

    /// Replaces the last line of the terminal, cut to its width.
    fn status(&mut self, text: &str) {
        // A terminal that was never told its size says 0.
        let width = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        let width = if width == 0 { 80 } else { width.max(20) };
        let cut: String = text.chars().take(width - 1).collect();
        let _ = write!(io::stdout(), "\r{cut}\x1b[K");
        let _ = io::stdout().flush();
        self.has_status = true;
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.has_status) {
            let _ = write!(io::stdout(), "\r\x1b[K");
            let _ = io::stdout().flush();
        }
    }

    fn event(&mut self, event: Event) {
        let entry = Entry::now(self.attempt, event);
        if self.manner == Manner::Json {
            let _ = writeln!(io::stdout(), "{}", serde_json::to_string(&entry).unwrap_or_default());
        }
        if let Some(Err(error)) = self.journal.as_mut().map(|journal| journal.append(&entry)) {
            self.journal = None;
            notice::warning(&format!("the history of `{}` can't be kept: {error}", self.name));
        }
    }
}

/// With tenths where seconds alone would say nothing.
fn spell(time: Duration) -> String {
    if time < Duration::from_secs(10) { format!("{:.1} s", time.as_secs_f64()) } else { clock::spell(time) }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 step".to_owned() } else { format!("{number} steps") }
}

fn write(line: &str) {
    // A reader that is gone is no reason to stop a job.
    let _ = writeln!(anstream::stdout(), "{line}");
}
