//! Whole plans: what is accepted, what each error says and points at, and that schema, docs and parser agree.

mod cases;
mod docs;
mod errors;
mod files;
mod fingerprints;
mod invocations;
mod properties;
mod schema;

use std::path::Path;

use super::{Error, Findings, Plan};

/// Above the steps, what every plan needs.
const HEAD: &str = "version = 1\nname = \"p\"\n";

/// The plan in this text, as if it were in `/plans/p.toml`.
#[track_caller]
fn plan(text: &str) -> Plan {
    match parse(text) {
        Ok(plan) => plan,
        Err(findings) => panic!("refused: {findings}"),
    }
}

/// The plan with these steps.
#[track_caller]
fn steps(text: &str) -> Plan {
    plan(&format!("{HEAD}{text}"))
}

fn parse(text: &str) -> Result<Plan, Findings> {
    parse_bytes(text.as_bytes())
}

fn parse_bytes(content: &[u8]) -> Result<Plan, Findings> {
    match Plan::parse(content, Path::new("/plans/p.toml"), Path::new("p.toml")) {
        Ok(plan) => Ok(plan),
        Err(Error::Content(findings)) => Err(findings),
        Err(error) => panic!("parsing touches no file: {error}"),
    }
}
