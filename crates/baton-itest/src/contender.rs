//! The contender's end of its line to the oracle, and the options that all contending programs share.
//!
//! The line is standard input and used there, never duplicated: the end of file that tells the oracle of a
//! death comes with the last copy. What a contender starts inherits it like the lock, unless it is given
//! another standard input.
//!
//! A contender never outlives its harness: it dies with it, blocked in a lock or not, and one that slips
//! through in the moment between start and that request finds its line closed when it comes in.
//! The protocol and the argument why it is sound are in [`crate::oracle`].

use crate::oracle::{ENTER, HEARD, LEAVE};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

/// The line to the oracle.
#[derive(Debug)]
pub struct Line(());

impl Line {
    /// Takes standard input as the line, and asks to be killed when the thread that started this process ends.
    ///
    /// # Errors
    ///
    /// When the kernel refuses that request.
    pub fn open() -> io::Result<Self> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        Ok(Self(()))
    }

    /// Says that the lock is held, and waits until that was heard.
    ///
    /// # Errors
    ///
    /// When the oracle is gone.
    pub fn enter(&self) -> io::Result<()> {
        self.say(ENTER)?;
        let mut answer = [0];
        match rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut answer))? {
            1 if answer == [HEARD] => Ok(()),
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the oracle has closed the line")),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "the oracle's answer is not in the protocol")),
        }
    }

    /// Says that the lock is about to be released; to be called *before* it is.
    ///
    /// # Errors
    ///
    /// When the oracle is gone.
    pub fn leave(&self) -> io::Result<()> {
        self.say(LEAVE)
    }

    fn say(&self, byte: u8) -> io::Result<()> {
        let Self(()) = self;
        rustix::io::retry_on_intr(|| rustix::io::write(rustix::stdio::stdin(), &[byte]))?;
        Ok(())
    }
}

/// The options of a contending program: pairs of `--name value`.
#[derive(Debug)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads the command line of this process.
    ///
    /// # Errors
    ///
    /// When it is not made of pairs.
    pub fn from_command_line() -> io::Result<Self> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(mut words: impl Iterator<Item = String>) -> io::Result<Self> {
        let mut options = BTreeMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| wrong(format!("unexpected `{word}`")))?;
            let value = words.next().ok_or_else(|| wrong(format!("`--{name}` needs a value")))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    /// Returns the value of an option that must be given.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn text(&self, name: &str) -> io::Result<&str> {
        self.0.get(name).map(String::as_str).ok_or_else(|| wrong(format!("`--{name}` is missing")))
    }

    /// Returns `--lock`.
    ///
    /// # Errors
    ///
    /// When it is not given.
    pub fn lock(&self) -> io::Result<PathBuf> {
        self.text("lock").map(PathBuf::from)
    }

    /// Returns `--hold-us`, in microseconds: how long the contender stays inside. Default 200.
    ///
    /// # Errors
    ///
    /// When it is not a number.
    pub fn hold(&self) -> io::Result<Duration> {
        self.number("hold-us", 200).map(Duration::from_micros)
    }

    /// Returns `--poll-ms`, in milliseconds: how long one that polls sleeps after it found the lock busy. Default 1.
    ///
    /// # Errors
    ///
    /// When it is not a number.
    pub fn poll(&self) -> io::Result<Duration> {
        self.number("poll-ms", 1).map(Duration::from_millis)
    }

    fn number(&self, name: &str, default: u64) -> io::Result<u64> {
        let Some(text) = self.0.get(name) else { return Ok(default) };
        text.parse().map_err(|_| wrong(format!("`--{name} {text}` is not a number")))
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> io::Result<Options> {
        Options::parse(words.iter().map(ToString::to_string))
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let options = parse(&["--lock", "/a", "--hold-us", "7"]).expect("pairs");
        assert_eq!(options.lock().expect("given"), PathBuf::from("/a"));
        assert_eq!(options.hold().expect("a number"), Duration::from_micros(7));
        assert_eq!(options.poll().expect("the default"), Duration::from_millis(1));
        assert!(options.text("algorithm").is_err());
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        assert!(parse(&["--lock"]).is_err());
        assert!(parse(&["lock", "/a"]).is_err());
    }
}
