//! What may follow what, and what it does.

use std::sync::Arc;

use super::super::model::Unknown;
use super::*;

/// A session whose step `b` has a status, with an attempt under way.
fn with_b(status: StepStatus) -> Session {
    let mut events = vec![fresh(1, &["a", "b", "c"])];
    match status {
        StepStatus::Pending => {}
        StepStatus::InProgress => events.push(Event::step_started("b")),
        StepStatus::Complete => {
            events.extend([Event::step_started("b"), Event::step_completed("b", [("k", "v")])]);
        }
        StepStatus::Failed => {
            events.extend([Event::step_started("b"), Event::step_failed("b", "no", Cause::Error)]);
        }
        StepStatus::Skipped => events.push(Event::step_skipped("b")),
    }
    after(&events)
}

#[test]
fn each_step_event_is_legal_from_exactly_these_statuses() {
    use StepStatus::{Complete, Failed, InProgress, Pending, Skipped};
    let table = [
        (Event::step_started("b"), InProgress, vec![Pending, Failed, InProgress]),
        (completed("b"), Complete, vec![InProgress]),
        (Event::step_failed("b", "no", Cause::Error), Failed, vec![InProgress]),
        (Event::step_skipped("b"), Skipped, vec![Pending, InProgress]),
        (Event::step_reset("b"), Pending, vec![Pending, InProgress, Complete, Failed, Skipped]),
    ];
    let secrets = Secrets::default();
    let context = Context { at: at(100), secrets: &secrets };
    for (event, to, from) in &table {
        for status in [Pending, InProgress, Complete, Failed, Skipped] {
            let session = with_b(status);
            match next(Some(&session), event, &context) {
                Ok(next) => {
                    assert!(from.contains(&status), "{event:?} from {status:?}");
                    assert_eq!(next.step("b").expect("there").status, *to);
                }
                Err(IllegalTransition::WrongStatus { status: told, .. }) => {
                    assert!(!from.contains(&status) && told == status, "{event:?} from {status:?}");
                }
                Err(error) => panic!("{event:?} from {status:?}: {error}"),
            }
        }
    }
}

#[test]
fn started_step_has_its_time_and_clears_the_failure_before() {
    let session = with_b(StepStatus::Failed);
    assert_eq!((session.status(), session.failure().is_some()), (Status::Failed, true));
    let session = after_from(Some(&session), &[Event::step_started("b")]);
    let step = session.step("b").expect("there");
    assert_eq!(step.started_at.as_deref(), Some("2026-01-31T10:00:00.000Z"));
    assert_eq!((&step.completed_at, &step.error, step.attempts), (&None, &None, 2));
    assert_eq!((session.status(), session.failure()), (Status::InProgress, None));
}

#[test]
fn completed_step_keeps_its_start_and_publishes_facts_in_order() {
    let session = after(&[
        fresh(1, &["a"]),
        Event::step_started("a"),
        Event::step_completed("a", [("z", "1"), ("b", "2"), ("z", "3")]),
    ]);
    let step = session.step("a").expect("there");
    assert_eq!(step.started_at.as_deref(), Some("2026-01-31T10:00:01.000Z"));
    assert_eq!(step.completed_at.as_deref(), Some("2026-01-31T10:00:02.000Z"));
    assert_eq!(step.facts, ["z", "b"]);
    let facts: Vec<_> = session.facts().collect();
    assert_eq!(facts, [("z", Fact::Known("3")), ("b", Fact::Known("2"))]);
}

#[test]
fn fact_belongs_to_the_step_that_published_it_last() {
    let session = after(&[
        fresh(1, &["a", "b"]),
        Event::step_started("a"),
        Event::step_completed("a", [("k", "of a"), ("l", "of a")]),
        Event::step_started("b"),
        Event::step_completed("b", [("k", "of b")]),
        Event::step_reset("a"),
    ]);
    assert_eq!(session.fact("k"), Some(Fact::Known("of b")));
    assert_eq!(session.fact("l"), None, "the effect of `a` is gone, and what it said of it");
    assert_eq!(session.step("b").expect("there").facts, ["k"]);
}

