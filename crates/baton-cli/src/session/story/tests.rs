//! Attempts are told from what session and history have of them, and crashes from what they lack.

use serde_json::json;

use super::*;
use crate::session::place::Place;
use crate::session::tests::Job;

fn story(place: &Place) -> Story {
    let session = place.load().expect("a session");
    let history = History::load(place.state(), place.name()).expect("read");
    Story::of(&session, &history, &Runner::of(place))
}

fn whats(run: &Run) -> Vec<(&str, What)> {
    run.spans.iter().map(|span| (span.step.as_str(), span.what)).collect()
}

#[test]
fn attempt_that_never_said_that_it_ended_crashed_and_its_step_was_running() {
    let mut job = Job::new();
    job.begun(&["a", "b"]).does("a").then(baton_lock::session::Event::step_started("b")).dies();
    for told in [false, true] {
        if told {
            job.tells_begin(0, 1)
                .tells(1, 1, "step_started", json!({ "step": "a", "try": 1, "reason": "r" }))
                .tells(2, 1, "step_completed", json!({ "step": "a", "how": "ran", "durationMs": 1000 }))
                .tells(3, 1, "step_started", json!({ "step": "b", "try": 1, "reason": "r" }));
        }
        let story = story(&job.place);
        let [run] = &*story.runs else { panic!("{story:?}") };
        assert_eq!(run.end, RunEnd::Crashed);
        assert_eq!(whats(run), [("a", What::Done), ("b", What::Killed)]);
        assert_eq!(run.killed().expect("one").step, "b");
    }
}

#[test]
fn same_attempt_runs_as_long_as_its_lock_is_held() {
    let mut job = Job::new();
    job.begun(&["a"]).then(baton_lock::session::Event::step_started("a"));
    let running = story(&job.place);
    assert_eq!((running.runs[0].end, whats(&running.runs[0])), (RunEnd::Running, vec![("a", What::Running)]));
    job.dies();
    assert_eq!(story(&job.place).runs[0].end, RunEnd::Crashed);
    // Somebody else has the lock, and has not begun an attempt.
    let _held = job.hold();
    assert_eq!(Runner::of(&job.place).is_running(), true);
    assert_eq!(story(&job.place).runs[0].end, RunEnd::Crashed);
}

#[test]
fn every_try_is_told_and_the_last_word_is_the_sessions() {
    let mut job = Job::new();
    job.begun(&["a", "b"]).fails("a", "no");
    job.tells_begin(0, 1);
    for number in [1, 2] {
        job.tells(number, 1, "step_started", json!({ "step": "a", "try": number, "reason": "r" })).tells(
            number + 10,
            1,
            "step_failed",
            json!({ "step": "a", "message": "no", "cause": if number == 1 { "timeout" } else { "error" },
                "exitCode": 1, "signal": null, "try": number }),
        );
    }
    let story = story(&job.place);
    assert_eq!(whats(&story.runs[0]), [("a", What::TimedOut), ("a", What::Failed)]);
    assert_eq!(story.runs[0].end, RunEnd::Failed, "the history lacks the end");
    assert_eq!(
        story.runs[0].actor.as_ref().expect("known").pid,
        std::process::id(),
        "the session knows better"
    );
}

#[test]
fn attempts_of_sessions_before_are_apart_though_their_numbers_are_the_same() {
    let mut job = Job::new();
    job.begun(&["a"]).fails("a", "no");
    let begin = json!({ "purpose": "apply", "outcome": "recovered", "token": 1, "pid": 1, "host": null, "user": null,
        "plan": "/p", "session": "1-old", "steps": ["a"] });
    job.tells(0, 1, "attempt_begun", begin)
        .tells(1, 1, "step_completed", json!({ "step": "a", "how": "check", "durationMs": 0 }))
        .tells_begin(10, 1)
        .tells(11, 1, "step_skipped", json!({ "step": "a", "reason": "r" }));
    let story = story(&job.place);
    assert_eq!((story.earlier.len(), story.runs.len()), (1, 1));
    assert_eq!((story.earlier[0].end, whats(&story.earlier[0])), (RunEnd::Crashed, vec![("a", What::Found)]));
    assert_eq!(whats(&story.runs[0]), [("a", What::Skipped)]);
}

#[test]
fn history_that_begins_in_the_middle_of_an_attempt_belongs_to_it() {
    let mut job = Job::new();
    job.begun(&["a"]).fails("a", "no");
    job.tells(1, 1, "step_completed", json!({ "step": "x", "how": "ran", "durationMs": 5 }));
    let story = story(&job.place);
    assert_eq!((story.earlier.len(), story.runs.len()), (0, 1));
    assert_eq!(whats(&story.runs[0]), [("x", What::Done), ("a", What::Failed)]);
}
