//! The parts of the page, in their order: what it is, how it stands, what to do, and then how it came there.

use baton_lock::session::{Purpose, Status};

use super::chart::{self, word};
use super::layout::{Layout, MAX_BANDS};
use super::page::Page;
use super::{failures, signs, tables};
use crate::session::place::Place;
use crate::session::runner::Runner;
use crate::session::show::Shown;
use crate::session::story::RunEnd;
use crate::session::words;

/// No network, no script, no frame: only the style that is in the page.
const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<meta name=\"referrer\" content=\"no-referrer\">
<link rel=\"icon\" href=\"data:,\">
<title>";

const STYLE: &str = include_str!("page.css");

/// The page, made at that time.
pub(super) fn whole(place: &Place, shown: &Shown, made: &str) -> String {
    let mut page = Page::default();
    let session = &shown.session;
    page.raw(HEAD).text(session.name()).raw(": ").raw(standing_word(shown));
    page.raw("</title>\n<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n<main>\n");
    title(&mut page, shown);
    standing(&mut page, shown, made);
    time_line(&mut page, shown, made);
    failures::section(&mut page, place, shown);
    tables::attempts(&mut page, shown);
    tables::steps(&mut page, shown);
    tables::facts(&mut page, shown);
    page.raw("</main>\n");
    foot(&mut page, shown, made);
    page.raw("</body>\n</html>\n");
    page.into_html()
}

fn title(page: &mut Page, shown: &Shown) {
    let session = &shown.session;
    page.raw("<header>\n<p class=\"kind\">Session</p>\n<h1>")
        .text(session.name())
        .raw(" <span class=\"badge\">");
    let sign = match &shown.runner {
        Runner::Somebody(_) => signs::of_run(RunEnd::Running),
        _ => signs::of_session(session.status()),
    };
    word(page, sign, standing_word(shown));
    page.raw("</span></h1>\n<dl class=\"sums\">");
    let (done, all) = (words::done(session), session.steps().len());
    sum(page, "Steps done", &format!("{done} of {all}"));
    sum(page, "Attempts", &session.attempts().len().to_string());
    page.raw("<div><dt>Started</dt><dd>");
    tables::time(page, session.started_at());
    page.raw("</dd></div><div><dt>Last change</dt><dd>");
    tables::time(page, session.updated_at());
    page.raw("</dd></div></dl>\n<p class=\"plan\"><span class=\"label\">Plan</span> <code>");
    page.text(session.plan()).raw("</code></p>\n</header>\n");
}

/// What is in progress is only as long as somebody runs it.
fn standing_word(shown: &Shown) -> &'static str {
    match (shown.session.status(), &shown.runner) {
        (_, Runner::Somebody(_)) => "running",
        (Status::InProgress, _) => "unfinished",
        (status, _) => words::status(status),
    }
}

fn sum(page: &mut Page, name: &'static str, value: &str) {
    page.raw("<div><dt>").raw(name).raw("</dt><dd>").text(value).raw("</dd></div>");
}

/// How it stands, and what to do.
fn standing(page: &mut Page, shown: &Shown, made: &str) {
    let session = &shown.session;
    let start = match (session.status(), &shown.runner) {
        (_, Runner::Somebody(_)) => "<section class=\"call busy\" aria-label=\"How it stands\">\n",
        (Status::Complete, _) => "<section class=\"call good\" aria-label=\"How it stands\">\n",
        (Status::Failed, _) => "<section class=\"call bad\" aria-label=\"How it stands\">\n",
        (Status::InProgress, _) => "<section class=\"call warn\" aria-label=\"How it stands\">\n",
    };
    page.raw(start);
    page.element("<p class=\"lead\">", &lead(shown), "</p>\n");
    if let Runner::Somebody(_) | Runner::Unknown(_) = &shown.runner {
        page.raw("<p>As of ");
        tables::time(page, made);
        // It is escaped already.
        page.element(": ", &shown.runner.summary(), "</p>\n");
    } else if let Some(failure) = session.failure() {
        page.element("<p class=\"message\">", &failure.message, "</p>\n");
    }
    page.element(
        "<p class=\"next\"><span class=\"label\">Next</span> <code>",
        &shown.next.command,
        "</code>",
    );
    page.raw(" <span class=\"does\">");
    for (number, part) in shown.next.does.split('`').enumerate() {
        // What is between backticks was typed, or is to be.
        if number % 2 == 1 {
            page.element("<code>", part, "</code>")
        } else {
            page.text(part)
        };
    }
    page.raw("</span></p>\n</section>\n");
}

