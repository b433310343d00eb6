//! What the history says of each attempt.

use std::collections::HashMap;

use super::{Actor, Run, RunEnd, Span, What};
use crate::history::{Entry, Event, FailureCause, How};

/// The attempts, in the order in which they were begun. Numbers may come twice: a session that was set aside is followed by one
/// that counts from 1.
pub(super) fn runs(entries: &[Entry]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // The last attempt of each number, so that a long history takes no longer per line than a short one.
    let mut last: HashMap<u64, usize> = HashMap::new();
    for entry in entries {
        let at = *last.entry(entry.attempt).or_insert(runs.len());
        let is_new = matches!(entry.event, Event::AttemptBegun { .. });
        if is_new || at == runs.len() {
            last.insert(entry.attempt, runs.len());
            runs.push(Run::unheard_of(entry.attempt));
        }
        let at = if is_new { runs.len() - 1 } else { at };
        runs[at].follow(entry);
    }
    runs
}

impl Run {
    /// One of which nothing is known but its number.
    pub(in crate::session) fn unheard_of(number: u64) -> Self {
        Self {
            number,
            actor: None,
            begun: None,
            ended: None,
            end: RunEnd::Unknown,
            exit_code: None,
            spans: Vec::new(),
            session: None,
        }
    }

    fn follow(&mut self, entry: &Entry) {
        let at = || Some(entry.at.clone());
        match &entry.event {
            Event::AttemptBegun { purpose, outcome, token, pid, host, user, session, .. } => {
                let (host, user) = (host.clone(), user.clone());
                let actor =
                    Actor { purpose: *purpose, outcome: *outcome, token: *token, pid: *pid, host, user };
                (self.actor, self.begun, self.session) = (Some(actor), at(), Some(session.clone()));
            }
            Event::StepStarted { step, number, .. } => self.spans.push(Span {
                step: step.clone(),
                from: at(),
                to: None,
                what: What::Open,
                message: None,
                number: *number,
            }),
            Event::StepCompleted { step, how: How::Ran, .. } => self.close(step, &entry.at, What::Done, None),
            Event::StepCompleted { step, how: How::Check, .. } => {
                self.close(step, &entry.at, What::Found, None);
            }
            Event::StepFailed { step, message, cause, .. } => {
                let what = match cause {
                    FailureCause::Error => What::Failed,
                    FailureCause::Timeout => What::TimedOut,
                    FailureCause::Interrupted => What::Interrupted,
                };
                self.close(step, &entry.at, what, Some(message));
            }
            Event::StepSkipped { step, reason } => self.close(step, &entry.at, What::Skipped, Some(reason)),
            Event::StepUndone { step } => self.close(step, &entry.at, What::Undone, None),
            Event::AttemptEnded { end, exit_code } => {
                (self.end, self.ended, self.exit_code) = ((*end).into(), at(), Some(*exit_code));
            }
        }
    }

    /// Ends what the step was doing; one that was not seen to start took no time.
    fn close(&mut self, step: &str, at: &str, what: What, message: Option<&String>) {
        // Steps run one after the other: the open one is the last, if there is one.
        let open = self.spans.last_mut().filter(|span| span.what == What::Open && span.step == step);
        let (to, message) = (Some(at.to_owned()), message.cloned());
        match open {
            Some(span) => (span.to, span.what, span.message) = (to, what, message),
            None => {
                self.spans.push(Span { step: step.to_owned(), from: None, to, what, message, number: 1 });
            }
        }
    }
}
