//! One thread with a runtime of its own per core for gRPC connections.
//!
//! A connection stays on its lane, so a decision that needs nobody else never crosses threads:
//! no waking of another worker, no stealing. Connections are dealt to the lanes in turn.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Connections that wait for one lane to take them.
const WAITING_MAX: usize = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections of one lane, as tonic wants them.
pub type Incoming = Pin<Box<dyn Stream<Item = io::Result<TcpStream>> + Send>>;

/// Serves a listener on `count` lanes until each lane's server has ended.
///
/// `serve` makes the server of one lane; it runs on that lane's thread alone. Accepting stops
/// with `stop`, and so should the servers.
/// Errors: the operating system gives no thread, or a lane's server failed.
pub async fn serve<F, S>(
    listener: TcpListener,
    count: usize,
    stop: CancellationToken,
    serve: F,
) -> Result<(), String>
where
    F: Fn(Incoming) -> S,
    S: Future<Output = Result<(), String>> + Send + 'static,
{
    let mut lanes = Vec::new();
    let (ended, mut ends) = mpsc::channel(count);
    for number in 0..count {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        // A stream belongs to the runtime that it is made in: this runs on the lane's.
        let incoming = ReceiverStream::new(receiver).map(TcpStream::from_std);
        let server = serve(Box::pin(incoming));
        let ended = ended.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("a runtime could not be started: {error}"))?;
        thread::Builder::new()
            .name(format!("grpc-{number}"))
            .spawn(move || {
                let result = runtime.block_on(server);
                // The receiver is gone only when the whole process ends.
                let _ = ended.blocking_send(result);
            })
            .map_err(|error| format!("a thread could not be started: {error}"))?;
        lanes.push(sender);
    }
    drop(ended);
    let accepting = accept(listener, lanes, stop);
    tokio::pin!(accepting);
    let mut accepts = true;
    loop {
        tokio::select! {
            () = &mut accepting, if accepts => accepts = false,
            end = ends.recv() => match end {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}

/// Deals connections to the lanes in turn until told to stop.
async fn accept(
    listener: TcpListener,
    lanes: Vec<mpsc::Sender<std::net::TcpStream>>,
    stop: CancellationToken,
) {
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted.and_then(|(stream, _)| detach(stream)) {
            Ok(stream) => {
                next = (next + 1) % lanes.len();
                if lanes[next].send(stream).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: busy waiting would not help.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes a connection off the accepting runtime, so that another can have it.
fn detach(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    // Without this, Nagle holds an answer back until the caller's next ACK.
    stream.set_nodelay(true)?;
    stream.into_std()
}
