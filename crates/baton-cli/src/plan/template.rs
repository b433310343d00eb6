//! Strings of a plan with `${facts.key}` in them.
//!
//! Only what begins with `${facts.` is Baton's; every other `${…}` stays as it is, since in a shell string it is the
//! shell's. `$${` stands for a `${` that is neither. A near miss, such as `${fact.key}` or `${{ facts.key }}`, is an error: no
//! shell could expand it, and passed on as it is it would surprise at run time.
//!
//! Reading never fails: it yields the template and the faults, each with its place in the string, so that all of a plan's
//! faults can be told at once. Which facts there are is judged in [`super::declared`].

use std::ops::Range;

use super::names;

/// What begins a reference.
const OPENING: &str = "${facts.";

/// A string in which facts are put in place of their references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Fact { key: String, at: Range<usize> },
}

/// What is wrong with a string, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) found: String,
}

/// What a reference looks like, for messages.
pub(super) const EXPECTED: &str =
    "`${facts.KEY}` with a KEY of letters, digits and underscores; `$${` stands for a plain `${`";

impl Template {
    /// Reads a string.
    pub(super) fn parse(source: &str) -> (Self, Vec<Fault>) {
        let mut pieces = Pieces::default();
        let mut faults = Vec::new();
        let mut at = 0;
        while let Some(dollar) = source[at..].find('$').map(|found| at + found) {
            pieces.push_text(&source[at..dollar]);
            let rest = &source[dollar..];
            let (piece, length) = leading_piece(rest);
            match piece {
                Leading::Text(text) => pieces.push_text(text),
                Leading::Fact(key) => {
                    pieces.0.push(Piece::Fact { key: key.to_owned(), at: dollar..dollar + length });
                }
                Leading::Malformed => {
                    let found = format!("malformed reference `{}`", &rest[..length]);
                    faults.push(Fault { at: dollar..dollar + length, found });
                }
            }
            at = dollar + length;
        }
        pieces.push_text(&source[at..]);
        (Self { source: source.to_owned(), pieces: pieces.0 }, faults)
    }

    /// The string as it is written in the plan.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The facts that are referred to, each with its place in the string.
    pub(super) fn references(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Fact { key, at } => Some((key.as_str(), at.clone())),
        })
    }

    /// The string with each reference replaced by what `value` says.
    pub(crate) fn fill<E>(&self, mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Ok(text.clone()),
                Piece::Fact { key, .. } => value(key),
            })
            .collect()
    }
}

/// The pieces so far; neighbouring texts are one.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn push_text(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.0.push(Piece::Text(text.to_owned())),
        }
    }
}

