//! The outbox: events accepted against a file that is merely appended to, deliveries, one dead
//! endpoint of ten, and a start with a million events waiting.
//!
//! `OUTBOX_BENCH_DIR` is where the files are made; it should lie on the disk that counts.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callgate::outbox::{self, AsRead, Capacity, Config, NewEntry, Outbox, Settlement};
use tokio::sync::oneshot;

use super::{Row, load, median, servers};

const TIME: Duration = Duration::from_secs(2);
/// The body of an OpenIM after hook has about so many bytes.
const BODY_BYTES: usize = 600;
/// Events in one `append` of the row that the goal is about.
const TOGETHER: usize = 64;
pub const BACKLOG: u64 = 1_000_000;
const ENDPOINTS: usize = 10;

/// Accepting alone.
pub fn accepted_rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let mut rows = Vec::new();
    for (what, producers, together) in [
        ("events accepted a second, 1 producer", 1, 1),
        ("events accepted a second, 16 producers", 16, 1),
        ("events accepted a second, 64 producers", 64, 1),
        ("events accepted a second, 256 producers", 256, 1),
        ("events accepted a second, 64 a commit", 1, TOGETHER),
    ] {
        rows.push(runtime.block_on(accepted(rounds, what, producers, together)));
    }
    rows
}

/// From acceptance to the receiver.
pub fn delivered_rows(rounds: usize) -> Vec<Row> {
    vec![load::runtime().block_on(delivered(rounds))]
}

/// What that writes to the disk.
pub fn written_rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let connections = [
        (
            1,
            "KiB written for an event accepted and delivered, 1 connection",
            "at most 8",
        ),
        (
            8,
            "KiB written for an event accepted and delivered, 8 connections",
            "at most 4",
        ),
        (
            32,
            "KiB written for an event accepted and delivered, 32 connections",
            "at most 2",
        ),
    ];
    let row =
        |(connections, what, goal)| runtime.block_on(written(rounds, connections, what, goal));
    connections.into_iter().map(row).collect()
}

/// With a receiver that is down.
pub fn dead_rows(rounds: usize) -> Vec<Row> {
    vec![load::runtime().block_on(one_dead(rounds))]
}

/// Opening a file with a million events waiting.
pub fn backlog_rows(rounds: usize) -> Vec<Row> {
    load::runtime().block_on(backlog(rounds))
}

