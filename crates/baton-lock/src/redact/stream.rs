//! Redaction of output while it streams: the same rules as for texts, whatever the pieces are in which it comes.
//!
//! A program writes when it likes, so that a secret may be split over two writes or twenty, and the output may have no end.
//! Two stages see to it that the pieces make no difference:
//!
//! 1. **Exact values.** Bytes that may be the beginning of a value are held back until that is decided.
//! 2. **Rules**, line by line, since nearly nothing that announces a secret stands on another line than it. What does is
//!    kept together: a private key is skipped to its end, and a line at whose end a value is still open (a quote, a bracket,
//!    `"apiKey":` with its value on the next line) waits for the lines that close it, up to [`MAX_HELD_LINES`].
//!
//! Whether a line is open is asked of the rules themselves: would they hide a letter that followed it?
//!
//! **Memory** is bounded by [`MAX_LINE`] and the longest value. A longer line is cut behind a blank at which no value is
//! open, and goes on like a new one. Where there is no such blank, what is left of the line is hidden: there a secret
//! could not be told from its surroundings.
//!
//! Elsewhere: limits on the size of a log, and the escaping of control characters.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::finder::{Finder, MAX_DECODINGS};
use super::hints::suspects;
use super::secrets::Secrets;
use super::{REPLACEMENT, raw, text};

#[cfg(test)]
mod tests;

/// The longest line in bytes, its end not counted, that is looked at as a whole; and the most that lines which wait for
/// others have together.
pub const MAX_LINE: usize = 64 * 1024;

/// How many lines wait for the end of a value that began on the first of them.
pub const MAX_HELD_LINES: usize = 64;

/// How many places are tried at which a long line might be cut, each at the cost of reading it three times.
const CUTS_TRIED: usize = 8;

/// More than the last line of a private key has.
const LONGEST_END: usize = 256;

static BEGIN: LazyLock<Regex> = LazyLock::new(|| marker("BEGIN"));
static END: LazyLock<Regex> = LazyLock::new(|| marker("END"));

fn marker(word: &str) -> Regex {
    let pattern = format!("-{{4,5}} ?{word} [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{{4,5}}");
    Regex::new(&pattern).expect("the pattern is a constant")
}

/// Redacts a stream of bytes: output of a program on its way to a log or a terminal.
///
/// What comes out depends on all the bytes that went in, not on the pieces in which they came. Bytes that are not UTF-8
/// come out as they went in.
///
/// A line comes out as soon as it is whole (a carriage return ends one too), unless a value is still open at its end. A
/// prompt without a line end waits for it.
///
/// # Examples
///
/// ```
/// use baton_lock::redact::{Secrets, Stream};
///
/// let mut stream = Stream::new(Secrets::new(["tr0ub4dor&3"]));
/// let mut log = Vec::new();
/// for piece in ["password is tr0u", "b4dor&3\nAPI_", "KEY=abc"] {
///     stream.push(piece.as_bytes(), &mut log);
/// }
/// stream.finish(&mut log);
/// assert_eq!(log, b"password is <REDACTED>\nAPI_KEY=<REDACTED>");
/// ```
///
/// Its `Debug` form shows how many bytes wait, and none of them.
pub struct Stream {
    secrets: Secrets,
    /// [`MAX_LINE`], but for tests.
    max_line: usize,
    /// Bytes that may begin an exact value.
    undecided: Vec<u8>,
    /// How many of them are hidden already.
    covered: usize,
    /// The present line, and those before it that wait for its end.
    window: Vec<u8>,
    /// How many whole lines wait.
    held: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Text,
    /// Within a private key: hidden up to its end.
    Key,
    /// Within a line that could not be cut: hidden up to its end.
    Overlong,
}

impl Stream {
    /// A stream that hides these values, and all that the rules find.
    pub fn new(secrets: Secrets) -> Self {
        Self::with_max_line(secrets, MAX_LINE)
    }

    fn with_max_line(secrets: Secrets, max_line: usize) -> Self {
        let (undecided, window) = (Vec::new(), Vec::new());
        Self { secrets, max_line, undecided, covered: 0, window, held: 0, state: State::Text }
    }