#[test]
fn failed_step_is_told_redacted_and_cut() {
    let message = format!("POST with API_KEY=hunter2 failed: {}", "x".repeat(400));
    let session = after(&[
        fresh(1, &["a"]),
        Event::step_started("a"),
        Event::step_failed("a", message, Cause::Interrupted),
    ]);
    let failure = session.failure().expect("one");
    assert!(failure.message.starts_with("POST with API_KEY=<REDACTED> failed: xxx"), "{}", failure.message);
    assert_eq!(failure.message.chars().count(), 240);
    assert_eq!((failure.step.as_str(), failure.cause), ("a", Cause::Interrupted));
    assert_eq!(session.step("a").expect("there").error.as_deref(), Some(failure.message.as_str()));
    assert_eq!(session.status(), Status::Failed);
}

#[test]
fn failure_is_forgotten_with_the_step_that_failed_and_no_other() {
    let failed = with_b(StepStatus::Failed);
    let other = after_from(Some(&failed), &[Event::step_reset("a")]);
    assert_eq!((other.status(), other.failure()), (Status::Failed, failed.failure()));
    let same = after_from(Some(&failed), &[Event::step_reset("b")]);
    assert_eq!((same.status(), same.failure()), (Status::InProgress, None));
}

#[test]
fn exact_secret_is_in_no_message_and_no_fact() {
    let secrets = Secrets::new(["correct horse"]);
    let context = Context { at: at(9), secrets: &secrets };
    let session = after(&[fresh(1, &["a"]), Event::step_started("a")]);
    let failed =
        next(Some(&session), &Event::step_failed("a", "is it correct horse?", Cause::Error), &context)
            .expect("legal");
    assert_eq!(failed.failure().expect("one").message, "is it <REDACTED>?");
    let completed =
        next(Some(&session), &Event::step_completed("a", [("answer", "correct horse")]), &context)
            .expect("legal");
    assert_eq!(completed.fact("answer"), Some(Fact::Withheld("<REDACTED>")));
}

#[test]
fn fact_that_may_be_a_secret_is_withheld_and_others_are_exact() {
    let session = after(&[
        fresh(1, &["a"]),
        Event::step_started("a"),
        Event::step_completed(
            "a",
            [
                ("api_key", "abc"),
                ("endpoint", "https://me:pw@h/?token=x&n=1"),
                ("note", "ghp_A7B2C9D4E1A7B2C9D4E1"),
                ("key_path", "/home/me/.ssh/id"),
                ("public_key", "ssh-ed25519 AAAA me@here"),
                ("secret_name", "prod/db"),
                ("url", "https://h/?n=1"),
                ("empty_token", ""),
                ("text", "a = b; \"c\" \u{1b}[1m"),
            ],
        ),
    ]);
    let facts: Vec<_> = session.facts().collect();
    assert_eq!(
        facts,
        [
            ("api_key", Fact::Withheld("<REDACTED>")),
            ("endpoint", Fact::Withheld("https://h/?token=<REDACTED>&n=1")),
            ("note", Fact::Withheld("<REDACTED>")),
            ("key_path", Fact::Known("/home/me/.ssh/id")),
            ("public_key", Fact::Known("ssh-ed25519 AAAA me@here")),
            ("secret_name", Fact::Known("prod/db")),
            ("url", Fact::Known("https://h/?n=1")),
            ("empty_token", Fact::Known("")),
            ("text", Fact::Known("a = b; \"c\" \u{1b}[1m")),
        ]
    );
}

#[test]
fn only_one_step_is_in_progress() {
    let session = with_b(StepStatus::InProgress);
    assert_eq!(
        refusal(&session, &Event::step_started("a")),
        IllegalTransition::OtherStepInProgress { step: "a".to_owned(), running: "b".to_owned() }
    );
}

#[test]
fn step_in_progress_after_a_crash_is_completed_run_again_or_reset() {
    let crashed = with_b(StepStatus::InProgress);
    let next = begin(2, &["a", "b", "c"]);
    for event in [completed("b"), Event::step_started("b"), Event::step_reset("b")] {
        after_from(Some(&crashed), &[Event::AttemptBegun(next.clone()), event]);
    }
    let resumed = after_from(Some(&crashed), &[Event::AttemptBegun(next)]);
    assert_eq!(resumed.step_in_progress().expect("still").id, "b");
    let ends: Vec<_> = resumed.attempts().map(|attempt| (attempt.number, attempt.end)).collect();
    assert_eq!(ends, [(1, None), (2, None)], "the one that crashed never said how it ended");
}

