//! What programs may rely on is documented: every exit code, every state, every word of a report, every verb.

use std::time::Duration;

use baton_cli::args::Args;
use baton_cli::exit;
use baton_lock::{AncestorState, State};
use clap::CommandFactory as _;

const ERRORS: &str = include_str!("../../../docs/errors.md");
const APPLY: &str = include_str!("../../../docs/apply.md");

#[test]
fn every_exit_code_is_documented() {
    for code in [
        exit::DONE,
        exit::STEP_FAILED,
        exit::USAGE,
        exit::DECISION_NEEDED,
        exit::CONTENT,
        exit::UNSUPPORTED,
        exit::BUG,
        exit::UNSAFE,
        exit::BUSY,
        exit::LOST,
        exit::NOT_EXECUTABLE,
        exit::NOT_FOUND,
    ] {
        assert!(ERRORS.contains(&format!("\n| {code} |")), "{code}");
    }
}

#[test]
fn every_state_of_a_lock_is_documented() {
    let text = String::new;
    let states = [
        State::Free,
        State::LeftOver,
        State::Incomplete { ages_out_in: Duration::ZERO },
        State::Held,
        State::Acquiring,
        State::ForeignFlock,
        State::OpenElsewhere,
        State::Ancestor(AncestorState::Alive),
        State::Ancestor(AncestorState::Unverified),
        State::Ancestor(AncestorState::OtherHost),
        State::Ancestor(AncestorState::OtherPidNamespace),
        State::OtherHost,
        State::Unsafe { reason: text() },
        State::NotALockFile { reason: text() },
    ];
    for state in states {
        assert!(ERRORS.contains(&format!("`{}`", state.name())), "{}", state.name());
    }
}

#[test]
fn every_option_of_apply_is_documented() {
    let command = Args::command();
    let apply = command.find_subcommand("apply").expect("a verb");
    for option in apply.get_arguments().filter(|argument| !argument.is_positional()) {
        let long = option.get_long().map(|long| format!("`--{long}"));
        let short = option.get_short().map(|short| format!("`-{short}"));
        let is_there = [long, short].iter().flatten().any(|name| APPLY.contains(name));
        assert!(is_there, "{}", option.get_id());
    }
}

#[test]
fn every_verb_has_a_help_that_fits_eighty_columns() {
    for verb in Args::command().get_subcommands_mut() {
        let help = verb.clone().term_width(80).render_long_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{}: {line}", verb.get_name());
        }
    }
}
