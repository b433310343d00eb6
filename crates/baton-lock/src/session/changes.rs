//! What a plan, edited between two attempts, changes of what is finished.
//!
//! Steps that have not run may come, go and change as they like. What ran is a fact: if its definition is another by now,
//! or a new step should have run before it, nobody but the user can say whether it still counts.

use std::collections::HashMap;
use std::fmt;

use super::event::PlannedStep;
use super::model::{Session, StepStatus};
use crate::escape;

/// One difference between a plan and what was finished.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanChange {
    /// A complete step is defined differently.
    Altered {
        /// The step.
        step: String,
    },
    /// A complete step is no longer in the plan.
    Removed {
        /// The step.
        step: String,
    },
    /// A step that the session does not know is to run before a complete one.
    Inserted {
        /// The new step.
        step: String,
        /// The first complete step behind it.
        before: String,
    },
    /// Two complete steps have changed their order.
    Reordered {
        /// The one that ran first and now stands behind.
        step: String,
        /// The one that ran after it.
        behind: String,
    },
}

impl fmt::Display for PlanChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { step } => write!(f, "step `{}` is defined differently", escape::text(step)),
            Self::Removed { step } => write!(f, "step `{}` is gone", escape::text(step)),
            Self::Inserted { step, before } => {
                write!(f, "step `{}` is new before `{}`", escape::text(step), escape::text(before))
            }
            Self::Reordered { step, behind } => {
                write!(f, "step `{}` now comes after `{}`", escape::text(step), escape::text(behind))
            }
        }
    }
}

/// All of them, for a message.
pub(super) fn listed(changes: &[PlanChange]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Session {
    /// What `plan` changes of what is finished, in the order of the session's steps; empty if nothing.
    ///
    /// Digests are compared where both are known.
    pub fn plan_changes(&self, plan: &[PlannedStep]) -> Vec<PlanChange> {
        let places: HashMap<&str, usize> =
            plan.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
        let known: HashMap<&str, StepStatus> =
            self.steps().map(|step| (step.id.as_str(), step.status)).collect();
        let mut changes = Vec::new();
        let mut last: Option<(usize, &str)> = None;
        for step in self.steps().filter(|step| step.status == StepStatus::Complete) {
            let Some(&at) = places.get(step.id.as_str()) else {
                changes.push(PlanChange::Removed { step: step.id.clone() });
                continue;
            };
            if let (Some(recorded), Some(planned)) = (&step.digest, &plan[at].digest)
                && recorded != planned
            {
                changes.push(PlanChange::Altered { step: step.id.clone() });
            }
            match last {
                Some((before, first)) if at < before => {
                    changes.push(PlanChange::Reordered { step: first.to_owned(), behind: step.id.clone() });
                }
                _ => last = Some((at, &step.id)),
            }
        }
        changes.extend(inserted(plan, &known));
        changes
    }
}

/// New steps before complete ones.
fn inserted<'a>(
    plan: &'a [PlannedStep],
    known: &'a HashMap<&str, StepStatus>,
) -> impl Iterator<Item = PlanChange> + 'a {
    plan.iter().enumerate().filter(|(_, step)| !known.contains_key(step.id.as_str())).filter_map(
        move |(at, new)| {
            let is_complete =
                |step: &&PlannedStep| known.get(step.id.as_str()) == Some(&StepStatus::Complete);
            let before = plan[at + 1..].iter().find(is_complete)?;
            Some(PlanChange::Inserted { step: new.id.clone(), before: before.id.clone() })
        },
    )
}
