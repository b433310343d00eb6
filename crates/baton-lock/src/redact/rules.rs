//! What announces a secret: the table of rules, their patterns and the hints that wake them.
//!
//! Two kinds of rules: a secret known by its own shape (`ghp_…`, a PEM block), and one known by the name before it
//! (`FOO_TOKEN=…`, `"apiKey": …`, `--password …`). For the second kind the pattern finds only the name.
//!
//! A rule's pattern is compiled when one of its hints first occurs in a text; most texts compile none.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What a rule's match says about where the secret is.
pub(super) enum Reach {
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

/// One rule: its pattern is tried on texts that contain a hint, in any letter case, and one of what it needs besides.
pub(super) struct Rule {
    pub(super) hints: &'static [&'static str],
    /// Empty: nothing.
    pub(super) needs: &'static [&'static str],
    pub(super) reach: Reach,
    pub(super) pattern: &'static LazyLock<Regex>,
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

// Ten characters with a digit or a capital among them: `sk-learn-pipeline` has none. Where the first of them stands decides
// how many have to follow.
static SK: Lazy = LazyLock::new(|| {
    let tails = (0..10).map(|at| format!("[a-z_-]{{{at}}}[A-Z0-9][A-Za-z0-9_-]{{{},}}", 9 - at));
    let tails: Vec<String> = tails.chain(["[a-z]{10,}[A-Za-z0-9_-]*".to_owned()]).collect();
    token(&format!("sk-(?:{}|[a-z_-]{{10,}}[A-Z0-9][A-Za-z0-9_-]*)", tails.join("|")))
});

static GITHUB: Lazy = LazyLock::new(|| token("ghp_[A-Za-z0-9]{20,}[A-Za-z0-9_-]*"));

static GITHUB_FINE: Lazy = LazyLock::new(|| token("github_pat_[A-Za-z0-9_]{30,}[A-Za-z0-9_-]*"));

static BEARER: Lazy = LazyLock::new(|| compile(&format!(r"(?i){LEFT}bearer(?:\s|%20|\+)+")));

static OPTION: Lazy = LazyLock::new(|| compile(r"(--[A-Za-z_][A-Za-z0-9_.-]*)[ \t]+"));

// Colours may stand between a name and its separator, as loggers paint them.
pub(super) static ASSIGNMENT: Lazy = LazyLock::new(|| {
    const GAP: &str = r"(?:[ \t]|\x1b\[[0-9;]*m)*";
    compile(&format!(
        r#"{LEFT_OF_NAME}(-{{0,2}}[A-Za-z_][A-Za-z0-9_.-]*)(\\*["'`])?\]?{GAP}([:+?]?={{1,3}}>?|:|%3[ADad]){GAP}"#
    ))
});

/// The sequences of [`LEFT`] whose last letter would be taken for the first of a name.
const LEFT_OF_NAME: &str = r"(?:\x1b\[[0-9;]*[A-Za-z]|\\[nrtfb]|%[0-9A-Fa-f]{2})?";

/// The rules. URLs come first: where a user part ends is asked by those that read values.
pub(super) static RULES: &[Rule] = &[
    Rule { hints: &["://"], needs: &[], reach: Reach::Url, pattern: &URL },
    Rule { hints: &["private key"], needs: &[], reach: Reach::Group, pattern: &PEM },
    Rule { hints: &["eyj"], needs: &[], reach: Reach::Group, pattern: &JWT },
    Rule { hints: &["akia", "asia"], needs: &[], reach: Reach::Group, pattern: &AWS },
    Rule {
        hints: &["nvapi-", "nvcf-", "sk-", "xox", "xapp-", "glpat-", "pypi-", "tvly-", "lsv2_"],
        needs: &[],
        reach: Reach::Group,
        pattern: &DASHED,
    },
    Rule { hints: &["hf_", "gsk_"], needs: &[], reach: Reach::Group, pattern: &UNDASHED },
    Rule { hints: &["sk-"], needs: &[], reach: Reach::Group, pattern: &SK },
    Rule { hints: &["ghp_"], needs: &[], reach: Reach::Group, pattern: &GITHUB },
    Rule { hints: &["github_pat_"], needs: &[], reach: Reach::Group, pattern: &GITHUB_FINE },
    Rule { hints: &["bearer"], needs: &[], reach: Reach::Word, pattern: &BEARER },
    Rule { hints: NAME_HINTS, needs: &["--"], reach: Reach::Option, pattern: &OPTION },
    Rule { hints: NAME_HINTS, needs: &["=", ":", "%"], reach: Reach::Assignment, pattern: &ASSIGNMENT },
];

/// One of these is in every name that [`super::names`] accepts.
///
/// A mere `sig` counts only in a query, so it is listed with what precedes it there or may stand between it and an
/// encoded `=`; `signal` and `design` wake nothing.
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
    "sig\\",
    "sig\"",
    "sig'",
    "sig`",
    "sig]",
    "sig ",
    "sig\t",
    "sig\x1b",
    "signature",
];
