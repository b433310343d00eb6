//! What counts as a change of a finished step, and the canonical form's bytes.

use super::super::Fingerprint;
use super::{plan, steps};

fn fingerprint(steps_text: &str) -> Fingerprint {
    let plan = steps(steps_text);
    plan.steps[0].fingerprint(&plan.secrets())
}

const STEP: &str = r#"
    [[step]]
    id = "a"
    run = ["make", "x"]
    when = "test -d src"
    cwd = "sub"
    env = { B = "2", A = "1" }
    outputs = ["n", "m"]
"#;

#[test]
fn spelling_of_a_step_does_not_count() {
    let spelled = "
        [[step]] # built
        outputs = ['m', \"n\"]
        env.A = '1'
        env.\"B\" = \"\\u0032\"
        cwd = '''sub'''
        when = 'test -d src'
        run = [
            'make',
            \"x\", # what
        ]
        id = 'a'
    ";
    assert_eq!(fingerprint(STEP), fingerprint(spelled));
}

#[test]
fn defaults_count_where_they_take_effect() {
    let moved = plan(
        "version = 1\nname = \"q\"\ncwd = \"sub\"\nenv = { A = \"1\", B = \"9\" }\n[[step]]\nid = \"b\"\nrun = [\"make\", \"x\"]\n\
         when = \"test -d src\"\nenv.B = \"2\"\noutputs = [\"n\", \"m\"]",
    );
    assert_eq!(fingerprint(STEP), moved.steps[0].fingerprint(&moved.secrets()));
}

#[test]
fn how_a_step_is_dealt_with_does_not_count() {
    let more = "check = 'x'\nundo = 'x'\nalways = true\ntimeout = 1\nretries = 1\nbackoff = 1\ndescription = 'd'\n\
                secrets = ['T']\n";
    assert_eq!(fingerprint(STEP), fingerprint(&format!("{STEP}{more}")));
}

#[test]
fn what_a_step_does_counts() {
    let changes = [
        ("[\"make\", \"x\"]", "[\"make\", \"x\", \"\"]"),
        ("[\"make\", \"x\"]", "[\"make x\"]"),
        ("[\"make\", \"x\"]", "\"make x\""),
        ("test -d src", "test -d  src"),
        ("\"sub\"", "\"./sub\""),
        ("A = \"1\"", "A = \"\""),
        ("A = \"1\"", "C = \"1\""),
        ("\"n\", \"m\"", "\"n\""),
    ];
    for (was, now) in changes {
        let changed = STEP.replace(was, now);
        assert_ne!(changed, STEP, "{was} is there");
        assert_ne!(fingerprint(STEP).digest, fingerprint(&changed).digest, "{now}");
    }
}

#[test]
fn value_of_a_secret_neither_counts_nor_is_kept() {
    let with = |password: &str| {
        fingerprint(&format!(
            "[[step]]\nid = 'a'\nrun = 'login {password} https://me:{password}@host/ --token {password}'\n\
             env.PW = '{password}'\nsecrets = ['PW']"
        ))
    };
    let (old, new) = (with("hunter2"), with("correct-horse"));
    assert_eq!(old.fields["env.PW"], new.fields["env.PW"]);
    let kept = serde_json::to_string(&old).expect("JSON");
    assert!(!kept.contains("hunter2") && kept.contains("<REDACTED>"), "{kept}");
}

#[test]
fn fingerprint_survives_writing_and_reading() {
    let kept = serde_json::to_string(&fingerprint(STEP)).expect("JSON");
    assert_eq!(serde_json::from_str::<Fingerprint>(&kept).expect("a fingerprint"), fingerprint(STEP));
}

/// Sessions of all versions hold such digests: whoever makes this test fail makes every resumed plan look changed.
///
/// Computed with `printf '…' | sha256sum`, not with this code.
#[test]
fn canonical_form_is_the_documented_one() {
    assert_eq!(fingerprint("[[step]]\nid = 'a'\nrun = ['true']").digest, BARE);
    assert_eq!(fingerprint(STEP).digest, FULL);
}

/// Of `baton step 1\n3:run 2\n4:argv\n4:true\n`.
const BARE: &str = "723cc9709c5d4f5a70211e65c21a650ae127f95a1a27285dedae9367f69388cc";

/// Of `baton step 1\n3:cwd 1\n3:sub\n5:env.A 2\n5:value\n1:1\n5:env.B 2\n5:value\n1:2\n7:outputs 2\n1:m\n1:n\n3:run 3\n4:argv\n4:make\n1:x\n`
/// `4:when 2\n2:sh\n11:test -d src\n`.
const FULL: &str = "2d54597f6f9ef5e86f56af5426888807f38a6ea39f78a9c87c30b0f8bf94ad36";
