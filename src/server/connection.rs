//! What is known of one open connection: its calls, how long it has been idle, what its bodies
//! hold in memory.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::socket::Socket;
use super::unread::Unread;

/// How an HTTP/2 connection begins; only when all of it is there is it one.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of a TLS handshake. No request of HTTP begins with it.
const TLS_HANDSHAKE: u8 = 0x16;
/// What is read of a call within TLS to know that one has come.
const FIRST_BYTES: usize = 1024;

/// Who is at the other end of a connection; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    pub fn address(&self) -> IpAddr {
        self.0.ip().to_canonical()
    }
}

/// How long a connection may be what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From its first byte, or from connecting, until the head of a call is complete.
    pub head: Duration,
    /// Without a call.
    pub idle: Duration,
    /// Until the peer takes an answer of HTTP/2; it may be twice that.
    pub answer: Duration,
}

/// Why a connection is closed whose answers its peer does not take.
pub(super) const UNREAD: &str = "answers are not taken";

/// The state of one connection, shared by its task, its calls and the table of its port.
#[derive(Debug)]
pub(super) struct Connection {
    opened: Instant,
    calls: AtomicUsize,
    served: AtomicBool,
    /// Milliseconds after `opened` at which the last call ended.
    idle_since_ms: AtomicU64,
    /// One more than the milliseconds after `opened` at which the head of the next call began; 0
    /// when none has.
    head_since_ms: AtomicU64,
    preface_bytes: AtomicUsize,
    /// Began as a TLS handshake, on a port that speaks plain text.
    began_as_tls: AtomicBool,
    is_http2: AtomicBool,
    /// Bytes of bodies that are held, beyond what each call may hold for nothing.
    pub bytes_held: AtomicUsize,
    /// The same of answers that the peer has not taken.
    pub answer_bytes_held: AtomicUsize,
    pub unread: Arc<Unread>,
    /// Something was written that has not been handed to the operating system.
    unsent: AtomicBool,
    /// What it was told, as [`Word`]; 0 for nothing.
    word: AtomicU8,
    task: AtomicWaker,
}

/// What a connection is told from outside. Looking for it costs no lock, as it is looked for
/// whenever the connection does anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Its place is needed by another.
    Evicted = 1,
    /// The process ends: a call that is answered is the connection's last.
    Stop = 2,
    /// Its answers take too much memory.
    Hoards = 3,
}

/// What is to be done about a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Again(Instant),
    /// It has been waited for long enough; the text says for what.
    Close(&'static str),
}

impl Connection {
    pub(super) fn new() -> Connection {
        Connection {
            opened: Instant::now(),
            calls: AtomicUsize::new(0),
            served: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(0),
            head_since_ms: AtomicU64::new(0),
            preface_bytes: AtomicUsize::new(0),
            began_as_tls: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            bytes_held: AtomicUsize::new(0),
            answer_bytes_held: AtomicUsize::new(0),
            unread: Arc::default(),
            unsent: AtomicBool::new(false),
            word: AtomicU8::new(0),
            task: AtomicWaker::new(),
        }
    }

    /// The first word is the last.
    pub(super) fn tell(&self, word: Word) {
        let unsaid = (Ordering::AcqRel, Ordering::Relaxed);
        let _ = self
            .word
            .compare_exchange(0, word as u8, unsaid.0, unsaid.1);
        self.task.wake();
    }

    pub(super) fn told(&self) -> Option<Word> {
        match self.word.load(Ordering::Acquire) {
            1 => Some(Word::Evicted),
            2 => Some(Word::Stop),
            3 => Some(Word::Hoards),
            _ => None,
        }
    }

    /// The same, for the task that serves the connection: it is woken by a word.
    pub(super) fn poll_told(&self, context: &Context<'_>) -> Option<Word> {
        self.task.register(context.waker());
        self.told()
    }

    pub(super) fn call_began(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.head_since_ms.store(0, Ordering::Relaxed);
    }

    pub(super) fn call_ended(&self) {
        self.served.store(true, Ordering::Relaxed);
        self.idle_since_ms.store(self.age_ms(), Ordering::Relaxed);
        self.head_since_ms.store(0, Ordering::Relaxed);
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0
    }

