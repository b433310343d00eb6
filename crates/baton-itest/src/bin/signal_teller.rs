//! A job that says which signals reach it, one a line, with the process that sent each: `TERM 4127`, or `INT terminal`.
//!
//! `signal_teller` first says which signals were blocked when it started, as `/proc` has them: `in 0000000000000000`. It ends with
//! its input, or at SIGTERM with exit code 7. Signals are read from a descriptor, so that each is told once, in
//! the kernel's order: by number, lowest first.
#![forbid(unsafe_code)]

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, Read as _};
use std::process::ExitCode;

const TOLD: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTERM,
    Signal::SIGCONT,
];

fn main() -> io::Result<ExitCode> {
    let blocked = blocked_at_start()?;
    let mut set = SigSet::empty();
    for signal in TOLD {
        set.add(signal);
    }
    set.thread_block()?;
    let source = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    println!("in {blocked}");
    let stdin = io::stdin();
    loop {
        let mut events = [PollFd::new(&source, PollFlags::IN), PollFd::new(&stdin, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut events, None))?;
        let has_input = !events[1].revents().is_empty();
        while let Some(info) = source.read_signal()? {
            if tell(&info) == Signal::SIGTERM {
                return Ok(ExitCode::from(7));
            }
        }
        if has_input && stdin.lock().read(&mut [0; 64])? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn blocked_at_start() -> io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    Ok(blocked.unwrap_or("unknown").trim().to_owned())
}

fn tell(info: &siginfo) -> Signal {
    let number = i32::try_from(info.ssi_signo).expect("a signal's number");
    let signal = Signal::try_from(number).expect("one of those told");
    // Codes above zero are the kernel's own.
    let sender = if info.ssi_code > 0 { "terminal".to_owned() } else { info.ssi_pid.to_string() };
    println!("{} {sender}", signal.as_str().trim_start_matches("SIG"));
    signal
}
