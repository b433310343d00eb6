//! A process that contends for a lock and can be killed or stopped: the example `contender`, told line by line.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::servers::LONG;

pub(crate) struct Contender {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

/// How a lock was got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) token: u64,
    /// The token of the holder that died, if there was one.
    pub(crate) recovered: Option<u64>,
}

impl Contender {
    pub(crate) fn start(url: &str, name: &str, lease: u64) -> Self {
        Self::start_as(url, name, lease, &[])
    }

    /// The same with these variables in its environment.
    pub(crate) fn start_as(url: &str, name: &str, lease: u64, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program())
            .args([url, name, &lease.to_string()])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let orders = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (tell, answers) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, orders, answers }
    }

    pub(crate) fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
    }

    pub(crate) fn answer(&self) -> String {
        self.answers.recv_timeout(LONG).expect("an answer")
    }

    pub(crate) fn ask(&mut self, order: &str) -> String {
        self.tell(order);
        self.answer()
    }

    /// The answer to `lock`.
    pub(crate) fn got(&self) -> Got {
        let answer = self.answer();
        let words: Vec<&str> = answer.split(' ').collect();
        match *words {
            ["held", token, "fresh"] => Got { token: token.parse().expect("a number"), recovered: None },
            ["held", token, "recovered", dead] => Got {
                token: token.parse().expect("a number"),
                recovered: Some(dead.parse().expect("a number")),
            },
            _ => panic!("not got: {answer}"),
        }
    }

    pub(crate) fn lock(&mut self) -> Got {
        self.tell("lock");
        self.got()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets somebody else hear what it answers from now on.
    pub(crate) fn take_answers(&mut self) -> Receiver<String> {
        std::mem::replace(&mut self.answers, channel().1)
    }

    /// Nothing has been answered yet.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self.answers.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout))
    }

    /// What it says on standard error when it can't even begin.
    pub(crate) fn failure(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        said
    }

    pub(crate) fn signal(&self, signal: Signal) {
        signal::kill(Pid::from_raw(self.child.id().try_into().expect("a pid")), signal).expect("signalled");
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let target = own.parent().and_then(|deps| deps.parent()).expect("target/debug/deps");
    target.join("examples/contender")
}
