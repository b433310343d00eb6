//! Redaction of secrets in free text, command lines and URLs.
//!
//! Commands, their errors and their URLs are written into records that any reader of the directory sees. What a
//! secret is can't be known, only guessed, so a guess errs towards hiding: a lost word of a message costs a second
//! look, a leaked token costs the account.
//!
//! Every rule of [`RULES`] reads the same original text and only marks spans; the marks are united and applied
//! together. Rules that rewrite one after another destroy each other's evidence: in `key: password: hunter2` the
//! first would eat `password:`, and nothing would announce `hunter2` any more. Passes repeat until one finds nothing,
//! so redacting twice equals redacting once by construction.
//!
//! Two kinds of rules: a secret known by its own shape (`ghp_…`, a PEM block), and one known by the name before it
//! (`FOO_TOKEN=…`, `"apiKey": …`, `--password …`). For the second kind the pattern finds only the name; where the
//! value ends depends on the quotes around it, which is read by hand below, as no regular expression can.
//!
//! A rule's pattern is compiled when one of its hints first occurs in a text; most texts compile none.
//! Elsewhere: escaping of control characters, and every limit on length but that of [`failure`].

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::{Captures, Regex};

/// What stands where a secret stood.
pub const REPLACEMENT: &str = "<REDACTED>";

/// The most characters (Unicode scalar values, not bytes) that [`failure`] returns: about three terminal lines.
pub const MAX_TEXT_CHARS: usize = 240;

/// Passes before [`text`] gives up and hides everything. Nearly all texts need one that changes and one that
/// confirms; more happen only where a replacement unbalances quotes that enclosed another secret.
const MAX_PASSES: usize = 8;

/// Layers of percent-encoding looked into inside a query parameter: a redirect within a redirect, and one to spare.
/// What is still encoded below them is hidden unread.
const MAX_DECODINGS: usize = 3;

/// Redacts free text by every rule, without a limit on its length.
///
/// Borrows if there is nothing to hide. `text(&text(x))` equals `text(x)`. Names, quotes and everything around a
/// secret stay, so that `{"apiKey": "abc"}` remains JSON.
///
/// A secret that neither looks like one nor follows a name that does is not found.
///
/// # Examples
/// ```
/// use baton_lock::redact::text;
/// assert_eq!(text("export FOO_TOKEN='a b c'"), "export FOO_TOKEN='<REDACTED>'");
/// assert_eq!(text("keyboard=us"), "keyboard=us");
/// ```
pub fn text(input: &str) -> Cow<'_, str> {
    settled(input, |text| Finder::over(text, MAX_DECODINGS).spans())
}

/// Applies spans until none is found any more, so that the result is a fixed point.
fn settled(input: &str, spans_of: impl Fn(&str) -> Vec<Span>) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(input);
    for _ in 0..MAX_PASSES {
        let spans = spans_of(&clean);
        if spans.is_empty() {
            return clean;
        }
        clean = Cow::Owned(applied(&clean, &spans));
    }
    Cow::Borrowed(REPLACEMENT)
}

/// Redacts the text of a failure, then cuts it to [`MAX_TEXT_CHARS`] characters.
///
/// In that order, because a secret cut in half no longer looks like one. A redacted text that is redacted again when
/// it is loaded does not change.
pub fn failure(input: &str) -> String {
    let mut clean = text(input).into_owned();
    if let Some((cut, _)) = clean.char_indices().nth(MAX_TEXT_CHARS) {
        clean.truncate(cut);
    }
    clean
}

/// Redacts a URL: user, password and fragment are dropped, the values of sensitive query parameters replaced.
///
/// Other parameters stay, in order. Secrets with a shape of their own are hidden wherever they stand, in the path
/// too. What has no `scheme://` is redacted as [`text`].
///
/// # Examples
/// ```
/// use baton_lock::redact::url;
/// assert_eq!(url("https://me:pw@example.org/a?n=1&sig=xyz#top"), "https://example.org/a?n=1&sig=<REDACTED>");
/// ```
pub fn url(input: &str) -> String {
    settled(input, |text| Finder::over_url(text).spans()).into_owned()
}

/// Redacts a command and joins its arguments as a POSIX shell would need them quoted.
///
/// Arguments are redacted before they are joined, since only there it is certain where a value ends: all that
/// follows `NAME=` in an argument is the value, and so is the whole argument after `--token`. The result is not
/// limited in length, so that no secret is ever cut before it is found. The replacement is quoted too: pasted into
/// a shell, a bare `<REDACTED>` would be two redirections.
///
/// A value attached to a one-letter option (`-pSECRET`) is not found.
///
/// # Examples
/// ```
/// use baton_lock::redact::command;
/// let argv = ["deploy", "--token", "abc", "to prod"].map(String::from);
/// assert_eq!(command(&argv), "deploy --token '<REDACTED>' 'to prod'");
/// ```
pub fn command(argv: &[String]) -> String {
    let mut shown = Vec::with_capacity(argv.len());
    let mut is_value = false;
    for argument in argv {
        let clean = if is_value { Cow::Borrowed(REPLACEMENT) } else { self::argument(argument) };
        shown.push(quoted(&clean).into_owned());
        // Asked of a replaced argument as well: in `--token --password x` either reading must hide `x`.
        is_value = argument.starts_with('-') && takes_secret(argument);
    }
    // Once more as a whole, for a header spread over several arguments.
    text(&shown.join(" ")).into_owned()
}

/// Redacts one argument; if it begins with a secret name and a separator, all the rest of it is the value.
fn argument(argument: &str) -> Cow<'_, str> {
    let mut finder = Finder::over(argument, MAX_DECODINGS);
    if let Some(captures) = ASSIGNMENT.captures(argument)
        && captures.get(0).is_some_and(|found| found.start() == 0)
    {
        finder.mark_assignment(&captures, Some(Setting::Argument));
    }
    let spans = finder.spans();
    if spans.is_empty() { Cow::Borrowed(argument) } else { Cow::Owned(applied(argument, &spans)) }
}

/// One argument in single quotes, if it has a character that a shell would interpret.
fn quoted(argument: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return Cow::Borrowed(argument);
    }
    Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
}

/// What a rule's match says about where the secret is.
enum Reach {
    /// The match is a URL; its parts are judged one by one.
    Url,
    /// Capture group 1 is the secret.
    Group,
    /// The match ends where the secret begins, which is one shell word long.
    Word,
    /// Like `Word`, if capture group 1 is an option that takes a secret.
    Option,
    /// The match is a name (group 1), its closing quote (2) and a separator (3), and ends where the value begins.
    Assignment,
}

/// One rule: its pattern is tried on texts that contain a hint, in any letter case.
struct Rule {
    hints: &'static [&'static str],
    reach: Reach,
    pattern: &'static LazyLock<Regex>,
}

/// A pattern that isn't compiled before its first use.
type Lazy = LazyLock<Regex>;

/// Where a token may begin: not within a word. The last letter of a terminal's colour sequence, of an escaped line
/// break (`\n`) and of a percent-encoded byte is no part of the word after it.
const LEFT: &str = r"(?:^|[^A-Za-z0-9_]|\x1b\[[0-9;]*[A-Za-z]|\\[nrtfb]|%[0-9A-Fa-f]{2})";

/// Compiles a pattern of this file, each of which the tests compile too.
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

/// Compiles the shape of a token, as group 1 behind a left boundary.
fn token(shape: &str) -> Regex {
    compile(&format!("{LEFT}({shape})"))
}

