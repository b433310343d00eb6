//! Signs beside words, so that nothing is said by colour alone; and the word for what has no sign.

use baton_lock::session::{Status, StepStatus};

use crate::session::story::{RunEnd, What};

/// A sign, which is only ever beside its word, and the class that colours both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) markup: &'static str,
    /// The begin of an element of its colour.
    pub(super) start: &'static str,
}

macro_rules! sign {
    ($class:literal, $path:literal) => {
        Sign {
            markup: concat!(
                r#"<svg class="sign" viewBox="0 0 16 16" aria-hidden="true"><path d=""#,
                $path,
                r#""/></svg>"#
            ),
            start: concat!(r#"<span class="word "#, $class, r#"">"#),
        }
    };
}

const TICK: Sign = sign!("good", "M2.5 8.5 6.3 12.3 13.5 4.2");
const FOUND: Sign = sign!("good", "M2.5 8.5 6.3 12.3 13.5 4.2M2.5 14.5h11");
const CROSS: Sign = sign!("bad", "M3.5 3.5l9 9M12.5 3.5l-9 9");
const CLOCK: Sign = sign!("bad", "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 1 0 8 1.8M8 4.5V8l2.6 1.8");
const SQUARE: Sign = sign!("warn", "M3.5 3.5h9v9h-9z");
const BOLT: Sign = sign!("bad", "M9.2 1.5 3.8 9.2h3.9l-1 5.3 5.5-7.9H8.2z");
const ARROW: Sign = sign!("busy", "M4.5 2.8 13 8l-8.5 5.2z");
const RING: Sign = sign!("calm", "M8 3.2a4.8 4.8 0 1 0 0 9.6A4.8 4.8 0 1 0 8 3.2");
const SKIP: Sign = sign!("calm", "M2.5 4l4.5 4-4.5 4M8.5 4 13 8l-4.5 4");
const BACK: Sign = sign!("calm", "M5.5 3 2.5 6l3 3M2.5 6h7a3.5 3.5 0 0 1 0 7H6");
const HALF: Sign = sign!("warn", "M8 3.2a4.8 4.8 0 1 0 0 9.6A4.8 4.8 0 1 0 8 3.2M8 3.2v9.6");

pub(super) fn of_session(status: Status) -> Sign {
    match status {
        Status::InProgress => HALF,
        Status::Complete => TICK,
        Status::Failed => CROSS,
    }
}

pub(super) fn of_step(status: StepStatus) -> Sign {
    match status {
        StepStatus::Pending => RING,
        StepStatus::InProgress => HALF,
        StepStatus::Complete => TICK,
        StepStatus::Failed => CROSS,
        StepStatus::Skipped => SKIP,
    }
}

pub(super) fn of_run(end: RunEnd) -> Sign {
    match end {
        RunEnd::Complete => TICK,
        RunEnd::Failed => CROSS,
        RunEnd::Interrupted => SQUARE,
        RunEnd::Crashed => BOLT,
        RunEnd::Running => ARROW,
        RunEnd::Unknown => RING,
    }
}

pub(super) fn of_what(what: What) -> Sign {
    match what {
        What::Done => TICK,
        What::Found => FOUND,
        What::Failed => CROSS,
        What::TimedOut => CLOCK,
        What::Interrupted => SQUARE,
        What::Skipped => SKIP,
        What::Undone => BACK,
        What::Open => RING,
        What::Killed => BOLT,
        What::Running => ARROW,
    }
}
