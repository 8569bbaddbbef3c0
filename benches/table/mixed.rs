//! What one call waits for among others: short and long texts, one connection that makes half of
//! all calls, and an endpoint that takes its time. At a constant rate, and as fast as it goes.
//!
//! `BESIDE=/another/callgate` is measured in turn, in the same run; without it the reference is
//! what short calls wait for that are alone.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use callgate::proto::v1;
use callgate::proto::v1::hook_service_client::HookServiceClient;
use tonic::transport::Channel;

use super::servers::{self, Process};
use super::{Row, load, median};

const TIME: Duration = Duration::from_secs(3);
/// Calls a second, of all connections.
const RATE: u32 = 2_000;
const CONNECTIONS: usize = 8;
/// Calls that wait at once, of each connection, when it goes as fast as it can.
const IN_FLIGHT: usize = 16;
const LONG_BYTES: usize = 20_000;

pub fn rows(rounds: usize) -> Vec<Row> {
    let slow = Process::own("slow");
    let policy = format!(
        "endpoints:\n  slow: {{url: \"http://{}/callback\", in_flight_max: 1024}}\nlists:\n  words: {{file: words.txt, action: block}}\nhooks:\n  beforeSendSingleMsg: {{filters: [words]}}\n  beforeSendGroupMsg: {{timeout: 2, endpoint: slow}}\n",
        slow.address
    );
    let beside = std::env::var_os("BESIDE");
    let ours = Process::callgate_with(servers::program(), &policy);
    let theirs = Process::callgate_with(beside.clone().unwrap_or_else(servers::program), &policy);
    let reference = Load {
        mixed: beside.is_some(),
    };
    let mixed = Load { mixed: true };
    let mut found: [[Vec<f64>; 2]; 2] = Default::default();
    load::runtime().block_on(async {
        for round in 0..=rounds {
            for (at, (server, load)) in [(&theirs, reference), (&ours, mixed)].iter().enumerate() {
                let (steady, full) = (load.at_rate(server).await, load.saturate(server).await);
                eprintln!(
                    "round {round}: {}: p99 {steady:.0} us at {RATE}/s, {full:.0} us at saturation",
                    ["reference", "ours"][at]
                );
                if round > 0 {
                    found[0][at].push(steady);
                    found[1][at].push(full);
                }
            }
        }
    });
    let name = beside.unwrap_or_else(|| OsString::from("short calls alone"));
    let row = |what, [theirs, ours]: &[Vec<f64>; 2]| Row {
        what,
        reference: format!("{}, {:.0} us", name.to_string_lossy(), median(theirs)),
        measured: format!("{:.0} us", median(ours)),
        ratios: ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| ours / theirs)
            .collect(),
        goal: "no worse",
    };
    vec![
        row(
            "p99 of a short call under mixed load, 2,000 a second",
            &found[0],
        ),
        row(
            "p99 of a short call under mixed load, at saturation",
            &found[1],
        ),
    ]
}

/// What is called.
#[derive(Clone, Copy)]
struct Load {
    /// Else all calls are short, and every connection makes as many.
    mixed: bool,
}

impl Load {
    /// The connection that makes a call.
    fn connection(self, n: usize) -> usize {
        match self.mixed && n.is_multiple_of(2) {
            true => 0,
            false => n % CONNECTIONS,
        }
    }

    /// One in ten is long, another one waits for the slow endpoint.
    fn request(self, n: usize) -> (v1::BeforeRequest, bool) {
        let short = load::request("see you at half past nine tomorrow morning");
        match n % 10 {
            3 if self.mixed => {
                let text = "see you at half past nine tomorrow morning, ".repeat(LONG_BYTES / 44);
                (load::request(&text), false)
            }
            7 if self.mixed => {
                let hook = "beforeSendGroupMsg".to_owned();
                (v1::BeforeRequest { hook, ..short }, false)
            }
            _ => (short, true),
        }
    }

    /// The 99th of a hundred short calls, in microseconds, at a constant rate.
    async fn at_rate(self, server: &Process) -> f64 {
        let clients = clients(server).await;
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
        let mut calls = Vec::new();
        for n in 0..(TIME.as_secs_f64() * f64::from(RATE)) as usize {
            ticks.tick().await;
            let client = clients[self.connection(n)].clone();
            calls.push(tokio::spawn(call(client, self.request(n))));
        }
        let mut latencies = Vec::with_capacity(calls.len());
        for call in calls {
            latencies.extend(call.await.expect("no call panics"));
        }
        p99(latencies)
    }

    /// The same as fast as it goes.
    async fn saturate(self, server: &Process) -> f64 {
        let clients = clients(server).await;
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let started = Instant::now();
        let mut callers = Vec::new();
        for caller in 0..CONNECTIONS * IN_FLIGHT {
            let client = clients[self.connection(caller)].clone();
            let latencies = Arc::clone(&latencies);
            callers.push(tokio::spawn(async move {
                let mut own = Vec::new();
                let mut n = caller;
                while started.elapsed() < TIME {
                    own.extend(call(client.clone(), self.request(n)).await);
                    n += 1;
                }
                let mut all = latencies.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend(own);
            }));
        }
        for caller in callers {
            caller.await.expect("no caller panics");
        }
        let mut all = latencies.lock().unwrap_or_else(PoisonError::into_inner);
        p99(std::mem::take(&mut *all))
    }
}

async fn clients(server: &Process) -> Vec<HookServiceClient<Channel>> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(load::connect(server.address).await);
    }
    clients
}

/// How long a call took, in microseconds, if that is what counts.
async fn call(
    mut client: HookServiceClient<Channel>,
    (request, counts): (v1::BeforeRequest, bool),
) -> Option<f64> {
    let made = Instant::now();
    client.before(request).await.expect("the server answers");
    counts.then(|| made.elapsed().as_secs_f64() * 1e6)
}

fn p99(mut latencies: Vec<f64>) -> f64 {
    latencies.sort_by(f64::total_cmp);
    latencies[latencies.len() * 99 / 100]
}
