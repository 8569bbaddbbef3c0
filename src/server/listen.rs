//! One port: accepts connections and deals them to listener workers, until it is told to stop.
//!
//! A worker is a thread with a runtime of its own. A connection stays on its worker, so a decision
//! that needs nobody else never crosses threads: no waking of another, no stealing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::stack::{Peer, Stack};

/// Connections that wait for one worker to take them.
const WAITING_MAX: usize = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A port, ready to be served.
pub struct Port {
    /// Names the port in logs and in the names of its threads.
    pub name: &'static str,
    pub listener: TcpListener,
    pub workers: Workers,
    pub stack: Stack,
}

/// Who serves a port's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// Tasks of the runtime that runs [`Port::serve`].
    Shared,
    /// Threads of the port's own.
    Threads(usize),
}

/// A connection on its way to its worker; it belongs to no runtime.
struct Accepted {
    stream: std::net::TcpStream,
    peer: Peer,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Listens on an address.
///
/// Errors: the address is taken, or is none of this machine.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

impl Port {
    /// Serves until `stop`, and then until every connection has ended.
    ///
    /// Errors: the operating system gives no thread.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), String> {
        let stack = Arc::new(self.stack);
        let count = match self.workers {
            Workers::Shared => 1,
            Workers::Threads(count) => count.max(1),
        };
        let running = TaskTracker::new();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            let work: Work =
                Box::pin(running.track_future(work(receiver, Arc::clone(&stack), stop.clone())));
            match self.workers {
                Workers::Shared => drop(tokio::spawn(work)),
                Workers::Threads(_) => start_thread(format!("{}-{number}", self.name), work)?,
            }
            workers.push(sender);
        }
        running.close();
        accept(self.name, self.listener, workers, stop).await;
        running.wait().await;
        Ok(())
    }
}

fn start_thread(name: String, work: Work) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("a runtime could not be started: {error}"))?;
    thread::Builder::new()
        .name(name)
        .spawn(move || runtime.block_on(work))
        .map_err(|error| format!("a thread could not be started: {error}"))?;
    Ok(())
}

/// Deals connections to the workers in turn until told to stop.
async fn accept(
    port: &'static str,
    listener: TcpListener,
    workers: Vec<mpsc::Sender<Accepted>>,
    stop: CancellationToken,
) {
    let mut next = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted.and_then(detach) {
            Ok(accepted) => {
                next = (next + 1) % workers.len();
                if workers[next].send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Out of file descriptors, most likely: busy waiting would not help.
                warn!(port, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes a connection off the accepting runtime, so that another can have it.
fn detach((stream, address): (TcpStream, SocketAddr)) -> io::Result<Accepted> {
    // Without this, Nagle holds an answer back until the caller's next ACK.
    stream.set_nodelay(true)?;
    Ok(Accepted {
        stream: stream.into_std()?,
        peer: Peer(address),
    })
}

/// One worker: serves what it is dealt, until no more comes and all of it has ended.
async fn work(mut incoming: mpsc::Receiver<Accepted>, stack: Arc<Stack>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(Accepted { stream, peer }) = incoming.recv().await {
        // One that cannot be registered is closed by being dropped.
        if let Ok(stream) = TcpStream::from_std(stream) {
            let served = Arc::clone(&stack).serve(stream, peer, stop.clone());
            connections.spawn(served);
        }
    }
    connections.close();
    connections.wait().await;
}
