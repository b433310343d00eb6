//! Breaking a hold from elsewhere: never two holders, whether or not the one who is broken hears of it.

use nix::sys::signal::Signal;

use crate::{
    contender::Contender,
    servers::{self, Cluster},
};

#[test]
fn broken_holder_is_told_and_the_next_one_holds_only_after_it_has_let_go() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    // A lease that is far longer than the test: only letting go makes room for the next one.
    let mut holder = Contender::start(&url, "a", 40);
    let got = holder.lock();
    let mut next = Contender::start(&url, "a", 40);
    next.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    let mut breaker = Contender::start(&url, "a", 40);
    assert_eq!(breaker.ask("status"), format!("held {} 1", got.token));
    assert_eq!(breaker.ask(&format!("break {}", got.token + 1)), "other token");
    breaker.tell(&format!("break {}", got.token));
    let told = holder.ask("await-loss");
    assert!(told.starts_with("lost: etcd no longer has"), "{told}");
    assert!(next.is_silent() && breaker.is_silent());
    assert_eq!(Contender::start(&url, "a", 40).ask("try"), "busy held");
    assert!(holder.ask("release").starts_with("error: the lock `a` is lost"));
    // Three quarters of its lease are still to come.
    assert_eq!(cluster.ctl(&["get", "jobs/locks/a/fence"]), "");
    assert_eq!(breaker.answer(), "ended");
    assert_eq!(next.got().recovered, Some(got.token));
    assert_eq!(breaker.ask(&format!("break {}", got.token)), "other token");
    assert_eq!(next.ask("release"), "released");
    assert_eq!(breaker.ask("status"), "free 0 0");
    assert_eq!(breaker.ask("break 1"), "already ended");
}

#[test]
fn holder_that_can_not_hear_of_it_is_broken_after_its_lease_at_the_latest() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 5);
    let got = holder.lock();
    holder.signal(Signal::SIGSTOP);
    let mut breaker = Contender::start(&url, "a", 30);
    assert_eq!(breaker.ask(&format!("break {}", got.token)), "ended");
    assert_eq!(breaker.lock().recovered, Some(got.token));
    holder.tell("verify");
    holder.signal(Signal::SIGCONT);
    assert!(holder.answer().starts_with("lost: "));
    assert_eq!(breaker.ask("verify"), "intact");
}

#[test]
fn fence_of_a_breaker_that_died_in_between_keeps_the_lock_for_a_lease_and_no_longer() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    // As the first transaction of a break leaves it.
    cluster.ctl(&["put", "jobs/locks/a/fence", "7 2"]);
    let mut newcomer = Contender::start(&url, "a", 30);
    assert_eq!(newcomer.ask("try"), "busy held");
    // The look has given the fence its lease: without it, it would stay.
    assert_eq!(cluster.ctl(&["lease", "list"]).lines().next(), Some("found 1 leases"));
    assert_eq!(newcomer.lock().recovered, None);
    assert_eq!(cluster.ctl(&["get", "jobs/locks/a/fence"]), "");
}

#[test]
fn waiter_that_has_long_been_told_gives_a_lease_to_the_fence_of_a_breaker_that_died() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 5);
    let got = holder.lock();
    let keys = cluster.ctl(&["get", "--prefix", "jobs/locks/a/queue/", "--keys-only"]);
    let mut waiter = Contender::start(&url, "a", 30);
    waiter.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    // In this order, so that the waiter never finds neither.
    cluster.ctl(&["put", "jobs/locks/a/fence", &format!("{} 2", got.token)]);
    cluster.ctl(&["del", keys.trim()]);
    assert_eq!(waiter.got().recovered, Some(got.token));
    assert!(holder.ask("verify").starts_with("lost: "));
}
