//! The tables: attempts, steps, facts. On a narrow screen each row is a card, whose cells say what they are.

use baton_lock::clock;
use baton_lock::session::{AttemptOutcome, Fact, Purpose, Step, StepStatus};

use super::chart::word;
use super::page::Page;
use super::signs;
use crate::session::runner::Runner;
use crate::session::show::Shown;
use crate::session::story::{Run, RunEnd};
use crate::session::words;

/// A time from a file, to the second.
pub(super) fn time(page: &mut Page, text: &str) {
    let Some(time) = clock::parse(text) else {
        page.text(&words::cut(text, 40));
        return;
    };
    let spelled = clock::format(time);
    let (day, rest) = spelled.split_once('T').unwrap_or((&spelled, ""));
    let second = rest.split_once('.').map_or(rest, |(second, _)| second);
    page.raw("<time datetime=\"").text(&spelled).raw("\">");
    page.text(day).raw(" ").text(second).raw("</time>");
}

pub(super) fn attempts(page: &mut Page, shown: &Shown) {
    page.raw("<section aria-labelledby=\"attempts\">\n<h2 id=\"attempts\">Attempts</h2>\n");
    page.raw("<table class=\"cards attempts\" role=\"table\" aria-labelledby=\"attempts\">\n<thead role=\"rowgroup\"><tr role=\"row\">");
    for head in [
        "<th scope=\"col\" role=\"columnheader\">Attempt</th>",
        "<th scope=\"col\" role=\"columnheader\">Ended</th>",
        "<th scope=\"col\" role=\"columnheader\">Began</th>",
        "<th scope=\"col\" role=\"columnheader\">Took</th>",
        "<th scope=\"col\" role=\"columnheader\">Run by</th>",
        "<th scope=\"col\" role=\"columnheader\">Lock</th>",
    ] {
        page.raw(head);
    }
    page.raw("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    let mut before: Option<&Run> = None;
    for run in &shown.story.runs {
        attempt(page, run, before);
        before = Some(run);
    }
    page.raw("</tbody></table>\n</section>\n");
}

fn attempt(page: &mut Page, run: &Run, before: Option<&Run>) {
    page.raw("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\">#").text(&run.number.to_string());
    let actor = run.actor.as_ref();
    match actor.map(|actor| actor.purpose) {
        Some(Purpose::Rerun) => page.raw(" <span class=\"took\">rerun</span>"),
        Some(Purpose::Undo) => page.raw(" <span class=\"took\">undo</span>"),
        Some(Purpose::Apply) | None => page,
    };
    page.raw("</th><td role=\"cell\" data-label=\"Ended\">");
    word(page, signs::of_run(run.end), run.end.words());
    if let Some(span) = run.killed() {
        page.element("<span class=\"more\">while <b>", &span.step, "</b> was running</span>");
    } else if let Some(code) = run.exit_code.filter(|&code| code != 0) {
        page.element("<span class=\"more\">exit code ", &code.to_string(), "</span>");
    }
    page.raw("</td><td role=\"cell\" data-label=\"Began\">");
    if let Some(begun) = &run.begun {
        time(page, begun);
    }
    if let Some(pause) = before.and_then(|before| between(last_sign(before)?, run.begun.as_deref()?)) {
        page.element("<span class=\"more\">", &words::spell(pause), " after the one before</span>");
    }
    page.raw("</td><td role=\"cell\" data-label=\"Took\">");
    match run.begun.as_deref().zip(run.ended.as_deref()).and_then(|(from, to)| between(from, to)) {
        Some(took) => page.text(&words::spell(took)),
        None if run.end == RunEnd::Running => page.raw("<span class=\"more\">not ended</span>"),
        None => page.raw("<span class=\"more\">not known</span>"),
    };
    page.raw("</td><td role=\"cell\" data-label=\"Run by\">");
    if let Some(actor) = actor {
        let user = actor.user.as_deref().unwrap_or("an unknown user");
        let host = actor.host.as_deref().unwrap_or("an unknown host");
        page.text(user).raw(" on ").text(host).element(
            "<span class=\"more\">pid ",
            &actor.pid.to_string(),
            "</span>",
        );
    }
    page.raw("</td><td role=\"cell\" data-label=\"Lock\">");
    if let Some(actor) = actor {
        let how = match actor.outcome {
            AttemptOutcome::Fresh => "fresh",
            AttemptOutcome::Recovered => "recovered from a runner that died",
        };
        page.raw(how).element("<span class=\"more\">token ", &actor.token.to_string(), "</span>");
    }
    page.raw("</td></tr>\n");
}

/// When an attempt ended, or the last thing that is known of it.
fn last_sign(run: &Run) -> Option<&str> {
    let of_spans = || run.spans.last().and_then(|span| span.to.as_deref().or(span.from.as_deref()));
    run.ended.as_deref().or_else(of_spans).or(run.begun.as_deref())
}

fn between(from: &str, to: &str) -> Option<u64> {
    let time = words::moment(to)?.saturating_sub(words::moment(from)?);
    Some(u64::try_from(time).unwrap_or(0))
}

pub(super) fn steps(page: &mut Page, shown: &Shown) {
    page.raw("<section aria-labelledby=\"steps\">\n<h2 id=\"steps\">Steps</h2>\n");
    page.raw("<table class=\"cards\" role=\"table\" aria-labelledby=\"steps\">\n<thead role=\"rowgroup\"><tr role=\"row\">");
    for head in [
        "<th scope=\"col\" role=\"columnheader\">Step</th>",
        "<th scope=\"col\" role=\"columnheader\">Status</th>",
        "<th scope=\"col\" role=\"columnheader\">Last started</th>",
        "<th scope=\"col\" role=\"columnheader\">Took</th>",
        "<th scope=\"col\" role=\"columnheader\">Times started</th>",
        "<th scope=\"col\" role=\"columnheader\">Published</th>",
    ] {
        page.raw(head);
    }
    page.raw("</tr></thead>\n<tbody role=\"rowgroup\">\n");
    for (number, step) in shown.session.steps().enumerate() {
        one_step(page, shown, number + 1, step);
    }
    page.raw("</tbody></table>\n</section>\n");
}

fn one_step(page: &mut Page, shown: &Shown, number: usize, step: &Step) {
    page.raw("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\"><span class=\"nth\">")
        .text(&number.to_string());
    page.raw("</span> ").text(&step.id).raw("</th><td role=\"cell\" data-label=\"Status\">");
    step_status(page, shown, step);
    page.raw("</td><td role=\"cell\" data-label=\"Last started\">");
    match &step.started_at {
        Some(started) => time(page, started),
        None => dash(page),
    }
    page.raw("</td><td role=\"cell\" data-label=\"Took\">");
    match shown.story.took(&step.id) {
        Some(took) => drop(page.text(&words::spell(took))),
        None => dash(page),
    }
    page.raw("</td><td role=\"cell\" data-label=\"Times started\">").text(&step.attempts.to_string());
    page.raw("</td><td role=\"cell\" data-label=\"Published\">");
    if step.facts.is_empty() {
        dash(page);
    } else {
        page.text(&step.facts.join(", "));
    }
    page.raw("</td></tr>\n");
}

/// How a step stands. What is in progress is only as long as somebody runs it.
pub(super) fn step_status(page: &mut Page, shown: &Shown, step: &Step) {
    match (step.status, &shown.runner) {
        (StepStatus::InProgress, Runner::Somebody(_)) => {
            word(page, signs::of_run(RunEnd::Running), "running");
        }
        (StepStatus::InProgress, _) => word(page, signs::of_step(step.status), "unfinished"),
        (status, _) => word(page, signs::of_step(status), words::step_status(status)),
    }
}

fn dash(page: &mut Page) {
    page.raw("<span class=\"more\" aria-label=\"none\">–</span>");
}

pub(super) fn facts(page: &mut Page, shown: &Shown) {
    if shown.session.facts().next().is_none() {
        return;
    }
    page.raw("<section aria-labelledby=\"facts\">\n<h2 id=\"facts\">Facts</h2>\n");
    page.raw("<p class=\"note\">What the steps published for those after them.</p>\n<dl class=\"facts\">\n");
    for (key, fact) in shown.session.facts() {
        page.element("<div><dt>", key, "</dt><dd><code>").text(fact.shown()).raw("</code>");
        if matches!(fact, Fact::Withheld(_)) {
            page.raw(" <span class=\"more\">withheld: it may be a secret</span>");
        }
        page.raw("</dd></div>\n");
    }
    page.raw("</dl>\n</section>\n");
}
