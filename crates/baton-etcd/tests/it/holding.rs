//! Acquiring, holding and losing, with processes that are killed and stopped.

use nix::sys::signal::Signal;

use crate::{
    contender::{Contender, Got},
    servers::{self, Cluster},
};

#[test]
fn lock_released_cleanly_is_fresh_for_the_next_one_with_a_higher_token_and_leaves_no_key() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut first = Contender::start(&url, "a", 10);
    let got = first.lock();
    assert_eq!(got.recovered, None);
    let mut second = Contender::start(&url, "a", 10);
    assert_eq!(second.ask("try"), "busy held");
    assert_eq!(first.ask("verify"), "intact");
    assert_eq!(first.ask("release"), "released");
    second.tell("try");
    let next = second.got();
    assert!(next.token > got.token && next.recovered.is_none(), "{next:?} after {got:?}");
    assert_eq!(second.ask("release"), "released");
    assert_eq!(cluster.ctl(&["get", "--prefix", "", "--keys-only"]), "");
    assert_eq!(cluster.ctl(&["lease", "list"]).trim(), "found 0 leases");
}

#[test]
fn lock_abandoned_or_left_by_a_killed_holder_is_recovered_until_somebody_releases_it() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut first = Contender::start(&url, "a", 5);
    let got = first.lock();
    assert_eq!(first.ask("abandon"), "released");
    let abandoned = first.lock();
    assert_eq!(abandoned.recovered, Some(got.token));
    first.kill();
    let mut second = Contender::start(&url, "a", 30);
    let killed = second.lock();
    assert_eq!(killed.recovered, Some(abandoned.token));
    assert_eq!(second.ask("release"), "released");
    assert_eq!(second.lock().recovered, None);
}

#[test]
fn waiters_get_the_lock_in_the_order_in_which_they_came_though_one_of_them_is_killed() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 30);
    holder.lock();
    let mut waiters: Vec<Contender> = (0..4)
        .map(|count| {
            // The one that is killed is not waited for longer than that.
            let lease = if count == 1 { 5 } else { 30 };
            let mut waiter = Contender::start(&url, "a", lease);
            waiter.tell("lock");
            cluster.await_keys("jobs/locks/a/queue/", 2 + count);
            waiter
        })
        .collect();
    waiters.remove(1).kill();
    assert_eq!(holder.ask("release"), "released");
    for index in 0..3 {
        let Got { recovered, .. } = waiters[index].got();
        assert_eq!(recovered, None);
        assert!(waiters[index + 1..].iter().all(Contender::is_silent));
        assert_eq!(waiters[index].ask("release"), "released");
    }
}

#[test]
fn holder_stopped_for_longer_than_its_lease_says_so_when_it_wakes_and_leaves_the_next_one_alone() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut stopped = Contender::start(&url, "a", 5);
    let got = stopped.lock();
    stopped.signal(Signal::SIGSTOP);
    let mut next = Contender::start(&url, "a", 30);
    assert_eq!(next.lock().recovered, Some(got.token));
    stopped.tell("verify");
    stopped.signal(Signal::SIGCONT);
    let answer = stopped.answer();
    assert!(answer.starts_with("lost: "), "{answer}");
    let released = stopped.ask("release");
    assert!(released.starts_with("error: the lock `a` is lost"), "{released}");
    assert_eq!(next.ask("verify"), "intact");
    assert_eq!(next.ask("release"), "released");
}

#[test]
fn holder_whose_lease_is_revoked_is_told_without_asking() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let mut holder = Contender::start(&cluster.url("jobs"), "a", 4);
    holder.lock();
    let list = cluster.ctl(&["lease", "list"]);
    let lease = list.lines().nth(1).expect("one lease");
    cluster.ctl(&["lease", "revoke", lease]);
    let answer = holder.ask("await-loss");
    assert!(answer.starts_with("lost: etcd no longer has"), "{answer}");
}
