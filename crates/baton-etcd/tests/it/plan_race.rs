//! Two machines race over one plan, while their runners are killed and cut off from the cluster: each step's effect is as on one machine.
//!
//! There are two witnesses that know nothing of locks. The steps write what they do into a FIFO, each time by one write, so that the
//! kernel puts it into one order; and etcd has its history, each change with its revision.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::Path,
};

use baton_itest::{fifo::Fifo, places::temporary, race::seed, stream::Stream};
use fastrand::Rng;
use serde_json::Value;

use crate::{
    machines::{CLUSTER, Machine, with_machines},
    servers::{self, Change, Cluster},
};

const STEPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A holder that is killed takes its lease with it: each costs the next one three seconds of waiting. A lease of two would leave a job
/// that has to be told, in a cut, half a second to end on a machine that is busy with other tests.
const LEASE: &str = "3s";

#[derive(Debug, Clone, Copy)]
enum Disturbance {
    KillHolder,
    KillOther,
    CutHolder,
}

/// In an order that the seed chooses.
const DISTURBANCES: [Disturbance; 8] = {
    use Disturbance::{CutHolder, KillHolder, KillOther};
    [KillHolder, KillHolder, KillHolder, KillHolder, KillOther, KillOther, CutHolder, CutHolder]
};

/// A runner that is started again until the plan is complete; 3 means that there is a session to be resumed, or none.
const RUNNER: &str = r#"runner() {
    how=; code=1;
    until test $code = 0; do
        baton-etcd apply -q $how --lease $LEASE plan.toml >>$MACHINE.log 2>&1 &
        echo $! >$MACHINE.pid; wait $!; code=$?;
        if test $code = 3; then how=$(test -n "$how" || echo --resume); else how=--resume; fi;
        echo "code $code $MACHINE" >$ORACLE;
    done
}; runner &"#;

/// A step says who begins it, does its work, and says that it is done; while there is a file `hold`, it has something to do.
fn plan() -> String {
    let step = |id| {
        format!(
            "[[step]]\nid = \"{id}\"\nrun = '''\nwho=\"{id} $BATON_ATTEMPT $BATON_TOKEN $MACHINE\"\necho begin $who >$ORACLE\n\
            sleep 0.2\nwhile test -e $PLACE/hold.$MACHINE; do sleep 0.05; done\necho end $who >$ORACLE\n'''\n"
        )
    };
    format!("version = 1\nname = \"deploy\"\n{}", STEPS.map(step).concat())
}

/// What a step said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Deed {
    is_end: bool,
    step: String,
    attempt: u64,
    token: u64,
    machine: usize,
}

impl Deed {
    fn read(words: &[&str]) -> Self {
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("not a number: {words:?}"));
        let [what, step, attempt, token, machine] = *words else { panic!("not a deed: {words:?}") };
        Self {
            is_end: what == "end",
            step: step.to_owned(),
            attempt: number(attempt),
            token: number(token),
            machine: index(machine),
        }
    }
}

/// Of `m1` and `m2`.
fn index(machine: &str) -> usize {
    usize::from(machine == "m2")
}

enum Said {
    Deed(Deed),
    /// Which machine's runner has ended.
    Ended(usize),
}

struct Race<'a> {
    place: &'a Path,
    machines: [Machine; 2],
    oracle: Stream,
    deeds: Vec<Deed>,
    is_done: [bool; 2],
}

