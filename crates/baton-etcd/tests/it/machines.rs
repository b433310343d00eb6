//! Machines, and a link from each to the cluster: namespaces of the kernel. A link that is set down is a cable that was pulled: what is sent
//! gets lost, nothing is refused, and no connection ends.
//!
//! The cluster's end is in a network namespace of one thread, so that no other test's addresses are touched, and nothing is left
//! of it, whichever way the test ends. A machine has a host name, process ids, and a network of its own, and the file system with all others: what
//! its jobs do can be written to one place, in one order.

use std::{
    net::Ipv4Addr,
    panic::resume_unwind,
    path::Path,
    process::Command,
    thread::{self, Builder},
};

use baton_itest::{
    command::{Ended, Running, ended, without_notice},
    skip::skip,
};
use nix::sched::CloneFlags;

/// Where the cluster is asked, from whichever machine.
pub(crate) const CLUSTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A machine; it is gone with its first process, a shell that does what it is told.
pub(crate) struct Machine {
    name: String,
    shell: Running,
}

impl Machine {
    /// The one with this number, from 1 on; `$MACHINE` is its name, and `place` the directory that its commands are run in, `baton-etcd` among them.
    pub(crate) fn start(number: u8, place: &Path, variables: &[(&str, &str)]) -> Self {
        let name = format!("m{number}");
        let mut command = isolated(&["sh", "-c", "echo in; while read -r order; do eval \"$order\"; done"]);
        let programs = Path::new(env!("CARGO_BIN_EXE_baton-etcd")).parent().expect("a directory");
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("it is set"));
        command
            .env("PATH", path)
            .current_dir(place)
            .env("MACHINE", &name)
            .env("BATON_DIR", place.join(&name))
            .envs(variables.iter().copied());
        let shell = Running::holding(command);
        ip(&format!("link add name {name} type veth peer name eth0 netns {}", shell.pid()));
        ip(&format!("address add 10.0.{number}.1/24 dev {name}"));
        let mut machine = Self { name, shell };
        machine.link(true);
        machine.tell(&format!(
            "echo $MACHINE >/proc/sys/kernel/hostname && ip link set lo up && ip link set eth0 up &&
            ip address add 10.0.{number}.2/24 dev eth0 && ip route add default via 10.0.{number}.1 && echo linked"
        ));
        assert_eq!(machine.shell.says(), "linked");
        machine
    }

    /// Gives its shell something to do; lines are joined.
    pub(crate) fn tell(&mut self, order: &str) {
        self.shell.tell(&order.replace('\n', " "));
    }

    /// Sets its link up or down, at the cluster's end.
    pub(crate) fn link(&self, is_up: bool) {
        ip(&format!("link set {} {}", self.name, if is_up { "up" } else { "down" }));
    }
}

/// A command as the first process of a machine.
fn isolated(words: &[&str]) -> Command {
    let mut command = without_notice(Command::new("unshare"));
    command.args(["--net", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child"]).args(words);
    command
}

/// Does this where there can be machines; if that is not possible here, the test is noted as skipped.
pub(crate) fn with_machines(body: impl FnOnce() + Send) {
    let Ended { code, err, .. } =
        ended(isolated(&["ip", "link", "add", "name", "left", "type", "veth", "peer", "name", "right"]));
    if code != Some(0) {
        return skip(&format!("no machines in namespaces: {}", err.trim()));
    }
    // Under the test's own name, by which a panic is reported.
    let named =
        thread::current().name().map(ToOwned::to_owned).into_iter().fold(Builder::new(), Builder::name);
    let done = thread::scope(|scope| {
        let thread = named.spawn_scoped(scope, || {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own");
            ip("link set lo up");
            ip(&format!("address add {CLUSTER}/32 dev lo"));
            body();
        });
        thread.expect("a thread").join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic));
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).status().expect("`ip` starts");
    assert!(done.success(), "ip {words}: {done}");
}
