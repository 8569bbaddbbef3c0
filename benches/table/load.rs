//! The load generator: real chat lines over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callgate::proto::v1;
use callgate::proto::v1::hook_service_client::HookServiceClient;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint};

use super::servers::Process;

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 32;

/// CPU seconds of the server for one call, with the calls made.
pub struct Cost {
    pub cpu_us: f64,
    pub calls_a_second: f64,
}

/// Lines of chat as before requests.
pub fn requests() -> Arc<Vec<v1::BeforeRequest>> {
    let lines = super::scan::chat_lines();
    let requests = lines.iter().take(5_000).map(|line| request(line));
    Arc::new(requests.collect())
}

pub fn request(text: &str) -> v1::BeforeRequest {
    v1::BeforeRequest {
        hook: "beforeSendSingleMsg".to_owned(),
        operation_id: "37a60d50-4799-4de2-bfc9-d9d0ccf2e8b5".to_owned(),
        message: Some(v1::Message {
            send_id: "4459135218".to_owned(),
            recv_id: "6074729403".to_owned(),
            client_msg_id: "f4ff79f97195113e3048bbfedb5748b6".to_owned(),
            server_msg_id: "0b2676769e9eceb4983cb12966586f48".to_owned(),
            sender_platform_id: 5,
            sender_nickname: "Alice".to_owned(),
            session_type: 1,
            msg_from: 100,
            content_type: 101,
            status: 1,
            content: serde_json::json!({ "content": text }).to_string(),
            send_time: 1_767_225_600_316,
            create_time: 1_767_225_600_289,
            ..v1::Message::default()
        }),
        ..v1::BeforeRequest::default()
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

pub async fn connect(address: SocketAddr) -> HookServiceClient<Channel> {
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .expect("it is a URL")
        .tcp_nodelay(true)
        .connect()
        .await
        .expect("the server listens");
    HookServiceClient::new(channel)
}

/// Calls `Before` as fast as it goes for `time`.
pub async fn saturate(
    server: &Process,
    requests: &Arc<Vec<v1::BeforeRequest>>,
    time: Duration,
) -> Cost {
    let done = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), server.cpu_seconds());
    let mut callers = Vec::new();
    for connection in 0..CONNECTIONS {
        let client = connect(server.address).await;
        for lane in 0..IN_FLIGHT {
            let (mut client, requests, done) = (client.clone(), requests.clone(), done.clone());
            callers.push(tokio::spawn(async move {
                let mut at = connection * 997 + lane * 131;
                while started.elapsed() < time {
                    let request = requests[at % requests.len()].clone();
                    client.before(request).await.expect("the server answers");
                    done.fetch_add(1, Ordering::Relaxed);
                    at += 1;
                }
            }));
        }
    }
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    cost(server, &done, started, cpu)
}

/// The same over `BeforeStream`, one stream a connection.
pub async fn saturate_streams(
    server: &Process,
    requests: &Arc<Vec<v1::BeforeRequest>>,
    time: Duration,
) -> Cost {
    let done = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), server.cpu_seconds());
    let mut callers = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut client = connect(server.address).await;
        let (requests, done) = (requests.clone(), done.clone());
        callers.push(tokio::spawn(async move {
            let mut at = connection * 997;
            let source = tokio_stream::iter(std::iter::from_fn(move || {
                at += 1;
                (started.elapsed() < time).then(|| requests[at % requests.len()].clone())
            }));
            let response = client
                .before_stream(source)
                .await
                .expect("the server streams");
            let mut answers = response.into_inner();
            while let Some(answer) = answers.next().await {
                answer.expect("the stream goes on");
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    cost(server, &done, started, cpu)
}

pub fn cost(server: &Process, done: &AtomicU64, started: Instant, cpu: f64) -> Cost {
    let calls = done.load(Ordering::Relaxed) as f64;
    Cost {
        cpu_us: (server.cpu_seconds() - cpu) * 1e6 / calls,
        calls_a_second: calls / started.elapsed().as_secs_f64(),
    }
}

/// Latencies in microseconds of `call`, made at a constant rate whatever the answers do, so that
/// a slow answer is not hidden by the pause that it causes. Counted from the moment a call is
/// made, since the runtime's clock only ticks every millisecond.
pub async fn at_rate<F>(rate: u32, time: Duration, call: impl Fn() -> F) -> Vec<f64>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    let count = (time.as_secs_f64() * f64::from(rate)) as usize;
    let mut calls = Vec::with_capacity(count);
    for _ in 0..count {
        ticks.tick().await;
        let call = call();
        let made = Instant::now();
        calls.push(tokio::spawn(async move {
            call.await;
            made.elapsed().as_secs_f64() * 1e6
        }));
    }
    let mut latencies = Vec::with_capacity(count);
    for call in calls {
        latencies.push(call.await.expect("no call panics"));
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}
