//! Acquiring: entering the queue, waiting for one's turn, becoming the holder.
//!
//! ```text
//! enter ──► nobody there: with that it holds, marker and all ────────────────────────┐
//!   └─────► turn? ── after another one ──► watch that one's key ──► turn?             ▼
//!             │ first                                                  held, if the tenure is still good;
//!             └────► take (leaves the marker) ─────────────────────►  else undone, and again
//! ```
//!
//! A place can be lost while it waits: the process was stopped longer than its lease, or somebody removed the key. Then
//! there has to be another place, at the end of the queue. Once the caller has been told that it waits, an outage of
//! the cluster is waited out like a holder: who waits for hours wants to survive the restart of a server.

use std::sync::Arc;

use baton_lock::{Attempt, Held, Outcome, Record, store::OnBusy};

use crate::{
    Error,
    claim::{Claim, Entered, Left, Turn},
    hold::Hold,
    interrupt::Interrupt,
    lock::EtcdLock,
    observe,
    wire::KeyValue,
};

/// One call to acquire.
pub(crate) struct Acquisition<'a> {
    lock: &'a EtcdLock,
    interrupt: Interrupt,
    on_busy: OnBusy<'a>,
    /// Has `on_busy` been called?
    is_told: bool,
}

/// What became of one place.
enum Passed {
    Holding(Held),
    /// The time was over, or somebody gave it up.
    GivenUp,
    Lost,
}

impl<'a> Acquisition<'a> {
    pub(crate) fn new(lock: &'a EtcdLock, interrupt: Interrupt, on_busy: OnBusy<'a>) -> Self {
        Self { lock, interrupt, on_busy, is_told: false }
    }

    /// Acquires it if nobody has it and nobody waits.
    pub(crate) fn attempt(self) -> Result<Attempt, Error> {
        while let Entered::Holding(claim, found) = self.enter(true)? {
            if let Passed::Holding(held) = self.hold(claim, found) {
                return Ok(Attempt::Held(held));
            }
            // Ends because the lease has to run out in between, each time.
        }
        self.busy()
    }

    /// Acquires it when it is its turn.
    pub(crate) fn wait(mut self) -> Result<Attempt, Error> {
        loop {
            let passed = match self.enter(false) {
                Ok(Entered::Holding(claim, found)) => Ok(self.hold(claim, found)),
                Ok(Entered::Waiting(claim)) => self.pass(claim),
                Ok(Entered::Not) => Ok(Passed::Lost),
                Err(error) => Err(error),
            };
            match passed {
                Ok(Passed::Holding(held)) => return Ok(Attempt::Held(held)),
                Ok(Passed::GivenUp) => return self.busy(),
                Ok(Passed::Lost) => {}
                Err(error) if self.is_waited_out(&error) => {}
                Err(error) => return Err(error),
            }
            if self.interrupt.has_come() {
                return self.busy();
            }
        }
    }

    fn enter(&self, only_if_first: bool) -> Result<Entered, Error> {
        let shared = &self.lock.shared;
        let record = self.lock.options.record(None).to_json().into_bytes();
        let (cluster, keys) = (Arc::clone(&shared.cluster), self.lock.keys.clone());
        let enter = Claim::enter(&shared.engine, cluster, keys, shared.lease, record, only_if_first);
        shared.engine.block_on(enter)
    }

    fn busy(&self) -> Result<Attempt, Error> {
        observe::observe(self.lock).map(|seen| Attempt::Busy(Box::new(seen)))
    }

    fn is_waited_out(&self, error: &Error) -> bool {
        self.is_told && error.is_outage()
    }

    /// Waits with a place until it holds, or is no more.
    fn pass(&mut self, claim: Claim) -> Result<Passed, Error> {
        let engine = &self.lock.shared.engine;
        loop {
            let turn = match engine.block_on(self.interrupt.or(claim.turn())) {
                None => break,
                Some(Err(error)) if self.is_waited_out(&error) => continue,
                Some(Err(error)) => {
                    drop(engine.block_on(claim.withdraw()));
                    return Err(error);
                }
                Some(Ok(turn)) => turn,
            };
            match turn {
                Turn::Gone => {
                    engine.block_on(claim.withdraw())?;
                    return Ok(Passed::Lost);
                }
                Turn::First(found) => return self.take(claim, found),
                Turn::After { key, revision } => {
                    if !self.goes_on()?
                        || engine.block_on(self.interrupt.or(claim.until_gone(&key, revision))).is_none()
                    {
                        break;
                    }
                }
            }
        }
        engine.block_on(claim.withdraw())?;
        Ok(Passed::GivenUp)
    }

    /// Tells the caller once that it has to wait; does it want to?
    fn goes_on(&mut self) -> Result<bool, Error> {
        if self.is_told {
            return Ok(true);
        }
        self.is_told = true;
        Ok((self.on_busy)(&observe::observe(self.lock)?).is_continue())
    }

    /// Becomes the holder, being first. If that fails half-way, whatever it may have left is undone.
    fn take(&self, claim: Claim, found: Option<KeyValue>) -> Result<Passed, Error> {
        let record = self.lock.options.record(Some(token(&claim)));
        let engine = &self.lock.shared.engine;
        match engine.block_on(claim.take(found.as_ref(), record.to_json().into_bytes())) {
            Ok(true) => Ok(self.hold(claim, found)),
            other => {
                self.undo(claim, found.as_ref());
                other.map(|_| Passed::Lost)
            }
        }
    }

    /// Holds, unless all that came too late for the lease.
    fn hold(&self, claim: Claim, found: Option<KeyValue>) -> Passed {
        if claim.tenure.lost().is_some() {
            self.undo(claim, found.as_ref());
            return Passed::Lost;
        }
        let (token, outcome) = (token(&claim), outcome(found.as_ref()));
        let record = self.lock.options.record(Some(token));
        let hold = Hold::new(Arc::clone(&self.lock.shared), self.lock.address.path(), claim, record, found);
        Passed::Holding(Held::new(hold, outcome, token))
    }

    fn undo(&self, claim: Claim, found: Option<&KeyValue>) {
        let engine = &self.lock.shared.engine;
        // Without an answer the lease runs out. The next one is told of a holder that never did anything then.
        let _ = engine.block_on(claim.leave(Left::Undone(found)));
        let _ = engine.block_on(claim.withdraw());
    }
}

fn token(claim: &Claim) -> u64 {
    u64::try_from(claim.kept.revision).unwrap_or(0)
}

/// What the marker that was found says of the last holder.
fn outcome(found: Option<&KeyValue>) -> Outcome {
    match found {
        None => Outcome::Fresh,
        Some(marker) => Outcome::Recovered(Record::from_json(&marker.value).map(Box::new)),
    }
}
