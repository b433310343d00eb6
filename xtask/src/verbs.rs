//! The verbs of `cargo xtask`: one row each, and the help made from the rows.
//!
//! A new verb is a new row. Its function gets the arguments after the verb and returns an [`Outcome`]; the exit
//! codes are said here, once: 0 done, 1 failed, 2 wrong usage.

use std::process::ExitCode;

use crate::{bench, bench_etcd, coverage, dist, fuzz, run_tests, torture};

/// How a verb ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it was asked to; exit code 0.
    Done,
    /// It ran and has already said what went wrong; exit code 1.
    Failed,
    /// The arguments make no sense, with the reason; exit code 2.
    Misused(String),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            Outcome::Misused(reason) => {
                eprintln!("error: {reason}\nhint: `cargo xtask help` lists the verbs and their arguments");
                Self::from(2)
            }
        }
    }
}

struct Verb {
    name: &'static str,
    /// The arguments, as the help shows them.
    arguments: &'static str,
    purpose: &'static str,
    run: fn(&[String]) -> Outcome,
}

const VERBS: &[Verb] = &[
    Verb {
        name: "test",
        arguments: "[FILTER]",
        purpose: "Run every test of the workspace, or those with FILTER in their name",
        run: run_tests::run,
    },
    Verb {
        name: "torture",
        arguments: "[--minutes N] [--seed S] [--fs KIND,…] [--only NAME]",
        purpose: "Let locks contend under kills, stops and deletions, and print what came of it",
        run: torture::run,
    },
    Verb {
        name: "fuzz",
        arguments: "[--seconds N] [--target NAME]",
        purpose: "Run the fuzz targets, N seconds each",
        run: fuzz::run,
    },
    Verb {
        name: "coverage",
        arguments: "[--filter 'NAME …']",
        purpose: "Measure which lines of the library the tests run, or those with a NAME in their name",
        run: coverage::run,
    },
    Verb {
        name: "bench",
        arguments: "[--short | --publish]",
        purpose: "Measure Baton against everybody, side by side; figures and plots go to target/xtask/bench, or from there to the docs",
        run: bench::run,
    },
    Verb {
        name: "bench-etcd",
        arguments: "[--short | --publish]",
        purpose: "Measure locks on etcd beside etcd's own; figures and plots go to target/xtask/bench-etcd, or from there to the docs",
        run: bench_etcd::run,
    },
    Verb {
        name: "dist",
        arguments: "[--prefix DIR]",
        purpose: "Build what a package contains, into a tarball or below DIR",
        run: dist::run,
    },
];

/// Runs the verb that the arguments name, or prints the help.
pub(crate) fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else {
        return Outcome::Misused("no verb was given".into());
    };
    if arguments.iter().any(|one| asks_for_help(one)) || name == "help" {
        println!("{}", help());
        return Outcome::Done;
    }
    match VERBS.iter().find(|verb| verb.name == name) {
        Some(verb) => (verb.run)(rest),
        None => Outcome::Misused(format!("there is no verb `{name}`")),
    }
}

fn asks_for_help(argument: &str) -> bool {
    matches!(argument, "-h" | "--help")
}

fn help() -> String {
    let line = |usage: &str, purpose: &str| format!("  {usage}\n      {purpose}");
    let verbs = VERBS.iter().map(|verb| line(&format!("{} {}", verb.name, verb.arguments), verb.purpose));
    let lines: Vec<_> = verbs.chain([line("help", "Print this")]).collect();
    format!("Usage: cargo xtask VERB\n\nVerbs:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatched(words: &[&str]) -> Outcome {
        dispatch(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn help_names_every_verb() {
        assert!(VERBS.iter().all(|verb| help().contains(&format!("\n  {} ", verb.name))));
    }

    #[test]
    fn help_is_no_misuse_wherever_it_stands() {
        for words in [&["help"][..], &["--help"], &["-h"], &["test", "--help"]] {
            assert_eq!(dispatched(words), Outcome::Done);
        }
    }

    #[test]
    fn an_unknown_verb_and_none_at_all_are_misuse() {
        assert!(matches!(dispatched(&["tset"]), Outcome::Misused(reason) if reason.contains("`tset`")));
        assert!(matches!(dispatched(&[]), Outcome::Misused(_)));
    }

    #[test]
    fn a_second_filter_or_an_option_is_misuse() {
        assert!(matches!(dispatched(&["test", "one", "two"]), Outcome::Misused(_)));
        assert!(matches!(dispatched(&["test", "--nocapture"]), Outcome::Misused(_)));
        for words in [&["dist", "x"][..], &["dist", "--prefix"], &["dist", "--prefix", "a", "b"]] {
            assert!(matches!(dispatched(words), Outcome::Misused(_)), "{words:?}");
        }
    }
}
