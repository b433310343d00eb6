//! What has changed in a plan since some of its steps were finished, in words.

use std::collections::BTreeSet;
use std::fmt;

use super::fingerprint::{Field, Fingerprint};
use super::model::Plan;

/// What has become of a finished step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepChange {
    /// The plan has no step of this id any more.
    Gone {
        /// The step.
        id: String,
    },
    /// It would do something else today.
    Changed {
        /// The step.
        id: String,
        /// What is different, never empty.
        changes: Vec<Change>,
    },
    /// Another version of Baton digested it in another form: nobody can tell.
    OtherForm {
        /// The step.
        id: String,
        /// The form's version.
        version: u32,
    },
}

/// One difference between a step as it was recorded and as it is today.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A key that was not there.
    Added {
        /// The key, such as `when` or `env.MODE`.
        key: String,
        /// Its value as it may be shown.
        now: Option<String>,
    },
    /// A key that is no longer there.
    Removed {
        /// The key.
        key: String,
        /// Its value as it may be shown.
        was: Option<String>,
    },
    /// Another value.
    Altered {
        /// The key.
        key: String,
        /// The old and the new value; `None` where they can't be shown or look the same as far as they are.
        was_and_is: Option<(String, String)>,
    },
    /// The digests differ and the fields do not: the record was tampered with.
    Unexplained,
}

impl Plan {
    /// What has become of the finished steps that a session has recorded, in the order given; empty if nothing has
    /// changed.
    pub fn changes_since<'r>(
        &self,
        recorded: impl IntoIterator<Item = (&'r str, &'r Fingerprint)>,
    ) -> Vec<StepChange> {
        recorded.into_iter().filter_map(|(id, was)| self.change_since(id, was)).collect()
    }

    fn change_since(&self, id: &str, was: &Fingerprint) -> Option<StepChange> {
        let id = id.to_owned();
        let Some(step) = self.step(&id) else { return Some(StepChange::Gone { id }) };
        let now = step.fingerprint(&self.secrets());
        if was.version != now.version {
            return Some(StepChange::OtherForm { id, version: was.version });
        }
        let changes = was.changes_to(&now);
        (!changes.is_empty()).then_some(StepChange::Changed { id, changes })
    }
}

impl Fingerprint {
    /// The differences from this recorded step to one of today, of the same form; empty if it is the same.
    fn changes_to(&self, now: &Self) -> Vec<Change> {
        if self.digest == now.digest {
            return Vec::new();
        }
        let keys: BTreeSet<_> = self.fields.keys().chain(now.fields.keys()).collect();
        let changes: Vec<_> = keys
            .into_iter()
            .filter_map(|key| Change::between(key, self.fields.get(key), now.fields.get(key)))
            .collect();
        if changes.is_empty() { vec![Change::Unexplained] } else { changes }
    }
}

impl Change {
    fn between(key: &str, was: Option<&Field>, now: Option<&Field>) -> Option<Self> {
        let key = key.to_owned();
        match (was, now) {
            (None, None) => None,
            (None, Some(now)) => Some(Self::Added { key, now: now.text.clone() }),
            (Some(was), None) => Some(Self::Removed { key, was: was.text.clone() }),
            (Some(was), Some(now)) if was.digest == now.digest => None,
            (Some(was), Some(now)) => {
                let texts = was.text.clone().zip(now.text.clone()).filter(|(was, now)| was != now);
                Some(Self::Altered { key, was_and_is: texts })
            }
        }
    }
}

