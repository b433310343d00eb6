//! The schema that editors use and the parser agree: what one refuses the other does not accept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use super::super::{defaults, step};
use super::cases::{ACCEPTED_STEPS, REFUSED_HEADS, REFUSED_STEPS, Refused, Schema};
use super::{HEAD, plan};
use crate::plan::{Plan, SCHEMA};

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).expect("a schema of draft 7")
}

fn document(text: &str) -> Value {
    toml::from_str(&text.replace(['«', '»'], "")).expect(text)
}

#[test]
fn schema_is_one() {
    assert!(jsonschema::draft7::meta::is_valid(&schema()));
}

#[test]
fn schema_accepts_what_the_parser_accepts() {
    let validator = validator();
    for steps in ACCEPTED_STEPS {
        let text = format!("{HEAD}{steps}");
        plan(&text);
        let errors: Vec<_> = validator.iter_errors(&document(&text)).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{text}");
    }
}

#[test]
fn schema_refuses_what_the_parser_refuses_as_far_as_a_schema_can_tell() {
    let validator = validator();
    let heads = REFUSED_HEADS.iter().map(|case| (String::new(), case));
    let steps = REFUSED_STEPS.iter().map(|case| (HEAD.to_owned(), case));
    for (head, Refused { text, schema, .. }) in heads.chain(steps) {
        let text = head + text;
        match schema {
            Schema::Refuses => assert!(!validator.is_valid(&document(&text)), "{text}"),
            Schema::CantTell => assert!(validator.is_valid(&document(&text)), "{text}"),
            Schema::NotAsked => {}
        }
    }
}

#[test]
fn schema_and_parser_know_the_same_keys() {
    let schema = schema();
    let keys = |place: &str| -> BTreeSet<String> {
        let properties = schema.pointer(place).and_then(Value::as_object).expect("properties");
        properties.keys().cloned().collect()
    };
    let known = |keys: &[&str]| -> BTreeSet<String> { keys.iter().map(ToString::to_string).collect() };
    assert_eq!(keys("/properties"), known(defaults::KEYS));
    assert_eq!(keys("/definitions/step/properties"), known(step::KEYS));
}

#[test]
fn examples_name_the_schema_and_both_it_and_the_parser_accept_them() {
    let validator = validator();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let entries = fs::read_dir(root.join("examples")).expect("the examples").flatten();
    let plans: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    assert!(!plans.is_empty());
    for path in plans {
        let text = fs::read_to_string(&path).expect("readable");
        let line = text.lines().next().expect("a line");
        let named = line.strip_prefix("#:schema ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
        let schema = fs::read_to_string(path.with_file_name(named)).expect(named);
        assert_eq!(schema, SCHEMA);
        assert!(validator.is_valid(&document(&text)), "{}", path.display());
        Plan::load(&path).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn schema_describes_every_key() {
    let schema = schema();
    for place in ["/properties", "/definitions/step/properties"] {
        let properties = schema.pointer(place).and_then(Value::as_object).expect("properties");
        for (key, property) in properties {
            assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{key}");
        }
    }
}
