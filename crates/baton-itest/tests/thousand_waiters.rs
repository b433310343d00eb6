//! A thousand wait for one lock, each a process with as many descriptors as one has by default, and all get it.
//!
//! What does not scale would show here: a watch per waiter (128 per user are the default), a descriptor for each of the others, a look at
//! every process by every waiter. In which order is for the tests of the queue: here starting them takes longer than the second after
//! which one that does not run counts as stopped. For the same reason this is a program of its own, which no other test runs beside.

use baton_itest::command::{next, run, without_notice, words_of};
use baton_itest::places::temporary;
use baton_itest::puppet::Puppet;
use baton_itest::stream::await_readable;
use baton_lock::Lock;
use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _, pipe};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Started and not ended yet; the test leaves none behind, however it ends.
struct Crowd(Vec<Child>);

impl Crowd {
    /// One more, of both kinds in turn: without a deadline it sleeps in the call itself, with one a child of its sleeps there.
    fn join(&mut self, path: &Path, out: &Path, notices: &PipeWriter) {
        let options = if self.0.len().is_multiple_of(2) { "" } else { "--wait=1h" };
        // The wrapper's pid, which its ticket has too.
        let job = run(options, path, ["sh", "-c", "echo $PPID >>\"$0\"", &out.to_string_lossy()]);
        let mut limited = without_notice(Command::new("prlimit"));
        limited.arg("--nofile=1024:1024").args(words_of(&job));
        limited.stdin(Stdio::null()).stdout(Stdio::null());
        limited.stderr(notices.try_clone().expect("cloned"));
        self.0.push(limited.spawn().expect("started"));
    }

    fn end(&mut self) {
        for child in &mut self.0 {
            assert_eq!(child.wait().expect("waited for").code(), Some(0));
        }
        self.0.clear();
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// `count` waiters at a lock that `holding` has: those who were in the queue, and those who held, each by its pid.
fn queue_and_holders(holding: &str, count: usize) -> [Vec<String>; 2] {
    let place = temporary();
    let (path, out) = (place.path().join("a.lock"), place.path().join("out"));
    let queue = place.path().join("a.lock.queue");
    let (mut holder, _) = Puppet::holding(holding, &path);
    let mut crowd = Crowd(Vec::new());
    let (mut said, notices) = pipe().expect("a pipe");
    for _ in 0..count {
        crowd.join(&path, &out, &notices);
    }
    until_waiting(&mut said, count);
    let seen = Lock::open(&path).expect("opened").observe().expect("seen").queue;
    holder.tell("release");
    crowd.end();
    assert!(next(&path).is_fresh());
    assert!(!queue.exists(), "it goes with the last of them");
    let held = fs::read_to_string(&out).expect("readable");
    let sorted = |mut pids: Vec<String>| {
        pids.sort();
        pids
    };
    [seen.iter().map(|waiter| waiter.pid.to_string()).collect(), held.lines().map(str::to_owned).collect()]
        .map(sorted)
}

/// Returns once so many have said that they wait, with their place in the queue.
fn until_waiting(said: &mut PipeReader, count: usize) {
    let mut text = String::new();
    while text.matches(" who wait").count() < count {
        await_readable(&*said, &text);
        let mut piece = [0; 4096];
        let length = said.read(&mut piece).expect("readable");
        text.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
}

#[test]
fn each_of_many_waiters_gets_it_once() {
    // With an ancestor's client, more than one user has watches for.
    for (holding, count) in [("baton", 1000), ("v1", 200)] {
        let [waited, held] = queue_and_holders(holding, count);
        assert_eq!((waited.len(), waited), (count, held), "{holding}");
    }
}