impl Race<'_> {
    fn next(&mut self) -> Said {
        let line = self.oracle.line().expect("the test has the other end too");
        let words: Vec<&str> = line.split(' ').collect();
        if let ["code", code, machine] = *words {
            let machine = index(machine);
            // Complete; nothing or something to resume; not reached; lost; killed; nobody there who could be killed.
            assert!(["0", "3", "69", "76", "137", "none"].contains(&code), "{line}: {}", self.logs());
            self.is_done[machine] |= code == "0";
            return Said::Ended(machine);
        }
        let deed = Deed::read(&words);
        self.deeds.push(deed.clone());
        Said::Deed(deed)
    }

    fn logs(&self) -> String {
        ["m1.log", "m2.log"].map(|log| fs::read_to_string(self.place.join(log)).unwrap_or_default()).concat()
    }

    /// The next deed of such a kind; `None` if a runner has completed the plan before.
    fn await_deed(&mut self, is_wanted: impl Fn(&Deed) -> bool) -> Option<Deed> {
        while self.is_done == [false; 2] {
            if let Said::Deed(deed) = self.next()
                && is_wanted(&deed)
            {
                return Some(deed);
            }
        }
        None
    }

    fn disturb(&mut self, by: Disturbance, rng: &mut Rng) -> Option<()> {
        match by {
            Disturbance::CutHolder => return self.cut(),
            Disturbance::KillHolder | Disturbance::KillOther => {}
        }
        // At its beginning, or between its end and the session's being told of it.
        let is_end = rng.bool();
        let holder = self.await_deed(|deed| deed.is_end == is_end)?.machine;
        self.kill(if matches!(by, Disturbance::KillHolder) { holder } else { 1 - holder });
        Some(())
    }

    fn kill(&mut self, machine: usize) {
        self.machines[machine].tell("kill -KILL $(cat $MACHINE.pid) || echo code none $MACHINE >$ORACLE");
        while !matches!(self.next(), Said::Ended(ended) if ended == machine) {}
    }

    /// Cuts the holder off in a step that would go on if nobody ended it, until the other one has begun; then the link is there again, and the
    /// step's work is done.
    fn cut(&mut self) -> Option<()> {
        let cut = self.await_deed(|deed| !deed.is_end)?.machine;
        let busy = self.place.join(["hold.m1", "hold.m2"][cut]);
        File::create(&busy).expect("created");
        self.machines[cut].link(false);
        let next = self.await_deed(|deed| deed.machine != cut);
        self.machines[cut].link(true);
        fs::remove_file(busy).expect("removed");
        next.map(drop)
    }
}

#[test]
fn plan_is_done_step_by_step_as_on_one_machine_whichever_runners_are_killed_or_cut_off() {
    if servers::is_there() {
        with_machines(race);
    }
}

fn race() {
    let (cluster, place) = (Cluster::start_at(CLUSTER, 1), temporary());
    let oracle = Fifo::new(place.path().join("oracle"));
    fs::write(place.path().join("plan.toml"), plan()).expect("written");
    let url = cluster.url("jobs");
    let variables = [
        ("BATON_STORE", url.as_str()),
        ("ORACLE", oracle.path().to_str().expect("UTF-8")),
        ("PLACE", place.path().to_str().expect("UTF-8")),
        ("LEASE", LEASE),
    ];
    let machines = [1, 2].map(|number| Machine::start(number, place.path(), &variables));
    let (deeds, is_done) = (Vec::new(), [false; 2]);
    let mut race = Race { place: place.path(), machines, oracle: oracle.written(), deeds, is_done };
    for machine in &mut race.machines {
        machine.tell(RUNNER);
    }
    let seed = seed();
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let mut disturbances = DISTURBANCES;
    rng.shuffle(&mut disturbances);
    let done = disturbances.into_iter().map_while(|by| race.disturb(by, &mut rng)).count();
    while race.is_done != [true; 2] {
        race.next();
    }
    cluster.ctl(&["put", "jobs/the-end", ""]);
    let history = cluster.history("jobs/", "jobs/the-end");
    let writes = judge_writes(&history);
    judge_order(&race.deeds);
    judge_completions(&race.deeds, &writes);
    let holders: BTreeSet<u64> = race.deeds.iter().map(|deed| deed.token).collect();
    println!("{done} disturbances, {} holders, {} writes", holders.len(), writes.len());
    assert!(holders.len() > done / 2, "hardly anybody ran anything: {:?}", race.deeds);
}

/// Whoever wrote the session was first in the queue at that revision. What was written comes back, one after the other.
fn judge_writes(history: &[Change]) -> Vec<Value> {
    let mut queue: Vec<(u64, &str)> = Vec::new();
    let mut writes = Vec::new();
    for Change { key, revision, value } in history {
        match value {
            Some(value) if key == "jobs/sessions/deploy" => {
                let session: Value = serde_json::from_str(value).expect("JSON");
                let first = queue.iter().min().map(|(created, _)| *created);
                assert_eq!(session["baton"]["token"].as_u64(), first, "a stale write at {revision}");
                writes.push(session);
            }
            _ if !key.contains("/queue/") => {}
            None => queue.retain(|(_, queued)| queued != key),
            Some(_) if queue.iter().any(|(_, queued)| queued == key) => {}
            Some(_) => queue.push((*revision, key)),
        }
    }
    writes
}