// A quote ends a URL, except before the `@` of its user part: a password may contain one.
static URL: Lazy = LazyLock::new(|| {
    compile(r#"[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s"`<>\\/?#]*@)?(?:[^\s"'`<>\\]|<REDACTED>)*"#)
});

// An unterminated block reaches to the end: what follows its header is key material as far as anybody can tell.
static PEM: Lazy = LazyLock::new(|| {
    compile(concat!(
        r"(?s)(-{4,5} ?BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?",
        r"(?:-{4,5} ?END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)? ?-{4,5}|$))"
    ))
});

// Two to four dots: signed tokens have three parts, encrypted ones five.
static JWT: Lazy = LazyLock::new(|| token(r"eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2,4}"));

static AWS: Lazy = LazyLock::new(|| token("A[KS]IA[A-Z0-9]{16,}"));

// These issuers use the URL-safe alphabet after the prefix.
static DASHED: Lazy = LazyLock::new(|| {
    token(concat!(
        "(?:nvapi-|nvcf-|sk-proj-|sk-ant-|xox[bpas]-|xapp-|glpat-|pypi-|tvly-|lsv2_pt_|lsv2_sk_)",
        "[A-Za-z0-9_-]{10,}"
    ))
});

// These use letters and digits only; counting no more than those spares names such as `hf_hub_download`.
static UNDASHED: Lazy = LazyLock::new(|| token("(?:hf_|gsk_)[A-Za-z0-9]{10,}[A-Za-z0-9_-]*"));

// Some run of ten letters and digits, perhaps behind short words as in `sk-or-v1-…`: `sk-learn-pipeline` has none.
static SK: Lazy = LazyLock::new(|| token("sk-(?:[A-Za-z0-9]{1,9}[_-])*[A-Za-z0-9]{10,}[A-Za-z0-9_-]*"));

static GITHUB: Lazy = LazyLock::new(|| token("ghp_[A-Za-z0-9]{20,}[A-Za-z0-9_-]*"));

static GITHUB_FINE: Lazy = LazyLock::new(|| token("github_pat_[A-Za-z0-9_]{30,}[A-Za-z0-9_-]*"));

static BEARER: Lazy = LazyLock::new(|| compile(&format!(r"(?i){LEFT}bearer(?:\s|%20|\+)+")));

static OPTION: Lazy = LazyLock::new(|| compile(r"(--[A-Za-z_][A-Za-z0-9_.-]*)[ \t]+"));

// Colours may stand between a name and its separator, as loggers paint them.
static ASSIGNMENT: Lazy = LazyLock::new(|| {
    const GAP: &str = r"(?:[ \t]|\x1b\[[0-9;]*m)*";
    compile(&format!(
        r#"{LEFT_OF_NAME}(-{{0,2}}[A-Za-z_][A-Za-z0-9_.-]*)(\\*["'`])?\]?{GAP}([:+?]?={{1,3}}>?|:|%3[ADad]){GAP}"#
    ))
});

/// The sequences of [`LEFT`] whose last letter would be taken for the first of a name.
const LEFT_OF_NAME: &str = r"(?:\x1b\[[0-9;]*[A-Za-z]|\\[nrtfb]|%[0-9A-Fa-f]{2})?";

/// The rules. URLs come first: where a user part ends is asked by those that read values.
static RULES: &[Rule] = &[
    Rule { hints: &["://"], reach: Reach::Url, pattern: &URL },
    Rule { hints: &["private key"], reach: Reach::Group, pattern: &PEM },
    Rule { hints: &["eyj"], reach: Reach::Group, pattern: &JWT },
    Rule { hints: &["akia", "asia"], reach: Reach::Group, pattern: &AWS },
    Rule {
        hints: &["nvapi-", "nvcf-", "sk-", "xox", "xapp-", "glpat-", "pypi-", "tvly-", "lsv2_"],
        reach: Reach::Group,
        pattern: &DASHED,
    },
    Rule { hints: &["hf_", "gsk_"], reach: Reach::Group, pattern: &UNDASHED },
    Rule { hints: &["sk-"], reach: Reach::Group, pattern: &SK },
    Rule { hints: &["ghp_"], reach: Reach::Group, pattern: &GITHUB },
    Rule { hints: &["github_pat_"], reach: Reach::Group, pattern: &GITHUB_FINE },
    Rule { hints: &["bearer"], reach: Reach::Word, pattern: &BEARER },
    Rule { hints: NAME_HINTS, reach: Reach::Option, pattern: &OPTION },
    Rule { hints: NAME_HINTS, reach: Reach::Assignment, pattern: &ASSIGNMENT },
];

/// One of these is in every name that [`looks_secret`], [`is_header`] or [`is_sensitive_parameter`] accepts.
const NAME_HINTS: &[&str] = &[
    "key",
    "token",
    "secret",
    "pass",
    "pwd",
    "credential",
    "auth",
    "cookie",
    "bearer",
    "_pat",
    "-pat",
    "?sig",
    "&sig",
    "_sig",
    "-sig",
    "sig%3",
    "signature",
];

/// Words that make a name secret, alone or among others.
const SECRET_WORDS: &str = "key keys token tokens secret secrets password passwords passwd passphrase passcode pwd credential \
    credentials bearer accesskey authkey encryptionkey masterkey privatekey secretkey signingkey sshkey";

/// Endings that no harmless word has, for names written in one piece (`PGPASSWORD`, `authtoken`).
const SECRET_ENDINGS: &[&str] =
    &["token", "secret", "password", "passwd", "passphrase", "credential", "credentials", "apikey"];

/// Words that count only at the end of a longer name: `DB_PASS`, `_auth`, but not `pass: 12 tests`.
const LAST_WORDS: &[&str] = &["pass", "auth"];

/// Query parameters whose values are replaced, also as an ending after `-` or `_` (`X-Amz-Signature`).
const SENSITIVE_PARAMETERS: &[&str] = &["signature", "sig", "token", "auth", "access_token"];

/// Authentication schemes followed by exactly one credential; behind any other, the rest of the line is hidden.
const SCHEMES: &[&str] = &["bearer", "basic", "token", "negotiate", "apikey"];

impl Rule {
    /// Whether the pattern could match, at the price of a few comparisons per byte.
    fn suspects(&self, text: &str) -> bool {
        self.hints.iter().any(|hint| contains_ignoring_case(text.as_bytes(), hint.as_bytes()))
    }
}

/// Whether `needle`, in lower case, occurs in `haystack` in any ASCII case.
fn contains_ignoring_case(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window[0].to_ascii_lowercase() == needle[0] && window.eq_ignore_ascii_case(needle))
}

/// What becomes of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Replaced,
    Erased,
}

/// A part of the text, in bytes, that must not be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    range: Range<usize>,
    fate: Fate,
}

impl Span {
    /// Unites with a span that starts inside this one. The wider of two nested ones decides: a token within a
    /// dropped user part is dropped with it, a URL within a secret value is replaced with it.
    fn absorb(&mut self, other: &Span) {
        if other.range.end > self.range.end {
            self.range.end = other.range.end;
            self.fate = Fate::Replaced;
        }
    }
}

/// The text with its spans, which are sorted and disjoint, replaced or erased.
fn applied(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    for span in spans {
        out.push_str(&text[shown..span.range.start]);
        if span.fate == Fate::Replaced {
            out.push_str(REPLACEMENT);
        }
        shown = span.range.end;
    }
    out.push_str(&text[shown..]);
    out
}

