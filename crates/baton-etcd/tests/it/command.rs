//! The command on a store that is an etcd cluster: the same as on a directory, and what only one of the two can do.

use std::{fs, path::Path, process::Command};

use baton_itest::{
    command::{Ended, Running, ended, without_notice},
    footprint::names_in,
    places::temporary,
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::servers::{self, Cluster};

/// The command as a machine with that state directory has it.
fn command(cluster: &Cluster, machine: &Path, words: &[&str]) -> Command {
    let mut command = without_notice(Command::new(env!("CARGO_BIN_EXE_baton-etcd")));
    command.env("BATON_DIR", machine).env("BATON_STORE", cluster.url("jobs")).args(words);
    command
}

fn json(command: Command) -> Value {
    let Ended { out, err, .. } = ended(command);
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

/// A job that says `in`, and ends when its input does.
const OBEDIENT: [&str; 3] = ["sh", "-c", "echo in; exec cat"];

fn run<'a>(options: &[&'a str], job: &[&'a str]) -> Vec<&'a str> {
    [&["run"], options, &["deploy", "--"], job].concat()
}

#[test]
fn job_is_told_store_name_and_the_token_that_etcd_knows_and_others_are_told_of_it() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    let said = ["sh", "-c", "echo $BATON_LOCK $BATON_TOKEN $BATON_OUTCOME; exec cat"];
    let mut running = Running::start(command(&cluster, machine.path(), &run(&["--purpose", "p 1"], &said)));
    let line = running.says();
    let keys = cluster.ctl(&["get", "--prefix", "jobs/locks/deploy/queue/", "-w", "json"]);
    let keys: Value = serde_json::from_str(&keys).expect("JSON");
    let token = keys["kvs"][0]["create_revision"].as_u64().expect("a number");
    assert_eq!(line, format!("{}/deploy {token} fresh", cluster.url("jobs")));

    let seen = json(command(&cluster, machine.path(), &["status", "--json", "deploy"]));
    assert_eq!((&seen["state"], &seen["naming"]), (&"held".into(), &Value::Null));
    assert_eq!(seen["store"], cluster.url("jobs"));
    assert_eq!(seen["lease"]["grantedMs"], 10_000);
    assert_eq!(
        (&seen["record"]["baton"]["token"], &seen["record"]["baton"]["purpose"]),
        (&token.into(), &"p 1".into())
    );
    let listed = json(command(&cluster, machine.path(), &["list", "--json"]));
    assert_eq!(listed["locks"][0]["lock"], format!("{}/deploy", cluster.url("jobs")));
    for words in
        [&["run", "-n", "deploy", "--", "true"][..], &["wait", "-n", "deploy"], &["status", "deploy"]]
    {
        assert_eq!(ended(command(&cluster, machine.path(), words)).code, Some(75), "{words:?}");
    }
    assert_eq!(running.end().code, Some(0));
    assert_eq!(ended(command(&cluster, machine.path(), &["wait", "deploy"])).code, Some(0));
    assert_eq!(cluster.ctl(&["get", "--prefix", "", "--keys-only"]), "");
}

/// The other one has left its parent, its session and its group, and does not listen to SIGTERM. That both are gone is seen by the end
/// of what they can write to.
#[test]
fn job_of_a_hold_that_was_broken_is_ended_with_all_that_it_started_and_exit_code_76() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    let job = "(setsid sh -c 'trap \"\" TERM; echo beside; while :; do sleep 1; done' &)
        trap 'echo told' TERM; echo in; while :; do sleep 0.1; done";
    let mut running =
        Running::start(command(&cluster, machine.path(), &run(&["--lease", "4s"], &["sh", "-c", job])));
    let mut said = [running.says(), running.says()];
    said.sort();
    assert_eq!(said, ["beside", "in"]);
    let seen = json(command(&cluster, machine.path(), &["status", "--json", "deploy"]));
    let token = seen["record"]["baton"]["token"].to_string();
    let broken = ended(command(&cluster, machine.path(), &["break", "deploy", "--token", &token]));
    assert_eq!(broken.code, Some(0), "{}", broken.err);
    let Ended { code, out, err, .. } = running.ends();
    assert_eq!((code, out.as_str()), (Some(76), "told\n"), "{err}");
    assert!(err.contains(" is lost: ") && err.contains("the job is told to end"), "{err}");
    let seen = json(command(&cluster, machine.path(), &["status", "--json", "deploy"]));
    assert_eq!(seen["state"], "left_over");
}

