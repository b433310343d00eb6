//! What a finished step depended on, as a digest: so that a plan that has changed since is not taken for done.
//!
//! # What counts
//!
//! The digest is of what decides **what the step did**: `run`, `when`, the effective `cwd` and `env` (the step's own merged with
//! the plan's), and `outputs`, each as written, before facts are put in. It is not of the file: comments, blanks, the order of
//! keys, quotes and escapes, a string above the steps or in them make no difference.
//!
//! Not counted is what decides only how it is dealt with: `check` is asked anew at every resume and speaks for
//! itself; `undo`, `always`, `timeout`, `retries`, `backoff`, `description` and the names in `secrets` change nothing that was
//! done. Nor is the value of a variable that is named in `secrets`: a rotated password leaves done what is done, and
//! the digest of a short one could be guessed from the session file.
//!
//! # The canonical form, version 1
//!
//! The SHA-256 of these bytes, lengths in bytes and decimal:
//!
//! ```text
//! baton step 1 LF
//! for each field that is there, by name in the order of bytes:
//!     NAME-LENGTH ":" NAME SP COUNT LF
//!     for each item:  LENGTH ":" ITEM LF
//! ```
//!
//! | field | items |
//! |---|---|
//! | `cwd` | the directory as written; the field is left out for `.` |
//! | `env.NAME` | `value` and the value; or `secret` alone |
//! | `outputs` | the names, sorted; left out if there are none |
//! | `run`, `when` | `argv` and each argument; or `sh` and the script |
//!
//! Lengths before everything make the form unambiguous: no value can look like the beginning of another field. What is left out when
//! it isn't used lets a later version add fields without changing the digests of plans that don't use them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use baton_lock::redact::Secrets;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::command::Command;
use super::model::Step;

/// The version of the canonical form.
const VERSION: u32 = 1;

/// The hexadecimal digits of a field's digest. It only says in which field two steps differ of which it is known that they do; 64
/// bits are enough for that, and keep a session of many steps small.
const FIELD_DIGITS: usize = 16;

/// What a session keeps of a finished step, to tell whether the plan has changed since and to say how.
///
/// The texts are redacted and cut ([`Secrets::failure`]); the values of `env` are not kept at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fingerprint {
    /// The version of the canonical form that was digested.
    pub version: u32,
    /// The SHA-256 of the canonical form, in hexadecimal digits. It alone decides whether two steps are the same.
    pub digest: String,
    /// What the fields were, for saying what has changed.
    pub fields: BTreeMap<String, Field>,
}

/// What is kept of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Field {
    /// The beginning of the SHA-256 of the field's canonical form.
    pub digest: String,
    /// The field as it may be shown; `None` for a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A field before it is digested.
struct Plain {
    items: Vec<String>,
    text: Option<String>,
}

impl Step {
    /// What a session keeps of this step when it is finished; its texts are without these secrets, the plan's.
    pub fn fingerprint(&self, secrets: &Secrets) -> Fingerprint {
        let mut whole = Sha256::new_with_prefix(header());
        let mut fields = BTreeMap::new();
        for (name, plain) in self.plain_fields(secrets) {
            let canonical = canonical(&name, &plain.items);
            whole.update(&canonical);
            let mut digest = hex(&Sha256::new_with_prefix(header()).chain_update(&canonical).finalize());
            digest.truncate(FIELD_DIGITS);
            fields.insert(name, Field { digest, text: plain.text });
        }
        Fingerprint { version: VERSION, digest: hex(&whole.finalize()), fields }
    }

    /// The fields of the canonical form that are there.
    fn plain_fields(&self, secrets: &Secrets) -> BTreeMap<String, Plain> {
        let mut fields = BTreeMap::from([("run".to_owned(), command_field(&self.run, secrets))]);
        if let Some(when) = &self.when {
            fields.insert("when".to_owned(), command_field(when, secrets));
        }
        if self.cwd.source() != "." {
            let items = vec![self.cwd.source().to_owned()];
            fields.insert("cwd".to_owned(), Plain { text: Some(secrets.failure(&items[0])), items });
        }
        if !self.outputs.is_empty() {
            let items: Vec<_> = self.outputs.iter().cloned().collect();
            fields
                .insert("outputs".to_owned(), Plain { text: Some(secrets.failure(&items.join(" "))), items });
        }
        for (name, value) in &self.env {
            let items = if self.secrets.contains(name) {
                vec!["secret".to_owned()]
            } else {
                vec!["value".to_owned(), value.source().to_owned()]
            };
            fields.insert(format!("env.{name}"), Plain { items, text: None });
        }
        fields
    }
}

fn command_field(command: &Command, secrets: &Secrets) -> Plain {
    let form = match command {
        Command::Program(_) => "argv",
        Command::Shell(_) => "sh",
    };
    let items = std::iter::once(form).chain(command.sources()).map(str::to_owned).collect();
    Plain { items, text: Some(secrets.failure(&command.redacted(secrets))) }
}

fn header() -> String {
    format!("baton step {VERSION}\n")
}

/// A field in the canonical form.
fn canonical(name: &str, items: &[String]) -> String {
    let mut bytes = format!("{}:{name} {}\n", name.len(), items.len());
    for item in items {
        // Writing to a string can't fail.
        let _ = writeln!(bytes, "{}:{item}", item.len());
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        // Writing to a string can't fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
