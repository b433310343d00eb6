//! The runner: one step after the other, each recorded before it runs and after it has ended.
//!
//! P1 is killed at any moment of this. Before the record of the start: the step is pending, and P2 runs it. Between that and the record
//! of the end: it is in progress, and P2 asks its check, or runs it again. After: it is complete. The step's processes have the lock, so
//! that P2 comes only when they are gone.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use baton_lock::redact::Secrets;
use baton_lock::session::{Cause, End, Event, Session, StepStatus, Writer};
use baton_lock::store::Store;
use baton_lock::{Held, escape};
use nix::sys::signal::Signal;

use super::log::{self, Log, Output};
use super::process::{self, Finish, Ran, Watcher};
use super::step::{self, Question, Reason};
use super::tell::Teller;
use crate::exit;
use crate::failure::Failure;
use crate::notice;
use crate::plan::{Facts, Invocation, Plan, Role, Step, facts};
use crate::run::holding;
use crate::run::job::Ended;
use crate::run::signals::Caught;

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    Complete,
    Failed,
    /// Told to stop by that signal.
    Interrupted(Signal),
}

/// What a step came to.
enum StepCame {
    Done,
    Failed,
    Interrupted(Signal),
}

/// Why a step did not end well.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) cause: FaultCause,
}

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultCause {
    Error(Option<Ended>),
    Timeout,
    Interrupted(Signal),
}

