//! Plans that are accepted and plans that are refused, for the parser and for the schema.
//!
//! In a refused plan each culprit stands between `«` and `»`, which are taken out before it is parsed.

/// What the schema says to a plan that the parser refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// It refuses it too.
    Refuses,
    /// It accepts it: what is wrong can't be said in a schema, or it is not of the same text.
    CantTell,
    /// It is not asked: there is no document that JSON could hold.
    NotAsked,
}

/// A plan that is refused.
pub(super) struct Refused {
    pub(super) text: &'static str,
    /// A part of what is said of each culprit, in order.
    pub(super) found: &'static [&'static str],
    pub(super) schema: Schema,
}

/// The steps of plans that are accepted below [`super::HEAD`].
pub(super) const ACCEPTED_STEPS: &[&str] = &[
    "[[step]]\nid = \"a\"\nrun = \"true\"",
    "step = [{ id = \"a\", run = [\"true\"] }]",
    "[[step]]\nid = \"a.b_c-1\"\nrun = [\"printf\", \"\", \"${HOME}\", \"$${facts.x}\", \"${project.version}\"]",
    "[[step]]\nid = \"a\"\nrun = '''\nset -eu\necho \"${HOME}\" $$\n'''\nalways = true",
    "[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = 30\n[[step]]\nid = \"b\"\nrun = \"x\"\ntimeout = 0.5",
    "[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = \"1m30s\"\nretries = 3\nbackoff = \"250ms\"",
    "[[step]]\nid = \"a\"\nrun = \"x\"\nretries = 0x10\nbackoff = 0\ntimeout = 1_0e1",
    "[[step]]\nid = \"a\"\nrun = \"x\"\nenv = { A = \"\", \"npm_config_@a:b\" = \"1\", BATON_DIR = \"/b\" }\nsecrets = [\"A\", \"TOKEN\"]",
    "[[step]]\nid = \"a\"\nrun = \"x\"\noutputs = [\"port\", \"PORT\"]\ncheck = \"test ${facts.port}\"\n\
     undo = [\"stop\", \"${facts.PORT}\"]\n[[step]]\nid = \"b\"\nwhen = [\"test\", \"${facts.port}\"]\nrun = \"y ${facts.port}\"\n\
     cwd = \"${facts.port}/x\"\nenv.PORT = \"${facts.PORT}\"",
    "cwd = \"sub\"\ndescription = \"d\"\nsecrets = [\"T\"]\nenv.A = \"$${facts.x}\"\n[[step]]\nid = \"a\"\nrun = \"x\"\ndescription = \"\"",
];

