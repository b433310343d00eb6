//! A terminal with a program in it, as a person has it: what is typed reaches the program, Ctrl-C and Ctrl-Z reach the
//! foreground process group, and what the program shows can be read.
//!
//! The kernel's own pseudoterminal, with `setsid --ctty` to make it the program's controlling terminal. When the value goes the
//! terminal hangs up, and the program is killed.

use crate::command::{without_notice, words_of};
use crate::stream::{Stream, await_end};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};

/// Ctrl-C.
pub const INTERRUPT: &str = "\x03";
/// Ctrl-\.
pub const QUIT: &str = "\x1c";
/// Ctrl-Z.
pub const STOP: &str = "\x1a";
/// Ctrl-D: at the begin of a line it ends the input.
pub const END: &str = "\x04";

/// A terminal in which a program runs.
#[derive(Debug)]
pub struct Terminal {
    screen: Stream,
    leader: Child,
}

impl Terminal {
    /// Runs a program in a new terminal.
    ///
    /// # Errors
    ///
    /// The reason why there is none, for [`crate::skip::skip`].
    pub fn running(program: &Command) -> Result<Self, String> {
        let because = |what: &'static str| move |error| format!("{what}: {error}");
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .map_err(because("no terminal can be made"))?;
        grantpt(&screen).map_err(because("no terminal can be used"))?;
        unlockpt(&screen).map_err(because("no terminal can be used"))?;
        let name = ptsname(&screen, Vec::new()).map_err(because("a terminal without a name"))?;
        let side = || File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes()));
        let mut command = Command::new("setsid");
        command.arg("--ctty").args(words_of(program));
        command.env("TERM", "xterm");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = program.get_current_dir() {
            command.current_dir(directory);
        }
        let no_side = |error| format!("a terminal can't be opened: {error}");
        command
            .stdin(side().map_err(no_side)?)
            .stdout(side().map_err(no_side)?)
            .stderr(side().map_err(no_side)?);
        let leader = command.spawn().map_err(|error| format!("`setsid` can't be started: {error}"))?;
        Ok(Self { screen: Stream::new(screen), leader })
    }

    /// Runs an interactive shell, whose prompt is `$ `, and waits for that.
    ///
    /// # Errors
    ///
    /// The reason why there is none, for [`crate::skip::skip`].
    ///
    /// # Panics
    ///
    /// When no prompt comes.
    pub fn with_shell() -> Result<Self, String> {
        let mut shell = without_notice(Command::new("bash"));
        shell.args(["--norc", "--noprofile", "--noediting", "-i"]).env("PS1", "$ ");
        let mut terminal = Self::running(&shell)?;
        terminal.shows("$ ");
        Ok(terminal)
    }

    /// Waits until the screen shows a text, and gives back what it showed since it was asked last, up to that.
    ///
    /// # Panics
    ///
    /// When it does not come in time, or the program ends before.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> String {
        let shown = self.screen.up_to(text);
        shown.unwrap_or_else(|| panic!("the terminal never showed {text:?} but {:?}", self.screen.rest()))
    }

    /// Types a text.
    ///
    /// # Panics
    ///
    /// When the terminal does not take it.
    #[track_caller]
    pub fn types(&mut self, text: &str) {
        let written = rustix::io::write(self.screen.source(), text.as_bytes());
        assert_eq!(written, Ok(text.len()));
    }

    /// Types a command line and the return key: how a person starts a command in a shell.
    ///
    /// # Panics
    ///
    /// When the terminal does not take it.
    #[track_caller]
    pub fn types_command(&mut self, command: &Command) {
        let words = words_of(command).map(|word| format!("'{}'", word.to_str().expect("text")));
        let words: Vec<String> = words.collect();
        self.types(&format!("{}\n", words.join(" ")));
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.leader.id()
    }

    /// Hangs up, and waits until the program has ended.
    ///
    /// # Panics
    ///
    /// When it does not end in time.
    #[track_caller]
    pub fn hang_up(mut self) {
        self.screen = Stream::of_nothing();
        await_end(&self.leader);
    }

    /// What it shows until the program has ended.
    ///
    /// # Panics
    ///
    /// When the program does not end in time.
    #[track_caller]
    pub fn rest(&mut self) -> String {
        self.screen.rest()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail only for one that has been reaped. Whoever else is in the terminal is told by the hang-up.
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}
