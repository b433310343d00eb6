//! The judge of exclusion: keeps the set of who is inside, and counts every time there were two.
//!
//! Each contender has a line to the oracle, a Unix stream socket that is its standard input. Per acquisition
//! it writes `E` (I am in), waits for the one-byte answer, does its work, and writes `L` (leaving) *before*
//! it releases. So an `E` that is queued while somebody else has neither left nor died is an overlap.
//!
//! A false alarm would make the oracle useless, so each way out of the set is ordered before the next way in:
//!
//! - **Leaving.** `L` is written before the release, the release comes before the next acquisition, and that
//!   before its `E`. So when an `E` of B is read, an `L` of A that preceded it is queued already; the oracle
//!   reads A's line before it judges, whichever of the two lines it happened to read first.
//! - **Dying.** At a SIGKILL the kernel closes the descriptors, the line as well as the locks. The lowest descriptor
//!   is *put* first, but since Linux 4.3 the last reference is dropped by deferred work that runs in the opposite
//!   order: with the line at descriptor 0 and a lock above it, one lock in five was seen free before the
//!   end of file was (Linux 6.18). So the order of descriptors is *not* relied upon. Instead, who kills also
//!   reaps, and calls [`Oracle::bury`] before it listens to anyone else: a process can be waited for only
//!   after all that it had open is closed, so the end of file is queued by then, whatever the order was.
//!
//! The end of file, and not the kill, is what takes a contender out of the set: while a child that inherited the line
//! still lives, and with it perhaps the lock, it counts as inside.
//!
//! Overlaps can be missed where A leaves between B's `E` and the look at A's line; they can't while A's `E` is
//! unanswered. Therefore answers are given only once a whole round of lines has been read.
//!
//! Elsewhere: processes, kills and limits are in [`crate::race`], the contender's end of the line in [`crate::contender`].

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// The byte by which a contender says that it has the lock.
pub const ENTER: u8 = b'E';
/// The byte by which a contender says that it is about to release.
pub const LEAVE: u8 = b'L';
/// The oracle's answer to [`ENTER`].
pub const HEARD: u8 = b'.';

/// As many overlaps are described as anyone will read; all are counted.
const DESCRIBED: usize = 5;

/// The parent's end of all lines, and the judgement so far.
#[derive(Debug)]
pub struct Oracle {
    members: BTreeMap<MemberId, Member>,
    next: MemberId,
    tally: Tally,
}

/// Names one line for the life of its oracle; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberId(u64);

#[derive(Debug)]
struct Member {
    name: String,
    line: UnixStream,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    /// It is in and blocked: it cannot leave before it is answered.
    Unanswered {
        since: Instant,
    },
    Inside {
        since: Instant,
    },
}

/// What the oracle has seen.
#[derive(Debug, Clone)]
pub struct Tally {
    /// How many times anyone came in.
    pub acquisitions: u64,
    /// How many times anyone came in while somebody else was inside.
    pub overlaps: u64,
    /// The first few overlaps, in words.
    pub described: Vec<String>,
    longest_gap: Duration,
    began: Instant,
    last: Instant,
}

