//! Real etcd servers, for tests and benchmarks: one, or a cluster of three, on free ports of the loopback, ended when dropped.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{sys::signal, unistd::Pid};
use tempfile::TempDir;

/// Far more than a server needs to start on a busy machine.
pub const LONG: Duration = Duration::from_mins(1);

/// Members of one cluster.
pub struct Cluster {
    host: Ipv4Addr,
    members: Vec<Member>,
    _directory: TempDir,
}

struct Member {
    command: Vec<String>,
    client: u16,
    running: Option<Running>,
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The cluster's revision that it made.
    pub revision: u64,
    /// What was put; `None` if the key was deleted.
    pub value: Option<String>,
}

impl Change {
    fn read(fields: &[(&str, &str)]) -> Self {
        let field = |wanted: &str| {
            let field = fields.iter().find(|(name, _)| name.trim_matches('"') == wanted);
            field.unwrap_or_else(|| panic!("no {wanted}: {fields:?}")).1
        };
        let text = |wanted| serde_json::from_str(field(wanted)).expect("a string");
        Self {
            key: text("Key"),
            revision: field("ModRevision").parse().expect("a number"),
            // A key that was deleted has no version.
            value: (field("Version") != "0").then(|| text("Value")),
        }
    }
}

struct Running {
    child: Child,
    ready: Receiver<()>,
}

/// Is there an etcd? If not, the test is noted as skipped.
pub fn is_there() -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join("etcd").is_file()));
    if !found {
        crate::skip::skip("there is no `etcd` in the PATH; `cargo xtask test` gets one");
    }
    found
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = (0..self.members.len()).map(|index| self.endpoint(index));
        formatter.debug_list().entries(endpoints).finish()
    }
}

