//! Processes as coroutines: one runs until its next system call, and waits there for who decides.

use std::cell::RefCell;
use std::collections::BTreeMap;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::{Order, Point, world};
use crate::kernel::Pid;

/// Enough for the deepest of the library's calls in a build without optimisation.
const STACK: usize = 256 * 1024;

thread_local! {
    static YIELDERS: RefCell<BTreeMap<Pid, *const Yielder<Order, Point>>> = const { RefCell::new(BTreeMap::new()) };
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// A simulated process. Dropped, it is as if killed.
pub(crate) struct Process {
    pid: Pid,
    coroutine: Option<Coroutine<Order, Point, (), DefaultStack>>,
}

/// What a process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    At(Point),
    Ended,
}

impl Process {
    /// Starts a process, which waits before the first thing it does.
    pub(crate) fn new(pid: Pid, run: impl FnOnce() + 'static) -> Self {
        let stack = STACKS.with_borrow_mut(Vec::pop);
        let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK).expect("memory for a stack"));
        let coroutine = Coroutine::with_stack(stack, move |yielder, _| {
            YIELDERS.with_borrow_mut(|yielders| yielders.insert(pid, std::ptr::from_ref(yielder)));
            run();
        });
        Self { pid, coroutine: Some(coroutine) }
    }

    /// Lets it go on until its next call.
    pub(crate) fn resume(&mut self, order: Order) -> Step {
        let Some(coroutine) = &mut self.coroutine else { return Step::Ended };
        let before = world::with(|world| world.switch_to(Some(self.pid)));
        let result = coroutine.resume(order);
        world::with(|world| world.switch_to(before));
        match result {
            CoroutineResult::Yield(point) => Step::At(point),
            CoroutineResult::Return(()) => {
                self.give_back();
                Step::Ended
            }
        }
    }

    fn give_back(&mut self) {
        YIELDERS.with_borrow_mut(|yielders| yielders.remove(&self.pid));
        if let Some(coroutine) = self.coroutine.take() {
            STACKS.with_borrow_mut(|stacks| stacks.push(coroutine.into_stack()));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(coroutine) = &mut self.coroutine else { return };
        world::with(|world| world.kill(self.pid));
        let before = world::with(|world| world.switch_to(Some(self.pid)));
        coroutine.force_unwind();
        world::with(|world| world.switch_to(before));
        self.give_back();
    }
}

/// Waits before a call. `None`: the process was killed. Whoever is not simulated as a coroutine goes on at once.
pub(super) fn suspend(point: Point) -> Option<Order> {
    let (pid, is_alone) = world::try_with(|world| {
        let pid = world.running()?;
        (!world.is_dead(pid)).then_some((pid, world.is_alone))
    })??;
    if is_alone {
        return world::with(|world| world.kernel.is_met(pid, point.until)).then_some(Order::Go);
    }
    let yielder = YIELDERS.with_borrow(|yielders| yielders.get(&pid).copied())?;
    #[expect(unsafe_code, reason = "a yielder is lent to the coroutine's first function only; see below")]
    // SAFETY: the yielder lives on the coroutine's stack for as long as that runs, and is removed before the stack is freed; `pid` is
    // the process that runs just now, so that it is used on its own stack.
    let yielder = unsafe { &*yielder };
    Some(yielder.suspend(point))
}