pub fn folder() -> tempfile::TempDir {
    let made = match std::env::var_os("OUTBOX_BENCH_DIR") {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    made.expect("a temporary directory can be made")
}

pub fn open(folder: &tempfile::TempDir) -> Arc<dyn Outbox> {
    let config = Config {
        path: folder.path().join("outbox.db"),
        bytes_max: 1 << 40,
        endpoint_bytes_max: 1 << 40,
        ..callgate::config::load(None, &[])
            .expect("the defaults hold")
            .outbox
    };
    outbox::open(&config, Box::new(|why| panic!("{why}"))).expect("it can be opened")
}

/// An event; little work, for it is done while the time is taken.
pub fn entry(number: u64, endpoints: &[String], now_ms: u64) -> NewEntry {
    // As long as OpenIM's ids, which are digests, and as much without order.
    let id = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    NewEntry {
        ordering_key: format!("conversation-{}", number % 500),
        id: format!("{id:032x}"),
        hook: "afterSendSingleMsg".to_owned(),
        dialect: "openim".to_owned(),
        operation_id: String::new(),
        body: Bytes::from_static(&[b'x'; BODY_BYTES]),
        endpoints: endpoints.to_vec(),
        accepted_at_ms: now_ms,
        series: None,
        read: AsRead::default(),
    }
}

/// Someone who keeps events, many at once.
#[async_trait::async_trait]
pub trait Keeper: Send + Sync {
    /// So many events, numbered from here.
    async fn keep(&self, first: u64, count: usize);
}

pub struct InOutbox(pub Arc<dyn Outbox>);

#[async_trait::async_trait]
impl Keeper for InOutbox {
    async fn keep(&self, first: u64, count: usize) {
        let endpoints = ["business".to_owned()];
        let numbers = first..first + count as u64;
        let entries = numbers.map(|number| entry(number, &endpoints, 1));
        self.0.append(entries.collect()).await.expect("it has room");
    }
}

/// One file, appended to by one thread, with one `fdatasync` for all that wait: the least that
/// keeping events can cost.
struct InFile(mpsc::Sender<(usize, oneshot::Sender<()>)>);

impl InFile {
    fn open(folder: &tempfile::TempDir) -> InFile {
        let mut file = File::create(folder.path().join("plain")).expect("it can be made");
        let (sender, jobs) = mpsc::channel::<(usize, oneshot::Sender<()>)>();
        std::thread::spawn(move || {
            let body = vec![b'x'; BODY_BYTES];
            while let Ok(first) = jobs.recv() {
                let mut batch = vec![first];
                batch.extend(jobs.try_iter().take(255));
                let mut bytes = Vec::new();
                for (count, _) in &batch {
                    for _ in 0..*count {
                        bytes.extend_from_slice(&body);
                    }
                }
                file.write_all(&bytes).expect("the disk has room");
                file.sync_data().expect("the disk syncs");
                for (_, answer) in batch {
                    let _ = answer.send(());
                }
            }
        });
        InFile(sender)
    }
}

#[async_trait::async_trait]
impl Keeper for InFile {
    async fn keep(&self, _: u64, count: usize) {
        let (answer, answered) = oneshot::channel();
        self.0.send((count, answer)).expect("the thread runs");
        answered.await.expect("the thread answers");
    }
}

/// Events a second that producers have kept, each waiting for its answer.
pub async fn kept(keeper: Arc<dyn Keeper>, producers: usize, together: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..producers)
        .map(|producer| {
            let (keeper, done) = (keeper.clone(), done.clone());
            tokio::spawn(async move {
                let mut number = (producer as u64) << 32;
                while started.elapsed() < TIME {
                    keeper.keep(number, together).await;
                    done.fetch_add(together as u64, Ordering::Relaxed);
                    number += together as u64;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no producer panics");
    }
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

async fn accepted(rounds: usize, what: &'static str, producers: usize, together: usize) -> Row {
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let folder = folder();
        let file: Arc<dyn Keeper> = Arc::new(InFile::open(&folder));
        let in_file = kept(file, producers, together).await;
        let outbox = open(&folder);
        let in_outbox = kept(Arc::new(InOutbox(outbox.clone())), producers, together).await;
        let writer_us = writer_cpu_us();
        let stats = outbox.stats().await.expect("it answers");
        outbox.close().await;
        let (accepted, commits) = (stats.work.accepted as f64, stats.work.commits as f64);
        eprintln!(
            "round {round}: {what}: file {in_file:.0}/s, outbox {in_outbox:.0}/s, {:.1} a commit, {:.2} us of the writer's CPU an event",
            accepted / commits,
            writer_us / accepted
        );
        if round > 0 {
            plain.push(in_file);
            ours.push(in_outbox);
            ratios.push(in_outbox / in_file);
        }
    }
    Row {
        what,
        reference: format!("one file with group fdatasync, {:.0}/s", median(&plain)),
        measured: format!("{:.0}/s", median(&ours)),
        ratios,
        goal: if together > 1 { "at least 0.7" } else { "-" },
    }
}

/// CPU time of the thread that writes the outbox, in this process, in microseconds.
fn writer_cpu_us() -> f64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux has /proc");
    let of = |thread: fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanoseconds: f64 = times.split(' ').next()?.parse().ok()?;
        (name.trim() == "outbox").then_some(nanoseconds / 1e3)
    };
    threads.flatten().filter_map(of).sum()
}

/// A program of ours with an outbox on disk.
pub struct Callgate {
    child: std::process::Child,
    pub grpc: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Callgate {
    fn start(urls: &[String]) -> Callgate {
        Callgate::start_with(urls, "")
    }

    /// With more lines of engine.yaml.
    pub fn start_with(urls: &[String], settings: &str) -> Callgate {
        let folder = folder();
        let endpoints: String = urls
            .iter()
            .enumerate()
            .map(|(n, url)| format!("  e{n}: {{url: \"{url}\"}}\n"))
            .collect();
        let names: Vec<String> = (0..urls.len()).map(|n| format!("e{n}")).collect();
        let policy = format!(
            "endpoints:\n{endpoints}hooks: {{afterSendSingleMsg: {{endpoint: [{}]}}, beforeSendSingleMsg: {{}}}}\n",
            names.join(", ")
        );
        let engine = format!(
            "grpc: {{listen: \"127.0.0.1:0\"}}\nhttp: {{listen: \"127.0.0.1:0\"}}\nadmin: {{listen: \"127.0.0.1:0\"}}\noutbox: {{path: {}}}\nlog: {{level: error}}\n{settings}",
            folder.path().join("outbox.db").display()
        );
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("the directory can be written");
        };
        write("policy.yaml", &policy);
        write("engine.yaml", &engine);
        let mut child = std::process::Command::new(servers::program())
            .arg("serve")
            .arg("--policies")
            .arg(folder.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the program can be started");
        let out = child.stdout.take().expect("it is piped");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
        let grpc = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("  gRPC    ")?.trim().parse().ok())
            .expect("it prints its address");
        std::thread::spawn(move || lines.for_each(drop));
        std::thread::sleep(Duration::from_millis(300));
        Callgate {
            child,
            grpc,
            _folder: folder,
        }
    }
}

impl Drop for Callgate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A business server that counts, in this process.
pub async fn business() -> (String, Arc<AtomicU64>) {
    let told = Arc::new(AtomicU64::new(0));
    let counted = told.clone();
    let answer = move |_: Bytes| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { r#"{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}"# }
    };
    let app = axum::Router::new().fallback(axum::routing::post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/callback"), told)
}

pub fn after(n: usize) -> callgate::proto::v1::AfterEvent {
    callgate::proto::v1::AfterEvent {
        hook: "afterSendSingleMsg".to_owned(),
        message: Some(callgate::proto::v1::Message {
            send_id: format!("u{}", n % 500),
            recv_id: "6074729403".to_owned(),
            server_msg_id: format!("m{n}"),
            content: r#"{"content":"hello"}"#.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// Events a second from acceptance to the receiver, against the same POSTs made directly.
async fn delivered(rounds: usize) -> Row {
    const EVENTS: usize = 10_000;
    const IN_FLIGHT: usize = 32;
    let (url, told) = business().await;
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(super::forward::no_tls())
            .build()
            .expect("a client can be made");
        let started = Instant::now();
        let tasks: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (client, url) = (client.clone(), url.clone());
                tokio::spawn(async move {
                    for _ in 0..EVENTS / IN_FLIGHT {
                        let request = client.post(&url).body(vec![b'x'; BODY_BYTES]);
                        let answer = request.send().await.expect("it answers");
                        answer.bytes().await.expect("its answer is whole");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no caller panics");
        }
        let direct = EVENTS as f64 / started.elapsed().as_secs_f64();
        let callgate = Callgate::start(std::slice::from_ref(&url));
        let mut client = load::connect(callgate.grpc).await;
        let before = told.load(Ordering::Relaxed);
        let started = Instant::now();
        for chunk in 0..EVENTS / 500 {
            let events = (0..500).map(|n| after(chunk * 500 + n)).collect();
            let request = callgate::proto::v1::AfterRequest { events };
            client.after(request).await.expect("they are stored");
        }
        while told.load(Ordering::Relaxed) - before < EVENTS as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let through = EVENTS as f64 / started.elapsed().as_secs_f64();
        eprintln!("round {round}: delivered: direct {direct:.0}/s, through {through:.0}/s");
        if round > 0 {
            plain.push(direct);
            ours.push(through);
            ratios.push(through / direct);
        }
    }
    Row {
        what: "events accepted and delivered a second",
        reference: format!("the same POSTs made directly, {:.0}/s", median(&plain)),
        measured: format!("{:.0}/s", median(&ours)),
        ratios,
        goal: "at least 0.6",
    }
}

/// What the process has written to the disk, as the system counts it.
fn written_bytes(callgate: &Callgate) -> u64 {
    let path = format!("/proc/{}/io", callgate.child.id());
    let text = fs::read_to_string(path).expect("Linux has /proc");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok())
        .expect("it is counted")
}

/// KiB for each event, told one after the other on each of some connections.
async fn written(rounds: usize, connections: usize, what: &'static str, goal: &'static str) -> Row {
    const EVENTS: usize = 2048;
    let (url, told) = business().await;
    let (mut body_bytes, mut each) = (0, Vec::new());
    for round in 0..=rounds {
        let callgate = Callgate::start(std::slice::from_ref(&url));
        let before = told.load(Ordering::Relaxed);
        // The file is made and opened, which is not meant.
        let started = written_bytes(&callgate);
        let tasks: Vec<_> = (0..connections)
            .map(|connection| {
                let grpc = callgate.grpc;
                tokio::spawn(async move {
                    let mut client = load::connect(grpc).await;
                    for n in 0..EVENTS / connections {
                        let events = vec![after(connection * EVENTS + n)];
                        let request = callgate::proto::v1::AfterRequest { events };
                        client.after(request).await.expect("it is stored");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no caller panics");
        }
        while told.load(Ordering::Relaxed) - before < EVENTS as u64 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // What was delivered is recorded a little later.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let kib = (written_bytes(&callgate) - started) as f64 / 1024.0 / EVENTS as f64;
        body_bytes = after(0).message.map_or(0, |message| message.content.len());
        eprintln!("round {round}: {connections} connections: {kib:.1} KiB an event");
        if round > 0 {
            each.push(kib);
        }
    }
    Row {
        what,
        reference: format!("a content of {body_bytes} bytes"),
        measured: format!("{:.1} KiB", median(&each)),
        ratios: each,
        goal,
    }
}

/// The time to accept an event for ten endpoints at 200 a second, one of them dead.
async fn one_dead(rounds: usize) -> Row {
    let mut urls = Vec::new();
    let mut counters = Vec::new();
    for _ in 0..ENDPOINTS {
        let (url, told) = business().await;
        urls.push(url);
        counters.push(told);
    }
    let (mut plain, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut shares = Vec::new();
    for round in 0..=rounds {
        let mut tails = Vec::new();
        for dead in [false, true] {
            let mut urls = urls.clone();
            if dead {
                urls[0] = "http://127.0.0.1:9/dead".to_owned();
            }
            let callgate = Callgate::start(&urls);
            let client = load::connect(callgate.grpc).await;
            let before: u64 = counters[1..]
                .iter()
                .map(|told| told.load(Ordering::Relaxed))
                .sum();
            let next = AtomicU64::new(0);
            let latencies = load::at_rate(200, TIME, || {
                let n = next.fetch_add(1, Ordering::Relaxed) as usize;
                let mut client = client.clone();
                async move {
                    let events = vec![after(n)];
                    let request = callgate::proto::v1::AfterRequest { events };
                    client.after(request).await.expect("it is stored");
                }
            })
            .await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let after: u64 = counters[1..]
                .iter()
                .map(|told| told.load(Ordering::Relaxed))
                .sum();
            let told = (after - before) as f64;
            let wanted = (latencies.len() * (ENDPOINTS - 1)) as f64;
            if dead {
                shares.push(told / wanted);
            }
            tails.push(latencies[latencies.len() * 99 / 100]);
        }
        eprintln!(
            "round {round}: accepting for ten endpoints, p99 {:.0} us, with one dead {:.0} us; the other nine got {:.0} %",
            tails[0],
            tails[1],
            shares[shares.len() - 1] * 100.0
        );
        if round > 0 {
            plain.push(tails[0]);
            ours.push(tails[1]);
            ratios.push(tails[1] / tails[0]);
        }
    }
    Row {
        what: "time to accept an event with one of ten endpoints dead, p99",
        reference: format!("all ten alive, {:.0} us", median(&plain)),
        measured: format!(
            "{:.0} us; the other nine got {:.0} % in time",
            median(&ours),
            median(&shares) * 100.0
        ),
        ratios,
        goal: "as before",
    }
}

/// Opening a file with a million events waiting, and what that takes in memory.
async fn backlog(rounds: usize) -> Vec<Row> {
    let (full, empty) = (folder(), folder());
    let outbox = open(&full);
    let endpoints = ["business".to_owned()];
    for chunk in 0..BACKLOG / 1000 {
        let entries = (0..1000).map(|n| entry(chunk * 1000 + n, &endpoints, 1));
        outbox.append(entries.collect()).await.expect("it has room");
    }
    outbox.close().await;
    drop(outbox);
    open(&empty).close().await;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut memory, mut first_ms) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let started = Instant::now();
        let outbox = open(&empty);
        let empty_s = started.elapsed().as_secs_f64();
        outbox.close().await;
        drop(outbox);
        let before = resident_bytes();
        let started = Instant::now();
        let outbox = open(&full);
        let full_s = started.elapsed().as_secs_f64();
        let opened = resident_bytes();
        let started = Instant::now();
        let claimed = outbox
            .claim("business", 2, Capacity::of(32))
            .await
            .expect("it answers");
        eprintln!(
            "opened in {:.1} ms with {:.1} MB more, claimed {} in {:.1} ms with {:.1} MB more",
            full_s * 1e3,
            (opened - before) / 1e6,
            claimed.len(),
            started.elapsed().as_secs_f64() * 1e3,
            (resident_bytes() - opened) / 1e6
        );
        let started = Instant::now();
        let first = entry(BACKLOG + round as u64, &endpoints, 1);
        outbox.append(vec![first]).await.expect("it has room");
        let ids_ms = started.elapsed().as_secs_f64() * 1e3;
        eprintln!("accepted the first event in {ids_ms:.1} ms, for all ids are read then");
        first_ms.push(ids_ms);
        memory.push((resident_bytes() - before) / 1e6);
        let back = claimed.iter().map(|due| (due.key, Settlement::Release));
        outbox.settle(back.collect(), 2).await.expect("it answers");
        outbox.close().await;
        drop(outbox);
        without.push(empty_s * 1e3);
        with.push(full_s * 1e3);
        ratios.push(full_s / empty_s);
    }
    let bytes = fs::metadata(PathBuf::from(full.path()).join("outbox.db"));
    vec![Row {
        what: "opening the outbox with 1,000,000 events waiting",
        reference: format!("with none, {:.1} ms", median(&without)),
        measured: format!(
            "{:.1} ms, the first event accepted {:.0} ms later; {:.1} MB of memory more; the file has {:.0} MB",
            median(&with),
            median(&first_ms),
            median(&memory),
            bytes.map_or(0.0, |meta| meta.len() as f64 / 1e6)
        ),
        ratios,
        goal: "no longer",
    }]
}

fn resident_bytes() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    4096.0 * pages.unwrap_or(0.0)
}