/// Collects the spans of one text.
struct Finder<'t> {
    text: &'t str,
    decodings: usize,
    found: Vec<Span>,
}

impl<'t> Finder<'t> {
    /// Applies every rule to a text.
    fn over(text: &'t str, decodings: usize) -> Self {
        let mut finder = Finder { text, decodings, found: Vec::new() };
        finder.apply_rules();
        finder
    }

    /// Applies every rule to a text that is a URL from its first to its last character, blanks included.
    fn over_url(text: &'t str) -> Self {
        let mut finder = Finder { text, decodings: MAX_DECODINGS, found: Vec::new() };
        if has_scheme(text) {
            finder.mark_url(0..text.len());
        }
        finder.apply_rules();
        finder
    }

    fn apply_rules(&mut self) {
        for rule in RULES.iter().filter(|rule| rule.suspects(self.text)) {
            for captures in rule.pattern.captures_iter(self.text) {
                self.mark(&rule.reach, &captures);
            }
        }
    }

    /// The united spans, in order, without those that would change nothing.
    fn spans(mut self) -> Vec<Span> {
        self.found.sort_by_key(|span| (span.range.start, Reverse(span.range.end)));
        let mut united: Vec<Span> = Vec::new();
        for span in self.found {
            match united.last_mut() {
                Some(last) if span.range.start < last.range.end => last.absorb(&span),
                _ => united.push(span),
            }
        }
        united.retain(|span| span.fate == Fate::Erased || &self.text[span.range.clone()] != REPLACEMENT);
        united
    }

    fn mark(&mut self, reach: &Reach, captures: &Captures<'t>) {
        let Some(whole) = captures.get(0) else { return };
        match reach {
            Reach::Url => {
                let length = sentence_trimmed(whole.as_str()).len();
                self.mark_url(whole.start()..whole.start() + length);
            }
            Reach::Group => {
                if let Some(group) = captures.get(1) {
                    self.push(group.range(), Fate::Replaced);
                }
            }
            Reach::Word => self.mark_value(value(self.text, whole.end(), Setting::Bare)),
            Reach::Option => {
                if captures.get(1).is_some_and(|option| takes_secret(option.as_str())) {
                    self.mark_value(value(self.text, whole.end(), Setting::Bare));
                }
            }
            Reach::Assignment => self.mark_assignment(captures, None),
        }
    }

    /// Marks what follows a name and a separator, if the name announces a secret.
    fn mark_assignment(&mut self, captures: &Captures<'t>, setting: Option<Setting>) {
        let (Some(whole), Some(name), Some(separator)) = (captures.get(0), captures.get(1), captures.get(3))
        else {
            return;
        };
        let start = whole.end();
        // The rest is hidden already, and scanning it anew for every name in it would make the costs quadratic.
        let to_the_end = |span: &Span| span.range.contains(&start) && span.range.end == self.text.len();
        if self.found.last().is_some_and(to_the_end) {
            return;
        }
        // `key::Kind` is a path in a program.
        if separator.as_str() == ":" && self.text[separator.end()..].starts_with(':') {
            return;
        }
        let setting = match setting {
            Some(setting) => setting,
            // Behind an encoded `=` a raw `&` belongs to the query around.
            None if separator.as_str().starts_with('%') => Setting::Query,
            None => Setting::around(self.text, name.start(), captures.get(2).is_some()),
        };
        if is_header(name.as_str()) {
            self.mark_value(header_value(self.text, start, setting));
        } else if looks_secret(name.as_str())
            || setting == Setting::Query && is_sensitive_parameter(name.as_str())
        {
            self.mark_value(value(self.text, start, setting));
        }
    }

    /// Marks a value. One that starts in the user part of a URL ends with it, lest the host be lost.
    fn mark_value(&mut self, range: Range<usize>) {
        let user = self.found.iter().find(|s| s.fate == Fate::Erased && s.range.contains(&range.start));
        let end = user.map_or(range.end, |user| user.range.end.min(range.end));
        self.push(range.start..end, Fate::Replaced);
    }

    fn push(&mut self, range: Range<usize>, fate: Fate) {
        if !range.is_empty() {
            self.found.push(Span { range, fate });
        }
    }

    /// Marks the user part, the fragment and the sensitive parameters of the URL at `range`.
    fn mark_url(&mut self, range: Range<usize>) {
        let url = &self.text[range.clone()];
        let authority = range.start + url.find("://").map_or(url.len(), |colon| colon + "://".len());
        let host = authority + user_length(&self.text[authority..range.end]);
        self.push(authority..host, Fate::Erased);
        self.mark_false_port(host..range.end);
        let rest = &self.text[host..range.end];
        let fragment = host + rest.find('#').unwrap_or(rest.len());
        self.push(fragment..range.end, Fate::Erased);
        if let Some(query) = self.text[host..fragment].find('?') {
            self.mark_query(host + query + 1..fragment);
        }
    }

    /// Marks a port that is no number: it is the password of a URL that was cut off before its `@`.
    fn mark_false_port(&mut self, range: Range<usize>) {
        if let Some(port) = false_port(&self.text[range.clone()]) {
            self.push(range.start + port.start..range.start + port.end, Fate::Replaced);
        }
    }

    fn mark_query(&mut self, range: Range<usize>) {
        let mut start = range.start;
        for parameter in self.text[range].split('&') {
            if let Some((name, value)) = parameter.split_once('=')
                && (is_sensitive_parameter(&percent_decoded(name)) || self.hides_secret(value))
            {
                let end = start + parameter.len();
                self.push(end - value.len()..end, Fate::Replaced);
            }
            start += parameter.len() + 1;
        }
    }

    /// Whether a value has a secret under its percent-encoding, such as a URL to return to.
    fn hides_secret(&self, value: &str) -> bool {
        let decoded = percent_decoded(value);
        if decoded == value || self.decodings == 0 {
            return decoded != value;
        }
        let within = Finder::over(&decoded, self.decodings - 1);
        within.hides_secret(&decoded) || !within.spans().is_empty()
    }
}

/// Whether a text is a URL: it begins with a scheme and `://`.
fn has_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    })
}

/// A URL in a sentence without the punctuation that belongs to the sentence.
fn sentence_trimmed(url: &str) -> &str {
    url.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '}'])
}

/// The length of the user part, `@` included, of what follows `://`.
fn user_length(rest: &str) -> usize {
    let authority = &rest[..authority_length(rest)];
    // With no `@` but a false port, the password has a raw `/`, `?` or `#` and the `@` comes after it.
    let at = authority.rfind('@').or_else(|| false_port(rest).and_then(|_| rest.rfind('@')));
    at.map_or(0, |at| at + 1)
}

fn authority_length(rest: &str) -> usize {
    rest.find(['/', '?', '#']).unwrap_or(rest.len())
}

/// Where a port stands that is no number. The colons of `[::1]` are in brackets.
fn false_port(rest: &str) -> Option<Range<usize>> {
    let authority = &rest[..authority_length(rest)];
    let host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let port = host + authority[host..].find(':')? + 1;
    (!authority[port..].bytes().all(|b| b.is_ascii_digit())).then_some(port..authority.len())
}

/// Decodes `%XX` once; what is not UTF-8 afterwards becomes U+FFFD.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let encoded = (byte == b'%').then(|| hex_pair(bytes.get(at + 1..at + 3)?)).flatten();
        out.push(encoded.unwrap_or(byte));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

