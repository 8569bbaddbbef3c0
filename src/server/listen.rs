//! One port: accepts connections and deals them to listener workers, until it is told to stop.
//!
//! A worker is a thread with a runtime of its own. A connection stays on its worker, so a decision
//! that needs nobody else never crosses threads: no waking of another, no stealing.

use std::fs::File;
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
use tracing::{error, warn};

use super::connection::Peer;
use super::stack::Stack;
use super::table::{Admitted, ConnectionLimits, Table};
use crate::telemetry::LogThrottle;

/// Connections that wait for one worker to take them.
const WAITING_MAX: usize = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A port, ready to be served.
pub struct Port {
    /// Names the port in logs and in the names of its threads.
    pub name: &'static str,
    pub listener: std::net::TcpListener,
    pub workers: Workers,
    pub limits: ConnectionLimits,
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
    admitted: Admitted,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Listens on an address.
///
/// Errors: the address is taken, or is none of this machine.
pub async fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    TcpListener::bind(address).await?.into_std()
}

impl Port {
    /// Serves until `stop`, and then until every connection has ended.
    ///
    /// A port with threads of its own accepts on the first of them, so that nothing else in the
    /// process holds up its connections.
    /// Errors: the operating system gives no thread.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), String> {
        let stack = Arc::new(self.stack);
        let count = match self.workers {
            Workers::Shared => 1,
            Workers::Threads(count) => count.max(1),
        };
        let running = TaskTracker::new();
        let (mut senders, mut works) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (sender, receiver) = mpsc::channel(WAITING_MAX);
            senders.push(sender);
            works.push(work(receiver, Arc::clone(&stack), stop.clone()));
        }
        let door = Door {
            port: self.name,
            table: Arc::new(Table::new(self.limits)),
            workers: senders,
            spare: spare(),
            logged: LogThrottle::default(),
        };
        let mut accepting = Some(door.accept(self.listener, stop));
        for (number, work) in works.into_iter().enumerate() {
            let accepting = accepting.take();
            let both = running.track_future(async move {
                match accepting {
                    Some(accepting) => drop(tokio::join!(accepting, work)),
                    None => work.await,
                }
            });
            match self.workers {
                Workers::Shared => drop(tokio::spawn(both)),
                Workers::Threads(_) => {
                    start_thread(format!("{}-{number}", self.name), Box::pin(both))?;
                }
            }
        }
        running.close();
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

/// Lets connections in and deals them to the workers in turn.
struct Door {
    port: &'static str,
    table: Arc<Table>,
    workers: Vec<mpsc::Sender<Accepted>>,
    /// A descriptor to give up when there is no other, so that a connection can be accepted and
    /// the caller told by its end, instead of waiting for what never comes.
    spare: Option<File>,
    logged: LogThrottle<&'static str>,
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Door {
    /// Runs until told to stop.
    async fn accept(mut self, listener: std::net::TcpListener, stop: CancellationToken) {
        // A listener belongs to the runtime that it is made in.
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return error!(port = self.port, %error, "nothing can be accepted"),
        };
        let mut next = 0;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted.and_then(|accepted| self.admit(accepted)) {
                Ok(Some(accepted)) => {
                    next = (next + 1) % self.workers.len();
                    if self.workers[next].send(accepted).await.is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.note("accept", &error.to_string());
                    // Out of descriptors, most likely: the spare one serves one caller, and
                    // without it busy waiting would not help.
                    if self.spare.take().is_none() {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        self.spare = spare();
                    }
                }
            }
        }
    }

    /// Finds a connection its place, and takes it off the accepting runtime, so that another can
    /// have it. `None`: it has no place and is closed.
    fn admit(
        &mut self,
        (stream, address): (TcpStream, SocketAddr),
    ) -> io::Result<Option<Accepted>> {
        if self.spare.is_none() {
            self.spare = spare();
        }
        let admitted = match self.table.admit(address.ip()) {
            Ok(admitted) => admitted,
            Err(full) => {
                self.note("full", &full.to_string());
                return Ok(None);
            }
        };
        // Without this, Nagle holds an answer back until the caller's next ACK.
        stream.set_nodelay(true)?;
        Ok(Some(Accepted {
            stream: stream.into_std()?,
            peer: Peer(address),
            admitted,
        }))
    }

    fn note(&self, reason: &'static str, why: &str) {
        if let Some(held_back) = self.logged.pass(reason) {
            warn!(
                port = self.port,
                why, held_back, "a connection was not taken"
            );
        }
    }
}

/// One worker: serves what it is dealt, until no more comes and all of it has ended.
async fn work(mut incoming: mpsc::Receiver<Accepted>, stack: Arc<Stack>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(accepted) = incoming.recv().await {
        // One that cannot be registered is closed by being dropped.
        if let Ok(stream) = TcpStream::from_std(accepted.stream) {
            let Accepted { peer, admitted, .. } = accepted;
            let stack = Arc::clone(&stack);
            connections.spawn(stack.serve(stream, peer, admitted, stop.clone()));
        }
    }
    connections.close();
    connections.wait().await;
}
