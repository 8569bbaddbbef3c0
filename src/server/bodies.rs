//! The bodies of calls on their way in: how long they may take, and how much memory they may
//! hold, each call, each connection and all together.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::Version;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use super::connection::{Connection, Word};
use super::unread::Waiting as WithPeer;

/// What each call may hold for nothing, so that a flood of long bodies takes no ordinary message
/// with it. The number of calls has limits of its own.
const FREE_BYTES: usize = 16 * 1024;
/// When more bodies than this are under way, each has [`PRESSED`] to arrive: an honest one comes
/// with its head.
const CALM_MAX: usize = 4096;
/// A shorter part of an answer is not counted: ordinary answers are.
const SMALL_ANSWER: usize = 1024;
/// What the answers of a connection may hold when all answers together are at their limit: who
/// takes them holds less, so that the connections which end are those of who does not.
const ANSWERS_CALM: usize = 64 * 1024;
const PRESSED: Duration = Duration::from_secs(1);

/// The bodies that are in memory, of all connections of a process.
#[derive(Debug)]
pub struct BodyBudget {
    limits: BodyLimits,
    held: AtomicUsize,
    answers_held: AtomicUsize,
    under_way: AtomicUsize,
}

/// Bytes beyond the first 16 KiB of each call. Answers that their peers have not taken have the
/// same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// From the head of a call until all of its body is there; streams of messages have none.
    pub timeout: Duration,
    pub connection_bytes_max: usize,
    pub process_bytes_max: usize,
}

impl BodyBudget {
    pub fn new(limits: BodyLimits) -> BodyBudget {
        BodyBudget {
            limits,
            held: AtomicUsize::new(0),
            answers_held: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
        }
    }
}

/// One call: from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct Call {
    connection: Arc<Connection>,
    budget: Arc<BodyBudget>,
    held: AtomicUsize,
    answer_held: AtomicUsize,
}

impl Call {
    pub(super) fn new(connection: Arc<Connection>, budget: Arc<BodyBudget>) -> Call {
        connection.call_began();
        Call {
            connection,
            budget,
            held: AtomicUsize::new(0),
            answer_held: AtomicUsize::new(0),
        }
    }

    /// Counts a part of the answer until its last byte is written. A connection that holds too
    /// many is ended: its peer does not take them.
    fn hold_answer(&self, bytes: usize) {
        let limits = &self.budget.limits;
        self.answer_held.fetch_add(bytes, Ordering::Relaxed);
        let connection = &self.connection.answer_bytes_held;
        let connection = connection.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let process = self.budget.answers_held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let is_over = connection > limits.connection_bytes_max
            || (process > limits.process_bytes_max && connection > ANSWERS_CALM);
        if is_over {
            self.connection.tell(Word::Hoards);
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Takes memory for a part of the body, or says whose limit it is over.
    fn hold(&self, bytes: usize) -> Result<(), &'static str> {
        let limits = &self.budget.limits;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let connection = self
            .connection
            .bytes_held
            .fetch_add(bytes, Ordering::Relaxed)
            + bytes;
        let process = self.budget.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if connection > limits.connection_bytes_max {
            return Err("this connection's bodies");
        }
        if process > limits.process_bytes_max {
            return Err("all bodies");
        }
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let held = self.held.load(Ordering::Relaxed);
        self.connection
            .bytes_held
            .fetch_sub(held, Ordering::Relaxed);
        self.budget.held.fetch_sub(held, Ordering::Relaxed);
        let held = self.answer_held.load(Ordering::Relaxed);
        if held > 0 {
            let connection = &self.connection.answer_bytes_held;
            connection.fetch_sub(held, Ordering::Relaxed);
            self.budget.answers_held.fetch_sub(held, Ordering::Relaxed);
        }
        self.connection.call_ended();
    }
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It took too long.
    Late(Status),
    /// There is no memory for it now.
    NoRoom(Status),
    Broken(hyper::Error),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Late(status) | BodyError::NoRoom(status) => f.write_str(status.message()),
            BodyError::Broken(error) => error.fmt(f),
        }
    }
}

