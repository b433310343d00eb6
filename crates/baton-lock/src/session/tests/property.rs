//! Whatever happens in whatever order: the machine keeps its invariants.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::document;
use super::super::model::Unknown;
use super::*;

/// So few that events often concern the same one.
const STEPS: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 4] = ["k", "l", "api_key", "m"];

fn step() -> impl Strategy<Value = String> {
    // One of ten is unknown.
    prop_oneof![9 => proptest::sample::select(&STEPS[..]), 1 => Just("x")].prop_map(str::to_owned)
}

fn steps() -> impl Strategy<Value = Vec<PlannedStep>> {
    let ids = proptest::sample::subsequence(&STEPS[..], 1..=3).prop_shuffle();
    let digest = proptest::option::of("[12]");
    (ids, digest).prop_map(|(ids, digest)| {
        ids.into_iter()
            .map(|id| PlannedStep { id: id.to_owned(), digest: digest.clone(), definition: None })
            .collect()
    })
}

fn beginning() -> impl Strategy<Value = Begin> {
    let purpose = prop_oneof![6 => Just(Purpose::Apply), 1 => Just(Purpose::Rerun), 1 => Just(Purpose::Undo)];
    (steps(), 1..4_u64, purpose, any::<bool>()).prop_map(|(steps, token, purpose, accepts)| {
        let begin = Begin::new("deploy", "/srv/deploy.toml", steps, actor(token)).with_purpose(purpose);
        if accepts { begin.accepting_changes() } else { begin }
    })
}

fn facts() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = proptest::sample::select(&KEYS[..]).prop_map(str::to_owned);
    proptest::collection::vec((key, any::<String>()), 0..3)
}

fn event() -> impl Strategy<Value = Event> {
    let end = proptest::sample::select(vec![End::Complete, End::Failed, End::Interrupted]);
    let cause = proptest::sample::select(vec![Cause::Error, Cause::Interrupted]);
    prop_oneof![
        1 => (any::<u64>(), beginning())
            .prop_map(|(id, begin)| Event::FreshStart { session_id: format!("0-{id}"), begin }),
        2 => beginning().prop_map(Event::AttemptBegun),
        8 => step().prop_map(|step| Event::StepStarted { step }),
        8 => (step(), facts()).prop_map(|(step, facts)| Event::StepCompleted { step, facts }),
        5 => (step(), any::<String>(), cause)
            .prop_map(|(step, message, cause)| Event::StepFailed { step, message, cause }),
        2 => step().prop_map(|step| Event::StepSkipped { step }),
        3 => step().prop_map(|step| Event::StepReset { step }),
        1 => end.prop_map(|end| Event::AttemptEnded { end }),
        3 => Just(Event::SessionCompleted),
    ]
}

/// What holds of every session that the machine makes.
fn check(session: &Session) -> Result<(), TestCaseError> {
    prop_assert!(session.steps().filter(|step| step.status == StepStatus::InProgress).count() <= 1);
    let finished = session.first_unfinished().is_none();
    let is_complete = session.status() == Status::Complete;
    prop_assert!(!is_complete || finished && session.open_attempt().is_none());
    prop_assert_eq!(session.failure().is_some(), session.status() == Status::Failed);
    if let Some(failure) = session.failure() {
        let step = session.step(&failure.step).expect("a failure names a step");
        prop_assert_eq!((step.status, step.error.as_ref()), (StepStatus::Failed, Some(&failure.message)));
    }
    let mut published = BTreeSet::new();
    let mut running = session.steps().filter(|step| step.status == StepStatus::InProgress);
    prop_assert_eq!(session.step_in_progress(), running.next());
    for step in session.steps() {
        check_step(step)?;
        prop_assert_eq!(session.step(&step.id), Some(step));
        for key in &step.facts {
            prop_assert!(published.insert(key.as_str()), "`{key}` is of two steps");
        }
    }
    prop_assert_eq!(published, session.facts().map(|(key, _)| key).collect::<BTreeSet<_>>());
    let numbers: Vec<_> = session.attempts().map(|attempt| attempt.number).collect();
    prop_assert!(numbers.is_sorted_by(|one, other| one < other) && !numbers.is_empty());
    prop_assert!(session.attempts().all(|attempt| attempt.end.is_some() == attempt.ended_at.is_some()));
    Ok(())
}

fn check_step(step: &Step) -> Result<(), TestCaseError> {
    let has = (step.started_at.is_some(), step.completed_at.is_some(), step.error.is_some());
    let expected = match step.status {
        StepStatus::Pending | StepStatus::Skipped => (false, false, false),
        StepStatus::InProgress => (true, false, false),
        StepStatus::Complete => (true, true, false),
        StepStatus::Failed => (true, false, true),
    };
    prop_assert_eq!(has, expected, "{:?}", step);
    prop_assert!(step.facts.is_empty() || step.status == StepStatus::Complete);
    Ok(())
}

/// What may be between a session and the next one.
fn check_pair(before: &Session, event: &Event, after: &Session) -> Result<(), TestCaseError> {
    let reopens = match event {
        Event::FreshStart { .. } => true,
        Event::AttemptBegun(begin) => begin.purpose != Purpose::Apply,
        _ => false,
    };
    prop_assert!(before.status() != Status::Complete || reopens, "reopened by {event:?}");
    let starts = |session: &Session| session.steps().map(|step| step.attempts).sum::<u64>();
    match event {
        Event::StepStarted { .. } => prop_assert_eq!(starts(after), starts(before) + 1),
        Event::FreshStart { .. } => prop_assert_eq!(starts(after), 0),
        _ => prop_assert!(starts(after) <= starts(before)),
    }
    Ok(())
}

