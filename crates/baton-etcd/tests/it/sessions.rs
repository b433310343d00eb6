//! Sessions: what the holder writes is there for the next one, and nobody else can write.

use nix::sys::signal::Signal;

use crate::{
    contender::Contender,
    servers::{self, Cluster},
};

#[test]
fn what_a_killed_holder_wrote_is_there_for_the_one_that_recovers() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut first = Contender::start(&url, "a", 5);
    let got = first.lock();
    assert_eq!(first.ask("read"), "none");
    assert_eq!(first.ask("open"), "open");
    assert_eq!(first.ask("write one"), "written");
    assert_eq!(first.ask("write two"), "written");
    first.kill();
    let mut second = Contender::start(&url, "a", 30);
    let next = second.lock();
    assert_eq!(next.recovered, Some(got.token));
    assert_eq!(second.ask("read"), format!("two {}", got.token));
    assert_eq!(second.ask("open"), "open");
    assert_eq!(second.ask("write three"), "written");
    assert_eq!(second.ask("read"), format!("three {}", next.token));
    assert_eq!(second.ask("set-aside"), "done");
    assert_eq!(second.ask("read"), "none");
    assert_eq!(second.ask("open"), "open");
    assert_eq!(second.ask("write four"), "written");
    assert_eq!(second.ask("remove"), "done");
    assert_eq!(second.ask("read"), "none");
}

#[test]
fn holder_stopped_for_longer_than_its_lease_writes_nothing_when_it_wakes() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut stopped = Contender::start(&url, "a", 5);
    stopped.lock();
    assert_eq!(stopped.ask("open"), "open");
    assert_eq!(stopped.ask("write one"), "written");
    stopped.signal(Signal::SIGSTOP);
    let mut next = Contender::start(&url, "a", 30);
    let got = next.lock();
    assert_eq!(next.ask("open"), "open");
    assert_eq!(next.ask("write two"), "written");
    stopped.tell("write stale");
    stopped.signal(Signal::SIGCONT);
    let answer = stopped.answer();
    assert!(answer.starts_with("error: the lock of session") && answer.contains("was lost"), "{answer}");
    for order in ["set-aside", "remove"] {
        let answer = stopped.ask(order);
        assert!(answer.contains("was lost"), "{answer}");
    }
    assert_eq!(next.ask("read"), format!("two {}", got.token));
    assert_eq!(next.ask("write three"), "written");
}

#[test]
fn holder_that_has_not_heard_yet_that_its_key_is_gone_can_not_write_either() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    // It renews every 30 seconds only, so that it can't hear of it within this test.
    let mut holder = Contender::start(&url, "a", 120);
    holder.lock();
    assert_eq!(holder.ask("open"), "open");
    assert_eq!(holder.ask("write one"), "written");
    cluster.ctl(&["del", "--prefix", "jobs/locks/a/queue/"]);
    let mut next = Contender::start(&url, "a", 120);
    let got = next.lock();
    assert_eq!(next.ask("open"), "open");
    assert_eq!(next.ask("write two"), "written");
    assert_eq!(holder.ask("verify"), "intact");
    for order in ["write stale", "set-aside", "remove"] {
        let answer = holder.ask(order);
        assert!(answer.contains("etcd no longer has this holder's key"), "{order}: {answer}");
    }
    assert_eq!(next.ask("read"), format!("two {}", got.token));
}

#[test]
fn session_that_is_larger_than_a_request_may_be_is_refused_and_the_one_before_it_stays() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let mut holder = Contender::start(&cluster.url("jobs"), "a", 30);
    let got = holder.lock();
    assert_eq!(holder.ask("open"), "open");
    assert_eq!(holder.ask("write-large 1500000"), "written");
    assert_eq!(holder.ask("write small"), "written");
    let answer = holder.ask("write-large 1600000");
    assert!(answer.contains("more than the 1556480 that it may have"), "{answer}");
    assert_eq!(holder.ask("read"), format!("small {}", got.token));
}

#[test]
fn list_has_each_lock_once_and_doctor_tells_of_the_release() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut one = Contender::start(&url, "one", 30);
    one.lock();
    let mut two = Contender::start(&url, "two", 30);
    two.lock();
    assert_eq!(two.ask("abandon"), "released");
    assert_eq!(two.ask("list"), "one two");
    assert_eq!(two.ask("status"), two.ask("status"));
    let doctor = two.ask("doctor");
    let version = cluster.version();
    let is_old = version.starts_with("3.4.2");
    assert_eq!(doctor.contains(&format!("has {version}")), is_old, "{doctor}");
    assert!(!doctor.contains("Fails"), "{doctor}");
}
