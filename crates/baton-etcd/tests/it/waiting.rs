//! Waits that are given up, and places that are lost.

use nix::sys::signal::Signal;

use crate::{
    contender::Contender,
    servers::{self, Cluster},
};

#[test]
fn wait_that_is_given_up_leaves_no_key_and_no_lease() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 30);
    holder.lock();
    let mut waiter = Contender::start(&url, "a", 30);
    for order in ["try", "lock-within 0", "lock-within 1", "lock-cancelled"] {
        assert_eq!(waiter.ask(order), "busy held", "{order}");
        assert_eq!(cluster.ctl(&["lease", "list"]).lines().next(), Some("found 1 leases"), "{order}");
    }
    assert_eq!(holder.ask("release"), "released");
    waiter.tell("lock-within 1");
    assert_eq!(waiter.got().recovered, None);
}

#[test]
fn hold_that_is_undone_leaves_what_it_found() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let mut contender = Contender::start(&cluster.url("jobs"), "a", 30);
    assert_eq!(contender.lock().recovered, None);
    assert_eq!(contender.ask("undo"), "released");
    let got = contender.lock();
    assert_eq!(got.recovered, None);
    assert_eq!(contender.ask("abandon"), "released");
    for _ in 0..2 {
        assert_eq!(contender.lock().recovered, Some(got.token));
        assert_eq!(contender.ask("undo"), "released");
    }
    assert_eq!(contender.ask("status"), format!("left_over {} 0", got.token));
}

#[test]
fn waiter_stopped_for_longer_than_its_lease_waits_again_at_the_end_of_the_queue() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 30);
    holder.lock();
    let mut stopped = Contender::start(&url, "a", 5);
    stopped.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    stopped.signal(Signal::SIGSTOP);
    // Until its lease has run out.
    cluster.await_keys("jobs/locks/a/queue/", 1);
    let mut later = Contender::start(&url, "a", 30);
    later.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    stopped.signal(Signal::SIGCONT);
    cluster.await_keys("jobs/locks/a/queue/", 3);
    assert_eq!(holder.ask("release"), "released");
    later.got();
    assert!(stopped.is_silent());
    assert_eq!(later.ask("release"), "released");
    assert_eq!(stopped.got().recovered, None);
}