    /// Takes bytes in, and adds to `out` what is decided.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.chunks(self.max_line) {
            self.undecided.extend_from_slice(piece);
            self.decide(false, out);
        }
    }

    /// Adds what is left to `out`; the stream is new again.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.decide(true, out);
        if self.state == State::Text {
            self.emit(self.window.len(), out);
        }
        self.window.clear();
        (self.held, self.state) = (0, State::Text);
    }

    /// The first stage.
    fn decide(&mut self, all: bool, out: &mut Vec<u8>) {
        let bytes = std::mem::take(&mut self.undecided);
        let mut covered = self.covered;
        let secrets = std::mem::take(&mut self.secrets);
        let decided = secrets.hide(&bytes, &mut covered, all, |shown| self.take(shown, out));
        (self.secrets, self.covered, self.undecided) = (secrets, covered, bytes);
        self.undecided.drain(..decided);
    }

    /// The second stage.
    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        // Ends because each round takes at least one byte or leaves a state for `Text`.
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Text => self.take_text(bytes, out),
                State::Key => self.skip_key(bytes),
                State::Overlong => self.skip_line(bytes),
            };
        }
    }

    fn take_text<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let room = self.max_line - self.window.len();
        match bytes.iter().take(room).position(|&byte| is_line_end(byte)) {
            Some(end) => {
                self.window.extend_from_slice(&bytes[..=end]);
                self.line_is_whole(out);
                &bytes[end + 1..]
            }
            None if bytes.len() < room => {
                self.window.extend_from_slice(bytes);
                &[]
            }
            None => {
                self.window.extend_from_slice(&bytes[..room]);
                self.cut(out);
                &bytes[room..]
            }
        }
    }

    fn line_is_whole(&mut self, out: &mut Vec<u8>) {
        let text = raw::decoded(&self.window);
        if is_harmless(&text) {
            out.extend_from_slice(&self.window);
            self.window.clear();
            self.held = 0;
        } else if is_key_open(&text) {
            self.emit(self.window.len(), out);
            self.state = State::Key;
        } else if self.held < MAX_HELD_LINES && is_open(&text) {
            if self.window.len() == self.max_line {
                self.cut(out);
            }
            self.held += 1;
        } else {
            self.emit(self.window.len(), out);
        }
    }

    /// Shows the first `length` bytes of the window, redacted.
    fn emit(&mut self, length: usize, out: &mut Vec<u8>) {
        let shown = raw::decoded(&self.window[..length]);
        match text(&shown) {
            Cow::Borrowed(_) => out.extend_from_slice(&self.window[..length]),
            Cow::Owned(redacted) => out.extend_from_slice(&raw::encoded(&redacted)),
        }
        self.window.drain(..length);
        self.held = 0;
    }

    /// Makes room in a window that is full.
    fn cut(&mut self, out: &mut Vec<u8>) {
        if let Some(place) = self.safe_cut() {
            return self.emit(place, out);
        }
        let shown = self.window.iter().rposition(|byte| is_blank(*byte)).map_or(0, |at| at + 1);
        self.window.truncate(shown);
        self.emit(shown, out);
        // What was emitted may end in one already, where a value is open.
        if !out.ends_with(REPLACEMENT.as_bytes()) {
            out.extend_from_slice(REPLACEMENT.as_bytes());
        }
        self.state = State::Overlong;
    }

    /// A place behind a blank, in the second half of the window, at which nothing is open.
    fn safe_cut(&self) -> Option<usize> {
        let blanks = (self.max_line / 2..self.max_line)
            .rev()
            .filter(|&at| is_blank(self.window[at - 1]) && !is_blank(self.window[at]));
        blanks.take(CUTS_TRIED).find(|&at| can_end(&raw::decoded(&self.window[..at])))
    }

    fn skip_key<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let taken = bytes.len().min(self.max_line);
        self.window.extend_from_slice(&bytes[..taken]);
        let text = raw::decoded(&self.window);
        // One more byte has to be there, or a last dash might follow.
        let found = END.find(&text).filter(|found| found.end() < text.len());
        let Some(end) = found.map(|found| raw::encoded(&text[..found.end()]).len()) else {
            let kept = self.window.len().saturating_sub(LONGEST_END);
            self.window.drain(..kept);
            return &bytes[taken..];
        };
        // What follows the key in these bytes is text again.
        let left = self.window.len() - end;
        self.window.clear();
        self.state = State::Text;
        &bytes[taken - left.min(taken)..]
    }

    fn skip_line<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match bytes.iter().position(|&byte| is_line_end(byte)) {
            Some(end) => {
                self.state = State::Text;
                &bytes[end..]
            }
            None => &[],
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({} bytes wait)", self.undecided.len() + self.window.len())
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Is nothing hidden in this line, whatever follows it?
fn is_harmless(line: &str) -> bool {
    // Behind the line's end a letter changes nothing of what stands before, so that one look answers both questions.
    suspects(line).is_empty() || Finder::over(&format!("{line}x"), MAX_DECODINGS).spans().is_empty()
}

/// Has a private key begun and not ended?
fn is_key_open(text: &str) -> bool {
    if !text.contains("PRIVATE KEY") {
        return false;
    }
    let Some(begin) = BEGIN.find_iter(text).last() else { return false };
    END.find(&text[begin.end()..]).is_none()
}

/// Would a letter behind this text be hidden?
fn is_open(text: &str) -> bool {
    is_hidden_behind(text, "x")
}

fn is_hidden_behind(text: &str, probe: &str) -> bool {
    let probed = format!("{text}{probe}");
    Finder::over(&probed, MAX_DECODINGS).spans().iter().any(|span| span.range.end == probed.len())
}

/// May a text end here, within a line, so that what follows means the same without it? Not behind the name of a secret whose
/// separator follows, nor within the first line of a private key.
fn can_end(text: &str) -> bool {
    let before = text.trim_end_matches(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
    if before.ends_with("----") {
        return false;
    }
    !is_key_open(text) && !is_open(text) && !is_hidden_behind(text, "=x")
}
