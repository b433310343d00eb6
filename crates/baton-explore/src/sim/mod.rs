//! Where the copied library meets the explorer: each of its system calls comes through [`call`].
//!
//! Contenders are coroutines on one thread. Before each call a coroutine is suspended with a [`Point`], which says what could come next,
//! and it goes on with an [`Order`]: make the call, or let it fail. A crash is a coroutine that is not resumed: the simulated kernel closes
//! the process's descriptors first, then its stack is unwound so that its memory is freed; all calls that destructors make on the way come
//! to nothing, since the process is dead.
//!
//! What a process does is a function of what its calls answered. So the state of all is known by the kernel's state and, per process, a
//! hash of the answers it has had ([`World::answered`]): two executions that come to the same may be continued as one.

mod coroutine;
pub(crate) mod fd;
mod world;

use std::fmt::{Arguments, Debug};
use std::hash::Hash;

use rustix::io::Errno;

pub(crate) use coroutine::{Process, Step};
pub(crate) use world::{start, with};

use crate::kernel::{Kernel, Pid, Until};

/// What a system call answers.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// Where a process has come to: before this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    /// When it can be made.
    pub(crate) until: Until,
    /// As what it may fail.
    pub(crate) faults: &'static [Errno],
    /// May it do only a part of what it is asked for?
    pub(crate) may_be_short: bool,
    /// It is about what nobody else changes or looks at, such as the directory itself: who comes before whom makes no difference.
    pub(crate) concerns_nobody_else: bool,
    /// How many answers there are, where the script leaves something to the explorer.
    pub(crate) answers: u8,
}

impl Point {
    const PLAIN: Self =
        Self { until: Until::Now, faults: &[], may_be_short: false, concerns_nobody_else: false, answers: 1 };
}

/// How a process goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The call is made.
    Go,
    /// It fails, and has done nothing.
    Fail(Errno),
    /// It does a part of what it is asked for.
    Short,
    /// The script's answer.
    Answer(u8),
}

/// Makes a system call, which may fail in one of these ways instead.
pub(crate) fn call<T: Hash + Debug>(
    what: Arguments<'_>,
    faults: &'static [Errno],
    act: impl FnOnce(&mut Kernel, Pid) -> Result<T>,
) -> Result<T> {
    at(what, Point { faults, ..Point::PLAIN }, |kernel, pid, _| act(kernel, pid))
}

/// The same for one that may do a part of what it is asked for: told so, `act` does it.
pub(crate) fn partial_call<T: Hash + Debug>(
    what: Arguments<'_>,
    faults: &'static [Errno],
    act: impl FnOnce(&mut Kernel, Pid, bool) -> Result<T>,
) -> Result<T> {
    at(what, Point { faults, may_be_short: true, ..Point::PLAIN }, act)
}

/// The same for one about what nobody else changes or looks at.
pub(crate) fn own_call<T: Hash + Debug>(
    what: Arguments<'_>,
    faults: &'static [Errno],
    act: impl FnOnce(&mut Kernel, Pid) -> Result<T>,
) -> Result<T> {
    at(what, Point { faults, concerns_nobody_else: true, ..Point::PLAIN }, |kernel, pid, _| act(kernel, pid))
}

/// The same for one that sleeps until something is so.
pub(crate) fn sleeping_call<T: Hash + Debug>(
    what: Arguments<'_>,
    faults: &'static [Errno],
    until: Until,
    act: impl FnOnce(&mut Kernel, Pid) -> Result<T>,
) -> Result<T> {
    at(what, Point { until, faults, ..Point::PLAIN }, |kernel, pid, _| act(kernel, pid))
}

fn at<T: Hash + Debug>(
    what: Arguments<'_>,
    point: Point,
    act: impl FnOnce(&mut Kernel, Pid, bool) -> Result<T>,
) -> Result<T> {
    let Some(order) = coroutine::suspend(point) else { return Err(Errno::IO) };
    let pid = with(|world| world.current());
    let answer = match order {
        Order::Fail(errno) => Err(errno),
        order => with(|world| act(&mut world.kernel, pid, order == Order::Short)),
    };
    with(|world| world.answered(what, order, &answer));
    answer
}

/// Lets others go on, until one of them has done something or nobody else can.
pub(crate) fn pause() {
    let since = with(|world| world.progress());
    // Fails only in a process that was killed.
    let _ =
        at(format_args!("pause"), Point { until: Until::Others(since), ..Point::PLAIN }, |_, _, _| Ok(()));
}

/// Leaves it to the explorer which of the answers from 0 up to `answers` it is; always 0 in a process that is not explored.
pub(crate) fn choose(answers: u8) -> u8 {
    match coroutine::suspend(Point { answers, ..Point::PLAIN }) {
        Some(Order::Answer(answer)) => {
            with(|world| world.answered(format_args!("choose"), Order::Go, &Ok(answer)));
            answer
        }
        _ => 0,
    }
}

/// What the kernel says, without a call that others could come before: for what never changes.
pub(crate) fn look<T>(what: impl FnOnce(&mut Kernel, Pid) -> T) -> T {
    with(|world| {
        let pid = world.current();
        what(&mut world.kernel, pid)
    })
}

/// Closes a descriptor.
pub(crate) fn close(number: fd::RawFd) {
    // A process that was killed has none left; where nothing is simulated any more there are none.
    let is_directory = world::try_with(|world| world.is_directory(number)).unwrap_or(false);
    if coroutine::suspend(Point { concerns_nobody_else: is_directory, ..Point::PLAIN }).is_none() {
        return;
    }
    with(|world| {
        let pid = world.current();
        let closed = world.kernel.close(pid, number);
        world.answered(format_args!("close {number}"), Order::Go, &closed);
    });
}

/// Is this mutant at work?
pub(crate) fn is_broken(mutant: usize) -> bool {
    world::try_with(|world| world.mutant == Some(mutant)).unwrap_or(false)
}
