//! Which names a plan may use: of plans and steps, of variables, of facts.
//!
//! A fact becomes an environment variable of every later step, under its own name. So its name must be one that every
//! shell can read, and must not be one that decides what the shell or the linker runs: a step publishes values that may
//! come from far away.

/// What a variable's name looks like, for messages.
pub(super) const VARIABLE: &str =
    "a name of letters, digits and underscores that does not begin with a digit";

/// The longest name of a variable that a plan declares, in bytes; as for locks.
const MAX_NAME: usize = 100;

/// Variables that decide how a shell or a program runs, beside those that begin with `LD_` or `BATON_`.
const RESERVED: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "HOME",
    "IFS",
    "OLDPWD",
    "PATH",
    "PS4",
    "PWD",
    "SHELL",
    "SHELLOPTS",
];

/// Whether every shell can read a variable of this name.
pub(super) fn is_variable(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Why no fact can have this name, if so.
pub(super) fn refused_fact(name: &str) -> Option<&'static str> {
    if !is_variable(name) {
        return Some(VARIABLE);
    }
    let reserved = RESERVED.contains(&name) || name.starts_with("LD_") || name.starts_with("BATON_");
    reserved.then_some("a name that does not already mean something to Baton, the shell or the linker")
}

/// Why `env` can't set a variable of this name, if so.
///
/// `BATON_DIR` may be set: a step may call Baton for other locks.
pub(super) fn refused_setting(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Some("a name that is not empty and has neither `=` nor NUL in it");
    }
    (name.starts_with("BATON_") && name != "BATON_DIR")
        .then_some("another name: those that begin with `BATON_` are set by Baton")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_would_change_what_runs_are_refused() {
        for name in ["PATH", "LD_PRELOAD", "BATON_LOCK", "IFS", "a-b", "", "1a", "ä", &"x".repeat(101)] {
            assert!(refused_fact(name).is_some(), "{name}");
        }
        for name in ["port", "DATABASE_URL", "_x1", "path"] {
            assert_eq!(refused_fact(name), None, "{name}");
        }
    }

    #[test]
    fn settings_are_free_but_for_what_baton_says_itself() {
        for name in ["PATH", "npm_config_@a:registry", "BATON_DIR"] {
            assert_eq!(refused_setting(name), None, "{name}");
        }
        for name in ["", "a=b", "a\0", "BATON_TOKEN"] {
            assert!(refused_setting(name).is_some(), "{name:?}");
        }
    }
}
