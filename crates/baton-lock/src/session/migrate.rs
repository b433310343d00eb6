//! From older versions of the file to the present one, a step at a time.
//!
//! Each entry of the table turns a whole document of one version into one of the next. They are never removed: a job that
//! rested for years has a file of years ago. The table is empty as long as there is only one version; the tests apply
//! the mechanism to made-up ones.
//!
//! A migrated session is written in the new version at the next change, never by a mere look at it.

use serde_json::{Map, Value};

/// A whole document, and what it becomes or why it can't.
type Apply = fn(Map<String, Value>) -> Result<Map<String, Value>, String>;

/// From one version to the next.
pub(super) struct Migration {
    /// The version that it reads; it makes the one after it.
    pub(super) from: u64,
    pub(super) apply: Apply,
}

/// All that there are.
pub(super) const MIGRATIONS: &[Migration] = &[];

/// Brings a document from version `from` to version `to`.
pub(super) fn migrate(
    mut document: Map<String, Value>,
    from: u64,
    to: u64,
    table: &[Migration],
) -> Result<Map<String, Value>, String> {
    for version in from..to {
        let migration = table
            .iter()
            .find(|migration| migration.from == version)
            .ok_or_else(|| format!("it has version {version}, which no release has written"))?;
        document = (migration.apply)(document)?;
        set_version(&mut document, version + 1);
    }
    Ok(document)
}

fn set_version(document: &mut Map<String, Value>, version: u64) {
    if let Some(Value::Object(baton)) = document.get_mut("baton") {
        baton.insert("version".to_owned(), version.into());
    }
}