/// Whether a name announces a secret: by a word of it, split at punctuation and at humps, or by the ending of a
/// piece (`PGPASSWORD`). Dashes before an option's name count as part of a longer name.
fn looks_secret(name: &str) -> bool {
    // The working directory, in every environment; in lower case it is a password.
    if name == "PWD" {
        return false;
    }
    let ends_secret = |piece: &str| {
        let piece = piece.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
        SECRET_WORDS.split(' ').any(|word| word == piece)
            || SECRET_ENDINGS.iter().any(|ending| piece.ends_with(ending))
    };
    let mut pieces = name.split(|c: char| !c.is_ascii_alphanumeric());
    pieces.any(|piece| ends_secret(piece) || humps(piece).into_iter().any(ends_secret)) || ends_weakly(name)
}

/// Whether the last word is one that counts only there.
fn ends_weakly(name: &str) -> bool {
    let piece = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(name);
    let last = humps(piece).pop().unwrap_or(piece);
    let lower = name.to_ascii_lowercase();
    let counts = LAST_WORDS.iter().any(|word| last.eq_ignore_ascii_case(word)) && last.len() < name.len();
    counts || lower.ends_with("_pat") || lower.ends_with("-pat")
}

/// The words of a piece in camel case: `APIKeyId` is `API`, `Key`, `Id`.
fn humps(piece: &str) -> Vec<&str> {
    let bytes = piece.as_bytes();
    let starts_hump = |at: &usize| {
        let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        bytes[*at].is_ascii_uppercase() && (!bytes[at - 1].is_ascii_uppercase() || next_is_lower)
    };
    let mut words = Vec::new();
    let mut start = 0;
    for at in (1..bytes.len()).filter(starts_hump).chain([bytes.len()]) {
        words.push(&piece[start..at]);
        start = at;
    }
    words
}

/// Whether the option's next argument is a secret. `--no-token` and `--password-stdin` take none.
fn takes_secret(option: &str) -> bool {
    let name = option.trim_start_matches('-');
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    plain && !name.starts_with("no-") && !name.ends_with("-stdin") && looks_secret(option)
}

/// Whether the name is of an HTTP header that carries credentials of several words.
fn is_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("authorization") || name == "cookie" || name == "set-cookie"
}

/// Whether a query parameter of this name carries a secret.
fn is_sensitive_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_or_ends_in = |word: &&str| {
        name.strip_suffix(*word).is_some_and(|before| before.is_empty() || before.ends_with(['-', '_']))
    };
    SENSITIVE_PARAMETERS.iter().any(is_or_ends_in) || looks_secret(&name)
}

/// A quotation mark, and how many backslashes it has in text that was itself quoted (`{\"key\": \"…\"}`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quote {
    mark: char,
    slashes: usize,
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

impl Quote {
    /// The quote that opens at `at`, and where its content begins.
    fn at(text: &str, at: usize) -> Option<(Quote, usize)> {
        let rest = &text[at..];
        let slashes = rest.len() - rest.trim_start_matches('\\').len();
        let mark = rest[slashes..].chars().next().filter(|c| QUOTES.contains(c))?;
        Some((Quote { mark, slashes }, at + slashes + 1))
    }

    /// The quote that ends right before `at`.
    fn before(text: &str, at: usize) -> Option<Quote> {
        let mark = text[..at].chars().next_back().filter(|c| QUOTES.contains(c))?;
        Some(Quote { mark, slashes: slashes_before(text, at - 1) })
    }

    /// The place, from `from` on, of the quote that closes this one.
    fn closing(self, text: &str, from: usize) -> Option<Range<usize>> {
        text[from..].match_indices(self.mark).find_map(|(offset, _)| {
            let mark = from + offset;
            let slashes = slashes_before(text, mark).min(mark - from);
            self.is_closed_by(slashes, &text[mark + 1..])
                .then_some(mark - slashes.min(self.slashes)..mark + 1)
        })
    }

    /// Whether this quote is closed by its mark after so many backslashes.
    ///
    /// A quote inside at the same depth has its own backslashes and twice those: behind `\"`, `\\\"` is content and
    /// `\"` closes; fewer backslashes belong to the text around, which ends here.
    fn is_closed_by(self, slashes: usize, rest: &str) -> bool {
        if self.mark == '\'' && self.slashes == 0 {
            // A shell knows no escape here, programming languages do. A shell's word goes on with `\` or ends.
            return slashes.is_multiple_of(2) || !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        }
        slashes < self.slashes || slashes % (2 * (self.slashes + 1)) == self.slashes
    }
}

fn slashes_before(text: &str, at: usize) -> usize {
    text[..at].len() - text[..at].trim_end_matches('\\').len()
}

/// What an assignment stands in, which says how its value ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    /// Nothing around: one shell word, quoted or not.
    Bare,
    /// The name has quotes of its own, as in JSON: one value of JSON.
    Json,
    /// The assignment as a whole is in this quote: up to its closing.
    Within(Quote),
    /// In the query of a URL, or of a part of one: up to the next parameter.
    Query,
    /// At the start of one argument of a command: up to the argument's end.
    Argument,
}

impl Setting {
    fn around(text: &str, name: usize, closing_quote: bool) -> Self {
        if closing_quote {
            return Setting::Json;
        }
        if let Some(quote) = Quote::before(text, name) {
            return Setting::Within(quote);
        }
        if text[..name].ends_with(['?', '&']) { Setting::Query } else { Setting::Bare }
    }
}

/// The value that starts at `start`, without the quotes around it.
fn value(text: &str, start: usize, setting: Setting) -> Range<usize> {
    match setting {
        Setting::Argument => start..text.len(),
        Setting::Within(quote) => start..quote.closing(text, start).map_or(text.len(), |close| close.start),
        Setting::Query => start..word_end(text, start, &['&', '#']),
        Setting::Json => {
            // JSON may break the line between a name and its value.
            let start = text.len() - text[start..].trim_ascii_start().len();
            quoted_value(text, start, setting)
                .or_else(|| bracketed_value(text, start))
                .unwrap_or_else(|| start..word_end(text, start, &[',', '}', ']']))
        }
        Setting::Bare => quoted_value(text, start, setting)
            .or_else(|| bracketed_value(text, start))
            .or_else(|| scheme_end(text, start).map(|credential| start..word_end(text, credential, &[])))
            .unwrap_or_else(|| start..word_end(text, start, &[])),
    }
}

/// The value of a header: the scheme stays if it is known, the credential goes.
fn header_value(text: &str, start: usize, setting: Setting) -> Range<usize> {
    let all = match setting {
        Setting::Bare | Setting::Query => match quoted_value(text, start, setting) {
            Some(quoted) => quoted,
            None => match scheme_end(text, start) {
                Some(credential) => return credential..word_end(text, credential, &[]),
                None => start..start + text[start..].find(['\r', '\n']).unwrap_or(text.len() - start),
            },
        },
        Setting::Json | Setting::Within(_) | Setting::Argument => value(text, start, setting),
    };
    let credential = scheme_end(text, all.start).unwrap_or(all.start).min(all.end);
    credential..all.end
}

/// Where the credential begins, if an authentication scheme stands at `start`.
fn scheme_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start..];
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric())?;
    let gap = rest[word..].len() - rest[word..].trim_start_matches([' ', '\t']).len();
    let known = SCHEMES.iter().any(|scheme| rest[..word].eq_ignore_ascii_case(scheme));
    (known && gap > 0).then_some(start + word + gap)
}

