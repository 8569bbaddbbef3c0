//! OpenIM's own path: calls over HTTP/1.1, decided here or forwarded, beside a bare axum server
//! that reads the body and answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::servers::{Process, WORDS};
use super::{Row, load, median, scan};

const TIME: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 32;
const LINES: usize = 5_000;
/// Calls a second while latency is measured.
const RATE: u32 = 2_000;

pub fn rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let calls = calls();
    let axum = Process::own("axum");
    let business = Process::own("business");
    let callgate = Process::callgate(None);
    let forwarding = Process::callgate(Some(business.address));
    let servers = [&axum, &callgate, &forwarding];
    let mut us: [Vec<f64>; 3] = Default::default();
    let mut p50: [Vec<f64>; 3] = Default::default();
    let mut p99: [Vec<f64>; 3] = Default::default();
    runtime.block_on(async {
        // The first round only warms up.
        for round in 0..=rounds {
            for (at, server) in servers.into_iter().enumerate() {
                let cost = saturate(server, &calls).await;
                let latencies = at_rate(server.http, &calls).await;
                let share = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
                eprintln!(
                    "round {round}: {:.1} us at {:.0}/s; at {RATE}/s p50 {:.0} us, p99 {:.0} us",
                    cost.cpu_us,
                    cost.calls_a_second,
                    share(0.5),
                    share(0.99)
                );
                if round > 0 {
                    us[at].push(cost.cpu_us);
                    p50[at].push(share(0.5));
                    p99[at].push(share(0.99));
                }
            }
        }
    });
    let row = |what, at: usize, goal| Row {
        what,
        reference: format!("bare axum, {:.1} us", median(&us[0])),
        measured: format!(
            "{:.1} us with {WORDS} words; at {RATE}/s p50 {:.0} us, p99 {:.0} us (axum {:.0}, {:.0})",
            median(&us[at]),
            median(&p50[at]),
            median(&p99[at]),
            median(&p50[0]),
            median(&p99[0])
        ),
        ratios: ratios(&us[at], &us[0]),
        goal,
    };
    vec![
        row(
            "OpenIM over HTTP, not forwarded, server CPU a request",
            1,
            "at most 1.35",
        ),
        row(
            "OpenIM over HTTP, forwarded, server CPU a request",
            2,
            "at most 3",
        ),
    ]
}

fn ratios(ours: &[f64], theirs: &[f64]) -> Vec<f64> {
    ours.iter().zip(theirs).map(|(a, b)| a / b).collect()
}

/// Chat lines as OpenIM v3.8 sends them, heads included.
pub fn calls() -> Arc<Vec<Vec<u8>>> {
    let lines = scan::chat_lines();
    let calls = lines.iter().take(LINES).enumerate();
    Arc::new(calls.map(|(number, line)| call(number, line)).collect())
}

pub fn operation(number: usize) -> String {
    format!("37a60d50-4799-4de2-bfc9-{number:012}")
}

/// The body of a call about a message with a number of its own.
pub fn body(number: usize, text: &str) -> String {
    let content = serde_json::json!({ "content": text }).to_string();
    let text = |value: &str| serde_json::Value::from(value).to_string();
    format!(
        concat!(
            "{{\"sendID\":\"44591{number:05}\",\"callbackCommand\":\"callbackBeforeSendSingleMsgCommand\",",
            "\"serverMsgID\":\"0b2676769e9eceb4983cb129{number:08}\",\"clientMsgID\":\"f4ff79f97195113e3048bbfe{number:08}\",",
            "\"operationID\":\"{operation}\",\"senderPlatformID\":5,\"senderNickname\":\"Alice\",",
            "\"sessionType\":1,\"msgFrom\":100,\"contentType\":101,\"status\":1,",
            "\"sendTime\":1767225600316,\"createTime\":1767225600289,\"content\":{content},",
            "\"seq\":0,\"atUserList\":null,\"faceURL\":\"\",\"ex\":\"\",\"recvID\":\"6074729403\"}}\n"
        ),
        number = number,
        operation = operation(number),
        content = text(&content)
    )
}

fn call(number: usize, text: &str) -> Vec<u8> {
    let operation = operation(number);
    let body = body(number, text);
    let head = format!(
        "POST /openim/callbackBeforeSendSingleMsgCommand HTTP/1.1\r\nHost: 127.0.0.1:10006\r\n\
         User-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
         Content-Type: application/json; charset=utf-8\r\nOperationid: {operation}\r\n\
         Accept-Encoding: gzip\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Opens connections, and makes one call on each.
pub async fn open(server: &Process, count: usize) -> Vec<Caller> {
    let call = call(0, "see you tomorrow");
    let mut open = Vec::new();
    for _ in 0..count {
        let mut caller = Caller::connect(server.http).await;
        caller.call(&call).await;
        open.push(caller);
    }
    open
}

/// One connection, and what came on it.
pub struct Caller {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Caller {
    async fn connect(address: SocketAddr) -> Caller {
        let stream = TcpStream::connect(address).await;
        let stream = stream.expect("the server listens");
        stream.set_nodelay(true).expect("it is a socket");
        Caller {
            stream,
            came: Vec::with_capacity(4096),
        }
    }

    /// Makes one call and waits for the whole of its answer.
    async fn call(&mut self, call: &[u8]) {
        let sent = self.stream.write_all(call).await;
        sent.expect("the server reads");
        self.came.clear();
        while !is_whole(&self.came) {
            let read = self.stream.read_buf(&mut self.came).await;
            assert!(read.expect("the server answers") > 0, "it closed");
        }
        assert!(self.came.starts_with(b"HTTP/1.1 200"), "it is an answer");
    }
}

/// The head is there, and as much behind it as it says.
pub fn is_whole(came: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let find = |part: &[u8]| came.windows(part.len()).position(|at| at == part);
    let (Some(head), Some(length)) = (find(b"\r\n\r\n"), find(LENGTH)) else {
        return false;
    };
    let digits = came[length + LENGTH.len()..].iter();
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    came.len() >= head + 4 + length
}

/// Calls as fast as it goes.
async fn saturate(server: &Process, calls: &Arc<Vec<Vec<u8>>>) -> load::Cost {
    let done = Arc::new(AtomicU64::new(0));
    let (started, cpu) = (Instant::now(), server.cpu_seconds());
    let mut callers = Vec::new();
    for number in 0..CONNECTIONS {
        let mut caller = Caller::connect(server.http).await;
        let (calls, done) = (calls.clone(), done.clone());
        callers.push(tokio::spawn(async move {
            let mut at = number * 131;
            while started.elapsed() < TIME {
                caller.call(&calls[at % calls.len()]).await;
                done.fetch_add(1, Ordering::Relaxed);
                at += 1;
            }
        }));
    }
    for caller in callers {
        caller.await.expect("no caller panics");
    }
    load::cost(server, &done, started, cpu)
}

/// Latencies at a constant rate, over as many connections.
async fn at_rate(address: SocketAddr, calls: &Arc<Vec<Vec<u8>>>) -> Vec<f64> {
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        let caller = Caller::connect(address).await;
        callers.push(Arc::new(tokio::sync::Mutex::new(caller)));
    }
    let next = AtomicU64::new(0);
    load::at_rate(RATE, TIME, || {
        let at = next.fetch_add(1, Ordering::Relaxed) as usize;
        let (caller, calls) = (callers[at % CONNECTIONS].clone(), calls.clone());
        async move { caller.lock().await.call(&calls[at % calls.len()]).await }
    })
    .await
}
