//! What a call costs in allocations, on each path that calls take. A bound is what was reached with a
//! little room, so that what creeps in is seen.
//!
//! One program with one test: whatever allocates beside it would count.

// The allocator that counts is the one place; it calls the system's and adds up.
#![allow(unsafe_code)]

mod grpc;
mod http;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callgate::audit::{self, Audit};
use callgate::dialect;
use callgate::event::{Can, DialectId, Event};
use callgate::policy::CompileContext;
use callgate::reload::{Policies, Start};
use callgate::telemetry::Metrics;
use callgate::trial::Trials;
use callgate::versions::Store;

#[global_allocator]
static COUNTING: Counting = Counting;
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread is the load's, not callgate's.
    static IS_LOAD: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from `System`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    if !IS_LOAD.try_with(Cell::get).unwrap_or(true) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

/// Calls of one measurement.
const CALLS: u64 = 1_000;
const ROUNDS: usize = 5;
const SOON: Duration = Duration::from_secs(60);

/// Runs a thread of the load.
fn load<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        IS_LOAD.set(true);
        work()
    })
}

/// Allocations of callgate for one of the calls that `work` makes: the fewest of some rounds, for what
/// looks at files and clocks beside the calls allocates by time, and a busy machine takes its time.
fn of_a_call(path: &str, at_most: u64, work: impl Fn(u64)) {
    // Whatever is made once is made now.
    work(CALLS / 10);
    let counted = (0..ROUNDS).map(|_| {
        let before = COUNT.load(Ordering::Relaxed);
        work(CALLS);
        (COUNT.load(Ordering::Relaxed) - before) as f64 / CALLS as f64
    });
    let counted = counted.fold(f64::INFINITY, f64::min);
    println!("{path}: {counted:.1} allocations a call, at most {at_most}");
    assert!(counted <= at_most as f64, "{path}: {counted:.1}");
}

/// Starts callgate in this process and returns the addresses of its gRPC and HTTP ports. Messages to
/// one user are forwarded to `business`, those to a group are not.
fn start(directory: &Path, business: SocketAddr) -> [SocketAddr; 2] {
    let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [grpc, http, admin] = ports.each_ref().map(|port| port.local_addr().unwrap());
    drop(ports);
    let policy = format!(
        "endpoints: {{b: {{url: \"http://{business}/callback\"}}}}\n\
         lists: {{words: {{words: [casino, 赌博]}}}}\n\
         hooks: {{beforeSendGroupMsg: {{}}, beforeSendSingleMsg: {{timeout: 2s, endpoint: b}}, \
         afterSendSingleMsg: {{endpoint: b}}}}\n"
    );
    let outbox = directory.join("outbox.db");
    let engine = format!(
        "grpc: {{listen: \"{grpc}\"}}\nhttp: {{listen: \"{http}\"}}\nadmin: {{listen: \"{admin}\"}}\noutbox: {{path: {}}}\nlog: {{level: error}}\n",
        outbox.display()
    );
    std::fs::write(directory.join("policy.yaml"), policy).unwrap();
    std::fs::write(directory.join("engine.yaml"), engine).unwrap();
    let args = ["callgate", "serve", "--policies"].map(OsString::from);
    let args: Vec<_> = args.into_iter().chain([directory.into()]).collect();
    thread::spawn(move || callgate::cli::run_with(args));
    let started = Instant::now();
    while [grpc, http]
        .iter()
        .any(|port| TcpStream::connect(port).is_err())
    {
        assert!(started.elapsed() < SOON, "callgate does not listen");
        thread::yield_now();
    }
    [grpc, http]
}

/// What a decision costs more because a policy could name a candidate, where it names none: one look at
/// a pointer. Counted before anything else runs that could allocate.
fn without_a_candidate_nothing_is_allocated(directory: &Path) {
    std::fs::write(
        directory.join("policy.yaml"),
        "hooks: {beforeSendGroupMsg: {}}\n",
    )
    .unwrap();
    let metrics = Arc::new(Metrics::new());
    let context = CompileContext::default();
    let policies = Policies::start(directory, context, metrics.clone(), Start::default()).unwrap();
    let audit = audit::Settings {
        folder: directory.join("audit"),
        keep: Duration::MAX,
        bytes_max: u64::MAX,
    };
    let audit = Arc::new(Audit::open(audit, metrics.clone()));
    let store = Store::new(&directory.join("versions"));
    let file = directory.join("trial.json");
    let trials = Trials::new(Arc::new(policies), metrics, audit, store, file);
    let hook = dialect::hook("beforeSendGroupMsg").unwrap();
    let event = Event::new(hook, DialectId::OpenIm, Can::NOTHING);
    let taking = || assert!(std::hint::black_box(&trials).taking(&event).is_none());
    // Whatever is made once is made now.
    taking();
    let (before, started) = (COUNT.load(Ordering::Relaxed), Instant::now());
    (0..CALLS).for_each(|_| taking());
    let (counted, took) = (COUNT.load(Ordering::Relaxed) - before, started.elapsed());
    println!(
        "without a candidate: {counted} allocations, {:.0} ns a decision",
        took.as_nanos() as f64 / CALLS as f64
    );
    assert_eq!(counted, 0);
}

/// A debug build allocates what a release build does, but for a few that the compiler takes out.
#[test]
fn no_path_allocates_more_than_it_did() {
    let directory = tempfile::tempdir().unwrap();
    without_a_candidate_nothing_is_allocated(directory.path());
    let [grpc, http] = start(directory.path(), http::business());
    let (group, single) = ("SendGroupMsg", "SendSingleMsg");
    of_a_call("OpenIM over HTTP", 33, |calls| {
        http::calls(http, group, calls);
    });
    of_a_call("OpenIM over HTTP, forwarded", 58, |calls| {
        http::calls(http, single, calls);
    });
    of_a_call("an event accepted over HTTP and delivered", 137, |calls| {
        http::events(http, calls);
    });
    of_a_call("gRPC", 54, |calls| grpc::calls(grpc, group, calls));
    of_a_call("gRPC, forwarded", 88, |calls| {
        grpc::calls(grpc, single, calls);
    });
}