fn complete() -> Session {
    after(&[
        fresh(1, &["a", "b"]),
        Event::step_started("a"),
        completed("a"),
        Event::step_skipped("b"),
        Event::SessionCompleted,
    ])
}

#[test]
fn session_is_complete_when_all_steps_are_complete_or_skipped() {
    let session = complete();
    assert_eq!((session.status(), session.open_attempt()), (Status::Complete, None));
    assert_eq!(session.attempts().next_back().expect("one").end, Some(End::Complete));
    assert_eq!(
        refusal(&with_b(StepStatus::Complete), &Event::SessionCompleted),
        IllegalTransition::Unfinished { step: "a".to_owned(), status: StepStatus::Pending }
    );
}

#[test]
fn late_report_does_not_reopen_a_complete_session() {
    let session = complete();
    for event in [
        Event::step_failed("a", "late", Cause::Error),
        Event::step_started("a"),
        Event::step_reset("a"),
        Event::SessionCompleted,
        Event::AttemptBegun(begin(2, &["a", "b"])),
    ] {
        assert_eq!(refusal(&session, &event), IllegalTransition::SessionComplete, "{event:?}");
    }
    assert_eq!(refusal(&session, &Event::AttemptEnded { end: End::Failed }), IllegalTransition::NoAttempt);
}

#[test]
fn explicit_purpose_opens_a_complete_session() {
    for purpose in [Purpose::Rerun, Purpose::Undo] {
        let begin = begin(2, &["a", "b"]).with_purpose(purpose);
        let session = after_from(Some(&complete()), &[Event::AttemptBegun(begin), Event::step_reset("a")]);
        assert_eq!(session.status(), Status::InProgress);
        assert_eq!(session.attempts().next_back().expect("one").purpose, purpose);
    }
}

#[test]
fn step_of_no_attempt_is_refused_and_reset_is_not() {
    let session = after(&[fresh(1, &["a"]), Event::AttemptEnded { end: End::Interrupted }]);
    assert_eq!(refusal(&session, &Event::step_started("a")), IllegalTransition::NoAttempt);
    after_from(Some(&session), &[Event::step_reset("a")]);
}

#[test]
fn holder_begins_one_attempt_at_a_time_and_the_next_holder_its_own() {
    let session = after(&[fresh(1, &["a"])]);
    let again = Event::AttemptBegun(begin(1, &["a"]));
    assert_eq!(refusal(&session, &again), IllegalTransition::AttemptUnderWay { number: 1 });
    after_from(Some(&session), &[Event::AttemptEnded { end: End::Failed }, again]);
    after_from(Some(&session), &[Event::AttemptBegun(begin(2, &["a"]))]);
}

#[test]
fn attempt_with_another_plan_or_name_is_refused_naming_both() {
    let session = after(&[fresh(1, &["a"])]);
    let mut other = begin(2, &["a"]);
    other.plan = "/home/me/deploy.toml".to_owned();
    let told = refusal(&session, &Event::AttemptBegun(other)).to_string();
    assert!(told.contains("/srv/deploy.toml") && told.contains("/home/me/deploy.toml"), "{told}");
    let mut other = begin(2, &["a"]);
    other.name = "release".to_owned();
    let told = refusal(&session, &Event::AttemptBegun(other)).to_string();
    assert!(told.contains("`deploy`") && told.contains("`release`"), "{told}");
}

/// `a` and `b` complete, `c` failed.
fn half_done() -> Session {
    after(&[
        fresh(1, &["a", "b", "c"]),
        Event::step_started("a"),
        Event::step_completed("a", [("k", "v")]),
        Event::step_started("b"),
        completed("b"),
        Event::step_started("c"),
        Event::step_failed("c", "no", Cause::Error),
    ])
}

#[track_caller]
fn changes(plan: &[PlannedStep]) -> Vec<PlanChange> {
    half_done().plan_changes(plan)
}