const fn refused(text: &'static str, found: &'static [&'static str]) -> Refused {
    Refused { text, found, schema: Schema::Refuses }
}

const fn beyond_schema(text: &'static str, found: &'static [&'static str]) -> Refused {
    Refused { text, found, schema: Schema::CantTell }
}

const fn no_document(text: &'static str, found: &'static [&'static str]) -> Refused {
    Refused { text, found, schema: Schema::NotAsked }
}

/// Plans that are refused above their steps.
pub(super) const REFUSED_HEADS: &[Refused] = &[
    refused("«»", &["the plan has no `version`", "no `name`", "no `step`"]),
    refused("«»name = \"p\"\n[[step]]\nid = \"a\"\nrun = \"x\"", &["the plan has no `version`"]),
    refused("version = «2»\nanything = 1", &["of version 2, which is newer"]),
    refused(
        "version = «0»\nname = \"p\"\n[[step]]\nid = \"a\"\nrun = \"x\"",
        &["of version 0, which never was"],
    ),
    no_document("version = «99999999999999999999»\n", &["which is newer"]),
    refused("version = «\"1\"»\nname = \"p\"\n[[step]]\nid = \"a\"\nrun = \"x\"", &["`version` is a string"]),
    refused("version = 1\nname = «\"a b\"»\n[[step]]\nid = \"a\"\nrun = \"x\"", &["other than A-Z a-z"]),
    refused("version = 1\nname = «\".a\"»\n[[step]]\nid = \"a\"\nrun = \"x\"", &["starts with a dot"]),
    refused("version = 1\nname = «1»\n[[step]]\nid = \"a\"\nrun = \"x\"", &["`name` is an integer"]),
    refused("version = 1\nname = \"p\"\nstep = «[]»", &["the plan has no steps"]),
    refused(
        "version = 1\nname = \"p\"\nstep = [«1», { id = \"a\", run = \"x\" }]",
        &["`step[]` is an integer"],
    ),
    refused("version = 1\nname = \"p\"\n«[step]»\nid = \"a\"", &["`step` is a table"]),
    refused(
        "version = 1\nname = \"p\"\n[[«steps»]]\nid = \"a\"\n[[step]]\nid = \"a\"\nrun = \"x\"",
        &["unknown key `steps` in the plan, did you mean `step`?"],
    ),
    refused(
        "version = 1\nname = \"p\"\ncwd = «\"\"»\n[[step]]\nid = \"a\"\nrun = \"x\"",
        &["`cwd` is empty"],
    ),
    refused(
        "version = 1\nname = \"p\"\nenv = «[]»\n[[step]]\nid = \"a\"\nrun = \"x\"",
        &["`env` is an array"],
    ),
    beyond_schema(
        "version = 1\nname = \"p\"\ncwd = \"a/«${facts.x}»\"\nenv.A = \"«${fact.x}»\"\n[[step]]\nid = \"a\"\nrun = \"x\"",
        &["above the steps", "malformed reference `${fact.x}`"],
    ),
    no_document("version = 1\nversion«\u{7}» = 1\nname«»", &["invalid unquoted key", "key with no value"]),
    no_document("version = 1\nname = \"p\"\n«version» = 1", &["duplicate key `version`"]),
];

/// The steps of plans that are refused below [`super::HEAD`].
pub(super) const REFUSED_STEPS: &[Refused] = &[
    refused("«[[step]]»\n", &["the step has no `id`", "the step has no `run`"]),
    refused(
        "[[step]]\nid = \"a\"\nrun = \"x\"\n«chek» = \"x\"",
        &["unknown key `chek` in the step, did you mean `check`?"],
    ),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\n«needs» = [\"b\"]", &["unknown key `needs` in the step"]),
    refused("[[step]]\nid = «\"a/b\"»\nrun = \"x\"", &["other than A-Z a-z"]),
    refused("[[step]]\nid = «[\"a\"]»\nrun = \"x\"", &["`id` is an array"]),
    refused(
        "[[step]]\nid = \"a\"\nrun = «1»\ncheck = «true»\nwhen = «1.0»\nundo = «1979-05-27»",
        &["`run` is an integer", "`check` is a boolean", "`when` is a float", "`undo` is a date or time"],
    ),
    refused(
        "[[step]]\nid = \"a\"\nrun = «[]»\ncheck = [«\"\"», \"x\"]\nundo = «\" \\n\"»",
        &["`run` names no program", "`check` names no program", "`undo` names no program"],
    ),
    refused(
        "[[step]]\nid = \"a\"\nrun = [«1», \"a\", «[\"b\"]»]",
        &["`run[]` is an integer", "`run[]` is an array"],
    ),
    refused("[[step]]\nid = \"a\"\nrun = [\"a\", «\"\\u0000\"»]", &["NUL"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nalways = «\"yes\"»", &["`always` is a string"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «\"soon\"»", &["`timeout` is `soon`"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «-1»", &["`timeout` is `-1`"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «0»", &["`timeout` is zero"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «[1]»", &["`timeout` is an array"]),
    beyond_schema(
        "[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «\"5 parsecs\"»",
        &["`timeout` is `5 parsecs`"],
    ),
    beyond_schema("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «\"0s\"»", &["`timeout` is zero"]),
    beyond_schema("[[step]]\nid = \"a\"\nrun = \"x\"\ntimeout = «1e30»", &["no length of time"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nretries = «1001»", &["`retries` is 1001"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nretries = «-1»", &["`retries` is -1"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nretries = «1.5»", &["`retries` is a float"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nbackoff = «\"1s\"»", &["`backoff` without `retries`"]),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\ncwd = «\"\"»", &["`cwd` is empty"]),
    refused(
        "[[step]]\nid = \"a\"\nrun = \"x\"\nenv = { A = «1», «\"\"» = \"x\", «\"B=\"» = \"x\", «BATON_LOCK» = \"x\" }",
        &[
            "`env.A` is an integer",
            "`env` can't set ``",
            "`env` can't set `B=`",
            "`env` can't set `BATON_LOCK`",
        ],
    ),
    refused(
        "[[step]]\nid = \"a\"\nrun = \"x\"\nsecrets = [\"A\", «\"A\"», «\"b c\"»]",
        &["`A` is twice in `secrets`", "`b c` in `secrets` is not the name of a variable"],
    ),
    refused("[[step]]\nid = \"a\"\nrun = \"x\"\nsecrets = «\"A\"»", &["`secrets` is a string"]),
    refused(
        "[[step]]\nid = \"a\"\nrun = \"x\"\noutputs = [«\"a-b\"», «\"PATH\"», «\"LD_X\"», «\"BATON_X\"», «1»]",
        &["`a-b`", "`PATH`", "`LD_X`", "`BATON_X`", "`outputs[]` is an integer"],
    ),
    beyond_schema(
        "[[step]]\nid = \"a\"\nrun = \"x\"\nsecrets = [\"T\"]\noutputs = [«\"T\"»]",
        &["the fact `T` is a secret too"],
    ),
    beyond_schema(
        "[[step]]\nid = \"a\"\nrun = \"x\"\n\n[[step]]\nid = «\"a\"»\nrun = \"x\"",
        &["the id `a` on line 8 is that of the step on line 3 too"],
    ),
    beyond_schema(
        "[[step]]\nid = \"a\"\nrun = \"x «${facts.own}» «${facts.later}»\"\noutputs = [\"own\"]\n\
         [[step]]\nid = \"b\"\nrun = [\"x\", \"a«${facts.ownn}»\"]\nenv.A = \"«${facts.later}»\"\n\
         check = \"${facts.later}\"\noutputs = [\"later\"]",
        &[
            "the fact `own` is published by this very step",
            "the fact `later` is declared only later, by step `b` on line 7",
            "undeclared fact `ownn`, did you mean `own`?",
            "the fact `later` is published by this very step",
        ],
    ),
    beyond_schema(
        "[[step]]\nid = \"a\"\nrun = \"\"\"\necho ä \\\n  \"«${facts.a}»\"\n\techo «${facts.a}» «${facts.b-c}»\n\"\"\"",
        &["undeclared fact `a`", "undeclared fact `a`", "malformed reference `${facts.b-c}`"],
    ),
    no_document(
        "[[step]]\nid = \"a\"\nrun = \"x«»\n\n[[step]]\nid = \"b\"\n«chek» = \"x\"",
        &["invalid basic string", "unknown key `chek`"],
    ),
    // What the broken line declares is lost, and a fact that nobody declares may be there.
    no_document(
        "[[step]]\nid = \"a\"\nrun = \"x\"\noutputs =«»\n[[step]]\nid = \"b\"\nrun = \"${facts.port}\"",
        &[""],
    ),
    no_document("[[step]]\nid = \"a\"\nrun = «tru»\n", &["invalid boolean"]),
];
