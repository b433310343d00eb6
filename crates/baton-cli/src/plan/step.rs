//! One `[[step]]` of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::declared::{Declared, Reach, Standing};
use super::defaults::{self, Defaults, checked_name, place};
use super::finding::{Collector, did_you_mean};
use super::invocation::Role;
use super::model::{Repeat, Step};
use super::names;
use super::source::Source;
use super::table::{Table, Text, text, texts};
use super::template::Template;

/// The keys of a step.
pub(super) const KEYS: &[&str] = &[
    "id",
    "description",
    "run",
    "check",
    "when",
    "undo",
    "always",
    "timeout",
    "retries",
    "backoff",
    "cwd",
    "env",
    "secrets",
    "outputs",
];

/// More retries are a loop that nobody watches.
const MAX_RETRIES: u32 = 1000;

/// The first pause of a step that has `retries` and no `backoff`.
const DEFAULT_BACKOFF: Duration = Duration::from_secs(1);

/// What a command may be, for messages.
const COMMAND: &str = "a string for `/bin/sh -c`, or an array of a program and its arguments";

/// What all steps of a plan have in common.
pub(super) struct Surroundings<'a> {
    pub(super) directory: &'a Path,
    pub(super) defaults: &'a Defaults,
    pub(super) declared: &'a Arc<Declared>,
    /// The text of the file.
    pub(super) text: &'a str,
    pub(super) source: &'a Source<'a>,
    /// Where each step begins.
    pub(super) lines: &'a [usize],
}

/// Reads the step at this position; what is wrong is told, and then it is `None` or of no use.
pub(super) fn read(
    table: &Table<'_, '_>,
    position: usize,
    surroundings: &Surroundings<'_>,
    findings: &mut Collector,
) -> Option<Step> {
    Reader { table, position, surroundings, findings }.step()
}

struct Reader<'r, 't, 's> {
    table: &'r Table<'t, 's>,
    position: usize,
    surroundings: &'r Surroundings<'r>,
    findings: &'r mut Collector,
}