/// A file that a reader understands exactly as it was meant, laid out as everybody else would.
fn check_round_trip(session: &Session) -> Result<(), TestCaseError> {
    let bytes = bytes(session);
    let value: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let canonical = serde_json::to_string_pretty(&value).expect("JSON");
    prop_assert_eq!(std::str::from_utf8(&bytes), Ok(canonical.as_str()));
    let read = document::parse(&bytes);
    prop_assert_eq!(read.as_ref(), Ok(session));
    Ok(())
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e12..1e12).prop_map(|number: f64| number.into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec(("[a-z]{1,6}", inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Members that a later version may add.
fn unknown() -> impl Strategy<Value = Unknown> {
    proptest::collection::vec(("x[a-zA-Z]{1,6}", json()), 0..4)
        .prop_map(|members| members.into_iter().collect())
}

fn with_unknown(mut session: Session, parts: [Unknown; 4]) -> Session {
    let [top, baton, of_steps, of_attempts] = parts;
    let origin = Arc::make_mut(&mut session.origin);
    (origin.unknown, origin.unknown_of_baton) = (top, baton);
    let steps = session.steps().map(|step| Step { unknown: of_steps.clone(), ..step.clone() });
    session.steps = steps.map(Arc::new).collect();
    let attempts =
        session.attempts().map(|attempt| Attempt { unknown: of_attempts.clone(), ..attempt.clone() });
    session.attempts = attempts.map(Arc::new).collect();
    session
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_keeps_the_invariants(
        events in proptest::collection::vec(event(), 1..60),
        unknown in [unknown(), unknown(), unknown(), unknown()],
    ) {
        let secrets = Secrets::default();
        let mut session = with_unknown(after(&[fresh(9, &STEPS)]), unknown);
        for (second, event) in (0..).zip(&events) {
            let context = Context { at: at(second), secrets: &secrets };
            let before = session.clone();
            if let Ok(next) = next(Some(&session), event, &context) {
                check(&next)?;
                check_pair(&before, event, &next)?;
                check_round_trip(&next)?;
                session = next;
            }
        }
    }

    #[test]
    fn unknown_members_survive_every_event_but_a_fresh_start(
        events in proptest::collection::vec(event(), 1..20),
        unknown in [unknown(), unknown(), unknown(), unknown()],
    ) {
        let secrets = Secrets::default();
        let context = Context { at: at(0), secrets: &secrets };
        let mut session = with_unknown(after(&[fresh(9, &STEPS)]), unknown);
        for event in events.iter().filter(|event| !matches!(event, Event::FreshStart { .. })) {
            let Ok(next) = next(Some(&session), event, &context) else { continue };
            prop_assert_eq!(&next.origin, &session.origin);
            for step in next.steps() {
                let before = session.step(&step.id).map(|step| &step.unknown);
                prop_assert!(before.is_none_or(|before| *before == step.unknown));
            }
            session = next;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_seeded_secret_is_in_the_file(
        before in any::<String>(), after in any::<String>(), secret in "[A-Z][A-Za-z0-9]{29}Q", form in 0..6_usize,
        named in any::<bool>(),
    ) {
        let form = ["API_KEY=@", "--token @", "Bearer @", "https://u:@@h/?sig=@&n=1#@", "ghp_@", "{\"password\": \"@\"}"][form];
        // Known exactly, it needs no form.
        let form = if named { "@" } else { form };
        let secrets = if named { Secrets::new([secret.as_str()]) } else { Secrets::default() };
        let text = format!("{before} {} {after}", form.replace('@', &secret));
        let context = Context { at: at(0), secrets: &secrets };
        let session = super::after(&[fresh(1, &["a", "b"]), Event::step_started("a")]);
        let done = next(Some(&session), &Event::step_completed("a", [("k", text.as_str()), ("api_key", "x")]), &context);
        let session = next(done.as_ref().ok(), &Event::step_started("b"), &context).expect("legal");
        let failed = next(Some(&session), &Event::step_failed("b", text, Cause::Error), &context).expect("legal");
        prop_assert_eq!(failed.fact("k").map(|fact| matches!(fact, Fact::Withheld(_))), Some(true));
        let bytes = bytes(&failed);
        // The first half of it would be as bad.
        let half = &secret.as_bytes()[..16];
        prop_assert!(!bytes.windows(half.len()).any(|window| window == half));
    }
}

/// The sequences above would prove nothing if they led nowhere.
#[test]
fn random_sequences_reach_every_status() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let secrets = Secrets::default();
    let (mut complete, mut reopened, mut failed, mut refused) = (0, 0, 0, 0);
    for _ in 0..300 {
        let events = proptest::collection::vec(event(), 60).new_tree(&mut runner).expect("some").current();
        let mut session = after(&[fresh(9, &["a", "b"])]);
        for event in &events {
            let context = Context { at: at(0), secrets: &secrets };
            let Ok(next) = next(Some(&session), event, &context) else {
                refused += 1;
                continue;
            };
            complete += usize::from(next.status() == Status::Complete);
            failed += usize::from(next.status() == Status::Failed);
            reopened += usize::from(session.status() == Status::Complete);
            session = next;
        }
    }
    assert!(complete > 20 && reopened > 5 && failed > 20 && refused > 20, "{complete} {reopened} {failed}");
}
