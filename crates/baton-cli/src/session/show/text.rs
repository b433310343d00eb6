//! A session for people, on a terminal or not.

use std::fmt::Write as _;

use baton_lock::session::Fact;

use super::Shown;
use crate::session::runner::Runner;
use crate::session::story::{Run, RunEnd};
use crate::session::words;

pub(super) fn text(shown: &Shown) -> String {
    let mut text = String::new();
    head(&mut text, shown);
    section(&mut text, "steps", &steps(shown));
    section(&mut text, "facts", &facts(shown));
    section(&mut text, "attempts", &attempts(shown));
    if let Some(failure) = shown.session.failure() {
        let (step, message) = (words::shown(&failure.step), words::shown(&failure.message));
        line(&mut text, &format!("\nstep `{step}` stopped it: {message}"));
    }
    let (unreadable, newer) = shown.skipped;
    if unreadable + newer > 0 {
        line(
            &mut text,
            &format!(
                "\n{} of the history could not be read, {newer} of a newer version",
                words::counted(unreadable, "line")
            ),
        );
    }
    line(&mut text, &format!("\nnext: {}", shown.next.command));
    line(&mut text, &format!("      {}", shown.next.does));
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

fn section(text: &mut String, title: &str, rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    line(text, &format!("\n{title}"));
    for row in words::table(rows) {
        line(text, &format!("  {row}"));
    }
}

fn head(text: &mut String, shown: &Shown) {
    let session = &shown.session;
    let (name, status) = (words::shown(session.name()), words::status(session.status()));
    let steps = words::counted(session.steps().len(), "step");
    line(text, &format!("session `{name}`: {status}, {} of {steps} done", words::done(session)));
    let rows = [
        ["plan", &words::path(session.plan())],
        ["started", &words::time_ago(session.started_at())],
        ["changed", &words::time_ago(session.updated_at())],
        ["run by", &runner(&shown.runner)],
    ];
    for row in words::table(&rows.map(|row| row.map(str::to_owned).to_vec())) {
        line(text, &format!("  {row}"));
    }
}

fn runner(runner: &Runner) -> String {
    match runner {
        Runner::Nobody => "nobody now".to_owned(),
        other => other.summary(),
    }
}

fn steps(shown: &Shown) -> Vec<Vec<String>> {
    let row = |(number, step): (usize, &baton_lock::session::Step)| {
        let tries = usize::try_from(step.attempts).unwrap_or(usize::MAX);
        vec![
            format!("{:>2}", number + 1),
            words::shown(&step.id),
            words::step_status(step.status).to_owned(),
            shown.story.took(&step.id).map(words::spell).unwrap_or_default(),
            if tries > 1 { format!("started {tries} times") } else { String::new() },
            step.started_at.as_deref().map(words::shown).unwrap_or_default(),
            step.error.as_deref().map(words::shown).unwrap_or_default(),
        ]
    };
    shown.session.steps().enumerate().map(row).collect()
}

fn facts(shown: &Shown) -> Vec<Vec<String>> {
    let row = |(key, fact): (&str, Fact)| {
        let value = words::path(fact.shown());
        let note = if matches!(fact, Fact::Withheld(_)) { "  (withheld: it may be a secret)" } else { "" };
        vec![words::shown(key), format!("{value}{note}")]
    };
    shown.session.facts().map(row).collect()
}

fn attempts(shown: &Shown) -> Vec<Vec<String>> {
    shown.story.runs.iter().map(attempt).collect()
}

fn attempt(run: &Run) -> Vec<String> {
    let who = run.actor.as_ref().map_or_else(
        || "unknown".to_owned(),
        |actor| {
            let place = words::place(actor.user.as_deref(), actor.host.as_deref());
            format!("pid {}{}", actor.pid, place)
        },
    );
    let how = run.actor.as_ref().map_or_else(String::new, |actor| {
        let purpose = words::purpose(actor.purpose);
        format!("{purpose}, {}, token {}", words::outcome(actor.outcome), actor.token)
    });
    vec![
        format!("{:>2}", run.number),
        run.begun.as_deref().map(words::shown).unwrap_or_default(),
        who,
        how,
        end(run),
    ]
}

fn end(run: &Run) -> String {
    let killed = run.killed().filter(|_| run.end == RunEnd::Crashed);
    let code = run.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    match killed {
        Some(span) => format!("crashed while `{}` was running", words::shown(&span.step)),
        None => format!("{}{code}", run.end.words()),
    }
}
