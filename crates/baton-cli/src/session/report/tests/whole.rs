//! Whole pages.

use std::collections::BTreeSet;
use std::time::SystemTime;

use baton_lock::escape;
use baton_lock::session::Event;
use serde_json::json;

use crate::session::report::html;
use crate::session::tests::{Job, hostile::hostile_job};

fn page(job: &Job) -> String {
    html(&job.place, &job.shown(), SystemTime::now())
}

/// Its tags, in order, with their attributes; the style is left out.
fn tags(html: &str) -> Vec<&str> {
    let (head, rest) = html.split_once("<style>").expect("a style");
    let (_, body) = rest.split_once("</style>").expect("its end");
    [head, body]
        .iter()
        .flat_map(|part| part.split('<').skip(1))
        .map(|tag| tag.split_once('>').expect("its end").0)
        .collect()
}

fn name(tag: &str) -> &str {
    tag.split([' ', '/', '\n']).find(|part| !part.is_empty()).expect("a name")
}

/// Elements are closed in the reverse of the order in which they were opened.
#[track_caller]
fn assert_well_formed(html: &str) {
    let mut open = Vec::new();
    for tag in tags(html) {
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name(tag)), "{tag}");
        } else if !(tag.ends_with('/') || ["!doctype", "meta", "link"].contains(&name(tag))) {
            open.push(name(tag));
        }
    }
    assert_eq!(open, [] as [&str; 0]);
}

fn told_job() -> Job {
    let mut job = Job::new();
    job.begun(&["build", "ship", "tell"]).does("build").then(Event::step_started("ship")).dies();
    job.begun(&["build", "ship", "tell"]).fails("ship", "exit code 7");
    job.tells_begin(0, 1)
        .tells(1, 1, "step_started", json!({ "step": "build", "try": 1, "reason": "r" }))
        .tells(5, 1, "step_completed", json!({ "step": "build", "how": "ran", "durationMs": 4000 }))
        .tells(6, 1, "step_started", json!({ "step": "ship", "try": 1, "reason": "r" }))
        .tells_begin(100, 2)
        .tells(101, 2, "step_started", json!({ "step": "ship", "try": 1, "reason": "r" }))
        .tells(
            103,
            2,
            "step_failed",
            json!({ "step": "ship", "message": "exit code 7", "cause": "error",
            "exitCode": 7, "signal": null, "try": 1 }),
        )
        .tells(104, 2, "attempt_ended", json!({ "end": "failed", "exitCode": 1 }));
    job.write_log(2, "ship", "uploading\n\x1b[31merror:\x1b[0m <refused>\n");
    job
}

#[test]
fn page_tells_who_ran_what_what_failed_and_what_to_type() {
    let html = page(&told_job());
    assert_well_formed(&html);
    for part in [
        "<title>deploy: failed</title>",
        "Step ship stopped it.",
        "baton apply --resume /srv/deploy.toml",
        "aria-label=\"attempt 1: done in 4.0 s\"",
        "aria-label=\"attempt 1: was running when its runner was killed; attempt 2: failed after 2.0 s\"",
        "aria-label=\"nothing yet\"",
        "while <b>ship</b> was running",
        "recovered from a runner that died",
        "uploading\nerror: &lt;refused&gt;</pre>",
        "<dt>version</dt><dd><code>1.2</code>",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert!(html.contains(&format!("pid {}", std::process::id())));
}

#[test]
fn page_needs_nothing_else_and_runs_nothing() {
    let html = page(&told_job());
    assert!(html.contains("default-src 'none'"));
    for tag in tags(&html) {
        assert!(
            !["script", "img", "iframe", "object", "embed", "base", "form", "a"].contains(&name(tag)),
            "{tag}"
        );
        assert!(!tag.contains(" src=") && !tag.contains(" on") && !tag.contains("style="), "{tag}");
        assert!(!tag.contains("href=") || tag.contains("href=\"data:,\""), "{tag}");
        assert!(!tag.contains("url(") || tag.contains("url(#"), "{tag}");
    }
    let css = include_str!("../page.css");
    assert!(!css.contains("url(") && !css.contains("@import") && !css.contains("http"));
}

#[test]
fn every_picture_is_described_or_beside_its_words() {
    for tag in tags(&page(&told_job())).into_iter().filter(|tag| tag.starts_with("svg")) {
        assert!(
            tag.contains("aria-hidden=\"true\"")
                || tag.contains("aria-label=\"")
                || tag.contains("width=\"30\""),
            "{tag}"
        );
    }
}

#[test]
fn nothing_that_was_written_elsewhere_becomes_markup_or_hides_and_huge_messages_are_cut() {
    let (job, plain) = (hostile_job(), told_job());
    let html = page(&job);
    assert_well_formed(&html);
    let names = |html: &str| tags(html).into_iter().map(|tag| name(tag).to_owned()).collect::<BTreeSet<_>>();
    let (found, known) = (names(&html), names(&page(&plain)));
    assert!(found.is_subset(&known), "{:?}", found.difference(&known));
    assert!(html.contains(
        "&lt;script&gt;alert(1)&lt;/script&gt;\\u{7}\\nbaton: forged\\u{202e}&quot;&#39;&amp;amp;"
    ));
    assert_eq!(html.chars().find(|&c| escape::is_hidden(c) && c != '\n' && c != '\t'), None);
    assert!(html.len() < 300_000, "{}", html.len());
}

#[test]
fn session_that_is_run_now_says_so() {
    let mut job = Job::new();
    job.begun(&["a"]).then(Event::step_started("a"));
    let html = page(&job);
    assert_well_formed(&html);
    for part in [
        "<title>deploy: running</title>",
        "Somebody is running it.",
        "baton wait deploy",
        "attempt 1: running",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}

#[test]
fn log_that_is_a_link_or_of_no_step_is_not_read() {
    let job = told_job();
    let log = job.write_log(2, "ship", "x");
    let secret = job.write_log(9, "other", "precious");
    std::fs::remove_file(&log).expect("removed");
    std::os::unix::fs::symlink(secret, log).expect("linked");
    assert!(!page(&job).contains("precious"));
}
