//! What the runner gets: commands with their facts, where they run and with what.

use std::path::Path;
use std::time::Duration;

use super::super::{Facts, Invocation, Repeat, Role, Step};
use super::{plan, steps};

fn facts(pairs: &[(&str, &str)]) -> Facts {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn invocation(step: &Step, role: Role, facts: &Facts) -> Invocation {
    step.interpolated(role, facts).expect("all facts are there").expect("a command for the role")
}

#[track_caller]
fn missing(step: &Step, role: Role, facts: &Facts) -> String {
    step.interpolated(role, facts).expect_err("a fact is missing").to_string()
}

const SERVICE: &str = r#"
    [[step]]
    id = "start"
    run = ["serve"]
    outputs = ["port", "host"]
    check = ["probe", "${facts.port}"]
    undo = "kill ${facts.port}"

    [[step]]
    id = "use"
    run = ["get", "http://${facts.host}:${facts.port}/"]
    when = "test \"${facts.host}\""
    cwd = "by-port/${facts.port}"
    env = { host = "own", URL = "http://${facts.host}" }
    outputs = ["port"]

    [[step]]
    id = "last"
    run = ["x", "${facts.port}"]
"#;

#[test]
fn facts_stand_in_arguments_directory_and_variables() {
    let plan = steps(SERVICE);
    let facts = facts(&[("port", "80"), ("host", "h")]);
    let run = invocation(&plan.steps[1], Role::Run, &facts);
    assert_eq!(run.argv, ["get", "http://h:80/"]);
    assert_eq!(run.cwd, Path::new("/plans/by-port/80"));
    let when = invocation(&plan.steps[1], Role::When, &facts);
    assert_eq!(when.argv, ["/bin/sh", "-c", "test \"${BATON_FACT_host}\""]);
    assert_eq!((when.cwd, when.env), (run.cwd, run.env));
}

#[test]
fn later_steps_get_facts_as_variables_and_env_goes_before_them() {
    let plan = steps(SERVICE);
    let run = invocation(&plan.steps[1], Role::Run, &facts(&[("port", "80"), ("host", "h")]));
    let expected = [
        ("BATON_FACT_host", "h"),
        ("BATON_FACT_port", "80"),
        ("URL", "http://h"),
        ("host", "own"),
        ("port", "80"),
    ];
    assert_eq!(run.env, facts(&expected));
}

#[test]
fn facts_of_later_attempts_do_not_leak_into_earlier_steps() {
    let plan = steps(SERVICE);
    let known = facts(&[("port", "80"), ("host", "h"), ("stranger", "x")]);
    assert_eq!(invocation(&plan.steps[0], Role::Run, &known).env, facts(&[]));
    let check = invocation(&plan.steps[0], Role::Check, &known);
    assert_eq!(check.argv, ["probe", "80"]);
    assert!(check.env.contains_key("port") && !check.env.contains_key("stranger"));
}

#[test]
fn missing_fact_is_told_with_the_last_step_that_declares_it() {
    let plan = steps(SERVICE);
    assert_eq!(
        missing(&plan.steps[0], Role::Undo, &facts(&[])),
        "step `start` needs the fact `port`, which step `start` has not published"
    );
    assert_eq!(
        missing(&plan.steps[2], Role::Run, &facts(&[])),
        "step `last` needs the fact `port`, which step `use` has not published"
    );
    // A shell would read a variable that is not there as an empty word.
    let without_host = facts(&[("port", "80")]);
    assert!(missing(&plan.steps[1], Role::When, &without_host).contains("`host`"));
}

#[test]
fn facts_used_are_those_that_decide_what_the_step_does() {
    let plan = steps(SERVICE);
    let used = |at: usize| plan.steps[at].facts_used().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(used(0), [].into());
    assert_eq!(used(1), ["host", "port"].into());
}

#[test]
fn defaults_are_below_what_the_step_says() {
    let plan = plan(
        "version = 1\nname = \"p\"\ncwd = \"/abs\"\nenv = { A = \"1\", B = \"1\" }\nsecrets = [\"S\"]\n\
         [[step]]\nid = \"a\"\nrun = \"x\"\nenv.B = \"2\"\nsecrets = [\"T\"]\n\
         [[step]]\nid = \"b\"\nrun = \"x\"\ncwd = \"sub\"",
    );
    let first = invocation(&plan.steps[0], Role::Run, &Facts::new());
    assert_eq!((first.cwd.as_path(), first.env), (Path::new("/abs"), facts(&[("A", "1"), ("B", "2")])));
    assert_eq!(plan.steps[0].secrets, ["S", "T"].map(str::to_owned).into());
    assert_eq!(invocation(&plan.steps[1], Role::Run, &Facts::new()).cwd, Path::new("/plans/sub"));
}

#[test]
fn step_that_says_nothing_runs_once_beside_the_plan_without_limit_or_retry() {
    let plan = steps("[[step]]\nid = \"a\"\nrun = \"x\"");
    let step = &plan.steps[0];
    assert_eq!((step.repeat, step.timeout, step.retries, step.line), (Repeat::Once, None, 0, 3));
    assert_eq!(invocation(step, Role::Run, &Facts::new()).cwd, Path::new("/plans/."));
    assert_eq!(step.interpolated(Role::Check, &Facts::new()), Ok(None));
    assert_eq!(plan.step("a"), Some(step));
}

#[test]
fn pause_doubles_up_to_an_hour() {
    let pauses = |backoff: &str| {
        let text = format!("[[step]]\nid = \"a\"\nrun = \"x\"\nretries = 9\nbackoff = {backoff}");
        let plan = steps(&text);
        [1, 2, 4, 1000].map(|retry| plan.steps[0].pause(retry))
    };
    assert_eq!(pauses("2"), [2, 4, 16, 3600].map(Duration::from_secs));
    assert_eq!(pauses("0"), [Duration::ZERO; 4]);
    assert_eq!(pauses("\"2h\""), [Duration::from_hours(2); 4]);
}
