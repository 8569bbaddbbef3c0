//! A decision that is forwarded to a business server: its CPU, and the latency it adds.

use std::time::Duration;

use super::servers::Process;
use super::{Row, load, median};

const TIME: Duration = Duration::from_secs(2);
/// Calls a second while latency is measured.
const RATE: u32 = 2_000;

pub fn rows(rounds: usize) -> Vec<Row> {
    let runtime = load::runtime();
    let requests = load::requests();
    let echo = Process::own("echo");
    let business = Process::own("business");
    let callgate = Process::callgate(Some(business.address));
    let (mut cpu, mut latency) = (Vec::new(), Vec::new());
    let (mut echo_us, mut forwarded_us, mut added, mut tails) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        for round in 0..=rounds {
            let bare = load::saturate(&echo, &requests, TIME).await;
            let forwarded = load::saturate(&callgate, &requests, TIME).await;
            let direct = direct(&business).await;
            let through = through(&callgate, &requests[0]).await;
            if round == 0 {
                continue;
            }
            cpu.push(forwarded.cpu_us / bare.cpu_us);
            echo_us.push(bare.cpu_us);
            forwarded_us.push(forwarded.cpu_us);
            let at = |latencies: &[f64], share: f64| latencies[(latencies.len() as f64 * share) as usize];
            latency.push(at(&through, 0.5) / at(&direct, 0.5));
            added.push(at(&through, 0.5) - at(&direct, 0.5));
            tails.push(at(&through, 0.99));
            eprintln!(
                "round {round}: echo {:.1} us, forwarded {:.1} us at {:.0}/s; p50 direct {:.0} us, through {:.0} us; p99 direct {:.0} us, through {:.0} us",
                bare.cpu_us, forwarded.cpu_us, forwarded.calls_a_second,
                at(&direct, 0.5), at(&through, 0.5), at(&direct, 0.99), at(&through, 0.99)
            );
        }
    });
    vec![
        Row {
            what: "forwarded gRPC decision, server CPU a request",
            reference: format!("bare tonic echo, {:.1} us", median(&echo_us)),
            measured: format!("{:.1} us", median(&forwarded_us)),
            ratios: cpu,
            goal: "at most 2.5",
        },
        Row {
            what: "latency of a forwarded decision at 2,000 calls a second, p50",
            reference: "the same POST made directly".to_owned(),
            measured: format!(
                "{:.0} us added at p50, p99 {:.0} us in all",
                median(&added),
                median(&tails)
            ),
            ratios: latency,
            goal: "under 200 us added",
        },
    ]
}

/// Latencies of the POST itself, made with the same client library.
async fn direct(business: &Process) -> Vec<f64> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(no_tls())
        .tcp_nodelay(true)
        .build()
        .expect("a client can be made");
    let url = format!(
        "http://{}/callback/callbackBeforeSendSingleMsgCommand",
        business.address
    );
    let body = r#"{"sendID":"4459135218","callbackCommand":"callbackBeforeSendSingleMsgCommand","content":"{\"content\":\"hello\"}"}"#;
    load::at_rate(RATE, TIME, || {
        let request = client.post(&url).body(body);
        async move {
            let answer = request.send().await.expect("the business server answers");
            answer.bytes().await.expect("its answer is whole");
        }
    })
    .await
}

async fn through(callgate: &Process, request: &callgate::proto::v1::BeforeRequest) -> Vec<f64> {
    let client = load::connect(callgate.address).await;
    load::at_rate(RATE, TIME, || {
        let (mut client, request) = (client.clone(), request.clone());
        async move {
            client.before(request).await.expect("callgate answers");
        }
    })
    .await
}

pub fn no_tls() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
