//! No text makes the parser panic, and what it says always has a place in the file.

use proptest::prelude::*;

use super::cases::{ACCEPTED_STEPS, REFUSED_STEPS};
use super::{HEAD, parse, parse_bytes};

/// Lines that occur in plans, right and wrong.
fn line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "version", "name", "step", "id", "run", "check", "when", "undo", "always", "timeout", "retries",
        "backoff", "cwd", "env", "env.A", "secrets", "outputs", "[step", "[[step", "",
    ]);
    let value = prop::sample::select(vec![
        "1",
        "-1",
        "0.5",
        "nan",
        "true",
        "\"a\"",
        "\"${facts.a}\"",
        "'''\n$${x}\n",
        "[\"a\", \"b\"]",
        "[",
        "{ A = 1 }",
        "\"\\u0000\"",
        "1979-05-27",
        "\"30s\"",
        "{",
        "\"",
    ]);
    let joint = prop::sample::select(vec![" = ", "=", "]", "]]", " "]);
    (key, joint, value).prop_map(|(key, joint, value)| {
        if joint.starts_with(']') { format!("{key}{joint}\n") } else { format!("{key}{joint}{value}\n") }
    })
}

/// Every finding is on a line of the file, and nothing hidden is shown.
fn assert_sound(text: &str) {
    let Err(findings) = parse(text) else { return };
    assert!(!findings.list().is_empty(), "refused without a reason: {text:?}");
    let lines = text.split('\n').count();
    for finding in findings.list() {
        assert!((1..=lines).contains(&finding.line) && finding.column >= 1, "{findings}");
        assert!(!finding.found.is_empty() && !finding.expected.is_empty(), "{findings}");
    }
    let shown = findings.to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(findings.list().is_sorted_by_key(|finding| (finding.line, finding.column)), "{findings}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let _plan = parse_bytes(&content);
    }

    #[test]
    fn arbitrary_text_is_told_of_soundly(text in any::<String>()) {
        assert_sound(&text);
    }

    #[test]
    fn lines_in_any_order_are_told_of_soundly(lines in prop::collection::vec(line(), 0..12)) {
        assert_sound(&lines.concat());
        assert_sound(&format!("{HEAD}[[step]]\n{}", lines.concat()));
    }

    #[test]
    fn plan_with_a_hole_is_told_of_soundly(
        case in prop::sample::select(ACCEPTED_STEPS.to_vec()), at in any::<prop::sample::Index>(),
        length in 0_usize..5, patch in "[\\[\\]\"'={}\n$a1 ]{0,3}",
    ) {
        let chars: Vec<char> = format!("{HEAD}{case}").chars().collect();
        let start = at.index(chars.len());
        let end = (start + length).min(chars.len());
        let text: String = chars[..start].iter().copied().chain(patch.chars()).chain(chars[end..].iter().copied()).collect();
        assert_sound(&text);
    }
}

#[test]
fn refused_plans_are_told_of_soundly() {
    for case in REFUSED_STEPS {
        assert_sound(&format!("{HEAD}{}", case.text));
    }
}