impl Reader<'_, '_, '_> {
    /// One line per key, hence its length. What can't do without a value comes last, so that all is read before.
    fn step(mut self) -> Option<Step> {
        self.table.refuse_unknown(KEYS, self.findings);
        let id = self.id();
        self.table.required("run", COMMAND, self.findings);
        let run = self.command(Role::Run);
        let secrets = self.secrets();
        Some(Step {
            position: self.position,
            line: self.surroundings.lines[self.position],
            description: self.table.text("description", self.findings).map(|text| text.text.to_owned()),
            check: self.command(Role::Check),
            when: self.command(Role::When),
            undo: self.command(Role::Undo),
            repeat: self.repeat(),
            timeout: self.timeout(),
            retries: self.table.count("retries", MAX_RETRIES, self.findings).unwrap_or_default(),
            backoff: self.backoff(),
            cwd: self.cwd(),
            directory: self.surroundings.directory.to_owned(),
            env: self.env(),
            outputs: self.outputs(&secrets),
            secrets,
            declared: Arc::clone(self.surroundings.declared),
            id: id?,
            run: run?,
        })
    }

    fn id(&mut self) -> Option<String> {
        const EXPECTED: &str = "`id = \"…\"`, which names the step in the session and its logs";
        let value = self.table.required("id", EXPECTED, self.findings)?;
        let id = text(value, "id", "a string", self.findings)?;
        self.refuse_duplicate(&id);
        checked_name(&id, "id", self.findings)
    }

    fn refuse_duplicate(&mut self, id: &Text<'_>) {
        let Some(earlier) = self.surroundings.declared.position(id.text).filter(|&at| at < self.position)
        else {
            return;
        };
        let found = format!(
            "the id `{}` on line {} is that of the step on line {} too",
            id.text,
            self.surroundings.source.line_of(id.span.start),
            self.surroundings.lines[earlier],
        );
        self.findings.add_consequence(id.span.clone(), found, "an id that no other step has");
    }

    fn command(&mut self, role: Role) -> Option<Command> {
        let value = self.table.get(role.key())?;
        match value.get_ref().as_array() {
            Some(array) if array.is_empty() => self.empty(role, value.span()),
            Some(_) => {
                let arguments = texts(value, role.key(), COMMAND, self.findings);
                self.program(&arguments, role)
            }
            None => {
                let script = text(value, role.key(), COMMAND, self.findings)?;
                self.shell(&script, role)
            }
        }
    }

    fn shell(&mut self, script: &Text<'_>, role: Role) -> Option<Command> {
        if script.text.trim().is_empty() {
            return self.empty(role, script.span.clone());
        }
        Some(Command::Shell(self.template(script, role.reach())))
    }

    fn program(&mut self, arguments: &[Text<'_>], role: Role) -> Option<Command> {
        let reach = role.reach();
        let templates: Vec<_> = arguments.iter().map(|argument| self.template(argument, reach)).collect();
        let program = arguments.first()?;
        if program.text.is_empty() {
            return self.empty(role, program.span.clone());
        }
        Some(Command::Program(templates))
    }

    fn empty(&mut self, role: Role, span: Range<usize>) -> Option<Command> {
        self.findings.add(span, format!("`{}` names no program", role.key()), COMMAND);
        None
    }

    fn repeat(&mut self) -> Repeat {
        match self.table.boolean("always", self.findings) {
            Some(true) => Repeat::Always,
            Some(false) | None => Repeat::Once,
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        let timeout = self.table.time("timeout", self.findings)?;
        if let (true, Some(value)) = (timeout.is_zero(), self.table.get("timeout")) {
            self.findings.add(
                value.span(),
                "`timeout` is zero",
                "a longer time, or no `timeout` for no limit",
            );
        }
        Some(timeout)
    }

    fn backoff(&mut self) -> Duration {
        let (retries, backoff) = (self.table.get("retries"), self.table.get("backoff"));
        if let (None, Some(backoff)) = (retries, backoff) {
            let expected = "`retries` beside it: how often the step is tried again";
            self.findings.add_consequence(backoff.span(), "`backoff` without `retries`", expected);
        }
        self.table.time("backoff", self.findings).unwrap_or(DEFAULT_BACKOFF)
    }

    fn cwd(&mut self) -> Template {
        match defaults::directory(self.table, self.findings) {
            Some(cwd) => self.template(&cwd, Reach::Earlier),
            None => self.surroundings.defaults.cwd.clone().unwrap_or_else(|| Template::parse(".").0),
        }
    }

    fn env(&mut self) -> BTreeMap<String, Template> {
        let mut env = self.surroundings.defaults.env.clone();
        for (name, value) in defaults::settings(self.table, self.findings) {
            env.insert(name.to_owned(), self.template(&value, Reach::Earlier));
        }
        env
    }

    fn secrets(&mut self) -> BTreeSet<String> {
        let mut secrets = defaults::secrets(self.table, self.findings);
        secrets.extend(self.surroundings.defaults.secrets.iter().cloned());
        secrets
    }

    fn outputs(&mut self, secrets: &BTreeSet<String>) -> BTreeSet<String> {
        let outputs = self.table.names("outputs", self.findings);
        for key in &outputs {
            if let Some(expected) = names::refused_fact(key.text) {
                let found = format!("no fact can have the name `{}`", key.text);
                self.findings.add(key.span.clone(), found, expected);
            } else if secrets.contains(key.text) {
                let found = format!("the fact `{}` is a secret too, and facts are kept on disk", key.text);
                self.findings.add(key.span.clone(), found, "another name");
            }
        }
        outputs.into_iter().map(|key| key.text.to_owned()).collect()
    }

    /// Reads a string with references; its faults, and the facts that it can't use, are told.
    fn template(&mut self, text: &Text<'_>, reach: Reach) -> Template {
        let template = defaults::template(text, self.surroundings.text, self.findings);
        for (key, at) in template.references() {
            if let Some((found, expected)) = self.objection(key, reach) {
                let span = place(text, &at, self.surroundings.text, self.findings);
                self.findings.add_consequence(span, found, expected);
            }
        }
        template
    }

    fn suggestion(&self, key: &str, reach: Reach) -> String {
        if self.findings.is_flooded() {
            return String::new();
        }
        did_you_mean(key, self.surroundings.declared.usable(self.position, reach))
    }

    /// Why a fact can't be used here, if so, and what would be right.
    fn objection(&self, key: &str, reach: Reach) -> Option<(String, String)> {
        let declared = self.surroundings.declared;
        match declared.standing(key, self.position, reach) {
            Standing::Usable(_) => None,
            Standing::Own => Some((
                format!("the fact `{key}` is published by this very step"),
                "a fact of an earlier step; only `check` and `undo` may use the step's own".to_owned(),
            )),
            Standing::Later(by) => Some((
                format!(
                    "the fact `{key}` is declared only later, by step `{}` on line {}",
                    declared.id(by).unwrap_or_default(),
                    self.surroundings.lines[by]
                ),
                "that step before this one".to_owned(),
            )),
            Standing::Nowhere => Some((
                format!("undeclared fact `{key}`{}", self.suggestion(key, reach)),
                format!("an earlier step with `outputs = [\"{key}\"]`"),
            )),
        }
    }
}
