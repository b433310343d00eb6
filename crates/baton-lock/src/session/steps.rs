//! The steps of a session: a list, where in it each is, and which one is in progress.
//!
//! An event names its step, and a step is started only if no other is in progress. To look for either takes as long as some hundred steps
//! are long to go through, each somewhere else in memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::blocks::Blocks;
use super::model::{Step, StepStatus};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Steps {
    list: Blocks<Step>,
    /// By name. Only the begin of an attempt changes which steps there are.
    places: Arc<HashMap<String, usize>>,
    /// Of the first one, if it was read and is wrong.
    in_progress: Option<usize>,
}

impl Steps {
    pub(super) fn list(&self) -> &Blocks<Step> {
        &self.list
    }

    pub(super) fn get(&self, at: usize) -> &Arc<Step> {
        self.list.get(at)
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn in_progress(&self) -> Option<&Step> {
        self.in_progress.map(|at| &**self.list.get(at))
    }

    /// Replaces a step by what has become of it.
    pub(super) fn set(&mut self, at: usize, step: Step) {
        self.in_progress = match step.status {
            StepStatus::InProgress => Some(at),
            _ => self.in_progress.filter(|running| *running != at),
        };
        self.list.set(at, step);
    }
}

impl FromIterator<Arc<Step>> for Steps {
    fn from_iter<I: IntoIterator<Item = Arc<Step>>>(steps: I) -> Self {
        let list: Blocks<Step> = steps.into_iter().collect();
        let places = list.iter().enumerate().map(|(at, step)| (step.id.clone(), at)).collect();
        let in_progress = list.iter().position(|step| step.status == StepStatus::InProgress);
        Self { list, places: Arc::new(places), in_progress }
    }
}
