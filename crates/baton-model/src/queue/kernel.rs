//! The kernel's queue for `flock`, as Linux has it.
//!
//! Requests that can't be granted are a chain: the first is blocked by the lock, each further one by the request before it. A release
//! wakes the first, which tries again; the others stay behind it. If it gets the lock, they are behind that; if not, it goes to the end of the
//! chain that is there by then, and wakes the one behind it, which does the same. One that is killed or stopped wakes the one behind it
//! too. So there can be several chains at a time, one behind the lock and one behind each request that was woken.

use super::state::{Request, State, Who};

impl State {
    /// Asks for the lock; whether it is got.
    pub fn request(&mut self, who: Who) -> bool {
        let behind = self.behind(Some(who));
        if self.lock.is_none() {
            self.lock = Some(who);
            self.actors[usize::from(who)].request = Request::None;
            if let Some(behind) = behind {
                self.actors[usize::from(behind)].request = Request::Blocked(None);
            }
            return true;
        }
        let mut end = None;
        while let Some(next) = self.behind(end) {
            end = Some(next);
        }
        self.actors[usize::from(who)].request = Request::Blocked(end);
        self.wake(behind);
        false
    }

    /// Takes a request out of the queue.
    pub fn withdraw(&mut self, who: Who) {
        self.actors[usize::from(who)].request = Request::None;
        let behind = self.behind(Some(who));
        self.wake(behind);
    }

    pub fn unlock(&mut self) {
        self.lock = None;
        let behind = self.behind(None);
        self.wake(behind);
    }

    fn behind(&self, blocker: Option<Who>) -> Option<Who> {
        let is_behind = |request: Request| request == Request::Blocked(blocker);
        let index = self.actors.iter().position(|who| is_behind(who.request))?;
        Who::try_from(index).ok()
    }

    fn wake(&mut self, who: Option<Who>) {
        if let Some(who) = who {
            self.actors[usize::from(who)].request = Request::Woken;
        }
    }
}
