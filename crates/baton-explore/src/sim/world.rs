//! All that is simulated on this thread: the kernel, who runs, what was answered, and what is true of it beside.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Arguments, Debug};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Order, Result};
use crate::kernel::{Kernel, Pid};
use crate::story::Story;

/// Longer lines of a trace are cut off.
const MOST_CHARACTERS: usize = 160;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The simulated world of one execution.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) kernel: Kernel,
    pub(crate) story: Story,
    pub(crate) mutant: Option<usize>,
    /// Nobody else is there: calls are made at once.
    pub(crate) is_alone: bool,
    running: Option<Pid>,
    histories: BTreeMap<Pid, u64>,
    progress: u64,
    trace: Option<Vec<String>>,
}

/// Begins an execution on this thread; a trace is written only where one is wanted.
pub(crate) fn start(kernel: Kernel, mutant: Option<usize>, is_traced: bool) {
    let world = World {
        kernel,
        story: Story::default(),
        mutant,
        is_alone: false,
        running: None,
        histories: BTreeMap::new(),
        progress: 0,
        trace: is_traced.then(Vec::new),
    };
    // What was there before goes first, and outside of the borrow.
    drop(WORLD.with_borrow_mut(Option::take));
    WORLD.with_borrow_mut(|known| *known = Some(world));
}

/// Does something with the world, which must be there.
pub(crate) fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    try_with(act).expect("an execution has begun on this thread")
}

/// The same if there is one.
pub(super) fn try_with<T>(act: impl FnOnce(&mut World) -> T) -> Option<T> {
    WORLD.with_borrow_mut(|world| world.as_mut().map(act))
}

impl World {
    /// The process that runs.
    pub(crate) fn current(&self) -> Pid {
        self.running.expect("system calls are made by processes")
    }

    pub(super) fn running(&self) -> Option<Pid> {
        self.running
    }

    /// Lets another one run; who ran before.
    pub(crate) fn switch_to(&mut self, pid: Option<Pid>) -> Option<Pid> {
        std::mem::replace(&mut self.running, pid)
    }

    /// Is a descriptor of the process that runs one of a directory?
    pub(super) fn is_directory(&self, descriptor: i32) -> bool {
        self.running.is_some_and(|pid| self.kernel.is_directory(pid, descriptor))
    }

    pub(super) fn is_dead(&self, pid: Pid) -> bool {
        !self.kernel.is_alive(pid)
    }

    /// Ends a process as SIGKILL does.
    pub(crate) fn kill(&mut self, pid: Pid) {
        self.kernel.end(pid);
    }

    /// How much was done by anybody.
    pub(super) fn progress(&self) -> u64 {
        self.progress
    }

    /// Has anybody done something since?
    pub(crate) fn has_gone_on(&self, since: u64) -> bool {
        self.progress > since
    }

    /// Something happened that no process did.
    pub(crate) fn has_happened(&mut self) {
        self.progress += 1;
    }

    /// Notes what a call answered to the process that runs.
    pub(super) fn answered<T: Hash + Debug>(
        &mut self,
        what: Arguments<'_>,
        order: Order,
        answer: &Result<T>,
    ) {
        let pid = self.current();
        let history = self.histories.entry(pid).or_default();
        let mut hasher = DefaultHasher::new();
        history.hash(&mut hasher);
        match answer {
            Ok(answer) => answer.hash(&mut hasher),
            Err(errno) => errno.raw_os_error().hash(&mut hasher),
        }
        *history = hasher.finish();
        if order != Order::Go || what.as_str() != Some("pause") {
            self.progress += 1;
        }
        self.story.made_a_call(pid, order);
        if self.trace.is_some() {
            let short = if order == Order::Short { ", a part of it" } else { "" };
            let mut text = format!("P{pid}  {what}{short}: {answer:?}");
            if let Some((end, _)) = text.char_indices().nth(MOST_CHARACTERS) {
                text.truncate(end);
                text.push('…');
            }
            self.tell(text);
        }
    }

    /// Adds a line to the trace.
    pub(crate) fn tell(&mut self, line: impl Into<String>) {
        if let Some(trace) = &mut self.trace {
            trace.push(line.into());
        }
    }

    /// The trace so far.
    pub(crate) fn trace(&self) -> String {
        self.trace.as_deref().unwrap_or_default().join("\n")
    }

    /// Puts another kernel in this one's place; what was there is to be given to [`World::put_back`].
    pub(crate) fn put_in_place(&mut self, kernel: Kernel) -> (Kernel, usize) {
        let told = self.trace.as_ref().map_or(0, Vec::len);
        (std::mem::replace(&mut self.kernel, kernel), told)
    }

    /// Puts back what was there, and forgets what was told since, if asked to; the kernel that stood in for it.
    pub(crate) fn put_back(&mut self, (kernel, told): (Kernel, usize), forgets: bool) -> Kernel {
        if let Some(trace) = self.trace.as_mut().filter(|_| forgets) {
            trace.truncate(told);
        }
        std::mem::replace(&mut self.kernel, kernel)
    }

    /// What tells this state from others.
    pub(crate) fn fingerprint(&self, more: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.kernel.hash(&mut hasher);
        self.story.hash(&mut hasher);
        self.histories.hash(&mut hasher);
        more.hash(&mut hasher);
        hasher.finish()
    }
}