/// The content of a quoted value; if the shell word goes on behind the quote (`'it'\''s'`), the whole word.
fn quoted_value(text: &str, start: usize, setting: Setting) -> Option<Range<usize>> {
    let (quote, content) = Quote::at(text, start)?;
    let Some(close) = quote.closing(text, content) else { return Some(content..text.len()) };
    if setting == Setting::Json || word_ends_at(text, close.end) {
        return Some(content..close.start);
    }
    Some(start..word_end(text, close.end, &[]))
}

/// A list or an object with all that is in it, to the end of the text if it isn't closed.
fn bracketed_value(text: &str, start: usize) -> Option<Range<usize>> {
    text[start..].starts_with(['[', '{']).then_some(())?;
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(c) = text[at..].chars().next() {
        at += c.len_utf8();
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            '"' | '\'' => {
                let quote = Quote { mark: c, slashes: slashes_before(text, at - 1) };
                at = quote.closing(text, at).map_or(at, |close| close.end);
            }
            _ => {}
        }
        if depth == 0 {
            return Some(start..at);
        }
    }
    Some(start..text.len())
}

/// The end of the shell word that goes on at `start`, with its quoted pieces and escaped characters.
///
/// A quote is a piece of the word, unless what follows it shows that it closes one opened before the word, as in
/// `'export A_KEY=x' failed`. Right behind an escaped quote it is always a piece: `'it'\'' s'` is how a shell
/// quotes an apostrophe.
fn word_end(text: &str, start: usize, stops: &[char]) -> usize {
    let mut at = start;
    let mut after_escaped_quote = false;
    while let Some(c) = text[at..].chars().next() {
        if c.is_ascii_whitespace() || stops.contains(&c) {
            break;
        }
        let next = at + c.len_utf8();
        let escaped = if c == '\\' { text[next..].chars().next() } else { None };
        let mark = escaped.unwrap_or(c);
        let past = next + escaped.map_or(0, char::len_utf8);
        let is_quote = QUOTES.contains(&mark);
        if is_quote && !after_escaped_quote && word_ends_at(text, past) {
            break;
        }
        let opens = is_quote && escaped.is_none();
        let piece = if opens { Quote { mark, slashes: 0 }.closing(text, past) } else { None };
        at = piece.map_or(past, |close| close.end);
        after_escaped_quote = is_quote && escaped.is_some();
    }
    at
}

