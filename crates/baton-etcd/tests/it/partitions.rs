//! A holder that is cut off from the cluster, while everybody else is not: what it sends and what is sent to it gets lost, and no connection
//! breaks.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use baton_itest::{fifo::Fifo, places::temporary};

use crate::{
    contender::Contender,
    machines::{CLUSTER, Machine, with_machines},
    servers::{self, Cluster},
};

/// Passes connections on to a server, unless it is closed: then everything waits.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Passes on to this server; at which port.
    fn open_to(&self, server: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (server, gate) = (server.to_owned(), self.clone());
        // It ends with the test's process: nobody can tell it that no connection comes any more.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).expect("connected");
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
                    let gate = gate.clone();
                    thread::spawn(move || gate.pass(from, to));
                }
            }
        });
        port
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16384];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let (is_closed, changed) = &*self.0;
            let closed = is_closed.lock().expect("nobody panicked");
            drop(changed.wait_while(closed, |is_closed| *is_closed).expect("nobody panicked"));
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
    }

    fn set_closed(&self, is_closed: bool) {
        *self.0.0.lock().expect("nobody panicked") = is_closed;
        self.0.1.notify_all();
    }
}

#[test]
fn holder_that_is_cut_off_knows_that_it_is_lost_before_another_one_holds_and_can_not_write_when_it_is_back() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let gate = Gate::default();
    let port = gate.open_to(&cluster.endpoint(0));
    // A quarter of it, three seconds, is what the holder has to be late by for this to fail wrongly.
    let mut holder = Contender::start(&format!("etcd://127.0.0.1:{port}/jobs"), "a", 12);
    let got = holder.lock();
    assert_eq!(holder.ask("open"), "open");
    assert_eq!(holder.ask("write one"), "written");
    let mut next = Contender::start(&cluster.url("jobs"), "a", 30);
    next.tell("lock");
    cluster.await_keys("jobs/locks/a/queue/", 2);
    gate.set_closed(true);
    let answer = holder.ask("await-loss");
    assert!(
        answer.starts_with("lost: its lease could not be renewed in time (no answer in time)"),
        "{answer}"
    );
    assert!(next.is_silent(), "another one held before this one knew");
    assert_eq!(next.got().recovered, Some(got.token));
    assert_eq!(next.ask("open"), "open");
    gate.set_closed(false);
    let answer = holder.ask("write stale");
    assert!(answer.contains("was lost"), "{answer}");
    assert!(holder.ask("release").starts_with("error: the lock `a` is lost"));
    assert_eq!(next.ask("write two"), "written");
    assert_eq!(next.ask("verify"), "intact");
    assert_eq!(next.ask("release"), "released");
}

/// A job that does not end when it is told to. Of each line that it writes, the kernel knows what was written before.
const STUBBORN: &str = "trap 'echo told >$ORACLE' TERM; echo in $BATON_OUTCOME >$ORACLE
    while :; do echo on >$ORACLE; sleep 0.05; done";

/// The lease is so long that from the end of the job's five seconds of grace to the end of the lease there is one more.
const RUNNERS: [&str; 2] = [
    "{ baton-etcd run -q --lease 24s deploy -- sh -c \"$JOB\" 2>/dev/null; echo code $? >$ORACLE; } &",
    "baton-etcd run -q deploy -- sh -c 'echo next $BATON_OUTCOME >$ORACLE' &",
];

#[test]
fn job_of_a_machine_whose_link_is_down_is_told_to_end_and_killed_before_another_one_recovers() {
    if servers::is_there() {
        with_machines(job_is_ended_in_time);
    }
}

fn job_is_ended_in_time() {
    let (cluster, place) = (Cluster::start_at(CLUSTER, 1), temporary());
    let fifo = Fifo::new(place.path().join("oracle"));
    let mut oracle = fifo.written();
    let mut says = || oracle.line().expect("the test has the other end too");
    let url = cluster.url("jobs");
    let oracle = fifo.path().to_str().expect("UTF-8");
    let variables = [("BATON_STORE", url.as_str()), ("ORACLE", oracle), ("JOB", STUBBORN)];
    let mut machines = [1, 2].map(|number| Machine::start(number, place.path(), &variables));
    machines[0].tell(RUNNERS[0]);
    assert_eq!(says(), "in fresh");
    machines[1].tell(RUNNERS[1]);
    cluster.await_keys("jobs/locks/deploy/queue/", 2);
    machines[0].link(false);
    let (mut order, mut codes) = (Vec::new(), Vec::new());
    while order.last().is_none_or(|line| line != "next recovered") || codes.is_empty() {
        let line = says();
        let is_code = line.starts_with("code");
        assert!(is_code || !order.contains(&"next recovered".to_owned()), "the job goes on: {line}");
        if is_code { &mut codes } else { &mut order }.push(line);
    }
    order.dedup();
    assert_eq!(order, ["on", "told", "on", "next recovered"]);
    assert_eq!(codes, ["code 76"]);
}
