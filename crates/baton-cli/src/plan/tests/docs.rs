//! `docs/plan.md` is true: its plans are accepted, its errors are what the parser says, and it lists every key.

use std::fs;
use std::path::Path;

use super::super::{defaults, step};
use super::parse;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan.md");
    fs::read_to_string(path).expect("the page")
}

/// The fenced blocks of a page: what is behind the fence, and the content.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let content: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        blocks.push((kind.to_owned(), content.join("\n")));
    }
    blocks
}

#[test]
fn every_plan_of_the_page_is_accepted_or_has_the_errors_below_it() {
    let blocks = blocks(&page());
    let plans = blocks.iter().enumerate().filter(|(_, (kind, _))| kind == "toml");
    let mut refused = 0;
    for (at, (_, plan)) in plans {
        match blocks.get(at + 1).filter(|(kind, _)| kind == "text") {
            None => assert!(parse(plan).is_ok(), "{}", parse(plan).expect_err("it is refused")),
            Some((_, errors)) => {
                refused += 1;
                assert_eq!(&parse(plan).expect_err(plan).to_string(), errors);
            }
        }
    }
    assert!(refused > 0 && blocks.len() > refused, "the page shows both");
}

#[test]
fn every_key_has_its_row() {
    let page = page();
    let (above, below) = page.split_once("## A step").expect("the sections");
    let has_row = |part: &str, key: &str| part.lines().any(|line| line.starts_with(&format!("| `{key}` |")));
    for key in defaults::KEYS.iter().filter(|&&key| key != "step") {
        assert!(has_row(above, key), "{key}");
    }
    for key in step::KEYS {
        assert!(has_row(below, key), "{key}");
    }
}
