//! The command: how long it takes around a job that does nothing, and what it costs while it waits.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::peers::Result;
use baton_bench::place::Place;
use baton_bench::sample::{Budget, Measurement, Side, Timed, Unit, in_turn};

/// The job, by a path, so that nobody looks for it.
const TRUE: &str = "/usr/bin/true";

/// The command that is measured: beside this program, or where `BATON` says.
pub(crate) fn baton() -> Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("baton");
    let path = std::env::var_os("BATON").map_or(beside, PathBuf::from);
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("`{}` is not there: build it first (`cargo build --release -p baton-cli`)", path.display())
        .into())
}

pub(crate) fn start_up(place: &Place, rounds: usize) -> Result<Measurement> {
    let directory = place.directory()?;
    let baton = baton()?;
    let file = directory.path().join("file");
    fs::write(&file, "")?;
    let job = ["--", TRUE].map(OsStr::new);
    // A lock for each: a job that has taken the command's place leaves its record, and whoever comes next recovers.
    let ours = |options: &[&str]| {
        let lock = directory.path().join(format!("run{}.lock", options.concat()));
        let mut command = Command::new(&baton);
        command.arg("run").args(options).arg(lock).args(job);
        command
    };
    let mut flock = Command::new("flock");
    flock.arg(&file).arg(TRUE);
    let mut flock_exec = Command::new("flock");
    flock_exec.arg("-F").arg(&file).arg(TRUE);
    let commands = [
        ("baton run LOCK -- true", ours(&[])),
        ("baton run --close LOCK -- true", ours(&["--close"])),
        ("baton run -q --exec LOCK -- true", ours(&["-q", "--exec"])),
        ("flock FILE true", flock),
        ("flock -F FILE true", flock_exec),
        ("true", Command::new(TRUE)),
    ];
    let mut sides: Vec<Timed<'_>> =
        commands.into_iter().map(|(name, command)| timed(name, command)).collect();
    Ok(Measurement {
        what: "a command around a job that does nothing".to_owned(),
        filesystem: place.filesystem.clone(),
        unit: Unit::Microseconds,
        sides: in_turn(rounds, &mut sides)?,
        budgets: vec![Budget {
            ours: "baton run LOCK -- true".to_owned(),
            against: Some("flock FILE true".to_owned()),
            part: 0.5,
            limit: 1.0,
            floor: None,
        }],
    })
}

fn timed<'a>(name: &str, mut command: Command) -> Timed<'a> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let work = move || {
        let status = command.status()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    };
    (name.to_owned(), Box::new(work))
}

/// What a waiter uses while it waits: processor time over `time`, and memory.
pub(crate) fn waiting(place: &Place, time: Duration) -> Result<Vec<Measurement>> {
    let directory = place.directory()?;
    let baton = baton()?;
    let waiter = |name: &str, program: &Path, before: &[&str], file: &str, job: &[&str]| -> Result<Waiter> {
        let file = directory.path().join(file);
        let command = || {
            let mut command = Command::new(program);
            command.args(before).arg(&file).args(job).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        Waiter::start(name, command)
    };
    let flock = Path::new("flock");
    let waiters = [
        waiter("baton run", &baton, &["run"], "a.lock", &["--", "/bin/cat"])?,
        waiter("baton run -w 1h", &baton, &["run", "-w", "1h"], "b.lock", &["--", "/bin/cat"])?,
        waiter("flock", flock, &[], "c.lock", &["/bin/cat"])?,
        waiter("flock -w 3600", flock, &["-w", "3600"], "d.lock", &["/bin/cat"])?,
    ];
    let before = waiters.iter().map(Waiter::processor_time).collect::<Result<Vec<_>>>()?;
    thread::sleep(time);
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for (waiter, before) in waiters.iter().zip(before) {
        times.push(Side::new(&waiter.name, vec![waiter.processor_time()? - before]));
        memory.push(Side::new(&waiter.name, vec![waiter.memory()?]));
    }
    let budget = |ours: &str| Budget {
        ours: ours.to_owned(),
        against: None,
        part: 0.5,
        limit: 5.0 * time.as_secs_f64() / 60.0,
        floor: None,
    };
    let measurement = |what: String, unit, sides, budgets| Measurement {
        what,
        filesystem: place.filesystem.clone(),
        unit,
        sides,
        budgets,
    };
    Ok(vec![
        measurement(
            format!("processor time of one waiter over {} s", time.as_secs()),
            Unit::Milliseconds,
            times,
            vec![budget("baton run"), budget("baton run -w 1h")],
        ),
        measurement(
            "memory of one waiter of its own (proportional set size)".to_owned(),
            Unit::MiB,
            memory,
            Vec::new(),
        ),
    ])
}

/// A command that waits for a lock which another one has; both end with the value.
struct Waiter {
    name: String,
    holder: Child,
    waiting: Child,
}

impl Waiter {
    fn start(name: &str, command: impl Fn() -> Command) -> Result<Self> {
        let holder = command().stdin(Stdio::piped()).spawn()?;
        thread::sleep(Duration::from_millis(200));
        let waiting = command().stdin(Stdio::piped()).spawn()?;
        thread::sleep(Duration::from_millis(200));
        Ok(Self { name: name.to_owned(), holder, waiting })
    }

    /// In milliseconds, as the scheduler counts it.
    fn processor_time(&self) -> Result<f64> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.waiting.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split_ascii_whitespace().next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos).as_secs_f64() * 1e3)
    }

    /// In MiB.
    fn memory(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.waiting.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no size is told")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        // The job ends with its input.
        self.waiting.stdin = None;
        self.holder.stdin = None;
        for child in [&mut self.holder, &mut self.waiting] {
            let _ = child.wait();
        }
    }
}
