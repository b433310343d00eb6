//! Each error says what was found, and points exactly at it.

use baton_lock::escape;

use super::cases::{REFUSED_HEADS, REFUSED_STEPS, Refused};
use super::{HEAD, parse, parse_bytes};

/// A text without its marks, and what stood between them.
fn unmarked(text: &str) -> (String, Vec<(usize, usize, String)>) {
    let mut plain = String::new();
    let mut culprits = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('«') {
        let (culprit, after) = after.split_once('»').expect("a closing mark");
        plain.push_str(before);
        let line = plain.matches('\n').count() + 1;
        let column = plain.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        culprits.push((line, column, culprit.to_owned()));
        plain.push_str(culprit);
        rest = after;
    }
    (plain + rest, culprits)
}

#[track_caller]
fn assert_told(text: &str, found: &[&str]) {
    let (text, culprits) = unmarked(text);
    let findings = parse(&text).expect_err(&text);
    let told: Vec<_> = findings.list().iter().map(|finding| finding.found.as_str()).collect();
    assert_eq!(told.len(), found.len(), "{findings}");
    for (at, (finding, found)) in findings.list().iter().zip(found).enumerate() {
        // Several errors at one place have one mark.
        let (line, column, culprit) = culprits.get(at).or(culprits.last()).expect("a mark");
        assert!(finding.found.contains(found), "expected {found}: {findings}");
        assert_eq!((finding.line, finding.column), (*line, *column), "{findings}");
        assert_eq!(
            finding.mark.matches('^').count(),
            escape::text(culprit).chars().count().max(1),
            "{findings}"
        );
        assert!(!finding.expected.is_empty());
    }
}

#[test]
fn each_error_above_the_steps_points_at_its_culprit() {
    for Refused { text, found, .. } in REFUSED_HEADS {
        assert_told(text, found);
    }
}

#[test]
fn each_error_in_a_step_points_at_its_culprit() {
    for Refused { text, found, .. } in REFUSED_STEPS {
        assert_told(&format!("{HEAD}{text}"), found);
    }
}

#[test]
fn culprits_are_found_in_files_with_other_line_ends_and_a_byte_order_mark() {
    for Refused { text, found, .. } in REFUSED_STEPS {
        let text = format!("\u{feff}{HEAD}{text}");
        // A lone carriage return before a mark would not be on the culprit's line.
        assert_told(&text.replace('\n', "\r\n"), found);
    }
}

#[test]
fn terminal_sequences_of_a_plan_are_not_passed_on() {
    let text =
        format!("{HEAD}\"\\u001b[31m\u{202e}\" = 1 # \u{202e}\n[[step]]\nid = \"\\u001b\"\nrun = \"x\"");
    let shown = parse(&text).expect_err("unknown key").to_string();
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    assert!(shown.contains(r"unknown key `\u{1b}[31m\u{202e}`"), "{shown}");
}

#[test]
fn byte_that_is_not_utf8_is_told_with_its_place() {
    let findings = parse_bytes(b"version = 1\nname = \"\xff\"\n").expect_err("not UTF-8");
    let [finding] = findings.list() else { panic!("one finding: {findings}") };
    assert_eq!((finding.line, finding.column), (2, 9));
    assert_eq!(finding.found, "the byte 0xff, which is not UTF-8");
}

/// Each of these once took minutes, or could: the work per error grew with the file.
#[test]
fn flood_of_errors_is_told_of_at_once() {
    let size = 300_000;
    for text in [
        "$".repeat(size),
        "=".repeat(size),
        "=\n".repeat(size / 2),
        format!("{HEAD}[[step]]\nid = \"a\"\nrun = \"{}\"", "${facts.x}".repeat(size / 10)),
        format!("{HEAD}[[step]]\nid = \"a\"\nrun = [{}]", "\"${facts.x}\",".repeat(size / 13)),
        format!("{HEAD}[[step]]\nid = \"a\"\nrun = \"a\"\nsecrets = [{}]", "'A',".repeat(size / 4)),
        format!("{HEAD}{}", "[[step]]\n".repeat(size / 9)),
        format!("{HEAD}[[step]]\nid = \"a\"\nrun = \"{}\"", "$".repeat(size)),
        format!("{HEAD}\"{}\" = 1", "versio".repeat(size / 6)),
    ] {
        if let Err(findings) = parse(&text) {
            assert!(findings.list().len() <= 100, "{}", &text[..40]);
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for text in [format!("a = {}", "[".repeat(10_000)), format!("{}a = 1", "a.".repeat(10_000))] {
        assert!(parse(&text).is_err());
    }
}