    /// Orders idle connections: what never asked anything goes first, then the longest idle.
    pub(super) fn worth(&self) -> (bool, Instant) {
        let idle_since = self.at(self.idle_since_ms.load(Ordering::Relaxed));
        (self.served.load(Ordering::Relaxed), idle_since)
    }

    /// Nothing has come or gone for `rest`, and nothing is on its way: whatever was made for its
    /// calls can be made anew when the next one comes.
    pub(super) fn rests(&self, now: Instant, rest: Duration) -> bool {
        let idle_since = self.at(self.idle_since_ms.load(Ordering::Relaxed));
        self.served.load(Ordering::Relaxed)
            && !self.is_busy()
            && self.head_since_ms.load(Ordering::Relaxed) == 0
            && !self.unsent.load(Ordering::Relaxed)
            && now.saturating_duration_since(idle_since) >= rest
    }

    /// Whether it has been waited for long enough, or when to look again.
    pub(super) fn look(&self, now: Instant, patience: Patience) -> Look {
        let again = now + patience.head.min(patience.answer);
        if self.unread.is_late(self.age_ms(), patience.answer) {
            return Look::Close(UNREAD);
        }
        if self.is_busy() {
            return Look::Again(again);
        }
        let (since, limit, what) = match (self.head_since(), self.is_http2()) {
            (Some(since), false) => (since, patience.head, "half a head"),
            (None, false) if !self.served.load(Ordering::Relaxed) => {
                (self.opened, patience.head, "silence")
            }
            _ => {
                let since = self.at(self.idle_since_ms.load(Ordering::Relaxed));
                (since, patience.idle, "idle")
            }
        };
        match since + limit {
            due if due <= now => Look::Close(what),
            due => Look::Again(due.min(again)),
        }
    }

    fn head_since(&self) -> Option<Instant> {
        let since_ms = self.head_since_ms.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.at(since_ms))
    }

    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Ordering::Relaxed)
            && self.preface_bytes.load(Ordering::Relaxed) >= PREFACE.len()
    }

    /// Nothing of a call ever came, and it ended sooner than anybody's patience did.
    pub(super) fn left_at_once(&self, limit: Duration) -> bool {
        self.preface_bytes.load(Ordering::Relaxed) == 0
            && self.told().is_none()
            && self.opened.elapsed() < limit
    }

    pub(super) fn began_as_tls(&self) -> bool {
        self.began_as_tls.load(Ordering::Relaxed)
    }

    fn received(&self, bytes: &[u8]) {
        let before = self.preface_bytes.load(Ordering::Relaxed);
        if before < PREFACE.len() {
            if before == 0 {
                let is_tls = bytes.starts_with(&[TLS_HANDSHAKE]);
                self.began_as_tls.store(is_tls, Ordering::Relaxed);
                let is_http2 = bytes.starts_with(&PREFACE[..bytes.len().min(3)]);
                self.is_http2.store(is_http2, Ordering::Relaxed);
            }
            self.preface_bytes
                .store(before + bytes.len(), Ordering::Relaxed);
        }
        if !self.is_busy() && self.head_since_ms.load(Ordering::Relaxed) == 0 {
            self.head_since_ms
                .store(self.age_ms() + 1, Ordering::Relaxed);
        }
    }

    fn age_ms(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    fn at(&self, ms: u64) -> Instant {
        self.opened + Duration::from_millis(ms)
    }
}

/// A stream that tells its connection what it receives and sends.
pub(super) struct Watched {
    stream: Socket,
    connection: Arc<Connection>,
    /// What was read before, and is to be read again.
    again: Bytes,
}

impl Watched {
    pub(super) fn new(stream: Socket, connection: Arc<Connection>) -> Watched {
        Watched {
            stream,
            connection,
            again: Bytes::new(),
        }
    }

    /// Puts back what was read and belongs to no call that has begun.
    pub(super) fn put_back(&mut self, unread: Bytes) {
        if !unread.is_empty() {
            self.connection.received(&unread);
            self.again = unread;
        }
    }

