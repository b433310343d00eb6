//! From a path to a plan: the file is read, found to be text, and parsed.

use std::fs;
use std::path::Path;

use super::document;
use super::error::Error;
use super::finding::Collector;
use super::model::Plan;
use super::read;
use super::source::Source;

/// The largest plan file that is read, in bytes: room for thousands of steps, and no endless file is read for long.
pub const MAX_FILE: usize = 1024 * 1024;

impl Plan {
    /// Reads the plan file at `path` and checks all of it.
    ///
    /// # Errors
    ///
    /// [`Error`], with everything that is wrong at once; nothing has been run.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let content =
            read::regular(path, MAX_FILE).map_err(|refusal| Error::refused(path, refusal, MAX_FILE))?;
        let absolute =
            fs::canonicalize(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&content, &absolute, path)
    }

    /// Reads the content of the plan file at `path`, which is absolute; `shown` is how messages call it.
    ///
    /// # Errors
    ///
    /// [`Error::Content`], with everything that is wrong at once.
    pub fn parse(content: &[u8], path: &Path, shown: &Path) -> Result<Self, Error> {
        match str::from_utf8(content) {
            Ok(text) => document::parse(text, path, shown).map_err(Error::Content),
            Err(error) => Err(not_text(content, error.valid_up_to(), shown)),
        }
    }
}

/// The place of the first byte that is no UTF-8.
fn not_text(content: &[u8], valid: usize, shown: &Path) -> Error {
    let text = String::from_utf8_lossy(content);
    let mut findings = Collector::default();
    let end = valid + char::REPLACEMENT_CHARACTER.len_utf8();
    let found = format!("the byte 0x{:02x}, which is not UTF-8", content[valid]);
    findings.add_broken(valid..end, found, "UTF-8, the encoding of TOML");
    Error::Content(findings.finish(shown, &Source::new(&text)))
}
