//! The contenders as their parent sees them, ours and `etcdctl lock`: given orders, killed, and looked at.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use baton_bench::Result;
use baton_itest::etcd::{Cluster, LONG};
use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

use crate::worker::{BATON, SERVICE};

/// `etcdctl lock`.
pub(crate) const ETCDCTL: &str = "etcdctl lock";

/// Our library in a process that keeps its connection.
pub(crate) const LIBRARY: &str = "baton-etcd, library";
/// Our library in a process for each acquisition.
pub(crate) const PROCESS: &str = "baton-etcd, a process each time";
/// etcd's lock service through a connection that is kept.
pub(crate) const LOCK_SERVICE: &str = "etcd's lock service, without renewal";

/// The smaller cluster.
pub(crate) const ONE_MEMBER: &str = "one member";

/// Keys of ours are below this.
const PREFIX: &str = "bench";

/// A process that speaks in lines; killed when dropped.
pub(crate) struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(command: &Command) -> Result<Self> {
        // So that none outlives a run that is killed: it would wait for servers that are gone.
        let mut guarded = Command::new("setpriv");
        guarded.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        guarded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = guarded.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, lines })
    }

    pub(crate) fn tell(&mut self, order: &str) -> Result<()> {
        let input = self.child.stdin.as_mut().ok_or("no standard input")?;
        Ok(writeln!(input, "{order}")?)
    }

    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(format!("it ended: {}", self.child.wait()?).into());
        }
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn expect(&mut self, wanted: &str) -> Result<()> {
        match self.line()? {
            line if line == wanted => Ok(()),
            line => Err(format!("it said `{line}`, not `{wanted}`").into()),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(signal::kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn wait(&mut self) -> Result<()> {
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts processes on one cluster.
pub(crate) struct Starter {
    /// Of all members.
    endpoints: Vec<String>,
    url: String,
    /// The process of the first member.
    pub(crate) server: u32,
}

impl Starter {
    pub(crate) fn new(cluster: &Cluster, members: usize) -> Self {
        Self {
            endpoints: (0..members).map(|member| cluster.endpoint(member)).collect(),
            url: cluster.url(PREFIX),
            server: cluster.process(0),
        }
    }

    /// What it is measured on.
    pub(crate) fn place(&self) -> String {
        match self.endpoints.len() {
            1 => ONE_MEMBER.to_owned(),
            several => format!("{several} members"),
        }
    }

    /// Where the first member is asked.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoints[0]
    }

    /// One of ours, connected.
    pub(crate) fn worker(&self, name: &str, lease: u64) -> Result<Process> {
        self.connected(BATON, name, lease)
    }

    /// One of the lock service, connected.
    pub(crate) fn service(&self, name: &str, lease: u64) -> Result<Process> {
        self.connected(SERVICE, name, lease)
    }

    fn connected(&self, kind: &str, name: &str, lease: u64) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--worker", kind, &self.url, name, &lease.to_string()]);
        let mut process = Process::start(&command)?;
        process.expect("ready")?;
        Ok(process)
    }

    /// `etcdctl lock` as holder and as waiter.
    pub(crate) fn etcdctl_pair(&self, name: &str, lease: u64) -> Result<(Process, Process)> {
        let mut holder = Process::start(&self.etcdctl(name, lease, &[]))?;
        holder.line()?;
        let waiter = Process::start(&self.etcdctl(name, lease, &[]))?;
        let end = Instant::now() + LONG;
        // Each look is a process of its own, which is pause enough.
        while contenders(self.endpoint(), name)? < 2 {
            if Instant::now() >= end {
                return Err(format!("nobody waits for `{name}`").into());
            }
        }
        Ok((holder, waiter))
    }

    /// Our library in a process that takes a lock, runs `true`, and gives it back.
    pub(crate) fn once(&self, name: &str, lease: u64) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--once", &self.url, name, &lease.to_string()]).stdin(Stdio::null());
        Ok(command)
    }

    /// `etcdctl lock NAME`, which tells its key when it holds and lets go at an interrupt; with a job, it runs that instead.
    pub(crate) fn etcdctl(&self, name: &str, lease: u64, job: &[&str]) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").stdin(Stdio::null());
        command
            .args(["--endpoints", &self.endpoints.join(","), "lock", "--ttl", &lease.to_string(), name])
            .args(job);
        command
    }
}

/// Holders and waiters of `etcdctl lock`, asked by `etcdctl get`.
fn contenders(endpoint: &str, name: &str) -> Result<usize> {
    let mut command = Command::new("etcdctl");
    command.env("ETCDCTL_API", "3").args(["--endpoints", endpoint, "get", "--prefix", "--keys-only"]);
    let output = command.arg(format!("{name}/")).output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.split_whitespace().count())
}

/// Runs it to its end.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Processor time that a process has used so far, all of its threads.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may have spaces; user and system time are the 14th and 15th field, in hundredths of a second.
    let (_, rest) = text.rsplit_once(')').ok_or("no name in its state")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = |at: usize| -> Result<u64> { Ok(fields.get(at).ok_or("no such field")?.parse()?) };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Memory of its own, in KiB: what is shared with others counts in proportion.
pub(crate) fn memory(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no size is told")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
