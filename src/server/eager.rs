//! Answers to a stream of requests: everything that comes is taken at once, whatever the requests
//! before it wait for.
//!
//! A library below ends a connection whose small frames wait unread, with all its calls. So
//! nothing waits to be read: what is too much is shed by the policy.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::FuturesUnordered;
use tokio::task::coop;

type Answering<A> = Pin<Box<dyn Future<Output = A> + Send>>;

/// The answers to `requests`, each as soon as it is there.
pub(super) struct Eager<R, F, A> {
    requests: Option<R>,
    answer: F,
    waiting: FuturesUnordered<Answering<A>>,
}

impl<R, F, A> Eager<R, F, A> {
    /// `answer` is asked for every request, and limits what is done at the same time.
    pub(super) fn new(requests: R, answer: F) -> Eager<R, F, A> {
        Eager {
            requests: Some(requests),
            answer,
            waiting: FuturesUnordered::new(),
        }
    }
}

impl<R, F, A> Stream for Eager<R, F, A>
where
    R: Stream + Unpin,
    F: FnMut(R::Item) -> Answering<A> + Unpin,
{
    type Item = A;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<A>> {
        // One stream that never ends must not keep its thread from all others.
        let turn = ready!(coop::poll_proceed(context));
        let polled = self.poll_answer(context);
        if polled.is_ready() {
            turn.made_progress();
        }
        polled
    }
}

impl<R, F, A> Eager<R, F, A>
where
    R: Stream + Unpin,
    F: FnMut(R::Item) -> Answering<A> + Unpin,
{
    fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Option<A>> {
        let this = &mut *self;
        while let Some(requests) = &mut this.requests {
            match Pin::new(requests).poll_next(context) {
                Poll::Ready(Some(request)) => {
                    let mut answering = (this.answer)(request);
                    // Most need nobody else, and are answered before more is read.
                    if let Poll::Ready(answer) = answering.as_mut().poll(context) {
                        return Poll::Ready(Some(answer));
                    }
                    this.waiting.push(answering);
                }
                Poll::Ready(None) => this.requests = None,
                Poll::Pending => break,
            }
        }
        match Pin::new(&mut this.waiting).poll_next(context) {
            // Nothing waits: the end has come only if nothing more is asked either.
            Poll::Ready(None) if this.requests.is_some() => Poll::Pending,
            polled => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt, stream};

    use super::*;

    #[tokio::test]
    async fn a_stream_that_never_ends_lets_others_take_their_turn() {
        let endless = stream::repeat(1).map(|number| number + 1);
        let mut answers = Eager::new(endless, |number: u32| async move { number }.boxed());
        let busy = tokio::spawn(async move { while answers.next().await.is_some() {} });
        // On one thread this comes back only if the stream gives way.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        busy.abort();
        assert!(busy.await.is_err());
    }

    #[tokio::test]
    async fn requests_behind_one_that_waits_are_read_and_answered() {
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let mut released = Some(released);
        let answer = move |number: usize| match number {
            0 => {
                let released = released.take().unwrap();
                released.map(|_| 0).boxed()
            }
            number => std::future::ready(number).boxed(),
        };
        let mut answers = Eager::new(stream::iter(0..5000), answer);
        for number in 1..5000 {
            assert_eq!(answers.next().await, Some(number));
        }
        assert_eq!(answers.next().now_or_never(), None);
        release.send(()).unwrap();
        assert_eq!(answers.next().await, Some(0));
        assert_eq!(answers.next().await, None);
    }

    #[tokio::test]
    async fn a_stream_that_pauses_goes_on() {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let requests = stream::poll_fn(move |context| receiver.poll_recv(context));
        let mut answers = Eager::new(requests, |number: usize| std::future::ready(number).boxed());
        assert_eq!(answers.next().now_or_never(), None);
        sender.send(7).unwrap();
        assert_eq!(answers.next().await, Some(7));
        drop(sender);
        assert_eq!(answers.next().await, None);
    }
}