/// A line without line break or full stop; not yet escaped for a terminal.
impl fmt::Display for StepChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { id } => write!(f, "step `{id}` is no longer in the plan"),
            Self::OtherForm { id, version } => {
                write!(f, "step `{id}` was digested in form {version}, which this Baton can't compare")
            }
            Self::Changed { id, changes } => {
                write!(f, "step `{id}`: ")?;
                for (at, change) in changes.iter().enumerate() {
                    write!(f, "{}{change}", if at == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

/// A fragment; not yet escaped for a terminal.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { key, now: Some(now) } => write!(f, "`{key}` is new: `{now}`"),
            Self::Added { key, now: None } => write!(f, "`{key}` is new"),
            Self::Removed { key, was: Some(was) } => write!(f, "`{key}` is gone; it was `{was}`"),
            Self::Removed { key, was: None } => write!(f, "`{key}` is gone"),
            Self::Altered { key, was_and_is: Some((was, now)) } => {
                write!(f, "`{key}` was `{was}`, is now `{now}`")
            }
            Self::Altered { key, was_and_is: None } => {
                write!(f, "`{key}` has another value, which is not shown")
            }
            Self::Unexplained => write!(f, "its digest is another one; what has changed is not recorded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use baton_lock::redact::Secrets;

    use std::path::Path;

    use super::*;

    fn plan(steps: &str) -> Plan {
        let text = format!("version = 1\nname = \"p\"\n{steps}");
        Plan::parse(text.as_bytes(), Path::new("/p/p.toml"), Path::new("p.toml")).expect("a plan")
    }

    /// What is said when the only step is recorded as `was` and the plan now says `now`.
    #[track_caller]
    fn told(was: &str, now: &str) -> Vec<String> {
        let fingerprint = plan(was).steps[0].fingerprint(&Secrets::default());
        let changes = plan(now).changes_since([("a", &fingerprint)]);
        changes.iter().map(ToString::to_string).collect()
    }

    const STEP: &str =
        "[[step]]\nid = \"a\"\nrun = [\"make\", \"x\"]\nenv = { MODE = \"fast\" }\noutputs = [\"k\"]\n";

    #[test]
    fn step_that_is_the_same_has_no_changes() {
        assert_eq!(told(STEP, STEP), [""; 0]);
    }

    #[test]
    fn changes_are_told_with_both_values() {
        let now =
            "[[step]]\nid = \"a\"\nrun = [\"make\", \"y z\"]\nwhen = \"test -f a\"\noutputs = [\"k\", \"l\"]";
        assert_eq!(
            told(STEP, now),
            [
                "step `a`: `env.MODE` is gone; `outputs` was `k`, is now `k l`; `run` was `make x`, is now `make 'y z'`; \
              `when` is new: `test -f a`"
            ]
        );
    }

    #[test]
    fn value_of_a_variable_is_never_told() {
        assert_eq!(
            told(STEP, &STEP.replace("fast", "slow")),
            ["step `a`: `env.MODE` has another value, which is not shown"]
        );
    }

    #[test]
    fn change_behind_what_is_shown_is_told_as_such() {
        let long = |end: &str| format!("[[step]]\nid = \"a\"\nrun = \"echo {}{end}\"", "x".repeat(400));
        assert_eq!(told(&long("1"), &long("2")), ["step `a`: `run` has another value, which is not shown"]);
    }

    #[test]
    fn finished_step_that_is_gone_is_told() {
        assert_eq!(told(STEP, "[[step]]\nid = \"b\"\nrun = \"true\""), ["step `a` is no longer in the plan"]);
    }

    #[test]
    fn form_of_another_version_is_not_compared() {
        let mut fingerprint = plan(STEP).steps[0].fingerprint(&Secrets::default());
        fingerprint.version = 9;
        let changes = plan(STEP).changes_since([("a", &fingerprint)]);
        assert_eq!(changes, [StepChange::OtherForm { id: "a".into(), version: 9 }]);
    }

    #[test]
    fn record_whose_fields_do_not_explain_its_digest_is_a_change() {
        let mut fingerprint = plan(STEP).steps[0].fingerprint(&Secrets::default());
        fingerprint.digest = "0".repeat(64);
        let changes = plan(STEP).changes_since([("a", &fingerprint)]);
        assert_eq!(changes, [StepChange::Changed { id: "a".into(), changes: vec![Change::Unexplained] }]);
    }
}