/// Nobody did anything after a later holder had begun, nor did a step again after one behind it had begun, nor an attempt twice.
fn judge_order(deeds: &[Deed]) {
    for pair in deeds.windows(2) {
        assert!(pair[0].token <= pair[1].token, "a stale step: {pair:?}");
        assert!(pair[0].step <= pair[1].step, "out of order: {pair:?}");
    }
    for (number, deed) in deeds.iter().enumerate() {
        let is_same = |other: &Deed| {
            (other.is_end, &other.step, other.attempt) == (deed.is_end, &deed.step, deed.attempt)
        };
        assert!(!deeds[..number].iter().any(is_same), "an attempt twice: {deed:?}");
    }
}

/// Each step was completed once, by the holder that ran it to its end last, and was begun no more often than its session says: a runner can be
/// killed when it has told the session of a step that has not said anything yet, not before.
fn judge_completions(deeds: &[Deed], writes: &[Value]) {
    let last = writes.last().expect("it was written");
    assert_eq!(last["status"], "complete");
    for (number, step) in STEPS.iter().enumerate() {
        let is_complete = |session: &&Value| session["steps"][number]["status"] == "complete";
        let first = writes.iter().position(|session| is_complete(&session)).expect("complete");
        assert!(writes[first..].iter().all(|session| is_complete(&session)), "`{step}` was completed twice");
        let of_it: Vec<&Deed> = deeds.iter().filter(|deed| deed.step == *step).collect();
        let token = writes[first]["baton"]["token"].as_u64();
        let done_by = of_it.last().filter(|deed| deed.is_end).map(|deed| deed.token);
        assert_eq!(done_by, token, "`{step}` was completed by somebody else: {of_it:?}");
        let begun = of_it.iter().filter(|deed| !deed.is_end).count() as u64;
        let attempts = last["steps"][number]["attempts"].as_u64().expect("a number");
        assert!(begun <= attempts, "`{step}` was begun {begun} times: {}", last["steps"][number]);
    }
}

fn deed(is_end: bool, step: &str, attempt: u64, token: u64) -> Deed {
    Deed { is_end, step: step.to_owned(), attempt, token, machine: 0 }
}

/// Without this and those after it, the judges could be blind.
#[test]
#[should_panic(expected = "a stale step")]
fn step_of_an_earlier_holder_would_be_seen() {
    judge_order(&[deed(false, "a", 1, 3), deed(false, "a", 2, 9), deed(true, "a", 1, 3)]);
}

#[test]
#[should_panic(expected = "a stale write at 11")]
fn write_of_one_who_is_not_first_any_more_would_be_seen() {
    let change = |key: &str, revision, value: Option<&str>| Change {
        key: format!("jobs/{key}"),
        revision,
        value: value.map(str::to_owned),
    };
    let stale = r#"{"baton": {"token": 3}}"#;
    judge_writes(&[
        change("locks/deploy/queue/1", 3, Some("")),
        change("sessions/deploy", 4, Some(stale)),
        change("locks/deploy/queue/2", 9, Some("")),
        change("locks/deploy/queue/1", 10, None),
        change("sessions/deploy", 11, Some(stale)),
    ]);
}

/// What a holder with the token 3 wrote, which had started `a` once.
fn write_of_3() -> Value {
    serde_json::json!({
        "baton": { "token": 3 },
        "status": "complete",
        "steps": [{ "status": "complete", "attempts": 1 }],
    })
}

#[test]
#[should_panic(expected = "`a` was completed by somebody else")]
fn completion_of_a_step_that_another_one_ran_would_be_seen() {
    judge_completions(&[deed(false, "a", 1, 2), deed(true, "a", 1, 2)], &[write_of_3()]);
}

#[test]
#[should_panic(expected = "`a` was begun 2 times")]
fn step_that_ran_more_often_than_its_session_says_would_be_seen() {
    judge_completions(
        &[deed(false, "a", 1, 2), deed(false, "a", 2, 3), deed(true, "a", 2, 3)],
        &[write_of_3()],
    );
}
