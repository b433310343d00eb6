//! What failed, the last first, each with its message and the end of what the step printed.

use std::collections::HashSet;

use super::chart;
use super::page::Page;
use super::{tables, tail};
use crate::session::place::Place;
use crate::session::show::Shown;
use crate::session::story::{Run, Span, What};
use crate::session::words;

/// The most failures that are told.
const MAX_FAILURES: usize = 30;

pub(super) fn section(page: &mut Page, place: &Place, shown: &Shown) {
    let all = || {
        let spans = |run| of_run(run).map(move |span| (run, span));
        shown.story.runs.iter().rev().flat_map(spans)
    };
    let count = all().count();
    if count == 0 {
        return;
    }
    page.raw("<section aria-labelledby=\"failures\">\n<h2 id=\"failures\">What went wrong</h2>\n");
    page.raw("<p class=\"note\">The last first.");
    if count > MAX_FAILURES {
        page.text(&format!(" Only the last {MAX_FAILURES} of {count} are told."));
    }
    page.raw("</p>\n");
    // All tries of a step in an attempt have one log.
    let mut logs = HashSet::new();
    for (run, span) in all().take(MAX_FAILURES) {
        let is_first_of_its_log = logs.insert((run.number, &span.step));
        one(page, run, span);
        if is_first_of_its_log {
            log(page, place, run, span, logs.len() == 1);
        }
        page.raw("</article>\n");
    }
    page.raw("</section>\n");
}

fn of_run(run: &Run) -> impl Iterator<Item = &Span> {
    run.spans.iter().rev().filter(|span| span.what.is_failure())
}

fn one(page: &mut Page, run: &Run, span: &Span) {
    page.raw("<article class=\"failure\">\n<h3>").text(&span.step).raw(" ");
    chart::what(page, span.what);
    page.raw("</h3>\n<p class=\"when\">Attempt #").text(&run.number.to_string());
    if span.number > 1 {
        page.raw(", try ").text(&span.number.to_string());
    }
    if let Some(from) = &span.from {
        page.raw(", started ");
        tables::time(page, from);
    }
    if let Some(took) = span.took() {
        page.element(", after ", &words::spell(took), "");
    } else if span.what == What::Killed {
        page.raw("; nobody knows how long it ran");
    }
    page.raw("</p>\n");
    if let Some(message) = &span.message {
        page.element("<p class=\"message\">", message, "</p>\n");
    }
}

fn log(page: &mut Page, place: &Place, run: &Run, span: &Span, is_open: bool) {
    // What is no id can't be the name of a log.
    if baton_lock::state_dir::check_name(&span.step).is_err() {
        return;
    }
    let path = place.logs().join(format!("{}-{}.log", run.number, span.step));
    let Some(tail) = tail::of(&path) else { return };
    page.raw(if is_open { "<details open>" } else { "<details>" });
    page.raw("<summary>The end of its log</summary>\n<pre tabindex=\"0\">").lines(&tail).raw("</pre>\n");
    page.element("<p class=\"path\"><code>", &path.to_string_lossy(), "</code></p></details>\n");
}
