//! Marks are where they belong, whatever the times say.

use proptest::prelude::*;

use crate::session::report::layout::*;
use crate::session::story::{Run, RunEnd, Span, What};
use crate::session::tests::at;

fn span(step: &str, from: Option<u64>, to: Option<u64>, what: What) -> Span {
    Span { step: step.to_owned(), from: from.map(at), to: to.map(at), what, message: None, number: 1 }
}

fn run(number: u64, begun: u64, ended: Option<u64>, spans: Vec<Span>) -> Run {
    let end = if ended.is_some() { RunEnd::Failed } else { RunEnd::Crashed };
    Run { begun: Some(at(begun)), ended: ended.map(at), end, spans, ..Run::unheard_of(number) }
}

fn moment(second: u64) -> i64 {
    crate::session::words::moment(&at(second)).expect("a time")
}

/// What must be true of every time line.
fn check(layout: &Layout) -> Result<(), TestCaseError> {
    let mut right = 0.0;
    for band in &layout.bands {
        prop_assert!(band.left >= right - 1e-9 && band.width > 0.0, "{layout:?}");
        right = band.left + band.width;
    }
    prop_assert!(right <= 100.0 + 1e-9, "{layout:?}");
    for mark in layout.rows.iter().flat_map(|row| &row.marks) {
        let is_in = |band: &Band| {
            band.number == mark.attempt
                && mark.left >= band.left - 1e-9
                && mark.left + mark.width <= band.left + band.width + 1e-9
        };
        prop_assert!(mark.width > 0.0 && layout.bands.iter().any(is_in), "{mark:?} {layout:?}");
    }
    Ok(())
}

#[test]
fn long_attempt_has_the_wider_band_and_the_time_between_is_left_out() {
    let long = run(1, 0, Some(90), vec![span("a", Some(0), Some(45), What::Done)]);
    let short = run(2, 100_000, Some(100_010), vec![]);
    let layout = Layout::of(vec!["a"], &[long, short], moment(200_000));
    let [first, second] = &*layout.bands else { panic!("{layout:?}") };
    assert!(first.width > 5.0 * second.width && second.width >= 5.0, "{layout:?}");
    assert!(second.left - first.left - first.width < 2.0, "{layout:?}");
    let mark = &layout.rows[0].marks[0];
    assert!((mark.width - first.width / 2.0).abs() < 1e-9, "half of its attempt");
}

#[test]
fn step_of_a_killed_runner_is_drawn_to_the_end_of_a_band_that_is_longer_than_what_is_known() {
    let killed = run(1, 0, None, vec![span("a", Some(10), None, What::Killed)]);
    let layout = Layout::of(vec!["a"], &[killed], moment(500));
    let (band, mark) = (&layout.bands[0], &layout.rows[0].marks[0]);
    assert_eq!((band.took, mark.took), (10_000, None));
    assert!(mark.width > 30.0 && (mark.left + mark.width - 100.0).abs() < 1e-9, "{layout:?}");
}

#[test]
fn running_step_is_drawn_until_now() {
    let mut running = run(1, 0, None, vec![span("a", Some(50), None, What::Running)]);
    running.end = RunEnd::Running;
    let layout = Layout::of(vec!["a"], &[running], moment(100));
    assert!((layout.rows[0].marks[0].width - 50.0).abs() < 1e-9, "{layout:?}");
}

#[test]
fn too_many_attempts_and_steps_are_counted_instead_of_drawn() {
    let runs: Vec<Run> = (1..=20).map(|number| run(number, 0, Some(1), vec![])).collect();
    let names: Vec<String> = (0..600).map(|number| number.to_string()).collect();
    let layout = Layout::of(names.iter().map(String::as_str).collect(), &runs, 0);
    assert_eq!((layout.bands.len(), layout.hidden_bands), (MAX_BANDS, 20 - MAX_BANDS));
    assert_eq!((layout.rows.len(), layout.hidden_rows), (MAX_ROWS, 100));
    assert_eq!(layout.bands[0].number, 9, "the last ones are drawn");
}

#[test]
fn step_that_the_plan_has_no_more_comes_last() {
    let runs = [run(1, 0, Some(1), vec![span("old", None, Some(1), What::Undone)])];
    let steps: Vec<String> = Layout::of(vec!["a"], &runs, 0).rows.into_iter().map(|row| row.step).collect();
    assert_eq!(steps, ["a", "old"]);
}

fn any_what() -> impl Strategy<Value = What> {
    prop_oneof![
        Just(What::Done),
        Just(What::Found),
        Just(What::Failed),
        Just(What::Killed),
        Just(What::Running),
        Just(What::Skipped),
        Just(What::Open)
    ]
}

prop_compose! {
    fn any_span()(step in "[abc]", from: Option<u16>, to: Option<u16>, what in any_what()) -> Span {
        span(&step, from.map(u64::from), to.map(u64::from), what)
    }
}

prop_compose! {
    fn any_run()(begun: Option<u16>, ended: Option<u16>, spans in proptest::collection::vec(any_span(), 0..6)) -> Run {
        Run { begun: begun.map(|begun| at(u64::from(begun))), ..run(0, 0, ended.map(u64::from), spans) }
    }
}

proptest! {
    #[test]
    fn no_mark_leaves_its_band_whatever_the_times_say(
        mut runs in proptest::collection::vec(any_run(), 0..20),
        now in any::<i64>(),
        nonsense in proptest::option::of("\\PC{0,20}"),
    ) {
        for (number, run) in (1..).zip(&mut runs) {
            run.number = number;
        }
        if let (Some(run), Some(nonsense)) = (runs.first_mut(), nonsense) {
            run.begun = Some(nonsense);
        }
        check(&Layout::of(vec!["a", "b"], &runs, now))?;
    }
}
