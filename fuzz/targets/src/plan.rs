//! A plan file, with whatever content.

use crate::assert_harmless;
use baton_cli::plan::Plan;
use std::path::Path;

/// It is a plan, the same one each time, or all that is wrong with it can be shown.
///
/// # Panics
///
/// When that does not hold.
pub fn plan(content: &[u8]) {
    let path = Path::new("/srv/plan.toml");
    match Plan::parse(content, path, path) {
        Ok(plan) => {
            let again = Plan::parse(content, path, path).expect("it was a plan");
            assert_eq!(format!("{plan:?}"), format!("{again:?}"));
        }
        Err(error) => assert_harmless(&error.to_string()),
    }
}