/// An attempt that runs.
pub(super) struct Runner<'a> {
    plan: &'a Plan,
    held: &'a Held,
    caught: Caught,
    writer: Writer,
    pub(super) teller: Teller,
    secrets: Secrets,
    logs: PathBuf,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        place: &dyn Store,
        plan: &'a Plan,
        held: &'a Held,
        caught: Caught,
        mut writer: Writer,
        teller: Teller,
    ) -> Self {
        let state = place.state().unwrap_or_default();
        let logs = std::path::absolute(state.join("logs").join(&plan.name)).unwrap_or_default();
        let secrets = plan.secrets();
        writer.hide(secrets.clone());
        Self { plan, held, caught, writer, teller, secrets, logs }
    }

    /// Records the begin of the attempt.
    pub(super) fn begin(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        if let Some(step) = self.writer.session().and_then(killed_in) {
            let lost = format!("the last runner was killed while step `{}` ran", escape::text(&step));
            self.teller.notice(&lost);
        }
        self.writer.apply_all(self.held, events)?;
        if let Some(lost) = self.writer.counter_lost() {
            notice::warning(&format!(
                "the counter of tokens was lost: the session was written by token {}, this runner got {} and goes on with {}",
                lost.written, lost.held, lost.taken
            ));
        }
        log::sweep_outputs(&self.logs);
        if let Some(session) = self.writer.session() {
            self.teller.begun(session);
        }
        Ok(())
    }

    pub(super) fn plan(&self) -> &'a Plan {
        self.plan
    }

    pub(super) fn session(&self) -> Result<&Session, Failure> {
        self.writer.session().ok_or_else(|| Failure {
            code: exit::BUG,
            message: "the session that was just written is not there".to_owned(),
            hint: None,
        })
    }

    pub(super) fn record(&mut self, events: impl IntoIterator<Item = Event>) -> Result<(), Failure> {
        self.writer.apply_all(self.held, events)?;
        Ok(())
    }

    /// Runs what has to run, in order, or one step only.
    pub(super) fn run(&mut self, only: Option<&str>) -> Result<Came, Failure> {
        let plan = self.plan;
        for step in plan.steps.iter().filter(|step| only.is_none_or(|only| step.id == only)) {
            if let Some(signal) = self.told_to_stop() {
                return self.interrupted(signal);
            }
            match self.consider(step)? {
                StepCame::Done => {}
                StepCame::Failed => return self.ended(End::Failed, Came::Failed),
                StepCame::Interrupted(signal) => return self.interrupted(signal),
            }
        }
        if self.session()?.first_unfinished().is_some() {
            // Only one step was asked for.
            return self.ended(End::Complete, Came::Complete);
        }
        self.record([Event::SessionCompleted])?;
        self.teller.ended(End::Complete, exit::DONE, 0);
        Ok(Came::Complete)
    }

    pub(super) fn ended(&mut self, end: End, came: Came) -> Result<Came, Failure> {
        self.record([Event::AttemptEnded { end }])?;
        let code = match came {
            Came::Complete => exit::DONE,
            Came::Failed => exit::STEP_FAILED,
            Came::Interrupted(signal) => exit::of_signal(signal as i32),
        };
        let to_do = self.session()?.steps().filter(|step| !step.is_finished()).count();
        self.teller.ended(end, code, to_do);
        Ok(came)
    }

    pub(super) fn interrupted(&mut self, signal: Signal) -> Result<Came, Failure> {
        self.ended(End::Interrupted, Came::Interrupted(signal))
    }

    /// Was it told to stop while no command ran?
    pub(super) fn told_to_stop(&self) -> Option<Signal> {
        self.caught.ending().ok().flatten()
    }

    /// Finds out whether a step has to run, and runs it.
    fn consider(&mut self, step: &Step) -> Result<StepCame, Failure> {
        let question = step::question(step, self.session()?);
        let reason = match question {
            Question::Settled => {
                self.teller.left(step, "it is complete");
                return Ok(StepCame::Done);
            }
            Question::None(reason) => reason,
            Question::StillThere | Question::ThereAfterAll => match self.ask(step, Role::Check)? {
                Answer::Interrupted(signal) => return Ok(StepCame::Interrupted(signal)),
                // A check that can't be run has found nothing.
                Answer::No | Answer::Unknown(_) if question == Question::StillThere => Reason::EffectGone,
                Answer::No | Answer::Unknown(_) => Reason::Killed,
                Answer::Yes if question == Question::StillThere => {
                    self.teller.left(step, "it is complete, and its check passes");
                    return Ok(StepCame::Done);
                }
                Answer::Yes => {
                    self.record([Event::step_completed(&step.id, Facts::new())])?;
                    self.teller.completed(step, None);
                    return Ok(StepCame::Done);
                }
            },
        };
        // What can't be asked for want of a fact is no "no": the step's own run says what is missing.
        let facts = step::facts(self.session()?);
        if step.interpolated(Role::When, &facts).is_err() {
            return self.run_step(step, reason);
        }
        match self.ask(step, Role::When)? {
            Answer::Interrupted(signal) => Ok(StepCame::Interrupted(signal)),
            Answer::No => self.skip(step),
            Answer::Yes => self.run_step(step, reason),
            Answer::Unknown(fault) => self.fail_unasked(step, reason, &fault),
        }
    }

    fn skip(&mut self, step: &Step) -> Result<StepCame, Failure> {
        let status = self.session()?.step(&step.id).map(|step| step.status);
        let can_be_skipped = matches!(status, Some(StepStatus::Pending | StepStatus::InProgress));
        let reset = (!can_be_skipped).then(|| Event::step_reset(&step.id));
        self.record(reset.into_iter().chain([Event::step_skipped(&step.id)]))?;
        self.teller.skipped(step, "its `when` says that it does not apply");
        Ok(StepCame::Done)
    }

    /// Fails a step of which it can't be told whether it applies.
    fn fail_unasked(&mut self, step: &Step, reason: Reason, fault: &Fault) -> Result<StepCame, Failure> {
        if let Some(signal) = self.settle(step)? {
            return Ok(StepCame::Interrupted(signal));
        }
        let status = self.session()?.step(&step.id).map(|step| step.status);
        let is_finished = matches!(status, Some(StepStatus::Complete | StepStatus::Skipped));
        let reset = is_finished.then(|| Event::step_reset(&step.id));
        self.record(reset.into_iter().chain([Event::step_started(&step.id)]))?;
        self.teller.started(step, 1, reason);
        let log = self.open_log(step)?;
        self.fail(step, &format!("its `when`: {}", fault.message), fault.cause, 1, &log)?;
        Ok(StepCame::Failed)
    }

    /// Runs a step, again if it is to be tried again, and records what came of it.
    fn run_step(&mut self, step: &Step, reason: Reason) -> Result<StepCame, Failure> {
        if let Some(signal) = self.settle(step)? {
            return Ok(StepCame::Interrupted(signal));
        }
        let before = step::facts(self.session()?);
        let status = self.session()?.step(&step.id).map(|step| step.status);
        if matches!(status, Some(StepStatus::Complete | StepStatus::Skipped)) {
            self.record([Event::step_reset(&step.id)])?;
        }
        let mut log = self.open_log(step)?;
        let mut number = 1;
        let came = loop {
            self.record([Event::step_started(&step.id)])?;
            self.teller.started(step, number, reason);
            let started = Instant::now();
            match self.attempt(step, &before, &mut log)? {
                Ok(published) => {
                    self.complete(step, &before, published)?;
                    self.teller.completed(step, Some(started.elapsed()));
                    break StepCame::Done;
                }
                Err(Fault { cause: FaultCause::Interrupted(signal), message }) => {
                    self.fail(step, &message, FaultCause::Interrupted(signal), number, &log)?;
                    break StepCame::Interrupted(signal);
                }
                Err(fault) if number > step.retries => {
                    self.fail(step, &fault.message, fault.cause, number, &log)?;
                    break StepCame::Failed;
                }
                Err(fault) => {
                    let pause = step.pause(number);
                    self.teller.tried(step, &fault, number, pause);
                    if let Some(signal) = self.pause(pause) {
                        let message = "it was told to stop while it waited to be tried again";
                        self.fail(step, message, FaultCause::Interrupted(signal), number, &log)?;
                        break StepCame::Interrupted(signal);
                    }
                    number += 1;
                }
            }
        };
        let path = log.path().to_owned();
        if let Err(error) = log.finish() {
            notice::warning(&format!("the log {} is not whole: {error}", escape::path(&path)));
        }
        Ok(came)
    }

    /// Settles what the last runner was killed in, where that is another step than the one to be run: an earlier one whose effect is
    /// gone, or the only one that was asked for. Two are never in progress; and what was really done is not forgotten.
    fn settle(&mut self, next: &Step) -> Result<Option<Signal>, Failure> {
        let Some(id) = self.session()?.step_in_progress().map(|step| step.id.clone()) else {
            return Ok(None);
        };
        if id == next.id {
            return Ok(None);
        }
        let killed = self.plan.step(&id);
        let answer = match killed {
            Some(step) if step::question(step, self.session()?) == Question::ThereAfterAll => {
                self.ask(step, Role::Check)?
            }
            _ => Answer::No,
        };
        let settled = match answer {
            Answer::Interrupted(signal) => return Ok(Some(signal)),
            Answer::Yes => Event::step_completed(&id, Facts::new()),
            Answer::No | Answer::Unknown(_) => Event::step_reset(&id),
        };
        self.record([settled])?;
        Ok(None)
    }

    /// Records the end of a step, and that those have to run again that ran with other facts.
    fn complete(&mut self, step: &Step, before: &Facts, published: Facts) -> Result<(), Failure> {
        let outdated = step::outdated(&self.plan.steps, step, self.session()?, before, &published);
        let resets: Vec<Event> = outdated.into_iter().map(Event::step_reset).collect();
        self.record([Event::step_completed(&step.id, published)].into_iter().chain(resets))
    }

    fn fail(
        &mut self,
        step: &Step,
        message: &str,
        cause: FaultCause,
        number: u32,
        log: &Log,
    ) -> Result<(), Failure> {
        let recorded = match cause {
            FaultCause::Interrupted(_) => Cause::Interrupted,
            FaultCause::Error(_) | FaultCause::Timeout => Cause::Error,
        };
        self.record([Event::step_failed(&step.id, message, recorded)])?;
        let recorded = self.session()?.step(&step.id).and_then(|step| step.error.clone()).unwrap_or_default();
        self.teller.failed(step, &recorded, cause, number, log);
        Ok(())
    }

    fn open_log(&self, step: &Step) -> Result<Log, Failure> {
        let number = self.session()?.open_attempt().map_or(0, |attempt| attempt.number);
        Log::create(&self.logs, number, &step.id, self.secrets.clone()).map_err(|error| Failure {
            code: exit::UNSAFE,
            message: format!("cannot create the log in {}: {error}", escape::path(&self.logs)),
            hint: Some("free some space there, or set BATON_DIR to another directory".to_owned()),
        })
    }

    /// Runs the step's command once; gives back what it published.
    fn attempt(
        &mut self,
        step: &Step,
        facts: &Facts,
        log: &mut Log,
    ) -> Result<Result<Facts, Fault>, Failure> {
        match self.prepare(step, facts) {
            Ok(Some(prepared)) => self.run_prepared(step, prepared, log),
            Ok(None) => Ok(Ok(Facts::new())),
            Err(fault) => Ok(Err(fault)),
        }
    }

    fn prepare(&self, step: &Step, facts: &Facts) -> Result<Option<(Invocation, Output)>, Fault> {
        let number =
            self.writer.session().and_then(Session::open_attempt).map_or(0, |attempt| attempt.number);
        let output = Output::create(&self.logs, number, &step.id)
            .map_err(|error| Fault::error(format!("the file for its facts can't be created: {error}")))?;
        invocation(step, Role::When, facts)?;
        Ok(invocation(step, Role::Run, facts)?.map(|invocation| (invocation, output)))
    }

    fn run_prepared(
        &mut self,
        step: &Step,
        (invocation, output): (Invocation, Output),
        log: &mut Log,
    ) -> Result<Result<Facts, Fault>, Failure> {
        let mut command = self.command(step, &invocation);
        command.env("BATON_OUTPUT", output.path());
        log.note(&format!("run: {}", step.run.redacted(&self.secrets)));
        Ok(match self.execute(command, step, Role::Run, log)? {
            Ok(Finish::Ended(Ended::Code(0))) => {
                let secrets = self.plan.secret_values();
                let rules = facts::Rules { outputs: &step.outputs, secrets: &secrets };
                facts::read(output.path(), rules).map_err(|error| Fault::error(with_cause(&error)))
            }
            Ok(finish) => Err(Fault::of(finish, step, log)),
            Err(error) => Err(cannot_start(&invocation, &error)),
        })
    }

    /// Asks a step's check, or whether it applies; without such a command the answer is yes.
    fn ask(&mut self, step: &Step, role: Role) -> Result<Answer, Failure> {
        let facts = step::facts(self.session()?);
        let invocation = match step.interpolated(role, &facts) {
            Ok(Some(invocation)) => invocation,
            Ok(None) => return Ok(Answer::Yes),
            // It looks for what was never published: not there.
            Err(_) => return Ok(Answer::No),
        };
        let mut log = self.open_log(step)?;
        log.note(&format!(
            "{}: {}",
            role.key(),
            step.command(role).map(|command| command.redacted(&self.secrets)).unwrap_or_default()
        ));
        let command = self.command(step, &invocation);
        let finish = self.execute(command, step, role, &mut log)?;
        log.note(&format!("{}: {}", role.key(), describe(finish.as_ref())));
        let answer = match finish {
            Ok(Finish::Ended(Ended::Code(0))) => Answer::Yes,
            Ok(Finish::Interrupted(signal)) => Answer::Interrupted(signal),
            Ok(Finish::Ended(_)) => Answer::No,
            Ok(Finish::TimedOut) => Answer::Unknown(Fault::of(Finish::TimedOut, step, &log)),
            Err(error) => Answer::Unknown(cannot_start(&invocation, &error)),
        };
        // What the answer was does not depend on the log of it.
        let _ = log.finish();
        Ok(answer)
    }

    /// Runs a step's `undo` command.
    pub(super) fn undo(&mut self, step: &Step, facts: &Facts) -> Result<Result<(), Fault>, Failure> {
        let mut log = self.open_log(step)?;
        let result = match invocation(step, Role::Undo, facts) {
            Ok(Some(invocation)) => {
                log.note(&format!(
                    "undo: {}",
                    step.undo.as_ref().map(|command| command.redacted(&self.secrets)).unwrap_or_default()
                ));
                let command = self.command(step, &invocation);
                match self.execute(command, step, Role::Undo, &mut log)? {
                    Ok(Finish::Ended(Ended::Code(0))) => Ok(()),
                    Ok(finish) => Err(Fault::of(finish, step, &log)),
                    Err(error) => Err(cannot_start(&invocation, &error)),
                }
            }
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = &result {
            self.teller.not_undone(step, fault, &log);
        }
        let _ = log.finish();
        Ok(result)
    }

    fn command(&self, step: &Step, invocation: &Invocation) -> Command {
        let (program, arguments) = invocation.argv.split_first().expect("an invocation names a program");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&invocation.cwd);
        holding::introduce(&mut command, self.held);
        let attempt =
            self.writer.session().and_then(Session::open_attempt).map_or(0, |attempt| attempt.number);
        command.env("BATON_TOKEN", self.writer.token().to_string());
        command.env("BATON_PLAN", &self.plan.path).env("BATON_STEP", &step.id);
        command.env("BATON_ATTEMPT", attempt.to_string());
        command.env_remove("BATON_OUTPUT").envs(&invocation.env);
        command
    }

    /// Runs a command. That the lock was lost is a failure of the whole attempt: nothing can be recorded any more.
    fn execute(
        &mut self,
        command: Command,
        step: &Step,
        role: Role,
        log: &mut Log,
    ) -> Result<io::Result<Finish>, Failure> {
        let mut watcher = Watching { teller: &mut self.teller, log, step, role, since: Instant::now() };
        let ran = process::run(command, self.held, &self.caught, step.timeout, &mut watcher);
        let rest = log.flush();
        self.teller.output(&rest);
        match ran {
            Ok(Ran::Finished(finish)) => Ok(Ok(finish)),
            Ok(Ran::Lost(reason)) => Err(lost(self.held, step, &reason)),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Waits before the next try; a signal that comes meanwhile is given back.
    fn pause(&mut self, time: Duration) -> Option<Signal> {
        let until = Instant::now() + time;
        loop {
            if let Some(signal) = self.caught.ending().ok().flatten() {
                return Some(signal);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.caught.wait_for(left).is_err() {
                return None;
            }
        }
    }
}

fn lost(held: &Held, step: &Step, reason: &str) -> Failure {
    let lock = escape::path(held.path());
    Failure {
        code: exit::LOST,
        message: format!("{lock} was lost while step `{}` ran, which was ended: {reason}", escape::text(&step.id)),
        hint: Some("what came of it is not recorded; the next runner is told *recovered*, and asks the step's `check`".to_owned()),
    }
}

/// The answer of a check or a condition.
enum Answer {
    Yes,
    No,
    Interrupted(Signal),
    /// It could not be asked.
    Unknown(Fault),
}

impl Fault {
    fn error(message: String) -> Self {
        Self { message, cause: FaultCause::Error(None) }
    }

    fn of(finish: Finish, step: &Step, log: &Log) -> Self {
        let last = log.last_words().map(|words| format!("; its last words: {words}")).unwrap_or_default();
        match finish {
            Finish::Ended(ended) => Self {
                message: format!("it {}{last}", holding::how(ended)),
                cause: FaultCause::Error(Some(ended)),
            },
            Finish::TimedOut => {
                let limit = baton_lock::clock::spell(step.timeout.unwrap_or_default());
                Self {
                    message: format!("it took longer than {limit} and was ended{last}"),
                    cause: FaultCause::Timeout,
                }
            }
            Finish::Interrupted(signal) => Self {
                message: format!("it was told to stop by {signal}"),
                cause: FaultCause::Interrupted(signal),
            },
        }
    }
}

fn describe(finish: Result<&Finish, &io::Error>) -> String {
    match finish {
        Ok(Finish::Ended(ended)) => holding::how(*ended),
        Ok(Finish::TimedOut) => "took too long and was ended".to_owned(),
        Ok(Finish::Interrupted(signal)) => format!("was told to stop by {signal}"),
        Err(error) => format!("can't be run: {error}"),
    }
}

fn invocation(step: &Step, role: Role, facts: &Facts) -> Result<Option<Invocation>, Fault> {
    step.interpolated(role, facts).map_err(|missing| Fault::error(missing.to_string()))
}

fn cannot_start(invocation: &Invocation, error: &io::Error) -> Fault {
    let program = &invocation.argv[0];
    let message = if invocation.cwd.is_dir() {
        format!("`{program}` can't be run: {error}")
    } else {
        format!("its directory {} is not there", escape::path(&invocation.cwd))
    };
    Fault::error(message)
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn killed_in(session: &Session) -> Option<String> {
    session.open_attempt()?;
    session.step_in_progress().map(|step| step.id.clone())
}

/// What is done while a command runs.
struct Watching<'r> {
    teller: &'r mut Teller,
    log: &'r mut Log,
    step: &'r Step,
    role: Role,
    since: Instant,
}

impl Watcher for Watching<'_> {
    fn output(&mut self, bytes: &[u8]) {
        let shown = self.log.push(bytes);
        self.teller.output(&shown);
    }

    fn tick(&mut self) {
        self.teller.running(self.step, self.role, self.since.elapsed());
    }
}