fn lead(shown: &Shown) -> String {
    let session = &shown.session;
    let killed = shown.story.runs.last().filter(|run| run.end == RunEnd::Crashed);
    match (&shown.runner, session.failure(), killed) {
        (Runner::Somebody(_), _, _) => "Somebody is running it.".to_owned(),
        (_, Some(failure), _) => format!("Step {} stopped it.", failure.step),
        (_, None, Some(run)) => match run.killed() {
            Some(span) => {
                format!("The runner of attempt {} was killed while {} was running.", run.number, span.step)
            }
            None => format!("The runner of attempt {} was killed between two steps.", run.number),
        },
        _ if session.status() == Status::Complete => "All steps are done.".to_owned(),
        _ if is_undone(shown) => "What it had done was taken back.".to_owned(),
        _ => "It is not finished.".to_owned(),
    }
}

fn is_undone(shown: &Shown) -> bool {
    let last = shown.story.runs.last().filter(|run| run.end == RunEnd::Complete);
    last.and_then(|run| run.actor.as_ref()).is_some_and(|actor| actor.purpose == Purpose::Undo)
}

fn time_line(page: &mut Page, shown: &Shown, made: &str) {
    let steps = shown.session.steps().map(|step| step.id.as_str()).collect();
    let layout = Layout::of(steps, &shown.story.runs, words::moment(made).unwrap_or(0));
    page.raw("<section aria-labelledby=\"time-line\">\n<h2 id=\"time-line\">Time line</h2>\n");
    page.raw("<p class=\"note\">");
    if layout.bands.len() > 1 {
        page.raw("Each attempt has a column of its own; within it, time runs from left to right. ");
        page.raw("The time between attempts is left out.");
    }
    if layout.hidden_bands > 0 {
        page.text(&format!(
            " Only the last {MAX_BANDS} attempts are drawn; the {} before them are listed below.",
            layout.hidden_bands
        ));
    }
    if layout.hidden_rows > 0 {
        let hidden = words::counted(layout.hidden_rows, "step");
        page.text(&format!(" The last {hidden} are not drawn; they are listed below."));
    }
    page.raw("</p>\n");
    chart::chart(page, &layout, |page, id| match shown.session.step(id) {
        Some(step) => {
            tables::step_status(page, shown, step);
            if let Some(took) = shown.story.took(&step.id) {
                page.element(" <span class=\"took\">", &words::spell(took), "</span>");
            }
        }
        None => {
            page.raw("<span class=\"took\">not in the plan</span>");
        }
    });
    page.raw("</section>\n");
}

fn foot(page: &mut Page, shown: &Shown, made: &str) {
    let session = &shown.session;
    page.raw("<footer>\n<p>Made ");
    tables::time(page, made);
    page.raw(concat!(
        " by baton ",
        env!("CARGO_PKG_VERSION"),
        ". All times are UTC. Secrets were redacted when "
    ));
    page.raw("messages and logs were written, as far as they could be recognised.</p>\n<p>Session <code>");
    page.text(session.session_id()).raw("</code>, revision ").text(&session.revision().to_string()).raw(".");
    let earlier = shown.story.earlier.len();
    if earlier > 0 {
        let attempts = words::counted(earlier, "attempt");
        page.text(&format!(
            " The history has {attempts} of earlier sessions of this name, which are not shown."
        ));
    }
    let (unreadable, newer) = shown.skipped;
    if unreadable > 0 {
        page.text(&format!(" {} of the history could not be read.", words::counted(unreadable, "line")));
    }
    if newer > 0 {
        let lines = words::counted(newer, "line");
        page.text(&format!(" {lines} of the history are of a newer version of baton."));
    }
    page.raw("</p>\n</footer>\n");
}