/// What a dollar begins.
enum Leading<'a> {
    Text(&'a str),
    Fact(&'a str),
    Malformed,
}

/// What the dollar at the beginning of `text` begins, and how long that is.
fn leading_piece(text: &str) -> (Leading<'_>, usize) {
    if text.starts_with("$${") {
        return (Leading::Text("${"), 3);
    }
    if let Some(rest) = text.strip_prefix(OPENING) {
        let key = &rest[..name_length(rest)];
        if rest[key.len()..].starts_with('}') && names::is_variable(key) {
            return (Leading::Fact(key), OPENING.len() + key.len() + 1);
        }
    } else if !is_near_miss(text) {
        return (Leading::Text("$"), 1);
    }
    (Leading::Malformed, malformed_length(text))
}

/// Whether it is a slip of the pen for `${facts.`: another case or number, blanks or braces as in other tools.
fn is_near_miss(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("${") else { return false };
    let rest = rest.trim_start_matches([' ', '{']);
    let word = &rest[..name_length(rest)];
    rest[word.len()..].starts_with('.') && matches!(word.to_ascii_lowercase().as_str(), "fact" | "facts")
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where a part of a string stands in the file.
///
/// `span` is the literal's place in `file`, `text` what it means, `at` the part of `text`. An escape sequence before it
/// moves the part, so it is searched for: the n-th of its kind in the text is the n-th in the literal, unless it is
/// itself written with escapes; then it is the whole literal.
pub(super) fn place(file: &str, span: &Range<usize>, text: &str, at: &Range<usize>) -> Range<usize> {
    let (literal, part) = (&file[span.clone()], &text[at.clone()]);
    let before = text[..at.start].matches(part).count();
    let places: Vec<_> = literal.match_indices(part).collect();
    match places.get(before) {
        Some((found, _)) if places.len() == text.matches(part).count() => {
            span.start + found..span.start + found + part.len()
        }
        _ => span.clone(),
    }
}

/// To the closing brace, if there is one before the line or the word ends.
fn malformed_length(text: &str) -> usize {
    let end = text.find(['}', '\n', '"', '\'']).unwrap_or(text.len());
    if text[end..].starts_with('}') { end + 1 } else { end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(source: &str) -> String {
        let (template, faults) = Template::parse(source);
        assert_eq!(faults, [], "{source}");
        template.fill(|key| Ok::<_, ()>(format!("<{key}>"))).expect("never fails")
    }

    fn faults(source: &str) -> Vec<String> {
        Template::parse(source).1.into_iter().map(|fault| source[fault.at].to_owned()).collect()
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        assert_eq!(filled("${facts.a}"), "<a>");
        assert_eq!(filled("x${facts.a}${facts.b_2}y"), "x<a><b_2>y");
    }

    #[test]
    fn what_is_the_shells_stays_as_it_is() {
        for text in
            ["$HOME ${HOME} ${x:-y} ${#x} ${x%.*} $$ $(a) $", "${facts}", "${project.version}", "${a.b}"]
        {
            assert_eq!(filled(text), text);
        }
    }

    #[test]
    fn doubled_dollar_before_a_brace_is_one_plain_dollar() {
        assert_eq!(filled("$${facts.a} $${x} $$"), "${facts.a} ${x} $$");
        assert_eq!(filled("$$${facts.a}"), "$${facts.a}");
    }

    #[test]
    fn near_misses_are_faults_at_their_place() {
        assert_eq!(faults("a ${facts.} b"), ["${facts.}"]);
        assert_eq!(faults("a ${facts.x-y} ${facts.x:-z}"), ["${facts.x-y}", "${facts.x:-z}"]);
        assert_eq!(
            faults("${fact.x} ${FACTS.x} ${{ facts.x }}"),
            ["${fact.x}", "${FACTS.x}", "${{ facts.x }"]
        );
        assert_eq!(faults("${facts.x\n}"), ["${facts.x"]);
        assert_eq!(faults("${facts.1x}"), ["${facts.1x}"]);
        assert_eq!(faults("${facts.ä}"), ["${facts.ä}"]);
    }

    #[test]
    fn part_of_a_literal_is_found_behind_escapes() {
        let file = r#"x = "\t$${a} ${facts.b} ${facts.b}""#;
        let text = "\t$${a} ${facts.b} ${facts.b}";
        let second = text.rfind("${facts.b}").expect("there");
        let place = place(file, &(4..file.len()), text, &(second..second + 10));
        assert_eq!((&file[place.clone()], place.end), ("${facts.b}", file.len() - 1));
    }

    #[test]
    fn part_that_is_itself_escaped_is_the_whole_literal() {
        let file = r#""\u0024{facts.b}""#;
        assert_eq!(place(file, &(0..file.len()), "${facts.b}", &(0..10)), 0..file.len());
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_loses_nothing(source in "(\\$|\\{|\\}|facts|\\.|[a-zä ]){0,12}") {
            let (template, faults) = Template::parse(&source);
            prop_assert_eq!(template.source(), source.as_str());
            if !source.contains('$') {
                prop_assert_eq!(template.fill(|_| Err(())), Ok(source.clone()));
                prop_assert!(faults.is_empty());
            }
            for fault in faults { prop_assert!(source.get(fault.at).is_some()); }
        }
    }
}
