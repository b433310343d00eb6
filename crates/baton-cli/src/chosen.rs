//! Which store is meant: the user's state directory, another directory, or one that is reached by a URL.
//!
//! For a URL another program is the same command: it has what speaks to such a store, and this one has neither an async runtime nor
//! what that takes to build. It takes this process's place, with the same arguments, so that signals, exit codes and the terminal
//! are as if it had been started at once. It is looked for beside this program first, so that the two are of one version.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use baton_lock::escape;
use baton_lock::store::{Directory, Store};

use crate::args::Args;
use crate::exit;
use crate::failure::Failure;

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// In the state directory that the environment says.
    User,
    /// In this directory.
    Directory(PathBuf),
    /// Behind this URL.
    Url(String),
}

/// What the command line and the environment say of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Where it is.
    pub place: Where,
    /// For how long a hold lasts of itself.
    pub lease: Option<Duration>,
}

/// Opens the store that was chosen.
pub type Opener = fn(&Chosen) -> Result<Box<dyn Store>, Failure>;

/// The shortest lease.
const SHORTEST: Duration = Duration::from_secs(2);

impl Chosen {
    /// The option, else the variable `BATON_STORE`, else the user's directory.
    ///
    /// # Errors
    ///
    /// If the two don't go together, or the URL is none.
    pub fn of(args: &Args) -> Result<Self, Failure> {
        let variable = || std::env::var_os("BATON_STORE").filter(|value| !value.is_empty());
        let place = args.store.clone().or_else(variable).map_or(Ok(Where::User), Where::read)?;
        match (&place, args.lease) {
            (Where::Url(_), Some(lease)) if lease < SHORTEST => {
                Err(usage("`--lease` is at least 2 s", "a shorter one would be lost by every delay"))
            }
            (Where::User | Where::Directory(_), Some(_)) => Err(usage(
                "`--lease` is for a store with leases; a lock in a directory lasts exactly as long as its holder lives",
                "leave it out, or name such a store with `--store`",
            )),
            (_, lease) => Ok(Self { place, lease }),
        }
    }
}

impl Where {
    /// A URL has a scheme; everything else is a path.
    fn read(text: OsString) -> Result<Self, Failure> {
        let Some(url) = text.to_str().filter(|text| scheme(text).is_some()) else {
            return Ok(Self::Directory(text.into()));
        };
        // It would be seen by everybody who lists processes, and be in records.
        if url.contains('@') {
            return Err(usage(
                "the URL of the store has a user or a password in it, which everybody can see who lists processes",
                "set BATON_ETCD_USER and BATON_ETCD_PASSWORD_FILE instead",
            ));
        }
        Ok(Self::Url(url.to_owned()))
    }
}

fn usage(message: &str, hint: &str) -> Failure {
    Failure { code: exit::USAGE, message: message.to_owned(), hint: Some(hint.to_owned()) }
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// Opens a directory; for a URL becomes the program that knows such stores.
///
/// # Errors
///
/// If there is no such program.
pub fn directory_or_other_program(chosen: &Chosen) -> Result<Box<dyn Store>, Failure> {
    match &chosen.place {
        Where::User => Ok(Box::new(Directory::of_user())),
        Where::Directory(path) => Ok(Box::new(Directory::at(path))),
        Where::Url(url) => Err(become_other(url)),
    }
}

/// The program for a URL, by its scheme.
fn program(url: &str) -> Option<&'static str> {
    match scheme(url) {
        Some("etcd" | "etcds") => Some("baton-etcd"),
        _ => None,
    }
}

/// Comes back only if that fails.
fn become_other(url: &str) -> Failure {
    let Some(program) = program(url) else {
        return usage(
            &format!("no store is known by the URL `{}`", escape::text(url)),
            "a store is a directory, or `etcd://HOST:2379/PREFIX`",
        );
    };
    let own = std::env::current_exe().ok();
    let beside = own.as_ref().map(|own| own.with_file_name(program)).filter(|path| path.is_file());
    let other = beside.or_else(|| in_path(program));
    // Found again as itself it would be started for ever.
    let is_own = |path: &Path| path.canonicalize().ok().is_some_and(|path| Some(path) == own);
    match other.filter(|path| !is_own(path)) {
        Some(path) => cannot_start(&path, &Command::new(&path).args(std::env::args_os().skip(1)).exec()),
        None => Failure {
            code: exit::UNSUPPORTED,
            message: format!("`{}` takes the program `{program}`, which was not found", escape::text(url)),
            hint: Some(format!(
                "install it beside `baton` or in PATH: `cargo install {program}`, or from the package of that name"
            )),
        },
    }
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn cannot_start(path: &Path, error: &std::io::Error) -> Failure {
    Failure {
        code: exit::UNSUPPORTED,
        message: format!("cannot start {}: {error}", escape::path(path)),
        hint: Some("is it executable, and of this machine's kind?".to_owned()),
    }
}

/// Refuses what only files can do.
pub(crate) fn only_in_directories(store: &dyn Store, what: &str) -> Result<(), Failure> {
    match store.url() {
        None => Ok(()),
        Some(url) => Err(Failure {
            code: exit::UNSUPPORTED,
            message: format!("{what} is for directories; the store is `{}`", escape::text(url)),
            hint: Some("leave it out, or name a directory with `--store`".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Where, Failure> {
        Where::read(text.into())
    }

    #[test]
    fn url_is_known_by_its_scheme_and_all_else_is_a_path() {
        assert_eq!(read("etcd://a:2379/jobs"), Ok(Where::Url("etcd://a:2379/jobs".into())));
        for path in ["/srv/locks", "locks", "./etcd:", "a@b"] {
            assert_eq!(read(path), Ok(Where::Directory(path.into())));
        }
    }

    #[test]
    fn password_on_the_command_line_is_refused_and_not_repeated() {
        let failure = read("etcd://root:geheim@a:2379/jobs").expect_err("refused");
        assert_eq!(failure.code, exit::USAGE);
        assert!(!format!("{failure:?}").contains("geheim"), "{failure:?}");
    }

    #[test]
    fn store_of_an_unknown_kind_starts_no_program() {
        assert_eq!(become_other("redis://a/b").code, exit::USAGE);
    }
}
