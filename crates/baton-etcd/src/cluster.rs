//! The cluster: each request goes to one member after the other until one answers or the time is up.
//!
//! A request whose answer was lost may have been carried out, and is then carried out twice. So every request that
//! comes through here is one whose repetition does no harm: a transaction that compares what it changed the first time
//! (see `docs/etcd.md`), a lease that nobody learns of and that runs out, or a question.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prost::Message;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};
use tonic::Status;

use crate::{
    Error,
    address::Address,
    answer::Failure,
    credentials::Credentials,
    member::{Member, Token},
    wire::{
        Authenticate, AuthenticateAnswer, Empty, Grant, LeaseAnswer, LeaseId, Range, RangeAnswer,
        Status as MemberStatus, Transaction, TransactionAnswer,
    },
};

/// After this time a request that no member answered is an error: an endpoint that can't be reached has to be
/// reported within ten seconds, and somebody waits at a terminal.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

/// One member is given at most this long, so that with two of them the second one is asked in time.
const ATTEMPT: Duration = Duration::from_secs(4);

/// For a member to say how it is, once it has not answered anything else.
const DIAGNOSIS: Duration = Duration::from_secs(2);

/// For a connection to be made, once nothing came by the one there was. With [`PATIENCE`] it has to be below ten seconds.
const PROBE: Duration = Duration::from_millis(1500);

/// Between two rounds over all members.
const PAUSE: Duration = Duration::from_millis(200);

/// The members, and the one that answered last.
#[derive(Debug)]
pub(crate) struct Cluster {
    members: Vec<Member>,
    /// Where the next request goes.
    current: AtomicUsize,
    user: Option<(String, String)>,
    token: Mutex<Token>,
    /// The endpoints as messages name them.
    endpoints: String,
}

/// How often a member was asked for one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Once,
    /// More often, since an answer did not come.
    Again,
}

impl Cluster {
    /// Knows the members; connects to none. Has to be called within the runtime.
    pub(crate) fn new(address: &Address, credentials: &Credentials) -> Result<Self, Error> {
        Ok(Self {
            members: Member::all(address, credentials)?,
            current: AtomicUsize::new(0),
            user: credentials.user.clone(),
            token: Mutex::new(None),
            endpoints: address.endpoints.join(","),
        })
    }

    pub(crate) fn endpoints(&self) -> &str {
        &self.endpoints
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Carries out a transaction.
    pub(crate) async fn commit(
        &self,
        what: &'static str,
        transaction: Transaction,
    ) -> Result<TransactionAnswer, Error> {
        self.ask(what, "/etcdserverpb.KV/Txn", transaction).await
    }

    /// The same; tells whether it was asked for once only. If not, an earlier request may be carried out at any time to come.
    pub(crate) async fn commit_counting(
        &self,
        what: &'static str,
        transaction: Transaction,
    ) -> (Result<TransactionAnswer, Error>, Asked) {
        let times = AtomicUsize::new(0);
        let asked = self.ask_counting(what, "/etcdserverpb.KV/Txn", transaction, &times).await;
        (asked, if times.into_inner() > 1 { Asked::Again } else { Asked::Once })
    }

    /// Reads keys, linearizably.
    pub(crate) async fn read(&self, what: &'static str, range: Range) -> Result<RangeAnswer, Error> {
        self.ask(what, "/etcdserverpb.KV/Range", range).await
    }

    /// Grants a lease.
    pub(crate) async fn grant(&self, ttl: i64) -> Result<LeaseAnswer, Error> {
        self.ask("grant a lease", "/etcdserverpb.Lease/LeaseGrant", Grant { ttl }).await
    }

    /// Revokes a lease; that it is gone already is as good.
    pub(crate) async fn revoke(&self, id: i64) -> Result<(), Error> {
        let revoked: Result<Empty, Error> =
            self.ask("revoke a lease", "/etcdserverpb.Lease/LeaseRevoke", LeaseId { id }).await;
        match revoked {
            Err(Error::Server { reason, .. }) if reason.contains("lease not found") => Ok(()),
            other => other.map(drop),
        }
    }

    /// How long a lease still runs; nothing above 0 if it is gone.
    pub(crate) async fn time_to_live(&self, id: i64) -> Result<LeaseAnswer, Error> {
        self.ask("look at a lease", "/etcdserverpb.Lease/LeaseTimeToLive", LeaseId { id }).await
    }

    /// How the member is that answers first.
    pub(crate) async fn status(&self) -> Result<MemberStatus, Error> {
        self.ask("say its version", "/etcdserverpb.Maintenance/Status", Empty {}).await
    }

    async fn ask<Q, A>(&self, what: &'static str, path: &'static str, question: Q) -> Result<A, Error>
    where
        Q: Message + Default + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.ask_counting(what, path, question, &AtomicUsize::new(0)).await
    }

