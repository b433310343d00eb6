//! Answers that get lost: the connection breaks after etcd has carried a request out and before its answer is here, once, at every
//! place of a whole life from acquiring to releasing.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    contender::{Contender, Got},
    servers::{self, Cluster},
};

/// More than there are pieces of answers in such a life.
const MOST: usize = 200;

/// Passes connections on to a server, and breaks one of them instead of passing on one piece of what the server says.
struct Cutter {
    port: u16,
    /// How many pieces are still to be passed on before that.
    left: Arc<AtomicUsize>,
}

impl Cutter {
    fn start(server: &str, pieces: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let left = Arc::new(AtomicUsize::new(pieces));
        let (server, counter) = (server.to_owned(), Arc::clone(&left));
        // It ends with the test's process: nobody can tell it that no connection comes any more.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).expect("connected");
                let (from_client, to_client) = (client.try_clone().expect("cloned"), client);
                let (from_server, to_server) = (server.try_clone().expect("cloned"), server);
                let counter = Arc::clone(&counter);
                thread::spawn(move || pass(from_client, to_server, || true));
                thread::spawn(move || {
                    let is_passed = || {
                        let one_less = |left: usize| left.checked_sub(1);
                        counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less) != Ok(1)
                    };
                    pass(from_server, to_client, is_passed);
                });
            }
        });
        Self { port, left }
    }

    fn has_cut(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

/// Passes on what comes, as long as it is to be.
fn pass(mut from: TcpStream, mut to: TcpStream, mut is_passed: impl FnMut() -> bool) {
    let mut buffer = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !is_passed() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Lets a contender live through a cutter that cuts ever later, until there is nothing left to cut.
fn at_every_piece(cluster: &Cluster, mut acquire: impl FnMut(&mut Contender) -> Got) {
    let mut last = 0;
    for pieces in 1..MOST {
        let cutter = Cutter::start(&cluster.endpoint(0), pieces);
        let url = format!("etcd://127.0.0.1:{}/jobs", cutter.port);
        let mut contender = Contender::start(&url, "a", 60);
        let Got { token, recovered } = acquire(&mut contender);
        assert!(recovered.is_none() && token > last, "at {pieces}: {token} after {last}, {recovered:?}");
        last = token;
        for (order, answer) in [("open", "open"), ("write one", "written"), ("write two", "written")] {
            assert_eq!(contender.ask(order), answer, "at {pieces}");
        }
        assert_eq!(contender.ask("read"), format!("two {token}"), "at {pieces}");
        assert_eq!(contender.ask("release"), "released", "at {pieces}");
        assert_eq!(cluster.ctl(&["get", "--prefix", "jobs/locks/", "--keys-only"]), "", "at {pieces}");
        if !cutter.has_cut() {
            println!("cut at each of {} pieces", pieces - 1);
            assert!(pieces > 10, "hardly anything was cut");
            return;
        }
    }
    panic!("there was no end");
}

#[test]
fn answer_that_gets_lost_changes_nothing_for_one_who_gets_the_lock_at_once() {
    if !servers::is_there() {
        return;
    }
    at_every_piece(&Cluster::start(1, &[]), Contender::lock);
}

#[test]
fn answer_that_gets_lost_changes_nothing_for_one_who_waits() {
    if !servers::is_there() {
        return;
    }
    let cluster = Cluster::start(1, &[]);
    let mut holder = Contender::start(&cluster.url("jobs"), "a", 60);
    at_every_piece(&cluster, |contender| {
        holder.lock();
        contender.tell("lock");
        cluster.await_keys("jobs/locks/a/queue/", 2);
        assert_eq!(holder.ask("release"), "released");
        contender.got()
    });
}
