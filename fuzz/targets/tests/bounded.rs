//! Every target with its corpus, and with a bounded number of mutations of it, the same ones in every run.
//!
//! A corpus without a member that a target takes a way of its own for would show nothing: so each is seen to have several.

use baton_fuzz_targets::{plan, record, redaction, session, url};
use fastrand::Rng;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// As many as take a second or two, each.
const MUTATIONS: usize = 400;
/// What parsers look for.
const DICTIONARY: [&[u8]; 24] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\u001b",
    b"\0",
    b"\x1b[2J",
    b"\xff",
    b"null",
    b"-1",
    b"1e999",
    b"9007199254740993",
    b"=",
    b"://",
    b"@",
    b"?token=",
    b"Bearer ",
    b"-----BEGIN PRIVATE KEY-----",
    b"\n",
    b"'''",
    b"${facts.x}",
];

/// Calls the target with all of these, and says of which input it panicked.
fn drive(name: &str, target: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("corpus").join(name);
    let mut corpus: Vec<Vec<u8>> = fs::read_dir(&directory)
        .expect("a corpus")
        .map(|entry| fs::read(entry.expect("an entry").path()).expect("readable"))
        .collect();
    corpus.sort();
    assert!(corpus.len() > 3, "the corpus of `{name}` has {} members", corpus.len());
    let mut rng = Rng::with_seed(7);
    let mutations = std::iter::repeat_with(|| mutated(&corpus, &mut rng)).take(MUTATIONS);
    for input in corpus.iter().cloned().chain(mutations.collect::<Vec<_>>()) {
        let judged = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(judged.is_ok(), "`{name}` does not hold for {:?}", String::from_utf8_lossy(&input));
    }
}

/// A member of the corpus, changed in a few places.
fn mutated(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = corpus[rng.usize(..corpus.len())].clone();
    for _ in 0..rng.usize(1..=4) {
        let place = rng.usize(..=input.len());
        match rng.u8(..6) {
            0 => input.truncate(place),
            1 => input.insert(place, rng.u8(..)),
            2 if place < input.len() => input[place] ^= 1 << rng.u8(..8),
            3 if place < input.len() => drop(input.drain(place..rng.usize(place..input.len()))),
            4 => {
                let other = &corpus[rng.usize(..corpus.len())];
                let from = rng.usize(..=other.len());
                input.splice(place..place, other[from..].iter().copied().take(64));
            }
            _ => drop(input.splice(place..place, DICTIONARY[rng.usize(..DICTIONARY.len())].iter().copied())),
        }
    }
    input
}

#[test]
fn whatever_a_record_has_in_it_is_shown_harmlessly_and_taken_over_or_left_alone() {
    drive("record", record);
}

#[test]
fn whatever_a_session_has_in_it_is_read_or_refused_and_left_alone() {
    drive("session", session);
}

#[test]
fn whatever_a_plan_has_in_it_is_a_plan_or_all_that_is_wrong_with_it() {
    drive("plan", plan);
}

#[test]
fn secrets_of_urls_are_hidden_whatever_stands_around_them() {
    drive("url", url);
}

#[test]
fn redaction_is_settled_and_the_same_in_pieces() {
    drive("redaction", redaction);
}
