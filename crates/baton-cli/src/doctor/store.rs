//! What was found out about a store that is no directory.

use baton_lock::doctor::{Check, Outcome};
use baton_lock::escape;
use serde_json::{Value, json};

use crate::{exit, json};

/// Everything that was tried.
pub(super) struct Tried {
    pub(super) url: String,
    pub(super) checks: Vec<Check>,
}

impl Tried {
    fn works(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Fails(_)))
    }

    fn verdict(&self) -> String {
        let url = escape::text(&self.url);
        if self.works() {
            format!("a lock can be had in `{url}`")
        } else {
            format!("no lock can be had in `{url}` until what failed above works")
        }
    }

    pub(super) fn code(&self) -> u8 {
        if self.works() { exit::DONE } else { exit::UNSUPPORTED }
    }

    pub(super) fn as_text(&self) -> String {
        let url = escape::text(&self.url);
        format!("store: {url}\n{}{}\n", super::lines(&self.checks), self.verdict())
    }

    pub(super) fn as_json(&self) -> String {
        let checks: Vec<Value> = self.checks.iter().map(super::check).collect();
        json::text(&json!({
            "schema": json::SCHEMA,
            "store": self.url,
            "works": self.works(),
            "isFit": self.works(),
            "verdict": self.verdict(),
            "checks": checks,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(outcome: Outcome) -> Tried {
        let check = |what, outcome| Check { what, outcome, cost: None };
        let checks = vec![check("it answers", Outcome::Works), check("it has a quorum", outcome)];
        Tried { url: "etcd://a:2379/jobs".to_owned(), checks }
    }

    #[test]
    fn one_failure_is_enough_for_a_store_not_to_be_fit() {
        let failed = tried(Outcome::Fails("2 of 3 are gone".to_owned()));
        assert_eq!(failed.code(), exit::UNSUPPORTED);
        let text = failed.as_text();
        assert!(text.contains("fails    it has a quorum: 2 of 3 are gone\nno lock can be had in"), "{text}");
        let limited = tried(Outcome::Limited("one is gone".to_owned()));
        assert_eq!(limited.code(), exit::DONE);
        assert!(limited.as_json().contains("\"isFit\": true"));
    }
}
