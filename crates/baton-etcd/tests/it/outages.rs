//! Members that are killed, stop answering, or were never there.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    thread,
};

use nix::sys::signal::Signal;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use crate::{
    contender::Contender,
    servers::{self, Cluster, free_ports},
};

#[test]
fn holder_keeps_its_lock_when_a_member_and_then_the_leader_are_killed_and_started_again() {
    if !servers::is_there() {
        return;
    }
    let mut cluster = Cluster::start(3, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 20);
    let got = holder.lock();
    let mut waiter = Contender::start(&url, "a", 20);
    waiter.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    cluster.kill(follower);
    assert_eq!(Contender::start(&url, "a", 20).ask("try"), "busy held");
    cluster.restart(follower);
    cluster.await_ready(follower);
    cluster.kill(leader);
    assert_eq!(Contender::start(&url, "a", 20).ask("try"), "busy held");
    assert_eq!(holder.ask("verify"), "intact");
    assert!(waiter.is_silent());
    assert_eq!(holder.ask("release"), "released");
    let next = waiter.got();
    assert!(next.recovered.is_none() && next.token > got.token);
    assert_eq!(waiter.ask("release"), "released");
}

#[test]
fn holder_without_a_quorum_is_told_that_it_is_lost_and_its_successor_comes_with_the_quorum() {
    if !servers::is_there() {
        return;
    }
    let mut cluster = Cluster::start(3, &[]);
    let url = cluster.url("jobs");
    let mut holder = Contender::start(&url, "a", 6);
    let got = holder.lock();
    let mut waiter = Contender::start(&url, "a", 6);
    waiter.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    cluster.kill(1);
    cluster.kill(2);
    let answer = holder.ask("await-loss");
    assert!(answer.starts_with("lost: its lease could not be renewed in time"), "{answer}");
    let refused = Contender::start(&url, "a", 4).failure();
    assert!(refused.contains("has no quorum"), "{refused}");
    assert!(waiter.is_silent());
    cluster.restart(1);
    cluster.restart(2);
    assert_eq!(waiter.got().recovered, Some(got.token));
    assert!(holder.ask("release").starts_with("error: the lock `a` is lost"));
    assert_eq!(waiter.ask("release"), "released");
}

#[test]
fn holder_is_renewed_by_another_member_while_the_one_that_it_asks_first_hangs() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(3, &[]);
    let mut holder = Contender::start(&cluster.url("jobs"), "a", 10);
    holder.lock();
    cluster.signal(0, Signal::SIGSTOP);
    // Longer than its lease: another one of that length comes and goes meanwhile.
    let others = cluster.url_of(&[1, 2], "jobs");
    let mut dead = Contender::start(&others, "b", 10);
    let died = dead.lock();
    dead.kill();
    let mut other = Contender::start(&others, "b", 30);
    assert_eq!(other.lock().recovered, Some(died.token));
    assert_eq!(holder.ask("verify"), "intact");
    cluster.signal(0, Signal::SIGCONT);
}

#[test]
fn endpoint_that_nobody_listens_at_is_reported_as_unreachable() {
    let [port] = free_ports(1)[..] else { unreachable!("one was asked for") };
    let refused = Contender::start(&format!("etcd://127.0.0.1:{port}/jobs"), "a", 4).failure();
    assert!(refused.contains("etcd can't be reached at 127.0.0.1"), "{refused}");
}

#[test]
fn endpoint_that_accepts_and_says_nothing_is_reported_as_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let refused = Contender::start(&format!("etcd://127.0.0.1:{port}/jobs"), "a", 4).failure();
    assert!(refused.contains("accepts connections but does not answer"), "{refused}");
}

#[test]
fn endpoint_that_drops_what_it_is_sent_is_reported_as_unreachable() {
    // One connection at most waits to be accepted, and nobody accepts it: each further attempt is dropped.
    let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    let full = net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    net::bind(&full, &any).expect("bound");
    net::listen(&full, 0).expect("it listens");
    let address = SocketAddrV4::try_from(net::getsockname(&full).expect("bound")).expect("of IPv4");
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let socket =
                net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None);
            let socket = socket.expect("a socket");
            let _ = net::connect(&socket, &address);
            socket
        })
        .collect();
    let refused = Contender::start(&format!("etcd://{address}/jobs"), "a", 4).failure();
    assert!(refused.contains("can't be reached") && refused.contains("not answered"), "{refused}");
    drop(waiting);
}

#[test]
fn server_that_speaks_something_else_is_reported_as_no_etcd() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // It ends with the test's process.
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let refused = Contender::start(&format!("etcd://127.0.0.1:{port}/jobs"), "a", 4).failure();
    assert!(refused.contains("is no etcd of version 3.4 or later"), "{refused}");
}
