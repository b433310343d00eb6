//! A command of a plan: a program with its arguments, or a string for `/bin/sh -c`; and the two made ready to run.
//!
//! # Why a fact can't inject anything
//!
//! A fact's value may come from far away, and may hold quotes, `$(…)` or line breaks.
//!
//! - In a program's arguments the value is put in place of the reference. Nothing parses an argument again: one argument stays
//!   one argument, whatever is in it.
//! - In a shell string the value is **not** put into the script. The reference becomes that of a variable,
//!   `${BATON_FACT_key}`, and the value goes into the environment: the shell parses the script before it knows the
//!   value, and never parses an expanded value. Quoting the value instead would not do: `"${facts.key}"` puts the quoted value
//!   between double quotes, where its own quotes no longer protect it.
//!
//! So the shell's rules hold as for any variable: between double quotes it is one word, without quotes it is split and
//! globbed, between single quotes it is not expanded. The prefix is one that neither a step's `env` nor a fact can have, so that
//! nothing stands between the reference and its value.

use std::convert::Infallible;

use baton_lock::redact::{self, Secrets};

use super::template::Template;

/// What the variables begin with that carry the facts of shell strings.
pub const FACT_PREFIX: &str = "BATON_FACT_";

/// The shell that runs strings.
const SHELL: &str = "/bin/sh";

/// A command as it is written in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A program and its arguments; never empty.
    Program(Vec<Template>),
    /// A script for `/bin/sh -c`.
    Shell(Template),
}

impl Command {
    /// Its strings as they are written: the program and its arguments, or the script alone.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.templates().iter().map(Template::source)
    }

    /// The command as it is written, in one text, without these secrets and what the rules find; not yet escaped for a terminal.
    pub fn redacted(&self, secrets: &Secrets) -> String {
        match self {
            // Before they are quoted, which may change them.
            Self::Program(_) => redact::command(
                &self.sources().map(|word| secrets.text(word).into_owned()).collect::<Vec<_>>(),
            ),
            Self::Shell(script) => secrets.text(script.source()).into_owned(),
        }
    }

    pub(super) fn templates(&self) -> &[Template] {
        match self {
            Self::Program(arguments) => arguments,
            Self::Shell(script) => std::slice::from_ref(script),
        }
    }

    /// Program and arguments to be executed, with the value of each fact as `value` says it.
    pub(super) fn argv<E>(&self, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<Vec<String>, E> {
        match self {
            Self::Program(arguments) => arguments.iter().map(|argument| argument.fill(&mut value)).collect(),
            Self::Shell(script) => {
                // Asked for all the same: a fact that is not there must not become an empty word.
                for (key, _) in script.references() {
                    value(key)?;
                }
                let Ok(script) = script.fill(|key| Ok::<_, Infallible>(format!("${{{FACT_PREFIX}{key}}}")));
                Ok(vec![SHELL.to_owned(), "-c".to_owned(), script])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use proptest::prelude::*;

    use super::*;

    fn shell(script: &str) -> Command {
        Command::Shell(Template::parse(script).0)
    }

    fn argv(command: &Command, value: &str) -> Vec<String> {
        command.argv(|_| Ok::<_, Infallible>(value.to_owned())).expect("never fails")
    }

    /// What the script prints when the fact has this value.
    fn printed(script: &str, value: &str) -> String {
        let argv = argv(&shell(script), value);
        let mut command = process::Command::new(&argv[0]);
        command.args(&argv[1..]).env("BATON_FACT_key", value);
        String::from_utf8(command.output().expect("a shell").stdout).expect("text")
    }

    #[test]
    fn argument_with_a_fact_stays_one_argument() {
        let command = Command::Program(["echo", "a=${facts.key}"].map(|text| Template::parse(text).0).into());
        assert_eq!(argv(&command, "x; rm -rf $(y) '\""), ["echo", "a=x; rm -rf $(y) '\""]);
    }

    #[test]
    fn shell_string_gets_a_variable_and_keeps_its_own() {
        assert_eq!(
            argv(&shell("echo ${HOME} \"${facts.key}\" $${x}"), "v"),
            ["/bin/sh", "-c", "echo ${HOME} \"${BATON_FACT_key}\" ${x}"]
        );
    }

    #[test]
    fn shell_string_without_its_fact_is_an_error() {
        assert_eq!(shell("echo ${facts.key}").argv(|key| Err(key.to_owned())), Err("key".to_owned()));
    }

    #[test]
    fn redacted_command_shows_no_secret() {
        let command = Command::Program(["curl", "--token", "abc"].map(|text| Template::parse(text).0).into());
        assert_eq!(command.redacted(&Secrets::default()), "curl --token '<REDACTED>'");
        assert_eq!(shell("FOO_TOKEN=abc x").redacted(&Secrets::default()), "FOO_TOKEN=<REDACTED> x");
    }

    proptest! {
        // Each case starts two shells.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_value_is_parsed_by_the_shell(value in "[a$(){}'\"`;&|<>\\\\ *?~#=!\n-]{0,20}") {
            prop_assert_eq!(printed("printf '%s.' \"${facts.key}\"", &value), format!("{value}."));
            let unquoted = printed("set -f; printf '%s.' ${facts.key}", &value);
            let words: Vec<_> = value.split([' ', '\n']).filter(|word| !word.is_empty()).collect();
            // Without a word, `printf` prints its format once.
            prop_assert_eq!(unquoted, words.join(".") + ".");
        }
    }
}
