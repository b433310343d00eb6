//! What may become of a published fact: it is kept, or it is withheld because it may be a secret.
//!
//! A step publishes facts for later steps. One that is a secret must not reach the disk; but one that was silently altered
//! would make a later step, in a later run, work with `<REDACTED>` for a password. So there are two kinds:
//!
//! - **known**: the value, exactly as published;
//! - **withheld**: the value as far as it may be shown. The run that published it still has it in memory; a later run has to
//!   run the step again that publishes it, and can tell, because the file lists the keys under `withheld`.
//!
//! A fact is withheld if redaction as a text would change it, if it is or contains one of the exact secrets that the runner
//! knows, or if its key looks like a secret's name. A name that says something *about* a secret does not (`key_path`,
//! `token_name`, `public_key`): for those the value alone decides.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::event::IllegalTransition;
use crate::redact::{self, Secrets};

/// A published fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    /// The value, as it was published.
    Known(&'a str),
    /// What may be shown of a value that may be a secret; no later step can work with it.
    Withheld(&'a str),
}

impl<'a> Fact<'a> {
    /// What may be shown of it.
    pub fn shown(self) -> &'a str {
        match self {
            Self::Known(text) | Self::Withheld(text) => text,
        }
    }
}

/// The longest key of a fact, in bytes.
const MAX_KEY: usize = 100;

/// All facts, in the order in which their keys were published first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Facts {
    pub(super) values: IndexMap<String, String>,
    #[serde(skip)]
    pub(super) withheld: IndexSet<String>,
}

impl Facts {
    pub(super) fn fact(&self, key: &str) -> Option<Fact<'_>> {
        self.values.get(key).map(|value| self.told(key, value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Fact<'_>)> {
        self.values.iter().map(|(key, value)| (key.as_str(), self.told(key, value)))
    }

    fn told<'a>(&self, key: &str, value: &'a str) -> Fact<'a> {
        if self.withheld.contains(key) { Fact::Withheld(value) } else { Fact::Known(value) }
    }

    pub(super) fn publish(&mut self, key: &str, value: &str, secrets: &Secrets) {
        let shown = shown(key, value, secrets);
        if shown == value {
            self.withheld.shift_remove(key);
        } else {
            self.withheld.insert(key.to_owned());
        }
        self.values.insert(key.to_owned(), shown);
    }

    pub(super) fn forget(&mut self, key: &str) {
        self.values.shift_remove(key);
        self.withheld.shift_remove(key);
    }
}

/// What may be shown of a fact's value; the value itself if that is all of it.
fn shown(key: &str, value: &str, secrets: &Secrets) -> String {
    if redact::announces_secret(key) && !value.is_empty() {
        return redact::REPLACEMENT.to_owned();
    }
    secrets.text(value).into_owned()
}

/// Refuses a key that could not be told apart in messages, files and `${facts.…}`.
pub(super) fn check_key(key: &str) -> Result<(), IllegalTransition> {
    let reason = if key.is_empty() {
        "it is empty"
    } else if key.len() > MAX_KEY {
        "it is longer than 100 characters"
    } else if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        "it has a character other than A-Z a-z 0-9 . _ -"
    } else {
        return Ok(());
    };
    Err(IllegalTransition::InvalidFact { key: key.to_owned(), reason })
}