#[test]
fn plan_may_change_what_is_not_finished() {
    use StepStatus::{Complete, Pending};
    let mut plan = planned(&["a", "b", "d", "e"]);
    assert_eq!(changes(&plan), []);
    plan[2].digest = Some("another".to_owned());
    let again = Event::AttemptBegun(Begin::new("deploy", "/srv/deploy.toml", plan, actor(2)));
    let session = after_from(Some(&half_done()), &[again]);
    let steps: Vec<_> = session.steps().map(|step| (step.id.as_str(), step.status)).collect();
    assert_eq!(steps, [("a", Complete), ("b", Complete), ("d", Pending), ("e", Pending)]);
    assert_eq!(session.step("d").expect("there").digest.as_deref(), Some("another"));
}

#[test]
fn change_of_what_is_finished_is_told() {
    let step = |text: &str| text.to_owned();
    let mut altered = planned(&["a", "b", "c"]);
    altered[1].digest = Some("another".to_owned());
    assert_eq!(changes(&altered), [PlanChange::Altered { step: step("b") }]);
    assert_eq!(changes(&planned(&["b", "c"])), [PlanChange::Removed { step: step("a") }]);
    let inserted = PlanChange::Inserted { step: step("x"), before: step("b") };
    assert_eq!(changes(&planned(&["a", "x", "b"])), [inserted]);
    let reordered = PlanChange::Reordered { step: step("a"), behind: step("b") };
    assert_eq!(changes(&planned(&["b", "a", "c"])), [reordered]);

    let again = Begin::new("deploy", "/srv/deploy.toml", altered, actor(2));
    let told = refusal(&half_done(), &Event::AttemptBegun(again.clone())).to_string();
    assert!(told.contains("step `b` is defined differently"), "{told}");
    let accepted = Event::AttemptBegun(again.accepting_changes());
    let session = after_from(Some(&half_done()), &[accepted]);
    let b = session.step("b").expect("there");
    assert_eq!((b.status, b.digest.as_deref()), (StepStatus::Complete, Some("another")));
}

#[test]
fn facts_of_a_step_that_the_plan_dropped_are_forgotten() {
    let again = begin(2, &["b", "c"]).accepting_changes();
    let session = after_from(Some(&half_done()), &[Event::AttemptBegun(again)]);
    assert_eq!(session.facts().count(), 0);
}

#[test]
fn unusable_steps_and_facts_are_refused() {
    let secrets = Secrets::default();
    let context = Context { at: at(0), secrets: &secrets };
    for ids in [&["a", "a"][..], &[""], &["a b"], &[".a"], &["a/b"]] {
        let refused = next(None, &fresh(1, ids), &context);
        assert!(matches!(refused, Err(IllegalTransition::InvalidStep { .. })), "{ids:?}");
    }
    let session = with_b(StepStatus::InProgress);
    for key in ["", "a b", "a=b", "ä", &"x".repeat(101)] {
        let event = Event::step_completed("b", [(key, "v")]);
        let refused = refusal(&session, &event);
        assert!(matches!(refused, IllegalTransition::InvalidFact { .. }), "{key}");
    }
}

#[test]
fn fresh_start_forgets_all_but_the_numbers() {
    let mut session = half_done();
    Arc::make_mut(&mut session.origin).unknown = Unknown::from_iter([("old".to_owned(), true.into())]);
    let ended = Event::AttemptEnded { end: End::Failed };
    let again = after_from(Some(&session), &[ended, fresh(2, &["a", "b", "c"])]);
    assert!(again.steps().all(|step| step.status == StepStatus::Pending && step.attempts == 0));
    assert_eq!((again.facts().count(), again.failure(), again.origin.unknown.len()), (0, None, 0));
    let numbers: Vec<_> = again.attempts().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [2], "logs of the second attempt don't overwrite those of the first");
    assert_ne!(again.session_id(), session.session_id());
    assert_eq!(again.revision(), session.revision());
}

#[test]
fn oldest_of_many_attempts_are_forgotten() {
    let mut session = after(&[fresh(1, &["a"])]);
    for token in 2..=600 {
        session = after_from(Some(&session), &[Event::AttemptBegun(begin(token, &["a"]))]);
    }
    let numbers: Vec<_> = session.attempts().map(|attempt| attempt.number).collect();
    assert_eq!((numbers.len(), numbers[0], numbers[499]), (500, 101, 600));
}