    /// Ready when something has come, or will not.
    pub(super) fn poll_came(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.again.is_empty() {
            return Poll::Ready(());
        }
        if let Socket::Plain(stream) = &self.stream {
            return stream.poll_read_ready(context).map(drop);
        }
        // Within TLS much can come that is nothing of a call.
        let mut first = [0; FIRST_BYTES];
        let mut buffer = ReadBuf::new(&mut first);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        if read.is_ok() && !buffer.filled().is_empty() {
            self.connection.received(buffer.filled());
            self.again = Bytes::copy_from_slice(buffer.filled());
        }
        Poll::Ready(())
    }

    /// Whether HTTP/2 is spoken; reads no more than it takes to know.
    ///
    /// Errors: the connection is broken, or ended before it said anything.
    pub(super) fn poll_is_http2(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let known = self.again.len();
            if !PREFACE.starts_with(&self.again) {
                return Poll::Ready(Ok(false));
            }
            if known == PREFACE.len() {
                return Poll::Ready(Ok(true));
            }
            let mut first = [0; PREFACE.len()];
            first[..known].copy_from_slice(&self.again);
            let mut buffer = ReadBuf::new(&mut first);
            buffer.set_filled(known);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled();
            if read.len() == known {
                return Poll::Ready(match known {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Ok(false),
                });
            }
            self.connection.received(&read[known..]);
            self.again = Bytes::copy_from_slice(read);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.again.is_empty() {
            let taken = this.again.len().min(buffer.remaining());
            buffer.put_slice(&this.again.split_to(taken));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            this.connection.received(new);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.unsent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        // Whoever writes flushes when all of it is written.
        if flushed.is_ready() {
            self.connection.unsent.store(false, Ordering::Relaxed);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::unread::Waiting;
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(300),
        answer: Duration::from_secs(30),
    };

    /// Looks as often as the connection's task does; returns when and why it is closed.
    async fn closed(connection: &Connection) -> (u64, &'static str) {
        let from = Instant::now();
        loop {
            match connection.look(Instant::now(), PATIENCE) {
                Look::Close(why) => return (from.elapsed().as_secs(), why),
                Look::Again(at) => tokio::time::sleep_until(at).await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_closed_after_the_time_for_a_head() {
        assert_eq!(closed(&Connection::new()).await, (10, "silence"));
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_head_is_closed_however_its_bytes_are_dripped() {
        let connection = Connection::new();
        for byte in b"POST /o" {
            connection.received(&[*byte]);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(closed(&connection).await, (3, "half a head"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_peer_that_asked_before_has_the_longer_time() {
        let connection = Connection::new();
        connection.received(b"POST / HTTP/1.1\r\n\r\n");
        connection.call_began();
        tokio::time::advance(Duration::from_secs(400)).await;
        assert!(matches!(
            connection.look(Instant::now(), PATIENCE),
            Look::Again(_)
        ));
        connection.call_ended();
        assert_eq!(closed(&connection).await, (300, "idle"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_head_has_its_limit_too() {
        let connection = Connection::new();
        connection.received(b"GET / HTTP/1.1\r\n\r\n");
        connection.call_began();
        connection.call_ended();
        tokio::time::advance(Duration::from_secs(100)).await;
        connection.received(b"GET / HT");
        assert_eq!(closed(&connection).await, (10, "half a head"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_no_answer_is_closed_although_its_call_goes_on() {
        let connection = Connection::new();
        connection.received(PREFACE);
        connection.call_began();
        let waiting = Waiting::new(&connection.unread);
        let (after, why) = closed(&connection).await;
        assert!((30..=60).contains(&after), "{after}");
        assert_eq!(why, UNREAD);
        drop(waiting);
        connection.call_ended();
        assert_eq!(closed(&connection).await.1, "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn http2_pings_are_no_half_head_and_half_a_preface_is() {
        let connection = Connection::new();
        connection.received(PREFACE);
        connection.received(b"ping");
        assert_eq!(closed(&connection).await, (300, "idle"));
        let half = Connection::new();
        half.received(&PREFACE[..12]);
        assert_eq!(closed(&half).await, (10, "half a head"));
    }
}
