//! The log of one step in one attempt: `logs/NAME/ATTEMPT-STEP.log`, redacted as it streams, limited in size.
//!
//! A step may write for days. The beginning says what it is about and the end why it failed: so the first [`HEAD`] bytes are
//! kept as they come, and of the rest the last [`TAIL`], with a line between them that says what is left out. The end is written
//! when the step has ended; killed before, only the beginning is there.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use baton_lock::redact::{Secrets, Stream};

use crate::harmless;

/// Bytes of the beginning.
const HEAD: usize = 8 << 20;
/// Bytes of the end.
const TAIL: usize = 256 << 10;
/// Lines and bytes of the end that are shown when a step has failed.
const SHOWN_LINES: usize = 20;
const SHOWN_BYTES: usize = 4 << 10;

/// A log that is written.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    stream: Stream,
    secrets: Secrets,
    /// Decided bytes on their way to the file.
    out: Vec<u8>,
    written: usize,
    /// The end, as far as it is not in the file.
    tail: VecDeque<u8>,
    left_out: usize,
    /// The end, whether or not it is in the file, to be shown.
    shown: VecDeque<u8>,
    failed: Option<io::Error>,
}

impl Log {
    /// Creates it, 0600 in a 0700 directory.
    ///
    /// # Errors
    ///
    /// If that is not possible.
    pub(super) fn create(directory: &Path, attempt: u64, step: &str, secrets: Secrets) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = directory.join(format!("{attempt}-{step}.log"));
        let no_follow = rustix::fs::OFlags::NOFOLLOW.bits();
        let no_follow = i32::try_from(no_follow).map_err(io::Error::other)?;
        let file =
            File::options().append(true).create(true).mode(0o600).custom_flags(no_follow).open(&path)?;
        Ok(Self {
            path,
            file,
            stream: Stream::new(secrets.clone()),
            secrets,
            out: Vec::new(),
            written: 0,
            tail: VecDeque::new(),
            left_out: 0,
            shown: VecDeque::new(),
            failed: None,
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes output in; gives back what of it is decided, redacted.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = std::mem::take(&mut self.out);
        self.stream.push(bytes, &mut out);
        self.store(&out);
        out
    }

    /// Takes a line of ours, such as the command that is run; it is redacted like all else.
    pub(super) fn note(&mut self, line: &str) {
        self.flush();
        let mut out = Vec::new();
        self.stream.push(format!("# {line}\n").as_bytes(), &mut out);
        self.stream.finish(&mut out);
        self.store(&out);
    }

    /// Decides what is left: a command has ended. Gives it back, redacted.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.stream.finish(&mut out);
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        self.store(&out);
        out
    }

    fn store(&mut self, bytes: &[u8]) {
        self.shown.extend(bytes);
        let surplus = self.shown.len().saturating_sub(SHOWN_BYTES);
        self.shown.drain(..surplus);
        let fits = bytes.len().min(HEAD.saturating_sub(self.written));
        let (head, rest) = bytes.split_at(fits);
        self.written += fits;
        self.write(head);
        self.tail.extend(rest);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.left_out += surplus;
        self.tail.drain(..surplus);
    }

    /// A log that can't be written (the disk is full) is told of at the end; the step is worth more.
    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() && !bytes.is_empty() {
            self.failed = self.file.write_all(bytes).err();
        }
    }

    /// Ends it; says whether all of it could be written.
    ///
    /// # Errors
    ///
    /// The first failure to write.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        if self.left_out > 0 {
            let line = format!("\n# {} bytes are left out here\n", self.left_out);
            self.write(line.as_bytes());
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        self.write(&tail);
        self.failed.map_or(Ok(()), Err)
    }

    /// The last lines as they stood on a terminal, redacted: once more, since a sequence in the middle of a secret has hidden it
    /// from the stream.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.shown.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.len().saturating_sub(SHOWN_LINES);
        let plain: Vec<String> = lines[first..].iter().map(|line| harmless::last_state(line)).collect();
        self.secrets.text(&plain.join("\n")).lines().map(str::to_owned).collect()
    }

    /// The last line that says something and is the step's own; as [`Log::last_lines`].
    pub(super) fn last_words(&self) -> Option<String> {
        let mut lines = self.last_lines().into_iter().rev();
        lines.find(|line| !line.trim().is_empty() && !line.starts_with("# "))
    }
}