impl Cluster {
    /// Starts as many, with these further arguments, and waits until each of them serves.
    ///
    /// # Panics
    ///
    /// When one does not.
    pub fn start(count: usize, further: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), count, further)
    }

    /// The same with its data in a new directory in this one.
    ///
    /// # Panics
    ///
    /// When one does not.
    pub fn start_in(parent: &Path, count: usize, further: &[&str]) -> Self {
        Self::start_with(parent, Ipv4Addr::LOCALHOST, count, further)
    }

    /// The same where others than this machine can ask: at this address of its own.
    ///
    /// # Panics
    ///
    /// When one does not serve.
    pub fn start_at(host: Ipv4Addr, count: usize) -> Self {
        Self::start_with(&std::env::temp_dir(), host, count, &[])
    }

    fn start_with(parent: &Path, host: Ipv4Addr, count: usize, further: &[&str]) -> Self {
        let directory = tempfile::tempdir_in(parent).expect("a directory");
        let ports = free_ports(2 * count);
        let peer = |index: usize| format!("http://127.0.0.1:{}", ports[2 * index + 1]);
        let all: Vec<String> = (0..count).map(|index| format!("m{index}={}", peer(index))).collect();
        let members = (0..count).map(|index| {
            let client = ports[2 * index];
            let data: PathBuf = directory.path().join(index.to_string());
            let scheme = if further.contains(&"--cert-file") { "https" } else { "http" };
            let url = format!("{scheme}://{host}:{client}");
            let mut command: Vec<String> = ["etcd", "--name"].iter().map(ToString::to_string).collect();
            command.push(format!("m{index}"));
            for (option, value) in [
                ("--data-dir", data.to_str().expect("UTF-8")),
                ("--listen-client-urls", &url),
                ("--advertise-client-urls", &url),
                ("--listen-peer-urls", &peer(index)),
                ("--initial-advertise-peer-urls", &peer(index)),
                ("--initial-cluster", &all.join(",")),
                ("--logger", "zap"),
                ("--log-outputs", "stderr"),
            ] {
                command.extend([option.to_owned(), value.to_owned()]);
            }
            command.extend(further.iter().map(ToString::to_string));
            Member { command, client, running: None }
        });
        let mut cluster = Self { host, members: members.collect(), _directory: directory };
        for member in &mut cluster.members {
            member.start();
        }
        for member in &cluster.members {
            member.await_ready();
        }
        cluster
    }

    /// The address of a store in it, under this prefix.
    pub fn url(&self, prefix: &str) -> String {
        let all: Vec<usize> = (0..self.members.len()).collect();
        self.url_of(&all, prefix)
    }

    /// The same with these members only.
    pub fn url_of(&self, members: &[usize], prefix: &str) -> String {
        let all: Vec<String> = members.iter().map(|index| self.endpoint(*index)).collect();
        format!("etcd://{}/{prefix}", all.join(","))
    }

    /// Where a member is asked by its clients.
    pub fn endpoint(&self, index: usize) -> String {
        format!("{}:{}", self.host, self.members[index].client)
    }

    /// The process of a member.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn process(&self, index: usize) -> u32 {
        self.members[index].running.as_ref().expect("it runs").child.id()
    }

    /// Sends a signal to a member.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn signal(&self, index: usize, signal: signal::Signal) {
        let running = self.members[index].running.as_ref().expect("it runs");
        signal::kill(pid(&running.child), signal).expect("signalled");
    }

    /// Kills a member and waits for its end.
    pub fn kill(&mut self, index: usize) {
        self.members[index].running = None;
    }

    /// Starts a member again, with the data that it had.
    pub fn restart(&mut self, index: usize) {
        self.members[index].start();
    }

    /// Waits until a member serves that was started again.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn await_ready(&self, index: usize) {
        self.members[index].await_ready();
    }

    /// The member that leads.
    ///
    /// # Panics
    ///
    /// When none does.
    pub fn leader(&self) -> usize {
        let is_leader = |index: &usize| {
            let endpoint = format!("--endpoints={}", self.endpoint(*index));
            let output = etcdctl(&[&endpoint, "endpoint", "status"]);
            // ENDPOINT, ID, VERSION, SIZE, IS LEADER, …
            output.split(", ").nth(4) == Some("true")
        };
        (0..self.members.len()).find(is_leader).expect("one leads")
    }

    /// The release of the first member.
    ///
    /// # Panics
    ///
    /// When it does not say.
    pub fn version(&self) -> String {
        self.ctl(&["endpoint", "status"]).split(", ").nth(2).expect("a version").to_owned()
    }

    /// Waits until there are as many keys that begin so.
    ///
    /// # Panics
    ///
    /// When there never are.
    pub fn await_keys(&self, prefix: &str, count: usize) {
        let end = Instant::now() + LONG;
        // Each look is a process of its own, which is pause enough.
        while self.ctl(&["get", "--prefix", prefix, "--keys-only"]).split_whitespace().count() != count {
            assert!(Instant::now() < end, "there never were {count} keys");
        }
    }

    /// All that was ever put under a key, until a line of it is `last`.
    ///
    /// # Panics
    ///
    /// When `etcdctl` can't be run.
    pub fn watch_until(&self, key: &str, last: &str) -> String {
        self.watch(&[key], last).join("\n")
    }

    /// All that was ever put and deleted under this prefix, in the order in which that was done, until `last` was put.
    ///
    /// # Panics
    ///
    /// When `etcdctl` can't be run, or what it says is not understood.
    pub fn history(&self, prefix: &str, last: &str) -> Vec<Change> {
        let lines = self.watch(&["--prefix", prefix, "--write-out=fields"], &format!("\"Key\" : \"{last}\""));
        let fields: Vec<_> = lines.iter().filter_map(|line| line.split_once(" : ")).collect();
        // Each change begins with its kind; what comes before the first one is said of the answer.
        let changes = fields.split(|(name, _)| *name == "\"Type\"").skip(1);
        changes.filter(|fields| !fields.is_empty()).map(Change::read).collect()
    }

    fn watch(&self, what: &[&str], last: &str) -> Vec<String> {
        let endpoint = format!("--endpoints={}", self.endpoint(0));
        let mut watch = Command::new("etcdctl")
            .args([&endpoint, "watch", "--rev=1"])
            .args(what)
            .env("ETCDCTL_API", "3")
            .stdout(Stdio::piped())
            .spawn()
            .expect("etcdctl ran");
        let lines = BufReader::new(watch.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let history = lines.take_while(|line| line != last).collect();
        watch.kill().expect("killed");
        watch.wait().expect("ended");
        history
    }

    /// What `etcdctl` answers, asked of the first member.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let endpoint = format!("--endpoints={}", self.endpoint(0));
        etcdctl(&[&[endpoint.as_str()], arguments].concat())
    }
}

fn etcdctl(arguments: &[&str]) -> String {
    let end = Instant::now() + LONG;
    loop {
        let mut command = Command::new("etcdctl");
        command.arg("--command-timeout=60s").args(arguments).env("ETCDCTL_API", "3");
        let output = command.output().expect("etcdctl ran");
        let said = String::from_utf8_lossy(&output.stderr);
        // A cluster that is electing a leader is asked again: each try takes seconds there.
        let is_electing =
            said.contains("etcdserver: request timed out") || said.contains("etcdserver: no leader");
        if is_electing && Instant::now() < end {
            continue;
        }
        assert!(output.status.success(), "{said}");
        return String::from_utf8(output.stdout).expect("UTF-8");
    }
}

impl Member {
    fn start(&mut self) {
        // So that no server outlives a test that is killed.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(&self.command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("etcd started");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (tell, ready) = channel();
        // Reads to the end, or a full pipe would stop the server. Keeps the last lines for whoever wants to know why it ended.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("\"serving client traffic") {
                    let _ = tell.send(());
                }
                if line.contains("\"level\":\"fatal\"") {
                    eprintln!("{line}");
                }
            }
        });
        self.running = Some(Running { child, ready });
    }

    fn await_ready(&self) {
        let running = self.running.as_ref().expect("it runs");
        running.ready.recv_timeout(LONG).expect("etcd serves");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("a pid"))
}

/// Ports that were free a moment ago, all different.
///
/// # Panics
///
/// When there is none.
pub fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("bound").port()).collect()
}
