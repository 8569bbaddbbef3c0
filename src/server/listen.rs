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
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::connection::Peer;
use super::stack::Stack;
use super::table::{Admitted, ConnectionLimits, Table};
use crate::telemetry::{LogThrottle, PortMetrics};

/// Connections that wait for one worker to take them.
const WAITING_MAX: usize = 128;
/// Descriptors of a port beyond its limit of connections: of those that must go for newcomers, until
/// their worker sees it. On a busy machine that takes a while, and without an end to them a flood
/// takes the descriptors that are kept for callbacks.
const LEAVING_MAX: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A port, ready to be served.
pub struct Port {
    /// Names the port in logs and in the names of its threads.
    pub name: &'static str,
    pub listener: std::net::TcpListener,
    /// Threads that serve its connections; at least one.
    pub threads: usize,
    pub limits: ConnectionLimits,
    pub stack: Stack,
}

/// A connection on its way to its worker; it belongs to no runtime.
struct Accepted {
    stream: std::net::TcpStream,
    peer: Peer,
    admitted: Admitted,
    seat: Seat,
}

/// A worker, as the one who deals connections sees it.
struct Worker {
    connections: mpsc::Sender<Accepted>,
    open: Arc<AtomicUsize>,
}

impl Worker {
    fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// One of a worker's open connections; counted until it is dropped.
struct Seat {
    open: Arc<AtomicUsize>,
    _descriptor: OwnedSemaphorePermit,
}

impl Seat {
    fn at(worker: &Worker, descriptor: OwnedSemaphorePermit) -> Seat {
        worker.open.fetch_add(1, Ordering::Relaxed);
        Seat {
            open: Arc::clone(&worker.open),
            _descriptor: descriptor,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
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
    /// It accepts on the first of its threads, so that nothing else in the process holds up its
    /// connections.
    /// Errors: the operating system gives no thread.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), String> {
        let stack = Arc::new(self.stack);
        let running = TaskTracker::new();
        let (mut workers, mut works) = (Vec::new(), Vec::new());
        for _ in 0..self.threads.max(1) {
            let (connections, receiver) = mpsc::channel(WAITING_MAX);
            workers.push(Worker {
                connections,
                open: Arc::default(),
            });
            works.push(work(receiver, Arc::clone(&stack)));
        }
        let door = Door {
            port: self.name,
            descriptors: Arc::new(Semaphore::new(self.limits.connections_max + LEAVING_MAX)),
            table: Arc::new(Table::new(self.limits, stack.metrics().clone())),
            metrics: stack.metrics().clone(),
            workers,
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
            start_thread(format!("{}-{number}", self.name), Box::pin(both))?;
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

/// Lets connections in and deals each to the worker that has the fewest.
struct Door {
    port: &'static str,
    table: Arc<Table>,
    /// One for each connection until its end, also where it has lost its place.
    descriptors: Arc<Semaphore>,
    metrics: PortMetrics,
    workers: Vec<Worker>,
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
            let descriptors = Arc::clone(&self.descriptors);
            let accepting = async {
                let descriptor = descriptors.acquire_owned().await;
                let descriptor = descriptor.expect("nobody closes the semaphore");
                listener
                    .accept()
                    .await
                    .map(|accepted| (accepted, descriptor))
            };
            let accepted = tokio::select! {
                accepted = accepting => accepted,
                () = stop.cancelled() => return self.table.stop(),
            };
            next = self.fewest_behind(next);
            match accepted.and_then(|accepted| self.admit(accepted, next)) {
                Ok(Some(accepted)) => {
                    let worker = &self.workers[next];
                    if worker.connections.send(accepted).await.is_err() {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    self.metrics.refused_descriptors.inc();
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

    /// The worker with the fewest connections; of equals the next in turn.
    fn fewest_behind(&self, last: usize) -> usize {
        let count = self.workers.len();
        let in_turn = (1..=count).map(|step| (last + step) % count);
        in_turn
            .min_by_key(|number| self.workers[*number].open())
            .unwrap_or_default()
    }

    /// Finds a connection its place, and takes it off the accepting runtime, so that a worker can
    /// have it. `None`: it has no place and is closed.
    fn admit(
        &mut self,
        ((stream, address), descriptor): ((TcpStream, SocketAddr), OwnedSemaphorePermit),
        worker: usize,
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
            seat: Seat::at(&self.workers[worker], descriptor),
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
async fn work(mut incoming: mpsc::Receiver<Accepted>, stack: Arc<Stack>) {
    let connections = TaskTracker::new();
    while let Some(accepted) = incoming.recv().await {
        // One that cannot be registered is closed by being dropped.
        if let Ok(stream) = TcpStream::from_std(accepted.stream) {
            let Accepted {
                peer,
                admitted,
                seat,
                ..
            } = accepted;
            let served = Arc::clone(&stack).serve(stream, peer, admitted);
            connections.spawn(async move {
                served.await;
                drop(seat);
            });
        }
    }
    connections.close();
    connections.wait().await;
}
