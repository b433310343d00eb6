//! What is hidden and what is shown, by example and by property.

use std::borrow::Cow;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::finder::Finder;
use super::hints::suspects;
use super::names::looks_secret;
use super::{MAX_TEXT_CHARS, REPLACEMENT, command, failure, text, url};

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
    // What is too short behind `sk-proj-` is long enough behind `sk-`.
    for (prefix, least) in PREFIXES.iter().filter(|(prefix, _)| !matches!(*prefix, "sk-proj-" | "sk-ant-")) {
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
fn sk_counts_with_ten_characters_of_which_one_is_a_digit_or_a_capital() {
    assert_becomes(&[
        ("sk-test_secret_value_123 end", "<REDACTED> end"),
        ("sk-a-b-c-d-e-F end", "<REDACTED> end"),
        ("sk-aB3_x-9Kd- end", "<REDACTED> end"),
        ("sk-abcdefghij end", "<REDACTED> end"),
    ]);
    assert_untouched(&["sk-learn-pipeline", "sk-ab_cd-ef_gh", "sk-aB3_x-9Kd", "sk-123456789"]);
}

/// Secrets with a shape of their own.
fn shapes() -> Vec<String> {
    let mut shapes: Vec<String> =
        PREFIXES.iter().map(|(prefix, least)| format!("{prefix}{}", tail(*least))).collect();
    shapes.push("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl".to_owned());
    shapes.push("-----BEGIN PRIVATE KEY-----\\nMIIE+/=\\n-----END PRIVATE KEY-----".to_owned());
    shapes
}

/// Places at which a secret may stand, none of which announces one.
const PLACES: &[&str] = &[
    "@",
    "MODE=@",
    "MODE=@ make",
    "export MODE='@'; make",
    "MODE=\"@\" make",
    "MODE=a:@",
    "--mode=@",
    "--mode @ --dry-run",
    r#"{"mode": "@", "n": 1}"#,
    r#"{\"mode\":\"@\"}"#,
    r#"["a","@","b"]"#,
    "mode: @\nnext: line",
    "mode = @ ; comment",
    "https://example.org/@/next",
    "https://example.org/?mode=@&n=1",
    "https://example.org/?n=1&mode=@",
    "https://example.org/?mode=%22@%22",
    "(@)",
    "[@]",
    "<@>",
    "`@`",
    "'@',",
    "see @.",
    "@, then",
    "a|@|b",
    "a/@",
    "user:@",
    "\t@\r\n",
    "\u{1b}[32m@\u{1b}[0m",
];

#[test]
fn every_shape_is_hidden_in_every_place_and_the_place_is_kept() {
    for shape in shapes() {
        for place in PLACES.iter().filter(|place| !(place.contains("://") && shape.contains(' '))) {
            let shown = text(&place.replace('@', &shape)).into_owned();
            if place.contains("%22") {
                assert!(!shown.contains(&shape[shape.len() - 5..]), "{shape} in {place}: {shown}");
            } else {
                assert_eq!(shown, place.replace('@', REPLACEMENT), "{shape} in {place}");
            }
        }
    }
}

/// Notations in which a name announces what follows, with the value of one word in the place of `@`.
const ANNOUNCED: &[&str] = &[
    "NAME=@",
    "export NAME=@ make",
    "export NAME='@'; make",
    "NAME: @",
    "NAME = @",
    "NAME := \"@\"",
    "--NAME=@",
    "--NAME @ --dry-run",
    r#"{"NAME": "@", "n": 1}"#,
    r#"{\"NAME\":\"@\"}"#,
    r#"{"NAME":"@"}"#,
    "'NAME' => '@'",
    "https://example.org/?n=1&NAME=@&m=2",
    "env: [NAME=@]",
    "curl -H 'NAME: @' host",
    "docker run -e NAME=@ image",
    "docker run -e 'NAME=@' image",
];

#[test]
fn every_name_announces_in_every_notation() {
    let names = "NVIDIA_API_KEY OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY COMPATIBLE_API_KEY \
        COMPATIBLE_ANTHROPIC_API_KEY BRAVE_API_KEY MY_TOKEN my-secret dbPassword aws_credential";
    for name in names.split_whitespace() {
        for notation in ANNOUNCED {
            let input = notation.replace("NAME", name).replace('@', "hunter2");
            let shown = text(&input).into_owned();
            assert!(!shown.contains("hunter2") && shown.contains(name), "{input}: {shown}");
        }
    }
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
fn variable_in_the_place_of_a_port_is_no_password() {
    assert_untouched(&["http://localhost:${facts.port}/a", "get http://${HOST}:${PORT}"]);
    assert_becomes(&[
        ("http://me:${pw}@host/", "http://host/"),
        ("http://host:${a}b/", "http://host:<REDACTED>/"),
        ("http://host:${a}${b/", "http://host:<REDACTED>/"),
    ]);
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
    assert_eq!(url("https://h/?next=https%3A%2F%2Fh%2F%3Ftoken%3Dabc&b=2"), "https://h/?next=<REDACTED>&b=2");
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
    for option in ["--token", "--api-key", "--db.password", "-token", "--accessToken", "--pass", "--auth"] {
        assert_eq!(command(&argv(&["run", option, "a 'b' c", "d"])), format!("run {option} '<REDACTED>' d"));
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

/// A text that [`failure`], if it hides nothing before, cuts so many characters behind `before`.
fn cut_behind(before: &str, shown: usize, after: &str) -> String {
    let padding = (MAX_TEXT_CHARS - shown).saturating_sub(before.chars().count());
    format!("{}{before}{after}", "é".repeat(padding))
}

// Each of these announces no secret as a whole, but does where it is cut.
#[test]
fn failure_is_redacted_again_where_the_cut_brings_a_value_into_being() {
    for (before, after, value, expected) in [
        ("apiKey: ", "\u{1b}[1m", "\u{1b}[1", "<RE"),
        ("Cookie=", "\u{1b}[1m", "\u{1b}[", "<R"),
        ("--passwordAuthorization=", "basic ", "basic", "<REDA"),
    ] {
        let input = cut_behind(before, value.len(), after);
        assert_eq!(text(&input), input, "nothing to hide before the cut");
        let once = failure(&input);
        assert!(once.ends_with(&format!("{before}{expected}")), "{once}");
        assert_eq!(failure(&once), once);
    }
}

// A mere `sig` is no hint, lest `design` wake a rule, so each thing that may follow it here has to be one.
#[test]
fn lone_sig_wakes_the_rules_whatever_stands_before_an_encoded_separator() {
    for between in ["", "\"", "'", "`", "\\\"", "]", " ", "\t", "\u{1b}[0m", "\"] "] {
        assert_eq!(text(&format!("sig{between}%3Dpat")), format!("sig{between}%3D<REDACTED>"));
    }
}

#[test]
fn ordinary_text_is_borrowed_and_wakes_no_rule() {
    for input in [
        "",
        "cargo build --release",
        "step 3 of 7 failed: exit status 101",
        "design killed by signal 9",
        "/usr/bin/env FOO=bar x",
        "ünïcödé",
    ] {
        assert!(matches!(text(input), Cow::Borrowed(same) if same == input));
        assert!(suspects(input).is_empty(), "{input}");
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

/// What announces a secret right behind it.
const NAMES: &[&str] = &["token=", "Cookie: ", "--password ", "{'apiKey': ", "Bearer ", "https://u:"];

proptest! {
    // As many cases as the variable PROPTEST_CASES says, which a search for rare ones sets to some 100000.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
    fn failure_redacted_again_when_loaded_is_the_same(input in proptest::collection::vec(soup(), 4)) {
        let once = failure(&input.concat());
        prop_assert!(once.chars().count() <= MAX_TEXT_CHARS);
        prop_assert_eq!(failure(&once), once.as_str());
    }

    #[test]
    fn failure_cut_near_a_name_is_the_same_when_loaded(
        before in soup(), name in proptest::sample::select(NAMES), after in soup(), shown in 0..24_usize,
    ) {
        let mark = "kept ";
        let input = cut_behind(&format!("{before}{name}"), shown + mark.len(), &after);
        let once = failure(&format!("{mark}{input}"));
        prop_assert!(once.chars().count() <= MAX_TEXT_CHARS);
        prop_assert_eq!(failure(&once), once.as_str());
        // Giving up hides the whole text, so it must not happen here either.
        prop_assert!(once.starts_with(mark));
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
        for rule in suspects(&input).others() {
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
