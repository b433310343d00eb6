//! Contenders that race for one lock while they are killed, stopped and broken and members of the cluster die, and an
//! oracle that knows nothing of locks: it reads from etcd's history who wrote the session, one write after the other.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use nix::sys::signal::Signal;

use crate::{
    contender::Contender,
    servers::{self, Cluster, LONG},
};

/// How many contenders there are.
const CONTENDERS: usize = 3;

/// How often one of them, or a member, is disturbed.
const DISTURBANCES: usize = 12;

/// How often a holder writes before it releases.
const WRITES: usize = 20;

/// The contenders; what each of them says comes out of one channel.
struct Race {
    url: String,
    contenders: Vec<Contender>,
    tell: Sender<(u32, String)>,
    told: Receiver<(u32, String)>,
}

impl Race {
    fn start(url: String) -> Self {
        let (tell, told) = channel();
        let mut race = Self { url, contenders: Vec::new(), tell, told };
        (0..CONTENDERS).for_each(|_| race.add());
        race
    }

    fn add(&mut self) {
        let mut contender = Contender::start(&self.url, "a", 3);
        contender.tell(&format!("run {WRITES}"));
        let (id, tell, answers) = (contender.id(), self.tell.clone(), contender.take_answers());
        thread::spawn(move || answers.iter().try_for_each(|line| tell.send((id, line))));
        self.contenders.push(contender);
    }

    /// The next one that holds, other than this one, and its token.
    fn next_holder(&mut self, other_than: Option<u32>) -> (u32, String) {
        loop {
            let (id, line) = self.told.recv_timeout(LONG).expect("somebody holds");
            // In an outage an attempt may fail for good. Then there is another one.
            if line.starts_with("error: ") {
                self.replace(id);
            }
            let is_alive = self.contenders.iter().any(|contender| contender.id() == id);
            if let Some(token) = line.strip_prefix("held ").filter(|_| is_alive && Some(id) != other_than) {
                return (id, token.to_owned());
            }
        }
    }

    fn of(&self, id: u32) -> &Contender {
        self.contenders.iter().find(|contender| contender.id() == id).expect("it runs")
    }

    /// Kills it, and starts another one.
    fn replace(&mut self, id: u32) {
        self.contenders.retain(|contender| contender.id() != id);
        self.add();
    }
}

#[test]
fn nobody_writes_after_the_next_one_whoever_is_killed_stopped_or_broken() {
    if !servers::is_there() {
        return;
    }
    let mut cluster = Cluster::start(3, &[]);
    let url = cluster.url("jobs");
    let mut race = Race::start(url.clone());
    let mut breaker = Contender::start(&url, "a", 2);
    for number in 0..DISTURBANCES {
        let (holder, token) = race.next_holder(None);
        match number % 4 {
            0 => race.replace(holder),
            1 => {
                race.of(holder).signal(Signal::SIGSTOP);
                race.next_holder(Some(holder));
                // It goes on writing where it stopped.
                race.of(holder).signal(Signal::SIGCONT);
            }
            2 => drop(breaker.ask(&format!("break {token}"))),
            _ => {
                cluster.kill(number % 3);
                cluster.restart(number % 3);
            }
        }
    }
    drop(race);
    judge(&tokens_in_history(&cluster));
}

/// The token of each write of the session, in the order in which etcd carried them out.
fn tokens_in_history(cluster: &Cluster) -> Vec<u64> {
    // So that there is an end: what comes after all writes.
    cluster.ctl(&["put", "jobs/sessions/a", "the end"]);
    let history = cluster.watch_until("jobs/sessions/a", "the end");
    let token =
        |line: &str| line.trim().strip_prefix("\"token\":")?.trim().trim_end_matches(',').parse().ok();
    history.lines().filter_map(token).collect()
}

fn judge(tokens: &[u64]) {
    let stale = tokens.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert_eq!(stale, 0, "stale writes: {tokens:?}");
    let mut holders = tokens.to_vec();
    holders.dedup();
    assert!(holders.len() >= DISTURBANCES / 2, "hardly anybody wrote: {holders:?}");
    println!("{} writes of {} holders, none of them stale", tokens.len(), holders.len());
}

/// Without it, the oracle could be blind.
#[test]
#[should_panic(expected = "stale writes")]
fn write_of_an_earlier_holder_would_be_seen() {
    judge(&[3, 3, 9, 9, 3, 9]);
}