#[test]
fn clean_up_whose_lock_is_lost_is_ended_and_the_job_does_not_run() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    ended(command(&cluster, machine.path(), &run(&[], &["sh", "-c", "kill -KILL $$"])));
    let options = ["--lease", "4s", "--on-recovered", "echo in; exec sleep 1000"];
    let mut running = Running::start(command(&cluster, machine.path(), &run(&options, &["echo", "job"])));
    assert_eq!(running.says(), "in");
    let seen = json(command(&cluster, machine.path(), &["status", "--json", "deploy"]));
    let token = seen["record"]["baton"]["token"].to_string();
    ended(command(&cluster, machine.path(), &["break", "deploy", "--token", &token]));
    let Ended { code, out, err, .. } = running.ends();
    assert_eq!((code, out.as_str()), (Some(76), ""), "{err}");
}

#[test]
fn runner_stopped_for_longer_than_its_lease_ends_its_job_when_it_wakes_and_leaves_the_next_one_alone() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    let mut first = Running::start(command(&cluster, machine.path(), &run(&["--lease", "2s"], &OBEDIENT)));
    assert_eq!(first.says(), "in");
    first.send(Signal::SIGSTOP);
    let mut second = Running::start(command(&cluster, machine.path(), &run(&["-q"], &OBEDIENT)));
    assert_eq!(second.says(), "in");
    first.send(Signal::SIGCONT);
    let Ended { code, err, .. } = first.ends();
    assert_eq!(code, Some(76), "{err}");
    let seen = json(command(&cluster, machine.path(), &["status", "--json", "deploy"]));
    assert_eq!(seen["record"]["pid"], second.pid());
    assert_eq!(second.end().code, Some(0));
}

/// The job has no part in the hold: it must not outlive who keeps that.
#[test]
fn runner_that_is_killed_takes_its_job_along_and_the_next_one_is_recovered() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    let job = ["sh", "-c", "echo in; exec sleep 1000"];
    let mut first = Running::start(command(&cluster, machine.path(), &run(&["--lease", "2s"], &job)));
    assert_eq!(first.says(), "in");
    let pid = first.pid();
    first.send(Signal::SIGKILL);
    let Ended { signal, out, .. } = first.ends();
    assert_eq!((signal, out.as_str()), (Some(9), ""), "nobody is left who could write");
    let say = ["sh", "-c", "echo $BATON_OUTCOME $BATON_PREVIOUS"];
    let next = ended(command(&cluster, machine.path(), &run(&["-q"], &say)));
    let (outcome, previous) = next.out.split_once(' ').expect("two words");
    let previous: Value = serde_json::from_str(previous).expect("JSON");
    assert_eq!((outcome, &previous["pid"]), ("recovered", &pid.into()));
}

const PLAN: &str = r#"version = 1
name = "deploy"
[[step]]
id = "a"
run = "echo a >>$EFFECTS"
[[step]]
id = "b"
run = "echo b${BATON_ATTEMPT} >>$EFFECTS; echo in; if test $BATON_ATTEMPT = 1; then exec sleep 1000; fi"
[[step]]
id = "c"
run = "echo c >>$EFFECTS"
"#;

/// A plan, what its steps have done, and two machines.
struct Job {
    cluster: Cluster,
    place: tempfile::TempDir,
}

impl Job {
    fn new() -> Self {
        let place = temporary();
        fs::write(place.path().join("p.toml"), PLAN).expect("written");
        Self { cluster: Cluster::start(1, &[]), place }
    }

    fn command(&self, machine: &str, words: &[&str]) -> Command {
        let mut command = command(&self.cluster, &self.place.path().join(machine), words);
        command.current_dir(self.place.path()).env("EFFECTS", self.place.path().join("effects"));
        command
    }

    fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.place.path().join("effects")).expect("written");
        text.lines().map(str::to_owned).collect()
    }

    /// The first runner in the middle of step `b`.
    fn begun(&self) -> Running {
        let words = ["apply", "-v", "--lease", "2s", "p.toml"];
        let mut running = Running::start(self.command("one", &words));
        loop {
            match running.says() {
                line if line == "in" => return running,
                line if line.is_empty() => panic!("{}", running.end().err),
                _ => {}
            }
        }
    }
}