impl Error for BodyError {
    // tonic answers with a status that it finds among the sources.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BodyError::Late(status) | BodyError::NoRoom(status) => Some(status),
            BodyError::Broken(error) => Some(error),
        }
    }
}

/// A body that is held to its limits.
pub(super) struct LimitedBody {
    body: Incoming,
    call: Arc<Call>,
    free: usize,
    wait: Wait,
}

/// How a body is waited for.
enum Wait {
    /// It comes when its caller has something to say.
    Endless,
    /// Most bodies come with their heads, and need no timer.
    NotYet,
    Until(Box<Waiting>),
}

struct Waiting {
    began: Instant,
    timer: Pin<Box<Sleep>>,
    budget: Arc<BodyBudget>,
}

impl Waiting {
    fn new(budget: &Arc<BodyBudget>) -> Waiting {
        budget.under_way.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let first = budget.limits.timeout.min(PRESSED);
        Waiting {
            began,
            timer: Box::pin(sleep_until(began + first)),
            budget: Arc::clone(budget),
        }
    }

    /// Ready with how long it was waited for, when that was long enough.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        let timeout = self.budget.limits.timeout;
        loop {
            ready!(self.timer.as_mut().poll(context));
            let waited = self.began.elapsed();
            let is_calm = self.budget.under_way.load(Ordering::Relaxed) <= CALM_MAX;
            if waited >= timeout || !is_calm {
                return Poll::Ready(waited);
            }
            let next = if waited + PRESSED < timeout {
                PRESSED
            } else {
                timeout - waited
            };
            self.timer.as_mut().reset(Instant::now() + next);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.budget.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LimitedBody {
    /// `endless`: a stream of messages, which ends when its caller likes.
    pub(super) fn new(body: Incoming, call: Arc<Call>, endless: bool) -> LimitedBody {
        LimitedBody {
            body,
            call,
            free: FREE_BYTES,
            wait: if endless { Wait::Endless } else { Wait::NotYet },
        }
    }

    fn hold(&mut self, bytes: usize) -> Result<(), BodyError> {
        // The messages of a stream are let go one by one, and each has its own limit.
        if matches!(self.wait, Wait::Endless) {
            return Ok(());
        }
        let counted = bytes.saturating_sub(self.free);
        self.free = self.free.saturating_sub(bytes);
        if counted == 0 {
            return Ok(());
        }
        self.call.hold(counted).map_err(|whose| {
            let why = format!("no memory for this body: {whose} are at their limit, try again");
            BodyError::NoRoom(Status::resource_exhausted(why))
        })
    }
}

/// Why a body is not there as a whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadBody {
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl UnreadBody {
    /// There is no memory for it now.
    pub(super) fn is_for_want_of_room(&self) -> bool {
        matches!(self, UnreadBody::Body(BodyError::NoRoom(_)))
    }
}

/// All of a body. What came in one piece is not copied.
pub(super) async fn whole(mut body: LimitedBody, bytes_max: usize) -> Result<Bytes, UnreadBody> {
    let (mut first, mut longer) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if first.len() + longer.len() + data.len() > bytes_max {
            return Err(UnreadBody::TooLong(bytes_max));
        }
        if first.is_empty() && longer.is_empty() {
            first = data;
            continue;
        }
        longer.extend_from_slice(&std::mem::take(&mut first));
        longer.extend_from_slice(&data);
    }
    Ok(match longer.is_empty() {
        true => first,
        false => longer.freeze(),
    })
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(match frame {
                Some(Ok(frame)) => {
                    let bytes = frame.data_ref().map_or(0, Bytes::len);
                    Some(this.hold(bytes).map(|()| frame))
                }
                Some(Err(error)) => Some(Err(BodyError::Broken(error))),
                None => {
                    this.wait = Wait::Endless;
                    None
                }
            });
        }
        if matches!(this.wait, Wait::NotYet) {
            this.wait = Wait::Until(Box::new(Waiting::new(&this.call.budget)));
        }
        let Wait::Until(waiting) = &mut this.wait else {
            return Poll::Pending;
        };
        let waited = ready!(waiting.poll(context));
        let why = format!("the body did not arrive within {waited:.0?}");
        Poll::Ready(Some(Err(BodyError::Late(Status::deadline_exceeded(why)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
pub(super) enum AnswerBody {
    /// From a port's routes.
    Routed(Body),
    /// All of it is there.
    Whole(Bytes),
}

/// An answer that ends its call when its last byte is on the way; one that is not short, when it
/// is written.
pub(super) struct CountedBody {
    body: AnswerBody,
    is_http2: bool,
    /// Set while it is the peer's turn, and not ours. Of HTTP/1.1 the connection has one answer at
    /// a time, and takes it at once.
    with_peer: Option<WithPeer>,
    call: Arc<Call>,
}

impl CountedBody {
    pub(super) fn new(body: AnswerBody, call: Arc<Call>, version: Version) -> CountedBody {
        let is_http2 = version >= Version::HTTP_2;
        let unread = &call.connection.unread;
        CountedBody {
            with_peer: is_http2.then(|| WithPeer::new(unread)),
            body,
            is_http2,
            call,
        }
    }

    fn poll_part(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.body {
            AnswerBody::Routed(body) => Pin::new(body).poll_frame(context),
            AnswerBody::Whole(bytes) => Poll::Ready(match bytes.is_empty() {
                true => None,
                false => Some(Ok(Frame::data(std::mem::take(bytes)))),
            }),
        }
    }

    /// A part whose bytes are held until they are written.
    fn counted(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        frame.map_data(|bytes| match bytes.len() > SMALL_ANSWER {
            false => bytes,
            true => {
                self.call.hold_answer(bytes.len());
                Bytes::from_owner(Unwritten {
                    bytes,
                    _with_peer: WithPeer::new(&self.call.connection.unread),
                    _call: Arc::clone(&self.call),
                })
            }
        })
    }
}

/// A part of an answer on its way through the connection.
struct Unwritten {
    bytes: Bytes,
    _with_peer: WithPeer,
    _call: Arc<Call>,
}

impl AsRef<[u8]> for Unwritten {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = self.poll_part(context);
        match (polled.is_pending(), self.with_peer.is_some()) {
            (true, true) => self.with_peer = None,
            (false, false) if self.is_http2 => {
                self.with_peer = Some(WithPeer::new(&self.call.connection.unread));
            }
            _ => {}
        }
        polled.map(|part| part.map(|part| part.map(|frame| self.counted(frame))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnswerBody::Routed(body) => body.is_end_stream(),
            AnswerBody::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            AnswerBody::Routed(body) => body.size_hint(),
            AnswerBody::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        timeout: Duration::from_secs(10),
        connection_bytes_max: 100,
        process_bytes_max: 150,
    };

    fn call(budget: &Arc<BodyBudget>, connection: &Arc<Connection>) -> Call {
        Call::new(Arc::clone(connection), Arc::clone(budget))
    }

    #[tokio::test]
    async fn memory_is_counted_by_connection_and_by_process_and_given_back() {
        let budget = Arc::new(BodyBudget::new(LIMITS));
        let [one, other] = [(); 2].map(|()| Arc::new(Connection::new()));
        let first = call(&budget, &one);
        assert_eq!(first.hold(100), Ok(()));
        let second = call(&budget, &one);
        assert_eq!(second.hold(1), Err("this connection's bodies"));
        drop(second);
        let third = call(&budget, &other);
        assert_eq!(third.hold(60), Err("all bodies"));
        drop((first, third));
        assert!(!one.is_busy());
        assert_eq!(one.bytes_held.load(Ordering::Relaxed), 0);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_waited_for_less_long_when_many_are_under_way() {
        let budget = Arc::new(BodyBudget::new(LIMITS));
        let mut alone = Waiting::new(&budget);
        let waited = std::future::poll_fn(|context| alone.poll(context)).await;
        assert_eq!(waited.as_secs(), 10);
        let many: Vec<_> = (0..=CALM_MAX).map(|_| Waiting::new(&budget)).collect();
        let mut pressed = Waiting::new(&budget);
        let waited = std::future::poll_fn(|context| pressed.poll(context)).await;
        assert_eq!(waited.as_secs(), 1);
        drop((alone, many, pressed));
        assert_eq!(budget.under_way.load(Ordering::Relaxed), 0);
    }
}