/// Whether a shell word, or a value in a program, ends right behind a quote.
fn word_ends_at(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_none_or(|c| c.is_ascii_whitespace() || ",;)]}:|&".contains(c))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// Every prefix with the shortest tail that counts.
    const PREFIXES: &[(&str, usize)] = &[
        ("nvapi-", 10),
        ("nvcf-", 10),
        ("sk-proj-", 10),
        ("sk-ant-", 10),
        ("xoxb-", 10),
        ("xoxp-", 10),
        ("xoxa-", 10),
        ("xoxs-", 10),
        ("xapp-", 10),
        ("hf_", 10),
        ("glpat-", 10),
        ("gsk_", 10),
        ("pypi-", 10),
        ("tvly-", 10),
        ("lsv2_pt_", 10),
        ("lsv2_sk_", 10),
        ("sk-", 10),
        ("ghp_", 20),
        ("github_pat_", 30),
        ("AKIA", 16),
        ("ASIA", 16),
    ];

    fn tail(length: usize) -> String {
        "A7B2C9D4E1".chars().cycle().take(length).collect()
    }

    fn argv(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn assert_becomes(cases: &[(&str, &str)]) {
        for (input, expected) in cases {
            assert_eq!(text(input), *expected, "of `{input}`");
        }
    }

    #[track_caller]
    fn assert_untouched(cases: &[&str]) {
        for case in cases {
            assert_eq!(text(case), *case);
        }
    }

    // Tokens with a shape of their own

    #[test]
    fn prefix_with_its_shortest_tail_is_hidden() {
        for (prefix, least) in PREFIXES {
            for length in [*least, least + 1, least + 40] {
                let input = format!("got {prefix}{}, gave up", tail(length));
                assert_eq!(text(&input), "got <REDACTED>, gave up", "of `{input}`");
            }
        }
    }

    #[test]
    fn prefix_with_one_character_less_is_shown() {
        for (prefix, least) in PREFIXES {
            let input = format!("got {prefix}{}, gave up", tail(least - 1));
            assert_eq!(text(&input), input);
        }
    }

    #[test]
    fn prefix_within_a_word_is_shown() {
        for (prefix, least) in PREFIXES {
            for before in ["ta", "9", "_"] {
                let input = format!("{before}{prefix}{}", tail(*least));
                // `sk-proj-…` behind a letter has no other reading either.
                assert_eq!(text(&input), input);
            }
        }
        assert_untouched(&[
            "task-force-headquarters",
            "desk-abcdefghijkl",
            "risk-assessments1",
            "sk-learn-pipeline",
        ]);
    }

    #[test]
    fn prefix_is_hidden_behind_whatever_may_precede_a_word() {
        for (prefix, least) in PREFIXES {
            for before in
                ["", " ", "\n", "\"", "'", "(", "=", ":", "/", ",", "é", "\u{1b}[31m", r"line\n", "%3D", "-"]
            {
                let input = format!("{before}{prefix}{} end", tail(*least));
                assert_eq!(text(&input), format!("{before}<REDACTED> end"));
            }
        }
    }

    #[test]
    fn neighbouring_tokens_are_each_hidden() {
        let token = format!("ghp_{}", tail(20));
        assert_eq!(text(&format!("{token} {token}\n{token}")), "<REDACTED> <REDACTED>\n<REDACTED>");
    }

    #[test]
    fn tail_is_hidden_to_its_end_whatever_its_alphabet() {
        assert_becomes(&[
            ("sk-ant-api03-Ab_Cd-Ef_Gh-1 end", "<REDACTED> end"),
            ("sk-or-v1-0123456789abcdef end", "<REDACTED> end"),
            ("hf_abcdefghij_klm-n end", "<REDACTED> end"),
            ("AKIAABCDEFGHIJKLMNOPQRSTUV end", "<REDACTED> end"),
        ]);
    }

    #[test]
    fn jwt_needs_three_parts() {
        assert_becomes(&[
            ("jwt eyJa.b.c end", "jwt <REDACTED> end"),
            ("(eyJhbGciOi_J9.eyJzd-WIi.c2ln)", "(<REDACTED>)"),
            ("eyJh.a.b.c.d end", "<REDACTED> end"),
        ]);
        assert_untouched(&["eyJa.b", "eyJa.b.", "eyJ.b.c", "heyJude.b.c", "eyXa.b.c"]);
    }

    const PEM_BLOCK: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIE+/=\nabc\n-----END RSA PRIVATE KEY-----";

    #[test]
    fn private_key_is_hidden_as_a_whole_block() {
        assert_eq!(text(&format!("a\n{PEM_BLOCK}\nb\n{PEM_BLOCK}\nc")), "a\n<REDACTED>\nb\n<REDACTED>\nc");
        for kind in ["PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
            let block = format!("-----BEGIN {kind}-----\nabc\n-----END {kind}-----");
            assert_eq!(text(&format!("x {block} y")), "x <REDACTED> y");
        }
    }

    #[test]
    fn unterminated_private_key_is_hidden_to_the_end() {
        assert_becomes(&[
            ("x -----BEGIN PRIVATE KEY-----\nabc\n\ndef", "x <REDACTED>"),
            ("x -----BEGIN PRIVATE KEY-----", "x <REDACTED>"),
        ]);
    }

    #[test]
    fn public_key_and_certificate_are_shown() {
        assert_untouched(&[
            "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        ]);
    }

    // Secrets announced by a name

    #[test]
    fn names_with_a_secret_word_look_secret() {
        let names = "NVIDIA_API_KEY OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY COMPATIBLE_API_KEY \
            COMPATIBLE_ANTHROPIC_API_KEY BRAVE_API_KEY KEY key apiKey APIKey apikey api-key api.key \
            X-Api-Key AWS_SECRET_ACCESS_KEY accessToken clientSecret DB_PASSWORD passwd PGPASSWORD \
            PassWord credentials userCredential KEY_2 key1 _authToken npm_auth DB_PASS dbPass MYSQL_PWD \
            pwd GITHUB_PAT passphrase NEXTAUTH_SECRET authtoken";
        for name in names.split(' ') {
            assert!(looks_secret(name), "{name}");
            let (input, expected) = (format!("{name}=v4lue end"), format!("{name}=<REDACTED> end"));
            assert_eq!(text(&input), expected);
        }
    }

    #[test]
    fn names_that_only_contain_the_letters_do_not_look_secret() {
        let names = "keyboard monkey turkey hotkey tokenizer tokenize secretary passwordless PWD OLDPWD pass \
            passed auth author path PATH compass credence donkeys";
        for name in names.split(' ') {
            assert!(!looks_secret(name), "{name}");
            assert_untouched(&[&format!("{name}=v4lue end")]);
        }
    }

    #[test]
    fn plain_prose_is_shown() {
        assert_untouched(&[
            "keyboard=us",
            "monkey=1",
            "the tokenizer read 12 tokens",
            "a key was pressed",
            "token::Kind::Open",
            "pass: 12 tests",
            "PWD=/home/me",
            "no secret here",
            "step `build` failed with exit code 3",
            "https://example.org/a?b=c&d=e",
            "12:30:05",
            "author: me",
        ]);
    }

    #[test]
    fn shell_assignment_is_hidden_with_its_whole_value() {
        assert_becomes(&[
            ("export FOO_TOKEN='a b c'", "export FOO_TOKEN='<REDACTED>'"),
            ("export FOO_TOKEN=\"a b c\" next", "export FOO_TOKEN=\"<REDACTED>\" next"),
            ("FOO_TOKEN=\"a \\\" b\" next", "FOO_TOKEN=\"<REDACTED>\" next"),
            ("FOO_TOKEN=abc cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN=a\\ b cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN='it'\\''s mine' cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN='it'\\'' s mine' cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN=a'b c'\"d e\" cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN=$'a\\tb' cmd", "FOO_TOKEN=<REDACTED> cmd"),
            ("FOO_TOKEN+=abc cmd", "FOO_TOKEN+=<REDACTED> cmd"),
            ("FOO_TOKEN='a b", "FOO_TOKEN='<REDACTED>"),
            ("FOO_TOKEN=''", "FOO_TOKEN=''"),
            ("FOO_TOKEN=", "FOO_TOKEN="),
        ]);
    }

    #[test]
    fn assignment_is_hidden_in_every_notation() {
        assert_becomes(&[
            ("password = hunter2 # ini", "password = <REDACTED> # ini"),
            ("password: hunter2\nuser: me", "password: <REDACTED>\nuser: me"),
            ("password := 'a b'", "password := '<REDACTED>'"),
            ("['password'] => 'a b',", "['password'] => '<REDACTED>',"),
            ("Secret { token: \"a b\", id: 1 }", "Secret { token: \"<REDACTED>\", id: 1 }"),
            ("Server=h;Pwd=a;Db=d x", "Server=h;Pwd=<REDACTED> x"),
            ("tokens = [\"a b\", 'c]d'] end", "tokens = <REDACTED> end"),
            (
                "\u{1b}[3mtoken\u{1b}[0m\u{1b}[2m=\u{1b}[0mabc end",
                "\u{1b}[3mtoken\u{1b}[0m\u{1b}[2m=\u{1b}[0m<REDACTED> end",
            ),
            ("deploy --token abc --dry-run", "deploy --token <REDACTED> --dry-run"),
            ("deploy --password=abc --dry-run", "deploy --password=<REDACTED> --dry-run"),
            ("docker login --password-stdin host", "docker login --password-stdin host"),
        ]);
    }

    #[test]
    fn assignment_in_quotes_ends_with_them() {
        assert_becomes(&[
            ("run -e 'FOO_TOKEN=a b' image", "run -e 'FOO_TOKEN=<REDACTED>' image"),
            ("[\"FOO_TOKEN=a b\", \"c\"]", "[\"FOO_TOKEN=<REDACTED>\", \"c\"]"),
            ("step 'export FOO_TOKEN=abc' failed", "step 'export FOO_TOKEN=<REDACTED>' failed"),
            (r#"{"log": "FOO_TOKEN=abc", "b": 1}"#, r#"{"log": "FOO_TOKEN=<REDACTED>", "b": 1}"#),
            (r#"{"log": "x FOO_TOKEN=abc", "b": 1}"#, r#"{"log": "x FOO_TOKEN=<REDACTED>", "b": 1}"#),
        ]);
    }

    #[test]
    fn json_value_is_hidden_and_its_key_stays() {
        assert_becomes(&[
            (r#"{"apiKey": "a b", "n": 1}"#, r#"{"apiKey": "<REDACTED>", "n": 1}"#),
            (r#"{"apiKey":"a\"b c\\","n":1}"#, r#"{"apiKey":"<REDACTED>","n":1}"#),
            (r#"{"a":{"db_password":"x"}}"#, r#"{"a":{"db_password":"<REDACTED>"}}"#),
            (r#"{"pinToken":1234,"n":1}"#, r#"{"pinToken":<REDACTED>,"n":1}"#),
            (r#"{"keys":["a, b","c"],"n":1}"#, r#"{"keys":<REDACTED>,"n":1}"#),
            (r#"{"credentials":{"user":"u","id":["]"]},"n":1}"#, r#"{"credentials":<REDACTED>,"n":1}"#),
            ("\"apiKey\":\n  \"a b\"\n", "\"apiKey\":\n  \"<REDACTED>\"\n"),
            (r#"{"my api key": "a b"}"#, r#"{"my api key": "<REDACTED>"}"#),
            (r#"{"apiKey": "a b"#, r#"{"apiKey": "<REDACTED>"#),
            (r#"{"keyboard": "us", "monkey": "x"}"#, r#"{"keyboard": "us", "monkey": "x"}"#),
        ]);
    }

    #[test]
    fn json_within_a_json_string_is_read_at_its_depth() {
        let inner = r#"{"apiKey":"a \" b","n":1}"#;
        let mut input = inner.to_owned();
        let mut expected = r#"{"apiKey":"<REDACTED>","n":1}"#.to_owned();
        for _ in 0..3 {
            assert_eq!(text(&input), expected);
            input = serde_json::to_string(&input).expect("a string is JSON");
            expected = serde_json::to_string(&expected).expect("a string is JSON");
        }
    }

    #[test]
    fn header_keeps_a_known_scheme_and_loses_its_credential() {
        assert_becomes(&[
            ("Authorization: Bearer x", "Authorization: Bearer <REDACTED>"),
            ("authorization: bearer x.y-z/=+ end", "authorization: bearer <REDACTED> end"),
            ("Authorization: Basic dTpw end", "Authorization: Basic <REDACTED> end"),
            (
                "Proxy-Authorization: Digest user=\"u\", response=\"r\"\nHost: h",
                "Proxy-Authorization: <REDACTED>\nHost: h",
            ),
            ("Cookie: a=b; c=d\nHost: h", "Cookie: <REDACTED>\nHost: h"),
            ("-H 'Authorization: Bearer x' -d 'y'", "-H 'Authorization: Bearer <REDACTED>' -d 'y'"),
            ("-H 'X-Api-Key: a b' -d 'y'", "-H 'X-Api-Key: <REDACTED>' -d 'y'"),
            ("{\"Authorization\": \"Bearer x\"}", "{\"Authorization\": \"Bearer <REDACTED>\"}"),
            ("{\"Authorization\": \"Custom x y\"}", "{\"Authorization\": \"<REDACTED>\"}"),
        ]);
    }

    #[test]
    fn bearer_is_followed_by_a_secret_everywhere() {
        assert_becomes(&[
            ("sent Bearer x.y end", "sent Bearer <REDACTED> end"),
            ("sent 'BEARER  x' end", "sent 'BEARER  <REDACTED>' end"),
            ("Bearer%20abc end", "Bearer%20<REDACTED> end"),
            ("[\"Authorization\", \"Bearer x\"]", "[\"Authorization\", \"Bearer <REDACTED>\"]"),
            ("token: Bearer abc end", "token: <REDACTED> end"),
        ]);
        assert_untouched(&["forbearer x", "bearer", "bearers came"]);
    }

    // A rule that rewrote the text before the next one read it would show `hunter2`.
    #[test]
    fn rule_does_not_destroy_the_evidence_of_another() {
        for input in [
            "key: password: hunter2",
            "key: password : hunter2",
            "Bearer token: hunter2",
            "token: Bearer hunter2",
            "key=token= hunter2",
            "https://h/#token: hunter2",
            "--token --password hunter2",
        ] {
            assert!(!text(input).contains("hunter2"), "{}", text(input));
        }
    }

    // URLs

    #[test]
    fn url_loses_user_and_fragment() {
        for (input, expected) in [
            ("https://user:pw@example.org/a", "https://example.org/a"),
            ("https://user@example.org", "https://example.org"),
            ("https://u:p@ss@example.org:8080/a#b", "https://example.org:8080/a"),
            ("https://example.org/a#access_token=x", "https://example.org/a"),
            ("https://x-access-token:ghs_abc@github.com/o/r", "https://github.com/o/r"),
            ("postgres://u:a/b#c?d@db:5432/x", "postgres://db:5432/x"),
            ("https://u:p@[::1]:80/#", "https://[::1]:80/"),
            ("https://example.org/@scope/a", "https://example.org/@scope/a"),
            ("https://example.org:443/@scope/a", "https://example.org:443/@scope/a"),
            ("https://user:cut-of", "https://user:<REDACTED>"),
        ] {
            assert_eq!(url(input), expected, "of `{input}`");
            assert_eq!(text(&format!("get {input} now")), format!("get {expected} now"));
        }
    }

    #[test]
    fn url_keeps_the_other_parameters_in_order() {
        for name in [
            "signature",
            "sig",
            "token",
            "auth",
            "access_token",
            "X-Amz-Signature",
            "x_sig",
            "my-token",
            "SIG",
            "oauth_auth",
            "X-Amz-Security-Token",
            "to%6ben",
            "api_key",
        ] {
            let input = format!("https://h/p?a=1&{name}=s3cret&b=2&a=3&{name}=again");
            let expected = format!("https://h/p?a=1&{name}=<REDACTED>&b=2&a=3&{name}=<REDACTED>");
            assert_eq!(url(&input), expected);
            assert_eq!(text(&format!("get \"{input}\" now")), format!("get \"{expected}\" now"));
        }
        for name in ["design", "sigma", "xsig", "author", "nosignature", "page", "keyboard"] {
            let input = format!("https://h/p?a=1&{name}=shown&b");
            assert_eq!(url(&input), input);
        }
    }

    #[test]
    fn url_within_a_parameter_is_read_through_its_encoding() {
        assert_eq!(
            url("https://h/?next=https%3A%2F%2Fh%2F%3Ftoken%3Dabc&b=2"),
            "https://h/?next=<REDACTED>&b=2"
        );
        assert_eq!(
            url("https://h/?next=https%253A%252F%252Fu%253Apw%2540h&b=2"),
            "https://h/?next=<REDACTED>&b=2"
        );
        assert_eq!(url("https://h/?q=a%20b&r=100%25"), "https://h/?q=a%20b&r=100%25");
        assert_eq!(url("https://h/?q=a%2525252525b"), "https://h/?q=<REDACTED>");
    }

    #[test]
    fn url_path_is_searched_for_tokens() {
        assert_eq!(url("https://h/bot/sk-0123456789/x"), "https://h/bot/<REDACTED>/x");
    }

    #[test]
    fn what_is_no_url_is_redacted_as_text() {
        assert_eq!(url("not a url, token=abc"), "not a url, token=<REDACTED>");
        assert_eq!(url("/path?sig=abc&b=2"), "/path?sig=<REDACTED>&b=2");
        assert_eq!(url("git@github.com:o/r"), "git@github.com:o/r");
        assert_eq!(url(""), "");
    }

    #[test]
    fn url_in_a_sentence_leaves_the_sentence_alone() {
        assert_becomes(&[
            ("(see https://h/a#b).", "(see https://h/a)."),
            ("'https://u:p@h/a' failed", "'https://h/a' failed"),
            ("<https://u:p@h/a>", "<https://h/a>"),
            ("https://u:p'w@h/a https://v:q@h/b", "https://h/a https://h/b"),
        ]);
    }

    // Commands

    #[test]
    fn command_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(
            command(&argv(&["cp", "a b", "it's", "", "x=1", "/p-q_r.s:t,u@v+w%"])),
            r"cp 'a b' 'it'\''s' '' x=1 /p-q_r.s:t,u@v+w%"
        );
        assert_eq!(command(&argv(&["echo", "$X", "*", "~", "é", "a\nb"])), "echo '$X' '*' '~' é 'a\nb'");
        assert_eq!(command(&[]), "");
    }

    #[test]
    fn argument_after_a_secret_option_is_hidden_whole() {
        for option in ["--token", "--api-key", "--db.password", "-token", "--accessToken", "--pass", "--auth"]
        {
            assert_eq!(
                command(&argv(&["run", option, "a 'b' c", "d"])),
                format!("run {option} '<REDACTED>' d")
            );
        }
        for option in ["--keyboard", "--tokenizer", "-p", "--no-token", "--password-stdin", "-v"] {
            assert_eq!(command(&argv(&["run", option, "abc"])), format!("run {option} abc"));
        }
        assert_eq!(command(&argv(&["run", "--token"])), "run --token");
        assert!(!command(&argv(&["run", "--token", "--password", "abc"])).contains("abc"));
    }

    #[test]
    fn argument_that_assigns_is_hidden_to_its_end() {
        for (argument, expected) in [
            ("--password=a b&c", "'--password=<REDACTED>'"),
            ("API_KEY=a 'b' c", "'API_KEY=<REDACTED>'"),
            ("Authorization: Bearer a b", "'Authorization: Bearer <REDACTED>'"),
            ("X-Api-Key: a b", "'X-Api-Key: <REDACTED>'"),
            ("export API_KEY=abc; make", "'export API_KEY=<REDACTED> make'"),
            ("--keyboard=us", "--keyboard=us"),
            ("https://u:p@h/a", "https://h/a"),
            ("{\"apiKey\": \"it's\"}", "'{\"apiKey\": \"<REDACTED>\"}'"),
        ] {
            assert_eq!(command(&argv(&["run", argument, "next"])), format!("run {expected} next"));
        }
    }

    #[test]
    fn header_spread_over_arguments_is_hidden() {
        assert!(!command(&argv(&["echo", "Authorization:", "Bearer", "abc"])).contains("abc"));
    }

    // Limits and costs

    #[test]
    fn failure_is_cut_after_redaction_and_between_characters() {
        let long = "é".repeat(MAX_TEXT_CHARS + 1);
        assert_eq!(failure(&long), "é".repeat(MAX_TEXT_CHARS));
        assert_eq!(failure(&long[2..]), long[2..]);
        // Cut first, the tail of this token would be too short to be known.
        let input = format!("{} ghp_{}", "x".repeat(MAX_TEXT_CHARS - 10), tail(20));
        assert_eq!(failure(&input), format!("{} <REDACTED", "x".repeat(MAX_TEXT_CHARS - 10)));
    }

    #[test]
    fn ordinary_text_is_borrowed_and_wakes_no_rule() {
        for input in [
            "",
            "cargo build --release",
            "step 3 of 7 failed: exit status 101",
            "/usr/bin/env FOO=bar x",
            "ünïcödé",
        ] {
            assert!(matches!(text(input), Cow::Borrowed(same) if same == input));
            assert!(!RULES.iter().any(|rule| rule.suspects(input)), "{input}");
        }
    }

    #[test]
    fn text_that_is_suspected_in_vain_is_borrowed() {
        assert!(matches!(text("monkey=1"), Cow::Borrowed("monkey=1")));
    }

    #[test]
    fn long_text_is_redacted_in_one_go() {
        let mut input = String::new();
        let mut expected = String::new();
        for n in 0..500 {
            writeln!(input, "{n} A_TOKEN='x y {n}' https://u:p@h/#f").expect("a string takes all");
            writeln!(expected, "{n} A_TOKEN='<REDACTED>' https://h/").expect("a string takes all");
        }
        assert_eq!(text(&input), expected);
    }

    // Properties

    /// Pieces that the rules react to, so that random texts are not all ordinary.
    const PIECES: &[&str] = &[
        "token",
        "sig",
        "signature",
        "pat",
        "_",
        "-",
        "apiKey",
        "--password",
        "Authorization",
        "Cookie",
        "Bearer",
        "=",
        ":",
        ": ",
        "=>",
        " ",
        "\n",
        "\"",
        "'",
        "`",
        "\\",
        "\\\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        ";",
        "&",
        "?",
        "#",
        "@",
        "/",
        "://",
        "https://",
        "https://u:p@h",
        "%3D",
        "%20",
        "%25",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "sk-0123456789",
        "eyJa.b.c",
        "ghp_",
        "0123456789",
        "basic ",
        "é",
        "\u{1b}[1m",
        "x",
        REPLACEMENT,
        "<REDAC",
        "D>",
        "\\n",
        "$",
        "(",
        ")",
        "|",
    ];

    fn soup() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            6 => proptest::sample::select(PIECES).prop_map(str::to_owned),
            1 => any::<String>(),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// What a value may consist of without announcing another secret or being one.
    const VALUE: &str = "[xyz019 '\"\\\\$`!;&|(){}<>*]{1,12}";

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn redaction_is_idempotent(input in soup()) {
            let once = text(&input).into_owned();
            prop_assert_eq!(text(&once), once.as_str());
            let once = url(&input);
            prop_assert_eq!(url(&once), once.as_str());
            let once = failure(&input);
            prop_assert_eq!(failure(&once), once.as_str());
        }

        #[test]
        fn failure_redacted_again_when_loaded_is_the_same(input in proptest::collection::vec(soup(), 12)) {
            let once = failure(&input.concat());
            prop_assert!(once.chars().count() <= MAX_TEXT_CHARS);
            prop_assert_eq!(failure(&once), once.as_str());
        }

        #[test]
        fn command_is_final(arguments in proptest::collection::vec(soup(), 0..5)) {
            let once = command(&arguments);
            prop_assert_eq!(text(&once), once.as_str());
        }

        #[test]
        fn few_passes_suffice(input in soup()) {
            // Giving up hides the whole text, so it must not happen to what people write.
            let input = format!("kept {input}");
            prop_assert!(text(&input).starts_with("kept"));
        }

        #[test]
        fn hints_never_hide_a_match(input in soup()) {
            for rule in RULES.iter().filter(|rule| !rule.suspects(&input)) {
                let mut finder = Finder { text: &input, decodings: 0, found: Vec::new() };
                for captures in rule.pattern.captures_iter(&input) {
                    finder.mark(&rule.reach, &captures);
                }
                prop_assert!(finder.found.is_empty());
            }
        }

        #[test]
        fn seeded_secret_never_survives(
            before in soup(), after in soup(), secret in "[A-Z][A-Za-z0-9]{29}Q", form in 0..17_usize,
        ) {
            let form = [
                "FOO_TOKEN=@", "export FOO_TOKEN='a @ b'", "--password=@", "--api-key @", "password: @",
                r#"{"apiKey": "a @ b"}"#, r#"{\"apiKey\": \"a @ b\"}"#, "Authorization: Bearer @", "Authorization: X y @",
                "Bearer @", "https://u:@@h/p", "https://h/p?a=1&sig=@&b=2", "https://h/p#@", "ghp_@", "sk-@",
                "-----BEGIN PRIVATE KEY-----\n@\n", "eyJ@.b.c",
            ][form];
            let input = format!("{before} {} {after}", form.replacen('@', &secret, 1));
            prop_assert!(!text(&input).contains(&secret), "{}", text(&input));
            prop_assert!(!failure(&input).contains(&secret[..8]));
        }

        #[test]
        fn value_in_shell_quotes_never_survives(value in VALUE) {
            let quoted = format!("'{}'", value.replace('\'', r"'\''"));
            let shown = text(&format!("export A_TOKEN={quoted} next")).into_owned();
            prop_assert!(
                shown == "export A_TOKEN=<REDACTED> next" || shown == "export A_TOKEN='<REDACTED>' next", "{}", shown
            );
        }

        #[test]
        fn value_in_json_never_survives(value in any::<String>().prop_filter("not empty", |v| !v.is_empty())) {
            let quoted = serde_json::to_string(&value).expect("a string is JSON");
            let shown = text(&format!("{{\"apiKey\":{quoted},\"n\":1}}")).into_owned();
            prop_assert_eq!(shown, "{\"apiKey\":\"<REDACTED>\",\"n\":1}");
        }

        #[test]
        fn argument_with_a_secret_never_survives(value in VALUE) {
            let value = format!("x{value}");
            let name_and_value = format!("A_TOKEN={value}");
            let shown = command(&argv(&["run", "--token", &value, &name_and_value, "next"]));
            prop_assert_eq!(shown, "run --token '<REDACTED>' 'A_TOKEN=<REDACTED>' next");
        }

        #[test]
        fn words_without_a_hint_are_shown(input in "[a-jl-su-z ]{0,60}") {
            prop_assert!(matches!(text(&input), Cow::Borrowed(_)));
        }
    }
}
