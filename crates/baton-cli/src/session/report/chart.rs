//! The time line: a row a step, each with a picture as wide as the page has room, and what it shows as text.
//!
//! Positions are percents, sizes that must not be distorted are pixels: so the same picture fits a telephone and a wall, and its
//! words stay as large as the others.

use super::layout::{Layout, Mark, Row};
use super::page::Page;
use super::signs::{self, Sign};
use crate::session::story::What;
use crate::session::words;

/// The most events of a row that are read out.
const MAX_SPOKEN: usize = 12;

/// The patterns that the pictures refer to, once for all.
const PATTERNS: &str = r#"<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>
<pattern id="hatch-bad" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="f-bad" width="6" height="6"/><rect class="f-cut" width="2" height="6"/></pattern>
<pattern id="hatch-warn" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="f-warn" width="6" height="6"/><rect class="f-cut" width="2" height="6"/></pattern>
</defs></svg>
"#;

/// Adds the time line. `result` adds what became of a step in the end.
pub(super) fn chart(page: &mut Page, layout: &Layout, result: impl Fn(&mut Page, &str)) {
    page.raw(PATTERNS);
    page.raw("<table class=\"chart\" role=\"table\">\n<thead role=\"rowgroup\"><tr role=\"row\">");
    page.raw("<th scope=\"col\" role=\"columnheader\">Step</th><th scope=\"col\" role=\"columnheader\" class=\"lane\">");
    page.raw("<span class=\"hidden\">What happened, by attempt</span>");
    head(page, layout);
    page.raw(
        "</th><th scope=\"col\" role=\"columnheader\">Now</th></tr></thead>\n<tbody role=\"rowgroup\">\n",
    );
    for row in &layout.rows {
        page.raw("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\" title=\"").text(&row.step);
        page.raw("\">").text(&row.step).raw("</th><td role=\"cell\" class=\"lane\">");
        picture(page, layout, row);
        page.raw("</td><td role=\"cell\" class=\"result\">");
        result(page, &row.step);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody></table>\n");
    legend(page, layout);
}

/// The numbers of the attempts, and how long they took where there is room.
fn head(page: &mut Page, layout: &Layout) {
    page.raw("<svg class=\"heads\" width=\"100%\" height=\"34\" aria-hidden=\"true\">");
    for band in &layout.bands {
        at(page, "<text class=\"number\" y=\"13\" x=\"", band.left).raw("%\">");
        page.text(&format!("#{}", band.number)).raw("</text>");
        if band.width >= 18.0 {
            at(page, "<text class=\"took\" y=\"29\" x=\"", band.left).raw("%\">");
            page.text(&words::spell(band.took)).raw("</text>");
        }
    }
    page.raw("</svg>");
}

fn at<'a>(page: &'a mut Page, start: &'static str, position: f64) -> &'a mut Page {
    page.raw(start).number(position)
}

fn picture(page: &mut Page, layout: &Layout, row: &Row) {
    page.raw("<svg width=\"100%\" height=\"28\" role=\"img\" aria-label=\"").text(&spoken(row)).raw("\">");
    for band in &layout.bands {
        at(page, "<rect class=\"band\" y=\"0\" height=\"28\" x=\"", band.left).raw("%\" width=\"");
        page.number(band.width).raw("%\"/>");
    }
    for mark in &row.marks {
        draw(page, mark);
    }
    page.raw("</svg>");
}

fn draw(page: &mut Page, mark: &Mark) {
    let start = match mark.what {
        What::Done => "<rect class=\"bar done\" rx=\"3\" y=\"7\" height=\"14\" x=\"",
        What::Found => "<rect class=\"bar found\" rx=\"3\" y=\"8\" height=\"12\" x=\"",
        What::Failed | What::TimedOut => {
            "<rect class=\"bar failed\" rx=\"1\" fill=\"url(#hatch-bad)\" y=\"5\" height=\"18\" x=\""
        }
        What::Interrupted => {
            "<rect class=\"bar stopped\" rx=\"1\" fill=\"url(#hatch-warn)\" y=\"5\" height=\"18\" x=\""
        }
        What::Killed => "<rect class=\"bar killed\" rx=\"1\" y=\"6\" height=\"16\" x=\"",
        What::Running => "<rect class=\"bar running\" rx=\"3\" y=\"7\" height=\"14\" x=\"",
        What::Open => "<rect class=\"bar open\" rx=\"3\" y=\"8\" height=\"12\" x=\"",
        What::Skipped | What::Undone => "<rect class=\"bar calm\" rx=\"2\" y=\"12\" height=\"4\" x=\"",
    };
    at(page, start, mark.left).raw("%\" width=\"").number(mark.width).raw("%\"><title>");
    page.text(&told(mark)).raw("</title></rect>");
}

/// What a mark says.
fn told(mark: &Mark) -> String {
    let took = match (mark.took, mark.what) {
        (Some(took), What::Done) => format!(" in {}", words::spell(took)),
        (Some(took), what) if what.is_failure() => format!(" after {}", words::spell(took)),
        _ => String::new(),
    };
    format!("attempt {}: {}{took}", mark.attempt, mark.what.words())
}

fn spoken(row: &Row) -> String {
    let mut parts: Vec<String> = row.marks.iter().take(MAX_SPOKEN).map(told).collect();
    if row.marks.len() > MAX_SPOKEN {
        parts.push(format!("and {} more", row.marks.len() - MAX_SPOKEN));
    }
    if parts.is_empty() { "nothing yet".to_owned() } else { parts.join("; ") }
}

/// What the shapes mean that are there.
fn legend(page: &mut Page, layout: &Layout) {
    const ALL: [(What, &str); 8] = [
        (What::Done, "done"),
        (What::Found, "found done by its check"),
        (What::Failed, "failed or timed out"),
        (What::Interrupted, "interrupted"),
        (What::Killed, "running when its runner was killed; nobody knows how long"),
        (What::Running, "running"),
        (What::Open, "end not recorded"),
        (What::Skipped, "skipped or undone"),
    ];
    let there: Vec<What> =
        layout.rows.iter().flat_map(|row| &row.marks).map(|mark| kind(mark.what)).collect();
    page.raw("<ul class=\"legend\" aria-hidden=\"true\">");
    for (what, words) in ALL.into_iter().filter(|(what, _)| there.contains(what)) {
        page.raw("<li><svg width=\"30\" height=\"28\">");
        let mark = Mark { attempt: 0, left: 4.0, width: 92.0, what, took: None };
        draw(page, &mark);
        page.raw("</svg>").text(words).raw("</li>");
    }
    page.raw("</ul>\n");
}

/// The one that stands for all that look alike.
fn kind(what: What) -> What {
    match what {
        What::TimedOut => What::Failed,
        What::Undone => What::Skipped,
        other => other,
    }
}

/// A sign with its word.
pub(super) fn word(page: &mut Page, sign: Sign, word: &str) {
    page.raw(sign.start).raw(sign.markup).text(word).raw("</span>");
}

/// What became of a step once, with its sign.
pub(super) fn what(page: &mut Page, what: What) {
    word(page, signs::of_what(what), what.words());
}