impl Tally {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            acquisitions: 0,
            overlaps: 0,
            described: Vec::new(),
            longest_gap: Duration::ZERO,
            began: now,
            last: now,
        }
    }

    /// The longest time in which nobody came in, up to now.
    pub fn longest_gap(&self) -> Duration {
        self.longest_gap.max(self.last.elapsed())
    }

    /// The time since the oracle was made.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn acquired(&mut self, now: Instant) {
        self.acquisitions += 1;
        self.longest_gap = self.longest_gap.max(now - self.last);
        self.last = now;
    }

    fn overlapped(&mut self, text: impl FnOnce() -> String) {
        self.overlaps += 1;
        if self.described.len() < DESCRIBED {
            self.described.push(text());
        }
    }
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle {
    /// Makes an oracle without contenders.
    pub fn new() -> Self {
        Self { members: BTreeMap::new(), next: MemberId(0), tally: Tally::new() }
    }

    /// Opens a line and returns its far end, which is to be the contender's standard input and nobody else's:
    /// the caller must not keep a copy, or the end of file never comes.
    ///
    /// # Errors
    ///
    /// When no socket pair can be made.
    pub fn admit(&mut self, name: impl Into<String>) -> io::Result<(MemberId, UnixStream)> {
        let (line, far) = UnixStream::pair()?;
        line.set_nonblocking(true)?;
        let id = self.next;
        self.next = MemberId(id.0 + 1);
        self.members.insert(id, Member { name: name.into(), line, state: State::Outside });
        Ok((id, far))
    }

    /// Gives a line another name, such as the process id that is known only after the start.
    pub fn rename(&mut self, id: MemberId, name: impl Into<String>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.name = name.into();
        }
    }

    /// Waits until some line has news or the time is over, and reads every line that has.
    /// Nobody is answered yet.
    ///
    /// # Errors
    ///
    /// When polling or reading fails, or a contender writes what is not in the protocol.
    pub fn listen(&mut self, timeout: Duration) -> io::Result<()> {
        for id in self.with_news(timeout)? {
            if self.read(id)? == News::CameIn {
                self.judge(id)?;
            }
        }
        Ok(())
    }

    /// Answers all who came in, so that they go on. One that died meanwhile is found at its end of file.
    ///
    /// # Errors
    ///
    /// When a line fails for another reason.
    pub fn answer(&mut self) -> io::Result<()> {
        for member in self.members.values_mut() {
            let State::Unanswered { since } = member.state else { continue };
            match member.line.write_all(&[HEARD]) {
                Err(error) if !is_end(&error) => return Err(error),
                _ => member.state = State::Inside { since },
            }
        }
        Ok(())
    }

    /// Reads the line of a contender that was killed *and waited for*, before anyone else is heard.
    ///
    /// # Errors
    ///
    /// As [`Oracle::listen`].
    pub fn bury(&mut self, id: MemberId) -> io::Result<()> {
        self.read(id).map(drop)
    }

    /// Says whether a line is still open at its far end.
    pub fn is_open(&self, id: MemberId) -> bool {
        self.members.contains_key(&id)
    }

    /// Lists who is inside, as far as has been heard.
    pub fn inside(&self) -> Vec<MemberId> {
        self.members.iter().filter(|(_, member)| member.state != State::Outside).map(|(id, _)| *id).collect()
    }

    /// Shows what has been seen so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn with_news(&self, timeout: Duration) -> io::Result<Vec<MemberId>> {
        let mut polled: Vec<_> =
            self.members.values().map(|member| PollFd::new(&member.line, PollFlags::IN)).collect();
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            // An interrupted wait is one without news: every caller listens again until its own limit.
            Err(Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let news = self.members.keys().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        Ok(news.map(|(id, _)| *id).collect())
    }

    /// Reads all that one line has queued. Ends because the far end waits for an answer after each `E`.
    fn read(&mut self, id: MemberId) -> io::Result<News> {
        let mut news = News::Nothing;
        let mut bytes = [0; 16];
        while let Some(member) = self.members.get_mut(&id) {
            let length = match member.line.read(&mut bytes) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_end(&error) => 0,
                Err(error) => return Err(error),
            };
            if length == 0 {
                // Came in and died at once: whether that was before or after another came in can't be told.
                self.members.remove(&id);
                news = News::Nothing;
            }
            for byte in &bytes[..length] {
                news = self.hear(id, *byte)?;
            }
        }
        Ok(news)
    }

    fn hear(&mut self, id: MemberId, byte: u8) -> io::Result<News> {
        let Some(member) = self.members.get_mut(&id) else { return Ok(News::Nothing) };
        match byte {
            ENTER => {
                let since = Instant::now();
                member.state = State::Unanswered { since };
                self.tally.acquired(since);
                Ok(News::CameIn)
            }
            LEAVE => {
                member.state = State::Outside;
                Ok(News::Nothing)
            }
            other => Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("{} wrote byte {other:#04x}, which is not in the protocol", member.name),
            )),
        }
    }

    /// Looks who else is inside now that this one has come in.
    fn judge(&mut self, newcomer: MemberId) -> io::Result<()> {
        for other in self.inside() {
            if other != newcomer {
                self.read(other)?;
            }
        }
        let others: Vec<_> = self.inside().into_iter().filter(|other| *other != newcomer).collect();
        if others.is_empty() {
            return Ok(());
        }
        let (members, elapsed) = (&self.members, self.tally.elapsed());
        self.tally.overlapped(|| {
            let others: Vec<_> =
                others.iter().filter_map(|id| members.get(id)).map(Member::describe).collect();
            let newcomer = members.get(&newcomer).map_or("?", |member| &member.name);
            format!("after {elapsed:.3?}: {newcomer} came in beside {}", others.join(", "))
        });
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Nothing,
    CameIn,
}

