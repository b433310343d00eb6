//! Asking whoever sits at the terminal.
//!
//! Asked is only where both ends are one: standard input to answer, standard error to be asked. Everywhere else a question is an
//! exit code.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Is anybody there to be asked?
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks; gives back the answer without blanks around it, in lower case. `None`: there is none.
pub(crate) fn ask(question: &str) -> Option<String> {
    let _ = write!(io::stderr(), "{question} ");
    let mut line = String::new();
    match io::stdin().lock().read_line(&mut line) {
        Ok(length) if length > 0 => Some(line.trim().to_lowercase()),
        _ => None,
    }
}

/// Asks for a yes.
pub(crate) fn is_confirmed(question: &str) -> bool {
    matches!(ask(&format!("{question} [y/N]")).as_deref(), Some("y" | "yes"))
}
