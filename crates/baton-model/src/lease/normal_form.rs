//! The normal form of a state: revisions are ranks, contenders are in an order, and what nobody looks at is put away.

use super::state::{Answer, At, Awaited, Contender, End, Phase, Renewal, Request, Revision, State};
use super::variant::{Mutation, Setting};

impl State {
    pub(crate) fn normalize(&mut self, setting: &Setting) {
        self.drop_void(setting);
        self.contenders.iter_mut().for_each(tidy);
        self.forget();
        let mut known: u64 = 1;
        self.each_revision(|revision| known |= 1 << *revision);
        let rank = |revision: u8| (known & ((1 << revision) - 1)).count_ones();
        self.each_revision(|revision| *revision = u8::try_from(rank(*revision)).expect("at most 64"));
        self.contenders.sort_unstable();
    }

    /// Forgets late requests that would do nothing any more: what they compare does not come back.
    fn drop_void(&mut self, setting: &Setting) {
        if [Mutation::TakenUncompared, Mutation::SavedUnderAnyKey, Mutation::LiftsAny]
            .contains(&setting.mutation)
        {
            return;
        }
        let fence = self.fence.map_or(0, |fence| fence.token);
        for who in &mut self.contenders {
            let (key, has_lease) = (who.key, who.lease.is_some());
            who.stray = who.stray.filter(|request| match *request {
                Request::Enter { .. } => has_lease,
                Request::Take { mine, .. } | Request::Leave { mine, .. } | Request::Save { mine, .. } => {
                    key == mine
                }
                Request::Lift { mine } => fence == mine,
                Request::Unmark { .. } | Request::Revoke => true,
                Request::Look { .. } | Request::Watch { .. } => false,
            });
        }
    }

    /// Who is larger than all that it is compared with is as none.
    fn forget(&mut self) {
        let place =
            |who: &Contender| [who.mine, who.key, who.told()].into_iter().chain(who.stray.and_then(of_whom));
        let least = self.contenders.iter().flat_map(place).filter(|mine| *mine > 0).min();
        let is_compared = |token: &Revision| least.is_some_and(|least| least < *token);
        self.known.largest = Some(self.known.largest).filter(is_compared).unwrap_or(0);
        self.resource = Some(self.resource).filter(is_compared).unwrap_or(0);
    }

    pub(crate) fn each_revision(&mut self, mut each: impl FnMut(&mut Revision)) {
        for who in &mut self.contenders {
            let Contender { mine, awaited, found, session, key, .. } = who;
            of_awaited(awaited, &mut each);
            [mine, &mut found.token, &mut session.0, key].into_iter().for_each(&mut each);
            if let Phase::Answered(answer) = &mut who.phase {
                of_answer(answer, &mut each);
            }
            if let Some(request) = &mut who.stray {
                of_request(request, &mut each);
            }
        }
        if let Some(fence) = &mut self.fence {
            each(&mut fence.token);
        }
        let known = &mut self.known;
        let ghosts = [&mut known.unclean, &mut known.half, &mut known.doubtful, &mut known.largest];
        [&mut self.marker, &mut self.session.0, &mut self.resource, &mut self.breaker.token]
            .into_iter()
            .chain(ghosts)
            .for_each(&mut each);
    }
}

fn of_answer(answer: &mut Answer, each: &mut impl FnMut(&mut Revision)) {
    match answer {
        Answer::Yes | Answer::No | Answer::Gone | Answer::First => {}
        Answer::Entered(revision) => each(revision),
        Answer::Holds(revision, session) => [revision, &mut session.0].into_iter().for_each(each),
        Answer::After(awaited) => of_awaited(awaited, each),
        Answer::Taken(session) => each(&mut session.0),
    }
}

fn of_request(request: &mut Request, each: &mut impl FnMut(&mut Revision)) {
    match request {
        Request::Enter { .. } | Request::Revoke => {}
        Request::Look { mine } | Request::Lift { mine } | Request::Unmark { mine } => each(mine),
        Request::Watch { awaited } => of_awaited(awaited, each),
        Request::Take { mine, found } | Request::Leave { mine, found, .. } => {
            each(mine);
            each(&mut found.token);
        }
        Request::Save { mine, over, now } => [mine, &mut over.0, &mut now.0].into_iter().for_each(each),
    }
}

fn of_whom(request: Request) -> Option<Revision> {
    match request {
        Request::Look { mine }
        | Request::Lift { mine }
        | Request::Unmark { mine }
        | Request::Take { mine, .. }
        | Request::Leave { mine, .. }
        | Request::Save { mine, .. } => Some(mine),
        Request::Enter { .. } | Request::Revoke | Request::Watch { .. } => None,
    }
}

fn of_awaited(awaited: &mut Awaited, each: &mut impl FnMut(&mut Revision)) {
    match awaited {
        Awaited::Nothing => {}
        Awaited::Key(revision) | Awaited::Fence(revision) => each(revision),
    }
}

/// Puts away what makes no difference any more.
fn tidy(who: &mut Contender) {
    // Without a key, and none that could come, a lease is as none.
    let may_enter =
        matches!(who.at, At::Entering | At::Trying) || matches!(who.stray, Some(Request::Enter { .. }));
    if who.key == 0 && !may_enter {
        who.lease = None;
        if who.at == At::Revoking {
            who.at = At::Away;
        }
    }
    if !who.is_alive() {
        let Contender { name, at, stray, lease, key, .. } = *who;
        let is_gone = lease.is_none() && key == 0 && stray.is_none();
        let at = if is_gone { At::Away } else { at };
        *who = Contender { name, at, stray, lease, key, ..Contender::default() };
        return;
    }
    if matches!(who.at, At::Leaving(_) | At::Unmarking | At::Lifting | At::Revoking) {
        // Nothing runs under it any more; a release looks once more at its clock.
        who.renewal = Renewal::None;
        if !matches!(who.at, At::Leaving(End::Clean) | At::Unmarking) {
            who.left = 0;
        }
    }
    if !matches!(who.at, At::Watching | At::AskingToWatch | At::WatchingInVain) {
        who.awaited = Awaited::Nothing;
    }
    if !matches!(who.at, At::Held | At::Checked | At::Saving | At::LiftingFirst) {
        who.session = (0, 0);
    }
    if who.left == 0 && who.renewal == Renewal::None {
        who.lag = 0;
    }
}
