//! Writes completions and man pages into a directory: `cargo run -p baton-cli --example pages -- DIR`.
//!
//! They are made from the command line as it is parsed, so that they can't say anything else than the command does. An example and
//! not a verb, so that nothing of it is in the command. `cargo xtask dist` installs them.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::ExitCode;

use baton_cli::args::Args;
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1) else {
        eprintln!("usage: pages DIR");
        return ExitCode::from(2);
    };
    match write(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: cannot write the pages: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes `completions/` and `man/` below the directory, which is created.
///
/// # Errors
///
/// If one of the files can't be written.
pub(crate) fn write(directory: &Path) -> io::Result<()> {
    let (completions, man) = (directory.join("completions"), directory.join("man"));
    fs::create_dir_all(&completions)?;
    fs::create_dir_all(&man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Args::command(), "baton", &completions)?;
    }
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    write_man(&command, &man)
}

/// A page for the command, and one for each below it: `baton-session-list.1`.
fn write_man(command: &Command, directory: &Path) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let page = clap_mangen::Man::new(command.clone()).title(name.to_uppercase());
    page.render(&mut File::create(directory.join(format!("{name}.1")))?)?;
    let mut shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.try_for_each(|below| write_man(below, directory))
}
