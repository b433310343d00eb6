//! What people read on standard error: notices, errors, hints.
//!
//! Coloured on a terminal only, and not where `NO_COLOR` is set. Nobody being there to read it is no reason to fail: a
//! message that can't be written is dropped.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use baton_lock::escape;

use crate::failure::Failure;

const BAD: Style = AnsiColor::Red.on_default().bold();
const WAY_OUT: Style = AnsiColor::Cyan.on_default();

/// Whether notices are printed: `-q` silences them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    /// They are.
    Shown,
    /// They are not; errors still are.
    Silenced,
}

impl Notices {
    /// As the switch `-q` says.
    pub fn unless(quiet: bool) -> Self {
        if quiet { Self::Silenced } else { Self::Shown }
    }

    /// Prints a notice, with a hint if there is one.
    pub fn say(self, text: &str, hint: Option<&str>) {
        if self == Self::Shown {
            print(&format!("baton: {text}"));
            print_hint(hint);
        }
    }
}

/// Prints what went wrong and what to do about it.
pub fn failure(failure: &Failure) {
    print(&format!("baton: {BAD}error:{BAD:#} {}", failure.message));
    print_hint(failure.hint.as_deref());
}

/// Prints a line, whatever `-q` says: an answer.
pub fn line(text: &str) {
    print(&format!("baton: {text}"));
}

/// Prints a line as it is.
pub fn raw(text: &str) {
    print(text);
}

/// Prints what went wrong, where the hint is given apart.
pub fn bad(text: &str) {
    print(&format!("baton: {BAD}error:{BAD:#} {text}"));
}

/// Prints a warning, which `-q` does not silence.
pub fn warning(text: &str) {
    print(&format!("baton: {BAD}warning:{BAD:#} {text}"));
}

/// Prints that this is a bug in Baton; the panic's own message stands above it.
pub fn bug() {
    print(&format!("baton: {BAD}error:{BAD:#} that is a bug in baton"));
    print_hint(Some(
        "please report it with the lines above; the lock, if it was held, was given back uncleanly",
    ));
}

/// Prints what to do about what was said before.
pub fn hint(text: &str) {
    let text = with_store(text, STORE.get().map(String::as_str));
    print(&format!("{WAY_OUT}hint:{WAY_OUT:#} {text}"));
}

/// The store that the command line names, as a shell takes it.
static STORE: OnceLock<String> = OnceLock::new();

/// Lets all commands that are named in hints from now on be about this store, which was named on the command line: typed without it,
/// they would do something to another job.
pub fn name_store(store: &OsStr) {
    // It is named once.
    let _ = STORE.set(escape::shell(Path::new(store)));
}

/// The hint with the store in each command that does not name one yet.
fn with_store<'t>(text: &'t str, store: Option<&str>) -> Cow<'t, str> {
    let Some(store) = store else { return text.into() };
    let mut parts = text.split("`baton ");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let begin =
            if part.starts_with("--store ") { "`baton " } else { &format!("`baton --store {store} ") };
        named.push_str(begin);
        named.push_str(part);
    }
    named.into()
}

fn print_hint(text: Option<&str>) {
    text.into_iter().for_each(hint);
}

fn print(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_in_a_hint_is_about_the_store_that_was_named() {
        let hint = "`baton apply p` begins one, `baton --store x list` tells; batons `baton`";
        assert_eq!(with_store(hint, None), hint);
        let named = with_store(hint, Some("etcd://a/b"));
        assert_eq!(
            named,
            "`baton --store etcd://a/b apply p` begins one, `baton --store x list` tells; batons `baton`"
        );
    }
}