    async fn ask_counting<Q, A>(
        &self,
        what: &'static str,
        path: &'static str,
        question: Q,
        times: &AtomicUsize,
    ) -> Result<A, Error>
    where
        Q: Message + Default + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let until = Instant::now() + PATIENCE;
        let asked = self.attempt_until(until, ATTEMPT, |member, token| {
            times.fetch_add(1, Ordering::Relaxed);
            let question = question.clone();
            async move { member.ask(path, question, &token).await }
        });
        match asked.await {
            Ok(answer) => Ok(answer),
            Err(failure) => Err(self.error(what, failure).await),
        }
    }

    /// Asks one member after the other until one answers, one fails for good, or it is `until`.
    pub(crate) async fn attempt_until<T, F>(
        &self,
        until: Instant,
        attempt: Duration,
        ask: impl Fn(Member, Token) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut tried = 0;
        let mut worst: Option<Failure> = None;
        loop {
            let index = self.current.load(Ordering::Relaxed) % self.members.len();
            let limit = until.min(Instant::now() + attempt);
            let failure = match self.attempt(&self.members[index], limit, &ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) if !failure.is_passing() => return Err(failure),
                Err(failure) => failure,
            };
            if failure != Failure::LoginAgain {
                self.leave(index);
            }
            tried += 1;
            // Ends because each round over the members takes at least the pause.
            let pause = if tried % self.members.len() == 0 { PAUSE } else { Duration::ZERO };
            // That one member is down says less than that another one has no majority.
            let telling = worst.take().map_or(failure.clone(), |worst| worst.or_more_telling(failure));
            if Instant::now() + pause >= until {
                return Err(telling);
            }
            worst = Some(telling);
            sleep(pause).await;
        }
    }

    async fn attempt<T, F>(
        &self,
        member: &Member,
        limit: Instant,
        ask: &impl Fn(Member, Token) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let asked = async {
            let token = self.login(member).await?;
            ask(member.clone(), token).await.map_err(|status| Failure::of(&status))
        };
        let answer = timeout_at(limit, asked).await.unwrap_or(Err(Failure::Silence));
        if answer.as_ref().is_err_and(|failure| *failure == Failure::LoginAgain) {
            *self.token() = None;
        }
        answer
    }

    /// Lets the next request go to the next member, unless another request has seen to that.
    pub(crate) fn leave(&self, index: usize) {
        let next = (index + 1) % self.members.len();
        let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The member that requests go to now, and its number.
    pub(crate) fn current(&self) -> (usize, &Member) {
        let index = self.current.load(Ordering::Relaxed) % self.members.len();
        (index, &self.members[index])
    }

    /// What shows who we are, after a log-in if there was none.
    pub(crate) async fn login(&self, member: &Member) -> Result<Token, Failure> {
        let Some((name, password)) = &self.user else { return Ok(None) };
        if let Some(token) = &*self.token() {
            return Ok(Some(token.clone()));
        }
        let question = Authenticate { name: name.clone(), password: password.clone() };
        let asked = member.ask("/etcdserverpb.Auth/Authenticate", question, &None).await;
        let answer: AuthenticateAnswer = asked.map_err(|status| Failure::of(&status))?;
        let token = answer.token.parse().map_err(|_| Failure::NotEtcd("its login is not text".into()))?;
        *self.token() = Some(token);
        Ok(self.token().clone())
    }

    fn token(&self) -> std::sync::MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that a failure amounts to. A member that did not answer is asked how it is: one without a majority
    /// can still say so.
    pub(crate) async fn error(&self, what: &'static str, failure: Failure) -> Error {
        let endpoints = self.endpoints.clone();
        match failure {
            Failure::Silence if !self.some_member_accepts().await => {
                Error::Unreachable { endpoints, reason: "connections to it are not answered".into() }
            }
            Failure::Silence if self.some_member_lacks_a_leader().await => {
                Error::NoQuorum { endpoints, what }
            }
            Failure::Silence => Error::Silent { endpoints, what },
            Failure::Connection(reason) => Error::Unreachable { endpoints, reason },
            Failure::Certificate(reason) => Error::Certificate { endpoints, reason },
            Failure::NoQuorum => Error::NoQuorum { endpoints, what },
            Failure::LoginAgain => {
                Error::Refused { endpoints, what, reason: "its login runs out at once".into() }
            }
            Failure::Refused(reason) => Error::Refused { endpoints, what, reason },
            Failure::NotEtcd(found) => Error::Version { endpoints, found },
            Failure::Passing(reason) | Failure::Final(reason) => Error::Server { endpoints, what, reason },
        }
    }

    /// Without it, a host that drops what it is sent can't be told from a server that hangs.
    async fn some_member_accepts(&self) -> bool {
        let until = Instant::now() + PROBE;
        for member in &self.members {
            if timeout_at(until, TcpStream::connect(&member.endpoint)).await.is_ok_and(|made| made.is_ok()) {
                return true;
            }
        }
        false
    }

    async fn some_member_lacks_a_leader(&self) -> bool {
        let until = Instant::now() + DIAGNOSIS;
        for member in &self.members {
            let asked = member.ask("/etcdserverpb.Maintenance/Status", Empty {}, &None);
            let answer: Option<Result<MemberStatus, Status>> = timeout_at(until, asked).await.ok();
            match answer {
                Some(Ok(status)) if status.leader == 0 => return true,
                Some(Err(status)) if Failure::of(&status) == Failure::NoQuorum => return true,
                _ => {}
            }
        }
        false
    }
}