impl Member {
    fn describe(&self) -> String {
        match self.state {
            State::Outside => self.name.clone(),
            State::Unanswered { since } | State::Inside { since } => {
                format!("{} (inside for {:.3?})", self.name, since.elapsed())
            }
        }
    }
}

/// A far end that is closed with our answer unread resets the line instead of ending it.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An oracle and the far ends of two lines, played by the test itself.
    fn two() -> (Oracle, [(MemberId, UnixStream); 2]) {
        let mut oracle = Oracle::new();
        let a = oracle.admit("a").expect("socket pair");
        let b = oracle.admit("b").expect("socket pair");
        (oracle, [a, b])
    }

    fn say(mut far: &UnixStream, byte: u8) {
        far.write_all(&[byte]).expect("the oracle's end is open");
    }

    fn listen(oracle: &mut Oracle) {
        oracle.listen(Duration::ZERO).expect("listening");
        oracle.answer().expect("answering");
    }

    #[test]
    fn two_inside_are_counted_and_described() {
        let (mut oracle, [(_, a), (_, b)]) = two();
        say(&a, ENTER);
        listen(&mut oracle);
        say(&b, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().acquisitions, 2);
        assert_eq!(oracle.tally().overlaps, 1);
        assert!(oracle.tally().described[0].contains("b came in beside a"), "{:?}", oracle.tally());
    }

    #[test]
    fn two_that_come_in_within_one_round_are_counted_once() {
        let (mut oracle, [(_, a), (_, b)]) = two();
        say(&a, ENTER);
        say(&b, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().overlaps, 1);
    }

    #[test]
    fn one_that_died_inside_is_not_an_overlap_for_the_next() {
        let (mut oracle, [(id, a), (_, b)]) = two();
        say(&a, ENTER);
        listen(&mut oracle);
        drop(a);
        say(&b, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().overlaps, 0);
        assert!(!oracle.is_open(id));
    }

    #[test]
    fn one_that_died_with_the_answer_unread_is_out() {
        let (mut oracle, [(id, a), (_, b)]) = two();
        say(&a, ENTER);
        listen(&mut oracle);
        drop(a);
        oracle.bury(id).expect("a reset line is an ended one");
        say(&b, ENTER);
        listen(&mut oracle);
        assert!(!oracle.is_open(id));
        assert_eq!(oracle.tally().overlaps, 0);
    }

    #[test]
    fn a_line_that_a_child_inherited_keeps_the_dead_one_inside() {
        let (mut oracle, [(id, a), (_, b)]) = two();
        say(&a, ENTER);
        listen(&mut oracle);
        let inherited = a.try_clone().expect("duplicate");
        drop(a);
        oracle.bury(id).expect("reading");
        say(&b, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().overlaps, 1);
        drop(inherited);
    }

    #[test]
    fn leaving_that_was_queued_first_counts_first_even_when_read_last() {
        let (mut oracle, [(_, a), (_, b)]) = two();
        say(&b, ENTER);
        listen(&mut oracle);
        // Line `a` is older and read first; what B said before A came in is looked at all the same.
        say(&b, LEAVE);
        say(&a, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().overlaps, 0);
        assert_eq!(oracle.inside().len(), 1);
    }

    #[test]
    fn one_that_left_and_came_back_beside_another_is_counted() {
        let (mut oracle, [(_, a), (_, b)]) = two();
        say(&b, ENTER);
        listen(&mut oracle);
        say(&a, ENTER);
        say(&b, LEAVE);
        say(&b, ENTER);
        listen(&mut oracle);
        assert_eq!(oracle.tally().acquisitions, 3);
        assert_eq!(oracle.tally().overlaps, 1);
    }

    #[test]
    fn nobody_is_answered_before_the_round_is_over() {
        let (mut oracle, [(_, a), _]) = two();
        a.set_nonblocking(true).expect("set");
        say(&a, ENTER);
        oracle.listen(Duration::ZERO).expect("listening");
        let early = (&a).read(&mut [0]).map_err(|error| error.kind());
        oracle.answer().expect("answering");
        let mut answer = [0];
        (&a).read_exact(&mut answer).expect("answered");
        assert_eq!((early, answer), (Err(ErrorKind::WouldBlock), [HEARD]));
    }

    #[test]
    fn a_byte_outside_the_protocol_is_refused() {
        let (mut oracle, [(_, a), _]) = two();
        say(&a, b'?');
        let error = oracle.listen(Duration::ZERO).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("a wrote byte 0x3f"), "{error}");
    }
}
