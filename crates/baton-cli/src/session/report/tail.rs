//! The end of what a step printed. It was redacted when it was written.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::plain_file;

/// The most bytes that are read, and the most lines that are shown.
const BYTES: u64 = 8 << 10;
const LINES: usize = 30;

/// The last lines of the log at a path; `None` if there is none that could be read.
pub(super) fn of(path: &Path) -> Option<String> {
    let tail = last(&read(path).ok()?);
    Some(tail).filter(|tail| !tail.trim().is_empty())
}

/// The end of the file, from the begin of a line.
fn read(path: &Path) -> io::Result<String> {
    let mut file = plain_file::open(path)?;
    let from = file.metadata()?.len().saturating_sub(BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // A line that is cut off at its begin says half a truth; one that is longer than all this says enough.
    match text.split_once('\n') {
        Some((_, rest)) if from > 0 && !rest.is_empty() => Ok(rest.to_owned()),
        _ => Ok(text),
    }
}

fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn long_log_is_shown_from_the_begin_of_a_line() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("1-a.log");
        let text: String = (0..10_000).flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
        fs::write(&path, text).expect("written");
        let tail = of(&path).expect("there");
        assert_eq!((tail.lines().count(), tail.lines().last()), (LINES, Some("9999")));
        assert_eq!(tail.lines().next(), Some("9970"));
        fs::write(&path, "x".repeat(100_000)).expect("written");
        assert_eq!(of(&path).expect("there").len() as u64, BYTES);
        fs::write(&path, "\n \n").expect("written");
        assert_eq!((of(&path), of(&place.path().join("none"))), (None, None));
    }
}
