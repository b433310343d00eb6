//! The values of a plan's secrets: what is shown of a plan, and what its steps print, is without them.
//!
//! A step that names a secret is not the only one that may print it, so that all of them are hidden everywhere.

use baton_lock::redact::Secrets;

use super::model::{Plan, Step};

impl Plan {
    /// The values, as far as they are set: of the plan's `env`, else of the environment of this process.
    pub fn secret_values(&self) -> Vec<String> {
        let named = self.steps.iter().flat_map(|step| step.secrets.iter().map(move |name| (step, name)));
        let value = |(step, name): (&Step, &String)| match step.env.get(name) {
            Some(template) => template.fill(|_| Err(())).ok(),
            None => std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()),
        };
        let mut values: Vec<String> = named.filter_map(value).filter(|value| !value.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// What hides them.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.secret_values())
    }
}