/// The file in which a step publishes its facts, emptied; removed with the value.
#[derive(Debug)]
pub(super) struct Output(PathBuf);

impl Output {
    /// Creates it beside the logs, 0600.
    ///
    /// # Errors
    ///
    /// If that is not possible.
    pub(super) fn create(directory: &Path, attempt: u64, step: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = directory.join(format!("{attempt}-{step}{OUTPUT}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

const OUTPUT: &str = ".output";

impl Drop for Output {
    fn drop(&mut self) {
        // What is left behind is removed by the next attempt.
        let _ = fs::remove_file(&self.0);
    }
}

/// Removes the facts' files of attempts that were killed: what was written there was never looked through for secrets.
pub(crate) fn sweep_outputs(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().ends_with(OUTPUT) {
            // Whoever can't remove it can't have left it either.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(directory: &Path) -> Log {
        Log::create(directory, 3, "build", Secrets::new(["tr0ub4dor&3"])).expect("created")
    }

    #[test]
    fn secret_split_over_two_writes_is_not_in_the_log() {
        let place = tempfile::tempdir().expect("a directory");
        let mut log = log(place.path());
        log.push(b"the word is tr0ub");
        log.push(b"4dor&3\nexport API_KEY=ab");
        log.push(b"cdef\n");
        let path = log.path().to_owned();
        assert!(log.last_lines().iter().all(|line| !line.contains("4dor") && !line.contains("cdef")));
        log.finish().expect("written");
        let text = fs::read_to_string(path).expect("there");
        assert_eq!(text, "the word is <REDACTED>\nexport API_KEY=<REDACTED>\n");
    }

    #[test]
    fn last_words_have_no_terminal_sequences_and_no_secret_that_one_was_in() {
        let place = tempfile::tempdir().expect("a directory");
        let mut log = log(place.path());
        log.push(b"\x1b[31mwhy\x1b[0m: tr0ub\x1b[1m4dor&3\n  \x1b[0m\n");
        log.note("run: true");
        assert_eq!(log.last_words().as_deref(), Some("why: <REDACTED>"));
        assert!(log.last_lines().iter().all(|line| !line.contains('\x1b')));
    }

    #[test]
    fn beginning_and_end_of_endless_output_are_kept() {
        let place = tempfile::tempdir().expect("a directory");
        let mut log = log(place.path());
        log.note("it begins");
        let line = format!("{}\n", "x".repeat(1023));
        for _ in 0..(HEAD + 2 * TAIL) / line.len() {
            log.push(line.as_bytes());
        }
        log.push(b"why it failed\n");
        let path = log.path().to_owned();
        assert_eq!(log.last_lines().last().map(String::as_str), Some("why it failed"));
        log.finish().expect("written");
        let text = fs::read_to_string(path).expect("there");
        assert!(text.starts_with("# it begins\n") && text.ends_with("\nwhy it failed\n"));
        assert!(text.contains("bytes are left out here") && text.len() < HEAD + TAIL + 100);
    }

    #[test]
    fn facts_of_a_killed_attempt_are_swept_and_logs_are_not() {
        let place = tempfile::tempdir().expect("a directory");
        let output = Output::create(place.path(), 1, "a").expect("created");
        std::mem::forget(output);
        log(place.path()).finish().expect("written");
        sweep_outputs(place.path());
        let names: Vec<_> =
            fs::read_dir(place.path()).expect("there").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["3-build.log"]);
    }
}