#[test]
fn plan_whose_runner_was_killed_is_carried_on_by_another_machine_where_it_stopped() {
    if !servers::is_there() {
        return;
    }
    let job = Job::new();
    let first = job.begun();
    first.send(Signal::SIGKILL);
    drop(first);
    let resumed = ended(job.command("two", &["apply", "--resume", "p.toml"]));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(
        resumed.err.contains("recovered") && resumed.err.contains("was killed while step `b` ran"),
        "{}",
        resumed.err
    );
    assert_eq!(job.effects(), ["a", "b1", "b2", "c"]);
    let shown = json(job.command("three", &["session", "export", "deploy"]));
    assert_eq!(shown["session"]["status"], "complete");
    // What a step printed is where it ran.
    assert_eq!(ended(job.command("two", &["session", "log", "deploy", "c"])).code, Some(0));
    assert_eq!(ended(job.command("three", &["session", "log", "deploy", "c"])).code, Some(65));
    assert_eq!(names_in(&job.place.path().join("two")), ["etcd"]);
    let reset = ended(job.command("three", &["session", "reset", "--yes", "deploy"]));
    assert_eq!(reset.code, Some(0), "{}", reset.err);
    assert_eq!(ended(job.command("three", &["session", "show", "deploy"])).code, Some(65));
}

#[test]
fn runner_of_a_plan_that_was_stopped_beyond_its_lease_ends_its_step_and_writes_nothing() {
    if !servers::is_there() {
        return;
    }
    let job = Job::new();
    let first = job.begun();
    first.send(Signal::SIGSTOP);
    let resumed = ended(job.command("two", &["apply", "--resume", "p.toml"]));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let exported = |machine| json(job.command(machine, &["session", "export", "deploy"]));
    let before = exported("two");
    first.send(Signal::SIGCONT);
    let Ended { code, err, .. } = first.ends();
    assert_eq!(code, Some(76), "{err}");
    assert!(err.contains(" was lost while step `b` ran, which was ended: "), "{err}");
    assert_eq!(exported("two")["session"], before["session"]);
}

#[test]
fn what_only_a_directory_can_do_is_refused_and_says_so() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    for (words, code, said) in [
        (&["run", "--exec", "a", "--", "true"][..], 2, "`--exec` takes a job that has a part in its lock"),
        (&["run", "--until-closed", "a", "--", "true"], 2, "`--until-closed` takes a job"),
        (&["run", "--flock", "a", "--", "true"], 2, "--flock is for locks that are files"),
        (&["status", "--allow-fs", "nfs", "a"], 2, "--allow-fs is for locks that are files"),
        (&["run", "./a", "--", "true"], 2, "`./a` can't name a lock"),
        (&["prune"], 69, "pruning, which a store with leases does by itself, is for directories"),
        (&["list", "."], 69, "DIR is for directories"),
        (&["doctor", "."], 69, "DIR is for directories"),
    ] {
        let ended = ended(command(&cluster, machine.path(), words));
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{words:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{words:?}: {}", ended.err);
    }
    assert_eq!(cluster.ctl(&["get", "--prefix", "", "--keys-only"]), "");
}

#[test]
fn doctor_says_whether_a_lock_can_be_had_in_the_cluster() {
    if !servers::is_there() {
        return;
    }
    let (mut cluster, machine) = (Cluster::start(3, &[]), temporary());
    let seen = json(command(&cluster, machine.path(), &["doctor", "--json"]));
    assert_eq!((&seen["isFit"], &seen["store"]), (&true.into(), &cluster.url("jobs").into()), "{seen}");
    cluster.kill(0);
    cluster.kill(1);
    let Ended { code, out, err, .. } = ended(command(&cluster, machine.path(), &["doctor"]));
    assert_eq!(code, Some(69), "{out}{err}");
    assert!(out.contains("\nno lock can be had in") || err.contains("etcd"), "{out}{err}");
}

#[test]
fn run_inside_a_job_that_holds_the_same_lock_is_refused_and_not_waited_for_by_itself() {
    if !servers::is_there() {
        return;
    }
    let (cluster, machine) = (Cluster::start(1, &[]), temporary());
    let inner = [env!("CARGO_BIN_EXE_baton-etcd"), "run", "deploy", "--", "true"];
    let Ended { code, err, .. } = ended(command(&cluster, machine.path(), &run(&[], &inner)));
    assert_eq!(code, Some(75));
    assert!(err.contains("waiting for it would never end"), "{err}");
}
