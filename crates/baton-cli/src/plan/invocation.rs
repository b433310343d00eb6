//! A step's commands with the facts put in: what is executed, where, and with which variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::command::{Command, FACT_PREFIX};
use super::declared::{Reach, Standing};
use super::model::Step;
use super::template::Template;

/// What steps have published, by key.
pub type Facts = BTreeMap<String, String>;

/// Which of a step's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The step itself.
    Run,
    /// Is its effect there?
    Check,
    /// Does it apply?
    When,
    /// Take its effect back.
    Undo,
}

/// A command ready to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invocation {
    /// The program and its arguments; never empty.
    pub argv: Vec<String>,
    /// Where it runs: absolute, but it need not exist.
    pub cwd: PathBuf,
    /// What it gets beside the inherited variables, which these replace: the facts, and the step's `env`.
    pub env: BTreeMap<String, String>,
}

/// A command refers to a fact that has not been published.
///
/// For a `check` or an `undo` that uses its step's own facts this says that the step published none yet; so a check then means
/// that the effect is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}` needs the fact `{key}`, which step `{publisher}` has not published")]
#[non_exhaustive]
pub struct MissingFact {
    /// The step that needs it.
    pub step: String,
    /// The fact.
    pub key: String,
    /// The last step that declares it.
    pub publisher: String,
}

impl Step {
    /// One of the step's commands with the facts put in; `None` if the plan has none for this role.
    ///
    /// Facts that the step may not use are ignored, such as those that a later step published in an earlier attempt. So
    /// the same step with the same facts is always the same command.
    ///
    /// # Errors
    ///
    /// [`MissingFact`] if the command, the step's `cwd` or its `env` refers to a fact that is not among `facts`.
    pub fn interpolated(&self, role: Role, facts: &Facts) -> Result<Option<Invocation>, MissingFact> {
        let Some(command) = self.command(role) else { return Ok(None) };
        let value = |key: &str| match self.publisher(key, role).and_then(|_| facts.get(key)) {
            Some(value) => Ok(value.clone()),
            None => Err(self.missing(key, role)),
        };
        let cwd = self.directory.join(self.cwd.fill(value)?);
        let mut env = self.fact_variables(role, facts);
        for (name, template) in &self.env {
            env.insert(name.clone(), template.fill(value)?);
        }
        Ok(Some(Invocation { argv: command.argv(value)?, cwd, env }))
    }

    /// The step's command for a role, as it is written.
    pub fn command(&self, role: Role) -> Option<&Command> {
        match role {
            Role::Run => Some(&self.run),
            Role::Check => self.check.as_ref(),
            Role::When => self.when.as_ref(),
            Role::Undo => self.undo.as_ref(),
        }
    }

    /// The facts that the step's `run`, `when`, `cwd` and `env` refer to: what it depends on beside the plan.
    pub fn facts_used(&self) -> impl Iterator<Item = &str> {
        let commands = [Some(&self.run), self.when.as_ref()].into_iter().flatten();
        let templates = commands.flat_map(Command::templates).chain(self.env.values()).chain([&self.cwd]);
        templates.flat_map(Template::references).map(|(key, _)| key)
    }

    /// Each usable fact twice: under its own name, which `env` may replace, and under the one that stands for
    /// `${facts.key}` in shell strings, which nothing can.
    fn fact_variables(&self, role: Role, facts: &Facts) -> BTreeMap<String, String> {
        let usable = facts.iter().filter(|(key, _)| self.publisher(key, role).is_some());
        usable
            .flat_map(|(key, value)| {
                [(key.clone(), value.clone()), (format!("{FACT_PREFIX}{key}"), value.clone())]
            })
            .collect()
    }

    /// The position of the last step in reach that declares a fact.
    fn publisher(&self, key: &str, role: Role) -> Option<usize> {
        match self.declared.standing(key, self.position, role.reach()) {
            Standing::Usable(by) => Some(by),
            Standing::Own | Standing::Later(_) | Standing::Nowhere => None,
        }
    }

    fn missing(&self, key: &str, role: Role) -> MissingFact {
        let publisher = self.publisher(key, role).and_then(|by| self.declared.id(by));
        MissingFact {
            step: self.id.clone(),
            key: key.to_owned(),
            // A plan with a reference to a fact that nobody declares is never accepted.
            publisher: publisher.unwrap_or_default().to_owned(),
        }
    }
}

impl Role {
    /// What comes after the step's own run may use what it published.
    pub(super) fn reach(self) -> Reach {
        match self {
            Self::Run | Self::When => Reach::Earlier,
            Self::Check | Self::Undo => Reach::EarlierAndOwn,
        }
    }

    /// The key of a plan that holds the command.
    pub fn key(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Check => "check",
            Self::When => "when",
            Self::Undo => "undo",
        }
    }
}
